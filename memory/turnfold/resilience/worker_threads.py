"""Steps of memory go in; each comes back in time or is left behind, and few ever are.

A store, an embedder or a summarizer may hang for good, and a thread that hangs cannot be stopped.
So each step runs in a thread that the caller can leave, of a crew that is small: who comes when
all of it is at work waits, and once all of it hangs, nothing more is begun. The threads are
daemons: none of them holds up an interpreter that exits.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
from turnfold_stores.process.fork import at_exit, at_fork

from turnfold.errors import TurnfoldError
from turnfold.resilience.signals import signal, wait_and_look

if TYPE_CHECKING:
    from turnfold.resilience.circuit_breaker import CircuitBreaker

# Seconds an interpreter that exits gives to steps under way. One that is in the middle of native
# code then may end the process with an abort.
_LAST_SECONDS = 1.0
# Seconds that a step may go on which had all the time there is when it was left, and after which
# who waits for a thread looks whether there is hope for one.
_GRACE = 1.0

_Done = TypeVar("_Done")


class NoThread(TurnfoldError):  # noqa: N818 - a state, not a fault
    """A step was not begun: no thread could be had for it.

    Attributes:
        hangs: whether that is since all threads of the crew were left hanging.
    """

    hangs = False


class TooLate(TurnfoldError):  # noqa: N818 - a state, not a fault
    """A step did not come back in its time.

    Attributes:
        part: what it was waiting for; None where that is not known.
        began: whether a thread was free for it at all.
    """

    part: CircuitBreaker | None = None
    began = True


class Task(Generic[_Done]):
    """One step on its way.

    Attributes:
        part: the part it is waiting for now.
        left: whether nobody waits for it any more; who cancelled it did so before its time.
        ends: when whoever waits for it will leave, by `time.monotonic`; infinite for never.
        crew: whose threads it is taken in.
        beside: parts of it that other threads of the crew take; they are left with it.
    """

    def __init__(self, step: Callable[[], _Done], ends: float, crew: WorkerThreads) -> None:
        self.part: CircuitBreaker | None = None
        self.left = False
        self.ends = ends
        self._back_by = ends
        self.crew = crew
        self.beside: list[Task[Any]] = []
        self.began = False
        self.done = False
        self._step = step
        self._context = contextvars.copy_context()
        self._outcome: list[_Done] = []
        self._wrong: BaseException | None = None

    @property
    def hangs(self) -> bool:
        """Whether it was left, and its time is over; until then it may come back at any moment."""
        return self.left and time.monotonic() >= self._back_by

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self.left = True
        self._back_by = self.ends if self.ends < float("inf") else time.monotonic() + _GRACE

    def run(self) -> None:
        """Take the step, in this thread."""
        try:
            self._outcome.append(self._context.run(self._in_context))
        except BaseException as wrong:  # noqa: BLE001 - carried over to whoever waits
            self._wrong = wrong

    def _in_context(self) -> _Done:
        _current.set(self)
        return self._step()

    def drop(self, wrong: Exception) -> None:
        """It will never be taken."""
        self._wrong, self.done = wrong, True

    def result(self) -> _Done:
        """What came of it.

        Raises:
            BaseException: whatever the step raised.
        """
        if self._wrong is not None:
            raise self._wrong
        return self._outcome[0]


_current: contextvars.ContextVar[Task[Any] | None] = contextvars.ContextVar("task", default=None)


def current_task() -> Task[Any] | None:
    """The step that this code is part of; None outside of a crew."""
    return _current.get()


def beside(step: Callable[[], _Done]) -> Callable[[], _Done]:
    """Take a part of a step while the step goes on, in another thread of its crew.

    Args:
        step: the part, run in the context of the caller.

    Returns:
        Waits for the part and gives what came of it, or raises what it raised. Where no thread is
        free, or this code is part of no step, this takes the part itself.
    """
    task = current_task()
    return step if task is None else task.crew.take_beside(task, step)


class WorkerThreads:
    """A few threads, made when there is something to do.

    Attributes:
        of_turns: whether turns wait for what they do.
    """

    def __init__(self, most: int, name: str, *, of_turns: bool = True) -> None:
        """Args:
        most: how many threads there are at the most, those left behind included.
        name: what they are called.
        of_turns: whether turns wait for what they do.
        """
        self.of_turns = of_turns
        self._most = most
        self._name = name
        self._reset()
        at_fork(in_child=self._reset)
        at_exit(self._settle)

    def _reset(self) -> None:
        # What is left behind by a coroutine that is collected is so in any thread, at any time.
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Task[Any], Callable[[], None]]] = deque()
        self._at_work = 0
        self._left: list[Task[Any]] = []  # by those who waited, and still at work

    # --- for a caller that waits --------------------------------------------------------------

    def do(self, step: Callable[[], _Done], seconds: float = float("inf")) -> _Done:
        """Take a step in another thread.

        Args:
            step: run in the context of the caller.
            seconds: how long it is waited for.

        Raises:
            TooLate: it did not come back in time.
            NoThread: all threads hang, or none could be made.
            BaseException: whatever it raised.
        """
        (task,) = self._wait([step], seconds)
        return task.result()

    def do_all(
        self,
        steps: Sequence[Callable[[], _Done]],
        seconds: float = float("inf"),
    ) -> list[_Done]:
        """Take several steps, as many at once as there are threads for.

        Args:
            steps: each run in the context of the caller.
            seconds: how long all of them are waited for; those not begun by then never are.

        Raises:
            TooLate: not all came back in time.
            NoThread: all threads hang, or none could be made.
            BaseException: whatever one of them raised.
        """
        return [task.result() for task in self._wait(steps, seconds)]

    def _wait(
        self,
        steps: Sequence[Callable[[], _Done]],
        seconds: float,
    ) -> Sequence[Task[_Done]]:
        there, ends = threading.Event(), time.monotonic() + seconds
        with self._errand(steps, seconds, there.set) as errand:
            while not there.wait(min(_GRACE, max(0.0, ends - time.monotonic()))):
                if time.monotonic() >= ends:
                    break
                self._check_hope(errand)
        return errand.tasks

    def take_beside(self, task: Task[Any], step: Callable[[], _Done]) -> Callable[[], _Done]:
        """See `beside`.

        Args:
            task: the step that this is a part of.
            step: the part.
        """
        there = threading.Event()
        part = Task(step, task.ends, self)
        with self._lock:
            if task.left or self._at_work >= self._most:
                return step
            task.beside.append(part)
            try:
                self._begin(part, there.set)
            except NoThread:
                task.beside.remove(part)
                return step

        def result() -> _Done:
            there.wait()
            return part.result()

        return result

    # --- for an event loop --------------------------------------------------------------------

    async def do_async(self, step: Callable[[], _Done], seconds: float = float("inf")) -> _Done:
        """`do`, while the event loop goes on. Who is cancelled leaves the step behind."""
        (task,) = await self._wait_async([step], seconds)
        return task.result()

    async def _wait_async(
        self,
        steps: Sequence[Callable[[], _Done]],
        seconds: float,
    ) -> Sequence[Task[_Done]]:
        there, wake = signal()
        with self._errand(steps, seconds, wake) as errand:
            with anyio.move_on_after(seconds):
                await wait_and_look(there, _GRACE, partial(self._check_hope, errand))
        return errand.tasks

    # --- both ---------------------------------------------------------------------------------

    @contextmanager
    def _errand(
        self,
        steps: Sequence[Callable[[], _Done]],
        seconds: float,
        wake: Callable[[], None],
    ) -> Iterator[_Errand[_Done]]:
        """Begin some steps; at the end of the block leave those that are not done.

        Raises:
            TooLate: some were left.
            NoThread: all threads hang, or none could be made.
        """
        ends = time.monotonic() + seconds
        errand = _Errand([Task(step, ends, self) for step in steps], wake)
        try:
            for task in errand.tasks:
                self._begin(task, errand.one_done)
            if not steps:
                wake()
            yield errand
        finally:
            hanging = self._leave(errand)
        if hanging is not None:
            wrong = TooLate(f"{self._name} was not done within its {seconds:g} s")
            wrong.part, wrong.began = hanging.part, hanging.began
            raise wrong

    def _check_hope(self, errand: _Errand[Any]) -> None:
        """Raises NoThread where none of its steps has a thread, nor will have one."""
        with self._lock:
            if not any(task.began or task.done for task in errand.tasks):
                self._check_threads()

    def _check_threads(self) -> None:
        """Raises NoThread where all of them hang."""
        if sum(one.hangs for one in self._left) >= self._most:
            full = NoThread(f"what hangs is left alone: all {self._most} threads for it wait")
            full.hangs = True
            raise full

    def _begin(self, task: Task[Any], done: Callable[[], None]) -> None:
        with self._lock:
            self._check_threads()
            if self._at_work >= self._most:
                self._waiting.append((task, done))
                return
            self._at_work += 1
            task.began = True
        worker = threading.Thread(
            target=self._work, args=(task, done), name=self._name, daemon=True
        )
        try:
            worker.start()
        except RuntimeError as wrong:  # too many threads, or the interpreter is about to exit
            with self._lock:
                self._at_work -= 1
                task.drop(wrong)
            raise NoThread(f"no thread could be had: {wrong}") from None

    def _work(self, task: Task[Any], done: Callable[[], None]) -> None:
        while True:
            task.run()
            with self._lock:
                task.done = True
                if task.left:
                    self._left.remove(task)
                following = self._next()
                if following is None:
                    self._at_work -= 1
                else:
                    following[0].began = True
            done()  # whoever hears of it finds this thread free
            if following is None:
                return
            task, done = following

    def _next(self) -> tuple[Task[Any], Callable[[], None]] | None:
        """The next of those who wait, and still wait."""
        while self._waiting:
            following = self._waiting.popleft()
            if not following[0].done:
                return following
        return None

    def _leave(self, errand: _Errand[Any]) -> Task[Any] | None:
        """Leave what is not done; one such task, begun if there is one."""
        with self._lock:
            undone = [task for task in errand.tasks if not task.done]
            if not undone:
                return None
            errand.left = True
            for task in undone:
                if not task.began:
                    task.drop(NoThread("no thread was free for it in time"))
            for task in (part for one in undone for part in (one, *one.beside)):
                if task.began and not task.done and not task.left:
                    self._left.append(task)
                task.leave()
            return max(undone, key=lambda task: task.began)

    def _settle(self) -> None:
        until = time.monotonic() + _LAST_SECONDS
        while self._at_work and time.monotonic() < until:
            time.sleep(0.01)


class _Errand(Generic[_Done]):
    """Some steps that are waited for together."""

    def __init__(
        self,
        tasks: Sequence[Task[_Done]],
        wake: Callable[[], None],
    ) -> None:
        self.tasks = tasks
        self.left = False
        self._wake = wake
        self._lock = threading.Lock()
        self._over = False

    def one_done(self) -> None:
        """Called by the thread that did it; the last one tells."""
        with self._lock:
            if self._over or not all(task.done for task in self.tasks):
                return
            self._over = True
        if not self.left:
            self._wake()
