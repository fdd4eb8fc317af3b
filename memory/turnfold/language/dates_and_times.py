"""A day and a time of day as a text tells them: as far as it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LAST_DAY, HALF_A_DAY = 31, 12
_LAST_MONTH, _LAST_HOUR, _LAST_MINUTE = 12, 23, 59
# A day and its month without a year: "8.7.", "8. 7.", "8/7".
_IN_FIGURES = re.compile(
    r"(?<![\w.,:/+-])(\d{1,2})(?:\.(\d{1,2})(?!\d|[.,:/-]\d|[^\W\d_])\.?|\. (\d{1,2})\.(?!\d)"
    r"|/(\d{1,2})(?!\d|[.,:/-]\d|[^\W\d_]))"
)


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


def days_in_figures(text: str) -> Iterator[tuple[tuple[int, int], list[Date]]]:
    """What may be a date without a year, with its place; behind a dot stands the month."""
    for found in _IN_FIGURES.finditer(text):
        a, b = int(found[1]), int(found[2] or found[3] or found[4])
        orders = [(b, a), (a, b)] if found[4] else [(b, a)]
        meant = [Date(None, month, day) for month, day in orders if is_date(month, day)]
        if meant:
            yield found.span(), meant
