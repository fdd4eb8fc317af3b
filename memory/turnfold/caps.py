"""What a caller lets memory spend on summaries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from turnfold.errors import PolicyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that may be spent on summaries.

    Attributes:
        tokens: read and written by the model; 0 or more. None for any number.
        dollars: at list prices; 0 or more. None for any amount. A model without a known price
            counts as the dearest one, so that the cap holds.

    Raises:
        PolicyError: a value is out of range.
    """

    tokens: int | None = None
    dollars: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("tokens", self.tokens), ("dollars", self.dollars)):
            if value is None:
                continue
            fits = isinstance(value, int | float) and math.isfinite(value) and value >= 0
            if isinstance(value, bool) or not fits:
                raise PolicyError(f"{name}={value!r} of a cap must be 0 or more, or None for none")

    def refuses(self, spent: Spent, more: Spent) -> bool:
        """Whether spending more would pass the cap, or it is reached."""
        limits = (
            (self.tokens, spent.tokens, more.tokens),
            (self.dollars, spent.dollars, more.dollars),
        )
        return any(
            most is not None and (was >= most or was + asked > most) for most, was, asked in limits
        )

    def __str__(self) -> str:
        tokens = "" if self.tokens is None else f"{self.tokens} tokens"
        dollars = "" if self.dollars is None else f"${self.dollars:g}"
        return " or ".join(filter(None, (tokens, dollars))) or "nothing"


@dataclass(frozen=True, slots=True)
class Spent:
    """What summaries have cost."""

    tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.dollars + other.dollars)
