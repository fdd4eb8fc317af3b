"""A word and its language go in; whether it denies comes out.

The words are in `negation.toml`, for the languages in which denials are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from turnfold.language.tables import table
from turnfold.language.words import bare, carries_matter, has_digit, stem

_NEGATIVE_FORM = re.compile(r"un(?!it|i[qvo]|der|til|cle|less)")
_SHORTEST_FORM = 6
# In English, words of what may be read as something else, where there is no negator in it.
_MAY_BE_READ = frozenset("up most least earliest latest but".split())


class Denial(NamedTuple):
    """How a language denies.

    Attributes:
        language: an ISO 639-1 code.
        negators: words that say "not", as `bare` gives them.
        denying: stems of words that deny by what they mean.
        choosing: of these, stems of what prefers one thing to another.
        ending: stems of what ends a thing.
        opposites: for a stem, those of what it says is not so.
        bounds: words that say since, or until, when something is not so.
        conjunctions: what a clause begins with.
        harmless: what only looks like a denial, in whatever case.
        harmless_in_lower: the same in a text in lower case, found sooner.
        whole: whether what stands before a negator is denied as well.
    """

    language: str
    negators: frozenset[str]
    denying: frozenset[str]
    choosing: frozenset[str]
    ending: frozenset[str]
    opposites: dict[str, tuple[str, ...]]
    bounds: frozenset[str]
    conjunctions: frozenset[str]
    harmless: re.Pattern[str]
    harmless_in_lower: re.Pattern[str]
    whole: bool

    def word(self, word: str) -> Word:
        """What a word of the language does in a sentence."""
        return Word(word.lower()) if has_digit(word) else _word(word, self.language)


class Word(NamedTuple):
    """What a word does in a sentence.

    Attributes:
        stem: what it is about; "" for a word that is about nothing.
        negates: whether it is a negator.
        denies: whether it denies by its meaning.
        chooses: whether what stands before it holds, and what stands behind it does not.
        ends: whether it ends a thing: what was said of it before may be retold with a "not".
        opposites: stems of what it says is not so.
        bounds: itself, where it says since or until when something is not so; else "".
        turns: whether it may make a sentence more than a plain statement.
        parts: whether it ends a clause: a conjunction, or a mark.
    """

    stem: str
    negates: bool = False
    denies: bool = False
    chooses: bool = False
    ends: bool = False
    opposites: tuple[str, ...] = ()
    bounds: str = ""
    turns: bool = False
    parts: bool = False


class Words(dict[str, Word]):
    """Tokens of a text, each with what it does; another is looked up where it is asked for."""

    def __init__(self, how: Denial, tokens: Iterable[str]) -> None:
        self._how = how
        super().__init__((token, how.word(token)) for token in tokens)

    def __missing__(self, token: str) -> Word:
        word = self[token] = self._how.word(token)
        return word


@lru_cache(maxsize=32)
def denial_in(language: str) -> Denial | None:
    """How a language denies; None where denials are not compared."""
    words = _words().get(language)
    if words is None:
        return None

    def stems(key: str) -> frozenset[str]:
        return frozenset(stem(word, language) for word in words.get(key, "").split())

    opposites: dict[str, tuple[str, ...]] = {}
    for one in words.get("opposites", "").split():
        word, _, others = one.partition("=")
        opposites[stem(word, language)] = tuple(stem(o, language) for o in others.split("/"))
    harmless = _at_words(words["harmless"])
    return Denial(
        language,
        frozenset(map(bare, words["negators"].split())),
        stems("denying"),
        stems("choosing"),
        stems("ending"),
        opposites,
        frozenset(map(bare, words["bounds"].split())),
        frozenset(words["conjunctions"].split()),
        re.compile(harmless, re.IGNORECASE),
        re.compile(harmless),
        bool(words.get("whole")),
    )


def _at_words(phrases: Iterable[str]) -> str:
    """A pattern for any of some phrases, at the beginning of a word.

    Each begins with a letter, and the letter stands first: so `re` looks at no other places.
    """
    by_letter: dict[str, list[str]] = {}
    for phrase in phrases:
        by_letter.setdefault(phrase[0], []).append(phrase[1:])
    return "|".join(
        rf"{letter}(?<!\w{letter})(?:{'|'.join(rest)})" for letter, rest in by_letter.items()
    )


@lru_cache(maxsize=32_768)
def _word(word: str, language: str) -> Word:
    how = denial_in(language)
    if how is None:
        return Word("")
    low, short = bare(word), stem(word, language)
    negates = low in how.negators or low.endswith("n't") or low.startswith("n'")
    denies = short in how.denying
    opposites = how.opposites.get(short, ())
    turns = language == "en" and low in _MAY_BE_READ
    if language == "en":
        denies |= low.endswith("less")
        is_long = len(low) > _SHORTEST_FORM
        if is_long and low.startswith("un") and _NEGATIVE_FORM.match(low):  # "untouched"
            denies, opposites = True, (stem(low[2:]),)
    ends = short in how.ending
    about = not negates and carries_matter(word, language)
    return Word(
        short if about else "",
        negates,
        denies,
        short in how.choosing,
        ends,
        opposites,
        low if low in how.bounds else "",
        turns or negates or denies or ends or bool(opposites),
        low in how.conjunctions or not word[:1].isalnum(),
    )


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, Any]]:
    return table("language/negation.toml")
