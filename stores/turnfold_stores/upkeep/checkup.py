"""A store goes in; what its index lacks, and what it has too much, comes out."""

from __future__ import annotations

from dataclasses import dataclass

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.protocols import ChecksVectors, ListsUsers
from turnfold_stores.records.vectors import VECTOR_KIND, entry_id_of, entry_of
from turnfold_stores.store import Store


@dataclass(frozen=True, slots=True)
class Indexed:
    """A user's vectors: what the ledger keeps held against what the index has.

    Attributes:
        user_id: whose.
        vectors: ids of the entries whose vectors the ledger keeps.
        missing: those of them that the index lacks, or has damaged.
        orphaned: ids that the index has and the ledger does not know.
        unfit: those whose record holds no vector of the store's model: damaged, or written by
            an import of before such were refused.
    """

    user_id: str
    vectors: frozenset[str]
    missing: frozenset[str]
    orphaned: frozenset[str]
    unfit: frozenset[str] = frozenset()


def indexed(store: Store, user_id: str) -> Indexed:
    """Hold the ledger against the index, for one user.

    Raises:
        StoreError: the store cannot be read.
    """
    there = store.index.ids(user_id)
    if isinstance(store.index, ChecksVectors):
        there -= store.index.unsound(user_id)
    kept, unfit = set(), set()
    dimension = store.dimension
    for record in store.ledger.scan(user_id, kind=VECTOR_KIND):
        kept.add(entry_id_of(record))
        try:
            entry_of(record, dimension=dimension)
        except StoreCorrupt:
            unfit.add(entry_id_of(record))
    return Indexed(
        user_id,
        frozenset(kept - unfit),
        frozenset(kept - unfit - there),
        frozenset(there - kept),
        frozenset(unfit),
    )


def users_of(store: Store) -> list[str]:
    """Everybody the ledger knows, and everybody the index knows where it can tell."""
    strangers = store.index.users() if isinstance(store.index, ListsUsers) else set()
    return sorted({*store.users(), *strangers})
