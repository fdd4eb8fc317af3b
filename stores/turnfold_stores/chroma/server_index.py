"""An index on a Chroma server: one of one's own, a distributed one, or Chroma Cloud.

Many processes may use it at once. Each user has a collection, named by hashes of the ledger's
identity and of the user_id: the server learns neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any, TypeVar

from turnfold_stores.addresses import Address, check_reachable, read_address
from turnfold_stores.chroma.collection import CONFIGURATION, OF_ENTRIES, Collection, entries_in
from turnfold_stores.chroma.http_client import (
    CLOUD_TOKEN,
    TOKEN,
    close_http_client,
    open_http_client,
)
from turnfold_stores.chroma.index import require_chroma
from turnfold_stores.errors import (
    StoreError,
    StoreUnavailable,
)
from turnfold_stores.masking import errors_as
from turnfold_stores.process.fork import at_fork
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.records.validation import check_text, check_user
from turnfold_stores.records.vectors import checked, unit
from turnfold_stores.search.exact import ExactVectors
from turnfold_stores.search.paging import Page, widening

PORT = 8000
_CLOUD = ".trychroma.com"
# What Chroma Cloud gives and takes at once.
_CLOUD_MOST = 300
# Ids asked for at once.
_PAGE = 10_000
# Collections remembered; a user met again costs one request more.
_MOST_REMEMBERED = 10_000
_DIMENSION = "dimension"
# Seconds before it is tried again what failed within the server.
_PAUSES = (0.05, 0.2)

_T = TypeVar("_T")


def chroma_address(url: str) -> Address:
    """Read `chroma+http://host[:port][/tenant[/database]]?ledger=URL`, or `chroma+https`.

    Raises:
        StoreError: it cannot be read.
    """
    address = read_address(url, port=443 if url[:12].lower() == "chroma+https" else PORT)
    if len(address.path) > 2:
        raise StoreError(
            f"{address} has more behind the host than a tenant and a database: "
            "'chroma+http://host:port/tenant/database?ledger=…'"
        )
    return address


class ChromaServerIndex:
    """An index on a Chroma server. Approximate (HNSW) beyond some hundred vectors a user.

    Safe to share among threads, and across a fork: a child opens connections of its own.
    """

    def __init__(self, address: Address, identity: str) -> None:
        """Reach the server, or say at once that it cannot be reached.

        Args:
            address: of `chroma_address`. The token is the address's, else that of the variable
                `TURNFOLD_CHROMA_TOKEN`, else, for Chroma Cloud only, of `CHROMA_API_KEY`.
            identity: of the ledger the index is derived from.

        Raises:
            MissingDependency: chromadb is not installed.
            StoreUnavailable: nobody answers, or the token is not accepted.
            StoreError: tenant or database do not exist.
        """
        require_chroma()
        self._address = address
        self._cloud = address.host.endswith(_CLOUD)
        self._secret = address.secret or _token_of_environment(cloud=self._cloud)
        self._identity = identity[:16]
        self._lock = threading.Lock()
        self._closed = False
        self._client: Any = None
        self._collections: dict[str, Collection] = {}
        self._inherited: list[Any] = []
        check_reachable(address)
        with self._errors_as_ours():
            self._batch = min(
                int(self._open().get_max_batch_size()), _CLOUD_MOST if self._cloud else 2**31
            )
        at_fork(in_child=self._after_fork_in_child)

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `Index.put`."""
        check_user(user_id)
        wanted = checked(entries)
        if not wanted:
            return
        with self._errors_as_ours():
            self._until_done(user_id, lambda: self._put(user_id, wanted))

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """See `Index.nearest`. Asks the server for more, and ever more, as the reader goes on."""
        check_user(user_id)
        query = unit(vector, what="the query vector")

        def ask(wanted: int) -> Page | None:
            collection = self._collection(user_id)
            if collection is None:
                return None
            if query.size != collection.dimension and collection.chroma.count() == 0:
                return None
            return collection.search(query, wanted, count=collection.chroma.count)

        def search(wanted: int) -> Page | None:
            with self._errors_as_ours():
                return self._until_done(user_id, lambda: ask(wanted))

        return widening(
            search,
            conversation=conversation,
            most=_CLOUD_MOST if self._cloud else None,
            rest=lambda: self._all(user_id, query, conversation),
        )

    def ids(self, user_id: str) -> set[str]:
        """See `Index.ids`."""
        check_user(user_id)
        return {one for page in self._pages(user_id, include=[]) for one in page["ids"]}

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Index.delete`. The collection stays, for another process may be filling it."""
        check_user(user_id)
        gone = list(dict.fromkeys(ids))
        for entry_id in gone:
            check_text(entry_id, what="the id of an entry")

        def remove() -> None:
            collection = self._collection(user_id)
            if collection is not None:
                collection.delete(gone, batch=self._batch)

        with self._errors_as_ours():
            self._until_done(user_id, remove)

    def is_complete(self) -> bool:
        """See `ServerIndex.is_complete`."""
        with self._errors_as_ours():
            return self._existing(self._name("")) is not None

    def set_complete(self) -> None:
        """See `ServerIndex.set_complete`."""
        with self._errors_as_ours():
            # No user_id is empty: this collection is nobody's, and stays empty.
            self._open().get_or_create_collection(self._name(""), embedding_function=None)

    def close(self) -> None:
        """See `Index.close`."""
        with self._lock:
            self._closed = True
            self._collections.clear()
            client, self._client = self._client, None
        if client is not None:
            close_http_client(client)

    def __repr__(self) -> str:
        return f"ChromaServerIndex({str(self._address)!r})"

    def _put(self, user_id: str, entries: list[Entry]) -> None:
        collection = self._collection(user_id) or self._create(user_id, entries[0].vector.size)
        if entries[0].vector.size != collection.dimension:
            if collection.chroma.count():
                checked(entries, dimension=collection.dimension)
            # Emptied, and begun again with another embedding model.
            self._collections.pop(user_id, None)
            self._open().delete_collection(self._name(user_id))
            collection = self._create(user_id, entries[0].vector.size)
        collection.upsert(entries, batch=self._batch)

    def _pages(self, user_id: str, *, include: list[str]) -> Iterator[Any]:
        size = _CLOUD_MOST if self._cloud else _PAGE
        for offset in count(step=size):
            read = partial(self._page, user_id, limit=size, offset=offset, include=include)
            with self._errors_as_ours():
                page = self._until_done(user_id, read)
            if page is not None:
                yield page
            if page is None or len(page["ids"]) < size:
                return

    def _page(self, user_id: str, **wanted: Any) -> Any:
        collection = self._collection(user_id)
        return None if collection is None else collection.chroma.get(**wanted)

    def _all(self, user_id: str, query: Vector, conversation: str | None) -> Iterator[Hit]:
        """Every hit, ranked here, for readers that go on where the server stops."""
        vectors = ExactVectors()
        for page in self._pages(user_id, include=OF_ENTRIES):
            vectors.put(entries_in(page))
        return vectors.nearest(query, conversation=conversation)

    def _collection(self, user_id: str) -> Collection | None:
        if user_id not in self._collections:
            found = self._existing(self._name(user_id))
            if found is None:
                return None
            self._remember(user_id, Collection(found, int(found.metadata[_DIMENSION])))
        return self._collections[user_id]

    def _existing(self, name: str) -> Any:
        from chromadb.errors import NotFoundError

        try:
            return self._open().get_collection(name, embedding_function=None)
        except NotFoundError:
            return None

    def _create(self, user_id: str, dimension: int) -> Collection:
        # Of two processes that create it at once, the first one's dimension counts.
        created = self._open().get_or_create_collection(
            self._name(user_id),
            embedding_function=None,
            metadata={_DIMENSION: dimension},
            configuration=CONFIGURATION,
        )
        collection = Collection(created, int(created.metadata[_DIMENSION]))
        self._remember(user_id, collection)
        return collection

    def _remember(self, user_id: str, collection: Collection) -> None:
        if len(self._collections) >= _MOST_REMEMBERED:
            self._collections.clear()
        self._collections[user_id] = collection

    def _until_done(self, user_id: str, work: Callable[[], _T]) -> _T:
        """Do it, and again if another process has replaced the collection meanwhile.

        Also where the server failed within: so it does in passing, where it writes and reads at
        once. All that is done may be done twice.
        """
        from chromadb.errors import InternalError, NotFoundError

        pauses = iter(_PAUSES)
        is_new = False
        while True:
            try:
                return work()
            except NotFoundError:
                if is_new:
                    raise
                self._collections.pop(user_id, None)
                is_new = True
            except InternalError:
                if (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)

    def _name(self, user_id: str) -> str:
        digits = hashlib.sha256(user_id.encode()).hexdigest()[:40]
        return f"turnfold-{self._identity}-{digits}"

    def _open(self) -> Any:
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"the index at {self._address} was closed")
            if self._client is None:
                self._client = open_http_client(self._address, self._secret)
            return self._client

    def _after_fork_in_child(self) -> None:
        # Two processes on one connection would read each other's answers. It is not closed
        # either: that would say goodbye in the parent's name.
        self._lock = threading.Lock()
        self._inherited.append((self._client, self._collections))
        self._client, self._collections = None, {}

    def _errors_as_ours(self) -> contextlib.AbstractContextManager[None]:
        return errors_as(lambda error, said: _ours(error, self._address, said), secret=self._secret)


def _ours(error: BaseException, address: Address, said: str) -> StoreError:
    import httpx
    from chromadb.errors import AuthorizationError, ChromaAuthError, RateLimitError

    if isinstance(error, httpx.HTTPError):
        return StoreUnavailable(f"the Chroma server at {address} does not answer ({said})")
    if isinstance(error, (AuthorizationError, ChromaAuthError)):
        return StoreUnavailable(f"the Chroma server at {address} refuses the token ({said})")
    if isinstance(error, RateLimitError):
        return StoreUnavailable(f"the Chroma server at {address} is asked too often ({said})")
    return StoreError(f"the Chroma server at {address} failed ({said})")


def _token_of_environment(*, cloud: bool) -> str:
    token = os.environ.get(TOKEN, "")
    # A key of Chroma Cloud is nobody else's business.
    return token or (os.environ.get(CLOUD_TOKEN, "") if cloud else "")
