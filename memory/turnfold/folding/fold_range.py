"""Exchanges to be folded go in; the runs that get a node each come out, and which are written.

What leaves the window and what is summarized are two things: within a budget exchanges leave it
without notes, and a later fold writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnfold.archive.archive import Archive
from turnfold.archive.plans import Fold, node_id
from turnfold.folding.rule import split_by_size
from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import Utterance, utterances
from turnfold.summaries.notes import Node


@dataclass(frozen=True, slots=True)
class FoldRange:
    """Which exchanges a fold is to add, and to what. Made by `FoldRange.cut`.

    Attributes:
        base: the fold it grows from; None for none.
        start: the first exchange that is not in memory.
        noted: the first on which there are no notes; not behind `start`.
        leaves: up to which exchange the window lets go, whatever is written; 0 for as far as
            that reaches.
        head: how many of the oldest exchanges are never folded.
        runs: from which exchange to which each of its nodes is, by node id; oldest first.
        room: tokens that a limit of the prompt leaves to the summary; None for no limit.
        within: number of the exchange whose steps these are; 0 where they are exchanges.
        asked: what opened that exchange.
    """

    base: Fold | None
    start: int
    noted: int
    leaves: int
    head: int
    runs: Mapping[str, tuple[int, int]]
    room: int | None = None
    within: int = 0
    asked: Sequence[Utterance] = ()

    @classmethod
    def cut(
        cls,
        exchanges: Sequence[Exchange],
        base: Fold | None,
        start: int,
        until: int,
        *,
        head: int,
        leaf_tokens: int,
        room: int | None = None,
        leaves: int = 0,
    ) -> FoldRange:
        """Cut exchanges into runs of at most so many tokens.

        Args:
            exchanges: the path, as it was sent.
            base: the fold it grows from.
            start: the first exchange that is not in memory.
            until: up to which exchange there are to be notes.
            head: how many of the oldest exchanges are never folded.
            leaf_tokens: the most that a run may have, but for one long exchange.
            room: tokens that a limit of the prompt leaves to the summary; None for no limit.
            leaves: up to which exchange the window lets go, whatever is written.
        """
        noted = start
        if base is not None and base.noted is not None:
            noted = min(start, max(base.noted, head))
        sizes = [one.size for one in exchanges]
        cut = split_by_size(sizes, noted, until, leaf_tokens) if until > noted else []
        named = {
            node_id(exchanges[first], exchanges[last - 1]): (first, last) for first, last in cut
        }
        return cls(base, start, noted, leaves, head, named, room)


def written(
    archive: Archive, exchanges: Sequence[Exchange], runs: Mapping[str, tuple[int, int]]
) -> dict[str, Node]:
    """The nodes there are of some runs, by id.

    A run of which all was forgotten says nothing, and there is nothing to ask about it: its node
    is there without being written.

    Args:
        archive: the ledger.
        exchanges: the path, as it may be stored.
        runs: from which exchange to which, by node id.
    """
    there = archive.nodes(runs)
    for name, (first, last) in runs.items():
        if name not in there and not any(utterances(one.messages) for one in exchanges[first:last]):
            there[name] = Node(first + 1, last, ())
    return there
