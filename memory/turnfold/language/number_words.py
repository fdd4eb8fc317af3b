"""Languages go in; what their words for numbers, months and days mean comes out.

The words are in `number_words.toml`. Libraries that have them were measured: see decision 0034.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from turnfold.language.numerals import Number, number
from turnfold.language.tables import table
from turnfold.language.words import bare

Kind = Literal["month", "short month", "day", "short day", "number", "ordinal", "scale"]
Languages: TypeAlias = tuple[str, ...]
"""ISO 639-1 codes; of words with several meanings, that of the first counts."""

_CALENDAR: tuple[tuple[str, Kind, int], ...] = (
    ("months", "month", 1),
    ("short_months", "short month", 1),
    ("days", "day", 0),
    ("short_days", "short day", 0),
)
_COUNTING: tuple[tuple[str, Kind, int], ...] = (
    ("numbers", "number", 0),
    ("ordinals", "ordinal", 1),
)
# An ending on the name of a month or day has so many letters at most, and leaves so many.
_LONGEST_ENDING = 3
_SHORTEST_NAME = 4


class Said(NamedTuple):
    """What a word means.

    Attributes:
        kind: what it is a word for.
        value: a month from 1, a weekday from 0 for Monday, a number, or the zeros of a scale.
    """

    kind: Kind
    value: int


class Span(NamedTuple):
    """A week, month or year.

    Attributes:
        unit: which of them.
        ago: how many before this one.
    """

    unit: Literal["week", "month", "year"]
    ago: int


_SPANS = (
    Span("week", 1), Span("month", 1), Span("year", 1),
    Span("week", 0), Span("month", 0), Span("year", 0),
)  # fmt: skip


class NumberWords:
    """The words for numbers of some languages.

    Attributes:
        said: what a word means, as `bare` gives it.
        implied: numbers that a word says without being one.
        relative: days from today that a word means, as `bare` gives it.
        spans: which week, month or year some words mean, as `bare` gives each; see `Span`.
        month_first: whether the day may follow the month.
        tells_clock: whether half past two is a time.
    """

    def __init__(self, languages: Languages) -> None:
        self.said: dict[str, Said] = {}
        self.implied: dict[str, tuple[Number, ...]] = {}
        self.relative: dict[str, set[int]] = {}
        self.spans: dict[str, Span] = {}
        self.month_first = False
        self.tells_clock = "en" in languages
        self._names: dict[str, Said] = {}
        self._prefixes: tuple[str, ...] = ()
        self._endings: tuple[str, ...] = ()
        for language in languages:
            if words := _words().get(language):
                self._add(words)
        self.meaning = lru_cache(maxsize=8_192)(self._meaning)
        """What a word means, in whatever case and with whatever ending; None for nothing."""

    def _add(self, words: dict[str, Any]) -> None:
        for key, kind, first in _CALENDAR:
            for value, form in _forms(words.get(key, ""), first):
                self.said.setdefault(form, Said(kind, value))
                if words.get("inflects") and kind in {"month", "day"}:
                    self._names.setdefault(form, Said(kind, value))
                    self._names.setdefault(form[:-1], Said(kind, value))
        for key, kind, first in _COUNTING:
            for value, form in _forms(words.get(key, ""), first):
                self.said.setdefault(form, Said(kind, value))
                self.implied.setdefault(form, (str(value),))
                if words.get("inflects") and kind == "ordinal":
                    self._names.setdefault(form, Said(kind, value))
        self._add_days(words)
        self.month_first |= bool(words.get("month_first"))
        self._prefixes += tuple(words.get("prefixes", "").split())
        self._endings += tuple(map(bare, words.get("endings", "").split()))
        for one in words.get("scales", "").split():
            word, _, zeros = one.partition("=")
            self.said.setdefault(bare(word), Said("scale", int(zeros)))
        for one in words.get("implied", "").split():
            word, _, values = one.partition("=")
            self.implied.setdefault(bare(word), tuple(map(number, values.split("/"))))

    def _add_days(self, words: dict[str, Any]) -> None:
        for days, forms in enumerate(words.get("relative", "").split(), -1):
            for form in forms.replace("_", " ").split("/"):
                self.relative.setdefault(bare(form), set()).add(days)
        for span, forms in zip(_SPANS, words.get("spans", "").split(), strict=False):
            for form in forms.split("/"):
                self.spans.setdefault(" ".join(map(bare, form.split("_"))), span)

    def _meaning(self, word: str) -> Said | None:
        word = bare(word)
        if found := self.said.get(word):
            return found
        for ending in range(1, _LONGEST_ENDING + 1 if self._names else 1):
            if len(word) - ending < _SHORTEST_NAME:
                break
            if found := self._names.get(word[:-ending]):
                return found
        for prefix in self._prefixes:
            if word.startswith(prefix) and (found := self.said.get(word[len(prefix) :])):
                return found
        for one in self._endings:
            if word.endswith(one) and (found := self.said.get(word[: -len(one)])):
                return found
        # "Mondays", "montags"
        found = self.said.get(word[:-1]) if word.endswith("s") else None
        return found if found and found.kind in {"day", "scale"} else None


def _forms(words: str, first: int = 0) -> Iterator[tuple[int, str]]:
    for value, forms in enumerate(words.split(), first):
        if forms != "-":
            yield from ((value, bare(form)) for form in forms.split("/"))


@lru_cache(maxsize=64)
def number_words(languages: Languages) -> NumberWords:
    """The words for numbers of some languages; shared, so not to be changed."""
    return NumberWords(languages)


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, Any]]:
    return table("language/number_words.toml")


def inflects(language: str) -> bool:
    """Whether a language puts endings on names."""
    return bool(_words().get(language, {}).get("inflects"))


def totals(words: Iterable[tuple[str, int, bool]]) -> list[int]:
    """The numbers that some words spell: "two hundred and fifty" one, "two and three" two.

    Args:
        words: of each its kind, `number` or `scale`, its value as of `Said`, and whether it is
            joined to the one before by an "and" of its own, as in Arabic.
    """
    numbers: list[int] = []
    total, current = 0, -1
    for kind, value, is_joined in words:
        if kind == "scale":
            by = 10**value
            if value == 2:  # hundreds are a part of thousands
                current = max(current, 1) * by
            else:
                total, current = total + max(current, 1) * by, 0
        elif 0 < current < 10 and value % 10 == 0 and is_joined:
            current += value  # "five-and-thirty"
        elif current == 4 and value == 20:  # "quatre-vingt"
            current = 80
        elif current < 0 or (current == 0 and total) or _adds(current, value):
            current = max(current, 0) + value
        else:
            numbers.append(total + current)
            total, current = 0, value
    return [*numbers, total + max(current, 0)]


def _adds(current: int, value: int) -> bool:
    """Whether a word for a number goes on with what stands before it: twenty-five."""
    if current % 100 == 0:
        return current > 0 and value < 100
    if current in {60, 80}:  # "soixante-dix"
        return value < 20
    return current % 10 == 0 and value < 10
