"""Lexical search in memory: records go in one by one, ranked ids come out."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from turnfold_stores.lazy_numpy import np
from turnfold_stores.protocols import Hit, Ledger, Record, TextSearch
from turnfold_stores.search.terms import alternatives, terms

if TYPE_CHECKING:
    import numpy.typing as npt

# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009): how soon
# a word said again stops counting, and how much long texts are held back.
_K1 = 1.2
_B = 0.75
# Best hits sorted first; few callers read on.
_FIRST = 512


class Bm25:
    """The words of one user's records. Not safe for threads: its owner locks.

    A term's records and counts lie in arrays that only grow, so adding is cheap and scoring is
    some NumPy operations a term. Records that were deleted stay as gaps.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # by id
        self._ids: list[str] = []
        self._alive = bytearray()
        self._lengths = array("I")
        self._where = array("I")  # the conversation's number
        self._conversations: dict[str, int] = {}
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        self._words = 0

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, record_id: str, conversation: str, text: str) -> None:
        """Take in a record; one that is there already stays as it is."""
        if record_id in self._numbers:
            return
        number = len(self._ids)
        said = terms(text)
        self._numbers[record_id] = number
        self._ids.append(record_id)
        self._alive.append(1)
        self._lengths.append(len(said))
        self._where.append(self._conversations.setdefault(conversation, len(self._conversations)))
        self._words += len(said)
        for term, count in Counter(said).items():
            if term not in self._postings:
                self._postings[term] = (array("I"), array("I"))
            records, counts = self._postings[term]
            records.append(number)
            counts.append(count)

    def remove(self, record_id: str) -> None:
        """Forget a record; an unknown id is ignored."""
        number = self._numbers.pop(record_id, None)
        if number is not None:
            self._alive[number] = 0
            self._words -= self._lengths[number]

    def match(self, text: str, *, conversation: str | None = None) -> Iterator[Hit]:
        """Records that share terms with a text, best first. Scores are BM25, above 0."""
        scores = self._scores({term for one in alternatives(text) for term in one})
        good = scores > 0
        good &= np.frombuffer(self._alive, dtype=np.uint8).astype(bool)
        if conversation is not None:
            where = self._conversations.get(conversation, -1)
            good &= np.frombuffer(self._where, dtype=np.uint32).astype(np.int64) == where
        rows = np.flatnonzero(good)
        return self._ranked(rows, scores[rows])

    def _scores(self, asked: set[str]) -> npt.NDArray[np.float64]:
        scores = np.zeros(len(self._ids))
        alive = len(self._numbers)
        if not alive:
            return scores
        lengths = np.frombuffer(self._lengths, dtype=np.uint32)
        mean = self._words / alive or 1.0
        for term in sorted(asked & self._postings.keys()):
            records = np.frombuffer(self._postings[term][0], dtype=np.uint32)
            counts = np.frombuffer(self._postings[term][1], dtype=np.uint32).astype(np.float64)
            # Gaps are counted with the living here: a word's rarity need not be exact.
            among = min(len(records), alive)
            rarity = math.log(1 + (alive - among + 0.5) / (among + 0.5))
            damped = counts + _K1 * (1 - _B + _B * lengths[records] / mean)
            scores[records] += rarity * (_K1 + 1) * counts / damped
        return scores

    def _ranked(self, rows: npt.NDArray[np.intp], scores: npt.NDArray[np.float64]) -> Iterator[Hit]:
        ids, where, names = self._ids, self._where, list(self._conversations)  # they only grow

        def hit(at: np.intp) -> Hit:
            row = rows[at]
            return Hit(ids[row], float(scores[at]), names[where[row]])

        best = np.arange(len(rows))
        if len(rows) > _FIRST:
            least = np.partition(scores, -_FIRST)[-_FIRST]
            best = np.flatnonzero(scores >= least)
        for at in best[np.argsort(-scores[best], kind="stable")]:
            yield hit(at)
        if len(best) < len(rows):
            rest = np.flatnonzero(scores < least)
            for at in rest[np.argsort(-scores[rest], kind="stable")]:
                yield hit(at)


def match_words(
    ledger: Ledger, user_id: str, text: str, *, kind: str, conversation: str | None = None
) -> Iterator[Hit]:
    """`Words.match` of a ledger; where it has none, every record of a kind is read.

    The time that takes grows with all there is: a ledger for more than some thousand records
    declares `Words`.
    """
    if isinstance(ledger, TextSearch):
        return ledger.match(user_id, text, conversation=conversation)
    found = Bm25()
    records: Iterable[Record] = ledger.scan(user_id, kind=kind, conversation=conversation)
    for record in records:
        found.add(record.id, record.conversation, record.text)
    return found.match(text)
