"""Cost and evidence of strategies go in; which are cheaper and better than which comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OURS = "turnfold"
"""The strategy that all others are held against: the default."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Point:
    """One strategy.

    Attributes:
        name: which.
        title: as written.
        cost: dollars.
        found: share of what questions need, 0 to 1.
    """

    name: str
    title: str
    cost: float
    found: float

    def beats(self, other: Point) -> bool:
        """Whether it costs no more, finds no less, and one of them is better."""
        if self.cost > other.cost + _SAME or self.found < other.found - _SAME:
            return False
        return self.cost < other.cost - _SAME or self.found > other.found + _SAME


@dataclass(frozen=True, slots=True)
class Comparison:
    """Strategies that did the same work.

    Attributes:
        where: on what, at which price or budget.
        points: one for each strategy.
    """

    where: str
    points: Sequence[Point]

    @property
    def ours(self) -> Point | None:
        """The default; None where it was not measured."""
        return next((one for one in self.points if one.name == OURS), None)

    def better(self) -> list[Point]:
        """All that beat the default, cheapest first."""
        ours = self.ours
        if ours is None:
            return []
        return sorted((one for one in self.points if one.beats(ours)), key=lambda one: one.cost)


def frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats, cheapest first."""
    best = [one for one in points if not any(other.beats(one) for other in points)]
    return sorted(best, key=lambda one: (one.cost, one.found))


def verdicts(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Where a strategy is cheaper and better than the default, one sentence each; then a count.

    Args:
        comparisons: the most important first.
    """
    held = [one for one in comparisons if one.ours is not None and len(one.points) > 1]
    lost = [one for one in held if one.better()]
    for one in lost:
        ours = one.ours
        assert ours is not None, "only such comparisons were held"
        for other in one.better():
            yield f"{one.where}: {other.title} {_how(other, ours)}."
    rest = len(held) - len(lost)
    if not held:
        yield "Nothing was compared."
    elif lost:
        yield (
            f"In the other {rest} of {len(held)} comparisons no strategy was both cheaper and "
            f"better than turnfold."
        )
    else:
        yield (
            f"In none of {len(held)} comparisons was any strategy both cheaper and better than "
            f"turnfold."
        )


def _how(other: Point, ours: Point) -> str:
    if other.found <= ours.found + _SAME:
        words = "is cheaper than turnfold and finds as much"
    elif other.cost < ours.cost - _SAME:
        words = "is cheaper than turnfold and finds more"
    else:
        words = "costs what turnfold does and finds more"
    # As many digits as it takes to see which is less.
    digits = 3 if f"{other.cost:.3f}" != f"{ours.cost:.3f}" else 6
    return (
        f"{words} (${other.cost:.{digits}f} against ${ours.cost:.{digits}f}; "
        f"{other.found:.1%} against {ours.found:.1%} of the evidence)"
    )
