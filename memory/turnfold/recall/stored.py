"""A handle goes in; what is stored under it comes out whole: a tool's result, an utterance, a turn.

Handles are what a reader of a request has seen: the id of a tool call, the number of a turn, the
id of a passage that a search found. Dead branches, and what was reset or forgotten, have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnfold_stores import Store
from turnfold_stores.records.fields import Reading

from turnfold.archive.conversations import is_alive
from turnfold.archive.passages import place_of
from turnfold.archive.paths import STEP_PLACE_KIND, ExchangePlace, Paths, Trodden
from turnfold.history.block_text import CALLS, words_of
from turnfold.history.exchanges import Message, blocks_of
from turnfold.history.utterances import Utterance, utterances

_BATCH = 64
_PLACES = ("exchange", STEP_PLACE_KIND)


@dataclass(frozen=True, slots=True)
class Stored:
    """Something that was said or done, whole.

    Attributes:
        said: its parts, in order.
        turn: number of its exchange, from 1.
        conversation: in which one; "" for one without a name.
    """

    said: tuple[Utterance, ...]
    turn: int
    conversation: str


class StoredTexts:
    """What is stored of a user, by handles. Reads only."""

    def __init__(self, store: Store, user_id: str, conversation: str | None) -> None:
        """Args:
        store: where it is kept.
        user_id: whose it is.
        conversation: as it is called in the store; None for all of theirs.
        """
        self._store = store
        self._user_id = user_id
        self._conversation = conversation
        self._paths = Paths(store, user_id, Reading())

    def result(self, call_id: str) -> Stored | None:
        """A tool's result and the call it answers, by the call's id; the newest of that id."""
        places = list(self._places())
        for start in range(0, len(places), _BATCH):
            batch = places[start : start + _BATCH]
            said = self._paths.messages(one.content for one in batch)
            for place in batch:
                if parts := _parts_of_call(said.get(place.content, ()), call_id):
                    return Stored(parts, place.number, place.conversation)
        return None

    def turn(self, number: int) -> Stored | None:
        """All of a turn, by its number today; of one under way the steps stored so far."""
        for path in self._living():
            for one in reversed(self._paths.turn_places(path)):
                said = self._paths.said([one])[0] if one.number == number else ()
                if said:
                    return Stored(said, number, path.conversation)
        return None

    def utterance(self, passage_id: str) -> Stored | None:
        """The whole of what a passage is a piece of."""
        try:
            content, number, _ = place_of(passage_id)
        except ValueError:
            return None
        for place in self._places():
            if place.content == content and number < len(parts := self._said(place)):
                return Stored((parts[number],), place.number, place.conversation)
        return None

    def _said(self, place: ExchangePlace) -> list[Utterance]:
        return utterances(self._paths.messages([place.content]).get(place.content, ()))

    def _places(self) -> Iterator[ExchangePlace]:
        """All exchanges on living paths, and steps in view, the newest of each path first."""
        for path in self._living():
            for steps in reversed(self._paths.steps_in_view(path).values()):
                yield from reversed(steps)
            yield from reversed(path.links)

    def _living(self) -> Iterator[Trodden]:
        for conversation in self._conversations():
            if is_alive(self._store, self._user_id, conversation):
                yield from self._paths.trodden(conversation)

    def _conversations(self) -> Sequence[str]:
        if self._conversation is not None:
            return [self._conversation]
        # One whose first exchange is under way has steps, and nothing else.
        scans = (self._store.ledger.scan(self._user_id, kind=kind) for kind in _PLACES)
        return list(dict.fromkeys(record.conversation for scan in scans for record in scan))[::-1]


def _parts_of_call(messages: Sequence[Message], call_id: str) -> tuple[Utterance, ...]:
    """A tool call and its result out of messages; () where the result is not among them."""
    called: list[Utterance] = []
    given: list[Utterance] = []
    for message in messages:
        for block in blocks_of(message):
            if not isinstance(block, Mapping):
                continue
            if block.get("type") in CALLS and block.get("id") == call_id:
                called.append(_as_tool(block))
            elif block.get("tool_use_id") == call_id:
                given.append(_as_tool(block))
    return (*called, *given) if given else ()


def _as_tool(block: Mapping[str, Any]) -> Utterance:
    return Utterance("tool", words_of(block))
