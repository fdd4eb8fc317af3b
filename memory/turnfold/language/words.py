"""Words as they are compared, in any language: sentences, clauses, stems, and what matters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from turnfold_stores.search.scanning import (
    LONGEST_RUN,
    WORD,
    normal,
    sentence_ends,
    stretches,
    without_marks,
)
from turnfold_stores.search.stemming import stem as stem_in
from turnfold_stores.search.stop_words import BY_LANGUAGE

from turnfold.language.numerals import in_digits

# What a dot may follow that ends no sentence, besides a single letter ("e.g.", "p.m.").
_ABBREVIATED = frozenset(
    """
    dr mr mrs ms mme mlle prof sr sra srta dott ing st mt no nr vs etc approx ca usw bzw ggf inkl
    exkl tel art abs bd jh hr fr str env av bijv ul al tzn np гр ул им т.е см hz sn bkz
    """.split()
)
_LAST_WORD = re.compile(r"(?<![^\W_])[^\W_]++(?=\.$)")
_LONGEST_ABBREVIATION = 8
_LONGEST_SENTENCE = 2_000
_CLAUSE_MARKS = r"[;()\[\]]|[,:](?!\d)|\s-\s|[，、；：（）]"

# Small words of notes besides those of the language: who is spoken of, and that they spoke.
_OF_NOTES = frozenset(
    """
    user users assistant says say saying said told tells tell asked asks ask want wants wanted
    would need needs needed going go goal gonna thing things really quite rather please let just
    yet again already still even under until upon each few most more other own same once here
    one ones
    """.split()
)
_STRAIGHT = str.maketrans("‘’‛“”„‟‐‑‒–—−⁄٬٫", '\'\'\'""""------/,.')
_BLANKS = re.compile(r"(?: ?[^\S\n ]| {2,})[^\S\n]*+")  # all but a single space
_OTHER_BLANKS = ("  ", *"\t\r\v\f\x1c\x1d\x1e\x1f")  # of ASCII
_POSSESSIVE = re.compile(r"['’]s?$")
_LETTERS_WITHOUT_BLANKS = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u9fff\uac00-\ud7af"
_SEAM = re.compile(
    rf"(?<=[{_LETTERS_WITHOUT_BLANKS}])(?=[0-9A-Za-z])"
    rf"|(?<=[0-9A-Za-z%])(?=[{_LETTERS_WITHOUT_BLANKS}])"
    rf"|(?<=[{_LETTERS_WITHOUT_BLANKS}][:.,/+~-])(?=[0-9A-Za-z])"
    rf"|(?<=[0-9A-Za-z][:.,/+~-])(?=[{_LETTERS_WITHOUT_BLANKS}])"
)
UNSPACED = re.compile(rf"[{_LETTERS_WITHOUT_BLANKS}]")
"""A letter of a script that puts no blanks between words; of Korean as well."""


def plain(text: str) -> str:
    """A text in the forms that are compared.

    Compatible forms; straight quotation marks and hyphens; single spaces, and one between a
    script without blanks and what is none of it; ASCII's digits, for Chinese numerals too, and
    its signs between them.
    """
    if not text.isascii():
        text = _FRACTION.sub(r" \g<0>", text)
        # A wide comma parts two numbers, and NFKC takes it for one that groups thousands.
        text = _WIDE_COMMA.sub(", ", text)
        text = in_digits(_ascii_digits(normal(text, "NFKC").translate(_STRAIGHT)))
        text = _SEAM.sub(" ", text)
    elif not any(map(text.__contains__, _OTHER_BLANKS)):
        return text
    return _BLANKS.sub(" ", text)


_FRACTION = re.compile("(?<=[0-9])[\u00bc-\u00be\u2150-\u215e]")
_WIDE_COMMA = re.compile("[，、]")
_OTHER_DIGITS = re.compile(r"(?![0-9])\d")


def _ascii_digits(text: str) -> str:
    return _OTHER_DIGITS.sub(lambda one: str(unicodedata.decimal(one.group())), text)


def bare(word: str) -> str:
    """A word without case, accents and possessive."""
    if has_digit(word) and word == word.lower():
        return word
    return _bare(word) if len(word) <= LONGEST_RUN else word.casefold()


# Speech repeats its words.
@lru_cache(maxsize=32_768)
def _bare(word: str) -> str:
    word = word.casefold()
    if not word.isascii():
        word = without_marks(word)
    return word if word.isalnum() else _POSSESSIVE.sub("", word)


def stem(word: str, language: str = "en") -> str:
    """A word without its ending, its case and its accents; for comparing, not for reading."""
    if not word.isalnum():
        word = _POSSESSIVE.sub("", word)
    elif has_digit(word):
        return word.lower()  # it has no ending
    return stem_in(word, language)


def has_digit(word: str) -> bool:
    """Whether a word of ASCII's letters and digits has one of these: a figure, an identifier."""
    return word.isascii() and word.isalnum() and not word.isalpha()


def matter(text: str) -> set[str]:
    """Stems of the words of a text that carry its matter."""
    return {stem(word) for word in WORD.findall(text) if carries_matter(word)}


def carries_matter(word: str, language: str = "en") -> bool:
    """Whether a word of some language says something by itself."""
    low = word.casefold()
    if len(word) == 1 and not word.isdigit() and not UNSPACED.match(word):
        return False
    return low not in BY_LANGUAGE.get(language, ()) and low not in _OF_NOTES


def flat(text: str) -> str:
    """Words in order, whatever stands between them and in whatever case; a blank at both ends."""
    return " " + "".join(bare(word) + " " for word in WORD.findall(text))


_APART = re.compile(f"({WORD.pattern})")


def words_apart(text: str) -> tuple[list[str], list[str]]:
    """The words of a text in order, and what stands before each."""
    parts = _APART.split(text)
    return parts[1::2], parts[:-1:2]


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, in order; a line ends one. One without end is cut up."""
    start = 0
    for end, after in sentence_ends(text):
        if text[end - 1 : end] == "." and "\n" not in text[end:after]:
            last = _LAST_WORD.search(text, max(start, end - _LONGEST_ABBREVIATION), end)
            if last and is_abbreviated(last.group()):
                continue
        yield from _bounded(text[start:end])
        start = after
    yield from _bounded(text[start:])


def is_abbreviated(word: str) -> bool:
    """Whether a dot behind a word belongs to it."""
    return (len(word) == 1 and word.isalpha()) or word.casefold() in _ABBREVIATED


def _bounded(sentence: str) -> Iterator[str]:
    short = len(sentence) <= _LONGEST_SENTENCE
    for piece in (sentence,) if short else stretches(sentence, _LONGEST_SENTENCE):
        if said := piece.strip():
            yield said


def clauses(sentence: str, conjunctions: frozenset[str]) -> list[str]:
    """The parts of a sentence between its commas, brackets and conjunctions."""
    return [part for part in _clause_ends(conjunctions).split(sentence) if WORD.search(part)]


@lru_cache(maxsize=32)
def _clause_ends(conjunctions: frozenset[str]) -> re.Pattern[str]:
    words = "|".join(map(re.escape, sorted(conjunctions)))
    return re.compile(rf"{_CLAUSE_MARKS}|\b(?:so that|{words})\b", re.IGNORECASE)
