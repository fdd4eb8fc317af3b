"""Sizes of the exchanges go in; how many of the oldest to fold comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turnfold.policy import Policy
from turnfold.transcript import Exchange, blocks_of


def fold_until(
    sizes: Sequence[int], *, in_memory: int, other: int, barrier: int, policy: Policy
) -> int:
    """How many of the oldest exchanges should be in memory at this opening.

    Args:
        sizes: tokens of each exchange, the open one last.
        in_memory: how many of the oldest are in memory already.
        other: tokens of the request besides its window: system, tools, summary.
        barrier: how many of the oldest may be folded at all.
        policy: when to fold and how much to keep.

    Returns:
        A count from `in_memory` to the number of closed exchanges.
    """
    prompt = other + sum(sizes[in_memory:])
    if prompt <= policy.fold_at:
        return in_memory
    closed = len(sizes) - 1
    until, kept = closed, 0
    while until > in_memory:
        size = sizes[until - 1]
        if closed - until >= policy.keep_exchanges and kept + size > policy.keep_tokens:
            break
        kept += size
        until -= 1
    return max(in_memory, min(until, barrier))


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


def fold_barrier(exchanges: Iterable[Exchange]) -> tuple[int, str]:
    """How many of the oldest exchanges carry nothing that must stay in the request.

    Returns:
        The count, and why the next one stays, in words ("" if none does).
    """
    count = 0
    for exchange in exchanges:
        for message in exchange.messages:
            if message.get("role") == "system":
                return count, f"exchange {count + 1} holds a system message that is still in force"
            for block in blocks_of(message):
                if why := _must_stay(block):
                    return count, f"exchange {count + 1} holds {why}"
        count += 1
    return count, ""


def _must_stay(block: Any) -> str:
    if not isinstance(block, Mapping):
        return ""
    kind = block.get("type")
    if kind == "compaction":
        return "the provider's own compaction, which has to come first"
    if kind == "container_upload":
        return "an upload to a container in use"
    citations = block.get("citations")
    if isinstance(citations, Mapping) and citations.get("enabled"):
        return f"a {kind} that citations may point to"
    return ""
