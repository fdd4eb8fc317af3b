"""The nodes of a fold go in; the summary's blocks come out as they will stand in requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from turnfold.archive.archive import Archive
from turnfold.archive.plans import unnoted_id
from turnfold.folding.fold_range import FoldRange
from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import utterances
from turnfold.summaries.layers import compact_layers, drop_to_budget, render
from turnfold.summaries.notes import Item, Node, SummaryJob
from turnfold.summaries.standing_instructions import standing_instructions
from turnfold.summaries.summary_block import FRAME, block_of, unnoted_block, unseen_among
from turnfold.turn_context import TurnContext


@dataclass(frozen=True, slots=True)
class Rendered:
    """The summary of a fold: ids of its nodes, its blocks, and ids of nodes that were new."""

    nodes: tuple[str, ...]
    blocks: tuple[str, ...]
    wrote: list[str]


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
        self._noted = wanted.noted
        self._head = wanted.head
        self._of_steps = bool(wanted.within)
        budget = context.policy.summary_tokens
        self._budget = budget if wanted.room is None else min(budget, wanted.room)
        self._block = partial(block_of, of_steps=self._of_steps)

    def of(self, new: Mapping[str, Node], noted: int, count: int) -> Rendered:
        """The summary that a fold has.

        Args:
            new: the nodes that were written for it, by id.
            noted: up to which exchange there are notes then.
            count: up to which exchange the path is folded then.
        """
        notes = self._notes(new, noted)
        if noted == count:
            return notes
        first, last = self._exchanges[noted], self._exchanges[count - 1]
        name, node = unnoted_id(first, last), self._unnoted(noted + 1, count)
        wrote = [name] if self._archive.store_node(name, node, model="") else []
        block = unnoted_block(
            render(node),
            noted + 1,
            count,
            self._forgotten(noted + 1, count),
            markers=self._unseen(noted + 1, count),
            of_steps=self._of_steps,
        )
        return Rendered((*notes.nodes, name), (*notes.blocks, block), [*notes.wrote, *wrote])

    def _unnoted(self, first: int, last: int) -> Node:
        """What code alone can say of a run without notes: what is to be done from then on."""
        said = [utterances(one.messages) for one in self._exchanges[first - 1 : last]]
        name = unnoted_id(self._exchanges[first - 1], self._exchanges[last - 1])
        items = [
            Item("instruction", text, (turn,)).named(name)
            for turn, text in standing_instructions(SummaryJob(first, said))
        ]
        whole = Node(first, last, tuple(items))
        [node] = drop_to_budget([whole], budget=self._budget // 2, count=self._count)
        return replace(node, text=render(node))

    def _notes(self, new: Mapping[str, Node], until: int) -> Rendered:
        """The notes: where all fits, what was there stays as it was, and one more block follows.

        Args:
            new: the nodes that were written for this fold, by id.
            until: up to which exchange there are notes then.
        """
        base = self._base
        before: tuple[str, ...] = ()
        if base is not None:
            before = base.blocks if base.noted is None else base.blocks[:-1]
        nodes = {**(nodes_in_order(self._archive, base.notes) if base else {}), **new}
        if not nodes or (before and not new):
            return Rendered(tuple(nodes), before, [])
        settled = compact_layers(
            nodes,
            budget=self._budget,
            count=self._count,
            corrections=self._archive.corrections(),
        )
        if before and settled.keys() == nodes.keys():
            first, texts = self._noted + 1, [node.text for node in new.values()]
            markers, gone = self._unseen(first, until), self._forgotten(first, until)
            more = self._block(texts, first, until, gone, markers=markers, more=True)
            blocks = (*before, more)
            if self._count("\n".join(blocks)) <= self._budget + FRAME:
                return Rendered(tuple(nodes), blocks, [])
        # Whoever wrote it first, it says the same: its id tells what it is made of.
        wrote = [
            name
            for name, node in settled.items()
            if name not in nodes and self._archive.store_node(name, node, model="")
        ]
        first, texts = self._head + 1, [node.text for node in settled.values()]
        markers, gone = self._unseen(first, until), self._forgotten(first, until)
        block = self._block(texts, first, until, gone, markers=markers)
        return Rendered(tuple(settled), (block,), wrote)

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
