"""The seal of a closed folder: what it held when it was closed, so that a change since is noticed.

A byte that changed in an index may crash the process at a search, and no child that tries the
index first need meet it. So the index is read once, a gigabyte a second, and known by its digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Seal:
    """What a closed folder looks like.

    Attributes:
        chroma: the version of Chroma; the layout of its files may change with it.
        ledger: bytes of the ledger: it knows by itself whether it is sound.
        index: a digest of the index's files.
    """

    chroma: str
    ledger: int
    index: str

    @classmethod
    def of(cls, ledger: Path, index: Path) -> Self:
        """How they look now.

        Raises:
            OSError: they cannot be read.
        """
        version = importlib.metadata.version("chromadb")
        return cls(version, ledger.stat().st_size, _digest(index))

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The seal that was written; None where there is none that can be read."""
        try:
            # A pipe in its place would let us wait for ever.
            found = file.read_bytes() if file.is_file() else b""
            version, ledger, index = found.decode().split()
            return cls(version, int(ledger), index)
        except (OSError, ValueError):
            return None

    def write(self, file: Path) -> None:
        """Seal a folder; where the disk is full, it stays unsealed."""
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w") as opened:  # noqa: PTH123 - a descriptor
                opened.write(f"{self.chroma} {self.ledger} {self.index}")
        except OSError:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def _digest(folder: Path) -> str:
    """Of the names and contents of all files in a folder."""
    whole = hashlib.blake2b(digest_size=32)
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "blake2b").hexdigest()
        whole.update(f"{file.relative_to(folder).as_posix()}\0{content}\0".encode(errors="replace"))
    return whole.hexdigest()
