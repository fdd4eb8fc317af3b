"""An exchange goes in; the passages it is indexed by come out."""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from turnfold_stores import Record
from turnfold_stores.records.fields import DamagedError, Fields
from turnfold_stores.search.scanning import LONGEST_RUN

from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import utterances

# all-MiniLM-L6-v2 reads 256 word pieces, two of them marks of its own, and drops the rest
# without a word. Pieces are estimated, so the limit leaves room.
_PIECES = 200
_COMMON = 7  # letters up to which a word is taken for a common one
_VOWELS = frozenset("aeiouyAEIOUY")
_WORD = re.compile(rf"[^\W_]{{1,{LONGEST_RUN}}}|(?:[^\w\s]|_){{1,{LONGEST_RUN}}}")
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s+"))
_UNIT = re.compile(r"\S{1,200}\s*")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an exchange no longer than the embedding model really reads.

    Attributes:
        id: `content_id:said.piece`: of the exchange's utterances the which, and of its pieces;
            `content_id:said` for an utterance that is brought back whole.
        content_id: the exchange it is a piece of.
        source: who said it: "user", "assistant", "tool" or "document".
        text: verbatim.
        turn: number of the exchange in its conversation, from 1.
    """

    id: str
    content_id: str
    source: str
    text: str
    turn: int

    def to_record(self, conversation: str, at: float) -> Record:
        """The passage as stored."""
        body = {"content": self.content_id, "source": self.source, "turn": self.turn}
        return Record(self.id, "passage", conversation, body, self.text, at)

    @classmethod
    def from_record(cls, record: Record) -> Passage:
        """The passage as it was stored.

        Raises:
            DamagedError: it is none.
        """
        fields = Fields(record.body)
        content, _, _ = place_of(record.id)
        if fields.text("content", content) != content:
            raise DamagedError(f"it is no piece of {content!r}")
        source, turn = fields.text("source", "document"), fields.whole("turn")
        return cls(record.id, content, source, record.text, turn)


@dataclass(frozen=True, slots=True)
class RecalledPassage:
    """A passage brought back.

    Attributes:
        passage: what was said.
        turn: number of the exchange it is from; 0 for another conversation.
        score: how much it bears on the opening; comparable within one turn only.
        day: the user's day on which it was said; None for today, or unknown.
    """

    passage: Passage
    turn: int
    score: float
    day: date | None = None


def passages_of(exchange: Exchange, turn: int) -> list[Passage]:
    """An exchange cut into passages, in order; `turn` is its number, from 1."""
    content_id = exchange.content_id
    return [
        Passage(f"{content_id}:{number}.{k}", content_id, said.source, piece, turn)
        for number, said in enumerate(utterances(exchange.messages))
        for k, piece in enumerate(split(said.text))
    ]


def place_of(passage_id: str) -> tuple[str, int, int | None]:
    """The exchange a passage id names, which of its utterances, and which piece of that.

    The piece is None for an utterance as a whole.
    """
    content_id, _, place = passage_id.rpartition(":")
    number, _, piece = place.partition(".")
    return content_id, int(number), int(piece) if piece else None


def content_of(passage_id: str) -> str:
    """The exchange a passage id names."""
    return passage_id.rpartition(":")[0]


# Speech repeats its words: most are counted once a process.
@lru_cache(maxsize=50_000)
def _pieces(word: str) -> int:
    """About how many pieces a WordPiece tokenizer makes of a word, rather too many than few.

    Common words are one piece, long ones one for some three letters; of digits and of what
    looks like no word (an id, a hash) about every character is one; Hangul falls apart into
    its letters. Random strings of letters that look like words are beyond it.
    """
    if not word[0].isalnum():
        return len(word)
    if not word.isascii():
        return len(unicodedata.normalize("NFD", word))
    if word.isalpha() and not _VOWELS.isdisjoint(word):
        return 1 if len(word) <= _COMMON else (len(word) + 2) // 3
    return len(word)


def split(text: str, limit: int = _PIECES) -> list[str]:
    """Cut a text into runs of at most `limit` word pieces, at the widest breaks that do.

    Paragraphs before lines, lines before sentences, sentences before words. Nothing but white
    space at the cuts is lost.
    """
    cutter = _Cutter(text, limit)
    parts = (text[start:end].strip() for start, end in cutter.pack(0, len(text), 0))
    return [part for part in parts if part]


class _Cutter:
    """A text whose word pieces are counted once, however often it is asked for them."""

    def __init__(self, text: str, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._starts = array("L")  # of words
        self._before = array("L", [0])  # pieces up to each word
        before = 0
        for word in _WORD.finditer(text):
            before += _pieces(word.group())
            self._starts.append(word.start())
            self._before.append(before)

    def _size(self, start: int, end: int) -> int:
        """Word pieces from one place to another; a word counts where it begins."""
        starts = self._starts
        return self._before[bisect_left(starts, end)] - self._before[bisect_left(starts, start)]

    def pack(self, start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
        """Runs that fit, in order, from one place to another."""
        if self._size(start, end) <= self._limit:
            yield start, end
            return
        hard = level == len(_BREAKS)
        run, size = start, 0
        for at, after in self._words(start, end) if hard else self._segments(start, end, level):
            more = self._size(at, after)
            if size and size + more > self._limit:
                yield from [(run, at)] if hard else self.pack(run, at, level + 1)
                run, size = at, 0
            size += more
        yield from [(run, end)] if hard else self.pack(run, end, level + 1)

    def _segments(self, start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
        for gap in _BREAKS[level].finditer(self._text, start, end):
            yield start, gap.end()
            start = gap.end()
        yield start, end

    def _words(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        return (word.span() for word in _UNIT.finditer(self._text, start, end))
