"""Numbers, dates and times as they are written go in; values that can be compared come out.

Two steps. Where a text may speak of an amount or a time, one pattern finds the *phrase*: digits,
number words, months, and the small words between them. Only phrases, which are short, are read
by the grammar of dates, times and numbers; and since texts repeat their phrases, most are read
once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import lru_cache, partial

from turnfold_stores.search.scanning import LONGEST_RUN, stretches

_MONTHS = (
    "january february march april may june july august september october november december"
).split()
_MONTH = {name: number for number, name in enumerate(_MONTHS, 1)} | {
    name[:3]: number for number, name in enumerate(_MONTHS, 1)
}
_MONTH["sept"] = 9
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUE = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS, 2)
}
_SCALE = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "dozen": 12}
_ORDINAL = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        1,
    )
} | {
    word: 10 * number
    for number, word in enumerate(
        "thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth".split(), 3
    )
}
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
_SUFFIX = {"k": 1_000, "m": 10**6, "mn": 10**6, "bn": 10**9, "b": 10**9, "tn": 10**12}

_MONTH_NAME = r"(?P<month>" + "|".join([*_MONTHS, "sept?", *(m[:3] for m in _MONTHS)]) + r")\.?"
_DAY = (
    r"\d{1,2}(?:st|nd|rd|th)?|(?:twenty|thirty)[- ](?:"
    + "|".join([*_ORDINAL][:9])
    + ")|"
    + "|".join(_ORDINAL)
)
_MORE = rf"(?:(?P<from>{_DAY})\s*(?:-|to|and|or|until|till|through|&|,)\s*(?:the\s+)?)?"
_THEN_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_DATES_IN_FIGURES = [
    re.compile(r"(?<![\d/.-])(?P<year>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?![\d/-])"),
    re.compile(
        r"(?<![\d/.-])(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<year>\d{4}|\d{2})(?![\d/-])"
    ),
]
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
    r"(?P<hour>" + "|".join(_ONES[1:13]) + r"|\d{1,2})\b(?!\s*[ap]\.?m)",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"(?<![\w.])(?P<sign>[-+]?)(?P<money>[$€£¥])?\s?(?P<n>\d(?:[\d,.'_]*\d)?(?: \d{3}(?!\d))*)"
    r"(?:\s?(?P<suffix>k|mn|m|bn|b|tn)(?![a-z])|(?:st|nd|rd|th)\b|\s*(?P<scale>hundred|thousand|million|billion|dozen)\b)?",
    re.IGNORECASE,
)
_SPELT = re.compile(
    r"\b(?:(?:" + "|".join([*_VALUE, *_SCALE, "and"]) + r")(?:[\s-]+|\b))+", re.IGNORECASE
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
_DECIMALS = re.compile(r"\d+\.\d+")
_COMMA_DECIMALS = re.compile(r"\d+,\d+")
_DOT_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?")

# A phrase: digits with what stands close to them, and words that say a number or a time, with
# no more than a few small words in between. A new line with a figure begins another.
_SAYINGS = [
    *(rf"{name}s?" for name in [*_VALUE, *_SCALE]),
    *_ORDINAL,
    *_MONTHS,
    "sept?",
    *(m[:3] for m in _MONTHS),
    *(rf"{day}s?" for day in _DAYS),
    *"tues? wed thu(?:rs?)? mon fri sat sun half quarter".split(),
]
# By their first letter, so that a word that is none of them is soon left.
_SAYING = "|".join(
    rf"{letter}(?:{'|'.join(one[1:] for one in _SAYINGS if one[0] == letter)})"
    for letter in sorted({one[0] for one in _SAYINGS})
)
_ATOM = (
    rf"(?:[-+$€£¥./:(]{{0,3}}(?<!\w)\d[\w.,:'/-]{{0,{LONGEST_RUN}}}+(?:\ ?[ap]\.?m\b\.?)?"
    rf"|\b(?:{_SAYING})\b\.?(?:-\w{{1,12}}+)?)"
)
_SMALL = r"(?:(?:of|the|and|to|or|until|till|through|past)\b[\ \n]){1,2}+"
_GLUE = rf"(?:\ ?[-–,&]?\ ?|\n(?=[^\W\d_])|\ ?,?[\ \n]{_SMALL}|\ (?:k|mn|m|bn|b|tn)\b\ ?)"
_MOST_ATOMS = 16
_PHRASE = re.compile(rf"{_ATOM}(?:{_GLUE}{_ATOM}|\ (?:k|mn|m|bn|b|tn)\b){{0,{_MOST_ATOMS}}}+")
_DIGITS = re.compile(r"\d+")
_LATIN = re.compile(r"[a-z]+")
_GROUPING = str.maketrans("", "", " '_")
_IMPLIED = {word: tuple(f"{value:g}" for value in values) for word, values in _SAID_AS.items()}
for _said in (_ORDINAL, _VALUE):
    _IMPLIED |= {word: (*_IMPLIED.get(word, ()), str(value)) for word, value in _said.items()}
_EXACT = Context(prec=2 * LONGEST_RUN)

Number = str
"""A number in its shortest decimal form: "1200", "0.5". As a text it has no size to fear."""


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
            read = read_phrase(stretch[phrase.start() : phrase.end()])
            found.dates.extend(read.dates)
            found.weekdays.extend(read.weekdays)
            found.times.extend(read.times)
            found.numbers.extend(read.numbers)
            rest += stretch[at : phrase.start()], read.rest
            at = phrase.end()
        rest.append(stretch[at:])
    return replace(found, rest="".join(rest))


@lru_cache(maxsize=4_096)
def read_phrase(text: str) -> Quantities:
    """What a phrase says in numbers; shared, so not to be changed."""
    if text.isdigit():
        return Quantities([], [], [], [(text, frozenset({number(text)}))], " " * len(text))
    found = Quantities([], [], [], [], "")
    low = text.lower()
    for shows, pattern, take in _GRAMMAR:
        if shows.search(low):
            text = _taken(text, pattern, partial(take, found))
    return replace(found, rest=text)


def implied(text: str) -> Iterator[Number]:
    """Numbers a text holds without being asked for: in identifiers, and in words for them."""
    yield from map(number, set(_DIGITS.findall(text)))
    for word in set(_LATIN.findall(text.casefold())):
        yield from _IMPLIED.get(word, ())


def number(digits: str) -> Number:
    """The shortest form of digits, with or without decimals behind a dot."""
    if not digits.isascii():
        digits = "".join("." if c == "." else str(unicodedata.digit(c)) for c in digits)
    whole, _, decimals = digits.partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def _times(one: Number, by: int) -> Number:
    if len(one) > LONGEST_RUN:
        return one
    return number(format(_EXACT.multiply(Decimal(one), by), "f"))


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
    return _VALUE[tens] + _ORDINAL[ones] if ones else _ORDINAL[tens]


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
    minutes = {"half": 30, "quarter": 15, "twenty-five": 25}.get(part) or _VALUE.get(part)
    minutes = int(part) if minutes is None else minutes
    hours = _VALUE[hour] if hour in _VALUE else int(hour)
    if hours > 12 or minutes > 30 or (part.isdigit() and minutes % 5):
        return False  # "from 10 to 12"
    if part.isdigit() and match["side"] == "to":
        return False
    total = 60 * hours + (minutes if match["side"].casefold() == "past" else -minutes)
    found.times.append((match.group(), Time(total % 720, sure=False)))
    return True


def _figure(found: Quantities, match: re.Match[str]) -> bool:
    digits, suffix, scale = match.group("n", "suffix", "scale")
    values = read = _readings(digits)
    if suffix or scale:
        by = _SUFFIX[suffix.casefold()] if suffix else _SCALE[scale.casefold()]
        values = {_times(value, by) for value in read}
        if suffix and suffix.casefold() in {"m", "b"}:
            values |= read  # metres, bytes
    if not values:
        return False
    found.numbers.append((match.group().strip(), frozenset(values)))
    return True


def _readings(digits: str) -> set[Number]:
    """What a figure may mean: a dot or comma may group thousands or begin the decimals."""
    if digits.isdigit():
        return {number(digits)}
    digits = digits.translate(_GROUPING)
    read: set[Number] = set()
    if digits.isdigit():
        read.add(number(digits))
    if _THOUSANDS.fullmatch(digits):
        read.add(number(digits.replace(",", "")))
    elif _COMMA_DECIMALS.fullmatch(digits):
        read.add(number(digits.replace(",", ".")))
    if _DECIMALS.fullmatch(digits):
        read.add(number(digits))
    if _DOT_THOUSANDS.fullmatch(digits):
        read.add(number(digits.replace(".", "").replace(",", ".")))
    return read


def _spelt(found: Quantities, match: re.Match[str]) -> bool:
    words = re.findall(r"[a-z]+", match.group().casefold())
    if not set(words) & set(_SCALE):  # "two and three" are two numbers
        runs = [run.split() for run in " ".join(words).split("and")]
    else:
        runs = [[word for word in words if word != "and"]]
    found.numbers.extend(
        (" ".join(run), frozenset({str(_sum_of(run))}))
        for run in runs
        if run and (len(run) > 1 or run[0] not in _LOOSE)
    )
    return any(runs)


def _sum_of(words: list[str]) -> int:
    """The number that is spelt in words."""
    total = current = 0
    for word in words:
        if word in _VALUE:
            current += _VALUE[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        else:
            total += max(current, 1) * _SCALE[word]
            current = 0
    return total + current


_GRAMMAR = [
    *((re.compile(r"[-/.]\d{1,2}[-/.]"), pattern, _dates) for pattern in _DATES_IN_FIGURES),
    *(
        (re.compile("|".join(m[:3] for m in _MONTHS)), pattern, _dates)
        for pattern in _DATES_IN_WORDS
    ),
    (re.compile("|".join(day[:3] for day in _DAYS)), _WEEKDAY, _weekday),
    (re.compile(r"\d(?:[:h]|\s*[ap]\.?m)"), _TIME, _time),
    (re.compile("past|to"), _CLOCK, _clock),
    (re.compile(r"\d"), _FIGURE, _figure),
    (re.compile("|".join([*_VALUE, *_SCALE])), _SPELT, _spelt),
]
"""The grammar of a phrase, in the order it is read: what has to stand in it, in small letters, for
a rule to find anything; the rule's pattern; and what is taken of it."""
