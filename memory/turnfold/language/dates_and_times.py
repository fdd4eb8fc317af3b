"""A day and a time of day as a text tells them: as far as it does."""

from __future__ import annotations

from dataclasses import dataclass

LAST_DAY, LAST_MONTH, LAST_HOUR, LAST_MINUTE, HALF_A_DAY = 31, 12, 23, 59, 12


@dataclass(frozen=True, slots=True)
class Date:
    """A day as far as it is told; at least a month."""

    year: int | None
    month: int
    day: int | None


@dataclass(frozen=True, slots=True)
class Time:
    """Minutes since midnight; where morning or evening was not said, `sure` is False."""

    minutes: int
    sure: bool

    def is_also(self, other: Time) -> bool:
        """Whether both may be the same time of day."""
        if self.sure and other.sure:
            return self.minutes == other.minutes
        return self.minutes % 720 == other.minutes % 720
