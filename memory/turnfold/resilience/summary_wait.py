"""How long turns wait for a summary: less after each wait in vain, and in the end not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# The part of a deadline that a summary is waited for; the rest is for the turn itself.
_SHARE = 0.8
# After so many waits in vain, one after the other, nobody waits; until so many seconds later.
_MOST_IN_VAIN = 3
_AGAIN = 600.0


class Patience:
    """What the turns of a process know of how fast summaries come. Safe in threads."""

    def __init__(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        deadline: seconds that memory may add to a turn.
        clock: tells the time, in seconds.
        """
        self._most = _SHARE * deadline
        self._clock = clock
        self._in_vain = self._wasted = 0
        self._last = self._last_wasted = 0.0
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """For how long a turn waits now; 0 where it had better not."""
        with self._lock:
            if self._in_vain and self._clock() - self._last > _AGAIN:
                self._in_vain = 0
            if self._in_vain >= _MOST_IN_VAIN:
                return 0.0
            return float(self._most / 2**self._in_vain)

    def within(self, left: float) -> float:
        """The same, where a turn has so many seconds left."""
        return min(self.seconds, _SHARE * left)

    def waited(self, *, in_vain: bool) -> None:
        """A turn has waited."""
        with self._lock:
            self._in_vain = self._in_vain + 1 if in_vain else 0
            self._last = self._clock()

    @property
    def asks(self) -> bool:
        """Whether there is any use in asking: not where answers come when all is over."""
        with self._lock:
            if self._wasted and self._clock() - self._last_wasted > _AGAIN:
                self._wasted = 0
            return self._wasted < _MOST_IN_VAIN

    def answered(self, *, of_use: bool) -> None:
        """An answer has come: of use, or after sentences were taken in its place."""
        with self._lock:
            self._wasted = 0 if of_use else self._wasted + 1
            self._last_wasted = self._clock()

    @property
    def told(self) -> str:
        """What a receipt says where a summary was not there in time."""
        return (
            f"it was not there within its part of the deadline of {self._most / _SHARE:g} s; the "
            f"turn goes on without this fold, and a later one takes it"
        )
