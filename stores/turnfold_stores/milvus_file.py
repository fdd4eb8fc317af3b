"""An index in a file of Milvus Lite: deleted vectors leave it when it is written anew."""

from __future__ import annotations

from collections.abc import Iterable

from turnfold_stores.milvus import MilvusIndex
from turnfold_stores.protocols import Entry

_BATCH = 1_000
_FIELDS = ["key", "wall", "talk", "id", "vector"]
_ANYBODY = 'wall != ""'


class MilvusFileIndex(MilvusIndex):
    """A `MilvusIndex` that can purge: Milvus Lite keeps deleted rows, and does not compact."""

    def purge(self, user_id: str, entries: Iterable[Entry]) -> None:  # noqa: ARG002 - see below
        """See `ErasingIndex.purge`. All users share a collection: that is written anew."""
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
