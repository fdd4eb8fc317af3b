"""The store in a folder: a SQLite ledger beside a Chroma index, owned by one process.

    ledger.sqlite3   the durable record
    chroma/          the index; may be deleted, it comes back from the ledger
    owner            locked by the process that has the store open, and says which
    closed           there while the store is closed and was closed in order: how it looked then

Measured: a kill while Chroma writes left 3 of 15 folders unreadable, one of which crashed every
process that opened it; some answered a child process that tried them, and crashed at a later
search; two processes in one folder lost vectors without an error. So the folder has one owner. If
its process died while Chroma was at work, or the index is not what it was when it was closed, the
index is rebuilt; if its process died otherwise, the index is tried in a child process before it is
trusted, and completed from the ledger.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from turnfold_stores.chroma.folder_fingerprint import Seal
from turnfold_stores.chroma.index import BUSY, ChromaIndex, require_chroma
from turnfold_stores.errors import StoreCorrupt, StoreError, StoreUnavailable
from turnfold_stores.local_paths import refuse_dead_link
from turnfold_stores.process.crash_mark import was_idle
from turnfold_stores.process.folder_lock import FolderLock, make_private
from turnfold_stores.process.open_files import Present
from turnfold_stores.sqlite.ledger import SqliteLedger
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
        StoreUnavailable: the folder is open, in this or another process, or cannot be used.
        SchemaMismatch: another version of turnfold made the ledger.
        StoreCorrupt: the ledger cannot be read.
        StoreError: the path is a file, or holds something else.
    """
    require_chroma()
    path = path.absolute()
    _make_folder(path)
    ownership = FolderLock(path / OWNER)
    try:
        _check_ledger(path)
        seal = Seal.read(path / CLOSED)
        ledger = SqliteLedger(path / LEDGER)
        try:
            return _with_index(path, ledger, ownership, seal)
        except BaseException:
            ledger.close()
            raise
    except BaseException:
        ownership.release()
        raise


def _with_index(
    path: Path, ledger: SqliteLedger, ownership: FolderLock, seal: Seal | None
) -> Store:
    reason, complete = _judged(path, seal)
    _remove(path / CLOSED)
    _sync_folder(path)
    index, fresh = _open_index(path, reason)
    complete = complete and not fresh

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
            if mended.unfit:
                _LOG.warning(
                    "the ledger in %r holds %d vectors that are damaged or of another model; they "
                    "are left out of the index. Run `turnfold doctor URL --mend` with the store's "
                    "URL: it removes them, and they are made anew",
                    str(path),
                    mended.unfit,
                )
    except BaseException:
        index.sound = False
        store.close()
        raise
    return store


def _judged(path: Path, seal: Seal | None) -> tuple[str | None, bool]:
    """Why the index is not to be used, None when nothing speaks against it; is it complete?"""
    index = path / CHROMA
    if not index.exists():
        return None, False
    if seal is None:
        return _distrust(index), False
    try:
        now = Seal.of(path / LEDGER, index)
    except OSError as error:
        return f"it cannot be read ({error})", False
    if now.index != seal.index or not index.is_dir():
        return "it is not what it was when it was closed", False
    if now.chroma != seal.chroma:
        return _distrust(index), False
    return None, now == seal


def _open_index(path: Path, reason: str | None) -> tuple[ChromaIndex, bool]:
    """The index, and whether it was begun anew."""
    if reason is None:
        try:
            return _new_index(path), False
        except StoreCorrupt as error:
            reason = str(error)
    _LOG.info("the index in %r is rebuilt from the ledger: %s", str(path / CHROMA), reason)
    _remove(path / CHROMA)
    return _new_index(path), True


def _new_index(path: Path) -> ChromaIndex:
    (path / CHROMA).mkdir(mode=0o700, exist_ok=True)
    # Without the owner's file under its name another process would take the folder for free.
    return ChromaIndex(path / CHROMA, guard=Present([path / OWNER]))


def _distrust(path: Path) -> str | None:
    """Why the index is not to be used, None when nothing speaks against it."""
    # Chroma writes its graph in place and before a call returns. Half of one may well answer a
    # few searches and crash at the next.
    if not was_idle(path / BUSY):
        return "its process died, or Chroma failed, while Chroma was at work"
    return _probe(path)


def _probe(path: Path) -> str | None:
    """Try the index in a child process. What is wrong with it, None when nothing is."""
    command = [sys.executable, "-m", "turnfold_stores.chroma.probe", str(path)]
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
        raise StoreUnavailable(
            f"{str(path)!r} cannot be removed ({error}): remove it by hand, it is made anew from "
            "the ledger"
        ) from error


def _make_folder(path: Path) -> None:
    """Make the folder, or make sure that what is in it is ours; nothing else is touched."""
    refuse_dead_link(path)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = {entry.name for entry in path.iterdir()}
    except FileExistsError:
        raise StoreError(
            f"{str(path)!r} is a file where a folder was expected: name another path, or write "
            "'sqlite:' before it for a store in one file"
        ) from None
    except OSError as error:
        raise StoreUnavailable(f"cannot use the folder {str(path)!r}: {error.strerror}") from error
    foreign = present - {OWNER}
    if foreign & {CHROMA, CLOSED} and LEDGER not in present:
        raise _lost_ledger(path, "has lost its ledger")
    if foreign and LEDGER not in present:
        raise StoreError(
            f"{str(path)!r} is not empty and holds no store (it has {min(foreign)!r}): name an "
            "empty or a new folder, so that nothing gets mixed up"
        )
    if not os.access(path, os.W_OK):
        raise StoreUnavailable(f"the folder {str(path)!r} cannot be written to")


def _check_ledger(path: Path) -> None:
    """An empty file is a new ledger, but not where there is an index that was made of one."""
    ledger = path / LEDGER
    made = (path / CHROMA).exists() or (path / CLOSED).exists()
    if made and ledger.is_file() and ledger.stat().st_size == 0:
        raise _lost_ledger(path, "has an empty ledger beside an index that was made of one")


def _lost_ledger(path: Path, what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"the store {str(path)!r} {what} ({LEDGER!r}). Restore that from a backup; to start anew, "
        "name another folder, or move this one away"
    )


def _after_close(path: Path, ownership: FolderLock, index: ChromaIndex) -> None:
    if not ownership.held:
        return
    try:
        if index.sound and path.is_dir():
            make_private(path / CHROMA)
            Seal.of(path / LEDGER, path / CHROMA).write(path / CLOSED)
    except OSError as error:
        # It was removed, or is being; whoever opens it next will look for himself.
        _LOG.info("the store %r could not be sealed: %s", str(path), error)
    finally:
        ownership.release()


def _sync_folder(path: Path) -> None:
    """Make the absence of a file outlast a power cut."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
