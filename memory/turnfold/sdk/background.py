"""Chores are worked on here while requests are on their way; nothing of it reaches the caller.

For a sync client there is one daemon thread, which lives as long as there is work. For an async
client there are tasks on the caller's own event loop, since that is where its connections live.
Both may be lost at any time, with their process or their loop: what is written is written, and
at most the summary in flight is paid again.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from turnfold.errors import failure
from turnfold.folding.preparation import Chore
from turnfold.resilience.worker_threads import Crew, TooLate, on_asyncio
from turnfold.summaries.notes import Item, Outcome, SummaryJob
from turnfold.summarizers.in_parallel import InThread, Several, ask, ask_async
from turnfold.summarizers.reconciling import Reconciled

logger = logging.getLogger("turnfold")

Comparison = Reconciled | Exception


@dataclass(frozen=True, slots=True)
class Desk:
    """Whom a worker asks. Neither raises.

    Attributes:
        summarize: answers a job.
        compare: says which items no longer hold; None where no one can.
    """

    summarize: Callable[[SummaryJob], Outcome]
    compare: Callable[[Sequence[Item]], Comparison] | None = None


@dataclass(frozen=True, slots=True)
class AsyncDesk:
    """The same on an event loop."""

    summarize: Callable[[SummaryJob], Awaitable[Outcome]]
    compare: Callable[[Sequence[Item]], Awaitable[Comparison]] | None = None


# Seconds a closing memory, or an interpreter that exits, waits for a summary in flight.
_PATIENCE = 5.0
# More chores than these do not wait; a worker that did not get on for so many seconds is stuck.
_MOST_WAITING = 16
_STUCK = 120.0
# Threads for folds that turns wait for.
_FOLDS = 3


class Background:
    """The workers of one memory."""

    def __init__(self, summaries: Crew) -> None:
        """Args:
        summaries: threads for several summaries at once.
        """
        # For tasks: a store that hangs is not to take the threads of the loop, nor hold up its end.
        self._crew = Crew(1, "turnfold-background")
        self._folds = Crew(_FOLDS, "turnfold-fold")
        self._summaries = summaries
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._queue: deque[tuple[Chore, Callable[[], None]]] = deque()
        self._thread: threading.Thread | None = None
        self._current: Chore | None = None
        self._stirred = time.monotonic()  # when the worker last got on
        self._tasks: dict[asyncio.Task[None], Chore] = {}
        self._names: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether chores are taken."""
        self._own()
        return not self._stopping.is_set()

    @property
    def keeps_up(self) -> bool:
        """Whether a chore begun now would be done soon: few wait, and the worker is not stuck."""
        self._own()
        self._drop_lost()
        stuck = self._thread is not None and time.monotonic() - self._stirred > _STUCK
        return not stuck and max(len(self._queue), len(self._tasks)) < _MOST_WAITING

    def start(self, chore: Chore, desk: Desk) -> None:
        """Work on a chore in the worker thread; not twice at a time."""
        if not self._enter(chore):
            return
        context = contextvars.copy_context()
        with self._lock:
            self._queue.append((chore, lambda: context.run(self._work, chore, desk)))
            if self._thread is None:
                thread = threading.Thread(
                    target=self._work_off, name="turnfold-background", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # too many threads, or the interpreter is about to exit
                    self._queue.pop()
                    self._names.discard(chore.name)
                    return
                self._thread = thread
                atexit.register(self.close)

    def start_on_loop(self, chore: Chore, desk: AsyncDesk) -> None:
        """Work on a chore as a task of the running event loop; not twice at a time."""
        if not self._enter(chore):
            return
        work = work_on_async(chore, desk, self._crew.do_async, stopping=self._stopping.is_set)
        self._begin_task(chore, work)

    def close(self) -> None:
        """Let the summary in flight come in, if it does so in time, and stop."""
        self._own()
        self._stopping.set()
        with self._lock:
            self._queue.clear()
            thread, tasks = self._thread, list(self._tasks)
        for task in tasks:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)
            if thread.is_alive() and (chore := self._current) is not None:
                chore.let_go(lost=True)

    async def aclose(self) -> None:
        """The same for the tasks of the running loop."""
        self._own()
        self._stopping.set()
        loop = asyncio.get_running_loop()
        with self._lock:
            tasks = [task for task in self._tasks if task.get_loop() is loop]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _own(self) -> None:
        """A child made by fork has no workers, and may find the lock held by a thread it lacks."""
        if self._pid != os.getpid():
            self._reset()

    def _drop_lost(self) -> None:
        """Forget the tasks whose event loop was closed over them: others may take their chores."""
        with self._lock:
            lost = [task for task in self._tasks if task.get_loop().is_closed()]
            for task in lost:
                self._names.discard(self._tasks.pop(task).name)

    def _enter(self, chore: Chore) -> bool:
        self._own()
        self._drop_lost()
        with self._lock:
            if self._stopping.is_set() or chore.name in self._names:
                return False
            self._names.add(chore.name)
        return True

    # --- a fold that a turn waits for ---------------------------------------------------------

    def work_for(self, chore: Chore, desk: Desk, seconds: float) -> None:
        """Have the summaries of a fold written, and wait for them so long at the most.

        What comes later is written by the thread that is left behind.
        """
        work = partial(work_on, chore, desk, several=self._several)
        try:
            self._folds.do(work, seconds)
        except TooLate as late:
            if not late.began:
                chore.let_go(lost=True)

    def _several(self, steps: Sequence[Callable[[], None]]) -> None:
        self._summaries.do_all(steps, late=lambda _: None)

    async def work_for_on_loop(self, chore: Chore, desk: AsyncDesk, seconds: float) -> None:
        """The same on an event loop; where tasks cannot be left on it, what is late is lost."""
        if not on_asyncio():
            with anyio.move_on_after(seconds):
                await work_on_async(chore, desk, self._folds.do_async)
            return
        task = self._begin_task(chore, work_on_async(chore, desk, self._folds.do_async))
        try:
            await asyncio.wait([task], timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise

    # --- the worker thread --------------------------------------------------------------------

    def _work_off(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    atexit.unregister(self.close)
                    return
                chore, work = self._queue.popleft()
                self._current = chore
                self._stirred = time.monotonic()
            work()
            with self._lock:
                self._current = None
                self._names.discard(chore.name)

    def _work(self, chore: Chore, desk: Desk) -> None:
        def stirred() -> bool:
            self._stirred = time.monotonic()
            return self._stopping.is_set()

        work_on(chore, desk, stopping=stirred)

    # --- tasks --------------------------------------------------------------------------------

    def _begin_task(self, chore: Chore, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="turnfold-background")
        # A loop that is closed over it loses it, which is allowed for: no need to complain.
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        with self._lock:
            self._tasks[task] = chore
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        with self._lock:
            chore = self._tasks.pop(task, None)
            if chore is not None:
                self._names.discard(chore.name)


def work_on(
    chore: Chore,
    desk: Desk,
    *,
    several: Several | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Do a chore; nothing that goes wrong is raised.

    Args:
        chore: what is to be done.
        desk: whom to ask.
        several: takes some steps at once; None for one after the other.
        stopping: tells, each time that something was done, whether to leave the rest.
    """
    try:
        if not chore.begin():
            return
        while not stopping() and (jobs := chore.advance()):
            ask(chore, jobs, desk.summarize, several=several)
        if not stopping() and desk.compare and (items := chore.items()):
            chore.compared(items, desk.compare(items))
        if not stopping():
            chore.end()
    except BaseException as wrong:  # noqa: BLE001 - nothing of a worker reaches anyone
        _failed(chore, failure(wrong), stopping)
    finally:
        chore.let_go(lost=True)  # if it was stopped


async def work_on_async(
    chore: Chore,
    desk: AsyncDesk,
    in_thread: InThread,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """The same on an event loop; the ledger is read and written in threads."""
    try:
        if await in_thread(chore.begin):
            await _carry_out(chore, desk, in_thread, stopping)
    except GeneratorExit:
        # It is collected, after its loop was closed over it: in the middle of whatever this
        # thread is at, under whatever lock that holds. To wait for one here would be for ever.
        with contextlib.suppress(RuntimeError):  # the interpreter is about to exit
            threading.Thread(target=chore.let_go, kwargs={"lost": True}, daemon=True).start()
        raise
    except anyio.get_cancelled_exc_class():
        chore.let_go(lost=True)
        raise
    except BaseException as wrong:  # noqa: BLE001 - nothing of a worker reaches anyone
        _failed(chore, failure(wrong), stopping)
    else:
        chore.let_go(lost=True)  # if it was stopped


async def _carry_out(
    chore: Chore, desk: AsyncDesk, in_thread: InThread, stopping: Callable[[], bool]
) -> None:
    while not stopping() and (jobs := await in_thread(chore.advance)):
        await ask_async(chore, jobs, desk.summarize, in_thread)
    if not stopping() and desk.compare and (items := await in_thread(chore.items)):
        compared = await desk.compare(items)
        await in_thread(partial(chore.compared, items, compared))
    if not stopping():
        await in_thread(chore.end)


def _failed(chore: Chore, wrong: Exception, stopping: Callable[[], bool]) -> None:
    if not stopping():
        chore.failed(wrong)
    with contextlib.suppress(Exception):
        chore.let_go(lost=stopping())
