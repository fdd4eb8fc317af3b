"""Connections to one PostgreSQL server: shared by threads, replaced when lost, new after a fork.

Not `psycopg_pool`, see `docs/decisions/0011-our-own-few-connections.md`: its threads do not outlive
a fork, and it says that no connection came in time where this says at once why.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import errors, sql
from psycopg.pq import TransactionStatus

from turnfold_stores.errors import (
    InvalidValue,
    SchemaMismatch,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
)
from turnfold_stores.postgres.address import Address
from turnfold_stores.process.fork import at_fork

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

TABLES = ("records", "vectors", "layouts")

# Seconds a writer waits for another one of the same user, and a thread for a free connection.
_PATIENCE = 15


class Connections:
    """At most `address.connections` connections.

    Reads are one statement each, outside of any transaction. Writes are transactions, one at a
    time for each user: so the order of `seq` is the order in which a user's records became
    visible, and writers of the same ids wait for each other instead of deadlocking. Who writes for
    everybody in one transaction keeps all others out by one lock: the server has room for some
    thousands, of all its clients together.
    """

    def __init__(self, address: Address) -> None:
        """Connect for the first time.

        Raises:
            StoreUnavailable: the server cannot be reached, or refuses.
            StoreError: the database's encoding is not UTF-8.
        """
        self.address = address
        self._inherited: list[Connection] = []
        self._closed = False
        self._start_anew()
        at_fork(in_child=self._after_fork_in_child)
        self._idle.append(self._first())

    def statement(self, text: LiteralString, **names: sql.Composable) -> bytes:
        """A statement in which `{schema}`, the name of a table or of `names` stands in braces."""
        schema = self.address.schema
        tables = {name: sql.Identifier(schema, name) for name in TABLES}
        own = {"schema": sql.Identifier(schema), **tables}
        return sql.SQL(text).format(**own, **names).as_bytes(None)

    def read(
        self, query: bytes, values: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows of a query; within `writing` of the same thread, as that transaction sees them.

        A connection that was lost while nobody used it is replaced.

        Raises:
            StoreError: as `writing`.
        """
        with self._errors_as_ours():
            if self._mine.connection is not None:
                return self._mine.connection.execute(query, values).fetchall()
            with self._slot():
                connection = self._idle_one()
                if connection is not None:
                    try:
                        return connection.execute(query, values).fetchall()
                    except psycopg.OperationalError:
                        if not connection.closed:
                            raise
                    finally:
                        self._give_back(connection)
                connection = self._connect()
                try:
                    return connection.execute(query, values).fetchall()
                finally:
                    self._give_back(connection)

    @contextlib.contextmanager
    def writing(self, user_id: str | None = None) -> Iterator[Connection]:
        """A connection in a transaction that is written whole or not at all.

        Within another `writing` of the same thread it is part of that one.

        Args:
            user_id: whose records are written: others who write this user's wait.

        Raises:
            StoreUnavailable: the server cannot be reached, or another writer of this user takes
                longer than 15 seconds.
            StoreError: the server refused.
        """
        with self._errors_as_ours():
            outer = self._mine.connection
            if outer is not None:
                if user_id is not None:
                    mine = self._all_users if self._mine.alone else self._lock_of(user_id)
                    outer.execute(mine.encode())
                yield outer
                return
            with self._slot():
                connection = self._begin(user_id)
                self._mine.connection = connection
                try:
                    yield connection
                    self._commit(connection)
                except BaseException:
                    _roll_back(connection)
                    raise
                finally:
                    self._mine.connection = None
                    self._give_back(connection)

    @contextlib.contextmanager
    def sharing(self) -> Iterator[Connection]:
        """As `writing`, while nobody is in `excluding`."""
        with self.writing() as connection:
            connection.execute(f"SELECT pg_advisory_xact_lock_shared({self._models})".encode())
            yield connection

    @contextlib.contextmanager
    def excluding(self) -> Iterator[Connection]:
        """As `writing`, while nobody else is in `sharing` or `excluding`."""
        with self.writing() as connection:
            connection.execute(f"SELECT pg_advisory_xact_lock({self._models})".encode())
            before, self._mine.alone = self._mine.alone, True
            try:
                yield connection
            finally:
                self._mine.alone = before

    def close(self) -> None:
        """Close the connections; those in use, when their work is done. Twice is harmless."""
        with self._lock:
            self._closed = True
            idle, self._idle[:] = list(self._idle), []
        for connection in idle:
            connection.close()

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self.address.connections)
        self._idle: list[Connection] = []
        self._mine = _Mine()

    def _after_fork_in_child(self) -> None:
        # Kept, for closing them would speak to the server in the parent's place.
        self._inherited += self._idle
        self._start_anew()

    def _begin(self, user_id: str | None) -> Connection:
        # One round trip. READ COMMITTED: what is read after the lock is what its last holder left.
        statements = (
            "BEGIN ISOLATION LEVEL READ COMMITTED; "
            f"SET LOCAL lock_timeout = '{_PATIENCE}s'; "
            f"{'' if user_id is None else self._lock_of(user_id)}"
        ).encode()
        connection = self._idle_one()
        if connection is not None:
            try:
                connection.execute(statements)
            except psycopg.OperationalError:
                lost = connection.closed
                _roll_back(connection)
                self._give_back(connection)
                if not lost:
                    raise
            else:
                return connection
        connection = self._connect()
        try:
            connection.execute(statements)
        except BaseException:
            connection.close()
            raise
        return connection

    def _commit(self, connection: Connection) -> None:
        done = connection.execute(b"COMMIT").statusmessage
        if done != "COMMIT":
            raise StoreError(f"{self.address} has rolled back: an error before was overlooked")

    def _lock_of(self, user_id: str) -> str:
        number = lock_number(f"{self.address.schema}\0{user_id}")
        return (
            f"SELECT pg_advisory_xact_lock_shared({self._users}); "
            f"SELECT pg_advisory_xact_lock({number})"
        )

    @property
    def _all_users(self) -> str:
        """Takes the place of every `_lock_of`."""
        return f"SELECT pg_advisory_xact_lock({self._users})"

    @property
    def _users(self) -> int:
        return lock_number(f"users of {self.address.schema}")

    @property
    def _models(self) -> int:
        """The lock on which embedding model the vectors are of; no user_id is empty."""
        return lock_number(f"{self.address.schema}\0")

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        free = self._free
        if not free.acquire(timeout=_PATIENCE):
            raise StoreUnavailable(
                f"all {self.address.connections} connections to {self.address} were in use for "
                f"{_PATIENCE} seconds: allow more with '?connections='"
            )
        try:
            yield
        finally:
            free.release()

    def _idle_one(self) -> Connection | None:
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"the store in {self.address} was closed")
            # The newest: the others may then be let go by the server.
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: Connection) -> None:
        if connection.pgconn.transaction_status == TransactionStatus.IDLE:
            with self._lock:
                if not self._closed:
                    self._idle.append(connection)
                    return
        connection.close()

    def _first(self) -> Connection:
        with self._errors_as_ours():
            connection = self._connect()
            encoding = connection.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                connection.close()
                raise StoreError(
                    f"{self.address} is encoded in {encoding}, which cannot hold every text: use "
                    "a database made with ENCODING 'UTF8'"
                )
            return connection

    def _connect(self) -> Connection:
        # Without prepared statements, which poolers between us and the server may not carry.
        return _Shared.connect(**self.address.options, autocommit=True, prepare_threshold=None)

    @contextlib.contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            raise StoreError(
                f"a name holds a lone surrogate, which is not text: {error}"
            ) from error
        except psycopg.Error as error:
            raise _ours(error, self.address) from error


def lock_number(name: str) -> int:
    """The advisory lock that goes by a name."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class _Shared(psycopg.Connection[tuple[Any, ...]]):
    """Says nothing when it ends unclosed: in a forked child that is as it should be."""

    def __del__(self, _warn: Any = None) -> None:
        pass


class _Mine(threading.local):
    """The transaction of this thread, and whether it is in `excluding`."""

    connection: Connection | None = None
    alone: bool = False


def _roll_back(connection: Connection) -> None:
    # A connection that cannot do it is closed, which rolls back as well.
    with contextlib.suppress(psycopg.Error):
        connection.execute(b"ROLLBACK")


def _ours(error: psycopg.Error, address: Address) -> StoreError:
    """The error in our words: what happened, where, and what would help."""
    said = address.masked((error.diag.message_primary or str(error)).strip())
    match error:
        case errors.LockNotAvailable():
            return StoreUnavailable(
                f"another writer of the same user, or a re-index, kept {address} locked for "
                f"{_PATIENCE} seconds"
            )
        case errors.ReadOnlySqlTransaction():
            return StoreUnavailable(
                f"{address} only reads: it is a standby; add target_session_attrs=read-write and "
                "name every host"
            )
        case errors.InsufficientPrivilege():
            return StoreError(f"the role may not use {address}: {said}. See docs/postgres.md")
        case errors.DiskFull():
            return StoreError(f"no room left to write {address}: {said}")
        case errors.ProgramLimitExceeded():
            return InvalidValue(
                f"a name is too long for an index of PostgreSQL, which takes some 2,600 bytes of "
                f"user_id, conversation and id together ({said})"
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.InvalidSchemaName():
            return SchemaMismatch(f"{address} was changed while it was open: {said}")
        case errors.DataCorrupted() | errors.IndexCorrupted():
            return StoreCorrupt(f"{address} cannot be read: {said}. Restore it from a backup")
        case errors.OperationalError():
            return StoreUnavailable(f"{address} cannot be used now: {said}")
        case _:
            return StoreError(f"{address} refused: {said}")
