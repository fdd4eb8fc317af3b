"""What recall chose from goes in; which step lost a turn that holds an answer comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import turnfold.recall.recall as recalling
from turnfold.recall.ranking import Candidate
from turnfold.recall.selection import Chosen

STEPS = ("not ranked", "cut", "displaced", "not chosen")
"""It was no candidate, or worth nothing; it came in part; it did not come though the nearest
turns alone, in the same budget, have it; others were worth more by either order."""


class Tracer:
    """Notes what `choose` is given and gives, for the newest look-up."""

    def __init__(self) -> None:
        self._messages: Sequence[Candidate] = ()
        self._values: Sequence[float] = ()
        self._chosen: Sequence[Chosen] = ()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note look-ups from here on."""
        choose = recalling.choose

        def noted(messages: Any, values: Any, **how: Any) -> list[Chosen]:
            self._messages, self._values = messages, values
            self._chosen = choose(messages, values, **how)
            return list(self._chosen)

        recalling.choose = noted
        try:
            yield
        finally:
            recalling.choose = choose

    def forget(self) -> None:
        """There was no look-up yet."""
        self._messages = self._values = self._chosen = ()

    def step(self, turn: str, nearest: Collection[str]) -> str:
        """The step that lost a turn; one of `STEPS`.

        Args:
            turn: its text.
            nearest: the turns that come in the same budget by nearness alone.
        """
        places = [at for at, one in enumerate(self._messages) if one.text == turn]
        if not any(self._values[at] > 0 for at in places):
            return "not ranked"
        if any(one.place in places for one in self._chosen):
            return "cut"
        return "displaced" if turn in nearest else "not chosen"
