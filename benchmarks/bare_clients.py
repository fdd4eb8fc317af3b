"""The same work without turnfold: each engine's own client, called as its manual says.

The data lies as turnfold lays it (a collection a user in Chroma, one filtered collection in
Milvus, one table in SQLite and PostgreSQL), so that what is compared is the code in between.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from support.stores import Servers

Vectors = npt.NDArray[np.float32]


class Client(Protocol):
    """What is measured: ids and rows in, the ids of the `k` nearest out."""

    def put(self, user: str, ids: list[str], rows: Vectors) -> None: ...

    def nearest(self, user: str, query: Vectors, k: int) -> list[str]: ...

    def close(self) -> None: ...


class Numpy:
    """An array a user that grows by doubling, searched whole."""

    def __init__(self, _folder: Path, _servers: Servers) -> None:
        self._ids: dict[str, list[str]] = {}
        self._arrays: dict[str, Vectors] = {}

    def put(self, user: str, ids: list[str], rows: Vectors) -> None:
        known = self._ids.setdefault(user, [])
        array = self._arrays.get(user)
        wanted = len(known) + len(ids)
        if array is None or len(array) < wanted:
            grown = np.empty((max(wanted, 2 * len(known)), rows.shape[1]), dtype=np.float32)
            if array is not None:
                grown[: len(known)] = array[: len(known)]
            array = self._arrays[user] = grown
        array[len(known) : wanted] = rows
        known += ids

    def nearest(self, user: str, query: Vectors, k: int) -> list[str]:
        ids = self._ids[user]
        scores = self._arrays[user][: len(ids)] @ query
        first = np.argpartition(-scores, min(k, len(ids) - 1))[:k]
        return [ids[row] for row in first[np.argsort(-scores[first])].tolist()]

    def close(self) -> None:
        self._arrays.clear()


class Sqlite(Numpy):
    """Blobs in a table, and the same search."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        super().__init__(folder, servers)
        self._sqlite = sqlite3.connect(folder / "bare.db", isolation_level=None)
        self._sqlite.execute("PRAGMA journal_mode = WAL")
        self._sqlite.execute("PRAGMA synchronous = FULL")
        self._sqlite.execute("CREATE TABLE users (owner INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        self._sqlite.execute(
            "CREATE TABLE vectors (seq INTEGER PRIMARY KEY AUTOINCREMENT, owner INTEGER, id TEXT, "
            "conversation TEXT, vector BLOB, UNIQUE (owner, id))"
        )
        self._sqlite.execute("CREATE INDEX vectors_by_owner ON vectors (owner)")

    def put(self, user: str, ids: list[str], rows: Vectors) -> None:
        super().put(user, ids, rows)
        self._sqlite.execute("BEGIN IMMEDIATE")
        self._sqlite.execute("INSERT OR IGNORE INTO users (name) VALUES (?)", (user,))
        (owner,) = self._sqlite.execute(
            "SELECT owner FROM users WHERE name = ?", (user,)
        ).fetchone()
        self._sqlite.executemany(
            "INSERT INTO vectors (owner, id, conversation, vector) VALUES (?, ?, ?, ?)",
            [(owner, one, "c", row.tobytes()) for one, row in zip(ids, rows, strict=True)],
        )
        self._sqlite.execute("COMMIT")

    def close(self) -> None:
        self._sqlite.close()


class Chroma:
    """Chroma in a folder."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._client = self._open(folder, servers)
        self._collections: dict[str, Any] = {}

    def _open(self, folder: Path, _servers: Servers) -> Any:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(str(folder / "bare"), settings=settings)

    def put(self, user: str, ids: list[str], rows: Vectors) -> None:
        if user not in self._collections:
            self._collections[user] = self._client.get_or_create_collection(
                "bare" + hashlib.sha256(user.encode()).hexdigest()[:20],
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_search": 256}},
            )
        self._collections[user].upsert(
            ids=ids, embeddings=rows, metadatas=[{"conversation": "c"}] * len(ids)
        )

    def nearest(self, user: str, query: Vectors, k: int) -> list[str]:
        found = self._collections[user].query(
            query_embeddings=query[np.newaxis], n_results=k, include=["distances", "metadatas"]
        )
        return list(found["ids"][0])

    def close(self) -> None:
        self._client.close()


class ChromaServer(Chroma):
    """The same over HTTP."""

    def _open(self, _folder: Path, servers: Servers) -> Any:
        import chromadb
        from chromadb.config import Settings

        host, _, port = servers.chroma.partition(":")
        settings = Settings(anonymized_telemetry=False)
        return chromadb.HttpClient(host, int(port), settings=settings)


class Milvus:
    """Milvus Lite, one collection, users told apart by a filter."""

    def __init__(self, folder: Path, _servers: Servers) -> None:
        from pymilvus import DataType, MilvusClient

        logging.getLogger("pymilvus").setLevel(logging.ERROR)
        self._client = MilvusClient(str(folder / "bare.db"))
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("wall", DataType.VARCHAR, max_length=64, is_partition_key=True)
        schema.add_field("talk", DataType.VARCHAR, max_length=64)
        schema.add_field("id", DataType.VARCHAR, max_length=65_535)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
        params = MilvusClient.prepare_index_params()
        params.add_index("vector", index_type="FLAT", metric_type="COSINE")
        self._client.create_collection(
            "bare", schema=schema, index_params=params, consistency_level="Strong"
        )

    def put(self, user: str, ids: list[str], rows: Vectors) -> None:
        wall = hashlib.sha256(user.encode()).hexdigest()
        self._client.upsert(
            "bare",
            [
                {"key": f"{user}{one}", "wall": wall, "talk": "c", "id": one, "vector": row}
                for one, row in zip(ids, rows, strict=True)
            ],
        )

    def nearest(self, user: str, query: Vectors, k: int) -> list[str]:
        (found,) = self._client.search(
            "bare",
            data=[query],
            filter=f'wall == "{hashlib.sha256(user.encode()).hexdigest()}"',
            limit=k,
            output_fields=["id"],
            search_params={"metric_type": "COSINE"},
            consistency_level="Strong",
        )
        return [row["entity"]["id"] for row in found]

    def close(self) -> None:
        self._client.close()


class Postgres:
    """psycopg and pgvector, searched exactly."""

    def __init__(self, _folder: Path, servers: Servers) -> None:
        import psycopg

        self._connection = psycopg.connect(
            host=servers.postgres.socket, user="postgres", dbname="postgres", autocommit=True
        )
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        self._connection.execute("DROP TABLE IF EXISTS bare")
        self._connection.execute(
            'CREATE TABLE bare (user_id text COLLATE "C", id text COLLATE "C", '
            "seq bigint GENERATED ALWAYS AS IDENTITY, conversation text, vector vector, "
            "PRIMARY KEY (user_id, id)) WITH (toast_tuple_target = 8160)"
        )
        self._connection.execute("CREATE INDEX ON bare (user_id, conversation)")

    def put(self, user: str, ids: list[str], rows: Vectors) -> None:
        self._connection.execute(
            "INSERT INTO bare (user_id, id, conversation, vector) "
            "SELECT %s, id, 'c', vector::vector FROM unnest(%s::text[], %s::text[]) "
            "AS new (id, vector) ON CONFLICT (user_id, id) DO UPDATE SET vector = EXCLUDED.vector",
            (user, ids, [_written(row) for row in rows]),
        )

    def nearest(self, user: str, query: Vectors, k: int) -> list[str]:
        found = self._connection.execute(
            "SELECT id, vector <#> %s::vector AS far FROM bare WHERE user_id = %s "
            "ORDER BY far, seq LIMIT %s",
            (_written(query), user, k),
        )
        return [row[0] for row in found]

    def close(self) -> None:
        self._connection.close()


def _written(row: Vectors) -> str:
    return f"[{','.join(map(repr, row.tolist()))}]"


DIMENSION = 384
# By the name of the store in `support.stores.STORES`.
CLIENTS: dict[str, type[Client]] = {
    "memory": Numpy,
    "sqlite": Sqlite,
    "folder": Chroma,
    "postgres": Postgres,
    "chroma-server": ChromaServer,
    "milvus": Milvus,
}
