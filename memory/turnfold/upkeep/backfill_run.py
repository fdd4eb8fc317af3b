"""Two thin shells over a backfill: some summaries are asked for at once, taken in as they come."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread

from turnfold.errors import TurnfoldError, failure
from turnfold.summaries.notes import Outcome, SummaryDraft, SummaryJob
from turnfold.summarizers.claude import Summarizer
from turnfold.summarizers.in_parallel import ask, ask_async, side_by_side
from turnfold.summarizers.reconciling import AsyncReconciler, Reconciler, compare, compare_async
from turnfold.upkeep.backfill import BackfillReport, Filling

SummarizeAsync = Callable[[SummaryJob], Awaitable[SummaryDraft]]

# Seconds between two looks whether another worker is done.
_POLL = 0.2


def fill(filling: Filling, summarize: Summarizer | None) -> BackfillReport:
    """Run a backfill.

    Raises:
        TurnfoldError: there is no one to ask for summaries.
        StoreError: the store cannot be read or written.
    """
    if summarize is None:
        raise TurnfoldError("backfill wants a sync client; abackfill takes an async one")
    while not filling.begin():
        time.sleep(_POLL)
    try:
        while jobs := filling.advance():
            ask(filling, jobs, partial(_outcome, summarize), several=_side_by_side)
        if isinstance(summarize, Reconciler) and (items := filling.items()):
            filling.compared(items, compare(summarize, items))
        return filling.end()
    finally:
        filling.let_go()


def _side_by_side(steps: Sequence[Callable[[], None]]) -> None:
    side_by_side(lambda step: step(), steps, name="turnfold-backfill")


def _outcome(summarize: Summarizer, job: SummaryJob) -> Outcome:
    try:
        return summarize(job)
    except BaseException as wrong:  # noqa: BLE001 - one failed summary does not stop the others
        return failure(wrong)


async def afill(filling: Filling, summarize: SummarizeAsync | None) -> BackfillReport:
    """Run a backfill on an event loop; stores and embedder run in threads.

    Raises:
        TurnfoldError: there is no one to ask for summaries.
        StoreError: the store cannot be read or written.
    """
    if summarize is None:
        raise TurnfoldError("abackfill wants an async client; backfill takes a sync one")
    while not await anyio.to_thread.run_sync(filling.begin):  # noqa: ASYNC110 - it is in the ledger
        await anyio.sleep(_POLL)
    try:
        while jobs := await anyio.to_thread.run_sync(filling.advance):
            await ask_async(
                filling, jobs, partial(_outcome_async, summarize), anyio.to_thread.run_sync
            )
        if isinstance(summarize, AsyncReconciler) and (
            items := await anyio.to_thread.run_sync(filling.items)
        ):
            outcome = await compare_async(summarize, items)
            await anyio.to_thread.run_sync(filling.compared, items, outcome)
        return await anyio.to_thread.run_sync(filling.end)
    finally:
        filling.let_go()


async def _outcome_async(summarize: SummarizeAsync, job: SummaryJob) -> Outcome:
    try:
        return await summarize(job)
    except BaseException as wrong:  # noqa: BLE001 - as above
        return failure(wrong)


def in_thread(summarize: Summarizer) -> SummarizeAsync:
    """A summarizer that blocks, for an event loop."""

    async def asked(job: SummaryJob) -> SummaryDraft:
        return await anyio.to_thread.run_sync(summarize, job, abandon_on_cancel=True)

    return asked
