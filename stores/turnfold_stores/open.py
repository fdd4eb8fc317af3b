"""From a URL to a store."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING

from turnfold_stores.errors import MissingDependency, StoreError, StoreUnavailable
from turnfold_stores.local_paths import local_path
from turnfold_stores.masking import masked, secrets_of, without_secret
from turnfold_stores.protocols import Ledger
from turnfold_stores.store import Store

if TYPE_CHECKING:
    from turnfold_stores.sqlite.ledger import SqliteLedger

_LOG = logging.getLogger("turnfold.stores")
_GROUP = "turnfold.stores"
# At least two characters: a single letter is a drive.
# What was to be a URL would become folders named after a password.
_HALF_A_URL = re.compile(r"[A-Za-z0-9+.-]*//[^/]*@")
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
            `"chroma+http://host:port/tenant/database?ledger=URL"` (or `chroma+https`), an index
            on a Chroma server over a ledger that is elsewhere;
            `"milvus+http://host:port/database?ledger=URL"` (or `milvus+https`), an index on a
            Milvus server; `"milvus:path.db?ledger=URL"`, one in a file of Milvus Lite;
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
    if url == "":
        raise StoreError("a store is a URL or a path, and this one is empty: './chat-memory', say")
    if not isinstance(url, str):
        raise StoreError(f"a store is a URL, a path or a Store, not {type(store).__name__}")
    found = _SCHEME.fullmatch(url) if isinstance(store, str) else None
    scheme = "" if found is None else found.group(1).lower()
    opener = _OPENERS.get(scheme, partial(_open_registered, scheme)) if scheme else _open_folder
    try:
        return opener(url)
    except (StoreError, OSError) as error:
        # Whatever could not be read is quoted by who could not read it, and this is the last door.
        said = masked(str(error), secrets_of(url))
        kind = type(error) if isinstance(error, StoreError) else StoreUnavailable
        if said == str(error) and kind is type(error):
            raise
        raise kind(said) from (None if said != str(error) else error)


def _open_memory(url: str) -> Store:
    if rest := _rest(url):
        raise StoreError(f"'memory:' stands alone, but {rest!r} follows it")
    _LOG.info(
        "the store 'memory:' forgets everything when this process ends; to keep it, name a "
        "folder, for example './chat-memory'"
    )
    from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger

    return Store(InMemoryLedger(), InMemoryIndex())


def _open_folder(path: str) -> Store:
    if _HALF_A_URL.match(path):
        raise StoreError(
            f"{without_secret(path)!r} looks like a URL that has lost its colon: write it as in "
            "'postgresql://…'; a folder of that name is './…'"
        )
    from turnfold_stores.chroma.folder import open_folder

    return open_folder(local_path(path))


def _open_sqlite(url: str) -> Store:
    from turnfold_stores.sqlite.index import SqliteIndex

    ledger = _sqlite_ledger(url)
    return Store(ledger, SqliteIndex(ledger.file), together=ledger.file.writing)


def _open_chroma_server(url: str) -> Store:
    from turnfold_stores.chroma.server_index import ChromaServerIndex, chroma_address
    from turnfold_stores.remote import open_remote

    address = chroma_address(url)
    ledger, close = _open_ledger(address.ledger)
    return open_remote(ledger, partial(ChromaServerIndex, address), after_close=close)


def _open_milvus(url: str) -> Store:
    from turnfold_stores.milvus.address import milvus_address
    from turnfold_stores.milvus.index import MilvusIndex
    from turnfold_stores.milvus.lite_index import open_file
    from turnfold_stores.remote import open_remote

    address = milvus_address(url)
    ledger, close = _open_ledger(address.ledger)
    index = MilvusIndex if address.file is None else open_file
    return open_remote(ledger, partial(index, address), after_close=close)


def _open_ledger(url: str) -> tuple[Ledger, Callable[[], None]]:
    """The ledger of a store whose index is elsewhere, and what closes it."""
    scheme, _, _ = url.partition(":")
    if scheme.lower() == "sqlite":
        ledger = _sqlite_ledger(url)
        return ledger, ledger.close
    if scheme.lower() in ("postgresql", "postgres"):
        alone: Ledger = _postgres().open_ledger(url)
        return alone, alone.close
    found = _SCHEME.fullmatch(url)
    if found is None or scheme.lower() == "memory":
        raise StoreError(
            f"the ledger of an index on a server must be durable and open to all who use the "
            f"index, which {without_secret(url)!r} is not: use 'postgresql://…' or 'sqlite:path'"
        )
    # Its index stays empty; the store is kept because it closes its parts when it is garbage.
    store = open_store(url)
    return store.ledger, store.close


def _sqlite_ledger(url: str) -> SqliteLedger:
    from turnfold_stores.sqlite.ledger import SqliteLedger

    path = _rest(url).removeprefix("//")
    if path in ("", ":memory:"):
        raise StoreError("'sqlite:' needs the path of a file; a store in memory is 'memory:'")
    return SqliteLedger(local_path(path))


def _rest(url: str) -> str:
    return url.partition(":")[2]


def _open_postgres(url: str) -> Store:
    store: Store = _postgres().open_postgres(url)
    return store


def _postgres() -> ModuleType:
    try:
        from turnfold_stores.postgres import ledger as postgres
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise MissingDependency(
            "psycopg", extra="postgres", feature="A store in PostgreSQL"
        ) from error
    return postgres


def _open_registered(scheme: str, url: str) -> Store:
    registered = {point.name.lower(): point for point in entry_points(group=_GROUP)}
    if scheme not in registered:
        known = ", ".join(f"'{name}:'" for name in sorted({*_OPENERS, *registered}))
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


# A new kind of store is one line here, or an entry point of another package.
_OPENERS: Mapping[str, Callable[[str], Store]] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
    "chroma+http": _open_chroma_server,
    "chroma+https": _open_chroma_server,
    "milvus": _open_milvus,
    "milvus+http": _open_milvus,
    "milvus+https": _open_milvus,
}
