"""From a URL to a store."""

from __future__ import annotations

import logging
import os
import re
from importlib.metadata import entry_points
from pathlib import Path

from turnfold_stores.errors import MissingDependency, StoreError
from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger
from turnfold_stores.store import Store

_LOG = logging.getLogger("turnfold.stores")
_GROUP = "turnfold.stores"
# At least two characters: a single letter is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)


def open_store(store: str | os.PathLike[str] | Store) -> Store:
    """Open a store.

    Args:
        store: one of
            `"memory:"`, gone when the process ends;
            `"./folder"` or any other path (`~` is expanded), a folder with a SQLite ledger and
            a Chroma index that one process may open at a time;
            `"sqlite:path"`, one SQLite file that many processes may open at once;
            `"postgresql://user@host/database"`, tables in PostgreSQL, for any number of processes
            on any number of machines;
            a URL whose scheme another package registered as an entry point of the group
            `turnfold.stores`: the name is the scheme, the value a callable from URL to `Store`;
            a `Store`, which is returned as it is.

    Raises:
        MissingDependency: the store needs a package that is not installed.
        StoreUnavailable: another process has the folder open, or no server can be reached.
        SchemaMismatch: another version of turnfold, or another program, made the file.
        StoreCorrupt: what is there cannot be read.
        StoreError: the scheme is unknown, or nothing can be written there.
    """
    if isinstance(store, Store):
        return store
    url = os.fspath(store)
    if not isinstance(url, str) or not url:
        raise StoreError(f"a store is a URL, a path or a Store, not {store!r}")
    found = _SCHEME.fullmatch(url) if isinstance(store, str) else None
    if found is None:
        return _open_folder(url)
    scheme, rest = found.group(1).lower(), found.group(2)
    if scheme == "memory":
        return _open_memory(rest)
    if scheme == "sqlite":
        return _open_sqlite(rest)
    if scheme in ("postgresql", "postgres"):
        return _open_postgres(url)
    return _open_registered(scheme, url)


def _open_memory(rest: str) -> Store:
    if rest:
        raise StoreError(f"'memory:' stands alone, but {rest!r} follows it")
    _LOG.info(
        "the store 'memory:' forgets everything when this process ends; to keep it, name a "
        "folder, for example './chat-memory'"
    )
    return Store(InMemoryLedger(), InMemoryIndex())


def _open_folder(path: str) -> Store:
    from turnfold_stores.folder import open_folder

    return open_folder(Path(path).expanduser())


def _open_sqlite(rest: str) -> Store:
    from turnfold_stores.sqlite import SqliteLedger
    from turnfold_stores.sqlite_index import SqliteIndex

    path = rest.removeprefix("//")
    if path in ("", ":memory:"):
        raise StoreError("'sqlite:' needs the path of a file; a store in memory is 'memory:'")
    ledger = SqliteLedger(Path(path).expanduser())
    return Store(ledger, SqliteIndex(ledger.file), together=ledger.file.writing)


def _open_postgres(url: str) -> Store:
    try:
        from turnfold_stores.postgres import open_postgres
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise MissingDependency(
            "psycopg", extra="postgres", feature="A store in PostgreSQL"
        ) from error
    return open_postgres(url)


def _open_registered(scheme: str, url: str) -> Store:
    registered = {point.name.lower(): point for point in entry_points(group=_GROUP)}
    if scheme not in registered:
        known = ", ".join(
            f"'{name}:'" for name in sorted({"memory", "sqlite", "postgresql", *registered})
        )
        raise StoreError(
            f"no store knows the scheme {scheme!r}; known are {known}, and paths of folders. "
            f"If it is a folder's name, write it as a path: './{scheme}:…'"
        )
    opened = registered[scheme].load()(url)
    if not isinstance(opened, Store):
        raise StoreError(
            f"the entry point {registered[scheme].value!r} for {scheme!r} must return a Store, "
            f"not {type(opened).__name__}"
        )
    return opened
