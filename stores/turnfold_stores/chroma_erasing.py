"""A folder of Chroma's without what was deleted from it, while no client has it open."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

from turnfold_stores.errors import StoreCorrupt


def purge_folder(path: Path) -> None:
    """Remove the graphs of collections that are gone, and write Chroma's database anew.

    Chroma leaves the folder of a deleted collection where it is, and deleted vectors in the
    free pages of its database.

    Args:
        path: the folder.

    Raises:
        StoreCorrupt: the database cannot be read.
    """
    database = path / "chroma.sqlite3"
    try:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as sqlite:
            segments = {row[0] for row in sqlite.execute("SELECT id FROM segments")}
            sqlite.execute("VACUUM")
    except sqlite3.Error as error:
        raise StoreCorrupt(f"{str(database)!r} cannot be read: {error}") from error
    for folder in path.iterdir():
        if folder.is_dir() and folder.name not in segments:
            shutil.rmtree(folder)
