"""An opening goes in; what it asks of the past comes out: what to look for, and how much."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from turnfold_stores import terms, words
from turnfold_stores.search.terms import count_words, is_pair, terms_of

from turnfold.recall.openings import (
    asks_of_assistant,
    is_asking,
    is_small_talk,
    points_back,
    says_how_to_answer,
    telling_words_of,
)

_QUESTION_MARKS = frozenset("?？؟⸮")
_MANNER_MARKS = re.compile(r"[,:;()\[\]–—\n，、：；（）،؛]|\s-\s|(?<=[.!?…؟।։])\s|(?<=[。！？])")
_OPENING = frozenset("([（")
# Characters at each end of an opening in which such parts are looked for.
_EDGE = 1_000
# Words of an opening that are looked for; of a long one its two ends, where people say what
# they want. all-MiniLM-L6-v2 reads about twice as many word pieces and drops the rest.
_MOST_WORDS = 160
_CONTEXT_WORDS = 60
# Letters of a word, on the average: what has no blanks is looked for by its two ends as well.
_MOST_LETTERS = 20
# Characters from which on a text tells its language surely, and pointing words are a few of many.
_LONG = 1_000
# Telling words up to which an opening is taken to name nothing itself: one that points back or
# goes on with "and", and one that is this short.
_BARE_POINTING = 2
_BARE = 1
_BRIEF = 5


@dataclass(frozen=True, slots=True)
class RecallQuery:
    """What an opening asks of the past.

    Attributes:
        query: what to look for: the opening, and what it follows up on where it names nothing.
        terms: of the telling words of it; of each a text has one at the most.
        named: how many telling words those are.
        asks: whether it is a question or a request.
        words: how long the opening itself is.
        of_assistant: whether it asks for what the assistant said.
        own: the opening alone, where `query` has what it may follow up on before it; else "".
    """

    query: str
    terms: frozenset[str]
    named: int
    asks: bool
    words: int
    of_assistant: bool = False
    own: str = ""


def read_opening(opening: str, earlier: Sequence[str] = ()) -> RecallQuery | None:
    """Read an opening; None for small talk.

    Args:
        opening: its text.
        earlier: the openings before it, newest first, for what a follow-up follows up on.
    """
    asks = is_asking(opening)
    opening = without_manner(opening)
    named = _named(opening)
    asks = asks or is_asking(opening)
    if not (asks or named) or is_small_talk(opening):
        return None
    query = _ends(opening)
    own = query if named else ""
    length = count_words(opening)
    if asks and _is_bare(opening, named, length):
        for text in map(without_manner, earlier):
            context = _named(text)
            query = f"{_ends(text, _CONTEXT_WORDS)}\n{query}"
            named |= context
            if not _is_bare(text, context, count_words(text)):
                break
    if not named:
        return None
    return RecallQuery(
        query,
        frozenset(chain.from_iterable(named)),
        len(named),
        asks,
        length,
        asks_of_assistant(opening),
        own if own != query else "",
    )


def read_step(doing: str) -> RecallQuery | None:
    """Read what an assistant is at, its words and its calls; None where that names nothing."""
    named = _named(doing)
    if not named:
        return None
    terms = frozenset(chain.from_iterable(named))
    return RecallQuery(_ends(doing), terms, len(named), True, count_words(doing))


_Named: TypeAlias = frozenset[tuple[str, ...]]


def _is_bare(text: str, named: _Named, length: int) -> bool:
    """Whether an opening names too little to be looked for by itself."""
    # A pair of letters is half a word.
    telling = sum(0.5 if is_pair(one[0]) else 1.0 for one in named)
    if telling <= _BARE_POINTING and points_back(text):
        return True
    return not named or (telling <= _BARE and length <= _BRIEF)


def without_manner(opening: str) -> str:
    """An opening without the parts that only say how to answer; all of it if that is all."""
    if len(opening) <= 2 * _EDGE:
        return _without_manner(opening) or opening
    head, middle, tail = opening[:_EDGE], opening[_EDGE:-_EDGE], opening[-_EDGE:]
    return f"{_without_manner(head)}{middle}{_without_manner(tail)}"


def _without_manner(text: str) -> str:
    kept: list[str] = []  # parts, each followed by its mark
    asked = ""
    start = 0
    for mark in _MANNER_MARKS.finditer(text):
        kept += text[start : mark.start()], mark.group()
        start = mark.end()
    kept += text[start:], ""
    manner = [at for at in range(0, len(kept), 2) if says_how_to_answer(kept[at], text)]
    if not manner:
        return text
    for at in manner:
        # The question mark behind "in a few words?" is that of the question.
        asked = asked or next((c for c in kept[at] if c in _QUESTION_MARKS), "")
        kept[at] = kept[at + 1] = ""
        if at and kept[at - 1] in _OPENING:
            kept[at - 1] = ""
    rest = "".join(kept).strip(" \n,:–—-，、：；،؛")
    if not is_asking(rest):  # in Greek a semicolon asks
        rest = rest.strip(" ;")
    if not words(rest):
        return ""
    return rest if is_asking(rest) else rest + asked


def recall_probability(asked: RecallQuery, texts: Collection[str]) -> float:
    """How likely it is that an opening wants something said before: 0 to 1.

    A short question whose words stand together in one message of the past does; a long
    statement that brings its own details does not. The weights were fitted (logistic
    regression) to tell questions about the past from ordinary turns; docs/recall.md says on
    what, and how well they do on others.

    Args:
        asked: the opening.
        texts: the messages that share most words with it.
    """
    covered = max((_covered(asked, text) for text in texts), default=0.0)
    odds = (
        _WEIGHTS["bias"]
        + _WEIGHTS["asks"] * asked.asks
        + _WEIGHTS["words"] * math.log(asked.words + 5)
        + _WEIGHTS["covered"] * covered
    )
    return 1 / (1 + math.exp(-odds))


def _covered(asked: RecallQuery, text: str) -> float:
    """`coverage`, but for a text that adds nothing: "thanks!" asks for no other "thanks!"."""
    if not asked.asks and asked.terms.issuperset(terms(text)):
        return 0.0
    return coverage(asked, text)


_WEIGHTS = {"bias": 3.7, "asks": 7.2, "words": -4.2, "covered": 7.3}


def coverage(asked: RecallQuery, text: str) -> float:
    """Which share of the words asked for a text has: 0 to 1, low where few are asked for."""
    return len(asked.terms.intersection(terms(text))) / (asked.named + 1)


def _named(text: str) -> _Named:
    if len(text) > _LONG:
        return frozenset((term,) for term in terms(text))
    return frozenset(map(terms_of, telling_words_of(text)))


def _ends(text: str, most: int = _MOST_WORDS) -> str:
    said = text.split()
    if len(said) > most:
        text = " ".join([*said[: most // 2], *said[-most // 2 :]])
    if len(text) <= most * _MOST_LETTERS:
        return text
    half = most * _MOST_LETTERS // 2
    return f"{text[:half]} {text[-half:]}"
