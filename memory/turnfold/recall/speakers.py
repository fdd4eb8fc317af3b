"""An opening and messages go in; which of two people who talk the opening asks about comes out.

In a talk between people a question names one of them, and it is the other who says that name:
"Thanks, Ada!" stands in what Ada was told. So its words lead to the wrong side of the talk, the
more so the more is looked for. Who is called so, the messages themselves say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
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


def asked_about(query: str, messages: Sequence[Candidate]) -> str | None:
    """The side of a talk that a query names: "user" or "assistant"; None for none, or for both.

    Args:
        query: what is looked for.
        messages: what was said.
    """
    sides = {_OTHER[by] for by in _naming(query, messages)}
    return sides.pop() if len(sides) == 1 else None


def said_by(side: str | None, messages: Sequence[Candidate], weight: float) -> Floats:
    """How much more each message counts for who said it; shape (messages,)."""
    return np.array([weight if one.source == side else 1.0 for one in messages])


def _naming(query: str, messages: Sequence[Candidate]) -> Iterator[str]:
    """For each name in a query, the side of the talk that surely speaks to the other by it."""
    of_side = Counter(one.source for one in messages)
    spoken = Counter((one.source, name) for one in messages for name in one.spoken_to)
    for (by, name), often in spoken.items():
        if by not in _OTHER or often < max(_LEAST, _OF_SIDE * of_side[by]):
            continue
        if _has(query, name):
            said = Counter(one.source for one in messages if _has(one.text, name))
            if often >= _AS_NAME * said[by] and said[by] >= _ONE_SIDED * said.total():
                yield by


def _may_be_name(word: str) -> bool:
    """Whether a word has the length of a name and, where its script has them, a capital."""
    return len(word) in _LETTERS_OF_NAME and word[0].isalpha() and not word[0].islower()


def _has(text: str, name: str) -> bool:
    """Whether a name stands in a text, as a word where its script has blanks between them."""
    at = text.find(name)
    if at < 0 or name[0].lower() == name[0]:
        return at >= 0
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text[at:]) is not None
