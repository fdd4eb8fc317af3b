"""An index in Chroma: a collection a user, no metadata filters, one process a folder.

A metadata filter costs 40 to 234 ms at 100,000 vectors where a collection of one's own costs 1.7,
so each user has a collection, and `nearest` filters by conversation what it has read.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import shutil
import threading
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from turnfold_stores.bounded import BoundedDict
from turnfold_stores.chroma.collection import CONFIGURATION, Collection
from turnfold_stores.chroma.purge import DATABASE, purge_folder, wipe_slack
from turnfold_stores.errors import (
    MissingDependency,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    is_failure,
)
from turnfold_stores.lazy_numpy import np
from turnfold_stores.process.crash_mark import CrashMark
from turnfold_stores.process.fork import at_fork
from turnfold_stores.process.open_files import Present
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.records.validation import check_text, check_user
from turnfold_stores.records.vectors import are_unit, checked, unit
from turnfold_stores.search.exact import ExactVectors
from turnfold_stores.search.paging import Page, widening

_NAME_DIGITS = 48
# Conversations whose vectors are held in memory: those of 200 exchanges take half a megabyte.
_MOST_HELD = 64

# Bytes free on a disk that is full: Chroma says it in many ways, and not always.
_NO_ROOM = 2**20

# The file of the `CrashMark`, beside Chroma's own.
BUSY = "turnfold.busy"


def require_chroma() -> None:
    """Make sure that Chroma is installed, without loading it.

    Raises:
        MissingDependency: it is not.
    """
    if importlib.util.find_spec("chromadb") is None:
        raise MissingDependency("chromadb", extra="chroma", feature="A store in a folder")


def open_client(path: Path) -> Any:
    """Chroma's client on the folder `path`, without telemetry."""
    require_chroma()
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    try:
        return chromadb.PersistentClient(path=str(path), settings=settings)
    except BaseException:
        # Chroma remembers by path what it failed to start, and would hand that out again.
        SharedSystemClient._identifier_to_system.pop(str(path), None)  # noqa: SLF001
        raise


class ChromaIndex:
    """An index in a folder of Chroma's. Approximate (HNSW) beyond some hundred vectors a user.

    Chroma keeps no peace between two processes on one folder: vectors are lost without an error.
    Whoever opens it makes sure to be alone (see `turnfold_stores.chroma.folder`).

    Attributes:
        sound: False once Chroma has failed at something. The index should be rebuilt then, as
            should one whose mark (`BUSY`) says that its process died while Chroma was at work.
    """

    def __init__(self, path: Path, *, guard: Present | None = None) -> None:
        """Open the folder, or make it.

        Args:
            path: a folder that holds nothing but this index.
            guard: files elsewhere that have to stay where they are while it is open.

        Raises:
            MissingDependency: chromadb is not installed.
            StoreCorrupt: Chroma cannot read the folder.
        """
        self.sound = True
        self._path = path
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._collections: dict[str, Collection] = {}
        self._counts: dict[str, int] = {}
        self._held: BoundedDict[tuple[str, str], ExactVectors] = BoundedDict(_MOST_HELD)
        with self._errors_as_ours():
            client = open_client(path)
            self._batch = int(client.get_max_batch_size())
            self._mark = CrashMark(path / BUSY)
        self._guard = guard or Present(())
        self._adopt(client)
        at_fork(in_child=self._abandon_in_child)

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `Index.put`."""
        check_user(user_id)
        with self._using():
            collection = self._collection(user_id)
            dimension = None if collection is None else collection.dimension
            wanted = checked(entries, dimension=dimension)
            if not wanted:
                return
            new = collection is None
            if collection is None:
                collection = self._create(user_id, wanted[0].vector.size)
            self._forget_held(user_id)
            collection.upsert(wanted, batch=self._batch)
            if new:
                collection.chroma.get(limit=1, include=["embeddings"])  # makes the graph
                wipe_slack(self._path, str(collection.chroma.id))

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """See `Index.nearest`. Asks Chroma for more, and ever more, as the reader goes on.

        Of one conversation exactly: its vectors are read once and held until the user's change.
        """
        check_user(user_id)
        query = unit(vector, what="the query vector")
        if conversation is not None:
            with self._using():
                held = self._held_of(user_id, conversation, query)
            yield from () if held is None else held.nearest(query)
            return

        def search(wanted: int) -> Page | None:
            with self._using():
                collection = self._collection(user_id)
                if collection is None:
                    return None
                count = partial(self._count, user_id, collection)
                return collection.search(query, wanted, count=count)

        yield from widening(search, conversation=None, rest=lambda: self._all(user_id, query))

    def ids(self, user_id: str) -> set[str]:
        """See `Index.ids`."""
        check_user(user_id)
        with self._using():
            collection = self._collection(user_id)
            return set() if collection is None else set(collection.chroma.get(include=[])["ids"])

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Index.delete`."""
        check_user(user_id)
        gone = list(dict.fromkeys(ids))
        for entry_id in gone:
            # Not left to Chroma to refuse: an error of Chroma's costs a rebuild.
            check_text(entry_id, what="the id of an entry")
        with self._using():
            collection = self._collection(user_id)
            if collection is None or not gone:
                return
            self._forget_held(user_id)
            collection.delete(gone, batch=self._batch)
            if collection.chroma.count() == 0:
                self._drop(user_id)

    def _all(self, user_id: str, query: Vector) -> Iterator[Hit]:
        """Every hit, ranked here, for readers that go on where Chroma finds no more."""
        held = ExactVectors()
        with self._using():
            collection = self._collection(user_id)
            if collection is not None:
                held.put(collection.entries())
        return held.nearest(query)

    def _held_of(self, user_id: str, conversation: str, query: Vector) -> ExactVectors | None:
        """The vectors of one conversation; only this process may change them."""
        collection = self._collection(user_id)
        if collection is None:
            return None
        collection.check(query)
        place = (user_id, conversation)
        held = self._held.pop(place, None)
        if held is None:
            entries = collection.entries(conversation)
            if entries and not are_unit(np.stack([entry.vector for entry in entries])).all():
                raise self._damaged("it holds vectors that nobody wrote")
            held = ExactVectors()
            held.put(entries)
        self._held[place] = held
        return held

    def _forget_held(self, user_id: str) -> None:
        self._counts.pop(user_id, None)
        for place in [place for place in self._held if place[0] == user_id]:
            del self._held[place]

    def users(self) -> set[str]:
        """Every user_id that has a collection."""
        with self._using():
            return {found.metadata["user_id"] for found in self._client.list_collections()}

    def purge(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `PurgesIndex.purge`. The user's collection goes, with all that was ever in it."""
        check_user(user_id)
        with self._using():
            if _name(user_id) in {found.name for found in self._client.list_collections()}:
                self._client.delete_collection(_name(user_id))
            self._counts.clear()
            self._held.clear()
            self._collections.clear()  # they belong to the client that is closed here
            sound, self.sound = self.sound, False  # until all is there again
            self._close.detach()
            self._client.close()
            try:
                purge_folder(self._path)
            except StoreError:
                self._open_again(user_id, entries)  # it is searched all the same
                raise
            self._open_again(user_id, entries)
            self.sound = sound

    def _adopt(self, client: Any) -> None:
        self._client = client
        self._present = Present([self._path / BUSY, self._path / DATABASE])
        self._close = weakref.finalize(self, _close_own, client, self._mark, self._pid)

    def _open_again(self, user_id: str, entries: Iterable[Entry]) -> None:
        self._adopt(open_client(self._path))
        left = iter(entries)
        while batch := list(islice(left, self._batch)):
            self.put(user_id, batch)

    def close(self) -> None:
        """See `Index.close`."""
        with contextlib.nullcontext() if os.getpid() != self._pid else self._lock:
            self._collections.clear()
            self._close()

    def _count(self, user_id: str, collection: Collection) -> int:
        """How many entries there are: asked once, for whoever owns the folder is alone."""
        if user_id not in self._counts:
            self._counts[user_id] = int(collection.chroma.count())
        return self._counts[user_id]

    def _abandon_in_child(self) -> None:
        # Chroma's Rust code waits, when it is freed, for threads that only the parent has: the
        # child would hang at its exit. A reference that is never given back keeps it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._client))

    def _collection(self, user_id: str) -> Collection | None:
        """The user's collection, None when there is none or nothing is in it."""
        if user_id in self._collections:
            return self._collections[user_id]
        from chromadb.errors import NotFoundError

        try:
            found = self._client.get_collection(_name(user_id), embedding_function=None)
        except NotFoundError:
            return None
        if (found.metadata or {}).get("user_id") != user_id:
            raise self._damaged(
                f"the collection {found.name!r} belongs to another user than its name says; "
                "nothing was read from it"
            )
        first = found.get(limit=1, include=["embeddings"])["embeddings"]
        if len(first) == 0:
            # Left by a crash. A new one may have another dimension.
            self._drop(user_id)
            return None
        wipe_slack(self._path, str(found.id))
        self._collections[user_id] = Collection(found, len(first[0]))
        return self._collections[user_id]

    def _create(self, user_id: str, dimension: int) -> Collection:
        created = self._client.create_collection(
            _name(user_id),
            embedding_function=None,
            metadata={"user_id": user_id},
            configuration=CONFIGURATION,
        )
        self._collections[user_id] = Collection(created, dimension)
        return self._collections[user_id]

    def _drop(self, user_id: str) -> None:
        self._collections.pop(user_id, None)
        self._client.delete_collection(_name(user_id))

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        if os.getpid() != self._pid:
            raise StoreUnavailable(
                f"the index in {str(self._path)!r} belongs to process {self._pid}, which forked "
                "this one: Chroma cannot be shared across a fork. Open the store after the fork, "
                "in one process only, or use a 'sqlite:' store, which many processes may open"
            )
        with self._lock:
            if not self._close.alive:
                raise StoreUnavailable(f"the index in {str(self._path)!r} was closed")
            if (lost := self._present.lost() or self._guard.lost()) is not None:
                self.sound = False
                raise StoreUnavailable(
                    f"{str(lost)!r} was removed while the store was open: what is written now "
                    "would be lost. Open the store again to go on with what is there; what is "
                    "missing in its index is made anew from the ledger"
                )
            with self._errors_as_ours():
                self._mark.set(busy=True)
                yield
                # After an error the mark stays: what Chroma left behind is not to be trusted.
                self._mark.set(busy=not self.sound)

    @contextlib.contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        try:
            yield
        except StoreCorrupt:
            self.sound = False
            raise
        except (StoreError, MissingDependency):
            raise
        except BaseException as error:
            if not is_failure(error):
                raise
            self.sound = False
            if _is_full(self._path):
                raise StoreError(
                    f"no room left to write {str(self._path)!r}: {error}. Make room and open the "
                    "store again: the index is rebuilt from the ledger"
                ) from error
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def _damaged(self, said: str) -> StoreCorrupt:
        return StoreCorrupt(
            f"Chroma failed on {str(self._path)!r} ({said}). The ledger is not affected: close the "
            "store and open it again, and the index is checked and, where needed, rebuilt from "
            "the ledger"
        )


def _name(user_id: str) -> str:
    """A hash: names of collections are short and of few characters, a user_id is anything."""
    return "u" + hashlib.sha256(user_id.encode()).hexdigest()[:_NAME_DIGITS]


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path).free < _NO_ROOM
    except OSError:
        return False


def _close_own(client: Any, mark: CrashMark, pid: int) -> None:
    # In a forked child the client's threads do not exist; stopping it would wait for them.
    if os.getpid() == pid:
        client.close()
    mark.close()
