"""A library's process and a budget go in; a strategy that a replay can hold comes out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from proof.strategies import Contender
from turnfold_cli.agents.summarizing import stand_in_summary
from turnfold_cli.strategies import Api, Message, Strategy
from turnfold_cli.transcripts import Conversation
from turnfold_fake.sentences import read_sentences

from peers.catalogue import Way
from peers.process import PeerProcess
from peers.units import messages_of, units_of

_TAG = re.compile(r"<[^<>]*>")


class Asked:
    """A cut: what was said goes to a library, and what it would send is sent."""

    def __init__(
        self, api: Api, process: PeerProcess, way: Way, budget: int, questions: frozenset[str]
    ) -> None:
        self._api = api
        self._questions = questions
        self._process = process
        self._taken_in = 0
        self._said: dict[str, None] = {}
        process.ask({"open": way.kind, "budget": budget}, self._model)

    def __call__(self, history: list[Message]) -> list[Message]:
        """The newest message is what is asked now; only what was answered is taken in."""
        earlier = history[self._taken_in : -1]
        if earlier:
            self._said.update(dict.fromkeys(_sentences(units_of(earlier))))
            self._process.ask({"add": units_of(earlier)}, self._model)
            self._taken_in = len(history) - 1
        newest = history[-1]
        question = isinstance(newest["content"], str) and newest["content"] in self._questions
        told = self._process.ask({"prompt": units_of([newest]), "question": question}, self._model)
        return messages_of(told)

    def _model(self, prompt: str, tokens: int) -> str:
        """Sentences that were said, out of those the library shows: of its own words none."""
        shown = (_bare(one, self._said) for one in _sentences([{"text": _TAG.sub("\n", prompt)}]))
        text = "\n".join(one for one in shown if one)
        says = stand_in_summary([{"role": "user", "content": text or "-"}], tokens)
        return self._api.tell([{"role": "user", "content": prompt}], says)


def contender(way: Way, process: PeerProcess, budget: int, conversation: Conversation) -> Contender:
    """A way to use a library on a conversation, held to a budget."""
    questions = frozenset(one.text for one in conversation.questions)
    cutter = partial(_cutter, process=process, way=way, budget=budget, questions=questions)
    return Contender(Strategy(way.name, way.title, cutter=cutter), way.limit)


def _cutter(
    api: Api, *, process: PeerProcess, way: Way, budget: int, questions: frozenset[str]
) -> Asked:
    return Asked(api, process, way, budget, questions)


def _sentences(units: Sequence[dict[str, str]]) -> list[str]:
    said = [{"role": "user", "content": one["text"]} for one in units if one["text"].strip()]
    return [one.text for one in read_sentences({"messages": said})] if said else []


def _bare(sentence: str, known: dict[str, None]) -> str:
    """A sentence as it was said, without who said it; "" where it was not."""
    if sentence in known:
        return sentence
    said = sentence.partition(": ")[2]
    return said if said in known else ""
