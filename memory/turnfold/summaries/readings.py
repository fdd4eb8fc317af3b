"""A text goes in; what notes may say because of it comes out.

Each text is read once, stretch by stretch, whatever notes cite it. What a note asks of it is
then looked up: in sets, or by a plain search for a few words.
"""

from __future__ import annotations

import re
from collections import Counter

from turnfold_stores.search.scanning import LONGEST_RUN, WORD, stretches, without_links

from turnfold.language.english import SmallWords, bare, plain
from turnfold.language.numerals import Number
from turnfold.language.quantities import Time, implied, quantities
from turnfold.summaries.contradiction import Sides

# A tool call is shown as JSON.
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[nrtbf\"\\])")
_HYPHENATED = re.compile(r"(?<![^\W_])[^\W_]++(?:-[^\W_]++)++")
_UNIT = re.compile(r"(\d)\s?(?:°\s?[CF]|[ckm]?m[23²³]|[kMGTm]?(?:Wh?|V|A|Hz|B|bit|J|Pa|L|cal))\b")
_SIZE = re.compile(r"(\d)\s?[x×✕*]\s?(?=\d)")
_DIGIT = re.compile(r"\d")
_FRACTIONS = (("1/4", "a quarter"), ("1/2", "half"), ("3/4", "three quarters"))
# What may stand between the parts of an identifier, and what ends it.
_JOINT = re.compile(r"[-_\s./\\:#@+~]++")
_SEAM = "\x1f"
_BREAK = re.compile(r"[^\w\x1f]++")
_NO_PART = re.compile(r"[\W_]++")
_DIALLED_JOINT = re.compile(r"(?<=\d)[ ()./-]++(?=\d)")
_DIALLED = re.compile(r"\d{6,}")


class Reading:
    """What one text says.

    Attributes:
        words: its words, as `bare` gives them.
        figures: numbers that are not part of a date or time.
        dates: year, month and day, as far as they are told.
        times: of the day.
        weekdays: as the first three letters.
        numbers: all of them, those of dates and times included.
        sides: which words are affirmed and which denied.
        small: how many of its words are the small ones of a language.
    """

    def __init__(self, text: str) -> None:
        self.words: set[str] = set()
        self.figures: set[Number] = set()
        self.dates: set[tuple[int | None, int, int | None]] = set()
        self.times: set[Time] = set()
        self.weekdays: set[str] = set()
        self.sides = Sides()
        self.small = SmallWords()
        self._text = text
        self._identifiers: _Identifiers | None = None
        in_order: list[str] = []
        initials: list[str] = []
        for stretch in stretches(text):
            for shown in _ways_to_read(stretch):
                said = self._read(shown)
                in_order.append(" ".join(said))
                initials.append("".join([word[:1] for word in said]))
        self._in_order = f" {' '.join(in_order)} "
        self._initials = " ".join(initials)
        parts = {str(one) for year, _, day in self.dates for one in (year, day) if one is not None}
        whole = {time.minutes // 60 for time in self.times if time.minutes % 60 == 0}
        hours = {str(hour) for one in whole for hour in (one, one % 12)}
        self.numbers = self.figures | parts | hours if parts or hours else self.figures

    def _read(self, text: str) -> list[str]:
        """Take in a stretch, which is `plain`; its words in order."""
        said = WORD.findall(text)
        words = Counter(said)
        low = {word: bare(word) for word in words}
        self.words.update(low.values())
        # "e-mail" is "email", "Wi-Fi" is "wifi".
        if "-" in text:
            self.words.update(bare(one.replace("-", "")) for one in _HYPHENATED.findall(text))
        small = SmallWords.among(words)
        self.small += small
        if small.tell_english and words:
            self.sides.read(text, words)
        found = quantities(readable(without_links(text)))
        self.dates.update((d.year, d.month, d.day) for _, meant in found.dates for d in meant)
        self.weekdays.update(day for _, day in found.weekdays)
        self.times.update(time for _, time in found.times)
        for _, values in found.numbers:
            self.figures |= values
        self.figures.update(implied(found.rest))
        return [low[word] for word in said]

    def says(self, words: str) -> bool:
        """Whether words, as `flat` gives them, stand here in this order."""
        return words in self._in_order

    def spells(self, name: str) -> bool:
        """Whether words here, one after the other, begin with the letters of a name."""
        return name in self._initials

    def has_code(self, code: str) -> bool:
        """Whether an identifier occurs, whatever separates its parts."""
        return self._identified().has(code)

    def has_phone(self, digits: str) -> bool:
        """Whether digits occur, whatever separates them."""
        return digits in self._identified().dialled

    def _identified(self) -> _Identifiers:
        if self._identifiers is None:
            self._identifiers = _Identifiers(self._text)
        return self._identifiers


class _Identifiers:
    """A text without what may separate the parts of an identifier.

    Attributes:
        dialled: its longer runs of digits, whatever separates these.
    """

    def __init__(self, text: str) -> None:
        joined: list[str] = []
        dialled: list[str] = []
        for stretch in stretches(text):
            shown = plain(stretch)
            dialled += _DIALLED.findall(_DIALLED_JOINT.sub("", shown))
            joined.append(_BREAK.sub("\n", _JOINT.sub(_SEAM, shown.casefold())))
        self._joined = "".join(joined)
        self._squeezed = self._joined.replace(_SEAM, "")
        self.dialled = " ".join(dialled)

    def has(self, code: str) -> bool:
        wanted = _NO_PART.sub("", plain(code).casefold())
        if wanted not in self._squeezed:
            return False
        # What is so long that it is opaque is in one piece.
        joint = f"{_SEAM}?" if len(wanted) <= LONGEST_RUN else ""
        parts = joint.join(map(re.escape, wanted))
        return re.search(f"(?<![^{_SEAM}\n]){parts}(?![^{_SEAM}\n])", self._joined) is not None


def readable(text: str) -> str:
    """A text without units, with sizes as two numbers, and with fractions in words."""
    if not _DIGIT.search(text):
        return text
    for shown, said in _FRACTIONS:
        text = text.replace(shown, said)
    return _SIZE.sub(r"\1 by ", _UNIT.sub(r"\1 ", text))


def _ways_to_read(stretch: str) -> list[str]:
    """A stretch, `plain`; where it may be JSON what it says there, in place of it or besides."""
    if "\\" not in stretch or not _ESCAPE.search(stretch):
        return [plain(stretch)]
    decoded = plain(_ESCAPE.sub(" ", stretch))
    is_json = '\\"' in stretch or '":' in stretch
    return [decoded] if is_json else [plain(stretch), decoded]
