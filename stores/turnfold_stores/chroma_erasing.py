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


def wipe_slack(path: Path) -> None:
    """Overwrite the room that graphs have for elements to come.

    hnswlib allocates that room and writes it out as it finds it: whatever the process had in
    memory there before, such as a vector or a text that was just deleted. Measured: one in
    seven purged folders held a deleted vector again.

    Args:
        path: the folder.
    """
    for header in path.glob("*/header.bin"):
        packed = header.read_bytes()[: _HEADER.size]
        if len(packed) == _HEADER.size:
            _, _, _, elements, size = _HEADER.unpack(packed)
            _zero(header.with_name("data_level0.bin"), elements * size)
            _zero(header.with_name("length.bin"), elements * _LENGTH)


def _zero(file: Path, start: int) -> None:
    """Overwrite a file from there to its end."""
    if file.exists() and (slack := file.stat().st_size - start) > 0:
        with file.open("r+b") as opened:
            opened.seek(start)
            opened.write(bytes(slack))
