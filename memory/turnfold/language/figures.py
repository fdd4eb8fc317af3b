"""Figures go in; the dates, times and numbers that they say by themselves come out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from turnfold.language.dates_and_times import HALF_A_DAY, Date, Time, is_date, is_time
from turnfold.language.numerals import Number, number, readings

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
TIME = re.compile(r"(\d{1,2})[:h](\d{2})(?::\d{2}(?:[.,]\d+)?)?")
"""A time of day, of which an hour and a minute may be told."""
_PART = re.compile(r"[^-/:_h\n]+")
_DIGITS = re.compile(r"\d+")
_CENTURY = 2_000
_SHORTEST_DATE, _LONGEST_DATE = len("1.1.27"), len("2027-01-01")


class Figures(NamedTuple):
    """What figures say that nothing beside them belongs to.

    Attributes:
        dates: what some of them may mean as a date.
        times: of the day.
        numbers: what the others may mean; of what means nothing, and of what blanks group, the
            digits.
    """

    dates: list[Date]
    times: list[Time]
    numbers: set[Number]


def read_alone(figures: Iterable[str]) -> Figures:
    """What figures say by themselves."""
    dates: list[Date] = []
    times: list[Time] = []
    joined: list[str] = []
    digits: set[str] = set()
    for shown in figures:
        if shown.isdecimal():
            digits.add(shown)
        elif meant := dates_in(shown):
            dates += meant
        elif (":" in shown or "h" in shown) and (time := time_in(shown)):
            times.append(time)
        else:
            joined.append(shown)
    parts = set(_PART.findall("\n".join(joined)))
    numbers: set[Number] = set()
    unread: list[str] = []
    for part in parts:
        if part.isdecimal():
            digits.add(part)
            continue
        numbers |= (values := readings(part))
        if not values or " " in part:
            unread.append(part)
    digits.update(_DIGITS.findall("\n".join(unread)))
    numbers.update(map(number, digits))
    return Figures(dates, times, numbers)


def dates_in(shown: str) -> list[Date]:
    """What a figure may mean as a date; [] for none."""
    if not _SHORTEST_DATE <= len(shown) <= _LONGEST_DATE or shown[1:5].isdecimal():
        return []
    if found := _YEAR_FIRST.fullmatch(shown):
        year, days = int(found[1]), [(int(found[3]), int(found[4]))]
    elif found := _YEAR_LAST.fullmatch(shown):
        year, a, b = int(found[4]), int(found[1]), int(found[3])
        year += _CENTURY if len(found[4]) == len("27") else 0
        days = [(a, b), (b, a)]
    else:
        return []
    return [Date(year, month, day) for month, day in days if is_date(month, day)]


def time_in(shown: str) -> Time | None:
    """The time of day that a figure is; None for none."""
    found = TIME.fullmatch(shown)
    if not found or not is_time(hour := int(found[1]), minute := int(found[2])):
        return None
    return Time(60 * hour + minute, sure=hour > HALF_A_DAY)


def parts_of(shown: str) -> Iterator[tuple[int, int]]:
    """Where the parts of a figure begin and end that are no date and no time together."""
    return (part.span() for part in _PART.finditer(shown))
