"""What comes from a terminal or goes there: bytes of any kind in, nothing that steers it out."""

import io
import json
import os
import subprocess
import sys
import unicodedata

import pytest
from rich.text import Text
from support.chats import memory, said
from support.drawing import sampled, some
from support.talks import talk
from turnfold import Conversation
from turnfold_cli import live, rendering
from turnfold_cli.chat import Chat
from turnfold_cli.demo import Answered
from turnfold_fake import FakeClaude

STEERING = "\x1b]0;owned\x07 \x9b31m \x90q\x9c \x7f\x08\r\x00"


def steers(text):
    return [one for one in text if unicodedata.category(one) == "Cc" and one not in "\n\t"]


# --- what comes in ---------------------------------------------------------------------------


def chatted(tmp_path, typed, *arguments, **environment):
    """A chat of one line, in a process of its own."""
    store = f"sqlite:{tmp_path / 'memory.db'}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    return subprocess.run(
        [sys.executable, "-m", "turnfold_cli", "chat", "--fake", "--store", store, *arguments],
        env=clean | environment,
        input=typed,
        capture_output=True,
        timeout=120,
        check=False,
    )


@sampled
@pytest.mark.parametrize("encoding", some(["utf-8:surrogateescape", "utf-8", "ascii"], step=2))
def test_what_is_no_text_in_the_terminals_encoding_is_a_question_mark(tmp_path, encoding):
    done = chatted(tmp_path, b"a caf\xe9 please\n", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"Understood: a caf")
    assert done.stdout.endswith(b" please\n")


def test_a_system_prompt_in_another_encoding(tmp_path):
    done = chatted(tmp_path, b"Hi\n", "--system", b"Sois bref: caf\xe9")
    assert done.returncode == 0, done.stderr
    assert b"Understood: Hi" in done.stdout


# --- what goes out ---------------------------------------------------------------------------


@pytest.fixture
def chat():
    """A chat with a model that has said what steers a terminal, most of it in memory."""
    fake = FakeClaude(lambda body: f"{STEERING} {said(len(body['messages']), 'told')}")
    shown = []
    with fake.client() as client, memory() as opened:
        talk = Conversation(client=client, memory=opened, id="chat", user_id="ada")
        for number in range(20):
            talk.say(said(number))
        yield Chat(talk, shown.append), shown


@pytest.mark.parametrize("line", ["Hello", "/recall birch3", "/memory", "/receipt"])
def test_a_chat_steers_no_terminal(chat, line):
    talking, shown = chat
    talking.take("Hello there")
    shown.clear()
    talking.take(line)
    assert len("".join(shown)) > 30
    assert not steers("".join(shown))


def test_recall_shows_what_was_said_without_what_steers(chat):
    talking, shown = chat
    talking.take("/recall birch3")
    assert "]0;owned 31m q " in "".join(shown)


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_no_table_steers_a_terminal(stream):
    written = stream()
    console = rendering.console_for(written)
    table = rendering.plain_table(console, STEERING, STEERING, "of")
    table.add_row(STEERING, Text(STEERING, "bold"))
    console.print(table)
    live.print_answer(console, Answered(STEERING, STEERING, STEERING))
    console.print(STEERING, style="bold")
    told = written.getvalue()
    assert "]0;owned" in told
    for own in ("\x1b[1m", "\x1b[0m", "\x1b[1;", "\x1b[3"):  # rich's, in a terminal
        told = told.replace(own, "")
    assert not steers(told)


def test_names_are_no_markup():
    written = io.StringIO()
    console = rendering.console_for(written)
    table = rendering.plain_table(console, "", "name")
    table.add_row("[/red] [bold]x")
    console.print(table)
    console.print("[/red] [bold]y")
    assert "[/red] [bold]x" in written.getvalue()
    assert "[/red] [bold]y" in written.getvalue()


def test_a_conversation_named_like_markup_is_replayed(command, quick, write):
    path = write([talk("[/red]"), talk(f"two{STEERING}")])
    done = command("replay", path, "--strategy", "turnfold", "--limit", 2, "--no-questions")
    assert done.exit_code == 0, done.output
    assert "[/red]" in done.stdout
    assert not steers(done.stdout)


def test_lines_and_json_steer_no_terminal(capsys):
    rendering.complain(STEERING)
    rendering.remark(STEERING)
    rendering.print_json({"told": STEERING})
    told = capsys.readouterr()
    assert not steers(told.out + told.err)
    assert json.loads(told.out[told.out.index("{") :]) == {"told": STEERING}
