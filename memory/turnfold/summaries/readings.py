"""What was said goes in; what notes may say because of it comes out.

Each text is read once, stretch by stretch, whatever notes cite it. What a note asks of it is
then looked up: in sets, or by a plain search for a few words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from turnfold_stores.cached_value import cached_property
from turnfold_stores.search.scanning import stretches, without_links

from turnfold.language.dates_and_times import Time, short_dates
from turnfold.language.figures import read_alone
from turnfold.language.number_words import Languages, number_words
from turnfold.language.numerals import Number, number
from turnfold.language.quantities import Quantities, figures_in, quantities
from turnfold.language.rows import rows_apart
from turnfold.language.spelling import Spelt
from turnfold.language.which_language import UNDETERMINED, languages_of
from turnfold.language.words import UNSPACED, bare, plain, words_apart
from turnfold.summaries.contradiction import Sides
from turnfold.summaries.identifiers import Identifiers
from turnfold.summaries.measures import UNIT, UNITS_BEGIN, Units, always_measured
from turnfold.summaries.names import KATAKANA, Capitals, Name

# A tool call is shown as JSON.
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[nrtbf\"\\])")
_HYPHENATED = re.compile(r"(?<![^\W_])[^\W_]++(?:-[^\W_]++)++")
_DIGITS = re.compile(r"\d+")
# Of those that follow the first letter stands before what may not precede it: so `re` need not try
# all other places.
_UNIT = re.compile(rf"(\d(?<![\w-]\d)[\d.,]{{0,15}}+)\s?(?=[{UNITS_BEGIN}])(?:{UNIT})\b")
# "Rp14.000.000", "Rs72,000": a currency and an amount.
_MONEY = re.compile(r"([A-Z](?<![^\W_][A-Z])[A-Za-z]{0,2})(?=\d{1,3}(?:[.,]\d{2,3})+(?![\w]))")
_FRACTION = re.compile(r"[13](?<![\d/]\d)/(?:4|2(?<!3/2))(?![\d/])")
_MIXED = re.compile(r"(?<![\w.,/-])(\d{1,3}) ([13])/([24])(?![\d/])")
_FRACTIONS = {"1/4": "a quarter", "1/2": "half", "3/4": "three quarters"}
# A day of a month that is not named: "the 19th", "le 6.", "15'inde", "4日".
_DAY_ALONE = re.compile(
    r"(\d(?<![\w.,:/-]\d)(?:(?<=[12])\d|(?<=3)[01])?)(?:(?:st|nd|rd|th|er?|[ºª°.]|'[^\W\d_]+|-[^\W\d_]{1,3})(?![\w])"
    r"|\s?(?:[日号號일]|तारीख)|(?=\s*(?:[,;!?)]|$))"
    r"|(?=\s(?:at|to|in|on|and|um|zu|bis|und|à|et|por|para|al|y|e|i|в|на|и|o|do|en|ve)\s))"
)
_THAI_DAY = re.compile(r"วันที่\s?([12]?\d|3[01])(?!\d)")
# Hashes and UUIDs: what their digits are is chance. A run that changes so often between letters
# and digits is one; times such as 1h23m45s are not. It has a letter behind a digit, or a hyphen
# behind digits that stand behind a letter: else it is not looked for.
_RANDOM = re.compile(r"(?<![^\W_])(?=[a-zA-Z]{0,64}\d)[0-9a-zA-Z]{7,}+(?:-[0-9a-zA-Z]{2,}+)*+")
_MIXES = re.compile(r"\d(?:[a-zA-Z]|(?<=[a-zA-Z]\d)\d*+-)")
_CHANGE = re.compile(r"(?<=\d)[a-zA-Z]|(?<=[a-zA-Z])\d")
_FEWEST_CHANGES = 3
_DURATION = re.compile(r"(?:\d+(?:d|h|m|min|s|ms))+")
# Digits up to which a number is looked for in words, and the least that is.
_LONGEST_SPELT, _FEW = 12, 3


class Reading:
    """What one text says.

    Attributes:
        languages: those it is read in.
        words: its words, as `bare` gives them.
        figures: numbers that are not part of a date or time.
        implied: of these, what words say that are no numbers: half, a dozen.
        dates: year, month and day, as far as they are told.
        times: of the day.
        days: of a month that is not named.
        short_dates: what may be a date in figures without its year or day: "8.7.".
        relative: days that are meant, as "yesterday", from that on which it is said.
        weekdays: from 0 for Monday.
        numbers: all of them, those of dates and times included.
        sides: which words are affirmed and which denied.
        capitals: its words with a capital, and what they stand beside.
    """

    def __init__(self, text: str, languages: Languages | None = None) -> None:
        self.languages = languages_of(text) if languages is None else languages
        self.words: set[str] = set()
        self.figures: set[Number] = set()
        self.implied: set[Number] = set()
        self.dates: set[tuple[int | None, int, int | None]] = set()
        self.times: set[Time] = set()
        self.days: set[int] = set()
        self.short_dates: set[tuple[int | None, int, int | None]] = set()
        self.relative: set[int] = set()
        self.weekdays: set[int] = set()
        self.sides = Sides(self.languages[0])
        self.capitals = Capitals()
        self._text = text
        self._identifiers: Identifiers | None = None
        self._spelt: Spelt | None = None
        in_order: list[str] = []
        initials: list[str] = []
        for stretch in stretches(text):
            for shown in _ways_to_read(stretch):
                said = self._read(shown)
                in_order.append(" ".join(said))
                initials.append("".join([word[:1] for word in said]))
        self._in_order = f" {' '.join(in_order)} "
        self._initials = " ".join(initials)
        self._unbroken = self._in_order.replace(" ", "") if UNSPACED.search(text) else ""
        parts = {str(one) for year, _, day in self.dates for one in (year, day) if one is not None}
        whole = {time.minutes // 60 for time in self.times if time.minutes % 60 == 0}
        hours = {str(hour) for one in whole for hour in (one, one % 12)}
        self.numbers = self.figures | parts | hours if parts or hours else self.figures

    def _read(self, text: str) -> list[str]:
        """Take in a stretch, which is `plain`; its words in order."""
        said, gaps = words_apart(text)
        low = dict(zip(said, said, strict=True))
        for word in low:
            low[word] = bare(word)
        forms = list(map(low.__getitem__, said))
        words, fresh = low.keys(), set(forms)
        # "e-mail" is "email", "Wi-Fi" is "wifi"; "l'Abbaye" and "Eylül'de" are two words.
        if "-" in text:
            hyphenated = set(_HYPHENATED.findall(text))
            fresh.update(bare(one.replace("-", "")) for one in hyphenated)
        if "'" in text:
            fresh.update(bare(part) for word in words if "'" in word for part in word.split("'"))
        self.words |= fresh
        if words:
            self.sides.read(text, low)
        self.capitals.read(said, gaps, low)
        self._count_all(text)
        self.days.update(map(int, _DAY_ALONE.findall(text)))
        if not text.isascii():
            self.days.update(map(int, _THAI_DAY.findall(text)))
        told = number_words(self.languages)
        lower, in_order = text.lower(), f" {' '.join(forms)} "
        for word, days in told.relative.items():
            is_there = word in lower if UNSPACED.match(word) else f" {word} " in in_order
            if is_there or word in fresh:
                self.relative |= days
        implied = told.implied
        for word in fresh & implied.keys():
            self.implied.update(implied[word])
        self.figures |= self.implied
        return forms

    def _count_all(self, text: str) -> None:
        """Take in what a stretch says in numbers; of rows of values also each by itself."""
        cleaned = _cleaned(text)
        lone: set[str] = set()
        found = self._count(text, cleaned, lone)
        if "," in text and (rows := rows_apart(text)):
            if found.all_alone and cleaned == text:
                self._date(rows)
                lone.update(figures_in(rows))
            else:
                self._count(rows, rows if cleaned == text else _cleaned(rows), lone)
        dates, times, numbers = read_alone(lone)
        self.dates.update((one.year, one.month, one.day) for one in dates)
        self.times.update(times)
        self.figures |= numbers

    def _date(self, text: str) -> None:
        """Take in short dates, and whole numbers with a fraction."""
        if any(map(text.__contains__, "/.-")):
            said = (one for _, meant in short_dates(text) for one in meant)
            self.short_dates.update((one.year, one.month, one.day) for one in said)
            self.figures.update(value for _, value in mixed_numbers(text))

    def _count(self, text: str, cleaned: str, lone: set[str]) -> Quantities:
        """Take in what a stretch says in numbers.

        Args:
            text: as it stands.
            cleaned: the same as `_cleaned` gives it.
            lone: takes in figures that are yet to be read.
        """
        self._date(text)
        found = quantities(cleaned, self.languages, lone=lone)
        self.dates.update((d.year, d.month, d.day) for _, meant in found.dates for d in meant)
        self.weekdays.update(day for _, day in found.weekdays)
        self.times.update(time for _, time in found.times)
        for _, values in found.numbers:
            self.figures.update(values)
        apart = {shown for shown, _ in found.numbers if " " in shown}
        digits = {one for shown in (found.rest, *apart) for one in _DIGITS.findall(shown)}
        self.figures.update(map(number, digits))
        return found

    @property
    def has_percent(self) -> bool:
        """Whether a sign says that something is a percentage."""
        return any(map(self._text.__contains__, "%％٪"))

    @cached_property
    def _measured(self) -> dict[Number, list[Units]]:
        return always_measured(self._text)

    def units_of(self, value: Number) -> list[Units]:
        """What stands beside a figure, where something always does: each way once."""
        return self._measured.get(value, [{}] if value in self.numbers else [])

    def holds(self, text: str) -> bool:
        """Whether a text stands here as it is, and no word of it is cut."""
        at = self._text.find(text)
        while at >= 0:
            end = at + len(text)
            begins = at == 0 or not self._text[at - 1 : at + 1].isalnum()
            if begins and (end == len(self._text) or not self._text[end - 1 : end + 1].isalnum()):
                return True
            at = self._text.find(text, at + 1)
        return False

    def says(self, words: str) -> bool:
        """Whether words, as `flat` gives them, stand here in this order."""
        return words in self._in_order

    def has_run(self, letters: str) -> bool:
        """Whether letters of a script without blanks stand here."""
        return letters in self._unbroken

    def puts_another(self, name: Name, note: str) -> bool:
        """Whether behind the same letters another word in katakana stands, which a note lacks."""
        at = self._unbroken.find(name.left) if len(name.left) > 1 else -1
        while at >= 0:
            found = KATAKANA.match(self._unbroken, at + len(name.left))
            if found and found.group() not in note:
                return True
            at = self._unbroken.find(name.left, at + 1)
        return False

    def spells(self, name: str) -> bool:
        """Whether words here, one after the other, begin with the letters of a name."""
        return name in self._initials

    def spells_out(self, value: Number) -> bool:
        """Whether words here say a whole number, in a language of the text."""
        if not value.isdecimal() or len(value) > _LONGEST_SPELT or int(value) < _FEW:
            return False
        if self._spelt is None:
            self._spelt = Spelt(self._in_order)
        if UNDETERMINED in self.languages and self._spelt.has_anywhere(int(value)):
            return True
        return any(self._spelt.has(int(value), language) for language in self.languages)

    def has_code(self, code: str) -> bool:
        """Whether an identifier occurs, whatever separates its parts."""
        return self._identified().has(code)

    def has_phone(self, digits: str) -> bool:
        """Whether digits occur, whatever separates them."""
        return digits in self._identified().dialled

    def _identified(self) -> Identifiers:
        if self._identifiers is None:
            self._identifiers = Identifiers(self._text)
        return self._identifiers


def _cleaned(text: str) -> str:
    """A stretch without what is no number in it though it has digits."""
    return without_random(readable(without_links(text)))


def readable(text: str) -> str:
    """A text without units, and with fractions in words."""
    if not _DIGITS.search(text):
        return text
    text = _MONEY.sub(r"\1 ", text)
    if "/" in text:
        text = _FRACTION.sub(lambda one: _FRACTIONS[one.group()], text)
    return _UNIT.sub(r"\1 ", text)


def mixed_numbers(text: str) -> Iterator[tuple[tuple[int, int], Number]]:
    """The whole numbers with a fraction that stand in a text, with their place: "1 1/2"."""
    for found in _MIXED.finditer(text) if "/" in text else ():
        value = int(found[1]) + int(found[2]) / int(found[3])
        yield found.span(), number(f"{value:.2f}")


def without_random(text: str) -> str:
    """A text without hashes and UUIDs: a digit in one of them is no number."""
    return _RANDOM.sub(_kept, text) if _MIXES.search(text) else text


def _kept(found: re.Match[str]) -> str:
    shown = found.group()
    is_random = len(_CHANGE.findall(shown)) >= _FEWEST_CHANGES and not _DURATION.fullmatch(shown)
    return " " * len(shown) if is_random else shown


def _ways_to_read(stretch: str) -> list[str]:
    """A stretch, `plain`; where it may be JSON what it says there, in place of it or besides."""
    if "\\" not in stretch or not _ESCAPE.search(stretch):
        return [plain(stretch)]
    decoded = plain(_ESCAPE.sub(" ", stretch))
    is_json = '\\"' in stretch or '":' in stretch
    return [decoded] if is_json else [plain(stretch), decoded]
