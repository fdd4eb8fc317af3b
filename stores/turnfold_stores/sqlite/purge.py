"""A SQLite file without what was deleted from it."""

from __future__ import annotations

import sqlite3
import time

from turnfold_stores.errors import StoreUnavailable
from turnfold_stores.sqlite.connection import SqliteFile

# Seconds to wait for readers of other processes to be done with the log.
_PATIENCE = 15.0


def purge_file(file: SqliteFile) -> None:
    """Leave nothing deleted in the file, in its words and in its log.

    `secure_delete` overwrites deleted rows where they stood, but not the copies that SQLite
    leaves in a page when it moves rows to another; only a file written anew has none. Deleted
    words stand in older segments of FTS5 until those are merged, and all of it in the
    write-ahead log until that is cut.

    Raises:
        StoreUnavailable: another process kept the file busy.
    """
    with file.reading() as sqlite:
        sqlite.execute("INSERT INTO words (words) VALUES ('optimize')")
        sqlite.execute("VACUUM")
    patience = time.monotonic() + _PATIENCE
    while not _cut_log(file):
        if time.monotonic() > patience:
            raise StoreUnavailable(
                f"what was deleted is still in the log of {str(file.path)!r}, which another "
                "process is reading; forget once more, or close the store there: the log goes "
                "when the last one closes it"
            )
        time.sleep(0.05)


def _cut_log(file: SqliteFile) -> bool:
    try:
        with file.reading() as sqlite:
            (busy, *_) = sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    return not busy
