"""The index of a store, made to hold what the ledger holds: nothing is embedded for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.protocols import Entry, Record
from turnfold_stores.records.vectors import VECTOR_KIND, entry_id_of, entry_of
from turnfold_stores.soundness import SelfCheckingIndex

if TYPE_CHECKING:
    from turnfold_stores.store import Store

_MEND_BATCH = 512


@dataclass(frozen=True, slots=True)
class Mended:
    """What `Store.mend` did. Both are numbers of index entries.

    Attributes:
        added: entries the ledger had and the index lacked.
        removed: entries the index had and the ledger did not.
        unfit: vectors of the ledger that are of no use, being damaged or of another length than
            the store's model gives; left as they are, and not in the index.
    """

    added: int = 0
    removed: int = 0
    unfit: int = 0


def fit_entries(records: Iterable[Record], dimension: int | None) -> Iterator[Entry]:
    """The entries of vector records, without those that are of no use.

    Args:
        records: of vectors.
        dimension: what they must have; None for that of the first.
    """
    for record in records:
        with contextlib.suppress(StoreCorrupt):
            entry = entry_of(record, dimension=dimension)
            dimension = entry.vector.size
            yield entry


def mend_user(store: Store, user_id: str) -> Mended:
    """See `Store.mend`; for one user."""
    index = store.index
    strangers = index.ids(user_id)
    if isinstance(index, SelfCheckingIndex):
        unsound = index.unsound(user_id)
        index.delete(user_id, unsound)
        strangers -= unsound
    dimension = store.dimension
    added = unfit = 0
    lacking: list[Entry] = []
    for record in store.ledger.scan(user_id, kind=VECTOR_KIND):
        if entry_id_of(record) in strangers:
            strangers.discard(entry_id_of(record))
            continue
        try:
            entry = entry_of(record, dimension=dimension)
        except StoreCorrupt:
            unfit += 1
            continue
        dimension = entry.vector.size
        lacking.append(entry)
        added += 1
        if len(lacking) == _MEND_BATCH:
            _index_what_stays(store, user_id, lacking)
            lacking = []
    _index_what_stays(store, user_id, lacking)
    index.delete(user_id, strangers)
    return Mended(added, len(strangers), unfit)


def _index_what_stays(store: Store, user_id: str, entries: Sequence[Entry]) -> None:
    """Put entries into the index, and out again those deleted from the ledger meanwhile."""
    store.index.put(user_id, entries)
    names = [entry.id for entry in entries]
    store.index.delete(user_id, set(names) - store.have_vectors(user_id, names))
