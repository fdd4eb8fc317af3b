"""Other libraries beside turnfold: what is told of each, and what goes through the pipe.

The libraries themselves are not here: an adapter runs where its library is installed.
"""

import json
import sys

import pytest
from peers import catalogue
from peers.measuring import Measured, joined
from peers.process import PeerError, PeerProcess
from peers.tools import parallel_tools
from peers.units import messages_of, units_of
from proof.blocks import as_markdown
from proof.page import TITLE, blocks
from proof.results import Results
from support.embedders import HashedWords
from turnfold_cli.replay import Replay
from turnfold_cli.replay_results import MODEL
from turnfold_cli.strategies import Strategy

LISTED = 0.05
ADAPTER = '''
"""A library that keeps everything."""

from peers.wire import Peer


class Everything(Peer):
    """Grows for ever."""

    title = "Everything"
    said = ()

    def add(self, units):
        self.said = [*self.said, *units]

    def prompt(self, newest):
        print("a library may print")
        nearest = self.host.embed([one["text"] for one in self.said])
        summary = self.host.complete(f"Sum up {len(nearest)} texts.", 10)
        return [{"role": "system", "text": summary}, *self.said, *newest]
'''


# --- what is told of each -------------------------------------------------------------------------


@pytest.mark.parametrize("library", catalogue.libraries())
def test_every_adapter_says_what_it_is_what_limits_it_and_what_is_installed(library):
    ways = list(catalogue.ways(library))

    assert ways
    for way in ways:
        assert way.title
        assert way.limit.endswith(".")
        assert ". " not in way.limit, "one sentence"
    assert all("==" in pin for pin in catalogue.pins(library)), "pinned"


def test_no_two_ways_have_one_title():
    titles = [way.title for name in catalogue.libraries() for way in catalogue.ways(name)]

    assert len(titles) == len(set(titles))


# --- the pipe -------------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of the test's own, as an adapter says it, in a process like any other's."""
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    (adapters / "everything.py").write_text(ADAPTER, encoding="utf-8")
    starts = f"import peers.adapters; peers.adapters.__path__.append({str(adapters)!r})"
    (tmp_path / "sitecustomize.py").write_text(starts, encoding="utf-8")
    python = tmp_path / "python"
    path = f'PYTHONPATH="$PYTHONPATH:{tmp_path}"'
    python.write_text(f'#!/bin/sh\n{path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with PeerProcess(python, "everything", HashedWords(), tmp_path) as process:
        yield process


def test_what_a_library_asks_for_is_given_while_it_works(library):
    said = [{"role": "user", "text": "Where is it?"}]

    library.ask({"open": "Everything", "budget": 100})
    library.ask({"add": said})
    asked = {"prompt": said, "question": True}
    told = library.ask(asked, lambda prompt, tokens: f"{prompt} {tokens}")

    assert told == [{"role": "system", "text": "Sum up 1 texts. 10"}, *said, *said]
    assert library.ask({"usage": True})["peak_mb"] > 0


def test_a_library_that_fails_says_why(library):
    with pytest.raises(PeerError, match="Nothing"):
        library.ask({"open": "Nothing", "budget": 100})


def test_parts_of_messages_become_the_messages_they_were():
    conversation = parallel_tools(2)

    again = messages_of(units_of(conversation.messages))

    assert units_of(again) == units_of(conversation.messages)


def test_the_history_with_parallel_tools_is_one_that_the_api_takes():
    with Replay(Strategy("all", "all"), parallel_tools(4)) as one:
        turns = list(one.play())

    assert len(turns) == 8
    assert all(turn.answered for turn in turns)


# --- the page -------------------------------------------------------------------------------------


def row(strategy, evidence, **more):
    figures = {"title": strategy, "limit": "", "budget": 4_000, "read": LISTED, "spend": 0.1}
    return {"strategy": strategy, "evidence": evidence, **figures, **more}


def run(*rows):
    head = {"group": "a chat", "conversation": "c", "kind": "chat", "turns": 2, "questions": 4}
    return {**head, "rows": list(rows)}


def of_peer(name, **more):
    return {"way": name, "library": name, "limit": f"What limits {name}.", **more}


def test_the_page_shows_what_was_measured_of_peers_and_where_one_is_better_first(tmp_path):
    refused = of_peer("a", refused_with_tools=59, why_refused="no result")
    theirs = {"runs": [run(row("a-Peer", 0.9))], "peers": [refused, of_peer("b", cannot="no disk")]}
    ours = {"about": {"commit": "abc"}, "runs": [run(row("turnfold", 0.5))]}
    (tmp_path / "peers.json").write_text(json.dumps({"about": {"commit": "old"}, **theirs}))
    (tmp_path / "replays.json").write_text(json.dumps(ours))

    results = Results.read(tmp_path)
    text = as_markdown(TITLE, list(blocks(results, model=MODEL, listed=LISTED)))

    assert results.about == {"commit": "abc"}, "where the page's own figures come from"
    assert text.index("a-Peer costs what turnfold does and finds more") < text.index("ER@4k")
    assert "| 59 |" in text
    assert "a: What limits a. Refused with tools: no result." in text
    assert "b: What limits b. Not measured: no disk." in text


def test_a_library_measured_again_takes_the_place_of_what_it_gave_before():
    before = {
        "runs": [run(row("a-Peer", 0.1), row("b-Peer", 0.2))],
        "peers": [of_peer("a"), of_peer("b")],
    }
    found = Measured([run(row("a-Peer", 0.3))], [of_peer("a", version="2")])

    after = joined(before, found, "a")

    (one,) = after["runs"]
    assert [(r["strategy"], r["evidence"]) for r in one["rows"]] == [
        ("b-Peer", 0.2),
        ("a-Peer", 0.3),
    ]
    assert [peer.get("version") for peer in after["peers"]] == [None, "2"]
