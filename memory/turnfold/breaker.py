"""How a part fared goes in; whether it is asked again, or left alone for a while, comes out."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from turnfold_stores.fork import at_fork

from turnfold.crew import Task, current_task
from turnfold.errors import TurnfoldError, failure

# A part that failed or hung so often in a row is left alone, for so many seconds; when it then
# fails again, for twice as long.
_IN_A_ROW = 3
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 300.0


class LeftAlone(TurnfoldError):  # noqa: N818 - a state, not a fault
    """A part that failed again and again is not asked for now."""


class Breaker:
    """Watches one part: the store, the embedder, the summarizer.

    Once its pause is over one step may try it; the others wait for what comes of that.
    """

    def __init__(
        self,
        part: str,
        *,
        most: int | None = None,
        answers: tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        part: what it is, for people: "the store".
        most: how many steps may be in it at once; None for any number.
        answers: errors by which it shows that it works.
        clock: in seconds.
        """
        self.part = part
        self._answers = answers
        self._most = most
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._failures = 0
        self._until = 0.0
        self._trying = False
        self._why = ""
        self._reset()
        at_fork(in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._freed = threading.Condition()
        self._inside: list[Task[Any]] = []  # where only so many may be in it at once

    def admit(self) -> None:
        """Ask whether the part may be asked.

        Raises:
            LeftAlone: not now.
        """
        with self._lock:
            if self._failures < _IN_A_ROW:
                return
            left = self._until - self._clock()
            if left > 0:
                raise LeftAlone(
                    f"{self.part} failed {self._failures} times in a row and is left alone for "
                    f"{math.ceil(left)} s ({self._why})"
                )
            self._trying = True
            self._until = self._clock() + self._pause

    def worked(self) -> None:
        """It did what it was asked."""
        with self._lock:
            self._failures, self._pause, self._trying = 0, _FIRST_PAUSE, False

    def failed(self, why: str) -> None:
        """It failed, or did not answer in time. Of those that come in a pause none counts."""
        with self._lock:
            if self._failures >= _IN_A_ROW and not self._trying:
                return
            self._failures += 1
            self._why = why.partition("\n")[0]
            if self._trying:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._trying = False
            if self._failures >= _IN_A_ROW:
                self._until = self._clock() + self._pause

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While something is asked of the part.

        Raises:
            LeftAlone: it may not be asked now, or too many are asking.
        """
        self.admit()
        task = current_task()
        with self._a_place(task):
            before = task.part if task else None
            if task:
                task.part = self
            try:
                yield
            except BaseException as wrong:
                why = failure(wrong)
                if isinstance(why, self._answers):
                    self.worked()
                elif task is None or not task.left:
                    self.failed(f"{type(why).__name__}: {why}")
                raise
            else:
                if task is None or not task.left:
                    self.worked()
            finally:
                if task:
                    task.part = before

    @contextmanager
    def _a_place(self, task: Task[Any] | None) -> Iterator[None]:
        if self._most is None or task is None:
            yield
            return
        with self._freed:
            while len(self._inside) >= self._most:
                seconds = task.ends - time.monotonic()
                if seconds <= 0 or all(one.left for one in self._inside):
                    raise LeftAlone(
                        f"{self.part} is left alone: it has not answered those who asked before"
                    )
                self._freed.wait(min(seconds, threading.TIMEOUT_MAX))
            self._inside.append(task)
        try:
            yield
        finally:
            with self._freed:
                self._inside.remove(task)
                self._freed.notify()
