"""A text goes in; the terms come out by which it is found: stems, and pairs of letters.

The same for every store. Words are what Unicode takes for letters and the signs on them; scripts
without blanks are cut into pairs of letters, as CJK analyzers do. A stem says which language it
is of, so a question need not be read in the language of what it is about: it is asked for by its
stems in every language of its script.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from operator import add

from turnfold_stores.search.scanning import MARKS, STRETCH, normal, stretches
from turnfold_stores.search.stemming import (
    Script,
    languages_by_script,
    languages_of_script,
    stem,
)
from turnfold_stores.search.stop_words import (
    BY_LANGUAGE,
    STOP_LETTERS,
    STOP_SINGLE,
    STOP_WORDS,
    WITHOUT_BLANKS,
)

__all__ = [
    "COMMON",
    "STOP_WORDS",
    "alternatives",
    "asked_for",
    "count_words",
    "is_pair",
    "languages_in",
    "telling_words",
    "terms",
    "terms_of",
    "words",
]


class Languages(dict[str, str]):
    """The languages of a text: that which a word is in, by its first letter; "" for none."""

    def __init__(self, by_script: dict[Script, str]) -> None:
        """Args:
        by_script: for the scripts of the text, the language it is in there.
        """
        self._by_script = by_script

    def __missing__(self, letter: str) -> str:
        script = languages_of_script(letter)
        self[letter] = language = self._by_script.get(script) or (script[0] if script else "")
        return language


_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA = "\u3041-\u3096\u3099-\u309a\u309d-\u309f"
_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3099-\u309a"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7af"
# Thai, Lao, Burmese and Khmer, each with the signs on its letters.
_THAI = "\u0e01-\u0e3a\u0e40-\u0e4e"
_LAO = "\u0e81-\u0ece\u0edc-\u0edf"
_BURMESE = "\u1000-\u103f\u1050-\u108f"
_KHMER = "\u1780-\u17d3\u17d7\u17dc\u17dd"
_WITHOUT_BLANKS = (_HAN, _HIRAGANA, _KATAKANA, _HANGUL, _THAI, _LAO, _BURMESE, _KHMER)
_NO_LETTER = rf"\W_{''.join(_WITHOUT_BLANKS)}"
# A run of one script without blanks; else a word.
_RUN = re.compile(
    "(" + "|".join(rf"[{letters}]++" for letters in _WITHOUT_BLANKS) + ")"
    rf"|([^{_NO_LETTER}]++(?:[{MARKS}]++[^{_NO_LETTER}]*+)*+)"
)
_RUN_WITHOUT_BLANKS = re.compile(f"[{''.join(_WITHOUT_BLANKS)}]")
_WITHOUT_DIGITS = re.compile(r"\D*")
_ASCII_WORD = re.compile(r"[^\W_]+")
_LETTER = re.compile(rf"[^{MARKS}][{MARKS}]*+|[{MARKS}]++")
_HAS_MARKS = re.compile(rf"[{MARKS}]")
_IS_HAN = re.compile(rf"[{_HAN}]")
# Between a stem and its language; no letter, so that no word has it.
_OF = "\u00b7"
_MOST_WORDS = 48
COMMON = 1_000
"""Texts that have a word from which it tells little: a store may weigh it last."""
# Characters of a text that are looked at for its languages.
_TELLS_LANGUAGES = 8_192


def words(text: str) -> list[str]:
    """The words of a text in order, without case and accents.

    Scripts without blanks come as pairs of letters, Chinese characters by themselves as well.
    """
    return [stem(piece, "") for piece in _pieces(text)]


def terms(text: str, languages: Languages | None = None) -> list[str]:
    """The words of a text that tell it from others, cut to their stems.

    A text of nothing but stop words keeps them: better a poor search than none.

    Args:
        text: whatever was said.
        languages: what it is in; None where the text itself is to say. For a sentence, those of
            the text that it is a part of.
    """
    pieces = _pieces(text)
    if languages is None:
        languages = Languages(languages_by_script(pieces))
    read = [_read_as(piece, languages[piece[0]]) for piece in pieces]
    return [term for term, is_small in read if not is_small] or [term for term, _ in read]


def languages_in(text: str) -> Languages:
    """The languages of a text; see `terms`."""
    return Languages(languages_by_script(_pieces(text[:_TELLS_LANGUAGES])))


def telling_words(text: str) -> list[str]:
    """The different words of a text that are no stop words, in lower case; pairs of letters, too.

    Which are stop words goes by the language of the text.
    """
    pieces = list(dict.fromkeys(_pieces(text)))
    languages = Languages(languages_by_script(pieces))
    return [one for one in pieces if not _is_small(one, languages[one[0]])]


def alternatives(text: str) -> list[tuple[str, ...]]:
    """For each different word of a question, the terms that a text may have it as.

    A text has no more than one of them, as it is read in one language.
    """
    return [terms_of(word) for word in telling_words(text) or dict.fromkeys(_pieces(text))]


def count_words(text: str) -> int:
    """How many words a text has; where it has no blanks, a word for two letters."""
    halves = (2 if not is_pair(piece) else len(piece) > 1 for piece in _pieces(text))
    return (sum(halves) + 1) // 2


def is_pair(word: str) -> bool:
    """Whether a word is one or two letters of a script without blanks."""
    return _RUN_WITHOUT_BLANKS.match(word) is not None


def asked_for(text: str) -> list[str]:
    """The terms that a question is looked for by: of 48 different words at most, the longest.

    Stores that look up each term; see `alternatives`.
    """
    # Long words are rarer; sorted is stable, so of equals the first stays.
    longest = sorted(alternatives(text), key=lambda terms: len(terms[0]), reverse=True)
    return list(dict.fromkeys(term for one in longest[:_MOST_WORDS] for term in one))


@lru_cache(maxsize=4_096)
def terms_of(word: str) -> tuple[str, ...]:
    """The terms that a text may have one of `telling_words` as, by its language."""
    languages = [one for one in languages_of_script(word) if word not in BY_LANGUAGE[one]]
    return tuple(dict.fromkeys(_term(word, language) for language in languages or [""]))


def _term(word: str, language: str) -> str:
    found = stem(word, language)
    # English, what has no stems, and codes are as they are: most stores hold little else.
    if language in {"", "en"} or not _WITHOUT_DIGITS.fullmatch(word):
        return found
    return f"{found}{_OF}{language}"


@lru_cache(maxsize=65_536)
def _read_as(piece: str, language: str) -> tuple[str, bool]:
    """The term of a word in some language, and whether it is a stop word there."""
    return _term(piece, language), _is_small(piece, language)


def _is_small(piece: str, language: str) -> bool:
    if language:
        return piece in BY_LANGUAGE[language]
    return piece in _stop_pairs() or not STOP_LETTERS.isdisjoint(piece)


def _pieces(text: str) -> list[str]:
    """Words in lower case, and pairs of letters."""
    if len(text) <= STRETCH and text.isascii():
        return _ASCII_WORD.findall(text.lower())
    found: list[str] = []
    for stretch in stretches(text, STRETCH):
        if stretch.isascii():
            found += _ASCII_WORD.findall(stretch.lower())
            continue
        for run, word in _RUN.findall(normal(stretch, "NFKC").lower()):
            if run:
                found += _cut(run)
            else:
                found.append(word if word.isalpha() else _with_digits(word))
    return found


def _cut(run: str) -> list[str]:
    """A run of a script without blanks as pairs of letters."""
    letters = run if not _HAS_MARKS.search(run) else _LETTER.findall(run)
    if len(letters) == 1:
        return [run]
    pairs = list(map(add, letters, letters[1:]))
    if not _IS_HAN.match(run):
        return pairs
    return [letter for letter in letters if letter not in STOP_SINGLE] + pairs


@lru_cache(maxsize=1)
def _stop_pairs() -> frozenset[str]:
    kana = frozenset(map(chr, range(0x3041, 0x3097)))
    return kana.union(
        piece
        for word in WITHOUT_BLANKS
        for piece in _cut(normal(word, "NFKC"))
        if not _IS_HAN.fullmatch(piece)
    )


def _with_digits(word: str) -> str:
    """A word with the digits of its script as those of ASCII."""
    return "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in word
    )
