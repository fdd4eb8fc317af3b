"""The tables of the SQLite file, and how older ones become today's.

The layout's version is how many steps were taken, kept in `PRAGMA user_version`. Steps are only
ever added: one that was released is never changed, so that every file has one way forward.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from turnfold_stores.errors import SchemaMismatch
from turnfold_stores.search.stemming import VERSION
from turnfold_stores.search.terms import terms

_LOG = logging.getLogger("turnfold.stores")
# "tfld": tells a file of ours from any other SQLite file.
APPLICATION_ID = 0x74666C64

# `owner` stands for the user_id in every table, so each index starts with it and stays small.
# AUTOINCREMENT: a seq or owner is never used twice, not even after everything was deleted.
STEPS: tuple[str, ...] = (
    """
CREATE TABLE users (
    owner INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL UNIQUE,
    rewrites INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    conversation TEXT NOT NULL,
    body TEXT NOT NULL,
    text TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (owner, id)
);
CREATE INDEX records_by_owner ON records (owner);
CREATE INDEX records_by_kind ON records (owner, kind);
CREATE INDEX records_by_conversation ON records (owner, conversation);
CREATE TABLE vectors (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (owner, id)
);
CREATE INDEX vectors_by_owner ON vectors (owner);
CREATE VIEW spoken AS SELECT seq, 'u' || owner AS owner, text FROM records;
CREATE VIRTUAL TABLE words USING fts5 (
    owner, text, content = 'spoken', content_rowid = 'seq',
    tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER words_put AFTER INSERT ON records WHEN new.text <> '' BEGIN
    INSERT INTO words (rowid, owner, text) VALUES (new.seq, 'u' || new.owner, new.text);
END;
CREATE TRIGGER words_delete AFTER DELETE ON records WHEN old.text <> '' BEGIN
    INSERT INTO words (words, rowid, owner, text)
    VALUES ('delete', old.seq, 'u' || old.owner, old.text);
END;
""",
    # Words by their stems: "paints" finds "painted".
    """
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (
    owner, text, content = 'spoken', content_rowid = 'seq',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO words (rowid, owner, text)
SELECT seq, 'u' || owner, text FROM records WHERE text <> '';
""",
    # What one conversation holds is found at once, however much its user has: its newest plan by
    # an index, its words because the conversation is a word of each of its texts.
    """
CREATE INDEX records_by_place ON records (owner, conversation, kind);
DROP TRIGGER words_put;
DROP TRIGGER words_delete;
DROP TABLE words;
DROP VIEW spoken;
CREATE VIEW spoken AS
SELECT seq, 'u' || owner || ' c' || hex(conversation) AS place, text FROM records;
CREATE VIRTUAL TABLE words USING fts5 (
    place, text, content = 'spoken', content_rowid = 'seq',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO words (rowid, place, text)
SELECT seq, place, text FROM spoken WHERE text <> '';
CREATE TRIGGER words_put AFTER INSERT ON records WHEN new.text <> '' BEGIN
    INSERT INTO words (rowid, place, text)
    VALUES (new.seq, 'u' || new.owner || ' c' || hex(new.conversation), new.text);
END;
CREATE TRIGGER words_delete AFTER DELETE ON records WHEN old.text <> '' BEGIN
    INSERT INTO words (words, rowid, place, text)
    VALUES ('delete', old.seq, 'u' || old.owner || ' c' || hex(old.conversation), old.text);
END;
""",
    # The terms of every store, of any language, for FTS5's own. The function makes them, parted
    # by blanks; to the tokenizer all that is not ASCII is a letter. Which terms they are is
    # written down, so that others take their place when turnfold reads words in another way.
    """
DROP TRIGGER words_put;
DROP TRIGGER words_delete;
DROP TABLE words;
DROP VIEW spoken;
CREATE VIEW spoken AS
SELECT seq, 'u' || owner || ' c' || hex(conversation) AS place, turnfold_terms(text) AS text
FROM records WHERE text <> '';
CREATE VIRTUAL TABLE words USING fts5 (
    place, text, content = 'spoken', content_rowid = 'seq', tokenize = 'ascii'
);
CREATE TRIGGER words_put AFTER INSERT ON records WHEN new.text <> '' BEGIN
    INSERT INTO words (rowid, place, text) VALUES (
        new.seq, 'u' || new.owner || ' c' || hex(new.conversation), turnfold_terms(new.text)
    );
END;
CREATE TRIGGER words_delete AFTER DELETE ON records WHEN old.text <> '' BEGIN
    INSERT INTO words (words, rowid, place, text) VALUES (
        'delete', old.seq, 'u' || old.owner || ' c' || hex(old.conversation),
        turnfold_terms(old.text)
    );
END;
CREATE TABLE words_version (version TEXT NOT NULL);
INSERT INTO words_version VALUES ('');
""",
)


def identify(sqlite: sqlite3.Connection, path: Path) -> int:
    """How many steps were taken; 0 for an empty file. Nothing is written.

    Raises:
        SchemaMismatch: a newer version of turnfold, or another program, made the file.
    """
    (tables,) = sqlite.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables == 0:
        return 0
    # Read after the tables: another process writes all of it at once, and maybe right now.
    (application,) = sqlite.execute("PRAGMA application_id").fetchone()
    (version,) = sqlite.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise SchemaMismatch(
            f"{str(path)!r} is a SQLite file of another program; nothing was written to it. "
            "Name another file"
        )
    if not 0 < version <= len(STEPS):
        raise SchemaMismatch(
            f"{str(path)!r} has layout {version}, this turnfold knows layout {len(STEPS)}: use "
            "the version of turnfold that made it, or a newer one, or another file"
        )
    return int(version)


def migrate(sqlite: sqlite3.Connection, path: Path) -> None:
    """Take the steps that are missing, all or none.

    Of many processes that open a file at once one does it; the others find it done.

    Raises:
        SchemaMismatch: as `identify`.
    """
    sqlite.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[identify(sqlite, path) :]:
            for statement in _statements(step):
                sqlite.execute(statement)
        sqlite.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        sqlite.execute(f"PRAGMA user_version = {len(STEPS)}")
        sqlite.execute("COMMIT")
    except BaseException:
        if sqlite.in_transaction:
            sqlite.execute("ROLLBACK")
        raise


def know_terms(sqlite: sqlite3.Connection) -> None:
    """Let a connection read words: without this nothing can be written."""
    # Else functions in views and triggers are refused, where SQLite was built so.
    sqlite.execute("PRAGMA trusted_schema = ON")
    sqlite.create_function("turnfold_terms", 1, _terms_of, deterministic=True)
    # In how many texts each term is; of this connection, so nothing is written to the file.
    sqlite.execute("CREATE VIRTUAL TABLE temp.words_terms USING fts5vocab(main, words, row)")


def refresh_terms(sqlite: sqlite3.Connection, path: Path) -> None:
    """Read the words of all records anew, where they were read in another way.

    Some seconds for 10 MB of text, and others wait meanwhile; all or nothing.
    """
    made = "SELECT version FROM words_version"
    if sqlite.execute(made).fetchone() == (VERSION,):
        return
    sqlite.execute("BEGIN IMMEDIATE")
    try:
        if sqlite.execute(made).fetchone() != (VERSION,):
            (records,) = sqlite.execute("SELECT count(*) FROM records WHERE text <> ''").fetchone()
            if records:
                _LOG.warning(
                    "%r: the words of its %s texts were read by another version of turnfold, and "
                    "are read anew",
                    str(path),
                    records,
                )
            rebuild_words(sqlite)
            sqlite.execute("UPDATE words_version SET version = ?", (VERSION,))
        sqlite.execute("COMMIT")
    except BaseException:
        if sqlite.in_transaction:
            sqlite.execute("ROLLBACK")
        raise


def rebuild_words(sqlite: sqlite3.Connection) -> None:
    """Make the words of all records anew; a text that is no text any more is taken out.

    Else neither could the words be made nor that record be deleted. It stays damaged.
    """
    sqlite.create_function("turnfold_is_text", 1, _is_text, deterministic=True)
    sqlite.execute(
        "UPDATE records SET text = '', body = '!' || body "
        "WHERE text <> '' AND NOT turnfold_is_text(CAST(text AS BLOB))"
    )
    sqlite.execute("INSERT INTO words (words) VALUES ('rebuild')")


def _terms_of(text: object) -> str:
    return " ".join(terms(text)) if isinstance(text, str) else ""


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _statements(step: str) -> Iterator[str]:
    """One at a time: `executescript` would commit the transaction we are in."""
    statement = ""
    for line in step.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
