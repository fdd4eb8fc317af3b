"""An opening and messages go in; which of two people who talk the opening asks about comes out.

In a talk between people a question names one of them, and it is the other who says that name:
"Thanks, Ada!" stands in what Ada was told. So its words lead to the wrong side of the talk, the
more so the more is looked for. Who is called so, the messages themselves say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from turnfold_stores.lazy_numpy import np
from turnfold_stores.search.scanning import WORD

if TYPE_CHECKING:
    from turnfold.recall.ranking import Candidate, Floats

# Characters of a message, from its start, in which somebody is spoken to by name.
_SALUTATION = 80
# What ends the part of a sentence whose last word may be a name: "Hey Ada! ", "谢谢，小明。".
_MARKS = re.compile(r"[!,.?…:;\n、。！？，：；،؟؛।]+")
_LETTERS_OF_NAME = range(2, 25)
# Of the messages of one side, the share that has to speak to the other by a name, and how many
# there must be of them; which share they are of all with that name; and which part of those the
# side has. Hardly anyone says their own name, and who is talked about is named on both sides.
_OF_SIDE = 0.04
_LEAST = 4
_AS_NAME = 0.5
_ONE_SIDED = 0.9
_OTHER = {"user": "assistant", "assistant": "user"}


def spoken_to(text: str) -> frozenset[str]:
    """The words of a message by which it may speak to somebody; most are no names."""
    last = (WORD.findall(part)[-1:] for part in _MARKS.split(text[:_SALUTATION]))
    return frozenset(one for (one,) in filter(None, last) if _may_be_name(one))


@dataclass(frozen=True, slots=True)
class Named:
    """Who of two people who talk a query names.

    Attributes:
        side: "user" or "assistant".
        rest: the query without the name.
    """

    side: str
    rest: str


def asked_about(query: str, messages: Sequence[Candidate]) -> Named | None:
    """Whom of two people who talk a query names; None for nobody, or for both.

    Args:
        query: what is looked for.
        messages: what was said.
    """
    names = dict(_naming(query, messages))
    if len(set(names.values())) != 1:
        return None
    rest = query
    for name in sorted(names, key=len, reverse=True):
        rest = _pattern(name).sub(" ", rest)
    return Named(_OTHER[next(iter(names.values()))], " ".join(rest.split()))


def said_by(named: Named | None, messages: Sequence[Candidate], weight: float) -> Floats:
    """How much more each message counts for who said it; shape (messages,)."""
    side = named.side if named else None
    return np.array([weight if one.source == side else 1.0 for one in messages])


def _naming(query: str, messages: Sequence[Candidate]) -> Iterator[tuple[str, str]]:
    """Names in a query, each with the side of the talk that surely speaks to the other by it."""
    of_side = Counter(one.source for one in messages)
    spoken = Counter((one.source, name) for one in messages for name in one.spoken_to)
    for (by, name), often in spoken.items():
        if by not in _OTHER or often < max(_LEAST, _OF_SIDE * of_side[by]):
            continue
        if _has(query, name):
            said = Counter(one.source for one in messages if _has(one.text, name))
            if often >= _AS_NAME * said[by] and said[by] >= _ONE_SIDED * said.total():
                yield name, by


def _may_be_name(word: str) -> bool:
    """Whether a word has the length of a name and, where its script has them, a capital."""
    return len(word) in _LETTERS_OF_NAME and word[0].isalpha() and not word[0].islower()


def _has(text: str, name: str) -> bool:
    return name in text and _pattern(name).search(text) is not None


@lru_cache(maxsize=1_024)
def _pattern(name: str) -> re.Pattern[str]:
    """What a name is found by: as a word, where its script has blanks between them."""
    if name[0].lower() == name[0]:
        return re.compile(re.escape(name))
    return re.compile(rf"(?<!\w){re.escape(name)}(?:['’]s)?(?!\w)")
