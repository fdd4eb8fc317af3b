"""Numbers, dates and times as they are written go in; values that can be compared come out.

Two steps. Where a text may speak of an amount or a time, one pattern finds the *phrase*: digits,
number words, months, and the small words between them. Only phrases, which are short, are read
by the grammar of dates, times and numbers; and since texts repeat their phrases, most are read
once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from turnfold_stores.search.scanning import LONGEST_RUN, stretches

from turnfold.language.numerals import (
    ONES,
    ORDINAL,
    SCALE,
    SUFFIX,
    VALUE,
    Number,
    number,
    readings,
    sum_of,
    times,
)

_MONTHS = (
    "january february march april may june july august september october november december"
).split()
_MONTH = {name: number for number, name in enumerate(_MONTHS, 1)} | {
    name[:3]: number for number, name in enumerate(_MONTHS, 1)
}
_MONTH["sept"] = 9
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

# Words that say a number without being one: a text with them may be retold with the figure.
_SAID_AS = {
    "a": (1,), "an": (1,), "once": (1,), "single": (1,), "couple": (2,), "pair": (2,),
    "both": (2,), "twice": (2,), "double": (2,), "doubled": (2,), "twins": (2,), "triple": (3,),
    "thrice": (3,), "half": (0.5, 50, 30), "quarter": (0.25, 25, 15),
    "fortnight": (14, 2), "fortnightly": (14, 2), "decade": (10,), "biweekly": (2,), "noon": (12,),
    "midday": (12,), "midnight": (12, 0), "nobody": (0,), "none": (0,), "no": (0,),
}  # fmt: skip
# Said of no quantity as often as of one; not asked for where notes say it.
_LOOSE = frozenset({"one", "first", "second", "zero"})

_MONTH_NAME = r"(?P<month>" + "|".join([*_MONTHS, "sept?", *(m[:3] for m in _MONTHS)]) + r")\.?"
_DAY = (
    r"\d{1,2}(?:st|nd|rd|th)?|(?:twenty|thirty)[- ](?:"
    + "|".join([*ORDINAL][:9])
    + ")|"
    + "|".join(ORDINAL)
)
_MORE = rf"(?:(?P<from>{_DAY})\s*(?:-|to|and|or|until|till|through|&|,)\s*(?:the\s+)?)?"
_THEN_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_YEAR_FIRST = re.compile(
    r"(?<![\d/.-])(?P<year>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?![\d/-])"
)
_YEAR_LAST = re.compile(
    r"(?<![\d/.-])(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<year>\d{4}|\d{2})(?![\d/-])"
)
_DATED = re.compile(r"[-/.]\d{1,2}[-/.]")  # what both hold
_DATES_IN_WORDS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_MORE}(?P<day>{_DAY})(?:\s+of)?\s+{_MONTH_NAME}(?!\w){_THEN_YEAR}",
        rf"\b{_MONTH_NAME}\s+(?:the\s+)?{_MORE}(?P<day>{_DAY})(?!\w)(?!:\d){_THEN_YEAR}",
        rf"\b{_MONTH_NAME},?\s+(?:of\s+)?(?P<year>\d{{4}})\b",
        rf"\b{_MONTH_NAME}\b",
    )
]
_WEEKDAY = re.compile(
    r"\b(?:(mon|tues|wednes|thurs|fri|satur|sun)days?|(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\.?)(?!\w)",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d.:])(?P<h>\d{1,2})(?:(?P<sep>[:.h])(?P<m>\d{2}))?\s*(?P<half>[ap])\.?m\b\.?"
    r"|(?<![\d.:])(?P<H>\d{1,2})[:h](?P<M>\d{2})(?::\d{2})?(?!\d)",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?P<part>half|quarter|five|ten|twenty|twenty-five|\d{1,2})\s+(?P<side>past|to)\s+"
    r"(?P<hour>" + "|".join(ONES[1:13]) + r"|\d{1,2})\b(?!\s*[ap]\.?m)",
    re.IGNORECASE,
)
_AMOUNT = (
    r"(?<![\w.])(?P<sign>[-+]?)(?P<money>[$€£¥])?\s?(?P<n>\d(?:[\d,.'_]*\d)?(?: \d{3}(?!\d))*)"
)
_FIGURE = re.compile(
    rf"{_AMOUNT}(?:\s?(?P<suffix>k|mn|m|bn|b|tn)(?![a-z])|(?:st|nd|rd|th)\b"
    r"|\s*(?P<scale>hundred|thousand|million|billion|dozen)\b)?",
    re.IGNORECASE,
)
# The same where no letters belong to it.
_PLAIN_AMOUNT = re.compile(r"((?<![\w.])[-+]?[$€£¥]?\s?(\d(?:[\d,.'_]*\d)?(?: \d{3}(?!\d))*))")
_SPELT = re.compile(
    r"\b(?:(?:" + "|".join([*VALUE, *SCALE, "and"]) + r")(?:[\s-]+|\b))+", re.IGNORECASE
)
# A phrase: digits with what stands close to them, and words that say a number or a time, with
# no more than a few small words in between. A new line with a figure begins another.
_SAYINGS = [
    *(rf"{name}s?" for name in [*VALUE, *SCALE]),
    *ORDINAL,
    *_MONTHS,
    "sept?",
    *(m[:3] for m in _MONTHS),
    *(rf"{day}s?" for day in _DAYS),
    *"tues? wed thu(?:rs?)? mon fri sat sun half quarter".split(),
]


def _any_of(patterns: Iterable[str]) -> str:
    """One pattern, by first letters, so that what is none of them is soon left."""
    of: dict[str, list[str]] = {}
    for one in patterns:
        of.setdefault(one[0], []).append(one[1:])
    return "|".join(rf"{letter}(?:{'|'.join(rest)})" for letter, rest in sorted(of.items()))


_SAYING = _any_of(_SAYINGS)
_ATOM = (
    rf"(?:[-+$€£¥./:(]{{0,3}}(?<!\w)\d[\w.,:'/-]{{0,{LONGEST_RUN}}}+(?:\ ?[ap]\.?m\b\.?)?"
    rf"|\b(?:{_SAYING})\b\.?(?:-\w{{1,12}}+)?)"
)
_SMALL = r"(?:(?:of|the|and|to|or|until|till|through|past)\b[\ \n]){1,2}+"
_GLUE = rf"(?:\ ?[-–,&]?\ ?|\n(?=[^\W\d_])|\ ?,?[\ \n]{_SMALL}|\ (?:k|mn|m|bn|b|tn)\b\ ?)"
_MOST_ATOMS = 16
# Longer phrases are hardly ever said twice: to keep them is work for the garbage collector.
_MAY_COME_AGAIN = 16
_PHRASE = re.compile(rf"{_ATOM}(?:{_GLUE}{_ATOM}|\ (?:k|mn|m|bn|b|tn)\b){{0,{_MOST_ATOMS}}}+")
_DIGITS = re.compile(r"\d+")
_LATIN = re.compile(r"[a-z]+")
_IMPLIED = {word: tuple(f"{value:g}" for value in values) for word, values in _SAID_AS.items()}
for _said in (ORDINAL, VALUE):
    _IMPLIED |= {word: (*_IMPLIED.get(word, ()), str(value)) for word, value in _said.items()}


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


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a text says in numbers; each with the words it is said in.

    Attributes:
        dates: each with what it may mean.
        weekdays: as the first three letters.
        times: of the day.
        numbers: each with what it may mean.
        rest: the text without them.
    """

    dates: list[tuple[str, list[Date]]]
    weekdays: list[tuple[str, str]]
    times: list[tuple[str, Time]]
    numbers: list[tuple[str, frozenset[Number]]]
    rest: str


def quantities(text: str) -> Quantities:
    """All that a text says in numbers. The text is `plain`."""
    found = Quantities([], [], [], [], "")
    rest: list[str] = []
    for stretch in stretches(text):
        at = 0
        for phrase in _PHRASE.finditer(stretch.replace("İ", "I").lower()):
            said = stretch[phrase.start() : phrase.end()]
            read = read_phrase(said) if len(said) <= _MAY_COME_AGAIN else _read(said)
            found.numbers.extend(read.numbers)
            if read.dates:
                found.dates.extend(read.dates)
            if read.times:
                found.times.extend(read.times)
            if read.weekdays:
                found.weekdays.extend(read.weekdays)
            rest += stretch[at : phrase.start()], read.rest
            at = phrase.end()
        rest.append(stretch[at:])
    return Quantities(found.dates, found.weekdays, found.times, found.numbers, "".join(rest))


@lru_cache(maxsize=4_096)
def read_phrase(text: str) -> Quantities:
    """What a phrase says in numbers; shared, so not to be changed."""
    return _read(text)


def _read(text: str) -> Quantities:
    if text.isdigit():
        return Quantities([], [], [], [(text, frozenset({number(text)}))], " ")
    if not _SPOKEN.search(text.lower()) and (read := _read_figures(text)) is not None:
        return read
    return _read_by_rules(text)


def _read_by_rules(text: str) -> Quantities:
    found, low = Quantities([], [], [], [], ""), text.lower()
    for shows, pattern, take in _GRAMMAR:
        if shows.search(low):
            text = _taken(text, pattern, partial(take, found))
    return Quantities(found.dates, found.weekdays, found.times, found.numbers, text)


def _read_figures(text: str) -> Quantities | None:
    """What a phrase says in which no letters mean a number; None where it takes the rules.

    Rows of tables are such phrases, each another: they are read in the fewest steps.
    """
    dates: list[tuple[str, list[Date]]] = []
    if _DATED.search(text):
        for found in _YEAR_FIRST.finditer(text):
            year, month, day = map(int, found.groups())
            if not (1 <= month <= 12 and 1 <= day <= 31):
                return None
            dates.append((found.group(), [Date(year, month, day)]))
        text = _YEAR_FIRST.sub(" ", text)
        if _YEAR_LAST.search(text):
            return None
    numbers = [
        (shown.strip(), frozenset(readings(digits)))
        for shown, digits in _PLAIN_AMOUNT.findall(text)
    ]
    if not all(values for _, values in numbers):
        return None
    return Quantities(dates, [], [], numbers, _PLAIN_AMOUNT.sub(" ", text))


def implied(text: str) -> Iterator[Number]:
    """Numbers a text holds without being asked for: in identifiers, and in words for them."""
    yield from map(number, set(_DIGITS.findall(text)))
    for word in set(_LATIN.findall(text.casefold())):
        yield from _IMPLIED.get(word, ())


def _taken(text: str, pattern: re.Pattern[str], take: Callable[[re.Match[str]], bool]) -> str:
    """The text with blanks for what was taken."""

    def one(found: re.Match[str]) -> str:
        return " " * len(found.group()) if take(found) else found.group()

    return pattern.sub(one, text)


def _dates(found: Quantities, match: re.Match[str]) -> bool:
    groups = match.groupdict()
    year = int(groups["year"]) if groups.get("year") else None
    if year is not None and len(groups["year"]) == 2:
        year += 2000
    if "m" in groups:
        days = [(int(groups["m"]), int(groups["d"]))]
    elif "a" in groups:
        a, b = int(groups["a"]), int(groups["b"])
        days = [(a, b), (b, a)]
    else:
        name = groups["month"]
        # "may", "march" and "mar" are verbs and more where they have no capital.
        if groups.get("day") is None and not name[0].isupper():
            return False
        if groups.get("day") is None and year is None and len(name) < 4 and name != "May":
            return False
        month = _MONTH[name.casefold().rstrip(".")]
        if groups.get("day") is None:
            found.dates.append((match.group().strip(), [Date(year, month, None)]))
            return True
        day = _day(groups["day"])
        if groups.get("from"):
            found.dates.append((match.group().strip(), [Date(year, month, _day(groups["from"]))]))
        days = [(month, day)]
    meant = [Date(year, m, d) for m, d in days if 1 <= m <= 12 and 1 <= d <= 31]
    if meant:
        found.dates.append((match.group().strip(), meant))
    return bool(meant)


def _day(text: str) -> int:
    digits = re.match(r"\d+", text)
    if digits:
        return int(digits.group())
    tens, _, ones = text.casefold().replace("-", " ").partition(" ")
    return VALUE[tens] + ORDINAL[ones] if ones else ORDINAL[tens]


def _weekday(found: Quantities, match: re.Match[str]) -> bool:
    short = match.group(2)
    if short and not short[0].isupper():
        return False
    found.weekdays.append((match.group(), match.group().casefold()[:3]))
    return True


def _time(found: Quantities, match: re.Match[str]) -> bool:
    half = match["half"]
    hour = int(match["h"] or match["H"])
    minute = int(match["m"] or match["M"] or 0)
    if hour > 23 or minute > 59:
        return False
    if half:
        hour = hour % 12 + (12 if half.casefold() == "p" else 0)
    found.times.append((match.group().strip(), Time(60 * hour + minute, bool(half) or hour > 12)))
    return True


def _clock(found: Quantities, match: re.Match[str]) -> bool:
    part, hour = match["part"].casefold(), match["hour"].casefold()
    minutes = {"half": 30, "quarter": 15, "twenty-five": 25}.get(part) or VALUE.get(part)
    minutes = int(part) if minutes is None else minutes
    hours = VALUE[hour] if hour in VALUE else int(hour)
    if hours > 12 or minutes > 30 or (part.isdigit() and minutes % 5):
        return False  # "from 10 to 12"
    if part.isdigit() and match["side"] == "to":
        return False
    total = 60 * hours + (minutes if match["side"].casefold() == "past" else -minutes)
    found.times.append((match.group(), Time(total % 720, sure=False)))
    return True


def _figure(found: Quantities, match: re.Match[str]) -> bool:
    digits, suffix, scale = match.group("n", "suffix", "scale")
    values = read = readings(digits)
    if suffix or scale:
        by = SUFFIX[suffix.casefold()] if suffix else SCALE[scale.casefold()]
        values = {times(value, by) for value in read}
        if suffix and suffix.casefold() in {"m", "b"}:
            values |= read  # metres, bytes
    if not values:
        return False
    found.numbers.append((match.group().strip(), frozenset(values)))
    return True


def _spelt(found: Quantities, match: re.Match[str]) -> bool:
    words = re.findall(r"[a-z]+", match.group().casefold())
    if not set(words) & set(SCALE):  # "two and three" are two numbers
        runs = [run.split() for run in " ".join(words).split("and")]
    else:
        runs = [[word for word in words if word != "and"]]
    found.numbers.extend(
        (" ".join(run), frozenset({str(sum_of(run))}))
        for run in runs
        if run and (len(run) > 1 or run[0] not in _LOOSE)
    )
    return any(runs)


_GRAMMAR = [
    *((_DATED, pattern, _dates) for pattern in (_YEAR_FIRST, _YEAR_LAST)),
    *(
        (re.compile("|".join(m[:3] for m in _MONTHS)), pattern, _dates)
        for pattern in _DATES_IN_WORDS
    ),
    (re.compile("|".join(day[:3] for day in _DAYS)), _WEEKDAY, _weekday),
    (re.compile(r"\d(?:[:h]|\s*[ap]\.?m)"), _TIME, _time),
    (re.compile("past|to"), _CLOCK, _clock),
    (re.compile(r"\d"), _FIGURE, _figure),
    (re.compile("|".join([*VALUE, *SCALE])), _SPELT, _spelt),
]
"""The grammar of a phrase, in the order it is read: what has to stand in it, in small letters, for
a rule to find anything; the rule's pattern; and what is taken of it."""

# Any of what the rules with letters need, in small letters; and times of day, and suffixes.
_SPOKEN = re.compile(
    _any_of([*(name[:3] for name in (*_MONTHS, *_DAYS)), "past", "to", *VALUE, *SCALE])
    + r"|\d(?:[:h]|\s*[ap]\.?m|\s?(?:k|mn?|bn?|tn|st|nd|rd|th)(?![a-z]))"
)
