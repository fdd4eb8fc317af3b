"""One SQLite file: opened safely, shared among threads, reopened after fork."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from turnfold_stores.errors import StoreUnavailable
from turnfold_stores.local_paths import refuse_dead_link
from turnfold_stores.process.fork import at_fork
from turnfold_stores.process.open_files import Present
from turnfold_stores.sqlite.errors import BUSY_TIMEOUT, errors_as_ours
from turnfold_stores.sqlite.log import check_log
from turnfold_stores.sqlite.schema import STEPS, identify, know_terms, migrate, refresh_terms

# Ids in one statement; SQLite before 3.32 takes 999 variables.
_CHUNK = 500

# The `owner` of the user_id given as a parameter.
OWNER = "(SELECT owner FROM users WHERE user_id = ?)"


class SqliteFile:
    """A connection that any thread may use, one at a time.

    Around a fork it is closed, and parent and child open it again at first use. SQLite keeps the
    locks of a process in its memory: a child that inherits them takes none itself, and another
    process then cuts its files short under it.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, readable by its owner alone.

        Args:
            path: the file; its folder exists.

        Raises:
            StoreUnavailable: another process kept the file locked, or it cannot be written.
            SchemaMismatch: another version of turnfold, or another program, made the file.
            StoreCorrupt: what is in it is not what was written.
        """
        self.path = path.absolute()
        self._lock = threading.RLock()
        self._closed = False
        self._inherited: list[_Connection] = []
        self._make_private()
        self._present = Present([self.path])
        self._connection: _Connection | None = self._connect()
        at_fork(
            before=self._before_fork,
            in_parent=self._after_fork_in_parent,
            in_child=self._after_fork_in_child,
        )

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone, with SQLite's errors turned into ours.

        Raises:
            StoreUnavailable: the file was removed, or another one put in its place, since it was
                opened; or another process kept it locked.
            StoreCorrupt: what is in it is not what was written.
        """
        with self._lock, errors_as_ours(self.path):
            if self._closed:
                raise StoreUnavailable(f"the store {str(self.path)!r} was closed")
            if self._connection is None or not self._connection.sqlite.in_transaction:
                self._check_present()
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection.sqlite

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """As `reading`, in one transaction that is written whole or not at all.

        Within another `writing` of the same thread it is part of that one.
        """
        with self.reading() as sqlite:
            if sqlite.in_transaction:
                yield sqlite
                return
            sqlite.execute("BEGIN IMMEDIATE")
            try:
                yield sqlite
                sqlite.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back by itself.
                if sqlite.in_transaction:
                    sqlite.execute("ROLLBACK")
                raise
            # Else a write that went nowhere would be acknowledged.
            self._check_present()

    def close(self) -> None:
        """Release the file. Closing twice is harmless."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _check_present(self) -> None:
        """Notice that what is written goes to no file that anybody will open again."""
        if self._present.lost() is not None:
            raise StoreUnavailable(
                f"{str(self.path)!r} was removed while it was open, or another file put in its "
                "place: what is written now would be lost. Put it back, or open the store again "
                "to go on with what is there"
            )
        if self._connection is None or (log := self._connection.logs.lost()) is None:
            return
        # SQLite still has what it wrote there, and puts it into the file when it closes that.
        self._let_go()
        raise StoreUnavailable(
            f"{str(log)!r}, where SQLite keeps what it wrote last, was removed while it was open. "
            "That was put into the file, which is opened anew when it is used next; leave the "
            "files beside it alone while anybody has it open"
        )

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _before_fork(self) -> None:
        # Held until after the fork, so that no thread is in the middle of anything.
        self._lock.acquire()
        self._let_go()

    def _after_fork_in_parent(self) -> None:
        self._lock.release()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        if self._connection is not None:
            # Forked by something that does not tell beforehand. SQLite forbids even closing, in
            # a child, what its parent opened.
            self._inherited.append(self._connection)
            self._connection = None

    def _make_private(self) -> None:
        refuse_dead_link(self.path)
        if self.path.exists() and not self.path.is_file():
            what = "a folder" if self.path.is_dir() else "no file"
            raise StoreUnavailable(
                f"{str(self.path)!r} is {what} where a SQLite file was expected: name another "
                "path, or move away what is there"
            )
        try:
            if not self.path.exists():
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            pass  # another process was first
        except OSError as error:
            raise StoreUnavailable(f"cannot write {str(self.path)!r}: {error.strerror}") from error
        # Asked, not tried: who closes a file lets go of all locks that the process has on it,
        # those of another store of ours on the same file included.
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise StoreUnavailable(f"{str(self.path)!r} may not be read and written by this user")

    def _connect(self) -> _Connection:
        check_log(Path(os.path.realpath(self.path)))
        with errors_as_ours(self.path):
            connection = _Connection(self.path)
            try:
                self._prepare(connection.sqlite)
                connection.know_logs(self.path)
            except BaseException:
                connection.close()
                raise
        return connection

    def _prepare(self, sqlite: sqlite3.Connection) -> None:
        version = identify(sqlite, self.path)
        _use_wal(sqlite)
        # An acknowledged write survives a power cut.
        sqlite.execute("PRAGMA synchronous = FULL")
        # What is deleted is overwritten in the file.
        sqlite.execute("PRAGMA secure_delete = ON")
        if version < len(STEPS):
            migrate(sqlite, self.path)
        know_terms(sqlite)
        refresh_terms(sqlite, self.path)


class _Connection:
    """A connection that is closed by the process that opened it, at the latest when garbage.

    Attributes:
        logs: the files that SQLite keeps beside the file.
    """

    def __init__(self, path: Path) -> None:
        # Not made here, with rights as they come: by the time it is opened anew it may be gone.
        self.sqlite = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        self.logs = Present(())
        self.close = weakref.finalize(self, _close_own, self.sqlite, os.getpid())

    def know_logs(self, path: Path) -> None:
        """Look which files there are beside the file, once SQLite has made them."""
        # They stand beside what a link leads to.
        real = os.path.realpath(path)
        self.logs = Present([Path(f"{real}{ending}") for ending in ("-wal", "-shm")])


def _close_own(sqlite: sqlite3.Connection, pid: int) -> None:
    if os.getpid() == pid:
        sqlite.close()


def _use_wal(sqlite: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait here for others who do the same, so we do."""
    patience = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            sqlite.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.01)
        else:
            return


def forget_empty(sqlite: sqlite3.Connection, user_id: str) -> None:
    """Drop the row of a user who has neither records nor vectors left."""
    sqlite.execute(
        "DELETE FROM users WHERE user_id = ? "
        "AND NOT EXISTS (SELECT 1 FROM records WHERE records.owner = users.owner) "
        "AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.owner = users.owner)",
        (user_id,),
    )


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """The ids in lists short enough to be the variables of one statement."""
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def marks(chunk: list[str]) -> str:
    """One question mark for each id."""
    return ", ".join("?" * len(chunk))
