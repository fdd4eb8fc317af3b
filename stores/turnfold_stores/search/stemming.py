"""A text goes in, its language comes out; a word goes in, its stem comes out.

Stems are those of Snowball, in the languages it has. Which language a text is in is told by its
small words: good enough to choose a stemmer, and no more than that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, islice
from typing import TypeAlias

import Stemmer

from turnfold_stores.search.scanning import LONGEST_RUN, WORD, normal, stretches, without_marks
from turnfold_stores.search.stop_words import BY_LANGUAGE

_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german",
    "el": "greek", "en": "english", "es": "spanish", "fa": "persian", "fi": "finnish",
    "fr": "french", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
# The end of a block of Unicode, the languages of its script that we can tell apart, and the one
# that a text is taken for which does not say.
_LATIN = tuple("en de nl fr es it pt ca ro pl cs sv da no fi hu tr id".split())
_SCRIPTS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0x0370, _LATIN),
    (0x0400, ("el",)),
    (0x0530, ("ru",)),
    (0x0590, ("hy",)),
    (0x0600, ("he",)),
    (0x0900, ("ar", "fa")),
    (0x0980, ("hi",)),
    (0x0B80, ()),
    (0x0C00, ("ta",)),
    (0x1E00, ()),
    (0x1F00, _LATIN),
    (0x2000, ("el",)),
)
Script: TypeAlias = tuple[str, ...]
"""A script, as the languages that are written in it."""
# The first that a word has a letter of: Japanese is written in Chinese characters as well.
_WITHOUT_STEMS = tuple(
    (re.compile(f"[{letters}]"), language)
    for letters, language in (
        ("\u3041-\u30ff", "ja"), ("\uac00-\ud7af", "ko"), ("\u0e01-\u0e4e", "th"),
        ("\u3400-\u9fff", "zh"),
    )
)  # fmt: skip
_OF_SMALL_WORD: dict[str, tuple[str, ...]] = {
    word: tuple(language for language, words in BY_LANGUAGE.items() if word in words)
    for word in frozenset().union(*BY_LANGUAGE.values())
}
# Letters that few languages have.
_OF_LETTER: dict[str, tuple[str, ...]] = {
    letter: tuple(languages.split())
    for letters, languages in (
        ("ß", "de"), ("ñ", "es"), ("ãõ", "pt"), ("ąęłńśźż", "pl"), ("ěřůň", "cs"), ("ășț", "ro"),
        ("ğış", "tr"), ("őű", "hu"), ("øæ", "da no"), ("å", "sv da no"), ("œêû", "fr"),
        ("ìò", "it"), ("پچژگکی", "fa"), ("أإةىي", "ar"),
    )
    for letter in letters
}  # fmt: skip
# Words of a text that are looked at for its language.
_LOOKED_AT = 1_000
_IDEOGRAPHS = re.compile("[\u4e00-\u9fff]++")
VERSION = f"1/{Stemmer.version()}"
"""Changes where stems do: what was indexed by other stems wants to be indexed anew."""


def language_of(text: str) -> str:
    """The language of a text as an ISO 639-1 code; "" where it does not say.

    Of a text in several it is that of the most small words; of one in a script that a single
    language we know is written in, such as Greek, it is that.
    """
    words = (word for stretch in stretches(text) for word in WORD.findall(stretch.lower()))
    told = map(_told_by, islice(words, _LOOKED_AT))
    found: Counter[str] = Counter(chain.from_iterable(told))
    if found["ja"]:
        found["ja"] += found.pop("zh", 0)  # Japanese is written in Chinese characters as well
    return found.most_common(1)[0][0] if found else ""


@lru_cache(maxsize=32_768)
def _told_by(word: str) -> Script:
    """The languages that a word in lower case speaks for, one of them twice by its letters."""
    only = _only_language(word)
    return (*_languages_told(word), only) if only else _languages_told(word)


def _languages_told(word: str) -> Script:
    """The languages that a word in lower case, or else its letters, speaks for."""
    if (languages := _OF_SMALL_WORD.get(word)) is None and not word.isascii():
        languages = next((_OF_LETTER[one] for one in word if one in _OF_LETTER), None)
    return languages or ()


def _only_language(word: str) -> str:
    """The one language that is written in the letters of a word; "" where there are several."""
    if not word.isascii():
        for letters, language in _WITHOUT_STEMS:
            if letters.search(word):
                return language
    languages = languages_of_script(word)
    return languages[0] if len(languages) == 1 else ""


def languages_of_script(word: str) -> Script:
    """The languages with small words or stems in the letters of a word; the likeliest first."""
    return _languages_of_letter(word[0])


@lru_cache(maxsize=16_384)
def _languages_of_letter(letter: str) -> Script:
    code = ord(letter)
    return next((languages for end, languages in _SCRIPTS if code < end), ())


def languages_by_script(words: Iterable[str]) -> dict[Script, str]:
    """For each script of a text, the language it is in there.

    Args:
        words: of the text, in order, in lower case. The first thousand are looked at.
    """
    counts: dict[Script, Counter[str]] = {}
    for word, times in Counter(islice(words, _LOOKED_AT)).items():
        script = languages_of_script(word)
        if script and (languages := _languages_told(word)):
            found = counts.setdefault(script, Counter())
            for language in languages:
                found[language] += times
    return {script: max(script, key=found.__getitem__) for script, found in counts.items()}


def stem(word: str, language: str = "en") -> str:
    """A word without its ending, its case and its accents; for comparing, not for reading.

    Args:
        word: one of `words`, or as it is written.
        language: an ISO 639-1 code. Where Snowball has no stems of it, endings stay.
    """
    if _IDEOGRAPHS.fullmatch(word):
        return word  # without case, accents and endings
    return _stem(word, language) if len(word) <= LONGEST_RUN else word.casefold()


@lru_cache(maxsize=32_768)
def _stem(word: str, language: str) -> str:
    word = normal(word, "NFKC").lower()
    if language in _SNOWBALL and not any(map(str.isdigit, word)):
        word = _stemmer(language).stemWord(word)
    return without_marks(word).lower()


@lru_cache(maxsize=len(_SNOWBALL))
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(_SNOWBALL[language], 0)
