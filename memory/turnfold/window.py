"""Sizes of the exchanges go in; how many of the oldest to fold comes out."""

from __future__ import annotations

from collections.abc import Sequence

from turnfold.policy import Policy


def fold_until(sizes: Sequence[int], *, start: int, first: int, other: int, policy: Policy) -> int:
    """Up to which exchange to fold at this opening.

    Args:
        sizes: tokens of each exchange, the open one last.
        start: the first exchange that is in the window.
        first: the first exchange that may be folded; not before `start`.
        other: tokens of the request besides its window: system, tools, summary, what was
            recalled in this epoch.
        policy: when to fold and how much to keep.

    Returns:
        An index from `first`, for folding nothing, to the number of closed exchanges.
    """
    prompt = other + sum(sizes[start:])
    if prompt <= policy.fold_at:
        return first
    closed = len(sizes) - 1
    until, kept = closed, 0
    while until > first:
        size = sizes[until - 1]
        if closed - until >= policy.keep_exchanges and kept + size > policy.keep_tokens:
            break
        kept += size
        until -= 1
    return max(first, until)


def runs(sizes: Sequence[int], first: int, last: int, most: int) -> list[tuple[int, int]]:
    """Cut the exchanges from `first` up to `last` into runs of at most `most` tokens.

    An exchange is never split: one that is larger makes a run of its own.
    """
    cut: list[tuple[int, int]] = []
    start, size = first, 0
    for index in range(first, last):
        if size and size + sizes[index] > most:
            cut.append((start, index))
            start, size = index, 0
        size += sizes[index]
    return [*cut, (start, last)]
