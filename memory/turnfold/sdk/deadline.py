"""How long one turn may take goes in; what is left of it, and why memory gave up, comes out."""

from __future__ import annotations

import time
from collections.abc import Callable

from turnfold.errors import TurnfoldError


def not_ready(seconds: float) -> TurnfoldError:
    """What people are told where memory was not done within so many seconds."""
    return TurnfoldError(f"memory was not ready within its deadline of {seconds:g} s")


class Deadline:
    """What is left of the time one turn may take, and why memory gave up, if it did."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.reason = ""
        self._ends = time.monotonic() + seconds
        self._leave: Callable[[], None] | None = None

    def on_giving_up(self, leave: Callable[[], None]) -> None:
        """What to do when memory gives up; done at once, if it has. It may be done twice."""
        self._leave = leave
        if self.reason:
            leave()

    def give_up(self, reason: str) -> None:
        """Memory failed, or came too late."""
        self.reason = reason
        if self._leave is not None:
            self._leave()

    @property
    def left(self) -> float:
        """Seconds; not below 0."""
        return max(0.0, self._ends - time.monotonic())
