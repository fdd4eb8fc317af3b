"""A ledger in one SQLite file, with lexical search. Many processes may use it at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from turnfold_stores.protocols import Hit, Record
from turnfold_stores.records.validation import check_user, encode_body, record_of
from turnfold_stores.search.terms import COMMON, asked_for
from turnfold_stores.sqlite.connection import OWNER, SqliteFile, chunks, forget_empty, marks
from turnfold_stores.sqlite.damaged_rows import all_rows, rows_called, stand_in, with_derived
from turnfold_stores.sqlite.errors import corrupt
from turnfold_stores.sqlite.purge import purge_file

# Rows read at a time by scan: between pages nothing is locked.
_PAGE = 256
# Texts that have a user's words, one word after the other, up to which all words are weighed at
# once.
_MANY = 10_000
# Hits read at a time by match, and how many times as many after these: each page is searched anew,
# and recall reads some 400.
_HITS = 512
_MORE_HITS = 4

_SCORED = "SELECT rowid AS seq, -bm25(words, 0.0, 1.0) AS score FROM words WHERE words MATCH :query"
# Only what is shown is looked up among the records: of a user with 100,000 exchanges, a question
# of everyday words meets ten thousand.
_OF_A_USER = f"""
SELECT records.id, score, conversation
FROM ({_SCORED} ORDER BY score DESC, rowid LIMIT :limit OFFSET :offset)
JOIN records USING (seq) WHERE records.owner = :owner
ORDER BY score DESC, seq
"""  # noqa: S608 - constants
# Of rare words: to meet those of a user first would be to read that each text of theirs is theirs.
_OF_A_USER_BY_RARE_WORDS = f"""
SELECT records.id, score, conversation FROM ({_SCORED}) JOIN records USING (seq)
WHERE records.owner = :owner
ORDER BY score DESC, seq LIMIT :limit OFFSET :offset
"""  # noqa: S608 - constants
# Other users may have a conversation of that name, and words are met by their stems.
_OF_A_CONVERSATION = f"""
SELECT records.id, score, conversation FROM ({_SCORED}) JOIN records USING (seq)
WHERE records.owner = :owner AND records.conversation = :conversation
ORDER BY score DESC, seq LIMIT :limit OFFSET :offset
"""  # noqa: S608 - constants
_COLUMNS = "id, kind, conversation, body, text, at"
_Row: TypeAlias = tuple[str | float, ...]
_T = TypeVar("_T")


class SqliteLedger:
    """A ledger that also implements `Words`.

    Scores of `match` are BM25 of SQLite's FTS5 with the sign turned. How rare a word is counts
    over the whole file; which records are found never depends on another user.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file; see `SqliteFile` for what can go wrong."""
        self.file = SqliteFile(path)

    def put(self, user_id: str, records: Iterable[Record]) -> set[str]:
        """See `Ledger.put`. On disk when it returns."""
        check_user(user_id)
        rows: dict[str, _Row] = {}
        for record in records:
            body = encode_body(record)
            rows.setdefault(
                record.id,
                (record.id, record.kind, record.conversation, body, record.text, float(record.at)),
            )
        return self._with_derived(lambda: self._put(user_id, rows)) if rows else set()

    def _put(self, user_id: str, rows: Mapping[str, _Row]) -> set[str]:
        with self.file.writing() as sqlite:
            sqlite.execute("INSERT OR IGNORE INTO users (user_id) VALUES (?)", (user_id,))
            known = {
                row[0]
                for chunk in chunks(rows)
                for row in sqlite.execute(
                    f"SELECT id FROM records WHERE owner = {OWNER} "  # noqa: S608 - constants
                    f"AND id IN ({marks(chunk)})",
                    (user_id, *chunk),
                )
            }
            new = rows.keys() - known
            sqlite.executemany(
                f"INSERT INTO records (owner, {_COLUMNS}) "  # noqa: S608 - constants
                f"VALUES ({OWNER}, ?, ?, ?, ?, ?, ?)",
                [(user_id, *row) for record_id, row in rows.items() if record_id in new],
            )
        return new

    def get(self, user_id: str, ids: Iterable[str]) -> Mapping[str, Record]:
        """See `Ledger.get`."""
        found: dict[str, Record] = {}
        for chunk in chunks(ids):
            with self.file.reading() as sqlite:
                rows = all_rows(
                    sqlite,
                    f"SELECT {_COLUMNS}, seq FROM records "  # noqa: S608 - constants
                    f"WHERE owner = {OWNER} AND id IN ({marks(chunk)})",
                    (user_id, *chunk),
                )
            found.update((record.id, record) for record in map(_record, rows))
        return found

    def conversations(self, user_id: str, ids: Iterable[str]) -> dict[str, str]:
        """See `ReadsConversations.conversations`."""
        found: dict[str, str] = {}
        for chunk in chunks(ids):
            with self.file.reading() as sqlite:
                rows = all_rows(
                    sqlite,
                    "SELECT id, conversation FROM records "  # noqa: S608 - constants
                    f"WHERE owner = {OWNER} AND id IN ({marks(chunk)})",
                    (user_id, *chunk),
                )
            found.update(row for row in rows if _are_texts(row))
        return found

    def scan(
        self, user_id: str, *, kind: str | None = None, conversation: str | None = None
    ) -> Iterator[Record]:
        """See `Ledger.scan`. Ends with what was there when it began."""
        only = ""
        values: list[str] = [user_id]
        if kind is not None:
            only += " AND kind = ?"
            values.append(kind)
        if conversation is not None:
            only += " AND conversation = ?"
            values.append(conversation)
        with self.file.reading() as sqlite:
            (last,) = sqlite.execute("SELECT max(seq) FROM records").fetchone()
        after = 0
        while last is not None:
            with self.file.reading() as sqlite:
                page = all_rows(
                    sqlite,
                    f"SELECT {_COLUMNS}, seq FROM records "  # noqa: S608 - constants
                    f"WHERE owner = {OWNER}{only} AND seq > ? AND seq <= ? "
                    f"ORDER BY seq LIMIT {_PAGE}",
                    (*values, after, last),
                )
            for row in page:
                if row[-1] <= after:
                    # The pages of a damaged file may form a ring.
                    raise corrupt(self.file.path, "its records are out of order")
                after = row[-1]
                yield _record(row)
            if len(page) < _PAGE:
                return

    def latest(self, user_id: str, *, kind: str, conversation: str) -> Record | None:
        """See `ReadsLatest.latest`."""
        with self.file.reading() as sqlite:
            rows = all_rows(
                sqlite,
                f"SELECT {_COLUMNS}, seq FROM records "  # noqa: S608 - constants
                f"WHERE owner = {OWNER} AND conversation = ? AND kind = ? "
                "ORDER BY seq DESC LIMIT 1",
                (user_id, conversation, kind),
            )
        return _record(rows[0]) if rows else None

    def latest_ids(
        self, user_id: str, *, kind: str, conversations: Sequence[str]
    ) -> dict[str, str]:
        """See `ReadsLatestIds.latest_ids`."""
        found: dict[str, str] = {}
        for chunk in chunks(conversations):
            names = ", ".join(["(?)"] * len(chunk))
            with self.file.reading() as sqlite:
                rows = all_rows(
                    sqlite,
                    f"WITH names (name) AS (VALUES {names}), "  # noqa: S608 - constants
                    "ends (seq) AS (SELECT (SELECT max(seq) FROM records "
                    f"WHERE owner = {OWNER} AND conversation = name AND kind = ?) FROM names) "
                    "SELECT conversation, id FROM ends JOIN records USING (seq)",
                    (*chunk, user_id, kind),
                )
            found.update(row for row in rows if _are_texts(row))
        return found

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """See `Ledger.delete`. Lexical search forgets them in the same transaction."""
        gone = list(ids)
        if gone:
            self._with_derived(lambda: self._delete(user_id, gone))

    def _delete(self, user_id: str, ids: list[str]) -> None:
        with self.file.writing() as sqlite:
            sqlite.executemany(
                f"DELETE FROM records WHERE owner = {OWNER} AND id = ?",  # noqa: S608 - constant
                [(user_id, record_id) for record_id in ids],
            )
            for seq in rows_called(sqlite, "records", OWNER, user_id, ids):
                sqlite.execute("DELETE FROM records WHERE seq = ?", (seq,))
            forget_empty(sqlite, user_id)

    def users(self) -> Iterator[str]:
        """See `Ledger.users`. `check` tells of those whose name is damaged; nothing leads there."""
        return iter([name for name in self._names() if type(name) is str])

    def _names(self) -> list[object]:
        with self.file.reading() as sqlite:
            rows = all_rows(
                sqlite,
                "SELECT user_id FROM users WHERE EXISTS "
                "(SELECT 1 FROM records WHERE records.owner = users.owner) ORDER BY owner",
                (),
            )
        return [row[0] for row in rows]

    def match(self, user_id: str, text: str, *, conversation: str | None = None) -> Iterator[Hit]:
        """See `Words.match`. At most 48 different words of `text` count, the longest ones.

        Where all of a user's texts are searched and very many have one of the words, those that
        have a rare word come before those that share only words of 1,000 texts or more.
        """
        found_in = self._with_derived(partial(self._texts_with, asked_for(text)))
        with self.file.reading() as sqlite:
            row = sqlite.execute("SELECT owner FROM users WHERE user_id = ?", (user_id,)).fetchone()
        if not found_in or row is None:
            return
        asked = {"owner": row[0]}
        if conversation is not None:
            # The user or the conversation is a token of the match itself: FTS5 meets it before it
            # scores anything.
            place = "c" + conversation.encode("utf-8", "surrogatepass").hex()
            here = asked | {"conversation": conversation}
            yield from self._hits(_OF_A_CONVERSATION, _query(found_in, place), here)
            return
        rare = [term for term, texts in found_in.items() if texts < COMMON]
        seen: set[str] = set()
        least = float("inf")
        if rare and sum(found_in.values()) > _MANY:
            for hit in self._hits(_OF_A_USER_BY_RARE_WORDS, _query(rare), asked):
                seen.add(hit.id)
                least = hit.score
                yield hit
        for hit in self._hits(_OF_A_USER, _query(found_in, f"u{row[0]}"), asked):
            if hit.id not in seen:
                least = min(least, hit.score)
                yield replace(hit, score=least)

    def _texts_with(self, terms: Iterable[str]) -> dict[str, int]:
        """How many texts of the file have each term; of those that some have.

        Of a word whose language is not told each stem that it has in some language is asked for,
        and most of them no text has.
        """
        found: dict[str, int] = {}
        for chunk in chunks(terms):
            with self.file.reading() as sqlite:
                rows = sqlite.execute(
                    "SELECT term, doc FROM words_terms "  # noqa: S608 - constants
                    f"WHERE term IN ({marks(chunk)})",
                    chunk,
                )
                found.update(rows.fetchall())
        return found

    def _hits(self, search: str, query: str, asked: Mapping[str, Any]) -> Iterator[Hit]:
        """What a search finds, each once."""
        seen: set[str] = set()
        offset, limit = 0, _HITS
        while True:
            values = {**asked, "query": query, "offset": offset, "limit": limit}
            page = self._with_derived(partial(self._rows, search, values))
            offset += len(page)
            for record_id, score, said_in in page:
                # Rows move between pages when somebody writes meanwhile.
                if record_id not in seen and _are_texts((record_id, said_in)):
                    seen.add(record_id)
                    yield Hit(record_id, score, said_in)
            if len(page) < limit:
                return
            limit *= _MORE_HITS

    def check(self) -> list[str]:
        """See `ChecksItself.check`. Reads the whole file."""
        with self.file.reading() as sqlite:
            try:
                told = [row[0] for row in sqlite.execute("PRAGMA quick_check")]
            except sqlite3.DatabaseError as error:
                told = [str(error)]
        nameless = sum(type(name) is not str for name in self._names())
        lost = [f"{nameless:,} users have a name that cannot be read, so nothing of theirs can"]
        return ([] if told == ["ok"] else told) + (lost if nameless else [])

    def together(self) -> AbstractContextManager[object]:
        """See `WritesTogether.together`."""
        return self.file.writing()

    def purge(self) -> None:
        """See `PurgesLedger.purge`. Writes the whole file anew: about a second for 100 MB."""
        self._with_derived(lambda: purge_file(self.file))

    def close(self) -> None:
        """See `Ledger.close`."""
        self.file.close()

    def _rows(self, query: str, values: Mapping[str, Any]) -> list[Any]:
        with self.file.reading() as sqlite:
            return all_rows(sqlite, query, values)

    def _with_derived(self, work: Callable[[], _T]) -> _T:
        return with_derived(self.file, work)


def _record(row: Sequence[Any]) -> Record:
    return record_of(row, stand_in=stand_in(row[6]))


def _are_texts(values: Iterable[object]) -> bool:
    return all(type(value) is str for value in values)


def _query(terms: Iterable[str], place: str = "") -> str:
    """What FTS5 is asked: for texts with any of some terms, from a place."""
    # Quoted, so that none is read as syntax.
    any_of = " OR ".join(f'"{term}"' for term in terms)
    return f"place:{place} AND text:({any_of})" if place else f"text:({any_of})"
