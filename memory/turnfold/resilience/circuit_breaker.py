"""How a part fared goes in; whether it is asked again, or left alone for a while, comes out."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from turnfold_stores.process.fork import at_fork

from turnfold.errors import StoreError, TurnfoldError, failure, is_of_a_value
from turnfold.resilience.worker_threads import Task, TooLate, current_task

# A part that failed or hung so often in a row is left alone, for so many seconds; when it then
# fails again, for twice as long.
_IN_A_ROW = 3
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 300.0


class LeftAlone(TurnfoldError):  # noqa: N818 - a state, not a fault
    """A part that failed again and again is not asked for now."""


class CircuitBreaker:
    """Watches one part: the store, the embedder, the summarizer.

    Once its pause is over one step may try it; the others wait for what comes of that.
    """

    def __init__(
        self,
        part: str,
        *,
        most_left: int | None = None,
        answers: tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        part: what it is, for people: "the store".
        most_left: how many steps may hang in it before no other is let in; None for any number.
        answers: errors by which it shows that it works.
        clock: in seconds.
        """
        self.part = part
        self._answers = answers
        self._most_left = most_left
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
        self._asking: list[Task[Any]] = []  # where only so many may hang in it

    def check(self) -> None:
        """Ask whether the part is left alone, and leave it to another step to try it.

        Raises:
            LeftAlone: it is.
        """
        with self._lock:
            if self._failures >= _IN_A_ROW:
                self._raise_in_pause()

    def admit(self) -> None:
        """Ask whether the part may be asked.

        Raises:
            LeftAlone: not now.
        """
        with self._lock:
            if self._failures < _IN_A_ROW:
                return
            self._raise_in_pause()
            self._trying = True
            self._until = self._clock() + self._pause

    def _raise_in_pause(self) -> None:
        left = self._until - self._clock()
        if left > 0:
            raise LeftAlone(
                f"{self.part} failed {self._failures} times in a row and is left alone for "
                f"{math.ceil(left)} s ({self._why})"
            )

    def worked(self) -> None:
        """It did what it was asked."""
        with self._lock:
            self._failures, self._pause, self._trying = 0, _FIRST_PAUSE, False

    def untried(self) -> None:
        """What was admitted tells nothing of the part: if that was the trial, another is to try."""
        with self._lock:
            self._leave_trial()

    def _leave_trial(self) -> None:
        if self._trying:
            self._trying, self._until = False, self._clock()

    def failed(self, wrong: Exception) -> None:
        """It failed. That counts unless it comes in a pause, or is about a value it was given.

        Args:
            wrong: why. What it says of its own to one user is no business of the others.
        """
        with self._lock:
            if self._failures >= _IN_A_ROW and not self._trying:
                return
            if is_of_a_value(wrong):
                self._leave_trial()
                return
            self._failures += 1
            self._why = _told_to_all(wrong)
            if self._trying:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._trying = False
            if self._failures >= _IN_A_ROW:
                self._until = self._clock() + self._pause

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While something is asked of the part.

        Raises:
            LeftAlone: it may not be asked now, or those who asked before hang in it.
        """
        self.admit()
        task = current_task()
        with self._inside(task):
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
                    self.failed(why)
                raise
            else:
                if task is None or not task.left:
                    self.worked()
            finally:
                if task:
                    task.part = before

    @contextmanager
    def _inside(self, task: Task[Any] | None) -> Iterator[None]:
        """While a step is in it.

        Raises:
            LeftAlone: so many of those who asked before hang in it.
        """
        if self._most_left is None or task is None:
            yield
            return
        with self._lock:
            if sum(one.hangs for one in self._asking) >= self._most_left:
                raise LeftAlone(
                    f"{self.part} is left alone: it has not answered those who asked before"
                )
            self._asking.append(task)
        try:
            yield
        finally:
            with self._lock:
                self._asking.remove(task)


def _told_to_all(wrong: Exception) -> str:
    """What may be said of an error to those whom it did not befall."""
    if isinstance(wrong, TooLate):
        return "it did not answer in time"
    name = type(wrong).__name__
    # Others may quote what was said to the part.
    return f"{name}: {wrong}".partition("\n")[0] if isinstance(wrong, StoreError) else name
