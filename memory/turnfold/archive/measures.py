"""Usage rows of a conversation go in; what its next turn goes by comes out.

What is measured travels with the plans: each plan carries the measures of the turns before it.
So every process that reads the ledger decides alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from turnfold_stores.records.fields import DamagedError, Fields

from turnfold.accounting.prices import Usage

# How much of what was measured counts on at the next turn: about the last five turns speak.
_MEMORY = 0.8
# Turns measured before they can turn caching off.
_ENOUGH = 2.0
# Below this many prompt tokens a missing cache read says nothing: 4,096 is the largest least
# cacheable length of any model.
_CACHEABLE = 4_500
# The times to live of a cache entry, in seconds.
FIVE_MINUTES = 300.0
ONE_HOUR = 3_600.0
# An estimate is never corrected by more than this.
_RATES = (0.4, 3.0)


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """One answered request.

    Attributes:
        model: the model asked.
        usage: what the API counted.
        estimated: what we had estimated the prompt at.
        at: when it was answered, in seconds since the epoch.
        message: the id of the answer; "" where it had none.
    """

    model: str
    usage: Usage
    estimated: int
    at: float
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """The row as stored."""
        row = {"model": self.model, "usage": self.usage.to_list(), "estimated": self.estimated}
        return {**row, "message": self.message} if self.message else row

    @classmethod
    def from_json(cls, body: Mapping[str, Any], at: float) -> AnsweredRequest:
        """The row as it was stored."""
        fields = Fields(body)
        counts = fields.wholes("usage")[: len(Usage().to_list())]
        return cls(
            fields.text("model"),
            Usage(*counts),
            fields.whole("estimated"),
            at,
            fields.text("message"),
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """What a conversation has shown so far.

    Attributes:
        turns: turns that could have found the prompt of the turn before in the cache, the older
            the less they count.
        cold: those of them that did not.
        rates: by model, tokens the API counted for one that was estimated.
        prompt: prompt tokens of the last request.
        answered: when it was answered.
        fold: the fold it was sent under.
        cached: whether it carried cache breakpoints.
        purse: what recall has left to spend; see `turnfold.folding.recall_budget`.
        owed: what folds have cost that is not paid yet; likewise.
    """

    turns: float = 0.0
    cold: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    prompt: int = 0
    answered: float = 0.0
    fold: str = ""
    cached: bool = True
    purse: float = 0.0
    owed: float = 0.0

    @property
    def cold_share(self) -> float:
        """Measured share of cold turns, 0 to 1; 0 until enough turns were measured."""
        return self.cold / self.turns if self.turns >= _ENOUGH else 0.0

    def is_cold(self, now: float, *, lifetime: float) -> bool:
        """Whether what the last request wrote to the cache is gone.

        Args:
            now: seconds since the epoch.
            lifetime: of an entry of the cache, in seconds.
        """
        return self.answered > 0 and now - self.answered > lifetime

    def rate(self, model: str) -> float:
        """What to multiply an estimate by; 1 until this model has answered."""
        return self.rates.get(model, 1.0)

    def after(self, rows: Sequence[AnsweredRequest], *, fold: str, cached: bool) -> Measures:
        """The measures after one more exchange.

        Args:
            rows: its answered requests, in order.
            fold: the fold they were sent under.
            cached: whether they carried cache breakpoints.
        """
        if not rows:
            return replace(self, fold=fold, cached=cached)
        turns, cold = self.turns, self.cold
        if self.fold == fold and self.prompt >= _CACHEABLE:
            first = rows[0]
            if self.cached and cached:
                missed = first.usage.cache_read < self.prompt / 2
            else:  # nothing can be read, but it can be told whether it would have been
                missed = first.at - self.answered > FIVE_MINUTES
            turns, cold = turns * _MEMORY + 1, cold * _MEMORY + missed
        last = rows[-1]
        rates = dict(self.rates)
        if last.estimated and last.usage.prompt_tokens:
            rate = last.usage.prompt_tokens / last.estimated
            rates[last.model] = round(min(max(rate, _RATES[0]), _RATES[1]), 4)
        return Measures(
            turns=round(turns, 4),
            cold=round(cold, 4),
            rates=rates,
            prompt=last.usage.prompt_tokens,
            answered=last.at,
            fold=fold,
            cached=cached,
            purse=self.purse,
            owed=self.owed,
        )

    def to_json(self) -> dict[str, Any]:
        """The measures as stored."""
        return {
            "turns": self.turns,
            "cold": self.cold,
            "rates": dict(self.rates),
            "prompt": self.prompt,
            "answered": self.answered,
            "fold": self.fold,
            "cached": self.cached,
            "purse": self.purse,
            "owed": self.owed,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Measures:
        """The measures as they were stored; none where they cannot be read."""
        try:
            fields = Fields(body)
            return cls(
                turns=fields.number("turns"),
                cold=fields.number("cold"),
                rates=fields.numbers("rates"),
                prompt=fields.whole("prompt"),
                answered=fields.number("answered"),
                fold=fields.text("fold"),
                cached=fields.flag("cached", default=True),
                purse=fields.number("purse"),
                owed=fields.number("owed"),
            )
        except DamagedError:
            return cls()
