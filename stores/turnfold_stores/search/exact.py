"""Exact nearest neighbours of one user in one NumPy array."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from turnfold_stores.errors import StoreError
from turnfold_stores.process.fork import multiplying
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.records.vectors import checked, unit

# Readers seldom take more; sorting these alone is several times faster than sorting all. Of who
# does, the next band is so many times as wide.
_FIRST = 128
_WIDER = 8
_NO_CONVERSATION = -1
# Of an id: the text, and its place in a dict and in a list.
_ID_BYTES = 250


class ExactVectors:
    """The vectors of one user: an array that grows by doubling, searched whole.

    Safe to share among threads: scores are taken under a lock, and hits are read from them
    without one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._matrix: Vector | None = None
        self._codes: dict[str, int] = {}
        self._names: list[str] = []  # of conversations, by their codes; only grows
        self._conversations: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def ids(self) -> set[str]:
        """Every id there is."""
        with self._lock:
            return set(self._rows)

    def hold(self) -> None:
        """Let no one in until `let_go`: around a fork."""
        self._lock.acquire()

    def let_go(self) -> None:
        """See `hold`."""
        self._lock.release()

    @property
    def nbytes(self) -> int:
        """What is held in memory, in bytes, roughly."""
        array = 0 if self._matrix is None else self._matrix.nbytes
        return array + _ID_BYTES * len(self._ids)

    def put(self, entries: Iterable[Entry]) -> None:
        """Insert or replace, all or none.

        Raises:
            StoreError: as `checked`.
        """
        with self._lock:
            dimension = None if self._matrix is None else self._matrix.shape[1]
            wanted = checked(entries, dimension=dimension)
            if not wanted:
                return
            self._make_room(len(self._ids) + len(wanted), wanted[0].vector.size)
            assert self._matrix is not None
            rows = []
            for entry in wanted:
                row = self._rows.setdefault(entry.id, len(self._ids))
                if row == len(self._ids):
                    self._ids.append(entry.id)
                rows.append(row)
            self._matrix[rows] = np.stack([entry.vector for entry in wanted])
            self._conversations[rows] = [self._code_of(entry.conversation) for entry in wanted]

    def extend(self, ids: Sequence[str], conversations: Sequence[str], rows: Vector) -> None:
        """Append what was written by `put` before, unchecked: ids that are new, unit vectors.

        Three times faster than `put`, for an index that is loaded whole.

        Args:
            ids: none of which is there, nor twice.
            conversations: of each.
            rows: float32, shape (len(ids), dimension), of unit length.
        """
        with self._lock:
            start = len(self._ids)
            self._make_room(start + len(ids), rows.shape[1])
            assert self._matrix is not None
            self._matrix[start : start + len(ids)] = rows
            self._rows.update(zip(ids, range(start, start + len(ids)), strict=True))
            self._ids.extend(ids)
            codes = list(map(self._code_of, conversations))
            self._conversations[start : start + len(ids)] = codes

    def _code_of(self, conversation: str) -> int:
        if conversation not in self._codes:
            self._codes[conversation] = len(self._names)
            self._names.append(conversation)
        return self._codes[conversation]

    def _make_room(self, wanted: int, dimension: int) -> None:
        if self._matrix is not None and wanted <= len(self._matrix):
            return
        there = len(self._ids)
        # A first load is exact: it may be all there ever is.
        room = max(wanted, 2 * there, 16)
        matrix = np.empty((room, dimension), dtype=np.float32)
        conversations = np.full(room, _NO_CONVERSATION, dtype=np.int64)
        if self._matrix is not None:
            matrix[:there] = self._matrix[:there]
            conversations[:there] = self._conversations[:there]
        self._matrix, self._conversations = matrix, conversations

    def delete(self, ids: Iterable[str]) -> None:
        """Remove; unknown ids are ignored."""
        with self._lock:
            gone = {self._rows[entry_id] for entry_id in ids if entry_id in self._rows}
            if not gone or self._matrix is None:
                return
            keep = [row for row in range(len(self._ids)) if row not in gone]
            # A new list: readers of `nearest` still hold the old one.
            self._ids = [self._ids[row] for row in keep]
            self._rows = {entry_id: row for row, entry_id in enumerate(self._ids)}
            self._matrix = self._matrix[keep] if keep else None
            self._conversations = self._conversations[keep]

    def nearest(self, vector: Vector, *, conversation: str | None = None) -> Iterator[Hit]:
        """Hits by cosine similarity, best first; of equals, the first written.

        Raises:
            StoreError: the vector has no direction, or another dimension than the user's.
        """
        query = unit(vector, what="the query vector")
        with self._lock:
            count, ids, names = len(self._ids), self._ids, self._names
            if self._matrix is None:
                return
            if query.size != self._matrix.shape[1]:
                raise StoreError(
                    f"the query vector has {query.size} numbers where the stored ones have "
                    f"{self._matrix.shape[1]}: it comes from another embedding model"
                )
            if conversation is None:
                with multiplying:
                    scores = self._matrix[:count] @ query
                codes = self._conversations[:count]
            else:
                code = self._codes.get(conversation, _NO_CONVERSATION - 1)
                rows = np.flatnonzero(self._conversations[:count] == code)
                with multiplying:
                    scores = self._matrix[rows] @ query
                ids = [ids[row] for row in rows.tolist()]
                codes = self._conversations[rows]
        for position, score in _best_first(scores):
            yield Hit(ids[position], score, names[codes[position]])


def _best_first(scores: Vector) -> Iterator[tuple[int, float]]:
    """Positions and scores, by falling score; of equals, the first.

    They are sorted band by band, each `_WIDER` times as far down as the one before, so that who
    reads a thousand of a million does not have the million sorted.
    """
    wanted, above = _FIRST, np.inf
    while True:
        last = 2 * wanted >= len(scores)
        least = -np.inf if last else np.partition(scores, -wanted)[-wanted]
        band = np.flatnonzero((scores >= least) & (scores < above))
        band = band[np.argsort(-scores[band], kind="stable")]
        yield from zip(band.tolist(), scores[band].tolist(), strict=True)
        if last:
            return
        wanted, above = _WIDER * wanted, least
