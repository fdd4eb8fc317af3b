"""Exchanges go in as passages; a query goes in, and the passages that bear on it come out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from turnfold_stores import Hit, Record, Store, Vector

from turnfold.speech import utterances
from turnfold.tokens import CountText
from turnfold.transcript import Exchange

# all-MiniLM-L6-v2 reads 256 word pieces, two of them marks of its own, and drops the rest
# without a word. Pieces are estimated, so the limit leaves room.
_PIECES = 200
_COMMON = 7  # letters up to which a word is taken for a common one
_VOWELS = frozenset("aeiouyAEIOUY")
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s+"))
# Hits looked at before recall gives up filling its budget.
_MOST_HITS = 400
_BATCH = 50
# Words around a passage when it is rendered: its label and the line break.
_LABEL_TOKENS = 10


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an exchange no longer than the embedding model really reads.

    Attributes:
        id: `content_id:number`.
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
        """The passage as it was stored."""
        body = record.body
        return cls(record.id, body["content"], body["source"], record.text, body["turn"])


@dataclass(frozen=True, slots=True)
class Found:
    """A passage brought back: the turn it is from (0: another conversation) and its score."""

    passage: Passage
    turn: int
    score: float


def passages_of(exchange: Exchange, turn: int) -> list[Passage]:
    """An exchange cut into passages, in order; `turn` is its number, from 1."""
    pieces = [
        (said.source, piece) for said in utterances(exchange.messages) for piece in split(said.text)
    ]
    return [
        Passage(f"{exchange.content_id}:{number}", exchange.content_id, source, piece, turn)
        for number, (source, piece) in enumerate(pieces)
    ]


def word_pieces(text: str) -> int:
    """About how many pieces a WordPiece tokenizer makes of a text, rather too many than few.

    Common words are one piece, long ones one for some three letters; of digits and of what
    looks like no word (an id, a hash) about every character is one; Hangul falls apart into
    its letters. Random strings of letters that look like words are beyond it.
    """
    return sum(_pieces(word) for word in _WORD.findall(text))


def _pieces(word: str) -> int:
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
    return [part.strip() for part in _pack(text, limit, 0) if part.strip()]


def _pack(text: str, limit: int, level: int) -> list[str]:
    if word_pieces(text) <= limit:
        return [text]
    if level == len(_BREAKS):
        return _hard_cut(text, limit)
    parts: list[str] = []
    run_start, run_end, run_size = 0, 0, 0
    for start, end in _segments(text, _BREAKS[level]):
        size = word_pieces(text[start:end])
        if run_size and run_size + size > limit:
            parts += _pack(text[run_start:run_end], limit, level + 1)
            run_start, run_size = start, 0
        run_size += size
        run_end = end
    return parts + _pack(text[run_start:run_end], limit, level + 1)


def _segments(text: str, breaks: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in breaks.finditer(text):
        yield start, gap.end()
        start = gap.end()
    yield start, len(text)


def _hard_cut(text: str, limit: int) -> list[str]:
    parts, start, size = [], 0, 0
    for word in re.finditer(r"\S{1,200}\s*", text):
        cost = word_pieces(word.group())
        if size and size + cost > limit:
            parts.append(text[start : word.start()])
            start, size = word.start(), 0
        size += cost
    return [*parts, text[start:]]


def find(
    store: Store,
    vector: Vector,
    *,
    user_id: str,
    conversation: str | None,
    turn_of: Callable[[Record], int | None],
    shown: Collection[str],
    floor: float,
    budget: int,
    count: CountText,
) -> list[Found]:
    """The passages nearest to a query that fit a budget, in the order they were said.

    Args:
        store: where passages and vectors are.
        vector: the query, unit length.
        user_id: whose memory.
        conversation: only from this one; None for all of the user's.
        turn_of: the exchange number of a stored passage, 0 if it is from another conversation,
            None if it may not be recalled: it is in the window, or on a dead branch.
        shown: ids of passages that stand in the request already.
        floor: least cosine similarity.
        budget: tokens to spend.
        count: counts tokens.
    """
    found: list[Found] = []
    texts: set[str] = set()
    hits = iter(store.index.nearest(user_id, vector, conversation=conversation))
    for batch in _batches(hits):
        good = [hit for hit in batch if hit.score >= floor and hit.id not in shown]
        records = store.ledger.get(user_id, [hit.id for hit in good])
        for hit in good:
            record = records.get(hit.id)
            turn = turn_of(record) if record is not None else None
            if record is None or turn is None or record.text in texts:
                continue
            passage = Passage.from_record(record)
            cost = count(passage.text) + _LABEL_TOKENS
            if cost > budget:
                continue
            budget -= cost
            texts.add(passage.text)
            found.append(Found(passage, turn, hit.score))
        if len(good) < len(batch) and batch[-1].score < floor:
            break
        if budget < _LABEL_TOKENS * 2:
            break
    return sorted(found, key=lambda one: (one.turn, _number(one.passage.id)))


def _batches(hits: Iterator[Hit]) -> Iterator[Sequence[Hit]]:
    for _ in range(_MOST_HITS // _BATCH):
        batch = list(islice(hits, _BATCH))
        if not batch:
            return
        yield batch


def _number(passage_id: str) -> int:
    return int(passage_id.rpartition(":")[2])
