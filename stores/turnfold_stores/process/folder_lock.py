"""One owner a folder: a lock that the operating system lets go when its holder dies."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import weakref
from pathlib import Path

from turnfold_stores.errors import StoreUnavailable
from turnfold_stores.process.fork import at_fork

# On Windows a locked byte cannot be read by others: lock one far behind the text.
_LOCKED_BYTE = 2**20


class FolderLock:
    """The lock on a folder, held from construction until `release`.

    A child made by fork does not hold it.
    """

    def __init__(self, lock_file: Path) -> None:
        """Take the lock at once or not at all.

        Args:
            lock_file: made when absent; says who holds the lock.

        Raises:
            StoreUnavailable: somebody holds it, be it this same process, or the file cannot be
                written.
        """
        try:
            descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write {str(lock_file)!r}, which says who has the store open "
                f"({error.strerror}): move away what is there"
            ) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise StoreUnavailable(f"{str(lock_file)!r} is no file: move away what is there")
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise _refusal(lock_file) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _myself().encode(errors="replace"))
        self._descriptor = descriptor
        self._pid = os.getpid()
        self._release = weakref.finalize(self, _unlock, descriptor, self._pid)
        at_fork(in_child=self._let_go_in_child)

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._release.alive and os.getpid() == self._pid

    def release(self) -> None:
        """Let go. Twice is harmless, and so is a forked child's call."""
        if os.getpid() == self._pid:
            self._release()

    def _let_go_in_child(self) -> None:
        # Else the lock would outlive its owner for as long as a child lives.
        if self._release.alive:
            os.close(self._descriptor)


def make_private(path: Path) -> None:
    """Close what is in a folder to others; meanwhile the folder's own mode has guarded it."""
    for folder, _, names in os.walk(path):
        Path(folder).chmod(0o700)
        for name in names:
            Path(folder, name).chmod(0o600)


def _unlock(descriptor: int, pid: int) -> None:
    if os.getpid() == pid:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Raises OSError when the lock is held."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _myself() -> str:
    # The arguments stay out: there may be a key among them.
    command = Path(sys.argv[0]).name or "python"
    return f"process {os.getpid()} on {socket.gethostname()} ({command})"


def _refusal(lock_file: Path) -> StoreUnavailable:
    holder = ""
    with contextlib.suppress(OSError):
        holder = lock_file.read_text(errors="replace").strip()
    if holder.startswith(f"process {os.getpid()} on {socket.gethostname()} "):
        advice = "this same process: use the store it has, or close that first"
    else:
        advice = f"{holder or 'another process'}: close it there"
    return StoreUnavailable(
        f"the store {str(lock_file.parent)!r} is open in {advice}, or use another folder, or a "
        "'sqlite:' store, which many processes may open at once"
    )
