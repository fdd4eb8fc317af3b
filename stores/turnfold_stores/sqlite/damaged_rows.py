"""A query of a file that may be damaged goes in; all its rows come out, and work that goes on.

SQLite gives values of any type, and text that is no UTF-8, where a file was damaged. What it
derives of the rows, its indexes and the words, is made anew where it does not fit them any more.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.sqlite.connection import SqliteFile
from turnfold_stores.sqlite.errors import concerns_indexes, concerns_words, is_no_text
from turnfold_stores.sqlite.schema import rebuild_words

_T = TypeVar("_T")
_LOG = logging.getLogger("turnfold.stores")
_STAND_IN = "damaged row {}"
_IS_STAND_IN = re.compile(r"damaged row (\d{1,18})")


def all_rows(
    sqlite: sqlite3.Connection, query: str, values: Sequence[Any] | Mapping[str, Any]
) -> list[Any]:
    """The rows of a query; text that is no UTF-8 is bytes in them."""
    try:
        return sqlite.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if not is_no_text(error):
            raise
    sqlite.text_factory = _text_or_bytes
    try:
        return sqlite.execute(query, values).fetchall()
    finally:
        sqlite.text_factory = str


def stand_in(seq: int) -> str:
    """What a row is called whose id cannot be read."""
    return _STAND_IN.format(seq)


def rows_called(
    sqlite: sqlite3.Connection, table: str, owner: str, user_id: str, ids: Iterable[str]
) -> list[int]:
    """The seq of each of a user's rows that some ids stand in for.

    Args:
        sqlite: the connection.
        table: "records" or "vectors".
        owner: the expression for the owner of a user_id.
        user_id: whose.
        ids: of any rows; a row whose own id is one of them is not among the result.
    """
    found = (_IS_STAND_IN.fullmatch(one) for one in ids)
    named = [int(one[1]) for one in found if one is not None]
    query = f"SELECT id FROM {table} WHERE owner = {owner} AND seq = ?"  # noqa: S608 - ours
    rows = {seq: all_rows(sqlite, query, (user_id, seq)) for seq in named}
    return [seq for seq, row in rows.items() if row and type(row[0][0]) is not str]


def with_derived(file: SqliteFile, work: Callable[[], _T]) -> _T:
    """Do it, and again where indexes or words were damaged: they are made of the rows anew.

    Raises:
        StoreError: as the work does, or as SQLite does where they cannot be made.
    """
    try:
        return work()
    except StoreCorrupt as error:
        _make_anew(file, error)
    try:
        return work()
    except StoreCorrupt as error:
        _make_anew(file, error)
    return work()


def _make_anew(file: SqliteFile, error: StoreCorrupt) -> None:
    if not (concerns_words(error) or concerns_indexes(error)):
        raise error
    what = "words" if concerns_words(error) else "indexes"
    _LOG.warning("%r: its %s were damaged, and are made anew", str(file.path), what)
    with file.writing() as sqlite:
        if concerns_words(error):
            rebuild_words(sqlite)
        else:
            sqlite.execute("REINDEX")


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
