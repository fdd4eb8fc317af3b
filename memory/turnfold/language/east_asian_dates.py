"""A text goes in; dates, times and weekdays in it come out, as Chinese, Japanese and Korean write
them: a figure and the character for what it counts, without a blank between words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from turnfold.language.dates_and_times import HALF_A_DAY, Date, Time, is_date, is_time

Span = tuple[int, int]

_DATE = re.compile(
    r"(?:(\d{4})\s?[年년]\s?)?(?<!\d)(\d{1,2})\s?[月월](?:\s?(\d{1,2})\s?[日号號일](?!\s?[间間]))?"
)
_WEEKDAY = re.compile(
    r"(?:周|週|星期|礼拜|禮拜)([一二三四五六日天])|([月火水木金土日])曜|([월화수목금토일])요일"
)
_WEEKDAYS = "一二三四五六日月火水木金土日월화수목금토일"
# "午後3時半", "下午3点20分", "오후 3시"; a length of time is none: "3時間", "3小时".
_TIME = re.compile(
    r"(午前|午後|上午|下午|早上|晚上|中午|凌晨|清晨|傍晚|오전|오후|저녁|아침|夜の?|朝の?)?\s?(?<!\d)(\d{1,2})\s?"
    r"(?:時(?![间間点])|时(?![间間])|点(?:钟)?|點(?:鐘)?|시(?!간))(?:\s?(\d{1,2})\s?[分분]|\s?([半반]))?"
)
_AFTERNOON = frozenset("午後 下午 晚上 傍晚 오후 저녁 夜 夜の".split())


def dates(text: str) -> Iterator[tuple[Span, Date]]:
    """Days and months, each with where it stands."""
    for found in _DATE.finditer(text):
        year, month, day = (int(one) if one else None for one in found.groups())
        if month and is_date(month, day or 1):
            yield found.span(), Date(year, month, day)


def times(text: str) -> Iterator[tuple[Span, Time]]:
    """Times of the day, each with where it stands."""
    for found in _TIME.finditer(text):
        half, hour = found[1], int(found[2])
        minutes = 30 if found[4] else int(found[3] or 0)
        if not is_time(hour, minutes):
            continue
        if half in _AFTERNOON and hour < HALF_A_DAY:
            hour += HALF_A_DAY
        yield found.span(), Time(60 * hour + minutes, bool(half) or hour > HALF_A_DAY)


def weekdays(text: str) -> Iterator[tuple[Span, int]]:
    """Weekdays, as numbers from 0 for Monday, each with where it stands."""
    for found in _WEEKDAY.finditer(text):
        name = found[found.lastindex or 0].replace("天", "日")
        yield found.span(), _WEEKDAYS.index(name) % 7
