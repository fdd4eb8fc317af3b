"""An index in PostgreSQL: pgvector, searched exactly, or through HNSW for who has many vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import LiteralString

from psycopg import sql

from turnfold_stores.errors import StoreError
from turnfold_stores.postgres.connections import Connection, Connections
from turnfold_stores.postgres.nul_escape import restored, stored
from turnfold_stores.postgres.schema import INDEX, exists, layout_lock, prepare, vector_schema
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.records.validation import check_user
from turnfold_stores.records.vectors import checked, unit

_MOST_ROWS = 500
# Hits read at first. Later pages are larger, for each of them scores all vectors again.
_PAGE = 128
_GROWTH = 8

# A user with fewer vectors is searched exactly also where there is HNSW: it takes some
# milliseconds, and to find the few of one user among all would take longer.
_FEW = 20_000
# What pgvector can put into HNSW.
_MOST_DIMENSIONS = 2_000
# Candidates that HNSW keeps; pgvector's 40 would miss more.
_EF_SEARCH = 200

_PUT: LiteralString = """
INSERT INTO {vectors} AS old (user_id, id, conversation, vector)
SELECT %(user_id)s, id, conversation, vector::{vector}
FROM unnest(%(ids)b::text[], %(conversations)b::text[], %(vectors)b::text[])
    WITH ORDINALITY AS given (id, conversation, vector, number)
ORDER BY number
ON CONFLICT (user_id, id) DO UPDATE
SET conversation = excluded.conversation, vector = excluded.vector
WHERE old.conversation <> excluded.conversation OR old.vector {unequal} excluded.vector
"""
_DIMENSION: LiteralString = """
SELECT {dimension}(vector) FROM {vectors} WHERE user_id = %(user_id)s LIMIT 1
"""
# Vectors have unit length, so their inner product is the cosine; pgvector's is negative.
_NEAREST: LiteralString = """
SELECT id, vector {times} %(query)s::{vector} AS distance, conversation, seq
FROM {vectors} WHERE user_id = %(user_id)s {only}
ORDER BY distance, seq LIMIT %(page)s
"""
# The inner query is kept whole, so that each distance is computed once.
_NEXT: LiteralString = """
SELECT id, distance, conversation, seq FROM (
    SELECT id, conversation, seq, vector {times} %(query)s::{vector} AS distance
    FROM {vectors} WHERE user_id = %(user_id)s {only} OFFSET 0
) AS own
WHERE (distance, seq) > (%(distance)s, %(seq)s)
ORDER BY distance, seq LIMIT %(page)s
"""
# The expression and the condition of the HNSW index, which is used for no other query.
_APPROXIMATE: LiteralString = """
SELECT id, vector::{sized} {times} %(query)s::{sized} AS distance, conversation
FROM {vectors} WHERE user_id = %(user_id)s AND {dimension}(vector) = {size} {only}
ORDER BY distance LIMIT %(page)s
"""
# The planner cannot know how many of a user's vectors it will meet, so it is not asked.
_SETTINGS = (
    b"SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL hnsw.ef_search = %d; "
    b"SET LOCAL enable_sort = off" % _EF_SEARCH
)
_HNSW: LiteralString = """
CREATE INDEX IF NOT EXISTS {name} ON {vectors} USING hnsw ((vector::{sized}) {operators})
WHERE {dimension}(vector) = {size}
"""
_IS_LARGE: LiteralString = """
SELECT count(*) FROM (
    SELECT FROM {vectors} WHERE user_id = %(user_id)s LIMIT %(few)s
) AS own
"""
_IDS: LiteralString = "SELECT id FROM {vectors} WHERE user_id = %(user_id)s"
# From one user to the next along the primary key, not over all vectors.
_USERS: LiteralString = """
WITH RECURSIVE users (user_id) AS (
    (SELECT user_id FROM {vectors} ORDER BY user_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT user_id FROM {vectors} WHERE user_id > users.user_id ORDER BY user_id LIMIT 1
    ) FROM users WHERE users.user_id IS NOT NULL
)
SELECT user_id FROM users WHERE user_id IS NOT NULL
"""
_DELETE: LiteralString = """
DELETE FROM {vectors} WHERE user_id = %(user_id)s AND id = ANY(%(ids)s)
"""


class PostgresIndex:
    """An index that many processes may use at once.

    Exact unless the address says "hnsw". Then the first hits of a user with 20,000 vectors or
    more come from an HNSW index of all users' vectors, searched on until enough are that user's;
    where it gives up before, and for whoever reads on, the search is exact.
    """

    def __init__(self, connections: Connections) -> None:
        """Make the table, or bring an older one up to date.

        Args:
            connections: to the server; closed with this index.

        Raises:
            SchemaMismatch: a newer version of turnfold, or another program, made the table.
            StoreError: pgvector is missing, or the role may not.
        """
        self._connections = connections
        self._where = vector_schema(connections)
        self._hnsw = connections.address.index == "hnsw"
        self._indexed: set[int] = set()
        self._large: set[str] = set()
        prepare(connections, INDEX, vector=sql.Identifier(self._where, "vector"))

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """See `Index.put`. On the server's disk when it returns, unless that is set otherwise."""
        check_user(user_id)
        wanted = checked(entries)
        if not wanted:
            return
        put = self._statement(_PUT)
        with self._connections.writing(user_id) as connection:
            dimension = self._dimension(user_id)
            if dimension is not None:
                checked(wanted, dimension=dimension)
            if self._hnsw:
                self._make_hnsw(connection, wanted[0].vector.size)
            for start in range(0, len(wanted), _MOST_ROWS):
                batch = wanted[start : start + _MOST_ROWS]
                values = {
                    "user_id": stored(user_id),
                    "ids": [stored(entry.id) for entry in batch],
                    "conversations": [stored(entry.conversation) for entry in batch],
                    "vectors": [_written(entry.vector) for entry in batch],
                }
                connection.execute(put, values)

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """See `Index.nearest`. Of equals, the first written comes first."""
        query = unit(vector, what="the query vector")
        seen: set[str] = set()
        if self._hnsw and self._is_large(user_id):
            for hit in self._approximate(user_id, query, conversation):
                seen.add(hit.id)
                yield hit
        for hit in self._exact(user_id, query, conversation):
            # Seen before, or replaced by somebody between two pages.
            if hit.id not in seen:
                seen.add(hit.id)
                yield hit

    def ids(self, user_id: str) -> set[str]:
        """See `Index.ids`."""
        rows = self._connections.read(self._statement(_IDS), {"user_id": stored(user_id)})
        return {restored(row[0]) for row in rows}

    def users(self) -> set[str]:
        """Every user_id that has a vector."""
        return {restored(row[0]) for row in self._connections.read(self._statement(_USERS))}

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Index.delete`. The bytes leave the server's files with its next VACUUM."""
        gone = [stored(entry_id) for entry_id in ids]
        if not gone:
            return
        with self._connections.writing(user_id) as connection:
            connection.execute(self._statement(_DELETE), {"user_id": stored(user_id), "ids": gone})

    def close(self) -> None:
        """See `Index.close`."""
        self._connections.close()

    def _exact(self, user_id: str, query: Vector, conversation: str | None) -> Iterator[Hit]:
        only, values = self._asked(user_id, query, conversation)
        nearest, size = self._statement(_NEAREST, only=only), _PAGE
        while True:
            try:
                page = self._connections.read(nearest, {**values, "page": size})
            except StoreError:
                self._check_dimension(user_id, query)
                raise
            for entry_id, distance, said_in, _ in page:
                yield Hit(restored(entry_id), -distance, restored(said_in))
            if len(page) < size:
                return
            nearest = self._statement(_NEXT, only=only)
            values.update(distance=page[-1][1], seq=page[-1][3])
            size *= _GROWTH

    def _approximate(self, user_id: str, query: Vector, conversation: str | None) -> Iterator[Hit]:
        only, values = self._asked(user_id, query, conversation)
        approximate = self._statement(_APPROXIMATE, only=only, **self._sized(query.size))
        # A transaction, though nothing is written: the settings are to end with the query.
        with self._connections.writing() as connection:
            connection.execute(_SETTINGS)
            page = connection.execute(approximate, {**values, "page": _PAGE}).fetchall()
        # Fewer than asked for: HNSW gave up, so let the exact search begin.
        if len(page) == _PAGE:
            for entry_id, distance, said_in in page:
                yield Hit(restored(entry_id), -distance, restored(said_in))

    def _asked(
        self, user_id: str, query: Vector, conversation: str | None
    ) -> tuple[sql.SQL, dict[str, object]]:
        values: dict[str, object] = {"user_id": stored(user_id), "query": _written(query)}
        if conversation is None:
            return sql.SQL(""), values
        values["conversation"] = stored(conversation)
        return sql.SQL("AND conversation = %(conversation)s"), values

    def _dimension(self, user_id: str) -> int | None:
        """What the user's vectors have; None when there are none."""
        rows = self._connections.read(self._statement(_DIMENSION), {"user_id": stored(user_id)})
        return rows[0][0] if rows else None

    def _check_dimension(self, user_id: str, query: Vector) -> None:
        """Say it clearly where a search failed since the vectors are of another length."""
        dimension = self._dimension(user_id)
        if dimension is not None and query.size != dimension:
            raise StoreError(
                f"the query vector has {query.size} numbers where the stored ones have "
                f"{dimension}: it comes from another embedding model"
            ) from None

    def _is_large(self, user_id: str) -> bool:
        if user_id not in self._large:
            values = {"user_id": stored(user_id), "few": _FEW}
            if self._connections.read(self._statement(_IS_LARGE), values) == [(_FEW,)]:
                self._large.add(user_id)
        return user_id in self._large

    def _make_hnsw(self, connection: Connection, size: int) -> None:
        if size in self._indexed:
            return
        if size > _MOST_DIMENSIONS:
            raise StoreError(
                f"HNSW takes vectors of at most {_MOST_DIMENSIONS} numbers, not {size}: leave "
                "'index=hnsw' out of the URL"
            )
        name = f"vectors_hnsw_{size}"
        if exists(self._connections, name):
            self._indexed.add(size)
            return
        # Else two who make it at once would wait for each other for ever.
        connection.execute(b"SELECT pg_advisory_xact_lock(%s)", (layout_lock(self._connections),))
        connection.execute(self._statement(_HNSW, name=sql.Identifier(name), **self._sized(size)))

    def _sized(self, size: int) -> dict[str, sql.Composable]:
        vector = sql.Identifier(self._where, "vector")
        return {"sized": sql.SQL("{}({})").format(vector, size), "size": sql.Literal(size)}

    def _statement(self, text: LiteralString, **names: sql.Composable) -> bytes:
        """As `Connections.statement`, with what pgvector brings: it may be in any schema."""
        where = sql.Identifier(self._where)
        return self._connections.statement(
            text,
            vector=sql.Identifier(self._where, "vector"),
            dimension=sql.Identifier(self._where, "vector_dims"),
            operators=sql.Identifier(self._where, "vector_ip_ops"),
            times=sql.SQL("OPERATOR({}.<#>)").format(where),
            unequal=sql.SQL("OPERATOR({}.<>)").format(where),
            **names,
        )


def _written(vector: Vector) -> str:
    """The vector as pgvector reads it; every float32 comes out as it went in."""
    return f"[{','.join(map(repr, vector.tolist()))}]"
