"""A closed exchange goes in; the notes on its folded steps come out, and what of it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnfold.archive.archive import Archive
from turnfold.folding.fold_rendering import nodes_in_order
from turnfold.history.exchanges import Exchange, Message
from turnfold.history.steps import steps_of
from turnfold.summaries.layers import correct, live_items
from turnfold.summaries.notes import Item


@dataclass(frozen=True, slots=True)
class StepNotes:
    """What was summarized of an exchange while it was open.

    Attributes:
        items: the notes that hold.
        left: the messages that no note is about.
    """

    items: Sequence[Item]
    left: Sequence[Message]


def notes_on_steps(archive: Archive, exchange: Exchange) -> StepNotes | None:
    """The notes on an exchange's steps; None where none were folded.

    Raises:
        StoreError: the ledger could not be read.
    """
    steps = steps_of(exchange)
    # The newest step is never folded, and where it is all there is, it has the exchange's own id.
    fold = archive.fold_of_steps(steps.closed[:-1]) if steps else None
    if steps is None or fold is None:
        return None
    holding, _ = correct(nodes_in_order(archive, fold.notes), archive.corrections())
    messages, noted = exchange.messages, fold.count if fold.noted is None else fold.noted
    left = [*messages[: steps.starts[0]], *messages[steps.starts[noted] :]]
    return StepNotes(live_items(holding.values()), left)
