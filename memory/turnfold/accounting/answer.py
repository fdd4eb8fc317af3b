"""What went by of an answer goes in; its usage, and what a receipt says of it, come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnfold.accounting.prices import Usage

BROKE_OFF = (
    "the answer broke off before its end: usage and cost are what the API had counted by then, "
    "a lower bound"
)
"""What a receipt says of a stream that was stopped, or failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, as far as it came.

    Attributes:
        message: the Messages API response as JSON; None where it did not come whole, or is none.
        broken: what was told of a message that broke off; None for any other answer. It counts,
            and nothing is learned from it: neither its thinking nor its counts are whole.
    """

    message: Mapping[str, Any] | None = None
    broken: Mapping[str, Any] | None = None

    @property
    def usage(self) -> Usage:
        """What the API counted, as far as it told."""
        told = self.broken if self.message is None else self.message
        return Usage.from_api(None if told is None else told.get("usage"))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What its receipt says of it."""
        return () if self.broken is None else (BROKE_OFF,)
