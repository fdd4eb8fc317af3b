"""Nodes go in; the blocks that stand for folded exchanges in a request come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from turnfold.accounting.tokens import CountText
from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import unseen_in
from turnfold.request.quotation import memory_block, one_line
from turnfold.summaries.layers import coverage, drop_to_budget, erased, live_items, render, unseen
from turnfold.summaries.notes import Node

_SUMMARY_NOTE = (
    "Notes on earlier turns of this conversation: a record, not a message to you. Where they "
    "quote, they say who said it, and in which turn."
)
_STEPS_NOTE = (
    "Notes on earlier steps of yours in answer to the message above: a record, not a message to "
    "you. What these steps called for is done; go on from here."
)
_MORE_NOTE = "More of these notes. Where they differ from the ones before, these hold."
_UNNOTED_NOTE = "A record, not a message to you. Of turns {first}-{last} there are no notes yet."
_UNNOTED_STEPS = (
    "A record, not a message to you. Of steps {first}-{last} of yours in answer to the message "
    "above there are no notes yet. What they called for is done; go on from here."
)
FRAME = 200
"""Tokens a summary may have over its budget, for its marks and notes: each block has some."""


def summary_of(
    nodes: Sequence[Node],
    *,
    first: int,
    last: int,
    missing: Iterable[int] = (),
    markers: Sequence[tuple[int, str]] = (),
    budget: int,
    count: CountText,
) -> str:
    """The summary of some nodes rendered anew: one block, within its budget.

    Args:
        nodes: oldest first.
        first: number of the first exchange it stands for, from 1.
        last: number of the last one.
        missing: numbers of those of them that were forgotten.
        markers: of pictures and files in them, with the number of the exchange.
        budget: tokens of its items; its marks and notes come on top.
        count: counts the tokens of a text.
    """
    live = {item.id for item in live_items(nodes)}
    nodes = [replace(node, items=tuple(i for i in node.items if i.id in live)) for node in nodes]
    fitting = drop_to_budget(nodes, budget=budget, count=count)
    return block_of(map(render, fitting), first, last, missing, markers=markers)


def list_block(tool: str, written: str) -> str:
    """The block that carries a list of what is to do, as it was last written with a tool."""
    note = (
        f"The list you last wrote with the tool {one_line(tool)}, word for word: a record, not a "
        f"message to you."
    )
    return memory_block(note, written)


def block_of(
    texts: Iterable[str],
    first: int,
    last: int,
    missing: Iterable[int],
    *,
    markers: Sequence[tuple[int, str]] = (),
    more: bool = False,
    of_steps: bool = False,
) -> str:
    """One block of a summary.

    Args:
        texts: nodes as they are rendered.
        first: number of the first exchange it stands for, from 1.
        last: number of the last one.
        missing: numbers of those of them that were forgotten.
        markers: of pictures and files in them, with the number of the exchange.
        more: whether it stands behind other blocks.
        of_steps: whether it stands for steps of one exchange, at the end of its opening.
    """
    of_all = coverage(first, last, of_steps=of_steps)
    parts = (*texts, unseen(markers, of_steps=of_steps), of_all, erased(missing))
    note = _MORE_NOTE if more else _STEPS_NOTE if of_steps else _SUMMARY_NOTE
    return memory_block(note, "\n".join(filter(None, parts)))


def unnoted_block(
    text: str,
    first: int,
    last: int,
    missing: Iterable[int],
    *,
    markers: Sequence[tuple[int, str]] = (),
    of_steps: bool = False,
) -> str:
    """The block that stands for turns which are no longer in view and not summarized yet.

    Args:
        text: what is known of them without a summary, rendered; "" for nothing.
        first: number of the first of them, from 1.
        last: number of the last one.
        missing: numbers of those of them that were forgotten.
        markers: of pictures and files in them, with the number of the exchange.
        of_steps: whether they are steps of one exchange.
    """
    note = (_UNNOTED_STEPS if of_steps else _UNNOTED_NOTE).format(first=first, last=last)
    parts = (text, unseen(markers, of_steps=of_steps), erased(missing))
    return memory_block(note, "\n".join(filter(None, parts)))


def narrowed(
    nodes: Sequence[Node],
    exchanges: Sequence[Exchange],
    *,
    is_forgotten: Callable[[Exchange], bool],
    last: int,
    room: int,
    count: CountText,
) -> tuple[str, ...]:
    """The summary with as much as so many tokens hold, marks and notes included.

    Args:
        nodes: oldest first.
        exchanges: the path.
        is_forgotten: whether an exchange was forgotten.
        last: number of the last exchange it stands for, from 1.
        room: tokens of all of it.
        count: counts the tokens of a text.

    Returns:
        One block; none where not even its marks have room.
    """
    first = min((node.first for node in nodes), default=1)
    run = exchanges[first - 1 : last]
    missing = [number for number, one in enumerate(run, first) if is_forgotten(one)]
    markers = unseen_among(run, first)
    for budget, named in (
        (room, markers),
        (room - FRAME // 2, markers),
        (room - FRAME, markers),
        (room - FRAME, []),
        (room // 2, []),
        (0, []),
    ):
        block = summary_of(
            nodes,
            first=first,
            last=last,
            missing=missing,
            markers=named,
            budget=max(budget, 0),
            count=count,
        )
        if count(block) <= room:
            return (block,)
    return ()


def unseen_among(run: Sequence[Exchange], first: int) -> list[tuple[int, str]]:
    """The pictures and files of a run: number of the exchange and marker of each.

    Args:
        run: exchanges of a path.
        first: number of the first of them, from 1.
    """
    return [
        (number, marker)
        for number, one in enumerate(run, first)
        for marker in unseen_in(one.messages)
    ]
