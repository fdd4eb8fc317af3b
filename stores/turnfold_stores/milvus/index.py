"""An index in Milvus: a server, a cluster, Zilliz Cloud, or a file of Milvus Lite.

One collection holds the vectors of all users, spread over partitions by user. What is compared in
a filter is hashes alone, 64 hexadecimal digits each, so nothing a caller chose is ever part of an
expression, and the server learns no user_id.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from turnfold_stores.addresses import check_reachable
from turnfold_stores.errors import (
    MissingDependency,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
)
from turnfold_stores.milvus.address import MilvusAddress
from turnfold_stores.milvus.errors import errors_as_ours
from turnfold_stores.process.folder_lock import FolderLock, make_private
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.records.validation import check_text, check_user
from turnfold_stores.records.vectors import MOST_ID_BYTES, checked, unit
from turnfold_stores.search.exact import ExactVectors
from turnfold_stores.search.paging import Page, widening

# What Milvus gives at most for one search.
_MOST = 16_384
# Entries sent, and ids asked for, at once.
_BATCH = 1_000
# Seconds for one request; a turn has a deadline of its own.
_TIMEOUT = 10.0
# Links of a node, and candidates kept while building and searching.
_HNSW = {"M": 16, "efConstruction": 128}
_EF = 256

# Inside the folder that Milvus Lite calls a file.
OWNER = "turnfold.owner"


class MilvusIndex:
    """An index in Milvus. Exact, or HNSW where the URL asks for it.

    Safe to share among threads. Many processes may use a server at once; a file of Milvus Lite has
    one owner.
    """

    def __init__(self, address: MilvusAddress, identity: str) -> None:
        """Reach the server, or say at once that it cannot be reached.

        Args:
            address: of `milvus_address`.
            identity: of the ledger the index is derived from.

        Raises:
            MissingDependency: pymilvus, or for a file milvus-lite, is not installed.
            StoreUnavailable: nobody answers, or another process has the file.
        """
        lite = address.file is not None
        for package in ("pymilvus", *(["milvus_lite"] if lite else [])):
            if importlib.util.find_spec(package) is None:
                raise MissingDependency(package, extra="milvus", feature="An index in Milvus")
        self._address = address
        self._prefix = prefix_of(identity)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        # Milvus Lite does not bear two calls at once: it opens its log twice, and one is lost.
        self._alone = contextlib.nullcontext() if address.file is None else threading.RLock()
        self._ownership: FolderLock | None = None
        self._dimensions: set[int] = set()
        self._client: Any = None
        if address.server is not None:
            check_reachable(address.server)
        if address.file is not None:
            _make_folder(address.file)
            self._ownership = FolderLock(address.file / OWNER)
        try:
            with self._errors_as_ours():
                self._client = _client(address)
                self._refresh()
        except BaseException:
            self.close()
            raise

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `Index.put`."""
        check_user(user_id)
        wanted = checked(entries)
        if not wanted:
            return
        with self._using() as client:
            dimension = wanted[0].vector.size
            name = self._collection(dimension)
            if held := self._other_dimension(user_id, dimension):
                checked(wanted, dimension=held)
            wall = _hashed(user_id)
            talks = {one: _hashed(one) for one in {entry.conversation for entry in wanted}}
            for start in range(0, len(wanted), _BATCH):
                batch = wanted[start : start + _BATCH]
                rows = [_row(wall, talks[entry.conversation], entry) for entry in batch]
                client.upsert(name, rows)

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """See `Index.nearest`. Asks Milvus for more, and ever more, as the reader goes on."""
        check_user(user_id)
        query = unit(vector, what="the query vector")
        only = _only(user_id, conversation)
        name = self._name(query.size)

        def search(wanted: int) -> Page | None:
            with self._using() as client:
                if not self._has(query.size):
                    self._check_dimension(user_id, query)
                    return None
                (rows,) = client.search(
                    name,
                    data=[query],
                    filter=only,
                    limit=wanted,
                    output_fields=["id"],
                    search_params={"metric_type": "COSINE", "params": {"ef": max(_EF, wanted)}},
                    consistency_level="Strong",
                )
                if not rows:
                    self._check_dimension(user_id, query)
                hits = [Hit(row["entity"]["id"], float(row["distance"])) for row in rows]
                # HNSW may find fewer than there are; only the count tells the end.
                more = len(hits) == wanted or (
                    self._address.search != "flat" and len(hits) < self._count(name, only)
                )
                return Page(hits, None, more)

        return widening(
            search, conversation=None, most=_MOST, rest=lambda: self._all(name, only, query)
        )

    def ids(self, user_id: str) -> set[str]:
        """See `Index.ids`."""
        check_user(user_id)
        with self._using():
            names = self._names()
        only = _only(user_id)
        return {row["id"] for name in names for row in self._rows(name, only, ["id"])}

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Index.delete`."""
        check_user(user_id)
        gone = list(dict.fromkeys(ids))
        for entry_id in gone:
            check_text(entry_id, what="the id of an entry")
        wall = _hashed(user_id)
        with self._using() as client:
            for name in self._names():
                for start in range(0, len(gone), _BATCH):
                    keys = [_key(wall, entry_id) for entry_id in gone[start : start + _BATCH]]
                    client.delete(name, ids=keys)

    def is_complete(self) -> bool:
        """See `ServerIndex.is_complete`."""
        with self._using() as client:
            return bool(client.has_collection(self._prefix + "complete"))

    def set_complete(self) -> None:
        """See `ServerIndex.set_complete`."""
        with self._using():
            if not self.is_complete():
                # Without an index it is never loaded, and costs nothing.
                self._create(self._prefix + "complete", 2, searched=False)

    def close(self) -> None:
        """See `Index.close`."""
        with self._lock:
            client, self._client = self._client, None
        if os.getpid() != self._pid:
            return
        if client is not None:
            client.close()
        if self._ownership is not None and self._ownership.held:
            assert self._address.file is not None
            _close_file(self._address.file)
            self._ownership.release()

    def __repr__(self) -> str:
        return f"MilvusIndex({str(self._address)!r})"

    def _doubt(self) -> None:
        """What was read is damaged; a server knows what to do about that itself."""

    def _collection(self, dimension: int) -> str:
        """The name of the collection for vectors of this dimension, which is made if need be."""
        name = self._name(dimension)
        if not self._has(dimension):
            self._create(name, dimension)
            self._dimensions.add(dimension)
        return name

    def _create(self, name: str, dimension: int, *, searched: bool = True) -> None:
        from pymilvus import DataType, MilvusClient, MilvusException

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("wall", DataType.VARCHAR, max_length=64, is_partition_key=True)
        schema.add_field("talk", DataType.VARCHAR, max_length=64)
        schema.add_field("id", DataType.VARCHAR, max_length=MOST_ID_BYTES)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        params = MilvusClient.prepare_index_params()
        kind = self._address.search
        params.add_index(
            "vector",
            index_type=kind.upper(),
            metric_type="COSINE",
            params=_HNSW if kind == "hnsw" else {},
        )
        try:
            self._client.create_collection(
                name,
                schema=schema,
                index_params=params if searched else None,
                consistency_level="Strong",
                num_partitions=self._address.partitions if searched else 1,
            )
        except MilvusException:
            # Another process may have been first.
            if not self._client.has_collection(name):
                raise
            if searched:
                self._client.load_collection(name)

    def _has(self, dimension: int) -> bool:
        if dimension not in self._dimensions:
            self._refresh()
        return dimension in self._dimensions

    def _refresh(self) -> None:
        for name in self._client.list_collections():
            tail = name.removeprefix(self._prefix)
            if tail != name and tail.isdigit() and int(tail) not in self._dimensions:
                self._client.load_collection(name)
                self._dimensions.add(int(tail))

    def _names(self) -> list[str]:
        self._refresh()
        return [self._name(dimension) for dimension in sorted(self._dimensions)]

    def _name(self, dimension: int) -> str:
        return f"{self._prefix}{dimension}"

    def _other_dimension(self, user_id: str, dimension: int) -> int | None:
        """The dimension of the user's vectors, if it is another; collections have one each."""
        for other in sorted(self._dimensions - {dimension}):
            if self._count(self._name(other), _only(user_id)):
                return other
        return None

    def _check_dimension(self, user_id: str, query: Vector) -> None:
        if held := self._other_dimension(user_id, query.size):
            raise StoreError(
                f"the query vector has {query.size} numbers where the stored ones have {held}: "
                "it comes from another embedding model"
            )

    def _count(self, name: str, only: str) -> int:
        (row,) = self._client.query(
            name, filter=only, output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(row["count(*)"])

    def _rows(self, name: str, only: str, fields: list[str]) -> Iterator[Any]:
        """All rows, a page at a time."""
        with self._using() as client:
            pages = client.query_iterator(
                name,
                batch_size=_BATCH,
                filter=only,
                output_fields=fields,
                consistency_level="Strong",
            )
        try:
            while True:
                with self._using():
                    page = pages.next()
                if not page:
                    return
                yield from page
        finally:
            pages.close()

    def _all(self, name: str, only: str, query: Vector) -> Iterator[Hit]:
        """Every hit, ranked here, for readers that go on where Milvus stops."""
        vectors = ExactVectors()
        vectors.put(
            Entry(row["id"], "", np.asarray(row["vector"], dtype=np.float32))
            for row in self._rows(name, only, ["id", "vector"])
        )
        # Of which conversation they are, Milvus knows by a digest alone.
        return (replace(hit, conversation=None) for hit in vectors.nearest(query))

    @contextlib.contextmanager
    def _using(self) -> Iterator[Any]:
        if os.getpid() != self._pid:
            raise StoreUnavailable(
                f"the index at {self._address} belongs to process {self._pid}, which forked this "
                "one: open the store after the fork"
            )
        client = self._client
        if client is None:
            raise StoreUnavailable(f"the index at {self._address} was closed")
        with self._alone, self._errors_as_ours():
            yield client

    @contextlib.contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        try:
            with errors_as_ours(self._address):
                yield
        except StoreCorrupt:
            self._doubt()
            raise


def prefix_of(identity: str) -> str:
    """What the names of a ledger's collections begin with."""
    return f"turnfold_{identity[:16]}_"


def _client(address: MilvusAddress) -> Any:
    from pymilvus import MilvusClient

    if address.file is not None:
        return MilvusClient(str(address.file), timeout=_TIMEOUT)
    assert address.server is not None
    return MilvusClient(
        address.server.url, token=address.token, db_name=address.database, timeout=_TIMEOUT
    )


def _make_folder(file: Path) -> None:
    """Milvus Lite makes what is inside readable to all; the folder's own mode guards it."""
    try:
        file.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"cannot write {str(file)!r}: {error.strerror}") from error


def _close_file(file: Path) -> None:
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(file))
    make_private(file)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key(wall: str, entry_id: str) -> str:
    return _hashed(f"{wall}{entry_id}")


def _only(user_id: str, conversation: str | None = None) -> str:
    """The filter that is the wall: of constants and hexadecimal digits."""
    wall = f'wall == "{_hashed(user_id)}"'
    if conversation is None:
        return wall
    check_text(conversation, what="conversation")
    return f'{wall} and talk == "{_hashed(conversation)}"'


def _row(wall: str, talk: str, entry: Entry) -> dict[str, Any]:
    return {
        "key": _key(wall, entry.id),
        "wall": wall,
        "talk": talk,
        "id": entry.id,
        "vector": entry.vector,
    }
