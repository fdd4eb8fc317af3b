"""A day and a time of day as a text tells them: as far as it does."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

LAST_DAY, HALF_A_DAY = 31, 12
_LAST_MONTH, _LAST_HOUR, _LAST_MINUTE = 12, 23, 59
_ANY_YEARS = (2027, 2028)  # one of them a leap year
# A day and its month without a year, or a month and its year: "8.7.", "8. 7.", "8/7"; "7/2027".
_IN_FIGURES = re.compile(
    r"(?<![\w.,:/+-])(?:(\d{1,2})(?:(?:\.(\d{1,2})|/(\d{1,2}))(?!\d|[.,:/-]\d|[^\W\d_])\.?"
    r"|\. (\d{1,2})\.(?!\d)|/(\d{4})(?!\d|[.,:/-]\d|[^\W\d_]))"
    r"|(\d{4})-(\d{2})(?!\d|[.,:/-]\d|[^\W\d_]))"
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


def short_dates(text: str) -> Iterator[tuple[tuple[int, int], list[Date]]]:
    """What may be a date in figures without its year or day, with its place.

    Behind a dot stands the month.
    """
    for found in _IN_FIGURES.finditer(text):
        one, dotted, stroked, spaced, year, first_year, month = (
            None if part is None else int(part) for part in found.groups()
        )
        orders: list[tuple[int | None, int | None, int | None]]
        if stroked is not None:
            orders = [(None, stroked, one), (None, one, stroked)]
        elif year is not None or first_year is not None:
            orders = [(year or first_year, one if month is None else month, None)]
        else:
            orders = [(None, spaced if dotted is None else dotted, one)]
        meant = [Date(y, m or 0, d) for y, m, d in orders]
        if meant := [d for d in meant if is_date(d.month, LAST_DAY if d.day is None else d.day)]:
            yield found.span(), meant


def calendar_day(told: Date, said: date) -> date | None:
    """The day that a date means, in the year of another where none is told."""
    try:
        return date(told.year or said.year, told.month, told.day or 0)
    except ValueError:
        return None


def ends_month(told: Date) -> bool:
    """Whether a date is the last of a month: "by the end of May"."""
    lasts = {monthrange(told.year or year, told.month)[1] for year in _ANY_YEARS}
    return told.day in lasts
