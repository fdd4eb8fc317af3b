"""What was asked, as the folds of a turn see it: of exchanges, or of the steps of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from turnfold.history.citations import Source
from turnfold.history.exchanges import Transcript
from turnfold.history.plain import model_in
from turnfold.history.utterances import Utterance


class Cites(Protocol):
    """Tells how far exchanges can be folded without folding what those that stay cite."""

    def until(self, head: int, until: int) -> tuple[int, str]:
        """See `Citations.until`."""

    def lost(self, head: int, folded: int) -> list[Source]:
        """See `Citations.lost`."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request as it came, and as it was read.

    Attributes:
        body: the caller's.
        transcript: its messages as exchanges.
        citations: of the transcript.
        fixed: tokens of system and tools.
        head: how many of the oldest exchanges are never folded.
        within: number of the exchange whose steps the transcript holds, in place of exchanges; all
            else in the prompt is then fixed. 0 for none.
        asked: what opened that exchange.
        most: tokens the prompt may have, besides what the policy says; None for any number.
        carried: tokens of what was recalled at the opening, and stays whatever is folded amid the
            exchange.
    """

    body: Mapping[str, Any]
    transcript: Transcript
    citations: Cites
    fixed: int
    head: int
    within: int = 0
    asked: Sequence[Utterance] = ()
    most: int | None = None
    carried: int = 0

    @property
    def model(self) -> str:
        """The model that is asked."""
        return model_in(self.body)
