"""A store that lives and dies with the process: a dict for a ledger, NumPy for an index."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from turnfold_stores.errors import StoreUnavailable
from turnfold_stores.process.fork import at_fork
from turnfold_stores.protocols import Entry, Hit, Record, Vector
from turnfold_stores.records.validation import check_user, decode_body, encode_body
from turnfold_stores.records.vectors import unit
from turnfold_stores.search.bm25 import Bm25
from turnfold_stores.search.exact import ExactVectors


class InMemoryLedger:
    """A ledger of dicts that also implements `Words`.

    Bodies are kept as JSON, so no caller can change what is stored.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # In each record the body is its JSON text. dicts keep the order of writing.
        self._users: dict[str, dict[str, Record]] | None = {}
        self._words: dict[str, Bm25] = {}
        at_fork(before=self._hold, in_parent=self._let_go, in_child=self._let_go)

    def _hold(self) -> None:
        self._lock.acquire()

    def _let_go(self) -> None:
        self._lock.release()

    def put(self, user_id: str, records: Iterable[Record]) -> set[str]:
        """See `Ledger.put`."""
        check_user(user_id)
        encoded = [_with_body(record, encode_body(record)) for record in records]
        with self._lock:
            stored = self._open().setdefault(user_id, {}) if encoded else {}
            new = {record.id for record in encoded} - stored.keys()
            for record in encoded:
                if stored.setdefault(record.id, record) is record and record.text:
                    words = self._words.setdefault(user_id, Bm25())
                    words.add(record.id, record.conversation, record.text)
        return new

    def get(self, user_id: str, ids: Iterable[str]) -> Mapping[str, Record]:
        """See `Ledger.get`."""
        wanted = list(ids)
        with self._lock:
            stored = self._open().get(user_id, {})
            found = [stored[record_id] for record_id in wanted if record_id in stored]
        return {record.id: _with_body(record, decode_body(record.body)) for record in found}

    def conversations(self, user_id: str, ids: Iterable[str]) -> dict[str, str]:
        """See `ReadsConversations.conversations`."""
        with self._lock:
            stored = self._open().get(user_id, {})
            return {one: stored[one].conversation for one in ids if one in stored}

    def latest(self, user_id: str, *, kind: str, conversation: str) -> Record | None:
        """See `ReadsLatest.latest`."""
        with self._lock:
            for record in reversed(self._open().get(user_id, {}).values()):
                if (record.kind, record.conversation) == (kind, conversation):
                    return _with_body(record, decode_body(record.body))
        return None

    def latest_ids(
        self, user_id: str, *, kind: str, conversations: Sequence[str]
    ) -> dict[str, str]:
        """See `ReadsLatestIds.latest_ids`."""
        found: dict[str, str] = {}
        wanted = set(conversations)
        with self._lock:
            for record in reversed(self._open().get(user_id, {}).values()):
                if not wanted:
                    break
                if record.kind == kind and record.conversation in wanted:
                    wanted.remove(record.conversation)
                    found[record.conversation] = record.id
        return found

    def scan(
        self, user_id: str, *, kind: str | None = None, conversation: str | None = None
    ) -> Iterator[Record]:
        """See `Ledger.scan`."""
        with self._lock:
            stored = self._open().get(user_id, {})
            rows = list(stored.values())
        for record in rows:
            wanted = kind in (None, record.kind) and conversation in (None, record.conversation)
            if wanted and stored.get(record.id) is record:
                yield _with_body(record, decode_body(record.body))

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Ledger.delete`."""
        gone = list(ids)
        with self._lock:
            stored = self._open().get(user_id, {})
            words = self._words.get(user_id)
            for record_id in gone:
                stored.pop(record_id, None)
                if words is not None:
                    words.remove(record_id)
            if not stored:
                self._open().pop(user_id, None)
                self._words.pop(user_id, None)

    def match(self, user_id: str, text: str, *, conversation: str | None = None) -> Iterator[Hit]:
        """See `Words.match`."""
        with self._lock:
            self._open()
            words = self._words.get(user_id)
            return iter(()) if words is None else words.match(text, conversation=conversation)

    def users(self) -> Iterator[str]:
        """See `Ledger.users`."""
        with self._lock:
            names = list(self._open())
        yield from names

    def close(self) -> None:
        """Let go of every record."""
        with self._lock:
            self._users = None
            self._words = {}

    def _open(self) -> dict[str, dict[str, Record]]:
        if self._users is None:
            raise StoreUnavailable("this store was closed")
        return self._users


class InMemoryIndex:
    """An index that searches exactly, in one NumPy array a user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, ExactVectors] | None = {}
        at_fork(before=self._hold, in_parent=self._let_go, in_child=self._let_go)

    def _hold(self) -> None:
        self._lock.acquire()
        for vectors in (self._users or {}).values():
            vectors.hold()

    def _let_go(self) -> None:
        for vectors in (self._users or {}).values():
            vectors.let_go()
        self._lock.release()

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `Index.put`."""
        check_user(user_id)
        with self._lock:
            vectors = self._open().get(user_id) or ExactVectors()
            vectors.put(entries)
            self._open()[user_id] = vectors

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """See `Index.nearest`."""
        with self._lock:
            vectors = self._open().get(user_id)
        if vectors is None:
            unit(vector, what="the query vector")
            return iter(())
        return vectors.nearest(vector, conversation=conversation)

    def ids(self, user_id: str) -> set[str]:
        """See `Index.ids`."""
        with self._lock:
            vectors = self._open().get(user_id)
        return set() if vectors is None else vectors.ids()

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Index.delete`."""
        with self._lock:
            vectors = self._open().get(user_id)
            if vectors is not None:
                vectors.delete(ids)
                if not vectors.ids():
                    del self._open()[user_id]

    def close(self) -> None:
        """Let go of every vector."""
        with self._lock:
            self._users = None

    def _open(self) -> dict[str, ExactVectors]:
        if self._users is None:
            raise StoreUnavailable("this store was closed")
        return self._users


def _with_body(record: Record, body: object) -> Record:
    return Record(record.id, record.kind, record.conversation, body, record.text, record.at)
