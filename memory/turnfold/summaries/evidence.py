"""What turns said goes in; it can then be asked whether a number, date or name occurs in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from turnfold_stores.search.scanning import LONGEST_RUN, WORD, Token, quotations, scan

from turnfold.history.utterances import LABEL
from turnfold.language.english import SmallWords, bare, flat, opens_without_name, plain, sentences
from turnfold.language.numerals import Number
from turnfold.language.quantities import Date, Quantities, Time, quantities
from turnfold.summaries.contradiction import contradicted
from turnfold.summaries.readings import Reading, readable

# Longer than any note; what takes that long says more than can be checked.
_LONGEST_NOTE = 20_000
_LONGEST_LIST = 1_000
# Digits, hex, base64: too long to be looked into, so in one piece or not at all.
_UNBROKEN = re.compile(rf"[0-9A-Za-z]{{{LONGEST_RUN + 1},}}")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./-]{6,40}\d(?!\w)")
_GROUPED_OR_WHOLE = re.compile(r"\d{1,3}(?: \d{3})+|[1-9]\d*")
_NOT_DIGITS = re.compile(r"\D++")
_LINK_ENDS = re.compile(r"^https?://(?:www\.)?|^www\.", re.IGNORECASE)
# After the first word of a sentence: what shows that it is no name.
_LABEL = re.compile(r"\s*:|\s+(?:of|for|per|with)\b")
_TITLES = frozenset(
    "mr mrs ms dr prof sir miss st i i'm i'd i've i'll ok am pm "
    "eur usd gbp chf "
    "wifi pdf url usb tv pc id faq gps".split()
)
_NATION = "s n y an ian ns ans ians ese ish i er ers es en".split()


class Evidence:
    """Texts that notes are checked against."""

    def __init__(self, texts: Iterable[str | Reading]) -> None:
        """Args:
        texts: what was said, verbatim; each may have been read before.
        """
        self._said = [Reading(one) if isinstance(one, str) else one for one in texts]
        small = sum((one.small for one in self._said), SmallWords())
        self._english = small.tell_english
        # In German, every noun bears a capital.
        self._names_show = not small.may_tell_german

    def complaints(self, note: str, *, names: Evidence | None = None) -> list[str]:
        """What of a note does not occur here, in words; [] for none.

        Args:
            note: a sentence or two.
            names: where a name or an identifier may stand as well.
        """
        if len(note) > _LONGEST_NOTE:
            return [f"is {len(note)} characters long; a note has {_LONGEST_NOTE} at the most"]
        text = shown = plain(note)
        if not WORD.search(text) or self._says(text) or self._says(LABEL.sub("", text, count=1)):
            return []
        wrong = [
            f"the quotation {words!r} does not occur in the turns it cites"
            for words in quotations(text)
            if WORD.search(words) and not self._says(words)
        ]
        text = self._without_phones(readable(text), wrong)
        text = self._without_codes(text, wrong, names)
        found = quantities(text)
        wrong += self._quantities(found, shown)
        wrong += self._names(found.rest, names)
        if not wrong and self._english:
            denied = contradicted(shown, [one.sides for one in self._said])
            if denied:
                wrong.append(f"{denied!r} says the opposite of what was said")
        return wrong

    def _says(self, text: str) -> bool:
        """Whether the words of a text stand here in their order."""
        words = flat(text)
        return any(one.says(words) for one in self._said)

    def _without_phones(self, text: str, wrong: list[str]) -> str:
        """The text without telephone numbers; those that do not occur here are added."""

        def phone(found: re.Match[str]) -> str:
            shown = found.group()
            digits = _NOT_DIGITS.sub("", shown)
            if quantities(shown).dates or len(digits) < 7 or _GROUPED_OR_WHOLE.fullmatch(shown):
                return shown
            if not any(one.has_phone(digits[-9:].lstrip("0")) for one in self._said):
                wrong.append(f"{shown!r} does not occur in the turns it cites")
            return " "

        return _PHONE.sub(phone, text)

    def _without_codes(self, text: str, wrong: list[str], names: Evidence | None) -> str:
        """The text without links and identifiers; those that do not occur here are added."""
        rest: list[str] = []

        def unbroken(found: re.Match[str]) -> str:
            if not self.has_code(found.group()):
                wrong.append(f"{found.group()!r} does not occur in the turns it cites")
            return " "

        text = _UNBROKEN.sub(unbroken, text)
        at = 0
        for token in scan(text):
            if token.kind == "link":
                shown = token.text.rstrip(".,;:!?)'\"")
                known = self._says(_LINK_ENDS.sub("", shown))
            elif token.kind == "code" and _is_code(token):
                shown = token.text.strip(".-:/")
                known = self.has_code(shown) or bool(names and names.has_code(shown))
            else:
                continue
            if not known:
                wrong.append(f"{shown!r} does not occur in the turns it cites")
            rest.append(text[at : token.start])
            at = token.end
        return " ".join([*rest, text[at:]])

    def has_code(self, code: str) -> bool:
        """Whether an identifier occurs, whatever separates its parts."""
        return any(one.has_code(code) for one in self._said)

    def _quantities(self, found: Quantities, note: str) -> Iterator[str]:
        for shown, meant in found.dates:
            if not any(self._has_date(date) for date in meant):
                yield f"the date {shown!r} does not occur in the turns it cites"
        for shown, day in found.weekdays:
            if not any(day in one.weekdays for one in self._said):
                yield f"{shown!r} does not occur in the turns it cites"
        for shown, time in found.times:
            if not self._has_time(time):
                yield f"the time {shown!r} does not occur in the turns it cites"
        for shown, values in found.numbers:
            if not self._has_number(values) and not _is_counted(values, shown, note):
                yield f"the number {shown!r} does not occur in the turns it cites"

    def _has_number(self, values: Iterable[Number]) -> bool:
        return any(value in one.numbers for value in values for one in self._said)

    def _has_date(self, date: Date) -> bool:
        def fits(mine: int | None, theirs: int | None) -> bool:
            if mine is None or mine == theirs:
                return True
            return theirs is None and self._has_number([str(mine)])

        return any(
            month == date.month and fits(date.year, year) and fits(date.day, day)
            for one in self._said
            for year, month, day in one.dates
        )

    def _has_time(self, time: Time) -> bool:
        if any(time.is_also(other) for one in self._said for other in one.times):
            return True
        hour, minute = divmod(time.minutes, 60)
        hours = {str(hour), str(hour % 12)}
        return minute == 0 and any(hours & one.figures for one in self._said)

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
        if name in _EMPTY_NAMES or self._has_word((name, name + "s")):
            return True
        if word.isupper() and len(word) > 1:
            return any(one.spells(name) for one in self._said)
        return len(name) >= 4 and self._has_word(_nation(name))

    def _has_word(self, words: Iterable[str]) -> bool:
        return any(word in one.words for word in words for one in self._said)


_EMPTY_NAMES = frozenset(
    {"user", "users", "assistant", "claude", "ai", "the", "a", "an", "and", "of"}
)


def _nation(name: str) -> Iterator[str]:
    """What a name may be besides, as adjective, plural or the other way: of Germany, German."""
    for one in (name, name[:-1] + "ian" if name.endswith("y") else name):
        yield one
        for ending in _NATION:
            yield one + ending
            if one.endswith(ending) and len(one) - len(ending) >= 4:
                yield one[: -len(ending)]
    if name.endswith("ian"):
        yield name[:-3] + "y"


def _is_code(token: Token) -> bool:
    """Whether a token that looks like an identifier is no date, no time and no title."""
    shown = token.text.strip(".-:/")
    if bare(shown) in _TITLES:
        return False
    found = quantities(shown)
    if shown.startswith("#") or shown.replace(".", "").isdigit():
        return not found.dates
    return not (found.dates or found.times)


def _is_counted(values: frozenset[Number], shown: str, note: str) -> bool:
    """Whether a number says how many things the note lists right after it: "three: a, b and c"."""
    at = note.find(shown)
    after = note[at + len(shown) : at + len(shown) + _LONGEST_LIST] if at >= 0 else ""
    head, colon, listed = after.partition(":")
    if not colon or len(WORD.findall(head)) > 4:
        return False
    listed = re.split(r"[.;()]", listed)[0]
    things = [
        one for one in re.split(r",\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+", listed) if one.strip()
    ]
    return str(len(things)) in values
