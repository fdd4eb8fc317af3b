"""A worked example of a store by somebody else: `log:PATH`, one file that only grows.

Each change is a line of JSON; opening reads them all. Good for one process and a few thousand
exchanges, and for seeing how little a store is. It is found by the entry point in
`example_store-1.0.dist-info`; a package of yours writes it in its pyproject.toml:

    [project.entry-points."turnfold.stores"]
    log = "example_store:open_log"
"""

import dataclasses
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from turnfold_stores import Record, Store, StoreError
from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger
from turnfold_stores.records.validation import check_user, encode_body


def open_log(url: str) -> Store:
    """Open `log:PATH`."""
    # The index holds nothing of its own: `mend` fills it with the vectors the ledger has.
    store = Store(LogLedger(Path(url.removeprefix("log:"))), InMemoryIndex())
    store.mend()
    return store


class LogLedger:
    """A ledger that writes down what it does and keeps the outcome in memory."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._memory = InMemoryLedger()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        written = self._file.read()
        # A line without an end was cut short by a crash: nobody was told it was there.
        whole = written.rfind(b"\n") + 1
        self._file.truncate(whole)
        for line in written[:whole].splitlines():
            self._replay(*json.loads(line))

    def put(self, user_id: str, records: Iterable[Record]) -> set[str]:
        check_user(user_id)
        wanted: dict[str, Record] = {}
        for record in records:
            encode_body(record)  # refuses what would not come back as it is
            wanted.setdefault(record.id, record)
        with self._lock:
            known = self._memory.get(user_id, wanted)
            new = [record for record_id, record in wanted.items() if record_id not in known]
            if new:
                self._write("put", user_id, [dataclasses.astuple(record) for record in new])
            return self._memory.put(user_id, new)

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        gone = list(ids)
        with self._lock:
            self._write("delete", user_id, gone)
            self._memory.delete(user_id, gone)

    def get(self, user_id: str, ids: Iterable[str]) -> Mapping[str, Record]:
        return self._memory.get(user_id, ids)

    def scan(
        self, user_id: str, *, kind: str | None = None, conversation: str | None = None
    ) -> Iterator[Record]:
        return self._memory.scan(user_id, kind=kind, conversation=conversation)

    def users(self) -> Iterator[str]:
        return self._memory.users()

    def close(self) -> None:
        self._memory.close()
        self._file.close()

    def _write(self, *change: object) -> None:
        try:
            # One line is one change, and a batch is one line: all of it, or nothing.
            self._file.write(json.dumps(change).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot write the log: {error}") from error

    def _replay(self, what: str, user_id: str, values: list) -> None:
        if what == "put":
            self._memory.put(user_id, [Record(*fields) for fields in values])
        else:
            self._memory.delete(user_id, values)
