"""Results of a replay go in; what was cheapest, and what a month costs, come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turnfold_cli.replay_results import Result, by_strategy
from turnfold_cli.transcripts import Conversation

_DAY = 86_400
_MONTH_DAYS = 30


@dataclass(frozen=True, slots=True)
class Offer:
    """What a strategy costs, and what it finds.

    Attributes:
        title: the strategy's.
        dollars: for all that was replayed, cached, at list prices.
        found: share of what the questions need, 0 to 1; None where nothing was asked.
        month: dollars in 30 days; None where the times do not tell.
    """

    title: str
    dollars: float
    found: float | None
    month: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which strategy would have been cheapest.

    Attributes:
        offers: those that no other beats: none costs less and finds as much. The cheapest first.
        months: every strategy that was never refused, with what a month costs.
        refused: titles of those that lost turns to refusals, whose cost says nothing.
        asked: how many questions there were.
        days: from the first time in the file to the last; None where there are no times.
        untimed: conversations without times, which a month leaves out.
    """

    offers: Sequence[Offer]
    months: Sequence[Offer]
    refused: Sequence[str]
    asked: int
    days: float | None
    untimed: int

    def lines(self) -> Sequence[str]:
        """The same as sentences."""
        return [line for line in (self._cheapest(), self._month()) if line]

    def as_json(self) -> dict[str, Any]:
        """The same by name."""
        return {
            "cheapest_at": [
                {"strategy": one.title, "dollars": round(one.dollars, 6), "found": one.found}
                for one in self.offers
            ],
            "questions": self.asked,
            "refused": list(self.refused),
            "days": None if self.days is None else round(self.days, 3),
            "month": {
                one.title: round(one.month, 4) for one in self.months if one.month is not None
            },
            "conversations_without_times": self.untimed,
        }

    def _cheapest(self) -> str:
        if not self.offers:
            return "cheapest: none, since every strategy lost turns to refusals"
        without = f"; not among them, since turns of theirs were refused: {', '.join(self.refused)}"
        tail = without if self.refused else ""
        if not self.asked:
            one = self.offers[0]
            return (
                f"cheapest: {one.title}, ${one.dollars:.2f}; recall is not scored, since the file "
                f"has no questions, nor results of tools to make some of{tail}"
            )
        told = (f"{one.title}, ${one.dollars:.2f}, finds {one.found:.0%}" for one in self.offers)
        return f"cheapest at which recall ({self.asked} questions): {'; '.join(told)}{tail}"

    def _month(self) -> str:
        if self.days is None:
            return "a month: not told, since the file has no times"
        if self.days < 1:
            return (
                f"a month: not told, since the file spans {self.days * 24:.1f} hours; it takes a "
                "day at least"
            )
        told = "; ".join(
            f"{one.title} ${one.month:,.2f}" for one in self.months if one.month is not None
        )
        others = f", without {self.untimed} conversations that have no times" * bool(self.untimed)
        return (
            f"a month would have cost, by the {self.days:.0f} days of the file{others}, with turns "
            f"a minute apart: {told}"
        )


def judged(conversations: Sequence[Conversation], results: Sequence[Result]) -> Verdict:
    """The verdict on a replay.

    Args:
        conversations: those that were replayed.
        results: of each strategy on each.
    """
    spans = {one.id: one.when for one in conversations if one.when is not None}
    days = None
    if spans:
        first, last = min(a for a, _ in spans.values()), max(b for _, b in spans.values())
        days = (last - first) / _DAY
    offers, refused, asked = [], [], 0
    for group in by_strategy(results).values():
        whole = Result.joined(group, "all")
        asked = len(whole.asked)
        if whole.unanswered:
            refused.append(whole.title)
            continue
        timed = sum(one.dollars() for one in group if one.conversation in spans)
        month = timed * _MONTH_DAYS / days if days is not None and days >= 1 else None
        offers.append(Offer(whole.title, whole.dollars(), whole.evidence, month))
    offers.sort(key=lambda one: (one.dollars, -(one.found or 0.0)))
    best: list[Offer] = []
    for one in offers:
        if not best or (one.found or 0.0) > (best[-1].found or 0.0):
            best.append(one)
    return Verdict(best, offers, refused, asked, days, len(conversations) - len(spans))
