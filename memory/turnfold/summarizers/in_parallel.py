"""Some jobs are done at once, in threads that keep no interpreter from exiting, or as tasks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, as_completed
from functools import partial
from typing import Protocol, TypeVar

import anyio

from turnfold.errors import failure
from turnfold.summaries.notes import Outcome, SummaryJob

# Summaries asked for at once. They share the caller's rate limit.
SIDE_BY_SIDE = 4

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")


def side_by_side(do: Callable[[_Job], _Done], jobs: Sequence[_Job], *, name: str) -> list[_Done]:
    """Do some jobs, `SIDE_BY_SIDE` at once, each in a daemon thread.

    A `ThreadPoolExecutor` will not do: an interpreter that exits waits for its threads, and a
    summarizer may hang for good.

    Args:
        do: does one job. What it raises is raised here at once; then no more jobs are begun, as
            when this is interrupted, and those in flight are left to themselves.
        jobs: what is to be done.
        name: what the threads are called.

    Returns:
        What came of each job, in their order.
    """
    results: list[Future[_Done]] = [Future() for _ in jobs]
    waiting = deque(zip(jobs, results, strict=True))

    def work() -> None:
        while True:
            try:
                job, result = waiting.popleft()
            except IndexError:
                return
            try:
                done = do(job)
            except BaseException as wrong:  # noqa: BLE001 - raised where the result is read
                waiting.clear()
                result.set_exception(wrong)
            else:
                result.set_result(done)

    try:
        for _ in range(min(len(jobs), SIDE_BY_SIDE)):
            threading.Thread(target=work, name=name, daemon=True).start()
        for one in as_completed(results):
            one.result()
    finally:
        waiting.clear()
    return [one.result() for one in results]


class Work(Protocol):
    """What summaries are written for."""

    def accept(self, job: SummaryJob, outcome: Outcome) -> bool | None:
        """Take the answer to a job; from any thread, several at a time.

        Returns:
            Whether it was of use; None where nothing was answered, or that says nothing of who
            answered.
        """
        ...


Several = Callable[[Sequence[Callable[[], None]]], object]


Judged = Callable[[bool | None], object]
"""Told what `Work.accept` says of an answer."""


class InThread(Protocol):
    """Takes a step in a thread, while the event loop goes on."""

    async def __call__(self, step: Callable[[], _Done], /) -> _Done:
        """What the step returns, or raises."""
        ...


def ask(
    work: Work,
    jobs: Sequence[SummaryJob],
    summarize: Callable[[SummaryJob], Outcome],
    *,
    judged: Judged,
    several: Several | None = None,
) -> None:
    """Ask for some summaries, and hand in each as it comes.

    Args:
        work: takes the answers.
        jobs: what is asked.
        summarize: answers one; what fails is an answer, too.
        judged: told of each answer what it was worth.
        several: takes some steps at once; None for one after the other.

    Raises:
        Exception: what taking an answer raises.
    """

    def attempt(job: SummaryJob) -> None:
        judged(work.accept(job, summarize(job)))

    if len(jobs) == 1 or several is None:
        for job in jobs:
            attempt(job)
    else:
        several([partial(attempt, job) for job in jobs])


async def ask_async(
    work: Work,
    jobs: Sequence[SummaryJob],
    summarize: Callable[[SummaryJob], Awaitable[Outcome]],
    in_thread: InThread,
    *,
    judged: Judged,
) -> None:
    """The same on an event loop; answers are taken in threads.

    Raises:
        Exception: what taking an answer raises.
    """
    if len(jobs) == 1:  # no task of its own, which a loop that is closed would leave unbegun
        judged(await in_thread(partial(work.accept, jobs[0], await summarize(jobs[0]))))
        return
    free = anyio.Semaphore(SIDE_BY_SIDE)
    failed: list[Exception] = []

    async def attempt(job: SummaryJob) -> None:
        async with free:
            outcome = await summarize(job)
            try:
                judged(await in_thread(partial(work.accept, job, outcome)))
            except BaseException as wrong:  # noqa: BLE001 - raised below, by itself
                failed.append(failure(wrong))
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(attempt, job)
    if failed:
        raise failed[0]
