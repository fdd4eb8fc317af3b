"""An index in a file of Milvus Lite: deleted vectors leave it when it is written anew.

What Milvus Lite cannot read is removed, and comes back from the ledger.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.milvus.address import MilvusAddress
from turnfold_stores.milvus.index import OWNER, MilvusIndex, prefix_of
from turnfold_stores.process.folder_lock import FolderLock
from turnfold_stores.protocols import Entry

_LOG = logging.getLogger("turnfold.stores")
# There, beside the collections, once something in them could not be read.
_DOUBTED = "turnfold.doubted"

_BATCH = 1_000
_FIELDS = ["key", "wall", "talk", "id", "vector"]
_ANYBODY = 'wall != ""'


class MilvusFileIndex(MilvusIndex):
    """A `MilvusIndex` that can purge: Milvus Lite keeps deleted rows, and does not compact."""

    def _doubt(self) -> None:
        assert self._address.file is not None
        with contextlib.suppress(OSError):
            (self._address.file / _DOUBTED).touch(mode=0o600)

    def purge(self, user_id: str, entries: Iterable[Entry]) -> None:  # noqa: ARG002 - see below
        """See `PurgesIndex.purge`. All users share a collection: that is written anew."""
        with self._using() as client:
            # If this is cut short, the index is completed from the ledger at the next opening.
            client.drop_collection(self._prefix + "complete")
            for dimension in sorted(self._dimensions):
                name = self._name(dimension)
                rows = list(self._rows(name, _ANYBODY, _FIELDS))
                client.drop_collection(name)
                self._create(name, dimension)
                for start in range(0, len(rows), _BATCH):
                    client.upsert(name, rows[start : start + _BATCH])
                client.flush(name)
            self.set_complete()


def open_file(address: MilvusAddress, identity: str) -> MilvusFileIndex:
    """The index in the file of an address, begun anew where it cannot be read.

    Raises:
        StoreError: as `MilvusIndex`.
    """
    assert address.file is not None
    if (address.file / _DOUBTED).exists():
        _begin_anew(address.file, identity, "Milvus Lite failed on it")
    try:
        return MilvusFileIndex(address, identity)
    except StoreCorrupt as error:
        _begin_anew(address.file, identity, str(error))
    return MilvusFileIndex(address, identity)


def _begin_anew(file: Path, identity: str, reason: str) -> None:
    """Remove the collections of this ledger; what else is in the file is somebody else's."""
    ownership = FolderLock(file / OWNER)
    try:
        _LOG.info("the index in %r is rebuilt from the ledger: %s", str(file), reason)
        for collection in (file / "collections").glob(f"{prefix_of(identity)}*"):
            if collection.is_dir():
                shutil.rmtree(collection)
            else:
                collection.unlink()
        (file / _DOUBTED).unlink(missing_ok=True)
    finally:
        ownership.release()
