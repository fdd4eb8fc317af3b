"""The clock the stand-in lives by, so that cache lifetimes are tested without waiting."""

import threading


class Clock:
    """Seconds that pass only when told to.

    Args:
        start: The first reading, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = float(start)
        self._lock = threading.Lock()

    @property
    def now(self) -> float:
        """The present reading, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: How long; not negative.

        Raises:
            ValueError: Time does not run backwards.
        """
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} seconds: time does not run backwards")
        with self._lock:
            self._now += seconds

    def __call__(self) -> float:
        """The present reading, in seconds."""
        return self._now
