"""What was about to change in an index that is elsewhere than its ledger.

A note is written to the ledger before the index is told, and removed afterwards. A process that
dies in between, or a server that fails, leaves the note; whoever opens the store next reads it
and puts the index right, without comparing all of it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from turnfold_stores.protocols import Ledger, Record
from turnfold_stores.records.fields import DamagedError, Fields, Reading

_KIND = "indexing"
# Seconds. Its writer may still be at work on a younger note, so such a note stays.
_SETTLED_AFTER = 600.0


@dataclass(frozen=True, slots=True)
class PendingChange:
    """Entries that the index may hold wrongly.

    Attributes:
        id: of the note's record.
        user_id: whose entries they are.
        ids: of the entries.
        settled: whether its writer is surely gone, so that the note can go, too.
        damaged: whether the note cannot be read: it may have been about any entry of anybody.
    """

    id: str
    user_id: str
    ids: tuple[str, ...]
    settled: bool
    damaged: bool = False


def is_note(record: Record) -> bool:
    """Whether a record is a note of a journal."""
    return record.kind == _KIND


class Journal:
    """Notes in a ledger."""

    def __init__(
        self, ledger: Ledger, owner: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Args:
        ledger: where the notes are.
        owner: the user_id they are kept under.
        clock: tells the time, in seconds since the epoch.
        """
        self._ledger = ledger
        self._owner = owner
        self._clock = clock

    @contextmanager
    def noting(self, user_id: str, ids: Sequence[str]) -> Iterator[None]:
        """Around a change of these entries; an error inside leaves the note."""
        note_id = f"{_KIND}:{uuid.uuid4().hex}"
        body = {"user_id": user_id, "ids": list(ids)}
        self._ledger.put(self._owner, [Record(note_id, _KIND, "", body, at=self._clock())])
        yield
        self._ledger.delete(self._owner, [note_id])

    def left(self) -> Iterator[PendingChange]:
        """The notes that were not removed."""
        settled = self._clock() - _SETTLED_AFTER
        for record in self._ledger.scan(self._owner, kind=_KIND):
            told = Reading().one(record, _whose)
            user_id, ids = told or ("", ())
            yield PendingChange(record.id, user_id, ids, record.at < settled, told is None)

    def remove(self, note: PendingChange) -> None:
        """The index is right again."""
        self._ledger.delete(self._owner, [note.id])


def _whose(record: Record) -> tuple[str, tuple[str, ...]]:
    fields = Fields(record.body)
    if not (user_id := fields.text("user_id")):
        raise DamagedError("it names no user")
    return user_id, fields.texts("ids")
