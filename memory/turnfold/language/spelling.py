"""A number and a language go in; out come the ways that words say it.

`number_words.toml` reads a text's words as numbers where a language builds them of few parts. Here
it is the other way: a figure of a note is spelt in the language of the turns by CLDR's rules, with
its genders and cases, and looked for. So compounds ("vierhundertdreiundzwanzig", "háromezer") and
languages without a table of their own need none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from turnfold_stores.process.fork import importing
from turnfold_stores.search.scanning import LONGEST_RUN

from turnfold.language.words import flat

_LARGEST = 10**12
# What a longer number has before or behind its last part: 3 to 20, the tens, hundreds and so on.
_PARTS = (*range(3, 21), *range(30, 100, 10), *range(100, 1000, 100), 1000, 10**6)
_SHORTEST_BEGINNING = 4
# An ordinal may have another ending than CLDR's: so many letters less, and so many more.
_CUT, _LONGEST_ENDING = 2, 4
_SHORTEST_STEM = 5
# Languages in Latin letters without stop lists, and letters of a number that none has by chance.
_UNTOLD = tuple("sw ms fil af sq hr sl sk lt lv et is az".split())
_SURE = 7
# Letters that stand for a preposition or an "and" before a word.
_PREFIXES = {"he": "בלמהוכש", "ar": "بلو"}


class Spelt:
    """The words of a text, in order, for numbers that are spelt to be found in them."""

    def __init__(self, in_order: str) -> None:
        """Args:
        in_order: the words as `bare` gives them, apart by blanks.
        """
        self._in_order = in_order
        self._run = in_order.replace(" ", "")

    def has(self, value: int, language: str) -> bool:
        """Whether words of a language say a number here, and no longer one that it ends."""
        exact, ordinal = _spellings(value, language)
        return any(self._stands(form, language, endings=False) for form in exact) or any(
            self._stands(form, language, endings=True) for form in ordinal
        )

    def has_anywhere(self, value: int) -> bool:
        """The same in a language that no small words tell; only long words say it surely."""
        return any(
            self._stands(form, language, endings=False)
            for language in _UNTOLD
            for form in _spellings(value, language)[0]
            if len(form) >= _SURE
        )

    def _stands(self, form: str, language: str, *, endings: bool) -> bool:
        stem = form[:-_CUT] if endings and len(form) - _CUT >= _SHORTEST_STEM else form
        if stem not in self._run:
            return False
        # Words may be written together or apart.
        letters = " ?".join(map(re.escape, stem))
        ending = rf"\w{{0,{_CUT + _LONGEST_ENDING}}}" if endings else ""
        pattern = rf" [{_PREFIXES.get(language, '')} ]?{letters}{ending}(?= )"
        for found in re.finditer(pattern, self._in_order):
            before = self._in_order[max(0, found.start() - LONGEST_RUN) : found.start()].split()
            behind = self._in_order[found.end() : found.end() + LONGEST_RUN].split()
            if not any(_is_part(word, language) for word in (*before[-1:], *behind[:1])):
                return True
        return False


@lru_cache(maxsize=4_096)
def _is_part(word: str, language: str) -> bool:
    """Whether a word beside a number belongs to it."""
    return any(
        word == part or (len(part) >= _SHORTEST_BEGINNING and word.startswith(part))
        for part in _parts(language)
    )


@lru_cache(maxsize=32)
def _parts(language: str) -> frozenset[str]:
    said = (form for part in _PARTS for form in _spellings(part, language)[0])
    return frozenset(said)


@lru_cache(maxsize=4_096)
def _spellings(value: int, language: str) -> tuple[frozenset[str], frozenset[str]]:
    """A number as its language counts, and as it puts things in order; without blanks."""
    engine = _engine(language)
    if engine is None or not 0 <= value < _LARGEST:
        return frozenset(), frozenset()
    with importing:
        from unicode_rbnf import FormatPurpose
        from unicode_rbnf.engine import RbnfError

    told = []
    for purpose in (FormatPurpose.CARDINAL, FormatPurpose.ORDINAL):
        try:
            forms = engine.format_number(value, purpose).text_by_ruleset.values()
        except (ValueError, RbnfError):  # the language has no such rules
            forms = ()
        letters = (form for form in forms if not any(map(str.isdigit, form)))
        told.append(frozenset(flat(form).replace(" ", "") for form in letters) - {""})
    return told[0], told[1]


@lru_cache(maxsize=64)
def _engine(language: str) -> Any:
    """CLDR's rules of a language; None where it has none. English is read whole by its table."""
    if language == "en":
        return None
    with importing:
        from unicode_rbnf import RbnfEngine
    try:
        return RbnfEngine.for_language(language)
    except ValueError:
        return None
