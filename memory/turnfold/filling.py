"""Two thin shells over a backfill: some summaries are asked for at once, taken in as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.to_thread

from turnfold.backfill import BackfillReport, Filling
from turnfold.errors import TurnfoldError, failure
from turnfold.folding import Outcome
from turnfold.reconciling import AsyncReconciler, Reconciler, compare, compare_async
from turnfold.side_by_side import SIDE_BY_SIDE, side_by_side
from turnfold.summarizers import Summarizer
from turnfold.summary import SummaryDraft, SummaryJob

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
        while jobs := filling.due():
            _ask(filling, jobs, summarize)
        if isinstance(summarize, Reconciler) and (items := filling.items()):
            filling.compared(items, compare(summarize, items))
        return filling.end()
    finally:
        filling.let_go()


def _ask(filling: Filling, jobs: Sequence[SummaryJob], summarize: Summarizer) -> None:
    one_at_a_time = threading.Lock()

    def attempt(job: SummaryJob) -> None:
        outcome: Outcome
        try:
            outcome = summarize(job)
        except BaseException as wrong:  # noqa: BLE001 - one failed summary does not stop the others
            outcome = failure(wrong)
        with one_at_a_time:  # no worker goes on to the next before its own is written
            filling.accept(job, outcome)

    side_by_side(attempt, jobs, name="turnfold-backfill")


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
        while jobs := await anyio.to_thread.run_sync(filling.due):
            await _ask_async(filling, jobs, summarize)
        if isinstance(summarize, AsyncReconciler) and (
            items := await anyio.to_thread.run_sync(filling.items)
        ):
            outcome = await compare_async(summarize, items)
            await anyio.to_thread.run_sync(filling.compared, items, outcome)
        return await anyio.to_thread.run_sync(filling.end)
    finally:
        filling.let_go()


async def _ask_async(
    filling: Filling, jobs: Sequence[SummaryJob], summarize: SummarizeAsync
) -> None:
    free, one_at_a_time = anyio.Semaphore(SIDE_BY_SIDE), anyio.Lock()
    failed: list[Exception] = []

    async def attempt(job: SummaryJob) -> None:
        outcome: Outcome
        async with free:
            try:
                outcome = await summarize(job)
            except BaseException as wrong:  # noqa: BLE001 - as above
                outcome = failure(wrong)
            async with one_at_a_time:
                try:
                    await anyio.to_thread.run_sync(filling.accept, job, outcome)
                except BaseException as wrong:  # noqa: BLE001 - raised below, by itself
                    failed.append(failure(wrong))
                    group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(attempt, job)
    if failed:
        raise failed[0]


def in_thread(summarize: Summarizer) -> SummarizeAsync:
    """A summarizer that blocks, for an event loop."""

    async def asked(job: SummaryJob) -> SummaryDraft:
        return await anyio.to_thread.run_sync(summarize, job, abandon_on_cancel=True)

    return asked
