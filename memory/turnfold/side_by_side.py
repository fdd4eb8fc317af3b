"""Some jobs are done at once, in threads that keep no interpreter from exiting."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from typing import TypeVar

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
