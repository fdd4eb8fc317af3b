"""The store in a folder: a SQLite ledger beside a Chroma index, owned by one process.

    ledger.sqlite3   the durable record
    chroma/          the index; may be deleted, it comes back from the ledger
    owner            locked by the process that has the store open, and says which
    closed           there while the store is closed and was closed in order

Measured: a kill while Chroma writes left 3 of 15 folders unreadable, one of which crashed every
process that opened it; some answered a child process that tried them, and crashed at a later
search; two processes in one folder lost vectors without an error. So the folder has one owner. If
its process died while Chroma was at work, the index is rebuilt; if it died otherwise, the index is
tried in a child process before it is trusted, and completed from the ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from turnfold_stores.busy import was_idle
from turnfold_stores.chroma import BUSY, ChromaIndex, require_chroma
from turnfold_stores.errors import StoreCorrupt, StoreError
from turnfold_stores.ownership import Ownership, make_private
from turnfold_stores.sqlite import SqliteLedger
from turnfold_stores.store import Store

LEDGER = "ledger.sqlite3"
CHROMA = "chroma"
OWNER = "owner"
CLOSED = "closed"

_LOG = logging.getLogger("turnfold.stores")
# Seconds. Opening takes 2; a rebuild, which is what follows, costs 1 for 1,000 vectors.
_PROBE_TIMEOUT = 60.0


def open_folder(path: Path) -> Store:
    """Open the store in the folder `path`, or make one there.

    Raises:
        MissingDependency: chromadb is not installed.
        StoreUnavailable: the folder is open, in this or another process.
        SchemaMismatch: another version of turnfold made the ledger.
        StoreCorrupt: the ledger cannot be read.
        StoreError: the path is a file, holds something else, or cannot be written.
    """
    require_chroma()
    path = path.absolute()
    _make_folder(path)
    ownership = Ownership(path / OWNER)
    try:
        in_order = _was_closed_in_order(path)
        ledger = SqliteLedger(path / LEDGER)
        try:
            return _with_index(path, ledger, ownership, in_order=in_order)
        except BaseException:
            ledger.close()
            raise
    except BaseException:
        ownership.release()
        raise


def _with_index(path: Path, ledger: SqliteLedger, ownership: Ownership, *, in_order: bool) -> Store:
    (path / CLOSED).unlink(missing_ok=True)
    _sync_folder(path)
    index, complete = _open_index(path / CHROMA, in_order=in_order)

    def after_close() -> None:
        _after_close(path, ownership, index)

    store = Store(ledger, index, after_close=after_close)
    try:
        if not complete:
            mended = store.mend(index.users())
            if mended.added or mended.removed:
                _LOG.info(
                    "the index in %r was completed from the ledger: %d vectors added, %d removed",
                    str(path),
                    mended.added,
                    mended.removed,
                )
    except BaseException:
        index.sound = False
        store.close()
        raise
    return store


def _open_index(path: Path, *, in_order: bool) -> tuple[ChromaIndex, bool]:
    """The index, and whether it is known to hold all that the ledger holds."""
    complete = in_order and path.is_dir()
    reason = None if complete or not path.exists() else _distrust(path)
    if reason is None:
        try:
            return _new_index(path), complete
        except StoreCorrupt as error:
            reason = str(error)
    _LOG.info("the index in %r is rebuilt from the ledger: %s", str(path), reason)
    _remove(path)
    return _new_index(path), False


def _new_index(path: Path) -> ChromaIndex:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {str(path)!r}: {error.strerror}") from error
    return ChromaIndex(path)


def _distrust(path: Path) -> str | None:
    """Why the index is not to be used, None when nothing speaks against it."""
    # Chroma writes its graph in place and before a call returns. Half of one may well answer a
    # few searches and crash at the next.
    if not was_idle(path / BUSY):
        return "its process died, or Chroma failed, while Chroma was at work"
    return _probe(path)


def _probe(path: Path) -> str | None:
    """Try the index in a child process. What is wrong with it, None when nothing is."""
    command = [sys.executable, "-m", "turnfold_stores.chroma_probe", str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603 - our own module on our own folder
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_PROBE_TIMEOUT:g} seconds"
    except OSError as error:
        return f"it could not be tried in a child process ({error})"
    if done.returncode == 0:
        return None
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return " ".join([f"a child process that tried it ended with {done.returncode}", *last])


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"the broken index {str(path)!r} cannot be removed ({error}): remove it by hand, it "
            "is rebuilt from the ledger"
        ) from error


def _make_folder(path: Path) -> None:
    """Make the folder, or make sure that what is in it is ours; nothing else is touched."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = {entry.name for entry in path.iterdir()}
    except FileExistsError:
        raise StoreError(
            f"{str(path)!r} is a file where a folder was expected: name another path, or write "
            "'sqlite:' before it for a store in one file"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot use the folder {str(path)!r}: {error.strerror}") from error
    foreign = present - {OWNER}
    if foreign and LEDGER not in present:
        raise StoreError(
            f"{str(path)!r} is not empty and holds no store (it has {min(foreign)!r}): name an "
            "empty or a new folder, so that nothing gets mixed up"
        )
    if not os.access(path, os.W_OK):
        raise StoreError(f"the folder {str(path)!r} cannot be written to")


def _state(path: Path) -> str:
    """What a closed folder looks like: the version of Chroma, and every file's size.

    Differs after a change of version (the layout may have changed) and after a part of the folder
    was lost, cut short or restored from a backup.
    """
    files = [path / LEDGER, *sorted(file for file in (path / CHROMA).rglob("*") if file.is_file())]
    listing = "".join(
        f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n" for file in files
    )
    return (
        f"{importlib.metadata.version('chromadb')} {hashlib.sha256(listing.encode()).hexdigest()}"
    )


def _was_closed_in_order(path: Path) -> bool:
    try:
        return (path / CLOSED).read_text() == _state(path)
    except OSError:
        return False


def _after_close(path: Path, ownership: Ownership, index: ChromaIndex) -> None:
    if not ownership.held:
        return
    try:
        if index.sound and path.is_dir():
            make_private(path / CHROMA)
            _write_mark(path)
    finally:
        ownership.release()


def _write_mark(path: Path) -> None:
    """Say that the folder was closed in order; where the disk is full, it is tried next time."""
    mark = path / CLOSED
    try:
        descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:  # noqa: PTH123 - a descriptor
            file.write(_state(path))
    except OSError:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    """Make the absence of a file outlast a power cut."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
