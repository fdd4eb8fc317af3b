"""The script of a backfill: some summaries are asked for at once, and taken in as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from turnfold.errors import TurnfoldError
from turnfold.summarizers.driver import (
    Ask,
    Compare,
    Do,
    LoopPlayer,
    Player,
    Script,
    Sleep,
    SummarizeAsync,
)
from turnfold.summarizers.in_parallel import InThread, Judged, side_by_side
from turnfold.summarizers.protocol import Summarizer
from turnfold.upkeep.backfill import Backfill, BackfillReport

# Seconds between two looks whether another worker is done.
_POLL = 0.2


def filled(filling: Backfill, *, compares: bool) -> Script[BackfillReport]:
    """The script of a backfill.

    Args:
        filling: what is done, step by step.
        compares: whether the summarizer can compare items.

    Raises:
        StoreError: the store cannot be read or written.
    """
    while not (yield Do(filling.begin)):
        yield Sleep(_POLL)
    try:
        while jobs := (yield Do(filling.advance)):
            yield Ask(filling, jobs)
        if compares and (items := (yield Do(filling.items))):
            outcome = yield Compare(items)
            yield Do(partial(filling.compared, items, outcome))
        report: BackfillReport = yield Do(filling.end)
        return report
    finally:
        filling.let_go()


def fill(filling: Backfill, summarize: Summarizer | None, judged: Judged) -> BackfillReport:
    """Run a backfill.

    Args:
        filling: what is done, step by step.
        summarize: asked for summaries.
        judged: told what each answer was worth.

    Raises:
        TurnfoldError: there is no one to ask for summaries.
        StoreError: the store cannot be read or written.
    """
    if summarize is None:
        raise TurnfoldError("backfill wants a sync client; abackfill takes an async one")
    player = Player(summarize, _side_by_side, judged=judged)
    return player.play(filled(filling, compares=player.compares))


async def afill(
    filling: Backfill, summarize: SummarizeAsync | None, judged: Judged, in_thread: InThread
) -> BackfillReport:
    """Run a backfill on an event loop. See `fill`.

    Args:
        filling: what is done, step by step.
        summarize: asked for summaries.
        judged: told what each answer was worth.
        in_thread: takes a step that blocks.

    Raises:
        TurnfoldError: there is no one to ask for summaries.
        StoreError: the store cannot be read or written.
    """
    if summarize is None:
        raise TurnfoldError("abackfill wants an async client; backfill takes a sync one")
    player = LoopPlayer(summarize, in_thread, judged=judged)
    return await player.play(filled(filling, compares=player.compares))


def _side_by_side(steps: Sequence[Callable[[], None]]) -> None:
    side_by_side(lambda step: step(), steps, name="turnfold-backfill")
