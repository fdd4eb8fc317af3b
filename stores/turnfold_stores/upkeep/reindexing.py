"""New vectors for a whole store, beside the old ones until all are there, then in their place.

    stage     write new vectors to the ledger, where nothing looks for them
    switch    when none is lacking: the index is emptied, the old vectors go, the new ones take
              their place, the store is bound to the new model

Staging can stop at any time and go on later. The switch is one transaction where ledger and
index share a database. Elsewhere it is marked as begun, a store with that mark takes no vectors
and gives none, and whoever begins next finishes it: no order of crashes leaves vectors of two
models for one user, or the name of one model over the vectors of another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from turnfold_stores.protocols import Entry, Record
from turnfold_stores.records.model_binding import (
    Binding,
    begin_switch,
    binding_of,
    end_switch,
    read_switch,
)
from turnfold_stores.records.vectors import (
    STAGED_KIND,
    VECTOR_KIND,
    checked,
    entry_id_of,
    staged_record_id,
    vector_record,
    vector_record_id,
)
from turnfold_stores.repair import fit_entries
from turnfold_stores.store import Store

_BATCH = 512


class Reindexing:
    """The way of a store from one embedding model to another."""

    def __init__(self, store: Store, model: str, dimension: int) -> None:
        """A switch that was cut short is finished; what was staged of another model is dropped.

        Args:
            store: what is re-indexed; others may go on using it with the old model.
            model: the name of the new model.
            dimension: how many numbers its vectors have.
        """
        self._store = store
        self._target = Binding(model, dimension)
        finish_switch(store)
        for user_id in store.users():
            others = [
                record.id
                for record in store.ledger.scan(user_id, kind=STAGED_KIND)
                if binding_of(record.body) != self._target
            ]
            store.ledger.delete(user_id, others)

    def staged(self, user_id: str) -> set[str]:
        """Entry ids that have their new vector."""
        scan = self._store.ledger.scan(user_id, kind=STAGED_KIND)
        return {entry_id_of(record) for record in scan}

    def stage(self, user_id: str, entries: Iterable[Entry]) -> None:
        """Write new vectors; the first of an id stays.

        Raises:
            StoreError: a vector is unfit; nothing is written then.
        """
        made = [
            vector_record(entry.id, entry.conversation, entry.vector, model=self._target.model)
            for entry in checked(entries, dimension=self._target.dimension)
        ]
        self._store.ledger.put(user_id, [_as_staged(record) for record in made])

    def switch(self, wanted: Callable[[str], Collection[str]]) -> bool:
        """Put the new vectors in the place of the old ones.

        Args:
            wanted: the entry ids that a user is to have vectors of; what is staged beyond is
                dropped. Asked when no one else can write, where that can be had.

        Returns:
            False where a wanted one was lacking: nothing was switched.
        """
        store = self._store
        with store.transaction():
            for user_id in store.users():
                staged, asked = self.staged(user_id), set(wanted(user_id))
                if asked - staged:
                    return False
                strays = [staged_record_id(entry_id) for entry_id in staged - asked]
                store.ledger.delete(user_id, strays)
            begin_switch(store.ledger, self._target)
            finish_switch(store)
        return True


def finish_switch(store: Store) -> None:
    """Do what is left of a switch that has begun; nothing where none has."""
    with store.transaction():
        target = read_switch(store.ledger)
        if target is None:
            return
        for user_id in store.users():
            _switch_user(store, user_id, target)
        end_switch(store.ledger, target)


def _switch_user(store: Store, user_id: str, target: Binding) -> None:
    # In this order neither index nor ledger ever holds two dimensions of one user.
    store.index.delete(user_id, store.index.ids(user_id))
    vectors = store.ledger.scan(user_id, kind=VECTOR_KIND)
    old = [record.id for record in vectors if binding_of(record.body) != target]
    store.ledger.delete(user_id, old)
    for batch in _batches(store.ledger.scan(user_id, kind=STAGED_KIND)):
        sound = [record for record in batch if binding_of(record.body) == target]
        store.ledger.put(user_id, [_as_vector(record) for record in sound])
        store.ledger.delete(user_id, [record.id for record in batch])
    for batch in _batches(store.ledger.scan(user_id, kind=VECTOR_KIND)):
        store.index.put(user_id, list(fit_entries(batch, target.dimension)))


def _as_staged(record: Record) -> Record:
    name = staged_record_id(entry_id_of(record))
    return Record(name, STAGED_KIND, record.conversation, record.body)


def _as_vector(record: Record) -> Record:
    name = vector_record_id(entry_id_of(record))
    return Record(name, VECTOR_KIND, record.conversation, record.body)


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(records, _BATCH)):
        yield batch
