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
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio

from turnfold.folding.preparation import FoldPreparation, written
from turnfold.resilience.signals import on_asyncio
from turnfold.resilience.worker_threads import TooLate, WorkerThreads
from turnfold.sdk.part_threads import Bounds
from turnfold.summarizers.driver import LoopPlayer, Player

# Seconds a closing memory, or an interpreter that exits, waits for a summary in flight.
_PATIENCE = 5.0
# More than these do not wait; a worker that did not get on for so many seconds is stuck.
_MOST_WAITING = 16
_STUCK = 120.0
# Threads for folds that turns wait for.
_FOLDS = 3


class Background:
    """The workers of one memory.

    Attributes:
        bounds: the threads that the steps of turns run in.
        crew: takes the steps of preparations that are tasks of an event loop.
        folds: takes those of preparations that a turn waits for.
    """

    def __init__(self, bounds: Bounds) -> None:
        """Args:
        bounds: the threads that the steps of turns run in.
        """
        self.bounds = bounds
        # For tasks: a store that hangs is not to take the threads of the loop, nor hold up its end.
        self.crew = WorkerThreads(1, "turnfold-background")
        self.folds = WorkerThreads(_FOLDS, "turnfold-fold")
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._queue: deque[tuple[FoldPreparation, Callable[[], None]]] = deque()
        self._thread: threading.Thread | None = None
        self._current: FoldPreparation | None = None
        self._stirred = time.monotonic()  # when the worker last got on
        self._tasks: dict[asyncio.Task[None], FoldPreparation] = {}
        self._names: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether preparations are taken."""
        self._own()
        return not self._stopping.is_set()

    @property
    def keeps_up(self) -> bool:
        """Whether one begun now would be done soon: few wait, and the worker is not stuck."""
        self._own()
        self._drop_lost()
        stuck = self._thread is not None and time.monotonic() - self._stirred > _STUCK
        return not stuck and max(len(self._queue), len(self._tasks)) < _MOST_WAITING

    def start(self, preparation: FoldPreparation, player: Player) -> None:
        """Work on a preparation in the worker thread; not twice at a time."""
        if not self._enter(preparation):
            return
        context = contextvars.copy_context()
        with self._lock:
            self._queue.append((preparation, lambda: context.run(self._work, preparation, player)))
            if self._thread is None:
                thread = threading.Thread(
                    target=self._work_off, name="turnfold-background", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # too many threads, or the interpreter is about to exit
                    self._queue.pop()
                    self._names.discard(preparation.name)
                    return
                self._thread = thread
                atexit.register(self.close)

    def start_on_loop(self, preparation: FoldPreparation, player: LoopPlayer) -> None:
        """Work on a preparation as a task of the running event loop; not twice at a time."""
        if not self._enter(preparation):
            return
        stopping = self._stopping.is_set
        script = written(preparation, compares=player.compares, stopping=stopping)
        self._begin_task(preparation, player.play(script))

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
            if thread.is_alive() and (preparation := self._current) is not None:
                preparation.let_go(lost=True)

    async def aclose(self) -> None:
        """The same for the tasks of the running loop."""
        self._own()
        self._stopping.set()
        if not on_asyncio():  # no task was left on it
            return
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
        """Forget the tasks whose event loop was closed over them: others may take what they did."""
        with self._lock:
            lost = [task for task in self._tasks if task.get_loop().is_closed()]
            for task in lost:
                self._names.discard(self._tasks.pop(task).name)

    def _enter(self, preparation: FoldPreparation) -> bool:
        self._own()
        self._drop_lost()
        with self._lock:
            if self._stopping.is_set() or preparation.name in self._names:
                return False
            self._names.add(preparation.name)
        return True

    # --- a fold that a turn waits for ---------------------------------------------------------

    def work_for(self, preparation: FoldPreparation, player: Player, seconds: float) -> None:
        """Have the summaries of a fold written, and wait for them so long at the most.

        What comes later is written by the thread that is left behind.
        """
        script = written(preparation, compares=player.compares)
        try:
            self.folds.do(partial(player.play, script), seconds)
        except TooLate as late:
            if not late.began:
                preparation.let_go(lost=True)

    async def work_for_on_loop(
        self, preparation: FoldPreparation, player: LoopPlayer, seconds: float
    ) -> None:
        """The same on an event loop; where tasks cannot be left on it, what is late is lost."""
        script = written(preparation, compares=player.compares)
        if not on_asyncio():
            with anyio.move_on_after(seconds):
                await player.play(script)
            return
        task = self._begin_task(preparation, player.play(script))
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
                preparation, work = self._queue.popleft()
                self._current = preparation
                self._stirred = time.monotonic()
            work()
            with self._lock:
                self._current = None
                self._names.discard(preparation.name)

    def _work(self, preparation: FoldPreparation, player: Player) -> None:
        def stirred() -> bool:
            self._stirred = time.monotonic()
            return self._stopping.is_set()

        player.play(written(preparation, compares=player.compares, stopping=stirred))

    # --- tasks --------------------------------------------------------------------------------

    def _begin_task(
        self, preparation: FoldPreparation, work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="turnfold-background")
        # A loop that is closed over it loses it, which is allowed for: no need to complain.
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        with self._lock:
            self._tasks[task] = preparation
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        with self._lock:
            preparation = self._tasks.pop(task, None)
            if preparation is not None:
                self._names.discard(preparation.name)
