"""A folder of Chroma's without what was deleted from it, while no client has it open."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import struct
from pathlib import Path

from turnfold_stores.errors import StoreCorrupt

# The head of header.bin, as Chroma's hnswlib writes it: version, offset of the first element,
# room for elements, elements, bytes of one.
DATABASE = "chroma.sqlite3"
_HEADER = struct.Struct("<iQQQQ")
_LENGTH = 4  # bytes of length.bin for each element


def purge_folder(path: Path) -> None:
    """Remove the graphs of collections that are gone, and write Chroma's database anew.

    Chroma leaves the folder of a deleted collection where it is, and deleted vectors in the
    free pages of its database.

    Args:
        path: the folder.

    Raises:
        StoreCorrupt: the database cannot be read.
    """
    database = path / DATABASE
    try:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as sqlite:
            segments = {row[0] for row in sqlite.execute("SELECT id FROM segments")}
            sqlite.execute("VACUUM")
    except sqlite3.Error as error:
        raise StoreCorrupt(f"{str(database)!r} cannot be read: {error}") from error
    for folder in path.iterdir():
        if folder.is_dir() and folder.name not in segments:
            shutil.rmtree(folder)


def wipe_slack(path: Path, collection: str) -> None:
    """Overwrite the room that the graph of a collection has for elements to come.

    When a graph is made, and each time one is opened that is too young to have been written,
    hnswlib allocates that room and writes it out as it finds it: whatever the process had in
    memory there before, such as a vector that was just deleted. Measured: one in four folders
    held a deleted vector again after their next opening.

    Args:
        path: the folder; may be open.
        collection: Chroma's id of the collection.
    """
    with contextlib.closing(sqlite3.connect(path / DATABASE, isolation_level=None)) as sqlite:
        found = sqlite.execute("SELECT id FROM segments WHERE collection = ?", (collection,))
        segments = [row[0] for row in found]
    for segment in segments:
        folder = path / segment
        if not (folder / "header.bin").exists():
            continue
        packed = (folder / "header.bin").read_bytes()[: _HEADER.size]
        if len(packed) == _HEADER.size:
            _, _, _, elements, size = _HEADER.unpack(packed)
            _zero(folder / "data_level0.bin", elements * size)
            _zero(folder / "length.bin", elements * _LENGTH)


def _zero(file: Path, start: int) -> None:
    """Overwrite a file from there to its end."""
    if file.exists() and (slack := file.stat().st_size - start) > 0:
        with file.open("r+b") as opened:
            opened.seek(start)
            opened.write(bytes(slack))
