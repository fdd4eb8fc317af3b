"""Records of one user and conversation: written once, read with care, damaged ones left out."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from turnfold_stores import Record, Store, conversations_of
from turnfold_stores.records.fields import Reading

from turnfold.archive.leases import Claims
from turnfold.archive.paths import Paths
from turnfold.archive.plans import KnownPlans
from turnfold.history.redaction import Redact
from turnfold.scope import Scope

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ForgottenContents:
    """What of a history was forgotten and is sent again.

    Attributes:
        contents: content ids of these exchanges.
        mark: what `Tombstones.mark` said when they were looked up.
        open: whether the open exchange was.
    """

    contents: Collection[str] = ()
    mark: str = ""
    open: bool = False


class RecordAccess:
    """What all kinds of records have in common.

    Attributes:
        paths: the paths of the user's conversations.
        reading: reads records; knows which of them are damaged.
    """

    def __init__(
        self,
        store: Store,
        scope: Scope,
        stored: OrderedDict[str, None],
        clock: Callable[[], float] = time.time,
        *,
        forgotten: ForgottenContents = ForgottenContents(),
        redact: Redact | None = None,
        claims: Claims | None = None,
        plans: KnownPlans | None = None,
    ) -> None:
        """Args:
        store: where it is kept.
        scope: whose it is.
        stored: ids of exchanges known to be stored, shared by the turns of a process.
        clock: tells the time, in seconds since the epoch.
        forgotten: what was forgotten and is sent again.
        redact: what is done to texts before they are stored.
        claims: on folds, held by the workers of this process.
        plans: those read before in this process; more are added.
        """
        self.store = store
        self.scope = scope
        self.clock = clock
        self.mark = forgotten.mark
        self.forgotten = forgotten.contents
        self.open_is_forgotten = forgotten.open
        self._stored = stored
        self.redact = redact
        self.reading = Reading()
        self.paths = Paths(store, scope.user_id, self.reading)
        self.claims = claims
        self._plans = plans if plans is not None else KnownPlans()
        self._held: dict[str, list[Record]] = {}  # by the names that `stored` knows them by

    def flush(self) -> None:
        """Write what was held back, if no other record has taken it along.

        Raises:
            StoreError: the ledger could not be written.
        """
        if self._held:
            self._put([])

    def _put(self, records: Sequence[Record]) -> set[str]:
        """Write records, in one transaction with those held back; which of their ids are new."""
        held = dict(self._held)
        first = [one for some in held.values() for one in some]
        new = self.store.ledger.put(self.scope.user_id, [*first, *records])
        for name in held:
            self._stored[name] = None
            self._held.pop(name, None)
        return new.intersection(one.id for one in records)

    def take_back(self, names: Sequence[str]) -> None:
        """Delete records that were written too late: what they stand on was forgotten."""
        self.store.ledger.delete(self.scope.user_id, names)

    def records(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Records of the user as they are stored, by id."""
        ids = list(ids)
        return self.store.ledger.get(self.scope.user_id, ids) if ids else {}

    def conversations(self, ids: Iterable[str]) -> dict[str, str]:
        """The conversation that each record of the user is of, by id; of those there are."""
        ids = list(ids)
        return conversations_of(self.store.ledger, self.scope.user_id, ids) if ids else {}

    def _record(self, name: str, kind: str, body: Any, at: float | None = None) -> Record:
        return Record(
            name, kind, self.scope.conversation, body, at=self.clock() if at is None else at
        )

    def _read(self, ids: Iterable[str], read: Callable[[Record], _T]) -> dict[str, _T]:
        """What the records of these ids tell; without those that are damaged."""
        records = self.records(ids).values()
        return {record.id: told for record, told in self.reading.all(records, read)}

    def _keep(self, record: Record, read: Callable[[Record], _T], new: _T) -> _T:
        """Write a record; what then holds. One that is damaged holds nothing."""
        if record.id in self._put([record]):
            return new
        holds = self._read([record.id], read).get(record.id)
        if holds is None:
            self.store.replace(self.scope.user_id, [], [record])
            return new
        return holds
