"""What turns said goes in; it can then be asked whether a number, date or name occurs in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property

from turnfold.negation import contradiction
from turnfold.numbers import Date, Quantities, Time, implied, quantities
from turnfold.words import WORD, bare, is_german, opens_without_name, plain, sentences

_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|[\w.+-]+@[\w-]+\.[\w.-]*\w")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[nrtbf\"])")
_QUOTED = re.compile(r'"([^"\n]{2,400})"|`([^`\n]{2,200})`|(?<!\w)\'([^\'\n]{2,200})\'(?!\w)')
# Letters with digits, dots, dashes or underscores between them: codes, files, versions, paths.
_CODE = re.compile(r"#?[\w]+(?:[-./\\:_#@+~][\w]+)*|#\w+")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./-]{6,}\d(?!\w)")
_MEASURE = re.compile(r"\d[\d.,]*(?:st|nd|rd|th|k|m|bn|[a-zA-Z]{1,3}|mins?|secs?|hours?)?")
_WORDS_AND_NUMBER = re.compile(
    r"\d+(?:st|nd|rd|th)?(?:-[A-Za-z]+)+|[A-Za-z]+(?:-[A-Za-z]+)+(?:-\d+)?"
)
# After the first word of a sentence: what shows that it is no name.
_LABEL = re.compile(r"\s*:|\s+(?:of|for|per|with)\b")
_UNIT = re.compile(
    r"°\s?[CF]\b|(?<=\d)\s?(?:[ckm]?m[23²³]|[kMGTm]?(?:Wh?|V|A|Hz|B|bit|J|Pa|L|cal))\b"
)
_SIZE = re.compile(r"(?<=\d)\s?[x×]\s?(?=\d)")
_TITLES = frozenset(
    "mr mrs ms dr prof sir miss st i i'm i'd i've i'll ok am pm "
    "eur usd gbp chf "
    "wifi pdf url usb tv pc id faq gps".split()
)
_NATION = frozenset("s n y an ian ns ans ians ese ish i er ers es en".split())


class Evidence:
    """Texts that notes are checked against."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Args:
        texts: what was said, verbatim.
        """
        said = "\n".join(texts)
        if _ESCAPE.search(said):  # a tool call is shown as JSON
            said += "\n" + _ESCAPE.sub(" ", said)
        self._text = plain(said)
        self._flat = _flat(self._text)

    def complaints(self, note: str, *, names: Evidence | None = None) -> list[str]:
        """What of a note does not occur here, in words; [] for none.

        Args:
            note: a sentence or two.
            names: where a name or an identifier may stand as well.
        """
        text = plain(note)
        if not WORD.search(text) or _flat(text) in self._flat:
            return []
        wrong = [*self._links(text)]
        text = _LINK.sub(" ", text)
        wrong += self._quotations(text)
        text = _readable(text)
        text, codes = self._codes(text)
        wrong += [
            f"{code!r} does not occur in the turns it cites"
            for code in codes
            if not (names and names.has_code(code))
        ]
        found = quantities(text)
        wrong += self._quantities(found, note)
        wrong += self._names(found.rest, names)
        if not wrong:
            denied = contradiction(note, self._text)
            if denied:
                wrong.append(f"{denied!r} says the opposite of what was said")
        return wrong

    # --- what is here -------------------------------------------------------------------------

    @cached_property
    def _quantity(self) -> Quantities:
        return quantities(_LINK.sub(" ", self._text))

    @cached_property
    def _figures(self) -> set[Fraction]:
        """Numbers that are not part of a date or time."""
        found = {value for _, values in self._quantity.numbers for value in values}
        return found | set(implied(self._quantity.rest))

    @cached_property
    def _numbers(self) -> set[Fraction]:
        found = set(self._figures)
        for _, time in self._quantity.times:
            if time.minutes % 60 == 0:
                found.update((Fraction(time.minutes // 60), Fraction(time.minutes // 60 % 12)))
        for year, _, day in self._dates:
            found.update(Fraction(one) for one in (year, day) if one is not None)
        return found

    @cached_property
    def _dates(self) -> list[tuple[int | None, int, int | None]]:
        return [(d.year, d.month, d.day) for _, meant in self._quantity.dates for d in meant]

    @cached_property
    def _words(self) -> set[str]:
        words = {bare(word) for word in WORD.findall(self._text)}
        # "e-mail" is "email", "Wi-Fi" is "wifi".
        words.update(bare(w.replace("-", "")) for w in re.findall(r"\w+(?:-\w+)+", self._text))
        return words

    @cached_property
    def _initials(self) -> str:
        return " ".join(
            "".join(bare(word)[:1] for word in WORD.findall(sentence))
            for sentence in sentences(self._text)
        )

    @cached_property
    def _names_show(self) -> bool:
        """Whether capitals tell names from other words here."""
        return not is_german(self._text)

    # --- what is asked for --------------------------------------------------------------------

    def _links(self, text: str) -> Iterator[str]:
        for found in _LINK.finditer(text):
            link = found.group().rstrip(".,;:!?)'\"")
            core = re.sub(r"^https?://(?:www\.)?|^www\.|/$", "", link.casefold())
            if core not in self._text.casefold():
                yield f"{link!r} does not occur in the turns it cites"

    def _quotations(self, text: str) -> Iterator[str]:
        for found in _QUOTED.finditer(text):
            words = next(group for group in found.groups() if group)
            if WORD.search(words) and _flat(words) not in self._flat:
                yield f"the quotation {words!r} does not occur in the turns it cites"

    def _codes(self, text: str) -> tuple[str, list[str]]:
        """The text without identifiers, and those that do not occur here."""
        missing: list[str] = []

        def phone(found: re.Match[str]) -> str:
            digits = re.sub(r"\D", "", found.group())
            if quantities(found.group()).dates or len(digits) < 7:
                return found.group()
            if re.fullmatch(r"\d{1,3}(?: \d{3})+|[1-9]\d*", found.group()):
                return found.group()  # a number
            here = re.sub(r"(?<=\d)[ ()./-]+(?=[\d(])", "", self._text)
            if digits[-9:].lstrip("0") not in here:
                missing.append(found.group())
            return " "

        def code(found: re.Match[str]) -> str:
            shown = found.group().strip(".-:/")
            if not _is_code(shown) or bare(shown) in _TITLES:
                return found.group()
            if not self.has_code(shown):
                missing.append(shown)
            return " "

        text = _PHONE.sub(phone, text)
        return _CODE.sub(code, text), missing

    def has_code(self, code: str) -> bool:
        """Whether an identifier occurs, whatever separates its parts."""
        pattern = r"[-_\s./:#]*".join(map(re.escape, re.findall(r"\w", code)))
        found = re.search(rf"(?<![^\W_]){pattern}(?![^\W_])", self._text, re.IGNORECASE)
        return found is not None

    def _quantities(self, found: Quantities, note: str) -> Iterator[str]:
        for shown, meant in found.dates:
            if not any(self._has_date(date) for date in meant):
                yield f"the date {shown!r} does not occur in the turns it cites"
        days = {day for _, day in self._quantity.weekdays}
        for shown, day in found.weekdays:
            if day not in days:
                yield f"{shown!r} does not occur in the turns it cites"
        for shown, time in found.times:
            if not self._has_time(time):
                yield f"the time {shown!r} does not occur in the turns it cites"
        for shown, values in found.numbers:
            if not values & self._numbers and not _is_counted(values, shown, note):
                yield f"the number {shown!r} does not occur in the turns it cites"

    def _has_date(self, date: Date) -> bool:
        def fits(mine: int | None, theirs: int | None) -> bool:
            return mine is None or mine == theirs or (theirs is None and mine in self._numbers)

        return any(
            month == date.month and fits(date.year, year) and fits(date.day, day)
            for year, month, day in self._dates
        )

    def _has_time(self, time: Time) -> bool:
        if any(time.is_also(other) for _, other in self._quantity.times):
            return True
        hour, minute = divmod(time.minutes, 60)
        return minute == 0 and bool({Fraction(hour), Fraction(hour % 12)} & self._figures)

    def _names(self, text: str, more: Evidence | None) -> Iterator[str]:
        if not self._names_show:
            return
        for sentence in sentences(text):
            for number, found in enumerate(WORD.finditer(sentence)):
                word = found.group()
                if not word[0].isupper() or bare(word) in _TITLES:
                    continue
                first = number == 0 or sentence[: found.start()].rstrip()[-1:] in {":", '"', "("}
                if first and (opens_without_name(word) or _LABEL.match(sentence[found.end() :])):
                    continue
                if not self.has_name(word) and not (more and more.has_name(word)):
                    yield f"the name {word!r} does not occur in the turns it cites"

    def has_name(self, word: str) -> bool:
        """Whether a name occurs, in any case, as its adjective or by its initials."""
        name = bare(word)
        if name in self._words or name in _EMPTY_NAMES or name + "s" in self._words:
            return True
        if word.isupper() and len(word) > 1:
            return name in self._initials
        if len(name) < 4:
            return False
        return any(_is_nation(name, other) for other in self._words)


_EMPTY_NAMES = frozenset(
    {"user", "users", "assistant", "claude", "ai", "the", "a", "an", "and", "of"}
)


def _is_nation(one: str, other: str) -> bool:
    """Whether two words are a name and its adjective or plural, as Germany and German."""
    if one.endswith("y") and other.endswith("ian"):
        one = one[:-1] + "ian"
    if other.endswith("y") and one.endswith("ian"):
        other = other[:-1] + "ian"
    short, long = sorted((one, other), key=len)
    return len(short) >= 4 and long.startswith(short) and (long[len(short) :] in _NATION | {""})


def _is_code(shown: str) -> bool:
    """Whether a token is an identifier and not a word, a number or a measure."""
    if shown.startswith("#") or re.fullmatch(r"\d+(?:\.\d+){2,}", shown):
        return not quantities(shown).dates
    if _MEASURE.fullmatch(shown) or _WORDS_AND_NUMBER.fullmatch(shown):
        return False
    has_digit = any(c.isdigit() for c in shown)
    has_letter = any(c.isalpha() for c in shown)
    if has_digit and has_letter:
        return not quantities(shown).dates and not quantities(shown).times
    if has_digit:  # 3.11.2, 192.168.0.1; not 5-7, 3/4 or 2026-03-05
        return len(re.findall(r"\.", shown)) >= 2 and not quantities(shown).numbers
    if "_" in shown or re.search(r"\w[./\\@]\w{2,}", shown):
        return not re.fullmatch(r"\w+/\w+", shown)  # "and/or"
    return bool(re.search(r"[a-z][A-Z]", shown))


def _is_counted(values: frozenset[Fraction], shown: str, note: str) -> bool:
    """Whether a number says how many things the note lists right after it: "three: a, b and c"."""
    after = plain(note).partition(shown)[2]
    head, colon, listed = after.partition(":")
    if not colon or len(WORD.findall(head)) > 4:
        return False
    listed = re.split(r"[.;()]", listed)[0]
    things = [
        one for one in re.split(r",\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+", listed) if one.strip()
    ]
    return Fraction(len(things)) in values


def _readable(text: str) -> str:
    """A text without units, and with fractions in words."""
    for shown, said in (("1/4", "a quarter"), ("1/2", "half"), ("3/4", "three quarters")):
        text = text.replace(shown, said)
    return _SIZE.sub(" ", _UNIT.sub(" ", text))


def _flat(text: str) -> str:
    """Words in order, whatever stands between them and in whatever case."""
    return " " + " ".join(bare(word) for word in re.findall(r"\w+(?:'\w+)*", plain(text))) + " "
