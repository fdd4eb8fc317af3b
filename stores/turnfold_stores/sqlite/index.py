"""An index in the SQLite file of the ledger: vectors as blobs, searched exactly in NumPy."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.lazy_numpy import np
from turnfold_stores.process.fork import at_fork
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.records.validation import check_user
from turnfold_stores.records.vectors import are_unit, checked, from_bytes, to_bytes, unit
from turnfold_stores.search.exact import ExactVectors
from turnfold_stores.sqlite.connection import OWNER, SqliteFile, chunks, forget_empty, marks
from turnfold_stores.sqlite.damaged_rows import all_rows, rows_called, stand_in, with_derived
from turnfold_stores.sqlite.errors import is_no_text

# Bytes of vectors kept in memory: 256 MiB are 170,000 vectors of 384 numbers. The user searched
# last stays, however many vectors that user has.
_MOST_BYTES = 256 * 2**20
# Rows read from the file at once.
_PAGE = 2048

_INSERT = "INSERT INTO vectors (owner, id, conversation, vector) VALUES (?, ?, ?, ?)"
_Row: TypeAlias = tuple[int, str, str, bytes]


@dataclass(slots=True)
class _Loaded:
    """What is in memory of one user, and up to which row of the file."""

    rewrites: int
    last: int = 0
    vectors: ExactVectors = field(default_factory=ExactVectors)


class SqliteIndex:
    """An index that many processes may use at once.

    A user's vectors are loaded at first need; later only what was added since is read, or all
    again when something was removed or replaced.
    """

    def __init__(self, file: SqliteFile) -> None:
        """Args:
        file: the file of a `SqliteLedger`, which this index closes with itself.
        """
        self._file = file
        self._lock = threading.Lock()
        self._loaded: OrderedDict[int, _Loaded] = OrderedDict()
        self._held = 0
        # Whose vectors in memory are those of the file, as long as its version is this one.
        self._version: tuple[sqlite3.Connection, int, int] | None = None
        self._owners: dict[str, int] = {}
        # Of this index; counted under the lock of the file. Whoever searches takes that lock
        # after ours, so whoever writes must not take ours.
        self._writes = 0
        at_fork(in_child=self._after_fork_in_child)

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `Index.put`. On disk when it returns."""
        check_user(user_id)
        wanted = {entry.id: entry for entry in checked(entries)}
        if not wanted:
            return
        with_derived(self._file, lambda: self._put(user_id, wanted))

    def _put(self, user_id: str, wanted: Mapping[str, Entry]) -> None:
        with self._file.writing() as sqlite:
            sqlite.execute("INSERT OR IGNORE INTO users (user_id) VALUES (?)", (user_id,))
            found = sqlite.execute(
                f"SELECT seq, vector FROM vectors WHERE owner = {OWNER} LIMIT 1",  # noqa: S608 - constant
                (user_id,),
            ).fetchone()
            if found is not None:
                first = self._sound([found])
                checked(wanted.values(), dimension=first.shape[1])
            (owner,) = sqlite.execute(
                "SELECT owner FROM users WHERE user_id = ?", (user_id,)
            ).fetchone()
            rows = [(owner, e.id, e.conversation, to_bytes(e.vector)) for e in wanted.values()]
            # Most often all are new, which costs no look-up of its own.
            if sqlite.executemany(f"{_INSERT} ON CONFLICT DO NOTHING", rows).rowcount < len(rows):
                _replace(sqlite, user_id, rows)
            self._writes += 1

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """See `Index.nearest`. Exact."""
        with self._lock:
            vectors = self._current(user_id)
        if vectors is None:
            unit(vector, what="the query vector")
            return iter(())
        return vectors.nearest(vector, conversation=conversation)

    def ids(self, user_id: str) -> set[str]:
        """See `Index.ids`."""
        with self._file.reading() as sqlite:
            rows = all_rows(
                sqlite,
                f"SELECT id, seq FROM vectors WHERE owner = {OWNER}",  # noqa: S608 - constant
                (user_id,),
            )
        return {_name_of(*row) for row in rows}

    def unsound(self, user_id: str) -> set[str]:
        """See `ChecksVectors.unsound`. Reads all vectors of the user."""
        with self._file.reading() as sqlite:
            rows = all_rows(
                sqlite,
                "SELECT id, seq, conversation, vector "  # noqa: S608 - constant
                f"FROM vectors WHERE owner = {OWNER}",
                (user_id,),
            )
        sizes = Counter(len(packed) for *_, packed in rows if type(packed) is bytes)
        size = max(sizes, key=sizes.__getitem__, default=0)
        return {
            _name_of(entry_id, seq)
            for entry_id, seq, said_in, packed in rows
            if type(entry_id) is not str or type(said_in) is not str or not _is_sound(packed, size)
        }

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Index.delete`."""
        gone = list(ids)
        if not gone:
            return
        with_derived(self._file, lambda: self._delete(user_id, gone))

    def _delete(self, user_id: str, gone: list[str]) -> None:
        with self._file.writing() as sqlite:
            _remove(sqlite, user_id, gone)
            forget_empty(sqlite, user_id)
            self._writes += 1

    def close(self) -> None:
        """See `Index.close`."""
        with self._lock:
            self._loaded.clear()
            self._owners.clear()
        self._file.close()

    def _after_fork_in_child(self) -> None:
        # A thread that the child does not have may have held any lock.
        self._lock = threading.Lock()
        self._loaded = OrderedDict()
        self._held = 0
        self._version = None
        self._owners = {}

    def _current(self, user_id: str) -> ExactVectors | None:
        with self._file.reading() as sqlite:
            # A number of SQLite's that changes when somebody else commits, and our own of what
            # this connection may have written: the ledger's records are none of it.
            (theirs,) = sqlite.execute("PRAGMA data_version").fetchone()
            version = (sqlite, theirs, self._writes)
            if version != self._version:
                self._owners.clear()
            owner = self._owners.get(user_id)
            if owner is None or owner not in self._loaded:
                owner = self._load(sqlite, user_id)
            if owner is None:
                return None
            self._version = version
            self._owners[user_id] = owner
            self._loaded.move_to_end(owner)
            return self._loaded[owner].vectors

    def _load(self, sqlite: sqlite3.Connection, user_id: str) -> int | None:
        # One transaction: the number of rewrites belongs to the rows.
        sqlite.execute("BEGIN")
        try:
            user = sqlite.execute(
                "SELECT owner, rewrites FROM users WHERE user_id = ?", (user_id,)
            ).fetchone()
            if user is None:
                return None
            owner, rewrites = user
            loaded = self._loaded.pop(owner, None)
            self._held -= 0 if loaded is None else loaded.vectors.nbytes
            if loaded is None or loaded.rewrites != rewrites:
                loaded = _Loaded(rewrites)
            self._read_on(sqlite, owner, loaded)
        finally:
            sqlite.execute("COMMIT")
        self._loaded[owner] = loaded
        self._held += loaded.vectors.nbytes
        self._make_room()
        return int(owner)

    def _make_room(self) -> None:
        while self._held > _MOST_BYTES and len(self._loaded) > 1:
            _, oldest = self._loaded.popitem(last=False)
            self._held -= oldest.vectors.nbytes

    def _read_on(self, sqlite: sqlite3.Connection, owner: int, loaded: _Loaded) -> None:
        """Append the rows that were added since, by pages: no second copy of all of them."""
        rows = sqlite.execute(
            "SELECT id, vector, conversation, seq FROM vectors "
            "WHERE owner = ? AND seq > ? ORDER BY seq",
            (owner, loaded.last),
        )
        while page := self._next_of(rows):
            if not all(type(row[0]) is str and type(row[2]) is str for row in page):
                raise self._damaged()
            vectors = self._sound(page)
            loaded.vectors.extend([row[0] for row in page], [row[2] for row in page], vectors)
            loaded.last = page[-1][3]

    def _next_of(self, rows: sqlite3.Cursor) -> list[Any]:
        try:
            return rows.fetchmany(_PAGE)
        except sqlite3.OperationalError as error:
            if is_no_text(error):
                raise self._damaged() from error
            raise

    def _damaged(self) -> StoreCorrupt:
        return StoreCorrupt(
            f"the index in {str(self._file.path)!r} holds a damaged vector; the ledger has it "
            "too: run `turnfold doctor URL --mend` with the store's URL"
        )

    def _sound(self, rows: Sequence[tuple[Any, ...]]) -> Vector:
        """The vectors of rows that begin with id and vector: float32, shape (rows, dimension).

        Raises:
            StoreCorrupt: one of them is none, or of another length.
        """
        size = len(rows[0][1]) if type(rows[0][1]) is bytes else 0
        if all(type(row[1]) is bytes and len(row[1]) == size for row in rows) and size % 4 == 0:
            vectors = from_bytes(b"".join(row[1] for row in rows)).reshape(len(rows), size // 4)
            if bool(np.all(are_unit(vectors))):
                return vectors
        raise self._damaged()


def _name_of(entry_id: object, seq: int) -> str:
    return entry_id if isinstance(entry_id, str) else stand_in(seq)


def _is_sound(packed: object, size: int) -> bool:
    if type(packed) is not bytes or len(packed) != size or size % 4 or not size:
        return False
    return bool(are_unit(from_bytes(packed)[np.newaxis])[0])


def _replace(sqlite: sqlite3.Connection, user_id: str, rows: list[_Row]) -> None:
    """Write anew what is there but was different."""
    stored = {
        row[0]: (row[1], row[2])
        for chunk in chunks(row[1] for row in rows)
        for row in all_rows(
            sqlite,
            "SELECT id, conversation, vector FROM vectors "  # noqa: S608 - constants
            f"WHERE owner = {OWNER} AND id IN ({marks(chunk)})",
            (user_id, *chunk),
        )
    }
    changed = [row for row in rows if stored[row[1]] != row[2:]]
    _remove(sqlite, user_id, [row[1] for row in changed])
    sqlite.executemany(_INSERT, changed)


def _remove(sqlite: sqlite3.Connection, user_id: str, ids: list[str]) -> None:
    """Delete rows and tell every reader that what it has loaded is stale."""
    if not ids:
        return
    removed = sqlite.executemany(
        f"DELETE FROM vectors WHERE owner = {OWNER} AND id = ?",  # noqa: S608 - constant
        [(user_id, entry_id) for entry_id in ids],
    ).rowcount
    for seq in rows_called(sqlite, "vectors", OWNER, user_id, ids):
        removed += sqlite.execute("DELETE FROM vectors WHERE seq = ?", (seq,)).rowcount
    if removed:
        sqlite.execute("UPDATE users SET rewrites = rewrites + 1 WHERE user_id = ?", (user_id,))
