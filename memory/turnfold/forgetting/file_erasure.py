"""The memory tool's files: what is to go comes in, how many went comes out.

Each text of a file has a name of its own, drawn when it was written. A tombstone of that keeps it
away where it is imported again; the same words, written anew, are another text.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from turnfold_stores import Store

from turnfold.archive.tombstones import Tombstones
from turnfold.errors import StoreCorrupt
from turnfold.files.stored_files import StoredFile, StoredFiles
from turnfold.forgetting.erasure_scope import ErasureScope, Forgotten


class FileErasure:
    """Takes files of one user from a store."""

    def __init__(
        self, store: Store, user_id: str, tombstones: Tombstones, now: Callable[[], float]
    ) -> None:
        """Args:
        store: where they are.
        user_id: whose they are.
        tombstones: of this user.
        now: the clock, in Unix seconds.
        """
        self._files = StoredFiles(store, user_id, now)
        self._tombstones = tombstones

    def within(self, extent: ErasureScope) -> Forgotten:
        """All of a user's, or those that are old or that one of the conversations wrote."""

        def goes(_path: str, file: StoredFile) -> bool:
            wrote = extent.names is None or not set(extent.names).isdisjoint(file.by)
            return wrote and file.at < extent.before

        if gone := sorted({one.text for path, one in self._files.known() if goes(path, one)}):
            self._tombstones.put(gone)
            self._tombstones.renew()
        count = 0
        with suppress(StoreCorrupt):  # what cannot be read goes as such
            count = self._files.drop(goes)
        if extent.whole and extent.names is None:
            self._files.clear()
        return Forgotten(files=count)

    def buried(self) -> Forgotten:
        """Those whose texts have a tombstone."""
        buried = self._tombstones.among({one.text for _, one in self._files.known()})
        with suppress(StoreCorrupt):
            return Forgotten(files=self._files.drop(lambda _, file: file.text in buried))
        return Forgotten()
