"""A text with words for a time goes in; the span of time it speaks of comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo

from turnfold_stores.search.stemming import language_of

from turnfold.language.dates_and_times import Date
from turnfold.language.days import day_of, known_day
from turnfold.language.number_words import number_words
from turnfold.language.quantities import quantities
from turnfold.language.words import UNSPACED, flat, plain

_YEAR = "january february march april may june july august september october november december"
_MONTHS = _YEAR.split()
_WEEK = "monday tuesday wednesday thursday friday saturday sunday"
_DAYS = _WEEK.split()
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_UNITS = {"day": 1, "week": 7, "month": 30, "year": 365}

_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS if name != "may") + "|may"
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_AGO = re.compile(r"\b(\d{1,3}|" + "|".join(_COUNTS) + r") (day|week|month|year)s? ago\b")
_LAST = re.compile(r"\b(last|this|past) (week|month|year)\b")
_WEEKDAY = re.compile(r"\b(?:last|on|this) (" + "|".join(_DAYS) + r")\b")
_IN_MONTH = re.compile(
    rf"\b(?:in|on|of|since|during|last|this|early|late|mid) ({_MONTH})\b(?: (\d{{1,2}})\b(?!\d))?"
    r"(?:,? (\d{4})\b)?"
)
_NEAR = {"today": (0, 0), "yesterday": (1, 1), "this morning": (0, 0), "last night": (1, 0)}


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """Days from `first` to `last`, both included, in a time zone; None: the machine's."""

    first: date
    last: date
    zone: tzinfo | None = None

    def holds(self, at: float) -> bool:
        """Whether a time in seconds since the epoch lies in it; never for an unknown one, 0."""
        day = known_day(at, self.zone)
        return day is not None and self.first <= day <= self.last


def span_in(text: str, now: float, zone: tzinfo | None = None) -> TimeSpan | None:
    """The span a text speaks of, seen from `now`; None where it speaks of none.

    In the languages of `number_words.toml` days, weekdays, dates and months, in most of them last
    week, month and year as well; in English "three weeks ago", too. A span is meant loosely.

    Args:
        text: what is asked.
        now: seconds since the epoch.
        zone: whose days are meant; None for the machine's.
    """
    try:
        today = day_of(now, zone)
        language = language_of(text)
        if language in {"", "en"}:
            span = _in_english(text.lower(), today)
        else:
            span = _named_day(text.lower(), today) or _in_language(plain(text), language, today)
        return None if span is None else replace(span, zone=zone)
    except (ValueError, OverflowError):  # the 31st of June, 999 years ago
        return None


def _in_english(text: str, today: date) -> TimeSpan | None:
    return (
        _named_day(text, today)
        or _ago(text, today)
        or _last(text, today)
        or _dated(text, today)
        or _month(text, today)
    )


def _dated(text: str, today: date) -> TimeSpan | None:
    """Dates with their day, in whichever order: "8 January", "the 8th of January", "Jan 8"."""
    told = [one for _, meant in quantities(text, ("en",)).dates for one in meant[:1] if one.day]
    spans = [_of_date(one, today) for one in told]
    if not spans:
        return None
    return TimeSpan(min(one.first for one in spans), max(one.last for one in spans))


def _in_language(text: str, language: str, today: date) -> TimeSpan | None:
    """The span that words of a language speak of; what is to come is none.

    Args:
        text: `plain`.
        language: an ISO 639-1 code.
        today: the user's.
    """
    told = number_words((language,))
    words = flat(text)
    # Where no blanks part words, nor particles from them, a phrase is looked for as it is.
    letters = words.replace(" ", "")

    def says(phrase: str) -> bool:
        if UNSPACED.search(phrase):
            return phrase.replace(" ", "") in letters
        return f" {phrase} " in words

    for phrase, span in told.spans.items():
        if says(phrase):
            return _whole(span.unit, span.ago, today)
    found = quantities(text, (language,))
    for _, meant in found.dates:
        return _of_date(meant[0], today)
    for phrase, days in told.relative.items():
        if min(days) <= 0 and says(phrase):
            day = today + timedelta(min(days))
            return TimeSpan(day, day)
    for _, weekday in found.weekdays:
        return _latest(weekday, today)
    return None


def _latest(weekday: int, today: date) -> TimeSpan:
    """The latest such day of the week before today, from 0 for Monday."""
    day = today - timedelta((today.weekday() - weekday) % 7 or 7)
    return TimeSpan(day, day)


def _of_date(told: Date, today: date) -> TimeSpan:
    # Without a year the latest such month that has begun.
    year = today.year - (told.month > today.month) if told.year is None else told.year
    if told.day is not None:
        day = date(year, told.month, told.day)
        return TimeSpan(day, day)
    first = date(year, told.month, 1)
    return TimeSpan(first, _end_of_month(first))


def _whole(unit: str, ago: int, today: date) -> TimeSpan:
    """A calendar week, month or year, so many before this one; of months and weeks one at most."""
    if unit == "week":
        first = today - timedelta(today.weekday() + 7 * ago)
        return TimeSpan(first, first + timedelta(6))
    if unit == "year":
        return TimeSpan(date(today.year - ago, 1, 1), date(today.year - ago, 12, 31))
    first = today.replace(day=1)
    if ago:
        first = (first - timedelta(1)).replace(day=1)
    return TimeSpan(first, _end_of_month(first))


def _named_day(text: str, today: date) -> TimeSpan | None:
    if iso := _ISO.search(text):
        day = date(int(iso[1]), int(iso[2]), int(iso[3]))
        return TimeSpan(day, day)
    for words, (first, last) in _NEAR.items():
        if re.search(rf"\b{words}\b", text):
            return TimeSpan(today - timedelta(first), today - timedelta(last))
    if weekday := _WEEKDAY.search(text):
        return _latest(_DAYS.index(weekday[1]), today)
    return None


def _ago(text: str, today: date) -> TimeSpan | None:
    if not (ago := _AGO.search(text)):
        return None
    days = _UNITS[ago[2]]
    number = _COUNTS.get(ago[1]) or int(ago[1])
    middle = today - timedelta(days * number)
    slack = timedelta(days // 2)
    return TimeSpan(middle - slack, middle + slack)


def _last(text: str, today: date) -> TimeSpan | None:
    if not (found := _LAST.search(text)):
        return None
    which, unit = found.groups()
    if which == "past":
        return TimeSpan(today - timedelta(_UNITS[unit]), today)
    return _whole(unit, int(which == "last"), today)


def _month(text: str, today: date) -> TimeSpan | None:
    if not (found := _IN_MONTH.search(text)):
        return None
    month = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(found[1]))
    year, day = (int(one) if one else None for one in (found[3], found[2]))
    return _of_date(Date(year, month, day), today)


def _end_of_month(first: date) -> date:
    return (first + timedelta(31)).replace(day=1) - timedelta(1)
