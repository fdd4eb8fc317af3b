"""A store goes in; what its index lacks, and what it has too much, comes out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.protocols import ChecksVectors, ListsUsers, Record
from turnfold_stores.records.model_binding import BOUND, STORE_USER, SWITCH, Binding, binding_of
from turnfold_stores.records.vectors import STAGED_KIND, VECTOR_KIND, entry_id_of, entry_of
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


def damaged_marks(store: Store) -> list[str]:
    """Which of the records that tell the model of a store's vectors are damaged, by their ids.

    Raises:
        StoreError: the store cannot be read.
    """
    found = store.ledger.get(STORE_USER, [BOUND, SWITCH])
    return [name for name, record in found.items() if binding_of(record.body) is None]


def mend_marks(store: Store) -> None:
    """Write those records anew, by what the vectors themselves tell of their model.

    Amid a switch to another model that is the model of those that are staged: they go last.

    Raises:
        StoreError: the store cannot be read or written.
    """
    for name in damaged_marks(store):
        kinds = (STAGED_KIND, VECTOR_KIND) if name == SWITCH else (VECTOR_KIND,)
        told = next(filter(None, (_most_told(store, kind) for kind in kinds)), None)
        body = told and {"model": told.model, "dimension": told.dimension}
        mark = [] if body is None else [Record(name, "store", "", body)]
        store.replace(STORE_USER, [name], mark)


def _most_told(store: Store, kind: str) -> Binding | None:
    """The model that most vectors of a kind are of; None where there are none."""
    records = (one for user_id in store.users() for one in store.ledger.scan(user_id, kind=kind))
    told = Counter(filter(None, (binding_of(one.body) for one in records)))
    return max(told, key=told.__getitem__, default=None)


def users_of(store: Store) -> list[str]:
    """Everybody the ledger knows, and everybody the index knows where it can tell."""
    strangers = store.index.users() if isinstance(store.index, ListsUsers) else set()
    return sorted({*store.users(), *strangers})
