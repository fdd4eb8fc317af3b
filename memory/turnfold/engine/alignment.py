"""Two histories go in, by what their exchanges say; where the one stands in the other comes out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Exchanges that have to agree before two histories are taken for one.
LEAST_OVERLAP = 2


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the exchanges that were sent stand on a path.

    Attributes:
        places: of each exchange sent, its index on the path; None for one that is not there.
            They rise.
        length: exchanges of the path.
    """

    places: tuple[int | None, ...]
    length: int

    @property
    def _found(self) -> list[tuple[int, int]]:
        return [(index, place) for index, place in enumerate(self.places) if place is not None]

    @property
    def overlap(self) -> int:
        """How many of the exchanges sent stand on the path."""
        return len(self._found)

    @property
    def skipped(self) -> int:
        """1 where the first exchange sent is none of the path, but the second is; else 0."""
        found = self._found
        return int(bool(found) and found[0][0] == 1 and found[0][1] > 0)

    @property
    def front(self) -> int:
        """How many exchanges of the path are missing at its front.

        Those before the first that was sent; behind the first, where that one was kept.
        """
        found = self._found
        if not found:
            return 0
        (index, place), *rest = found
        if index == 0 and place == 0:
            return rest[0][1] - 1 if rest and rest[0][0] == 1 else 0
        return max(0, place - index) if index <= 1 else 0

    @property
    def joint(self) -> tuple[int, int]:
        """Where the two go on together behind the front: (index sent, place on the path)."""
        found = self._found
        keeps_first = found[0] == (0, 0) and self.front > 0
        return found[1] if keeps_first else found[0]

    @property
    def lost(self) -> int:
        """How many exchanges of the path are missing between those that were sent."""
        start, _ = self.joint
        found = [(index, place) for index, place in self._found if index >= start]
        return sum(later - place - 1 for (_, place), (_, later) in pairwise(found))

    @property
    def new(self) -> int:
        """How many of those sent stand before or between those of the path, and are new there."""
        found = self._found
        if not found:
            return 0
        before = max(0, found[0][0] - self.skipped)
        return before + sum(later - index - 1 for (index, _), (later, _) in pairwise(found))

    @property
    def runs_out(self) -> bool:
        """Whether one of the two ends where they agree last."""
        found = self._found
        return bool(found) and (
            found[-1][0] == len(self.places) - 1 or found[-1][1] == self.length - 1
        )


def align(path: Sequence[str], sent: Sequence[str]) -> Alignment:
    """Lay what was sent against a path, in a time that is linear but for a few look-ups.

    What both have at the beginning and at the end is told first: most histories differ in one
    place. In between each exchange is taken for the next of its kind on the path.

    Args:
        path: content ids, in order.
        sent: content ids, in order.
    """
    places: list[int | None] = [None] * len(sent)
    start, most = 0, min(len(path), len(sent))
    while start < most and path[start] == sent[start]:
        places[start] = start
        start += 1
    known = set(path)
    end = len(sent)  # what follows are turns that the path does not have yet
    while end > start and sent[end - 1] not in known:
        end -= 1
    last = len(path)
    while end > start and last > start and path[last - 1] == sent[end - 1]:
        end, last = end - 1, last - 1
        places[end] = last
    where: dict[str, list[int]] = {}
    for place in range(start, last):
        where.setdefault(path[place], []).append(place)
    at = start - 1
    for index in range(start, end):
        spots = where.get(sent[index], ())
        next_ = bisect_right(spots, at)
        if next_ < len(spots):
            at = spots[next_]
            places[index] = at
    return Alignment(tuple(places), len(path))
