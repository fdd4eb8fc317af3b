"""SQLite's errors as ours: what happened to which file, and what to do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from turnfold_stores.errors import InvalidValue, StoreCorrupt, StoreError, StoreUnavailable

# Seconds a writer waits for another process; a put lasts milliseconds.
BUSY_TIMEOUT = 15.0

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# The operating system's answer, not the file's content.
_REFUSED = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# Every statement of ours is right on a file of ours: one that SQLite finds wrong (a table that is
# not there, two rows where one may be) tells of the file.
_BROKEN = frozenset(
    {
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)
# Of a row that its index does not have; Python's module has no name for it in all versions.
_CORRUPT_INDEX = sqlite3.SQLITE_CORRUPT | 3 << 8
# The function that reads words is given no text that is no UTF-8, and fails.
_OF_WORDS = ("invalid fts5 file format", "user-defined function raised exception")
# What SQLite says may quote what the file holds.
_MOST_SAID = 120


@contextlib.contextmanager
def errors_as_ours(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StoreError`s that say what to do."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidValue(f"a name holds a lone surrogate, which is not text: {error}") from error
    except UnicodeDecodeError as error:
        # Not even the message was text: SQLite quotes its own schema in it.
        raise corrupt(path, "its schema is not text") from error
    except sqlite3.Error as error:
        raise _ours(path, error) from error


def corrupt(path: Path, what: str) -> StoreCorrupt:
    """The error for a file whose content is not what was written.

    Args:
        path: the file.
        what: is wrong with it, in words that repeat nothing it holds.
    """
    return StoreCorrupt(
        f"{str(path)!r} cannot be read as SQLite ({what}). Nothing was changed. Restore it from a "
        "backup, save what it holds with `sqlite3 FILE .recover`, or move it away to start anew"
    )


def concerns_words(error: StoreError) -> bool:
    """Whether it is the words that are damaged: they are derived from the records."""
    cause = error.__cause__
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT_VTAB or (
        isinstance(cause, sqlite3.Error) and any(one in str(cause) for one in _OF_WORDS)
    )


def concerns_indexes(error: StoreError) -> bool:
    """Whether it is an index of SQLite's that is damaged: it is derived from the rows."""
    return getattr(error.__cause__, "sqlite_errorcode", None) == _CORRUPT_INDEX


def is_no_text(error: sqlite3.Error) -> bool:
    """Whether a text that was read is no UTF-8; Python's module says so, not SQLite."""
    return "Could not decode to UTF-8" in str(error)


def _ours(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    # Before a text that is none, Python's module quotes all of it.
    said = str(error).partition(" with text ")[0][:_MOST_SAID]
    if kind in _LOCKED:
        return StoreUnavailable(
            f"{str(path)!r} is locked by another process since {BUSY_TIMEOUT:g} seconds"
        )
    if kind == sqlite3.SQLITE_FULL:
        return StoreError(f"no room left to write {str(path)!r}: {said}")
    if kind in _REFUSED:
        return StoreUnavailable(
            f"{str(path)!r} cannot be opened or written ({said}): make sure that it and the files "
            "beside it whose names begin alike are files that this user may write, and its disk "
            "is sound"
        )
    if kind in _BROKEN or (kind is None and isinstance(error, sqlite3.OperationalError)):
        return corrupt(path, said)
    return StoreError(f"SQLite could not use {str(path)!r}: {said}")
