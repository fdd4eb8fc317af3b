"""The commands as they are typed: what they print, where, and with which exit code."""

import json
import os
import socket
import subprocess
import sys

import pytest
from support.drawing import sampled, some
from support.models import DEFAULT
from support.other_servers import OtherServer
from support.services import EmbeddingService
from support.talks import messages_of, talk
from turnfold import Conversation, Memory, open_store
from turnfold_cli import app as app_module
from turnfold_cli import chat as chat_module
from turnfold_cli.chat import Chat
from turnfold_fake import FakeClaude, Fault

SMALL = ["--fold-at", "1200", "--keep-tokens", "400", "--summary-tokens", "200"]
ESCAPE = "\x1b"


def turnfold(*arguments, code="from turnfold_cli import main; main()", **options):
    """Run the command in a process of its own, without a key."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


# --- replay ---------------------------------------------------------------------------------


def test_replay_prints_the_table_of_strategies(command, quick, write):
    done = command("replay", write([talk("one"), talk("two", 9)]), *SMALL)
    assert done.exit_code == 0, done.output
    for text in ("full history", "last 20 messages", "turnfold, by conversation", "one", "two"):
        assert text in done.stdout
    assert "2 conversations, 23 turns" in done.stdout
    assert "where the input tokens went" in done.stdout
    assert "written in this run, 0 found in the store" in done.stdout
    assert ESCAPE not in done.stdout
    assert done.stderr == ""


def test_replay_as_json(command, quick, write):
    done = command("replay", write([talk("one"), talk("two", 9)]), "--json", *SMALL)
    told = json.loads(done.stdout)
    assert told["conversations"] == 2
    assert len(told["by_conversation"]) == 2 * len(told["strategies"])
    mine = next(one for one in told["strategies"] if one["strategy"] == "turnfold")
    assert mine["refused"] == 0
    assert sum(mine["where_tokens_went"].values()) == mine["input_tokens"]
    assert 0 < mine["ratio_to_full"] < 1.2


def test_replay_of_some_conversations_and_strategies(command, quick, write):
    path = write([talk("one"), talk("two")])
    arguments = ("--limit", 1, "--strategy", "full", "--strategy", "turnfold", "--no-questions")
    told = json.loads(command("replay", path, "--json", *arguments).stdout)
    assert [one["strategy"] for one in told["strategies"]] == ["full", "turnfold"]
    assert told["conversations"] == 1
    assert told["strategies"][0]["evidence_found"] is None


def test_replay_goes_on_in_its_store(command, quick, write, tmp_path):
    path, url = write([talk()]), f"sqlite:{tmp_path / 'memory.db'}"
    arguments = ("replay", path, "--store", url, "--strategy", "turnfold", "--json", *SMALL)
    first, second = (json.loads(command(*arguments).stdout)["strategies"][0] for _ in range(2))
    assert second["summaries_written"] == 0
    assert second["summaries_found"] == first["summaries_written"] > 0
    assert second["evidence_found"] == first["evidence_found"]


@pytest.mark.parametrize(
    ("arguments", "tells"),
    [
        (["--fold-at", "-5"], "fold_at=-5 must be a whole number of at least 1000"),
        (["--placement", "sideways"], "placement='sideways' is not known"),
        (["--keep-tokens", "90000"], "keep_tokens=90000 must be below the 8000"),
        (["--strategy", "magic"], "'magic' is no strategy"),
        (["--store", "gopher:hole"], "no store knows the scheme 'gopher'"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_bad_input_is_one_clear_error(command, write, arguments, tells):
    done = command("replay", write([talk()]), *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert " ".join(tells.split()) in " ".join(done.stderr.replace("│", " ").split())


def test_an_unreadable_transcript_leaves_nothing_behind(command, write, tmp_path):
    folder = tmp_path / "memory"
    done = command("replay", write('{"role": "user"\n'), "--store", folder)
    assert done.exit_code == 2
    assert "is not JSON" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not folder.exists()


def test_a_store_that_is_a_file(command, write):
    path = write([talk()])
    done = command("replay", path, "--store", path)
    assert done.exit_code == 2
    assert "is a file where a folder was expected" in done.stderr


def test_a_store_that_is_open_elsewhere(command, write, tmp_path):
    with open_store(tmp_path / "memory"):
        done = command("replay", write([talk()]), "--store", tmp_path / "memory")
    assert done.exit_code == 2
    assert "open" in done.stderr


def test_a_store_made_with_another_embedding_model(command, quick, write, tmp_path):
    url = f"sqlite:{tmp_path / 'memory.db'}"
    with open_store(url) as store:
        store.bind("another-model", 7)
    done = command("replay", write([talk()]), "--store", url)
    assert done.exit_code == 2
    assert "another-model" in done.stderr


# --- demo -----------------------------------------------------------------------------------


def test_the_demo_ends_by_itself_in_plain_text(command, quick):
    done = command("demo", "--turns", 40)
    assert done.exit_code == 0, done.output
    for text in ("stand-in", "turn 40 of 40", "moved into memory", "✓", "✗", "full history"):
        assert text in done.stdout
    assert ESCAPE not in done.stdout
    assert done.stderr == ""


def test_the_demo_as_json(command, quick, tmp_path):
    done = command("demo", "--turns", 25, "--json", "--store", tmp_path / "memory")
    told = json.loads(done.stdout)
    assert all(one["refused"] == 0 for one in told["strategies"])
    assert (tmp_path / "memory" / "ledger.sqlite3").is_file()


def without(packages):
    """The command where some packages are not installed."""
    return (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {packages.split()}:\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import importlib.util as u; known = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name in {packages.split()} else known(name, *a)\n"
        "from turnfold_cli import main; main()"
    )


def test_the_demo_with_the_real_model_in_a_process_of_its_own():
    """As `make demo` installs it: without torch."""
    missing = without("sentence_transformers transformers torch")
    done = turnfold("demo", "--turns", 3, "--plain", code=missing)
    assert done.returncode == 0, done.stderr
    assert "turn 3 of 3" in done.stdout
    assert ESCAPE not in done.stdout
    assert done.stderr == ""


def test_the_real_claude_wants_a_key(command, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    done = command("demo", "--real")
    assert done.exit_code == 2
    assert "ANTHROPIC_API_KEY" in done.stderr


def test_the_real_claude_is_asked_after_its_price_is_told(command, quick, monkeypatch):
    fake = FakeClaude("It hangs behind the barrel.")
    with fake.serve() as url:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        done = command("demo", "--turns", 25, "--real")
    assert done.exit_code == 0, done.output
    assert done.stdout.index("for about $") < done.stdout.index("expected:")
    assert "Claude:   It hangs behind the barrel." in done.stdout
    assert [call.status for call in fake.calls] == [200] * len(fake.calls)


def test_what_the_real_claude_refuses_is_one_line(command, quick, monkeypatch):
    fake = FakeClaude(faults=[Fault("rate_limit", retry_after=0, times=99)])
    with fake.serve() as url:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        done = command("demo", "--turns", 25, "--real")
    assert done.exit_code == 1
    assert done.stderr.startswith("turnfold: Claude answered 429 rate_limit_error")
    assert done.stderr.count("\n") == 1


# --- chat -----------------------------------------------------------------------------------


def test_a_chat_with_the_stand_in(command, quick, tmp_path):
    lines = "Hello there\n/receipt\n/memory\n/recall hello\n/recall\n/odd\n\n/help\n/quit\nno\n"
    done = command("chat", "--fake", "--store", tmp_path / "memory", input=lines)
    assert done.exit_code == 0, done.output
    for text in (
        "Understood: Hello there",
        f"turn 1, {DEFAULT}",
        "nothing is in memory yet",
        "say what to look for",
        "/odd is no command",
        "/recall TEXT",
    ):
        assert text in done.stdout
    assert "Understood: no" not in done.stdout
    assert done.stderr == ""


def test_a_chat_is_resumed_until_it_is_reset(command, quick, tmp_path):
    arguments = ("chat", "--fake", "--store", f"sqlite:{tmp_path / 'memory.db'}")
    long = messages_of(1)[0]["content"] * 30 + "\n"
    command(*arguments, input=long * 8)
    # A fold is prepared while the chat goes on, and gone by at a later turn.
    said = long * 2 + "/memory\n/recall nets on the pier\n/reset\n/memory\n"
    done = command(*arguments, input=said)
    assert "exchanges are in memory; the summary in force" in done.stdout
    assert "we mended 3 nets" in done.stdout
    assert done.stdout.endswith("all of the conversation is sent as it is\n")


def test_a_chat_without_a_key(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    done = command("chat")
    assert done.exit_code == 2
    for text in ("ANTHROPIC_API_KEY", "--fake", "turnfold demo"):
        assert text in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_chat_with_another_server(command, quick, monkeypatch, tmp_path):
    """It has models of its own, wants no key, and folds where it is told to."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    server = OtherServer()
    monkeypatch.setattr(chat_module, "Anthropic", server.client)
    long = messages_of(1)[0]["content"] * 30 + "\n"
    done = command(
        *("chat", "--base-url", "http://127.0.0.1:8080", "--model", "qwen2.5-1.5b"),
        *("--fold-at", "3000", "--store", f"sqlite:{tmp_path / 'memory.db'}"),
        input=long * 8 + "/memory\n",
    )
    assert done.exit_code == 0, done.output
    assert "All right." in done.stdout
    assert done.stdout.count("the chat's own model") == 1
    assert "exchanges are in memory" in done.stdout
    assert {body["model"] for _, body in server.asked} == {"qwen2.5-1.5b"}


def test_a_chat_says_who_writes_its_summaries(command, quick, monkeypatch, tmp_path):
    server = OtherServer(models=())
    monkeypatch.setattr(chat_module, "Anthropic", server.client)
    long = messages_of(1)[0]["content"] * 30 + "\n"
    command(
        *("chat", "--base-url", "http://127.0.0.1:8080", "--summary-model", "mistral"),
        *("--fold-at", "3000", "--store", f"sqlite:{tmp_path / 'memory.db'}"),
        input=long * 8,
    )
    assert {body["model"] for _, body in server.summaries()} == {"mistral"}


@pytest.mark.parametrize("wrong", ["ten", "-5", "10"])
def test_a_chat_folds_at_a_number_of_tokens(command, wrong):
    done = command("chat", "--fake", "--store", "memory:", "--fold-at", wrong)
    assert done.exit_code == 2
    assert "fold_at" in done.stderr


def test_what_another_server_refuses_is_not_said_of_claude(command, quick, monkeypatch):
    with FakeClaude(faults=[Fault("rate_limit", retry_after=0, times=3)]).serve() as url:
        options = ("--store", "memory:", "--base-url", url, "--model", "qwen2.5-7b")
        done = command("chat", *options, input="One\n")
    assert "turnfold: 127.0.0.1, asked for 'qwen2.5-7b', answered 4" in done.stderr
    assert "Claude" not in done.stderr


def test_an_error_of_the_api_does_not_end_the_chat(command, quick, monkeypatch):
    fake = FakeClaude(faults=[Fault("rate_limit", retry_after=0, times=3), Fault("stream_error")])
    monkeypatch.setattr(app_module, "FakeClaude", lambda: fake)
    done = command("chat", "--fake", "--store", "memory:", input="One\nTwo\nThree\n")
    assert done.exit_code == 0
    assert "turnfold: Claude answered 429 rate_limit_error" in done.stderr
    assert done.stderr.count("\n") == 2
    assert done.stdout.endswith("Understood: Three\n")


def test_a_port_that_is_taken_is_said_before_anything_is_opened(command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("serve", f"sqlite:{tmp_path / 'memory.db'}", "--port", str(port))
    assert done.exit_code == 2
    assert f"cannot listen at 127.0.0.1:{port}" in done.stderr
    assert "--port names another" in " ".join(done.stderr.split())
    assert "memory is kept" not in done.stderr
    assert not list(tmp_path.iterdir())


# --- what is missing ------------------------------------------------------------------------


@sampled
@pytest.mark.parametrize(
    ("package", "command", "extra"),
    some(
        [("typer", "demo", "cli"), ("rich", "--help", "cli"), ("typer", "serve", "serve")], step=2
    ),
)
def test_without_its_libraries_the_command_names_the_extra(package, command, extra):
    code = f"import sys; sys.modules['{package}'] = None; from turnfold_cli import main; main()"
    done = turnfold(command, code=code)
    assert done.returncode == 1
    assert f"pip install 'turnfold[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("packages", "extra"),
    [("sentence_transformers openvino", "embeddings"), ("chromadb", "chroma")],
)
def test_the_demo_names_the_extra_it_lacks(packages, extra):
    done = turnfold("demo", code=without(packages))
    assert done.returncode == 1
    assert f"pip install 'turnfold[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_package_itself_loads_no_cli_library():
    code = "import sys, turnfold_cli; print([m for m in ('typer', 'rich') if m in sys.modules])"
    assert turnfold(code=code).stdout.strip() == "[]"


def test_bare_command_shows_what_there_is(command):
    done = command()
    for name in ("replay", "demo", "chat"):
        assert name in done.output


def test_an_answer_can_be_stopped(quick, monkeypatch):
    talk = Conversation(client=FakeClaude().client(), memory=Memory("memory:", embedder=quick))

    def interrupted(text, max_tokens):
        yield "Well, \x1b[31m"
        raise KeyboardInterrupt

    monkeypatch.setattr(talk, "stream", interrupted)
    shown = []
    assert Chat(talk, shown.append).take("Hello")
    assert "".join(shown).startswith("Well, [31m … (stopped")
    assert talk.messages == []


# --- reindex --------------------------------------------------------------------------------


@pytest.fixture
def filled(command, quick, write, tmp_path):
    """A store that a replay has filled with vectors of hashed words."""
    url = f"sqlite:{tmp_path / 'memory.db'}"
    options = ["--store", url, "--strategy", "turnfold", *SMALL]
    assert command("replay", write([talk()]), *options).exit_code == 0
    return url


def test_a_store_is_reindexed_with_an_embedding_service(command, filled):
    with EmbeddingService(dimension=16) as service:
        arguments = ["reindex", filled, "--model", "tiny", "--service", service.url]
        done = command(*arguments)
        assert done.exit_code == 0, done.output
        assert "vectors of tiny (16 numbers each)" in done.stdout
        assert "passages embedded: 0 of" in done.stderr
        again = json.loads(command(*arguments, "--json").stdout)
    assert again["embedded"] == 0
    assert again["passages"] > 0
    with open_store(filled) as store:
        assert store.model == "tiny"


def test_a_reindexed_store_is_chatted_with_by_its_own_model(command, filled):
    with EmbeddingService(dimension=16) as service:
        command("reindex", filled, "--model", "tiny", "--service", service.url)
        options = ("chat", "--fake", "--store", filled)
        told = command(*options, input="Hello\n")
        assert told.exit_code == 2
        assert "--embedder" in told.stderr
        named = (*options, "--embedder", "tiny", "--embedding-service", service.url)
        asked = len(service.bodies)
        long = messages_of(1)[0]["content"] * 30 + "\n"
        told = command(*named, input=long * 8 + "/recall nets on the pier\n")
        assert told.exit_code == 0, told.output
        assert len(service.bodies) > asked
    told = command(*options, "--embedding-service", service.url, input="Hello\n")
    assert told.exit_code == 1
    assert "the name of a model there" in told.stderr


def test_a_service_that_is_not_there_leaves_the_store_as_it_was(command, filled):
    done = command("reindex", filled, "--model", "tiny", "--service", "http://127.0.0.1:9/v1")
    assert done.exit_code == 1
    assert "turnfold: the embedding service" in done.stderr
    with open_store(filled) as store:
        assert store.model == "hashed-words-64"
