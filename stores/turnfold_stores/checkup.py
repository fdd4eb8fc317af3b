"""A store goes in; what its index lacks, and what it has too much, comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from turnfold_stores.erasing import Populated
from turnfold_stores.store import Store
from turnfold_stores.vectors import VECTOR_KIND, entry_id_of


@runtime_checkable
class SelfChecking(Protocol):
    """Declared by ledgers that can tell whether their files are sound."""

    def check(self) -> list[str]:
        """What is wrong with the files, in words; [] for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Indexed:
    """A user's vectors: what the ledger keeps held against what the index has.

    Attributes:
        user_id: whose.
        vectors: ids of the entries whose vectors the ledger keeps.
        missing: those of them that the index lacks.
        orphaned: ids that the index has and the ledger does not know.
    """

    user_id: str
    vectors: frozenset[str]
    missing: frozenset[str]
    orphaned: frozenset[str]


def indexed(store: Store, user_id: str) -> Indexed:
    """Hold the ledger against the index, for one user.

    Raises:
        StoreError: the store cannot be read.
    """
    there = store.index.ids(user_id)
    kept = {entry_id_of(record) for record in store.ledger.scan(user_id, kind=VECTOR_KIND)}
    return Indexed(user_id, frozenset(kept), frozenset(kept - there), frozenset(there - kept))


def users_of(store: Store) -> list[str]:
    """Everybody the ledger knows, and everybody the index knows where it can tell."""
    strangers = store.index.users() if isinstance(store.index, Populated) else set()
    return sorted({*store.users(), *strangers})
