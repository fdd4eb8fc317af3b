"""A moment and a time zone go in; the user's day comes out."""

from __future__ import annotations

import zoneinfo
from datetime import date, datetime, tzinfo
from typing import TypeAlias

from turnfold.errors import PolicyError, TurnfoldError, shown

# The years 1000 and 3000: what was said, and what is to be forgotten, lies between them.
_EARLIEST, _LATEST = -30_610_224_000.0, 32_503_680_000.0
# What clocks of other libraries count in; from 1973 on such a number is out of range as seconds.
_PARTS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
_RECENT = 100_000_000.0
# Seconds. All dates of eight digits in range are less, as numbers.
_YEAR = 31_536_000.0

TimeZone: TypeAlias = str | tzinfo | None
"""A name such as "Europe/Berlin", a zone of `datetime`, or None for the machine's."""


def zone_of(given: TimeZone) -> tzinfo | None:
    """The time zone a user gave; None, for the machine's, where they gave none.

    Raises:
        PolicyError: there is no zone of this name.
    """
    if given is None or isinstance(given, tzinfo):
        return given
    if not isinstance(given, str):
        raise PolicyError(f"time_zone={given!r} must be a name such as 'Europe/Berlin', or None")
    try:
        return zoneinfo.ZoneInfo(given)
    except (KeyError, ValueError, OSError):  # no such key, no key at all, a folder of keys
        raise PolicyError(
            f"time_zone={given!r} is not known here: give a name of the IANA database, such as "
            f"'Europe/Berlin' or 'UTC' (`zoneinfo.available_timezones()` lists them; where the "
            f"system has none, `pip install tzdata`)"
        ) from None


def day_of(at: float, zone: tzinfo | None = None) -> date:
    """The day of a time in seconds since the epoch, in a time zone or in the machine's.

    Raises:
        ValueError, OverflowError, OSError: there is no such day in the calendar.
    """
    return datetime.fromtimestamp(at, zone).date()


def known_day(at: float, zone: tzinfo | None = None) -> date | None:
    """The same; None for an unknown time, 0, and for one that no calendar has."""
    try:
        return day_of(at, zone) if at else None
    except (ValueError, OverflowError, OSError):
        return None


def known_minute(at: float, zone: tzinfo | None = None) -> str:
    """A moment to the minute, as ISO writes it with a blank; "" where there is no such day."""
    try:
        return datetime.fromtimestamp(at, zone).astimezone(zone).isoformat(" ", "minutes")
    except (ValueError, OverflowError, OSError):
        return ""


def seconds_of(moment: float | datetime, zone: tzinfo | None, *, what: str) -> float:
    """A moment in seconds since the epoch.

    Args:
        moment: seconds, or a datetime. One without a time zone is in `zone`.
        zone: None for the machine's.
        what: what it is called, for the error.

    Raises:
        TurnfoldError: it is neither a number nor a datetime of the calendar, or it is in no year
            from 1000 to 3000.
    """
    if isinstance(moment, datetime):
        try:
            here = moment if moment.tzinfo else moment.replace(tzinfo=zone)
            return _in_range(here.timestamp(), f"{what}={moment!r}")
        except (ValueError, OverflowError, OSError) as wrong:
            raise TurnfoldError(
                f"{what}={moment!r} is no moment of the calendar: {wrong}"
            ) from None
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or moment != moment:  # noqa: PLR0124 - isnan takes no large int
        raise TurnfoldError(
            f"{what}={shown(moment)} must be seconds since the epoch or a datetime, or None"
        )
    return _in_range(moment, f"{what}={shown(moment)}", ": give seconds since the epoch")


def limit_of(moment: float | datetime, zone: tzinfo | None, *, what: str) -> float:
    """A moment that something is to be older than, in seconds since the epoch.

    A bare number near 0 that somebody wrote is a year or a date, such as 20260131: as seconds
    nothing would be older, and nobody told.

    Raises:
        TurnfoldError: it is such a number, or no moment; see `seconds_of`.
    """
    seconds = seconds_of(moment, zone, what=what)
    if abs(seconds) < _YEAR and not isinstance(moment, datetime):
        raise TurnfoldError(
            f"{what}={shown(moment)} as seconds since the epoch is within a year of 1970: give a "
            f"date such as 2026-01-31, or seconds such as 1767225600"
        )
    return seconds


def iso_moment(text: str) -> datetime | None:
    """The moment of a date or time as ISO writes it; None for anything else.

    A bare number is none, except for one of eight digits, such as 20260131: Python would take
    milliseconds since the epoch for an hour in the year 1712.
    """
    text = text.strip()
    if _is_number(text) and (len(text) != len("20260131") or not text.isdecimal()):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def written_moment(text: str) -> datetime | float | None:
    """A date or time as ISO writes it, or else a number; None for anything else."""
    moment = iso_moment(text)
    return float(text) if moment is None and _is_number(text) else moment


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _in_range(moment: float, named: str, advice: str = "") -> float:
    if _EARLIEST <= moment < _LATEST:
        return float(moment)
    unit = next((unit for unit, part in _PARTS if _RECENT * part <= moment < _LATEST * part), "")
    hint = f", and this looks like {unit}" if unit else ""
    raise TurnfoldError(f"{named} is in no year from 1000 to 3000{advice}{hint}")
