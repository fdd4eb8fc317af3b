"""What the summary of a conversation says, item by item, and how one of them is set right.

Nodes are written once. A correction is a record of its own beside them, and the next fold
renders the summary without what was retracted and with what replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from turnfold_stores import Store

from turnfold.archive.archive import Archive
from turnfold.archive.conversations import alive_of, bare_name
from turnfold.archive.paths import Paths
from turnfold.archive.plans import Fold, Plan
from turnfold.errors import TurnfoldError, shown
from turnfold.summaries.layers import Correction, correct, live_items
from turnfold.summaries.notes import Node


@dataclass(frozen=True, slots=True)
class Note:
    """One item of a summary.

    Attributes:
        id: names it for good; what `Memory.retract` and `Memory.replace` take.
        kind: "instruction", "decision", "fact", "question" or "narrative".
        text: what it says.
        turns: numbers of the exchanges it was taken from, from 1; of a note on steps of one
            exchange the number of that.
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

    Behind them stand those on steps of exchanges in view, of the one under way too. A
    conversation without a name may have several histories; they follow one another.

    Raises:
        StoreError: the store cannot be read.
    """
    corrections = archive.corrections()
    return [
        note
        for nodes, turn in _in_force(archive)
        for note in _notes(nodes, correct(nodes, corrections), turn)
    ]


def conversations_with_notes(store: Store, user_id: str) -> list[tuple[str, float]]:
    """The conversations of a user that have notes, and when the newest that was noted was said.

    Reads every fold of theirs; bare names, and seconds since the epoch, 0 where not known.

    Raises:
        StoreError: the store cannot be read.
    """
    scan = store.ledger.scan(user_id, kind="fold")
    names = dict.fromkeys(record.conversation for record in scan)
    paths = Paths(store, user_id)
    found: list[tuple[str, float]] = []
    for name in alive_of(store, user_id, names):
        folds = [fold for plan in paths.newest_plans(name) for fold, _ in _folds_of(paths, plan)]
        if folds:
            ends = store.ledger.get(user_id, [fold.end for fold in folds])
            newest = max((one.at for one in ends.values()), default=0.0)
            found.append((bare_name(store, user_id, name), newest))
    return found


def store_correction(archive: Archive, target: str, text: str) -> None:
    """Write that an item or a node is wrong, and what holds instead; "" for nothing.

    Raises:
        TurnfoldError: there is no such item or node in the summary in force.
        StoreError: the store cannot be read or written.
    """
    if not isinstance(target, str):
        raise TurnfoldError(f"note={shown(target)} must be the id of a note")
    notes = notes_of(archive)
    kinds = {note.id: note.kind for note in notes}
    if target not in kinds and target not in {note.node for note in notes}:
        raise TurnfoldError(
            f"{shown(target)} is no item of this conversation's summary: list its notes, each has "
            "an id"
        )
    # Only the user's own words are instructions, and these are not known to be.
    kind = "fact" if kinds.get(target) == "instruction" else ""
    archive.store_correction(Correction(target, text, kind))


def _in_force(archive: Archive) -> Iterator[tuple[dict[str, Node], int | None]]:
    """The nodes of each fold in force, and the turn that they are on the steps of, if on steps."""
    for path in archive.paths.trodden(archive.scope.conversation):
        for fold, opening in _folds_of(archive.paths, path.plan):
            written = archive.nodes(fold.nodes)
            nodes = {name: written[name] for name in fold.nodes if name in written}
            yield nodes, path.numbers.get(opening, path.number) if opening else None


def _folds_of(paths: Paths, plan: Plan) -> Iterator[tuple[Fold, str]]:
    """The folds that a plan goes by, and of one of steps the opening id of their exchange."""
    for name, opening in ((plan.fold, ""), *((fold, key) for key, fold in plan.within.items())):
        fold = paths.fold(name) if name else None
        if fold is not None:
            yield fold, opening


def _notes(
    nodes: dict[str, Node], corrected: tuple[dict[str, Node], bool], turn: int | None
) -> Iterator[Note]:
    holding, _ = corrected
    live = {item.id for item in live_items(holding.values())}
    for name, node in nodes.items():
        items = dict.fromkeys((*node.items, *holding[name].items))
        for item in items:
            turns = item.turns if turn is None else (turn,)
            yield Note(item.id, item.kind, item.text, turns, name, holds=item.id in live)
