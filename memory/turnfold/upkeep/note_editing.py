"""What the summary of a conversation says, item by item, and how one of them is set right.

Nodes are written once. A correction is a record of its own beside them, and the next fold
renders the summary without what was retracted and with what replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from turnfold_stores import Store

from turnfold.archive.archive import Archive
from turnfold.archive.conversations import is_alive
from turnfold.errors import TurnfoldError
from turnfold.summaries.layers import Correction, correct, live_items
from turnfold.summaries.notes import Node


@dataclass(frozen=True, slots=True)
class Note:
    """One item of a summary.

    Attributes:
        id: names it for good; what `Memory.retract` and `Memory.replace` take.
        kind: "instruction", "decision", "fact", "question" or "narrative".
        text: what it says.
        turns: numbers of the exchanges it was taken from, from 1.
        node: id of the node it stands in, which may be retracted or replaced as a whole.
        holds: whether it will be in the next summary, as far as there is room: False where a
            later item supersedes it, or it was retracted or replaced.
    """

    id: str
    kind: str
    text: str
    turns: tuple[int, ...]
    node: str
    holds: bool = True


def notes_of(archive: Archive) -> list[Note]:
    """The items of the summary in force, oldest first, with what replaces those replaced.

    A conversation without a name may have several histories; they follow one another.

    Raises:
        StoreError: the store cannot be read.
    """
    corrections = archive.corrections()
    return [
        note for nodes in _in_force(archive) for note in _notes(nodes, correct(nodes, corrections))
    ]


def conversations_with_notes(store: Store, user_id: str) -> list[tuple[str, float]]:
    """The conversations of a user that have a summary, and when each last got one.

    Reads every fold of theirs; seconds since the epoch.

    Raises:
        StoreError: the store cannot be read.
    """
    newest: dict[str, float] = {}
    for record in store.ledger.scan(user_id, kind="fold"):
        newest[record.conversation] = max(record.at, newest.get(record.conversation, 0.0))
    return [(name, at) for name, at in newest.items() if is_alive(store, user_id, name)]


def store_correction(archive: Archive, target: str, text: str) -> None:
    """Write that an item or a node is wrong, and what holds instead; "" for nothing.

    Raises:
        TurnfoldError: there is no such item or node in the summary in force.
        StoreError: the store cannot be read or written.
    """
    notes = notes_of(archive)
    kinds = {note.id: note.kind for note in notes}
    if target not in kinds and target not in {note.node for note in notes}:
        raise TurnfoldError(
            f"{target!r} is no item of this conversation's summary; memory.notes(...) lists them"
        )
    # Only the user's own words are instructions, and these are not known to be.
    kind = "fact" if kinds.get(target) == "instruction" else ""
    archive.store_correction(Correction(target, text, kind))


def _in_force(archive: Archive) -> Iterator[dict[str, Node]]:
    for plan in archive.paths.newest_plans(archive.scope.conversation):
        fold = archive.fold(plan.fold) if plan.fold else None
        if fold is not None:
            written = archive.nodes(fold.nodes)
            yield {name: written[name] for name in fold.nodes if name in written}


def _notes(nodes: dict[str, Node], corrected: tuple[dict[str, Node], bool]) -> Iterator[Note]:
    holding, _ = corrected
    live = {item.id for item in live_items(holding.values())}
    for name, node in nodes.items():
        items = dict.fromkeys((*node.items, *holding[name].items))
        for item in items:
            yield Note(item.id, item.kind, item.text, item.turns, name, holds=item.id in live)
