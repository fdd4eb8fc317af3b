"""Nearest neighbours read lazily from an engine that wants to know how many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from turnfold_stores.protocols import Hit

# How many hits are asked for at first, and how much more each time the reader wants more.
_FIRST = 32
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Page:
    """Hits with what is needed to choose among them, and whether there may be more.

    Attributes:
        hits: best first.
        conversations: of each hit, for those that do not tell their own; None where all that are
            wanted by their conversation do.
        more: False when these are all that a search finds.
        missed: whether there are others all the same, which an approximate search does not reach.
    """

    hits: list[Hit]
    conversations: Sequence[str] | None
    more: bool
    missed: bool = False

    def named(self) -> Iterator[tuple[Hit, str | None]]:
        """Each hit with the conversation it belongs to; None where nothing tells it."""
        if self.conversations is None:
            yield from ((hit, hit.conversation) for hit in self.hits)
            return
        for hit, its in zip(self.hits, self.conversations, strict=True):
            yield hit, its if hit.conversation is None else hit.conversation


def widening(
    search: Callable[[int], Page | None],
    *,
    conversation: str | None,
    most: int | None = None,
    rest: Callable[[], Iterable[Hit]] = tuple,
) -> Iterator[Hit]:
    """Hits, each once, asked for in ever larger numbers as the reader goes on.

    Args:
        search: asks for so many of the nearest; None when there is nothing.
        conversation: the only one wanted of those that were found; None for any.
        most: what the server gives at most; None without limit.
        rest: all hits of the conversation wanted, best first, when `most` are not enough, or
            some were missed.
    """
    seen: set[str] = set()
    wanted = _FIRST
    while (found := search(wanted)) is not None:
        for hit, its in found.named():
            if hit.id not in seen:
                seen.add(hit.id)
                if conversation in (None, its):
                    yield hit
        if not (found.more or found.missed):
            return
        if found.missed or wanted == most:
            yield from (hit for hit in rest() if hit.id not in seen)
            return
        wanted *= _GROWTH
        wanted = wanted if most is None else min(wanted, most)
