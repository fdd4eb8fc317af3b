"""The nodes of a fold go in; the summary's blocks come out as they will stand in requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from turnfold.archive.archive import Archive
from turnfold.folding.fold_range import FoldRange
from turnfold.history.exchanges import Exchange
from turnfold.summaries.layers import compact_layers
from turnfold.summaries.notes import Node
from turnfold.summaries.summary_block import FRAME, block_of, unseen_among
from turnfold.turn_context import TurnContext


class FoldRendering:
    """Renders what some exchanges are folded into, behind what was folded before."""

    def __init__(
        self, context: TurnContext, exchanges: Sequence[Exchange], wanted: FoldRange
    ) -> None:
        """Args:
        context: the ledger and the settings.
        exchanges: the path, as it may be stored.
        wanted: what is to be folded.
        """
        self._archive = context.archive
        self._count = context.count
        self._exchanges = exchanges
        self._base = wanted.base
        self._start = wanted.start
        self._head = wanted.head
        budget = context.policy.summary_tokens
        self._budget = budget if wanted.room is None else min(budget, wanted.room)
        self._block = partial(block_of, of_steps=bool(wanted.within))

    def of(
        self, new: Mapping[str, Node], until: int
    ) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
        """Ids of the nodes the summary then has, its blocks, and ids of nodes it had to write.

        Where all fits, what was there stays as it was and the new nodes are one more block.

        Args:
            new: the nodes of this fold, by id.
            until: how many exchanges of the path are folded then.
        """
        base = self._base
        nodes = {**(nodes_in_order(self._archive, base.nodes) if base else {}), **new}
        settled = compact_layers(
            nodes,
            budget=self._budget,
            count=self._count,
            corrections=self._archive.corrections(),
        )
        if base and base.blocks and settled.keys() == nodes.keys():
            first, texts = self._start + 1, [node.text for node in new.values()]
            markers, gone = self._unseen(first, until), self._forgotten(first, until)
            more = self._block(texts, first, until, gone, markers=markers, more=True)
            blocks = (*base.blocks, more)
            if self._count("\n".join(blocks)) <= self._budget + FRAME:
                return tuple(nodes), blocks, []
        # Whoever wrote it first, it says the same: its id tells what it is made of.
        wrote = [
            name
            for name, node in settled.items()
            if name not in nodes and self._archive.store_node(name, node, model="")
        ]
        first, texts = self._head + 1, [node.text for node in settled.values()]
        markers, gone = self._unseen(first, until), self._forgotten(first, until)
        block = self._block(texts, first, until, gone, markers=markers)
        return tuple(settled), (block,), wrote

    def _unseen(self, first: int, last: int) -> list[tuple[int, str]]:
        """The pictures and files of a run: number of the exchange and marker of each."""
        return unseen_among(self._exchanges[first - 1 : last], first)

    def _forgotten(self, first: int, last: int) -> list[int]:
        """Numbers of the exchanges in a run that were forgotten."""
        run = enumerate(self._exchanges[first - 1 : last], first)
        return [number for number, one in run if self._archive.is_forgotten(one)]


def nodes_in_order(archive: Archive, ids: Sequence[str]) -> dict[str, Node]:
    """The nodes of these ids that there are, in their order."""
    there = archive.nodes(ids)
    return {name: there[name] for name in ids if name in there}
