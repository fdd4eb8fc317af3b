"""A model and a usage go in, list-price dollars come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from turnfold_stores.process.fork import importing


class Tier(NamedTuple):
    """What every token of a request costs whose prompt has more than so many tokens."""

    above: int
    price: Price


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens.

    Attributes:
        input: a token of the prompt that is neither written to the cache nor read from it.
        output: a token of the answer.
        write_5m: a token written to the cache for five minutes.
        write_1h: for an hour.
        read: a token read from the cache.
        tiers: other prices of longer prompts, the shortest first; `at` finds the one in force.
    """

    input: float
    output: float
    write_5m: float
    write_1h: float
    read: float
    tiers: tuple[Tier, ...] = ()

    @classmethod
    def of(cls, input_: float, output: float, read: float) -> Price:
        """A price with the usual write rates: 1.25 and 2 times the input."""
        return cls(input_, output, 1.25 * input_, 2 * input_, read)

    def with_tiers(self, tiers: Iterable[tuple[int, Price]]) -> Price:
        """The same up to the first of some sizes of the prompt, in tokens, another from there."""
        return replace(self, tiers=tuple(Tier(*one) for one in sorted(tiers, key=lambda o: o[0])))

    def with_read(self, share: float) -> Price:
        """The same, but a token read from the cache costs this part of an input token."""
        tiers = [(one.above, one.price.with_read(share)) for one in self.tiers]
        return replace(self, read=share * self.input).with_tiers(tiers)

    def at(self, prompt_tokens: int) -> Price:
        """What a request costs whose prompt has so many tokens, cached or not."""
        passed = [one.price for one in self.tiers if prompt_tokens > one.above]
        return passed[-1] if passed else self


NEUTRAL = Price.of(2, 10, read=0.2)
"""Stands for a model whose price is unknown where only ratios matter: reads cost 0.1 of an input
token, writes 1.25, answers 5."""


def price_of(model: str, own: Mapping[str, Price] | None = None) -> Price | None:
    """The price of a model; None if unknown.

    The caller's `own` prices, by the longest beginning of a name, go before list prices. A
    cloud's own prefix and a date suffix do not matter: see `price_list.listed`.
    """
    name = model[model.find("claude-") :] if "claude-" in model else model
    known = [one for one in own or () if name.startswith(one) or model.startswith(one)]
    if own and known:
        return own[max(known, key=len)]
    return _price_list().listed(model)


def dearest() -> Price:
    """The highest price there is of each kind: for a model that must not be underestimated."""
    return _price_list().dearest()


class _PriceList(NamedTuple):
    """What is asked of the list of all models."""

    listed: Callable[[str], Price | None]
    dearest: Callable[[], Price]


@cache
def _price_list() -> _PriceList:
    """The list, loaded when first asked for: a fork waits until it is."""
    with importing:
        from turnfold.accounting import price_list
    return _PriceList(price_list.listed, price_list.dearest)


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
    """Dollars for the usage of one request; its prompt tells which tier of the price holds.

    What several requests used has to be priced one by one.
    """
    price = price.at(usage.prompt_tokens)
    return (
        usage.input_tokens * price.input
        + usage.cache_read * price.read
        + usage.cache_write_5m * price.write_5m
        + usage.cache_write_1h * price.write_1h
        + usage.output_tokens * price.output
    ) / 1e6
