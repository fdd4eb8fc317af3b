"""A store: a ledger, an index, and the rule that the ledger is written first."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from turnfold_stores.errors import SchemaMismatch, StoreCorrupt, StoreError
from turnfold_stores.protocols import (
    Entry,
    Index,
    Ledger,
    ListsUsers,
    PurgesIndex,
    PurgesLedger,
    Record,
    WritesTogether,
    conversations_of,
)
from turnfold_stores.records.journal import Journal
from turnfold_stores.records.model_binding import (
    STORE_USER,
    Binding,
    first_binding,
    read_binding,
    read_switch,
)
from turnfold_stores.records.vectors import (
    VECTOR_KIND,
    checked,
    entry_id_of,
    entry_of,
    staged_record_id,
    vector_record,
    vector_record_id,
)
from turnfold_stores.repair import Repaired, fit_entries, index_as_in_ledger, mend_user


class Store:
    """A ledger and its index.

    Keep the store as long as you use its parts: it closes them when it is closed, when it is
    garbage, and at the latest when the process exits.

    Attributes:
        ledger: the durable record.
        index: the vectors, derived from the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        index: Index,
        *,
        together: Callable[[], AbstractContextManager[object]] = nullcontext,
        alone: Callable[[], AbstractContextManager[object]] | None = None,
        journal: Journal | None = None,
        after_close: Callable[[], None] | None = None,
    ) -> None:
        """Args:
        ledger: where records go.
        index: where vectors go.
        together: what a write to ledger and index is wrapped in: a transaction, where both are
            in one database.
        alone: the same, with no one else in `together` meanwhile; None where that is so anyway.
        journal: notes what the index is about to be told, so that `settle` can complete what
            a crash cut short: for an index that is elsewhere than the ledger.
        after_close: called once, when ledger and index are closed.
        """
        self.ledger = ledger
        self.index = index
        self._together = together
        self._alone = alone or together
        self._journal = journal
        self._close = weakref.finalize(self, _close_parts, ledger, index, after_close)

    def close(self) -> None:
        """Close ledger and index. Closing twice is harmless."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def users(self) -> Iterator[str]:
        """Every user_id that has a record; what the store keeps for itself is left out."""
        return (user_id for user_id in self.ledger.users() if user_id != STORE_USER)

    @property
    def binding(self) -> Binding | None:
        """The embedding model the store was filled with; None before the first vector."""
        return read_binding(self.ledger)

    def bind(self, model: str, dimension: int) -> None:
        """Record the embedding model, or check that it is the one recorded.

        Args:
            model: the name of the embedding model.
            dimension: the length of its vectors.

        Raises:
            SchemaMismatch: the store was filled with another model.
            StoreError: the dimension is not positive.
        """
        if dimension < 1:
            raise StoreError(f"dimension must be at least 1, not {dimension}")
        # Read each time: another process may have re-indexed the store meanwhile. And first: not
        # everyone who uses a store may write what it says of itself.
        wanted = Binding(model, dimension)
        bound = self._bound() or first_binding(self.ledger, wanted)
        if bound != wanted:
            raise _mismatch(bound, f"{model!r} ({dimension})")

    def check_model(self, model: str) -> None:
        """Check a model against the one recorded, before anything is embedded or loaded.

        Raises:
            SchemaMismatch: the store was filled with another model.
        """
        bound = self._bound()
        if bound is not None and bound.model != model:
            raise _mismatch(bound, repr(model))

    @property
    def model(self) -> str:
        """The name of the embedding model that the vectors are of; "" before there are any.

        Raises:
            SchemaMismatch: a re-index was cut short, and they are of none.
        """
        bound = self._bound()
        return "" if bound is None else bound.model

    @property
    def dimension(self) -> int | None:
        """How many numbers the vectors have; None before the first, or where it is not told.

        A store that was damaged there is opened, mended and forgotten all the same.
        """
        try:
            binding = self.binding
        except StoreCorrupt:
            return None
        return None if binding is None else binding.dimension

    def _bound(self) -> Binding | None:
        target = read_switch(self.ledger)
        if target is not None:
            raise SchemaMismatch(
                f"this store was being switched to the embedding model {target.model!r}, and "
                "that was cut short. Finish it: run `turnfold reindex` with this store's URL"
            )
        return read_binding(self.ledger)

    def transaction(self) -> AbstractContextManager[object]:
        """What makes writes to ledger and index one, where both are in one database.

        Nobody else writes vectors meanwhile.
        """
        return self._alone()

    def have_vectors(self, user_id: str, ids: Iterable[str]) -> set[str]:
        """Those of the entry ids whose vector the ledger has."""
        names = {vector_record_id(entry_id): entry_id for entry_id in ids}
        return {names[name] for name in self.ledger.get(user_id, names)}

    def index_again(self, user_id: str, ids: Iterable[str]) -> set[str]:
        """Write to the index the vectors that the ledger has of these entries.

        For entries of which it is not known whether a write of both got as far as the index.

        Returns:
            The entry ids whose vector the ledger has; one that is damaged is to be made anew.
        """
        found = self.ledger.get(user_id, [vector_record_id(entry_id) for entry_id in ids])
        there = [entry.id for entry in fit_entries(found.values(), self.dimension)]
        if there:
            with self._changing(user_id, there):
                self._index_as_in_ledger(user_id, there)
        return set(there)

    def put_vectors(self, user_id: str, entries: Iterable[Entry], *, model: str) -> set[str]:
        """Write vectors to the ledger, then to the index.

        An entry the ledger has already stays as it is: first write wins, unless it is damaged.
        The store is bound to the model (see `bind`).

        Args:
            user_id: whose vectors they are.
            entries: what to write; vectors are scaled to unit length.
            model: the name of the embedding model.

        Returns:
            The ids of the entries that are new.

        Raises:
            SchemaMismatch: the store was filled with another model.
            StoreError: a vector is unfit; nothing is written then.
        """
        wanted = {entry.id: entry for entry in checked(entries)}
        if not wanted:
            return set()
        records = [
            vector_record(entry.id, entry.conversation, entry.vector, model=model)
            for entry in wanted.values()
        ]
        with self._changing(user_id, list(wanted)):
            self.bind(model, next(iter(wanted.values())).vector.size)
            new = self.ledger.put(user_id, records)
            known = [record.id for record in records if record.id not in new]
            stored = self.ledger.get(user_id, known)
            # The index follows the ledger: what that had before is what is indexed.
            had = {entry.id: entry for entry in fit_entries(stored.values(), self.dimension)}
            wanted |= had
            if unfit := [one.id for one in stored.values() if entry_id_of(one) not in had]:
                self.ledger.delete(user_id, unfit)
                self.ledger.put(user_id, [one for one in records if one.id in unfit])
            self.index.put(user_id, wanted.values())
            self._look_again(user_id, wanted, there=wanted)
        return {entry_id for entry_id in wanted if vector_record_id(entry_id) in new}

    def delete_vectors(self, user_id: str, ids: Iterable[str]) -> None:
        """Remove vectors from the ledger, then from the index; unknown ids are ignored.

        In this order a crash in between leaves an index entry that `mend` removes; in the other
        the vector would come back.

        Args:
            user_id: whose vectors they are.
            ids: ids of entries.
        """
        gone = list(ids)
        if not gone:
            return
        with self._changing(user_id, gone):
            names = (vector_record_id, staged_record_id)
            self.ledger.delete(user_id, [name(entry_id) for entry_id in gone for name in names])
            self.index.delete(user_id, gone)
            self._look_again(user_id, gone)

    def put_records(self, user_id: str, records: Iterable[Record]) -> set[str]:
        """Write records as they are, and index the vectors among them.

        First write wins, for vectors too: the index gets what the ledger holds. The store is
        not bound to a model by this; see `bind`.

        Args:
            user_id: whose records they are.
            records: of any kind.

        Returns:
            The ids that are new.

        Raises:
            StoreError: a record is unfit; nothing is written then.
        """
        wanted = list(records)
        vectors = {r.id: entry_id_of(r) for r in wanted if r.kind == VECTOR_KIND}
        if vectors:
            # All of it before any of it is written: what the ledger has, the index must take.
            made = [entry_of(record) for record in wanted if record.kind == VECTOR_KIND]
            checked(made, dimension=self._dimension_of(user_id))
        with self._changing(user_id, list(vectors.values())) if vectors else self._together():
            new = self.ledger.put(user_id, wanted)
            if vectors:
                stored = self.ledger.get(user_id, vectors).values()
                self.index.put(user_id, list(fit_entries(stored, self.dimension)))
                self._look_again(user_id, vectors.values(), there=map(entry_id_of, stored))
        return new

    def _dimension_of(self, user_id: str) -> int | None:
        """What a user's next vector must have; None where it is the first."""
        if (bound := self.dimension) is not None:
            return bound
        vectors = fit_entries(self.ledger.scan(user_id, kind=VECTOR_KIND), None)
        first = next(vectors, None)
        return None if first is None else int(first.vector.size)

    def replace(self, user_id: str, gone: Iterable[str], records: Iterable[Record] = ()) -> None:
        """Delete records, and write others in the place of those that have their ids.

        At once where the ledger `WritesTogether`, as all do that last; else a crash in between may
        leave records deleted that were to be replaced.

        Args:
            user_id: whose records they are.
            gone: ids to delete; unknown ids are ignored.
            records: what to write; they come last in the order of writing.
        """
        wanted = list(records)
        ledger, together = self.ledger, self._together
        if together is nullcontext and isinstance(ledger, WritesTogether):
            together = ledger.together
        with together():
            ledger.delete(user_id, [*gone, *(record.id for record in wanted)])
            ledger.put(user_id, wanted)

    def purge(self, *user_ids: str) -> bool:
        """Take what was deleted of some users from the files, where the store has files.

        Returns:
            False where the store leaves that to a server.

        Raises:
            StoreUnavailable: another process keeps the files busy; nothing is lost, try again.
        """
        ledger, index = self.ledger, self.index
        if isinstance(index, PurgesIndex):
            for user_id in user_ids:
                vectors = ledger.scan(user_id, kind=VECTOR_KIND)
                index.purge(user_id, fit_entries(vectors, self.dimension))
        if isinstance(ledger, PurgesLedger):
            ledger.purge()
        return isinstance(index, PurgesIndex) or isinstance(ledger, PurgesLedger)

    def _changing(self, user_id: str, ids: Sequence[str]) -> AbstractContextManager[object]:
        if self._journal is None:
            return self._together()
        return self._journal.noting(user_id, ids)

    def _look_again(self, user_id: str, ids: Iterable[str], *, there: Iterable[str] = ()) -> None:
        """Where no transaction keeps others out, see to what they did since the ledger was read.

        Args:
            user_id: whose entries the index was told of.
            ids: of the entries.
            there: those of them that the ledger had.
        """
        if self._together is not nullcontext:
            return
        names = {vector_record_id(entry_id): entry_id for entry_id in ids}
        now = conversations_of(self.ledger, user_id, names)
        if {names[name] for name in now} != set(there):
            self._index_as_in_ledger(user_id, names.values())

    def settle(self) -> Repaired:
        """Finish what others began and did not end, as the journal tells; see `journal`.

        Takes as long as what is left takes, not as the store is large. Safe while others write.
        """
        added = removed = 0
        for note in () if self._journal is None else self._journal.left():
            as_noted = not note.damaged
            done = self._index_as_in_ledger(note.user_id, note.ids) if as_noted else self.mend()
            added, removed = added + done.added, removed + done.removed
            if note.settled and self._journal is not None:
                self._journal.remove(note)
        return Repaired(added, removed)

    def _index_as_in_ledger(self, user_id: str, ids: Iterable[str]) -> Repaired:
        return index_as_in_ledger(self.ledger, self.index, user_id, ids, dimension=self.dimension)

    def mend(self, indexed: Iterable[str] = ()) -> Repaired:
        """Make the index hold what the ledger holds; nothing is embedded.

        Reads every vector record of the ledger. Safe while others write: the index is read
        first, and whoever writes a vector writes it to the ledger first.

        Args:
            indexed: users the index has who may be gone from the ledger, where it cannot list
                them itself.
        """
        known = self.index.users() if isinstance(self.index, ListsUsers) else ()
        added = removed = unfit = 0
        for user_id in {*self.users(), *indexed, *known}:
            mended = self.mend_user(user_id)
            added, removed = added + mended.added, removed + mended.removed
            unfit += mended.unfit
        return Repaired(added, removed, unfit)

    def mend_user(self, user_id: str) -> Repaired:
        """`mend`, for one user."""
        return mend_user(
            self.ledger,
            self.index,
            user_id,
            dimension=self.dimension,
            have_vectors=self.have_vectors,
        )


def _mismatch(bound: Binding, given: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"this store holds vectors of the embedding model {bound.model!r} ({bound.dimension} "
        f"numbers each), but {given} was given. Vectors of two models cannot be compared: use "
        "the former model (commands take it as --embedder), or re-index the store, which embeds "
        "everything again: run `turnfold reindex` with the store's URL and --model"
    )


def _close_parts(ledger: Ledger, index: Index, after: Callable[[], None] | None) -> None:
    try:
        index.close()
    finally:
        try:
            ledger.close()
        finally:
            if after is not None:
                after()
