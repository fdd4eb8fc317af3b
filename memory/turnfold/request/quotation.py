"""Texts of strangers go in; out comes a quotation that none of them can close or speak out of.

What others wrote is shown to a model in two places, in the memory block of a request and in what
a summarizer is asked, and both are built alike. A block stands between marks with a digest of
what they enclose, which no text inside can hold. A label in it, which says where a text is from
and who said it, carries a mark that none of the texts holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from turnfold_stores.search.scanning import normal

from turnfold.history.exchanges import digest

# Characters that pass for an opening angle bracket, for a slash, and for letters of our marks.
_BRACKETS = "<＜﹤‹〈〈⟨❮❬❰《⟪«˂ᐸ⧼≺"
_PASSES_FOR = str.maketrans("мМеЕоОгГрРуУүοΟΕΜϒγ／∕⁄╱⧸тТτΤп", "mmeeoorrppyyyooemyy/////ttttn")
# Letters that show nothing.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u180e")
_UNSEEN = dict.fromkeys([*range(0x21), 0x7F])  # of ASCII
# A bracket, and what stands up to the next one: its word may begin behind what cannot be seen.
_OPENED = re.compile(f"[{re.escape(_BRACKETS)}]([^{re.escape(_BRACKETS)}]{{0,80}})")
_MEMORY = re.compile(r"/*memory")
# The attribute of a turn stands right behind its name, since blanks do not show.
_TURN = re.compile(r"/*(?:memory|turns?(?!\w)|turnn=)")

# What no mark of ours begins with, nor what cannot be seen: "" for the end of the text.
_HARMLESS = frozenset({"", *"abcdefghijklnopqrsuvwxyzABCDEFGHIJKLNOPQRSUVWXYZ0123456789=-_.,:;$%&"})

# What could start a new line or turn the direction of writing in what is one line of ours.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
# Characters of the mark of a label, at the least.
_LEAST_MARK = 3


def quote(text: str, *, turns: bool = False) -> str:
    """A text without anything that a reader could take for a mark of a block of ours.

    The marks carry a digest that no text inside can hold, so nothing can close a block; this is
    for readers who are easily deceived. Only the bracket is changed, to one that opens nothing.

    Args:
        text: what someone said.
        turns: whether it is to stand between the marks of a turn.
    """
    ours = _TURN if turns else _MEMORY

    def defused(found: re.Match[str]) -> str:
        ahead = found.group(1)
        first = ahead.lstrip(" /")[:1]
        if first in _HARMLESS:  # most brackets are, and a skeleton takes time
            return found.group()
        return "[" + ahead if ours.match(_skeleton(ahead)) else found.group()

    return _OPENED.sub(defused, text)


def memory_block(note: str, content: str) -> str:
    """Content in a quotation whose closing mark it cannot contain.

    The mark carries a digest of the content, so a text would have to hold its own hash.

    """
    content = quote(content)
    mark = digest(note, content)[:8]
    return f"<memory-{mark}>\n{note}\n\n{content}\n</memory-{mark}>"


def mark_for(texts: Iterable[str]) -> str:
    """As little of the digest of texts as stands in none of them, however it is written.

    A label that begins with it cannot be forged by any of the texts.
    """
    texts = tuple(texts)
    whole = digest(*texts)
    said = "\n".join(texts)
    if not said.isascii():
        said += _skeleton(said)
    said = said.casefold()
    return next((whole[:n] for n in range(_LEAST_MARK, len(whole)) if whole[:n] not in said), whole)


def one_line(text: str) -> str:
    """A text without anything that could begin a line of its own."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _skeleton(text: str) -> str:
    """What a text looks like at a glance: compatible forms, nothing invisible, no case."""
    if text.isascii():
        return text.translate(_UNSEEN).casefold()
    return "".join(map(_look, normal(text, "NFKC")))


@lru_cache(maxsize=8_192)
def _look(character: str) -> str:
    if character in _FILLERS or unicodedata.category(character)[0] in "CMZ":
        return ""
    return character.translate(_PASSES_FOR).casefold()
