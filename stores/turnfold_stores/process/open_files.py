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
        known = ((os.fspath(file), _number(file)) for file in files)
        self._known = [(file, number) for file, number in known if number is not None]

    def lost(self) -> Path | None:
        """A file that was removed, or another one in its place; None when all are there.

        Takes some microseconds a file.
        """
        for file, number in self._known:
            if _number(file) != number:
                return Path(file)
        return None


def is_open_here(file: Path) -> bool:
    """Whether this process has a file open, be it through another library."""
    number = _number(file)
    if number is None:
        return False
    try:
        descriptors = os.listdir("/dev/fd")  # noqa: PTH208 - a few names
    except OSError:
        return False  # a system whose locks are not lost by closing another descriptor
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            found = os.fstat(int(descriptor))
            if (found.st_dev, found.st_ino) == number:
                return True
    return False


def _number(file: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - half the time of Path.stat, before each use
    except OSError:
        return None
    return found.st_dev, found.st_ino
