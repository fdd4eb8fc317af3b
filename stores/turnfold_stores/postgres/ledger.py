"""A store in PostgreSQL: a ledger with lexical search, and pgvector for an index.

Any number of processes on any number of machines may use it at once; none keeps anything of its
own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias

from psycopg import sql

from turnfold_stores.postgres.address import address_of
from turnfold_stores.postgres.connections import Connections
from turnfold_stores.postgres.index import PostgresIndex
from turnfold_stores.postgres.nul_escape import restored, stored
from turnfold_stores.postgres.schema import LEDGER, prepare
from turnfold_stores.postgres.word_numbers import WeightedTerms, array_of, numbers_of, weighed
from turnfold_stores.postgres.words_anew import WordsAnew
from turnfold_stores.protocols import Hit, Record
from turnfold_stores.records.validation import check_user, encode_body, record_of
from turnfold_stores.search.stemming import VERSION
from turnfold_stores.search.terms import COMMON, asked_for, terms
from turnfold_stores.store import Store

# Rows of one statement, and bytes after which no more are added: a statement takes 1 GB.
_MOST_ROWS = 500
_MOST_BYTES = 16 * 2**20
# Rows read at a time by scan, users and match: between pages nothing is held.
_PAGE = 256
_ENDLESS = 2**63 - 1
# Records that are counted to weigh a word; more would make it hardly rarer.
_MOST_COUNTED = 100_000

_COLUMNS = sql.SQL("id, kind, conversation, body::text, text, at, seq")

# Arrays are sent in binary (`b`): to quote 10 MB of text for an array takes seconds.
_PUT: LiteralString = """
INSERT INTO {records} (user_id, id, kind, conversation, body, text, at, words, words_version)
SELECT %(user_id)s, id, kind, conversation, body::json, text, at, words::bigint[], %(version)s
FROM unnest(
    %(id)b::text[], %(kind)b::text[], %(conversation)b::text[], %(body)b::text[],
    %(text)b::text[], %(at)b::float8[], %(words)b::text[]
) WITH ORDINALITY AS given (id, kind, conversation, body, text, at, words, number)
ORDER BY number
ON CONFLICT (user_id, id) DO NOTHING
RETURNING id
"""
_GET: LiteralString = """
SELECT {columns} FROM {records} WHERE user_id = %(user_id)s AND id = ANY(%(ids)s)
"""
_CONVERSATIONS: LiteralString = """
SELECT id, conversation FROM {records} WHERE user_id = %(user_id)s AND id = ANY(%(ids)s)
"""
_SCAN: LiteralString = """
SELECT {columns} FROM {records}
WHERE user_id = %(user_id)s AND seq > %(after)s AND seq <= %(last)s {only}
ORDER BY seq LIMIT %(page)s
"""
_LAST: LiteralString = "SELECT max(seq) FROM {records} WHERE user_id = %(user_id)s"
_LATEST: LiteralString = """
SELECT {columns} FROM {records} WHERE user_id = %(user_id)s {only} ORDER BY seq DESC LIMIT 1
"""
_LATEST_IDS: LiteralString = """
SELECT name, last.id FROM unnest(%(names)s::text[]) AS name CROSS JOIN LATERAL (
    SELECT id FROM {records} WHERE user_id = %(user_id)s {only} AND conversation = name
    ORDER BY seq DESC LIMIT 1
) AS last
"""
_DELETE: LiteralString = """
DELETE FROM {records} WHERE user_id = %(user_id)s AND id = ANY(%(ids)s)
"""
# From one user to the next along the primary key, not over all records.
_USERS: LiteralString = """
WITH RECURSIVE users (user_id) AS (
    (SELECT user_id FROM {records} WHERE user_id > %(after)s ORDER BY user_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT user_id FROM {records} WHERE user_id > users.user_id ORDER BY user_id LIMIT 1
    ) FROM users WHERE users.user_id IS NOT NULL
)
SELECT user_id FROM users WHERE user_id IS NOT NULL LIMIT %(page)s
"""
_OCCURRENCES: LiteralString = """
SELECT number, (
    SELECT count(*) FROM (
        SELECT FROM {records}
        WHERE user_id = %(user_id)s AND words @> ARRAY[number] {only} LIMIT %(common)s
    ) AS sharing
), (
    SELECT count(*) FROM (
        SELECT FROM {records}
        WHERE user_id = %(user_id)s AND words IS NOT NULL {only} LIMIT %(most)s
    ) AS spoken
)
FROM unnest(%(numbers)s::bigint[]) AS asked (number)
"""
# BM25 with the usual k = 1.2 and b = 0.75, written so that each word is looked for once. The
# length that counts as middling is fixed, at that of a paragraph: to take the mean would be to
# read all that is ranked twice.
_RANK: LiteralString = """
SELECT id, {score} AS score, conversation
FROM (
    SELECT id, seq, conversation, words,
        0.3 + 0.009::float8 * cardinality(words) AS middling FROM {records}
    WHERE user_id = %(user_id)s AND words && %(some)s::bigint[]
        AND NOT words && %(none)s::bigint[] {only}
) AS sharing
ORDER BY score DESC, seq LIMIT %(page)s OFFSET %(offset)s
"""
_WORTH: LiteralString = (
    "{weight}::float8 * (1 - middling / "
    "(middling + cardinality(array_positions(words, {number}::bigint))))"
)


def open_postgres(url: str) -> Store:
    """Open the store at a `postgresql://` URL, or make one there; see `address_of`.

    Raises:
        StoreUnavailable: the server cannot be reached, or refuses.
        SchemaMismatch: a newer version of turnfold, or another program, made the tables.
        StoreError: the URL cannot be read, pgvector is missing, or the role may not.
    """
    connections = Connections(address_of(url))
    try:
        ledger = PostgresLedger(connections)
        index = PostgresIndex(connections)
    except BaseException:
        connections.close()
        raise
    return Store(ledger, index, together=connections.sharing, alone=connections.excluding)


def open_ledger(url: str) -> PostgresLedger:
    """The ledger alone, for an index that is elsewhere: pgvector is not needed.

    Raises:
        StoreError: as `open_postgres`.
    """
    connections = Connections(address_of(url))
    try:
        return PostgresLedger(connections)
    except BaseException:
        connections.close()
        raise


class PostgresLedger:
    """A ledger that also implements `Words`.

    Scores of `match` are BM25. What is found, and how it is weighed, never depends on another
    user.
    """

    def __init__(self, connections: Connections) -> None:
        """Make the tables, or bring older ones up to date.

        Args:
            connections: to the server; closed with this ledger.

        Raises:
            SchemaMismatch: a newer version of turnfold, or another program, made the tables.
            StoreError: the role may not make them.
        """
        self._connections = connections
        prepare(connections, LEDGER)
        self._words = WordsAnew(connections)

    def put(self, user_id: str, records: Iterable[Record]) -> set[str]:
        """See `Ledger.put`. On the server's disk when it returns, unless that is set otherwise."""
        check_user(user_id)
        rows: dict[str, _Row] = {}
        for record in records:
            body = encode_body(record)
            if record.id not in rows:
                rows[record.id] = _row(user_id, record, body)
        if not rows:
            return set()
        put = self._connections.statement(_PUT)
        new: set[str] = set()
        with self._connections.writing(user_id) as connection:
            for batch in _batches(rows.values()):
                columns = zip(_GIVEN, map(list, zip(*batch, strict=True)), strict=True)
                values = {"user_id": stored(user_id), "version": VERSION, **dict(columns)}
                new.update(restored(row[0]) for row in connection.execute(put, values))
        return new

    def get(self, user_id: str, ids: Iterable[str]) -> Mapping[str, Record]:
        """See `Ledger.get`."""
        get = self._connections.statement(_GET, columns=_COLUMNS)
        found = map(_record, self._rows_of(get, user_id, ids))
        return {record.id: record for record in found}

    def conversations(self, user_id: str, ids: Iterable[str]) -> dict[str, str]:
        """See `ReadsConversations.conversations`."""
        rows = self._rows_of(self._connections.statement(_CONVERSATIONS), user_id, ids)
        return {restored(record_id): restored(conversation) for record_id, conversation in rows}

    def _rows_of(self, statement: Any, user_id: str, ids: Iterable[str]) -> Iterator[Any]:
        """The rows that a statement reads of records, so many at a time."""
        wanted = [stored(record_id) for record_id in ids]
        for start in range(0, len(wanted), _MOST_ROWS):
            values = {"user_id": stored(user_id), "ids": wanted[start : start + _MOST_ROWS]}
            yield from self._connections.read(statement, values)

    def scan(
        self, user_id: str, *, kind: str | None = None, conversation: str | None = None
    ) -> Iterator[Record]:
        """See `Ledger.scan`. Ends with what was there when it began."""
        only = _only(kind=kind, conversation=conversation)
        scan = self._connections.statement(_SCAN, columns=_COLUMNS, only=only.condition)
        values = {"user_id": stored(user_id), "last": _ENDLESS, "page": _PAGE, **only.values}
        page = self._connections.read(scan, {**values, "after": 0})
        if len(page) == _PAGE:
            ((last,),) = self._connections.read(self._connections.statement(_LAST), values)
            values["last"] = last or 0
        while True:
            yield from map(_record, page)
            if len(page) < _PAGE:
                return
            page = self._connections.read(scan, {**values, "after": page[-1][-1]})

    def latest(self, user_id: str, *, kind: str, conversation: str) -> Record | None:
        """See `ReadsLatest.latest`."""
        only = _only(kind=kind, conversation=conversation)
        latest = self._connections.statement(_LATEST, columns=_COLUMNS, only=only.condition)
        rows = self._connections.read(latest, {"user_id": stored(user_id), **only.values})
        return _record(rows[0]) if rows else None

    def latest_ids(
        self, user_id: str, *, kind: str, conversations: Sequence[str]
    ) -> dict[str, str]:
        """See `ReadsLatestIds.latest_ids`."""
        only = _only(kind=kind)
        latest = self._connections.statement(_LATEST_IDS, only=only.condition)
        names = [stored(one) for one in conversations]
        values = {"user_id": stored(user_id), "names": names, **only.values}
        return {
            restored(name): restored(last) for name, last in self._connections.read(latest, values)
        }

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Ledger.delete`. The bytes leave the server's files with its next VACUUM."""
        gone = [stored(record_id) for record_id in ids]
        if not gone:
            return
        with self._connections.writing(user_id) as connection:
            connection.execute(
                self._connections.statement(_DELETE), {"user_id": stored(user_id), "ids": gone}
            )

    def together(self) -> AbstractContextManager[object]:
        """See `WritesTogether.together`."""
        return self._connections.writing()

    def users(self) -> Iterator[str]:
        """See `Ledger.users`."""
        users = self._connections.statement(_USERS)
        after = ""
        while True:
            page = self._connections.read(users, {"after": after, "page": _PAGE})
            yield from (restored(row[0]) for row in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def match(self, user_id: str, text: str, *, conversation: str | None = None) -> Iterator[Hit]:
        """See `Words.match`. At most 32 different words of `text` count, the longest ones.

        Records with a word that few records have come before those that share only words which
        1,000 records have or more: so a search does not weigh all that a user ever said.
        """
        numbers = numbers_of(user_id, asked_for(text))
        if not numbers:
            return
        self._words.refresh(user_id)
        only = _only(conversation=conversation)
        asked = self._weighed(user_id, numbers, only)
        seen: set[str] = set()
        least = float("inf")
        for some, none in ((asked.rare, []), (asked.common, asked.rare)):
            ranked = self._ranked(user_id, asked, only, some=some, none=none)
            for record_id, score, said_in in ranked:
                # Rows move between pages when somebody writes meanwhile.
                if record_id not in seen:
                    seen.add(record_id)
                    least = min(least, score)
                    yield Hit(restored(record_id), least, restored(said_in))

    def refresh_words(self, user_id: str) -> int:
        """See `RefreshesWords.refresh_words`."""
        return self._words.refresh(user_id)

    def close(self) -> None:
        """See `Ledger.close`."""
        self._connections.close()

    def _weighed(self, user_id: str, numbers: list[int], only: _Only) -> WeightedTerms:
        occurrences = self._connections.statement(_OCCURRENCES, only=only.condition)
        values = {
            "user_id": stored(user_id),
            "numbers": numbers,
            "common": COMMON,
            "most": _MOST_COUNTED,
            **only.values,
        }
        rows = self._connections.read(occurrences, values)
        return weighed({number: count for number, count, _ in rows}, rows[0][2])

    def _ranked(
        self, user_id: str, asked: WeightedTerms, only: _Only, *, some: list[int], none: list[int]
    ) -> Iterator[tuple[str, float, str]]:
        """Ids, scores and conversations as stored, best first, of records with some and no none."""
        if not some:
            return
        values: dict[str, object] = {
            "user_id": stored(user_id),
            "some": some,
            "none": none,
            **only.values,
        }
        worth = []
        for place, (number, weight) in enumerate(asked.weights.items()):
            names = {"weight": f"weight_{place}", "number": f"number_{place}"}
            values |= {names["weight"]: 2.2 * weight, names["number"]: number}
            marks = {name: sql.Placeholder(mark) for name, mark in names.items()}
            worth.append(sql.SQL(_WORTH).format(**marks))
        score = sql.SQL(" + ").join(worth)
        rank = self._connections.statement(_RANK, only=only.condition, score=score)
        size, offset = _PAGE, 0
        while True:
            page = self._connections.read(rank, {**values, "page": size, "offset": offset})
            yield from page
            if len(page) < size:
                return
            # Every page weighs all records again, so there are few.
            size, offset = 8 * size, offset + size


@dataclass(frozen=True, slots=True)
class _Only:
    """A condition on the rows, with its values."""

    condition: sql.SQL
    values: Mapping[str, str]


def _only(*, kind: str | None = None, conversation: str | None = None) -> _Only:
    condition: LiteralString = ""
    values: dict[str, str] = {}
    if kind is not None:
        condition += " AND kind = %(kind)s"
        values["kind"] = stored(kind)
    if conversation is not None:
        condition += " AND conversation = %(conversation)s"
        values["conversation"] = stored(conversation)
    return _Only(sql.SQL(condition), values)


# What `_row` gives, by the names in `_PUT`.
_GIVEN = ("id", "kind", "conversation", "body", "text", "at", "words")
_Row: TypeAlias = tuple[str, str, str, str, str, float, str | None]


def _row(user_id: str, record: Record, body: str) -> _Row:
    return (
        stored(record.id),
        stored(record.kind),
        stored(record.conversation),
        body,
        stored(record.text),
        float(record.at),
        array_of(numbers_of(user_id, terms(record.text))),
    )


def _record(row: Sequence[Any]) -> Record:
    record_id, kind, conversation, body, text, at = row[:6]
    names = (restored(record_id), restored(kind), restored(conversation))
    return record_of((*names, body, restored(text), at))


def _batches(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[3]) + 2 * len(row[4])
        if len(batch) == _MOST_ROWS or size > _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
