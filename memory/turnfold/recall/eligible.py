"""A stored passage goes in; the number of its exchange comes out, or that it may not be shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from turnfold_stores import Record

from turnfold.archive.archive import Archive
from turnfold.archive.passages import content_of


class Eligible:
    """What may be recalled: exchanges in memory on a living path, and not in view.

    Args:
        archive: the ledger.
        turns: exchange number by content id, for what is folded on this path.
        live: content ids that stand verbatim in the request.
        root: opening id of the first exchange of this path.
    """

    def __init__(
        self, archive: Archive, *, turns: Mapping[str, int], live: Collection[str], root: str
    ) -> None:
        self._archive = archive
        self._turns = turns
        self._live = live
        self._root = root
        self._elsewhere: dict[str, set[str]] = {}  # by conversation; read when first met

    def __call__(self, record: Record) -> int | None:
        """The exchange number; 0 for another conversation; None if it may not be recalled."""
        content = content_of(record.id)
        if content in self._live:
            return None
        here = self._archive.scope.conversation
        if record.conversation == here and (content in self._turns or here):
            return self._turns.get(content)
        if record.conversation not in self._elsewhere:
            paths = self._archive.paths.folded(record.conversation, but=self._root)
            self._elsewhere[record.conversation] = {one for path in paths for one in path}
        return 0 if content in self._elsewhere[record.conversation] else None
