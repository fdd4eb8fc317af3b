"""Numbers, dates and times as they are written go in; values that can be compared come out.

A text is cut into figures and the words that say a number, a month or a day in its language. What
these are, and what stands between them, tells dates from times and amounts: so one small grammar
does for all languages, and each piece is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from turnfold_stores.search.scanning import MARKS, stretches

from turnfold.language import east_asian_dates
from turnfold.language.dates_and_times import HALF_A_DAY, LAST_DAY, Date, Time, is_time
from turnfold.language.figures import TIME, dates_in, parts_of
from turnfold.language.number_words import Languages, NumberWords, Said, number_words, totals
from turnfold.language.numerals import SUFFIX, Number, number, readings, with_zeros
from turnfold.language.which_language import languages_of
from turnfold.language.words import bare

_FIGURE = re.compile(
    r"(?<![\w.,])\d{1,3}(?:[ ']\d{3})++(?![\d'])(?:[.,]\d+)?"
    r"|\d+(?:[.,:/_'-]\d+|h\d\d(?!\d))*+"
)
# A figure, which begins with a digit; else a word.
_PIECE = re.compile(rf"({_FIGURE.pattern}|[^\W\d_]++(?:[{MARKS}']++[^\W\d_]*+)*+)")
_TIME_IN_WORDS = re.compile(r"(\d{1,2})(?:[.:](\d{2}))?")
_HALF = re.compile(r"\s?([ap])\.?m\b\.?", re.IGNORECASE)
_OCLOCK = re.compile(r"\s?(?:uhr|uur)\b", re.IGNORECASE)
_TELLS_HOUR = frozenset("aApPuU")
_TELLS_FIGURE = _TELLS_HOUR.union("kmbtKMBT")  # "5 p.m.", "5 bn"
_GOES_ON = re.compile(rf"\d\s?[{''.join(sorted(_TELLS_FIGURE))}]")
_SUFFIX = re.compile(r"\s?(k|mn|m|bn|b|tn)(?![^\W_])", re.IGNORECASE)
# In English: "half past two".
_CLOCK = re.compile(
    # It begins with a letter of a few, in both cases: so `re` need not try all other places.
    r"([hqftHQFT\d](?i:(?<=h)alf|(?<=q)uarter|(?<=f)ive|(?<=t)en|(?<=t)wenty(?:-five)?|(?<=\d)\d?))"
    r"(?i:\s+(past|to)\s+([a-z]+|\d{1,2})\b(?!\s*[ap]\.?m))"
)
_WITHIN_CLOCK = re.compile(r"\s(?:past|to)\s", re.IGNORECASE)
_MINUTES = {"half": 30, "quarter": 15, "twenty-five": 25}
# What may stand between the day and the month, either way; between the month and the year;
# between two days of a month; and between the words of one number.
_DAY_THEN_MONTH = re.compile(
    r"(?:[.º°ª]|'?-?[^\W\d_]{1,4})??[\s-]*(?:\s(?:of|del?|di|d')\s?(?:the\s)?)?"
)
_MONTH_THEN_DAY = re.compile(r"\.?\s(?:the\s)?")
_THEN_YEAR = re.compile(r"\.?,?\s(?:(?:of|del?|di)\s)?")
_YEAR_THEN_MONTH = re.compile(r"\.?,?\s(?:de\s)?")
_DAY_THEN_DAY = re.compile(
    r"(?:\.|st|nd|rd|th)?(?:\s?[-/&,+]\s?|\s[^\W\d_]{1,7}\s(?:(?:the|el|al|il|le)\s)?)"
)
_LONGEST_GAP = 12
# So many figures away from the name of a month another one may belong to its date.
_REACH = 4
_JOINED = re.compile(r"\s?-?\s?|[\s-](?:and|y|e|et|en|und|og|och|i|и|ו|و)[\s-]")
_ARABIC_AND = "و"  # it stands before its word, without a blank
_TENS, _DIGITS_OF_YEAR = (20, 30), 4
# Months that are other words as well: by themselves no month without a capital.
_ALSO_WORDS = frozenset("march may mars mart marts mai ocak ekim aralik kasim marc lis".split())
_SHORTEST_ALONE = 4
# Said of no quantity as often as of one; not asked for where notes say it.
_LOOSE = frozenset({0, 1, 2})


@dataclass(slots=True)
class Quantities:
    """What a text says in numbers; each with the words it is said in.

    Attributes:
        dates: each with what it may mean.
        weekdays: as numbers from 0 for Monday.
        times: of the day.
        numbers: each with what it may mean.
        rest: the text with blanks for them.
        all_alone: whether nothing could belong to any of its figures, where `lone` took them in.
    """

    dates: list[tuple[str, list[Date]]] = field(default_factory=list)
    weekdays: list[tuple[str, int]] = field(default_factory=list)
    times: list[tuple[str, Time]] = field(default_factory=list)
    numbers: list[tuple[str, tuple[Number, ...]]] = field(default_factory=list)
    rest: str = ""
    all_alone: bool = True


def figures_in(text: str) -> list[str]:
    """The figures of a stretch, as `quantities` cuts them."""
    return _FIGURE.findall(text)


def quantities(
    text: str, languages: Languages | None = None, *, lone: set[str] | None = None
) -> Quantities:
    """All that a text says in numbers.

    Args:
        text: as `plain` gives it.
        languages: whose words for numbers count; None for those of the language it is in.
        lone: what takes in the figures that nothing beside them belongs to, each once and as
            `read_alone` reads them; blanks stand for them. None where their order is asked for.
    """
    words = number_words(languages_of(text) if languages is None else languages)
    found = Quantities()
    rest = [_Stretch(stretch, words, found).read(lone) for stretch in stretches(text)]
    found.rest = "".join(rest)
    return found


class _Piece(NamedTuple):
    """A figure, or a word for a number.

    Attributes:
        kind: "figure" for digits; else see `Said`.
        value: what it means; of a figure that is no whole number -1.
        start: where it begins.
        end: where it ends.
    """

    kind: str
    value: int
    start: int
    end: int

    @property
    def is_day(self) -> bool:
        """Whether it may be the day of a month."""
        return self.kind in {"figure", "ordinal"} and 1 <= self.value <= LAST_DAY


def _set_apart(parts: list[str], meant: dict[str, Said | None], lone: set[str]) -> None:
    """Leave blanks for the figures that nothing beside them belongs to.

    Args:
        parts: a stretch, cut up by `_PIECE`.
        meant: what the words among them mean; None for figures.
        lone: takes in these figures.
    """
    places = [at for at, part in enumerate(parts) if part in meant]
    words = [index for index, at in enumerate(places) if meant[parts[at]]]
    near = {index + by for index in words for by in range(-_REACH, _REACH + 1)}
    for index, at in enumerate(places):
        if index in near:
            continue
        gap = parts[at + 1]
        may_go_on = not gap or gap.isspace()
        if may_go_on and at + 2 < len(parts) and parts[at + 2][0] in _TELLS_FIGURE:
            continue
        lone.add(parts[at])
        parts[at] = " " * len(parts[at])


class _Stretch:
    """A piece of a text, read from its beginning to its end."""

    def __init__(self, text: str, words: NumberWords, found: Quantities) -> None:
        self._text = text
        self._words = words
        self._found = found
        self._taken: list[tuple[int, int]] = []

    def read(self, lone: set[str] | None) -> str:
        """Take in what is said in numbers; the text with blanks for it."""
        if not self._text.isascii():
            self._in_east_asian()
        if self._words.tells_clock and " " in self._text and _WITHIN_CLOCK.search(self._text):
            self._clocks()
        parts = _PIECE.split(self._rest(self._text))
        # Each word is looked up once: few of them say a number.
        different = set(parts[1::2])
        figures = {part for part in different if part[0].isdecimal()}
        meant: dict[str, Said | None] = dict.fromkeys(figures)
        for part in different - figures:
            if said := self._words.meaning(part):
                meant[part] = said
        if lone is not None:
            alone = len(meant) == len(figures) and not _GOES_ON.search(self._text)
            self._found.all_alone &= alone and not self._taken
            if alone:
                lone |= figures
                parts[1::2] = [" " * len(one) if one in figures else one for one in parts[1::2]]
            else:
                _set_apart(parts, meant, lone)
        pieces = list(self._pieces(parts, meant))
        left = self._months(pieces)
        self._amounts(left)
        return self._rest("".join(parts))

    def _rest(self, text: str) -> str:
        """A text as long as the stretch, with blanks for what is taken."""
        if not self._taken:
            return text
        parts: list[str] = []
        at = 0
        for start, end in sorted(self._taken):
            if start >= at:
                parts += text[at:start], " " * (end - start)
                at = end
        return "".join([*parts, text[at:]])

    def _take(self, start: int, end: int) -> str:
        self._taken.append((start, end))
        return self._text[start:end].strip()

    def _pieces(self, parts: list[str], meant: dict[str, Said | None]) -> Iterator[_Piece]:
        """Figures and words for numbers, in order; dates and times in figures are taken.

        Args:
            parts: the text, cut up by `_PIECE`.
            meant: what the words among them mean; None for figures.
        """
        starts = accumulate(map(len, parts), initial=0)
        placed = [(at, part) for at, part in zip(starts, parts, strict=False) if part in meant]
        for start, part in placed:
            if said := meant[part]:
                yield _Piece(said.kind, said.value, start, start + len(part))
            else:
                yield from self._figures(part, start, start + len(part))

    def _figures(self, shown: str, start: int, end: int) -> Iterator[_Piece]:
        if shown.isdecimal() and len(shown) <= _DIGITS_OF_YEAR:
            if not self._hour(shown, start, end):
                yield _Piece("figure", int(shown), start, end)
            return
        if meant := dates_in(shown):
            self._found.dates.append((self._take(start, end), meant))
            return
        if self._hour(shown, start, end):
            return
        for first, last in parts_of(shown):
            is_short = last - first <= 2 and (first, last) != (0, len(shown))
            value = int(shown[first:last]) if is_short else -1
            yield _Piece("figure", value, start + first, start + last)

    def _hour(self, shown: str, start: int, end: int) -> bool:
        may_be_told = self._text[end : end + 2].lstrip()[:1] in _TELLS_HOUR
        half = _HALF.match(self._text, end) if may_be_told else None
        is_told = half or (_OCLOCK.match(self._text, end) if may_be_told else None)
        if not is_told and shown.isdecimal():
            return False
        found = (_TIME_IN_WORDS if is_told else TIME).fullmatch(shown) or TIME.fullmatch(shown)
        if not found:
            return False
        hour, minute = int(found[1]), int(found[2] or 0)
        if not is_time(hour, minute):
            return False
        if half:
            hour = hour % HALF_A_DAY + (HALF_A_DAY if half[1] in "pP" else 0)
        end = is_told.end() if is_told else end
        time = Time(60 * hour + minute, bool(half) or hour > HALF_A_DAY)
        self._found.times.append((self._take(start, end), time))
        return True

    def _clocks(self) -> None:
        for found in _CLOCK.finditer(self._text):
            if found.start() and self._text[found.start() - 1].isalnum():
                continue  # found sooner than with a boundary before it
            part, side, told = (one.casefold() for one in found.groups())
            hour, minutes = self._counted(told), _MINUTES.get(part) or self._counted(part)
            if not 0 < hour <= HALF_A_DAY or not 0 < minutes <= _MINUTES["half"]:
                continue
            if part.isdigit() and (minutes % 5 or side == "to"):
                continue  # "from 10 to 12"
            total = 60 * hour + (minutes if side == "past" else -minutes)
            self._found.times.append((self._take(*found.span()), Time(total % 720, sure=False)))

    def _counted(self, word: str) -> int:
        if word.isdecimal():
            return int(word)
        said = self._words.said.get(word)
        return said.value if said and said.kind == "number" else 0

    def _in_east_asian(self) -> None:
        for span, date in east_asian_dates.dates(self._text):
            self._found.dates.append((self._take(*span), [date]))
        for span, time in east_asian_dates.times(self._text):
            self._found.times.append((self._take(*span), time))
        for span, weekday in east_asian_dates.weekdays(self._text):
            self._found.weekdays.append((self._take(*span), weekday))

    def _months(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Take the dates with the name of a month, and weekdays; what is left of the pieces."""
        used: set[int] = set()
        for at, piece in enumerate(pieces):
            if piece.kind in {"month", "short month"}:
                self._month(pieces, at, used)
            elif piece.kind in {"day", "short day"}:
                if piece.kind == "day" or self._text[piece.start].isupper():
                    shown = self._take(piece.start, piece.end)
                    self._found.weekdays.append((shown, piece.value))
                used.add(at)
        return [piece for at, piece in enumerate(pieces) if at not in used]

    def _month(self, pieces: Sequence[_Piece], at: int, used: set[int]) -> None:
        """Take the date that the name of a month is part of."""
        first, days = self._days_before(pieces, at, used)
        last = at
        if not days and self._words.month_first:
            last, days = self._days_behind(pieces, at, used)
        year = None
        if self._joins(pieces, last, _THEN_YEAR, used):
            then = pieces[last + 1]
            if then.kind == "figure" and then.end - then.start == _DIGITS_OF_YEAR:
                last, year = last + 1, then.value
        if year is None and self._joins(pieces, first - 1, _YEAR_THEN_MONTH, used):
            then = pieces[first - 1]  # "2027. május 2."
            if then.kind == "figure" and then.end - then.start == _DIGITS_OF_YEAR:
                first, year = first - 1, then.value
        used.update(range(first, last + 1))
        if not days and year is None and not self._stands_alone(pieces[at]):
            return
        shown = self._take(pieces[first].start, pieces[last].end)
        for day in days or (None,):
            self._found.dates.append((shown, [Date(year, pieces[at].value, day)]))

    def _days_before(
        self, pieces: Sequence[_Piece], at: int, used: set[int]
    ) -> tuple[int, list[int]]:
        """The days before the name of a month, "4 to 6 May", and where they begin."""
        first = at - 1
        if not self._joins(pieces, first, _DAY_THEN_MONTH, used) or not pieces[first].is_day:
            return at, []
        days = [self._ordinal(pieces, first)]
        first -= days[0] != pieces[first].value
        if self._joins(pieces, first - 1, _DAY_THEN_DAY, used) and pieces[first - 1].is_day:
            first -= 1
            days.append(pieces[first].value)
        return first, days

    def _days_behind(
        self, pieces: Sequence[_Piece], at: int, used: set[int]
    ) -> tuple[int, list[int]]:
        """The days behind the name of a month, "May 4 to 6", and where they end."""
        if not self._joins(pieces, at, _MONTH_THEN_DAY, used):
            return at, []
        last = at + 1
        if pieces[last].kind == "number" and pieces[last].value in _TENS:
            last += 1  # "May twenty-fifth"
            day = self._ordinal(pieces, last) if last < len(pieces) else 0
            return (last, [day]) if day > pieces[last - 1].value else (at, [])
        if not pieces[last].is_day:
            return at, []
        days = [pieces[last].value]
        if self._joins(pieces, last, _DAY_THEN_DAY, used) and pieces[last + 1].is_day:
            last += 1
            days.append(pieces[last].value)
        return last, days

    def _joins(
        self, pieces: Sequence[_Piece], at: int, gap: re.Pattern[str], used: set[int]
    ) -> bool:
        """Whether a piece is there, and joined to the next one by no more than a gap."""
        if at < 0 or at + 1 >= len(pieces) or at in used:
            return False
        start, end = pieces[at].end, pieces[at + 1].start
        return end - start <= _LONGEST_GAP and bool(gap.fullmatch(self._text, start, end))

    def _ordinal(self, pieces: Sequence[_Piece], at: int) -> int:
        """The day at a place: "fifth", "twenty-fifth"."""
        one = pieces[at]
        if at and one.kind == "ordinal" and one.value < 10:
            tens = pieces[at - 1]
            near = one.start - tens.end == 1
            if near and tens.kind == "number" and tens.value in _TENS:
                return tens.value + one.value
        return one.value

    def _stands_alone(self, month: _Piece) -> bool:
        """Whether the name of a month is one without a day or a year."""
        shown = self._text[month.start : month.end]
        if month.kind == "short month" and len(shown) < _SHORTEST_ALONE:
            return False
        return shown[0].isupper() or (month.kind == "month" and bare(shown) not in _ALSO_WORDS)

    def _amounts(self, pieces: Sequence[_Piece]) -> None:
        at = 0
        while at < len(pieces):
            piece = pieces[at]
            at += 1
            if piece.kind == "figure":
                zeros, end = 0, piece.end
                values = readings(self._text[piece.start : end])
                while at < len(pieces) and self._scales(end, pieces[at]):
                    zeros, end = zeros + pieces[at].value, pieces[at].end
                    at += 1
                after = self._text[end : end + 2].lstrip()[:1]
                suffix = _SUFFIX.match(self._text, end) if after.isalpha() and not zeros else None
                if suffix:
                    zeros, end = SUFFIX[suffix[1].casefold()], suffix.end()
                meant = {with_zeros(value, zeros) for value in values} if zeros else values
                if suffix and suffix[1] in "mMbB":
                    meant = meant | values  # metres, bytes
                if meant:
                    self._found.numbers.append((self._take(piece.start, end), tuple(meant)))
            elif piece.kind in {"number", "scale"}:
                run = [piece]
                while at < len(pieces) and self._goes_on(run[-1], pieces[at]):
                    run.append(pieces[at])
                    at += 1
                self._spelt(run)

    def _scales(self, end: int, piece: _Piece) -> bool:
        return piece.kind == "scale" and self._text[end : piece.start] in {"", " ", "-"}

    def _goes_on(self, one: _Piece, then: _Piece) -> bool:
        near = then.kind in {"number", "scale"} and then.start - one.end <= _LONGEST_GAP
        return near and bool(_JOINED.fullmatch(self._text, one.end, then.start))

    def _spelt(self, run: Sequence[_Piece]) -> None:
        """Take the numbers that some words spell: "two hundred and fifty", "two and three"."""
        shown = self._take(run[0].start, run[-1].end)
        words = ((one.kind, one.value, self._text[one.start] == _ARABIC_AND) for one in run)
        for one in totals(words):
            if len(run) > 1 or one not in _LOOSE:
                self._found.numbers.append((shown, (number(str(one)),)))
