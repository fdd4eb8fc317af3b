"""Phrases of many languages go in; out comes one pattern that finds any of them in plain text."""

from __future__ import annotations

import re
import unicodedata

_TAKEN_OFF = dict.fromkeys([*range(0x300, 0x370), *range(0x64B, 0x653), 0x640])
# Scripts that put no blanks between words, or endings on them.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u9fff\uac00-\ud7ff]")
_LONGEST_ENDING = 12
# The vowel signs of Devanagari are no letters to `re`.
_WORD_BEGINS = r"(?<![^\W_])(?<![\u0900-\u0963])"
_WORD_ENDS = r"(?![\w'\u0900-\u0963])"


def plainly(text: str) -> str:
    """A text without capitals, accents and other forms of the same letters, on one line."""
    if text.isascii():
        return " ".join(text.casefold().split())
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFD", text).translate(_TAKEN_OFF)
    return " ".join(unicodedata.normalize("NFC", text).replace("’", "'").split())


def words_of(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(plainly(text).split())


def any_of(phrases: str, *, after: str = _WORD_ENDS) -> re.Pattern[str]:
    """A pattern for any of some phrases, in `plainly` written text.

    Args:
        phrases: apart by bars or line breaks; `*` at the end of a word stands for any ending.
        after: what has to follow, where words are apart by blanks.
    """
    known = {plainly(one) for one in phrases.replace("\n", "|").split("|")} - {""}
    spaced = {one for one in known if not _UNSPACED.search(one)}
    rest = known.difference(spaced)
    kinds = []
    if spaced:
        elided = {one for one in spaced if one.endswith("'")}  # as in "l'", "n'"
        kinds.append(rf"{_WORD_BEGINS}(?:{_either(spaced - elided)}){after}")
        if elided:
            kinds.append(rf"{_WORD_BEGINS}(?:{_either(elided)})")
    if rest:
        kinds.append(f"(?:{_either(rest)})")
    return re.compile("|".join(kinds) or "(?!)")


def _either(phrases: set[str]) -> str:
    ordered = sorted(phrases, key=lambda one: (-len(one), one))
    return "|".join(
        re.escape(one).replace(r"\*", rf"\w{{0,{_LONGEST_ENDING}}}").replace(r"\ ", " ")
        for one in ordered
    )
