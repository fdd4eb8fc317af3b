"""A mark that outlives the process: was something under way when it died?"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

_IDLE, _BUSY = b"0", b"1"


class CrashMark:
    """A byte in a file, set while something is under way.

    Written to the operating system and not to the disk: it holds against the death of the process.
    Against a power cut holds that the file names the run of the system it was written in.
    """

    def __init__(self, file: Path) -> None:
        """Make the file, set to idle."""
        # Unbuffered: a write takes microseconds and is seen by whoever comes after.
        self._file = file.open("wb", buffering=0)
        self._file.write(_IDLE + _boot())

    def set(self, *, busy: bool) -> None:
        """Say whether something is under way."""
        self._file.seek(0)
        self._file.write(_BUSY if busy else _IDLE)

    def close(self) -> None:
        """Leave the mark as it is."""
        self._file.close()


def was_idle(file: Path) -> bool:
    """Whether nothing was under way when the last user of the mark ended."""
    try:
        # A pipe in its place would let us wait for ever.
        return file.is_file() and file.read_bytes() == _IDLE + _boot()
    except OSError:
        return False


def _boot() -> bytes:
    """What tells one run of the operating system from another; empty where that is unknown."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path("/proc/sys/kernel/random/boot_id").read_bytes()
    return b""
