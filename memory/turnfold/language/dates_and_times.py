"""A day and a time of day as a text tells them: as far as it does."""

from __future__ import annotations

from dataclasses import dataclass

LAST_DAY, HALF_A_DAY = 31, 12
_LAST_MONTH, _LAST_HOUR, _LAST_MINUTE = 12, 23, 59


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


def is_date(month: int, day: int) -> bool:
    """Whether there is such a month, and a month with such a day."""
    return 1 <= month <= _LAST_MONTH and 1 <= day <= LAST_DAY


def is_time(hour: int, minute: int) -> bool:
    """Whether a clock may show such a time; neither is below 0."""
    return hour <= _LAST_HOUR and minute <= _LAST_MINUTE
