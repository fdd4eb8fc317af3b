"""A model's name goes in, Anthropic's list price comes out, from the data of `genai-prices`.

The data come with that package, which Pydantic keeps: prices by model, tiers, and dates from which
they hold. No network is asked for anything. It is loaded when a price is first asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from turnfold_stores.process.fork import importing

from turnfold.accounting.prices import Price

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

# Clouds write `us.anthropic.claude-opus-5-5-v1:0`, `claude-haiku-4-5@20251001` and the like.
_NAME = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d+)(?:[-.](?P<minor>\d{1,2})(?!\d))?")
# Served no more, or named by a scheme of before: nobody's price is guessed by theirs.
_RETIRED = re.compile(r"claude-(?:v?\d|[a-z]+-4-[01]\b)")
# What the package lacks. Of Mythos 5.2 it says that it costs what Fable 5.2 does, of 5.1 that it
# reads from the cache at Fable 5.1's share of the price, which no other model has.
_SAME_AS = {"claude-mythos-5-1": "claude-fable-5-1"}
_OLD = 60  # days
# Where the data say when a price was looked up. Other dates are those from which one holds.
_LOOKED_UP = re.compile(r"(?:checked|verified|as of|observed)[^'\"]{0,60}?(20\d\d-[01]\d-[0-3]\d)")


def listed(model: str) -> Price | None:
    """Today's list price of a model; None if unknown.

    A cloud's own prefix and a date suffix do not matter: `us.anthropic.claude-opus-5-20260101` is
    priced as `claude-opus-5`. A name that only begins like a known one is not known:
    `claude-opus-5-7` is no `claude-opus-5`.
    """
    return _listed(model, datetime.now(UTC).date(), id(_snapshot()))


@lru_cache(maxsize=256)
def _listed(model: str, _day: date, _data: int) -> Price | None:
    """The price of a model by one state of the data, which is asked for several times a turn."""
    start = model.find("claude-")
    if start < 0:
        return None
    found = _NAME.match(model, start)
    name = model[start:]
    if found is not None:
        minor = f"-{found['minor']}" if found["minor"] else ""
        name = f"claude-{found['line']}-{found['major']}{minor}"
    name = _SAME_AS.get(name, name)
    for one in _models():
        if one.is_match(name) and (found is None or one.id.startswith(name)):
            return _price(one)
    return None


def dearest() -> Price:
    """The highest price there is of each kind: for a model that must not be underestimated."""
    listed_now = [_price(one) for one in _models() if not _RETIRED.match(one.id)]
    prices = [one for one in listed_now if one is not None]
    prices += [tier.price for one in prices for tier in one.tiers]
    return Price(
        max(one.input for one in prices),
        max(one.output for one in prices),
        max(one.write_5m for one in prices),
        max(one.write_1h for one in prices),
        max(one.read for one in prices),
    )


def looked_up() -> date:
    """The last day on which the data say that one of their prices was looked up."""
    with importing:  # Python imports what reads it when it first does
        text = files("genai_prices").joinpath("data.py").read_text(encoding="utf-8")
    return max(map(date.fromisoformat, _LOOKED_UP.findall(text)))


def stale(today: date) -> str:
    """Why the list should be renewed, in words; "" where it is not older than 60 days."""
    age = (today - looked_up()).days
    if age <= _OLD:
        return ""
    return (
        f"the list prices are {age} days old: pip install --upgrade genai-prices, or give "
        f"Policy(prices=...)"
    )


def _snapshot() -> DataSnapshot:
    with importing:  # the data are a module that is imported when asked for
        from genai_prices.data_snapshot import get_snapshot

        return get_snapshot()


def _models() -> Iterator[ModelInfo]:
    return iter(_snapshot().find_provider(None, "anthropic", None).models)


def _price(model: ModelInfo) -> Price | None:
    """The price of today; None where the model has none for input."""
    told = model.get_prices(datetime.now(UTC))
    base = _at(told, 0)
    if base is None:
        return None
    starts = {tier.start for value in vars(told).values() for tier in getattr(value, "tiers", ())}
    tiers = [(start, price) for start in sorted(starts) if (price := _at(told, start + 1))]
    return base.with_tiers(tiers)


def _at(told: ModelPrice, prompt_tokens: int) -> Price | None:
    """The price of a request of this size."""
    kinds = vars(told)

    def dollars(kind: str, otherwise: float = 0.0) -> float:
        value: Decimal | TieredPrices | None = kinds.get(kind)
        if value is None:
            return otherwise
        if isinstance(value, Decimal):
            return float(value)
        passed = [tier.price for tier in value.tiers if prompt_tokens > tier.start]
        return float(passed[-1] if passed else value.base)

    whole = dollars("input_mtok")
    if not whole:
        return None
    usual = Price.of(whole, dollars("output_mtok"), read=whole)  # what is not told is not cached
    return Price(
        whole,
        usual.output,
        dollars("cache_write_mtok", usual.write_5m),
        dollars("cache_write_1h_mtok", usual.write_1h),
        dollars("cache_read_mtok", usual.read),
    )
