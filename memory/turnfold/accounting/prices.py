"""A model and a usage go in, list-price dollars come out.

Prices are Anthropic's list prices as read on 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float
    write_5m: float
    write_1h: float
    read: float

    @classmethod
    def of(cls, input_: float, output: float, read: float) -> Price:
        """A price with the usual write rates: 1.25 and 2 times the input."""
        return cls(input_, output, 1.25 * input_, 2 * input_, read)


_PRICES = {
    "claude-opus-5-5": Price.of(4, 20, 0.20),
    "claude-sonnet-5-5": Price.of(2, 10, 0.20),
    "claude-haiku-5-5": Price.of(0.10, 0.50, 0.01),
    "claude-opus-5": Price.of(5, 25, 0.50),
    "claude-haiku-4-5": Price.of(1, 5, 0.10),
    "claude-fable-5-1": Price.of(10, 50, 0.25),
}


def price_of(model: str, own: Mapping[str, Price] | None = None) -> Price | None:
    """The price of a model by the longest known prefix of its name; None if unknown.

    Prices of the caller's `own` go before list prices.

    A cloud's own prefix and a date suffix do not matter: `us.anthropic.claude-opus-5-20260101`
    is priced as `claude-opus-5`.
    """
    name = model[model.find("claude-") :] if "claude-" in model else model
    for table in (own or {}, _PRICES):
        known = [prefix for prefix in table if name.startswith(prefix)]
        if known:
            return table[max(known, key=len)]
    return None


def dearest() -> Price:
    """The highest price there is of each kind: for a model that must not be underestimated."""
    columns = zip(*map(astuple, _PRICES.values()), strict=True)
    return Price(*map(max, columns))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens the API counted for one or more requests."""

    input_tokens: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output_tokens: int = 0

    @classmethod
    def from_api(cls, usage: Mapping[str, Any] | None) -> Usage:
        """Read the `usage` object of a Messages API response."""
        usage = usage or {}
        written = int(usage.get("cache_creation_input_tokens") or 0)
        detail = usage.get("cache_creation") or {}
        one_hour = int(detail.get("ephemeral_1h_input_tokens") or 0)
        return cls(
            input_tokens=int(usage.get("input_tokens") or 0),
            cache_read=int(usage.get("cache_read_input_tokens") or 0),
            cache_write_5m=written - one_hour,
            cache_write_1h=one_hour,
            output_tokens=int(usage.get("output_tokens") or 0),
        )

    def to_list(self) -> list[int]:
        """The counts in the order of the attributes; `Usage(*counts)` is the way back."""
        return [
            self.input_tokens,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.output_tokens,
        ]

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input_tokens + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output_tokens + other.output_tokens,
        )


def cost(usage: Usage, price: Price) -> float:
    """Dollars for a usage at a price."""
    return (
        usage.input_tokens * price.input
        + usage.cache_read * price.read
        + usage.cache_write_5m * price.write_5m
        + usage.cache_write_1h * price.write_1h
        + usage.output_tokens * price.output
    ) / 1e6
