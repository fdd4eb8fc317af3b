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


def _in_range(moment: float, named: str, advice: str = "") -> float:
    if _EARLIEST <= moment < _LATEST:
        return float(moment)
    unit = next((unit for unit, part in _PARTS if _RECENT * part <= moment < _LATEST * part), "")
    hint = f", and this looks like {unit}" if unit else ""
    raise TurnfoldError(f"{named} is in no year from 1000 to 3000{advice}{hint}")
