"""Whether files that were opened still bear their names.

Who deletes an open file takes only its name: writes go on, into what nobody will ever open.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


class Present:
    """Files as they were when they were opened, each known by its number on its disk."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Args:
        files: those that are not there are not looked for later either.
        """
        self._known: list[tuple[str, tuple[int, int]]] = []
        for file in files:
            with contextlib.suppress(OSError):
                self._known.append((os.fspath(file), _number(file)))

    def lost(self) -> Path | None:
        """A file that was removed, or another one in its place; None when all are there.

        Of one in a folder that may be entered no more it is not known. Takes some microseconds a
        file.
        """
        for file, number in self._known:
            try:
                if _number(file) != number:
                    return Path(file)
            except (FileNotFoundError, NotADirectoryError):
                return Path(file)
            except OSError:
                continue
        return None


def is_open_here(file: Path) -> bool:
    """Whether this process has a file open, be it through another library."""
    try:
        number = _number(file)
        descriptors = os.listdir("/dev/fd")  # noqa: PTH208 - a few names
    except OSError:
        # Not there; or a system whose locks are not lost by closing another descriptor.
        return False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            found = os.fstat(int(descriptor))
            if (found.st_dev, found.st_ino) == number:
                return True
    return False


def _number(file: str | Path) -> tuple[int, int]:
    found = os.stat(file)  # noqa: PTH116 - half the time of Path.stat, before each use
    return found.st_dev, found.st_ino
