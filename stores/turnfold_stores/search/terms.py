"""A text goes in; the words that count when it is searched by words come out."""

from __future__ import annotations

import re

from turnfold_stores.search.scanning import LONGEST_RUN, stretches, without_marks

# What English sentences are held together with. It stands in nearly every record, so it tells
# none from another, and a search that leaves it out reads a fraction of the index.
_SAID_STOP_WORDS = (
    "a about after all also am an and any are as at be because been before being but by can "
    "could did do does doing done for from get got had has have having he her here him his how "
    "i if in into is it its just like many may me might more most must my no nor not now of off on "
    "only or our out over own s same she should so some such t than that the their them then "
    "there these they this those through to too up us very was we were what when where which "
    "while who whom why will with would you your yours d ll m re ve"
)
STOP_WORDS = frozenset(_SAID_STOP_WORDS.split())
_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 3
_AT_ONCE = 32_768
# An ending, what takes its place, and how long the rest must be at the least.
_ENDINGS = (
    ("ingly", "", 4),
    ("edly", "", 4),
    ("ing", "", 3),
    ("ies", "y", 2),
    ("ied", "y", 2),
    ("ed", "", 3),
    ("es", "", 3),
    ("ly", "", 3),
    ("s", "", 3),
)
_LAST = frozenset(ending[-1] for ending, _, _ in _ENDINGS)
_KEPT_DOUBLE = "lsz"


def words(text: str) -> list[str]:
    """The words of a text in order, without case and accents."""
    return [
        word
        for stretch in stretches(text, _AT_ONCE)
        for word in _WORD.findall(without_marks(stretch).lower())
    ]


def terms(text: str) -> list[str]:
    """The words of a text that tell it from others, cut to their stems.

    A text of nothing but stop words keeps them: better a poor search than none.
    """
    said = words(text)
    return [stem(word) for word in said if word not in STOP_WORDS] or said


def stem(word: str) -> str:
    """An English word without its ending; others are mostly left alone.

    Coarser than Porter's, and much faster where every word of every text passes through it:
    all it must do is treat "paint", "paints", "painted" and "painting" alike.
    """
    if not _SHORTEST < len(word) <= LONGEST_RUN or not word.isascii() or not word.isalpha():
        return word
    for ending, instead, least in _ENDINGS if word[-1] in _LAST else ():
        if word.endswith(ending) and len(word) - len(ending) >= least:
            if ending == "s" and word[-2] in "su":
                break
            word = word[: -len(ending)] + instead
            break
    if len(word) > _SHORTEST and word[-1] == word[-2] and word[-1] not in _KEPT_DOUBLE:
        word = word[:-1]
    return word[:-1] if len(word) > _SHORTEST and word.endswith("e") else word
