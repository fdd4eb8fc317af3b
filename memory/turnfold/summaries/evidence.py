"""What turns said goes in; it can then be asked whether a number, date or name occurs in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain

from turnfold_stores.cached_value import cached_property
from turnfold_stores.search.scanning import LONGEST_RUN, WORD, quotations, scan

from turnfold.history.utterances import LABEL
from turnfold.language.dates_and_times import (
    HALF_A_DAY,
    Date,
    Time,
    calendar_day,
    ends_month,
    is_time,
    short_dates,
)
from turnfold.language.number_words import Languages, inflects
from turnfold.language.numerals import Number, number
from turnfold.language.quantities import Quantities, quantities
from turnfold.language.which_language import UNDETERMINED, languages_of
from turnfold.language.words import UNSPACED, bare, flat, plain
from turnfold.summaries.contradiction import contradicted
from turnfold.summaries.identifiers import TITLES, is_code
from turnfold.summaries.measures import is_changed, measures
from turnfold.summaries.names import (
    has_beginning_of,
    has_form_of,
    is_taken_for_another,
    katakana_in,
    names_in,
)
from turnfold.summaries.readings import Reading, mixed_numbers, readable

# Longer than any note; what takes that long says more than can be checked.
_LONGEST_NOTE = 20_000
_LONGEST_LIST = 1_000
# Digits, hex, base64: too long to be looked into, so in one piece or not at all.
_UNBROKEN = re.compile(rf"[0-9A-Za-z]{{{LONGEST_RUN + 1},}}")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./-]{6,40}\d(?!\w)")
_GROUPED_OR_WHOLE = re.compile(r"\d{1,3}(?:([ .])\d{3})(?:\1\d{3})*|[1-9]\d*")
_NOT_DIGITS = re.compile(r"\D++")
_LINK_ENDS = re.compile(r"^https?://(?:www\.)?|^www\.", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2})\.(\d{2})")
_NATION = "s n y an ian ns ans ians ese ish i er ers es en".split()
_EMPTY_NAMES = frozenset(
    {"user", "users", "assistant", "claude", "ai", "the", "a", "an", "and", "of"}
)
_FEW_WORDS = 2
# "Next Friday" is so many days away at most.
_A_WEEK = 13
_TELL_LANGUAGE = 8
_A_YEAR = 366
_HALF_AN_HOUR = 30
_LONGEST_UNIT = 4


class Evidence:
    """Texts that notes are checked against.

    Attributes:
        said: what they say.
    """

    def __init__(self, texts: Iterable[str | Reading], days: Iterable[date] = ()) -> None:
        """Args:
        texts: what was said, verbatim; each may have been read before.
        days: on which it was said, where that is known.
        """
        self._days = tuple(days)
        self.said = [Reading(one) if isinstance(one, str) else one for one in texts]

    @property
    def languages(self) -> Languages:
        """The languages of the texts."""
        return tuple(dict.fromkeys(chain.from_iterable(one.languages for one in self.said)))

    def complaints(self, note: str, *, names: Evidence | None = None) -> list[str]:
        """What of a note does not occur here, in words; [] for none.

        Args:
            note: a sentence or two.
            names: where a name, an identifier, a link or a quotation may stand as well.
        """
        if len(note) > _LONGEST_NOTE:
            return [f"is {len(note)} characters long; a note has {_LONGEST_NOTE} at the most"]
        if self._holds(note):
            return []
        text = shown = plain(note)
        if not WORD.search(text) or self._says(text) or self._says(LABEL.sub("", text, count=1)):
            return []
        more = Evidence([*self.said, *(names.said if names else ())])
        languages = _in_order(languages_of(text), more.languages, text)
        wrong = [
            f"the quotation {words!r} does not occur in the turns it cites"
            for words in quotations(text)
            if WORD.search(words) and not more.quotes(words, languages)
        ]
        text = readable(self._without_short_forms(text, more))
        text = more.without_codes(more.without_phones(text, wrong), wrong)
        found = quantities(text, languages)
        wrong += self._quantities(found, shown, more)
        wrong += self._wrong_units(shown)
        wrong += self._wrong_names(found.rest, shown, languages, more)
        if not wrong:
            denied = contradicted(shown, [one.sides for one in self.said], languages[0])
            if denied:
                wrong.append(f"{denied!r} says the opposite of what was said")
        return wrong

    def _holds(self, note: str) -> bool:
        """Whether a note stands here as it is, with or without who said it."""
        shown = {note.strip(), LABEL.sub("", note, count=1).strip()}
        return any(one.holds(text) for one in self.said for text in shown if text)

    def _says(self, text: str) -> bool:
        """Whether the words of a text stand here in their order."""
        words = flat(text)
        return any(one.says(words) for one in self.said)

    def quotes(self, words: str, languages: Languages) -> bool:
        """Whether a quotation stands here; one or two words may be in another form."""
        if self._says(words) or self.has_run(words):
            return True
        said = WORD.findall(words)
        return len(said) <= _FEW_WORDS and all(self.has_name(word, languages) for word in said)

    def has_run(self, text: str) -> bool:
        """Whether letters of a script without blanks stand here, one after the other."""
        letters = flat(text).replace(" ", "")
        return any(one.has_run(letters) for one in self.said)

    def without_phones(self, text: str, wrong: list[str]) -> str:
        """The text without telephone numbers; those that do not occur here are added."""

        def phone(found: re.Match[str]) -> str:
            shown = found.group()
            digits = _NOT_DIGITS.sub("", shown)
            if quantities(shown, ()).dates or len(digits) < 7:
                return shown
            if _GROUPED_OR_WHOLE.fullmatch(shown):
                return " " if any(one.has_phone(f" {digits} ") for one in self.said) else shown
            if not any(one.has_phone(digits[-9:].lstrip("0")) for one in self.said):
                wrong.append(f"{shown!r} does not occur in the turns it cites")
            return " "

        return _PHONE.sub(phone, text)

    def without_codes(self, text: str, wrong: list[str]) -> str:
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
            elif is_code(token):
                shown = token.text.strip(".-:/")
                known = self.has_code(shown)
            else:
                continue
            if not known:
                wrong.append(f"{shown!r} does not occur in the turns it cites")
            rest.append(text[at : token.start])
            at = token.end
        return " ".join([*rest, text[at:]])

    def _without_short_forms(self, text: str, more: Evidence) -> str:
        """The text without what occurs here of "8.7." for the eighth of July and "1 1/2"."""
        said = [
            span
            for span, meant in short_dates(text)
            if any(self._has_date(one, more) for one in meant)
        ]
        said += [span for span, value in mixed_numbers(text) if self._has_number([value])]
        parts: list[str] = []
        at = 0
        for start, end in sorted(said):
            parts += text[at:start], " "
            at = max(at, end)
        return "".join([*parts, text[at:]])

    def has_code(self, code: str) -> bool:
        """Whether an identifier occurs, whatever separates its parts; without digits, in parts."""
        if any(one.has_code(code) for one in self.said):
            return True
        parts = code.split("-")
        is_compound = len(parts) > 1 and not any(map(str.isdigit, code))
        return is_compound and all(map(self.has_code, parts))

    def _quantities(self, found: Quantities, note: str, more: Evidence) -> Iterator[str]:
        for shown, meant in found.dates:
            if not (self._says(shown) or any(self._has_date(one, more) for one in meant)):
                yield f"the date {shown!r} does not occur in the turns it cites"
        for shown, day in found.weekdays:
            told = any(day == one.weekday() for one in self._days)
            if not (told or self._stands(shown) or any(day in one.weekdays for one in self.said)):
                yield f"{shown!r} does not occur in the turns it cites"
        for shown, time in found.times:
            if not self._has_time(time):
                yield f"the time {shown!r} does not occur in the turns it cites"
        for shown, values in found.numbers:
            if not (
                self._has_number(values)
                or self._is_of_date(values)
                or self._is_clock(shown)
                or ("100" in values and shown.isalpha() and self._has_percent)
                or _is_counted(values, shown, note)
                or (shown.isalpha() and self._has_inflected(bare(shown)))
                or self._stands(shown)
            ):
                yield f"the number {shown!r} does not occur in the turns it cites"

    def _stands(self, shown: str) -> bool:
        """Whether a word for a number stands here as it is, be it in another language."""
        if UNSPACED.match(shown):
            return self.has_run(shown)
        return shown.isalpha() and self._has_word((bare(shown),))

    def _has_number(self, values: Iterable[Number]) -> bool:
        values = tuple(values)
        return any(value in one.numbers for value in values for one in self.said) or any(
            one.spells_out(value) for value in values for one in self.said
        )

    def _is_of_date(self, values: Iterable[Number]) -> bool:
        """Whether a number may belong to "yesterday", with a month that no table has."""
        if UNDETERMINED not in self.languages:
            return False
        near = [day + timedelta(days) for day in self._days for days in (-1, 0, 1)]
        parts = {str(part) for day in near for part in (day.year, day.day)}
        return not parts.isdisjoint(values)

    @cached_property
    def _has_percent(self) -> bool:
        """Whether "per cento" and "por ciento" were said: a hundred in words, and none is meant."""
        return any(one.has_percent for one in self.said)

    def _is_clock(self, shown: str) -> bool:
        """Whether a figure is the time of day with a dot, as many write it: "18.20"."""
        found = _CLOCK.fullmatch(shown)
        if found is None or not is_time(int(found[1]), int(found[2])):
            return False
        told = Time(60 * int(found[1]) + int(found[2]), sure=int(found[1]) > HALF_A_DAY)
        return any(told.is_also(other) for one in self.said for other in one.times)

    def _has_inflected(self, word: str) -> bool:
        """Whether a word for a number stands here with an ending: "üçe" for "üç"."""
        return any(
            other.startswith(word)
            for one in self.said
            if any(map(inflects, one.languages))
            for other in one.words
        )

    def _has_date(self, told: Date, more: Evidence) -> bool:
        """Whether a date was said, be it its day here and its month or year in another turn."""

        def fits(mine: int | None, theirs: int | None) -> bool:
            if mine is None or mine == theirs:
                return True
            return theirs is None and self._has_number([str(mine)])

        def fits_day(theirs: int | None) -> bool:
            return fits(told.day, theirs) or (theirs is None and ends_month(told))

        def fits_year(theirs: int | None) -> bool:
            # A day that is told without its year is one near that on which it is told.
            is_near = theirs is None and any(self._is_near(told, said) for said in self._days)
            return is_near or fits(told.year, theirs)

        if any(
            month == told.month and fits_year(year) and fits_day(day)
            for one in self.said
            for year, month, day in chain(one.dates, one.short_dates)
        ):
            return True
        if any(self._is_told(told, day) for day in self._days):
            return True
        if not any(told.day in one.days for one in self.said):
            return False
        return any(
            month == told.month
            and (told.year in {None, year} or (year is None and fits_year(year)))
            for one in more.said
            for year, month, _ in one.dates
        )

    def _is_near(self, told: Date, said: date) -> bool:
        """Whether a date is within a year of a day."""
        meant = calendar_day(told, said)
        return meant is not None and abs((meant - said).days) <= _A_YEAR

    def _is_told(self, told: Date, said: date) -> bool:
        """Whether a date is some day, or what "yesterday" or a day of the week means on it."""
        meant = calendar_day(told, said)
        if meant is None:
            return False
        after = (meant - said).days
        if abs(after) <= 1 and UNDETERMINED in self.languages:
            return True  # who knows what "kal" is: yesterday or tomorrow
        return not after or any(
            after in one.relative or (abs(after) <= _A_WEEK and meant.weekday() in one.weekdays)
            for one in self.said
        )

    def _has_time(self, time: Time) -> bool:
        if any(time.is_also(other) for one in self.said for other in one.times):
            return True
        hour, minute = divmod(time.minutes, 60)
        hours = {str(hour), str(hour % 12)}
        if minute == 0:
            return any(hours & one.figures or any(map(one.spells_out, hours)) for one in self.said)
        written = {number(f"{one}.{minute:02}") for one in (hour, hour % 12 or 12)}
        if any(written & one.figures for one in self.said):
            return True
        # "las siete y media", "halb sechs"
        if minute == _HALF_AN_HOUR:
            hours |= {str((hour + 1) % 24), str((hour + 1) % 12)}
        is_part = any(
            str(minute) in one.implied or one.spells_out(str(minute)) for one in self.said
        )
        return is_part and self._has_number(hours)

    def _wrong_units(self, note: str) -> Iterator[str]:
        for shown, values, units in measures(note):
            told = [one for said in self.said for value in values for one in said.units_of(value)]
            for kind, beside in units.items():
                known = kind == "code" and any(self._has_word((bare(one),)) for one in beside)
                if not known and all(is_changed(kind, one, told) for one in beside):
                    yield f"{shown!r} was said in another unit"

    def _wrong_names(
        self, text: str, note: str, languages: Languages, more: Evidence
    ) -> Iterator[str]:
        mentioned = {bare(word) for word in WORD.findall(note)}
        capitals = [one.capitals for one in self.said]
        shown = set().union(*(one.capitals.names for one in more.said))
        for name in names_in(text, languages[0]):
            if bare(name.word) in TITLES or more.has_name(name.word, languages):
                continue
            if len(name.word) <= _LONGEST_UNIT and _is_unit(name.word, note):
                continue
            if name.shows or is_taken_for_another(name, capitals, shown, mentioned, languages[0]):
                yield f"the name {name.word!r} does not occur in the turns it cites"
        for name in katakana_in(text):
            if more.has_run(name.word):
                continue
            if name.shows or any(one.puts_another(name, text) for one in more.said):
                yield f"the name {name.word!r} does not occur in the turns it cites"

    def has_name(self, word: str, languages: Languages = ("en",)) -> bool:
        """Whether a name occurs, in any case, as its adjective or by its initials."""
        name = bare(word)
        if name in _EMPTY_NAMES or self._has_word((name, name + "s")):
            return True
        if word.isupper():
            return len(word) == 1 or any(one.spells(name) for one in self.said)
        if len(name) >= 4 and self._has_word(_nation(name)):
            return True
        if languages[0] == "de" and has_beginning_of(name, self._words_in_order):
            return True  # a noun in another case, or in a compound
        return any(map(inflects, languages)) and has_form_of(name, self._words_in_order)

    @cached_property
    def _words_in_order(self) -> list[str]:
        return sorted(set().union(*(one.words for one in self.said)))

    def _has_word(self, words: Iterable[str]) -> bool:
        return any(word in one.words for word in words for one in self.said)


def _in_order(told: Languages, said: Languages, note: str) -> Languages:
    """The languages of a note and its turns, the note's first: few words tell little."""
    is_told = told[0] in said or len(WORD.findall(note)) >= _TELL_LANGUAGE
    return tuple(dict.fromkeys((*told, *said) if is_told else (*said, *told)))


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


def _is_unit(word: str, note: str) -> bool:
    """Whether a short word stands by a figure as units and currencies do: "100 Мбіт", "Sh 8"."""
    shown = re.escape(word)
    return re.search(rf"(?:\d\s?{shown}(?![^\W\d_])|(?<![^\W_]){shown}\.?\s?\d)", note) is not None


def _is_counted(values: Sequence[Number], shown: str, note: str) -> bool:
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
