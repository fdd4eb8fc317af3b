"""The index of a store, made to hold what the ledger holds: nothing is embedded for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.protocols import ChecksVectors, Entry, Index, Ledger, Record
from turnfold_stores.records.vectors import (
    VECTOR_KIND,
    entry_id_of,
    entry_of,
    vector_record_id,
)

_MEND_BATCH = 512


@dataclass(frozen=True, slots=True)
class Repaired:
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


def index_as_in_ledger(
    ledger: Ledger, index: Index, user_id: str, ids: Iterable[str], *, dimension: int | None
) -> Repaired:
    """Make the index hold of these entries what the ledger holds, also where others write them.

    Whoever writes or deletes a vector does so in the ledger first. So what the ledger held before
    the index was changed counts only if it holds the same afterwards.

    Args:
        ledger: goes by what it keeps.
        index: what is changed.
        user_id: whose entries they are.
        ids: of the entries.
        dimension: of the store's vectors; None for that of the first.
    """
    wanted = {vector_record_id(entry_id): entry_id for entry_id in ids}
    kept = ledger.get(user_id, wanted) if wanted else {}
    while wanted:
        there = list(fit_entries(kept.values(), dimension))
        gone = [entry_id for name, entry_id in wanted.items() if name not in kept]
        index.put(user_id, there)
        index.delete(user_id, gone)
        before, kept = kept, ledger.get(user_id, wanted)
        if kept.keys() == before.keys():
            return Repaired(len(there), len(gone))
    return Repaired()


def mend_user(
    ledger: Ledger,
    index: Index,
    user_id: str,
    *,
    dimension: int | None,
    have_vectors: Callable[[str, Iterable[str]], set[str]],
) -> Repaired:
    """Make the index of one user hold what the ledger holds.

    Args:
        ledger: goes by what it keeps.
        index: what is mended.
        user_id: whose.
        dimension: of the store's vectors; None for that of the first.
        have_vectors: those of some ids whose vectors the ledger keeps now.
    """

    def index_what_stays(entries: Sequence[Entry]) -> None:
        """Put entries into the index, and out again those deleted from the ledger meanwhile."""
        index.put(user_id, entries)
        names = [entry.id for entry in entries]
        index_as_in_ledger(
            ledger,
            index,
            user_id,
            set(names) - have_vectors(user_id, names),
            dimension=dimension,
        )

    strangers = index.ids(user_id)
    if isinstance(index, ChecksVectors):
        unsound = index.unsound(user_id)
        index.delete(user_id, unsound)
        strangers -= unsound
    added = unfit = 0
    lacking: list[Entry] = []
    for record in ledger.scan(user_id, kind=VECTOR_KIND):
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
            index_what_stays(lacking)
            lacking = []
    index_what_stays(lacking)
    index_as_in_ledger(ledger, index, user_id, strangers, dimension=dimension)
    return Repaired(added, len(strangers), unfit)
