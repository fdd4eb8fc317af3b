"""Memory as tools: the official MCP client asks, over a real pipe and real HTTP."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from threading import Thread

import httpx2
import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from support.agent import Job
from support.chats import SMALL, Chat, history, memory, said, stand_in
from support.serving import TOKEN
from turnfold import Conversation, TurnfoldError, open_store
from turnfold.mcp.server import create_http_app, create_server, run
from turnfold.serve import ServeSettings
from turnfold.serve.server import options
from turnfold_cli.app import app
from turnfold_stores import STORE_USER
from typer.testing import CliRunner

READING = {"search_memory", "read_around", "list_conversations", "list_notes"}
CHANGING = {"correct_note", "retract_note", "forget"}
STDIO = """
from support.chats import memory
from turnfold.mcp.server import run
run(lambda: memory({url!r}), "ada")
"""
CLOSING = """
import sys
def closing(url):
    opened = memory(url)
    close = opened.close
    opened.close = lambda: (close(), print("closed", file=sys.stderr, flush=True))
    return opened
"""


def filled(remembering):
    """Ada has talked of many things, and Bob of one."""
    fake = stand_in()
    for user, conversation, mark in (("ada", "engine", ""), ("bob", "secret", "bob")):
        client = remembering.wrap(fake.client(), user_id=user, conversation=conversation)
        Chat(client, history(12, mark)).go_on(2, mark, first=13)


@pytest.fixture
def remembering():
    with memory() as opened:
        filled(opened)
        yield opened


@asynccontextmanager
async def asking(remembering, user="ada", **options):
    """The official client, in this process."""
    async with Client(create_server(remembering, user, **options)) as client:
        yield client


async def told(client, tool, **arguments):
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def refused(client, tool, **arguments):
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return answer.content[0].text


# --- what can be asked ------------------------------------------------------------------------


async def test_it_only_reads_unless_told(remembering):
    async with asking(remembering) as client:
        tools = (await client.list_tools()).tools
        assert {one.name for one in tools} == READING
        assert all(one.annotations.read_only_hint for one in tools)
        assert all(one.output_schema for one in tools)
        await refused(client, "forget", conversation="engine")
    async with asking(remembering, writable=True) as client:
        tools = (await client.list_tools()).tools
        assert {one.name for one in tools} == READING | CHANGING
        changing = [one for one in tools if one.name in CHANGING]
        assert all(one.annotations.destructive_hint for one in changing)


async def test_a_search_finds_what_was_said_and_what_stood_around_it(remembering):
    async with asking(remembering) as client:
        found = (await told(client, "search_memory", query="amber3 birch3"))["passages"]
        assert found[0]["turn"] == 3
        assert found[0]["conversation"] == "engine"
        around = await told(client, "read_around", passage=found[0]["id"], before=1, after=2)
        assert [one["turn"] for one in around["turns"]] == [2, 3, 4, 5]
        assert around["turns"][1]["words"][0] == {"by": "user", "text": said(3)}


async def test_what_is_around_ends_where_the_conversation_does(remembering):
    async with asking(remembering) as client:
        found = (await told(client, "search_memory", query="amber1 birch1"))["passages"]
        first = next(one for one in found if one["turn"] == 1)
        around = await told(client, "read_around", passage=first["id"], before=10, after=0)
        assert [one["turn"] for one in around["turns"]] == [1]


async def test_long_words_are_cut_and_say_so(remembering):
    fake = stand_in()
    chat = Chat(remembering.wrap(fake.client(), user_id="ada", conversation="long"))
    chat.say("begonia " + "word " * 3_000)
    chat.go_on(3)
    async with asking(remembering) as client:
        found = (await told(client, "search_memory", query="begonia", limit=1))["passages"]
        around = await told(client, "read_around", passage=found[0]["id"], before=0, after=0)
    text = around["turns"][0]["words"][0]["text"]
    assert len(text) < 4_100
    assert text.endswith("more characters)")


async def test_notes_are_listed_and_set_right(remembering):
    async with asking(remembering, writable=True) as client:
        known = (await told(client, "list_conversations"))["conversations"]
        assert [one["conversation"] for one in known] == ["engine"]
        where = {"conversation": "engine"}
        notes = (await told(client, "list_notes", **where))["notes"]
        await told(client, "correct_note", note=notes[0]["id"], text="It is green.", **where)
        await told(client, "retract_note", note=notes[1]["id"], **where)
        after = {
            one["text"]: one["holds"]
            for one in (await told(client, "list_notes", **where))["notes"]
        }
        assert after["It is green."]
        assert not after[notes[0]["text"]]
        assert not after[notes[1]["text"]]


async def test_what_a_search_found_is_forgotten(remembering):
    async with asking(remembering, writable=True) as client:
        found = (await told(client, "search_memory", query="amber3 birch3", limit=1))["passages"]
        done = await told(client, "forget", passages=[found[0]["id"]])
        assert done["done"].startswith("1 turns forgotten")
        again = (await told(client, "search_memory", query="amber3 birch3"))["passages"]
        assert all("amber3 " not in one["text"] for one in again)


async def test_a_conversation_is_forgotten_whole_or_by_turns(remembering):
    async with asking(remembering, writable=True) as client:
        await told(client, "forget", conversation="engine", turns=[2])
        found = (await told(client, "search_memory", query="amber2 birch2"))["passages"]
        assert all("amber2 " not in one["text"] for one in found)
        await told(client, "forget", conversation="engine", whole=True)
        assert not (await told(client, "search_memory", query="amber5"))["passages"]


# --- walls ------------------------------------------------------------------------------------


async def test_nothing_of_another_user_is_found_read_or_forgotten(remembering):
    hit = remembering.search("amber3bob", user_id="bob", limit=1)[0]
    async with asking(remembering, writable=True) as client:
        found = (await told(client, "search_memory", query="amber3bob", limit=50))["passages"]
        assert all("bob" not in one["text"] for one in found)
        assert "no passage" in await refused(client, "read_around", passage=hit.id)
        assert "no passage" in await refused(client, "forget", passages=[hit.id])
        assert not (await told(client, "list_notes", conversation="secret"))["notes"]
        note = remembering.notes(user_id="bob", conversation="secret")[0]
        await refused(client, "retract_note", note=note.id, conversation="secret")
        await told(client, "forget", conversation="secret", whole=True)
    assert remembering.search("amber3bob", user_id="bob")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_memory", {"query": "x", "limit": 0}),
        ("search_memory", {"query": "x", "limit": 51}),
        ("read_around", {"passage": "x", "before": 11}),
        ("read_around", {"passage": "nobody"}),
        ("forget", {}),
        ("forget", {"passages": ["x"], "conversation": "engine"}),
        ("forget", {"passages": ["x"], "turns": [1]}),
        ("forget", {"conversation": "engine", "turns": [0]}),
        ("forget", {"turns": [1]}),
        ("forget", {"whole": True}),
        ("forget", {"conversation": "", "whole": True}),
        ("forget", {"passages": ["x"], "whole": True}),
        ("forget", {"conversation": "engine", "turns": [1], "whole": True}),
        ("retract_note", {"note": "nobody", "conversation": "engine"}),
        ("correct_note", {"note": "nobody", "text": " ", "conversation": "engine"}),
        ("correct_note", {"note": "nobody", "text": "x", "conversation": "engine"}),
    ],
)
async def test_what_does_not_fit_is_said_in_words(remembering, tool, arguments):
    async with asking(remembering, writable=True) as client:
        said = await refused(client, tool, **arguments)
        assert len(said.removeprefix(f"Error executing tool {tool}")) > 10
        assert "(...)" not in said, "an agent calls tools, not Python"
        assert remembering.search("amber3", user_id="ada"), "nothing is forgotten by it"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"conversation": "engine", "turns": []}, "turns=[]"),
        ({"conversation": "engine", "turns": [], "whole": True}, "turns=[]"),
        ({"conversation": "engine", "passages": []}, "passages=[]"),
        ({"conversation": "engine"}, "whole=true"),
        ({"conversation": "engine", "turns": None, "passages": None}, "whole=true"),
    ],
)
async def test_how_much_of_a_conversation_is_to_go_has_to_be_said(remembering, arguments, named):
    async with asking(remembering, writable=True) as client:
        assert named in await refused(client, "forget", **arguments)
        assert (await told(client, "search_memory", query="amber3 birch3"))["passages"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("read_around", {"passage": "x" * 100_000}),
        ("forget", {"passages": ["x" * 100_000]}),
        ("forget", {"conversation": "x" * 100_000}),
        ("retract_note", {"note": "x" * 100_000}),
    ],
)
async def test_what_was_sent_is_not_sent_back_whole(remembering, tool, arguments):
    async with asking(remembering, writable=True) as client:
        assert len(await refused(client, tool, **arguments)) < 500


async def test_a_name_may_be_given_as_null(remembering):
    async with asking(remembering) as client:
        assert (await told(client, "list_notes", conversation=None))["notes"] == []


@pytest.mark.parametrize("user", ["", None, STORE_USER, 3])
def test_nobody_is_not_served(remembering, user):
    with pytest.raises(TurnfoldError, match="user_id="):
        create_server(remembering, user)
    opened = []
    with pytest.raises(TurnfoldError, match="user_id="):
        run(lambda: opened.append(1), user)
    assert not opened


# --- what is shown ----------------------------------------------------------------------------


async def test_a_moment_that_no_calendar_has_is_not_shown():
    policy = replace(SMALL, clock=lambda: 1_767_225_600_000.0)
    with memory(policy=policy) as remembering:
        filled(remembering)
        async with asking(remembering) as client:
            found = (await told(client, "search_memory", query="amber3 birch3"))["passages"]
            assert found[0]["said"] == ""
            around = await told(client, "read_around", passage=found[0]["id"])
            assert {one["said"] for one in around["turns"]} == {""}
            known = (await told(client, "list_conversations"))["conversations"]
            assert known == [{"conversation": "engine", "last_said": ""}]


async def test_a_conversation_is_listed_by_when_its_newest_noted_turn_was_said():
    began = 1_767_225_600
    policy = replace(SMALL, time_zone="UTC")
    folded = {}
    with memory(policy=policy) as remembering:
        for day, name in enumerate(("older", "newer", "oldest")):
            start = began + (day - 3 * (name == "oldest")) * 86_400
            folded[name] = remembering.backfill(
                history(20),
                client=stand_in().client(),
                user_id="ada",
                conversation=name,
                times=[start + 60 * (number // 2) for number in range(40)],
            ).folded
        async with asking(remembering) as client:
            known = (await told(client, "list_conversations"))["conversations"]
    assert [one["conversation"] for one in known] == ["newer", "older", "oldest"]
    assert known[0]["last_said"] == f"2026-01-02 00:{folded['newer'] - 1:02d}+00:00"


async def test_a_conversation_has_its_own_name_after_a_reset():
    with memory() as remembering:
        fake = stand_in("All right. " * 20)
        talk = Conversation(client=fake.client(), memory=remembering, id="lesson", user_id="ada")
        talk.say("Hello.")
        talk.reset()
        for number in range(1, 15):
            talk.say(said(number))
        async with asking(remembering, writable=True) as client:
            known = (await told(client, "list_conversations"))["conversations"]
            assert [one["conversation"] for one in known] == ["lesson"]
            assert (await told(client, "list_notes", conversation="lesson"))["notes"]
            where = {"query": "amber3 birch3", "conversation": "lesson", "limit": 1}
            found = (await told(client, "search_memory", **where))["passages"]
            assert found[0]["conversation"] == "lesson"
            around = await told(client, "read_around", passage=found[0]["id"])
            assert around["conversation"] == "lesson"
            done = await told(client, "forget", passages=[found[0]["id"]])
            assert done["done"].startswith("1 turns forgotten")
            again = (await told(client, "search_memory", **where))["passages"]
            assert all("amber3 " not in one["text"] for one in again)


async def test_a_turn_under_way_is_read_corrected_and_forgotten():
    with open_store("memory:") as store:
        job = Job(store)
        job.agent.open()
        job.agent.work(25)
        async with asking(job.memory, writable=True) as client:
            known = (await told(client, "list_conversations"))["conversations"]
            assert [one["conversation"] for one in known] == ["c"]
            notes = (await told(client, "list_notes", conversation="c"))["notes"]
            assert notes
            assert {turn for one in notes for turn in one["turns"]} == {1}
            await told(client, "retract_note", note=notes[0]["id"], conversation="c")
            found = (await told(client, "search_memory", query="amber3 birch3"))["passages"]
            around = await told(client, "read_around", passage=found[0]["id"])
            assert [one["turn"] for one in around["turns"]] == [1]
            words = [one["text"] for one in around["turns"][0]["words"]]
            places = [one for one in words if one.startswith("I look at place")]
            assert places == [f"I look at place{n}." for n in range(1, len(places) + 1)]
            assert any(f"amber{len(places)} " in one for one in words)
            done = await told(client, "forget", passages=[found[0]["id"]])
            assert done["done"].startswith("1 turns forgotten")
            assert not (await told(client, "search_memory", query="amber3 birch3"))["passages"]


# --- over real pipes and real HTTP ------------------------------------------------------------


def started(*arguments):
    """A server in a process of its own, as agents start it."""
    paths = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": paths}
    return StdioServerParameters(command=sys.executable, args=list(arguments), env=env)


@pytest.fixture
def url(tmp_path):
    """Of a store that other processes can open."""
    url = f"sqlite:{tmp_path / 'store.db'}"
    with memory(url) as opened:
        filled(opened)
    return url


async def test_over_stdio_it_answers_as_in_this_process(url):
    async with Client(started("-c", STDIO.format(url=url))) as client:
        assert {one.name for one in (await client.list_tools()).tools} == READING
        found = (await told(client, "search_memory", query="amber3 birch3"))["passages"]
        assert any("amber3 " in one["text"] for one in found)
        assert all("bob" not in one["text"] for one in found)


@pytest.mark.skipif(os.name == "nt", reason="an interrupt reaches a whole console there")
def test_an_interrupt_ends_it_while_the_client_says_nothing(url):
    code = (
        STDIO.format(url=url)
        .replace("memory(", "closing(")
        .replace("from turnfold.mcp", CLOSING + "from turnfold.mcp")
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        server.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        server.stdin.flush()
        assert '"id":1' in server.stdout.readline().replace(" ", ""), "it serves"
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 130
        assert server.stderr.read() == "closed\n"
    finally:
        server.kill()
        server.communicate()


def test_a_port_that_is_taken_is_said_before_anything_is_opened(url, monkeypatch):
    monkeypatch.setenv("TURNFOLD_TOKEN", TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["mcp", url, "--http", str(port)])
    assert done.exit_code == 2
    assert f"cannot listen at 127.0.0.1:{port}" in done.stderr
    assert "--http names another" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_the_command_serves_whom_it_is_told(url):
    store = url.removeprefix("sqlite:")
    with open_store(url) as opened:  # of no model that would have to be loaded
        for user in ("ada", "bob"):
            opened.delete_vectors(user, opened.index.ids(user))
        opened.ledger.delete(STORE_USER, [one.id for one in opened.ledger.scan(STORE_USER)])
    command = started("-m", "turnfold_cli", "mcp", f"sqlite:{store}", "--user", "bob", "--writable")
    async with Client(command) as client:
        assert {one.name for one in (await client.list_tools()).tools} == READING | CHANGING
        known = (await told(client, "list_conversations"))["conversations"]
        assert [one["conversation"] for one in known] == ["secret"]
        await told(client, "forget", conversation="secret", whole=True)
        assert not (await told(client, "list_conversations"))["conversations"]


@contextmanager
def serving(remembering, **settings):
    """The server as it is run, on a free port of loopback."""
    chosen = ServeSettings(port=0, token=TOKEN, **settings)
    app = create_http_app(create_server(remembering, "ada"), chosen)
    server = uvicorn.Server(uvicorn.Config(app, **{**options(chosen), "log_config": None}))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


async def test_over_http_with_the_token_as_bearer(remembering):
    with serving(remembering) as url:
        async with (
            httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            found = (await told(client, "search_memory", query="amber3 birch3"))["passages"]
        assert found[0]["turn"] == 3


def test_over_http_who_may_not_ask_is_refused(remembering):
    shown = {"authorization": f"Bearer {TOKEN}"}
    cases = [
        ({}, 401),
        ({"authorization": "Bearer guessed-guessed-guessed"}, 401),
        ({**shown, "host": "evil.example"}, 421),
        ({**shown, "origin": "https://evil.example"}, 403),
        ({**shown, "sec-fetch-site": "cross-site"}, 403),
    ]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with serving(remembering) as url, httpx2.Client() as http:
        for headers, status in cases:
            for path in ("", "/", "/../mcp"):
                assert http.post(url + path, json=body, headers=headers).status_code == status


def test_over_http_it_needs_a_token_and_stays_on_loopback(remembering):
    server = create_server(remembering, "ada")
    with pytest.raises(TurnfoldError, match="TURNFOLD_TOKEN"):
        create_http_app(server, ServeSettings())
    with pytest.raises(TurnfoldError, match="loopback"):
        create_http_app(server, ServeSettings(host="0.0.0.0", token=TOKEN))


def test_the_command_serves_nobody_without_a_name(url):
    command = [sys.executable, "-m", "turnfold_cli", "mcp", url, "--user", ""]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, input="")
    assert done.returncode != 0
    assert "user_id='' must be a non-empty string" in done.stderr
