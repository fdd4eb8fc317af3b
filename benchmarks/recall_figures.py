"""Scores of questions go in; means, intervals, differences and tables come out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from recall_losses import STEPS

_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Score:
    """What one question got under one strategy and budget.

    Attributes:
        strategy: its name.
        budget: in tokens.
        conversation: its id.
        kind: what sort of question it is.
        share: of the turns that hold the answer, which share stood in the prompt: 0 to 1.
        tokens: of the prompt.
        question: its id.
        turns: turns of the conversation that stood in the prompt whole.
        lost: for each turn that did not though it holds the answer, the step that lost it.
        floor: the share that the nearest turns have which fill four fifths of the budget.
    """

    strategy: str
    budget: int
    conversation: str
    kind: str
    share: float
    tokens: int
    question: str = ""
    turns: int = 0
    lost: tuple[str, ...] = ()
    floor: float = 0.0


def summary(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Means with their intervals, overall and by kind of question."""
    rows = []
    groups: dict[tuple[str, int, str], list[Score]] = defaultdict(list)
    for one in scores:
        groups[one.strategy, one.budget, "all"].append(one)
        groups[one.strategy, one.budget, one.kind].append(one)
    for (strategy, budget, kind), group in groups.items():
        low, high = interval(group)
        mean = 100 * float(np.mean([one.share for one in group]))
        row: dict[str, Any] = {"strategy": strategy, "budget": budget, "kind": kind}
        row |= {"questions": len(group), "recall": round(mean, 1)}
        row |= {"low": round(low, 1), "high": round(high, 1)}
        row |= {"tokens": round(float(np.mean([one.tokens for one in group])))}
        row |= {"turns": round(float(np.mean([one.turns for one in group])), 1)}
        row |= {"lost": dict(Counter(step for one in group for step in one.lost))}
        rows.append(row)
    return rows


def interval(scores: Sequence[Score]) -> tuple[float, float]:
    """The middle 95% of the mean, in percent, were other conversations of the kind drawn."""
    by_conversation: dict[str, list[float]] = defaultdict(list)
    for one in scores:
        by_conversation[one.conversation].append(one.share)
    sums = np.array([sum(some) for some in by_conversation.values()])
    sizes = np.array([len(some) for some in by_conversation.values()])
    drawn = np.random.default_rng(0).integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = 100 * sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def differences(scores: Sequence[Score], ours: str, other: str) -> list[dict[str, Any]]:
    """By how many points ours is ahead of another strategy, by budget and kind of question.

    The same questions under both, so what makes some harder than others falls out; the interval
    of 95% is by resampling questions.
    """
    shares: dict[tuple[str, int, str, str], float] = {}
    groups: dict[tuple[int, str], list[tuple[int, str, str]]] = defaultdict(list)
    for one in scores:
        shares[one.strategy, one.budget, one.conversation, one.question] = one.share
        if one.strategy == ours:
            place = one.budget, one.conversation, one.question
            groups[one.budget, "all"].append(place)
            groups[one.budget, one.kind].append(place)
    rows = []
    for (budget, kind), places in groups.items():
        apart = 100 * np.array([shares[ours, *at] - shares[other, *at] for at in places])
        drawn = np.random.default_rng(0).integers(len(apart), size=(_RESAMPLES, len(apart)))
        low, high = np.percentile(apart[drawn].mean(axis=1), [2.5, 97.5])
        row: dict[str, Any] = {"strategy": ours, "other": other, "budget": budget, "kind": kind}
        row |= {"ahead": round(float(apart.mean()), 1)}
        row |= {"low": round(float(low), 1), "high": round(float(high), 1)}
        rows.append(row)
    return rows


def above_floor(scores: Sequence[Score], name: str) -> dict[int, float]:
    """By budget, how many points a strategy is above its floor, on average over kinds."""
    apart: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in scores:
        if one.strategy == name:
            apart[one.budget][one.kind].append(one.share - one.floor)
    return {
        budget: 100 * float(np.mean([np.mean(some) for some in kinds.values()]))
        for budget, kinds in apart.items()
    }


def table(
    scores: Sequence[Score],
    names: Sequence[str],
    budgets: Sequence[int],
    kinds: Sequence[str] = (),
) -> str:
    """ER by strategy and kind of question, all for none, as Markdown."""
    rows = {(row["strategy"], row["budget"], row["kind"]): row for row in summary(scores)}
    kinds = kinds or ["all", *sorted({one.kind for one in scores})]
    lines = _head(budgets)
    for name in names:
        for kind in kinds:
            cells = [rows[name, budget, kind] for budget in budgets]
            title = f"**{name}**" if kind == "all" else f"{kind} ({cells[0]['questions']})"
            shown = [f"{c['recall']} [{c['low']}, {c['high']}]" for c in cells]
            lines.append(_line(title, shown))
        cells = [rows[name, budget, "all"] for budget in budgets]
        lines.append(_line("turns, tokens", [f"{c['turns']:.0f}, {c['tokens']}" for c in cells]))
    return "\n".join(lines)


def versus(rows: Sequence[dict[str, Any]], budgets: Sequence[int]) -> str:
    """`differences` of one pair as Markdown."""
    cells = {(row["budget"], row["kind"]): row for row in rows}
    lines = _head(budgets)
    for kind in ["all", *sorted({row["kind"] for row in rows} - {"all"})]:
        some = [cells[budget, kind] for budget in budgets]
        lines.append(_line(kind, [f"{c['ahead']:+} [{c['low']:+}, {c['high']:+}]" for c in some]))
    return "\n".join(lines)


def losses_table(scores: Sequence[Score], name: str, budgets: Sequence[int]) -> str:
    """Of the turns that hold answers and did not come, how many each step lost; as Markdown."""
    rows = {
        row["budget"]: row
        for row in summary(scores)
        if (row["strategy"], row["kind"]) == (name, "all")
    }
    lines = _head(budgets)
    for step in STEPS:
        lines.append(_line(step, [str(rows[budget]["lost"].get(step, 0)) for budget in budgets]))
    return "\n".join(lines)


def _head(budgets: Sequence[int]) -> list[str]:
    return ["| | " + " | ".join(map(str, budgets)) + " |", "|---" * (len(budgets) + 1) + "|"]


def _line(title: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([title, *cells]) + " |"
