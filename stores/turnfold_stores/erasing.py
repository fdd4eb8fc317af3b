"""What is deleted leaves its files, too: capabilities of stores that keep files of their own.

Servers declare none: what they delete is found by no query any more, and their own maintenance
(a vacuum, a compaction, the end of a backup's life) takes it from their disks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from turnfold_stores.protocols import Entry


@runtime_checkable
class ErasingLedger(Protocol):
    """Declared by ledgers that write files, where a deletion leaves bytes behind."""

    def purge(self) -> None:
        """Make sure that nothing which was deleted is left in the files.

        Raises:
            StoreUnavailable: another process keeps the files busy; nothing is lost, try again.
        """
        ...


@runtime_checkable
class ErasingIndex(Protocol):
    """Declared by indexes that write files of their own, where a deletion leaves bytes behind."""

    def purge(self, user_id: str, entries: Iterable[Entry]) -> None:
        """Build this user's part anew, so that nothing else of theirs is left in the files.

        Args:
            user_id: whose.
            entries: all there is of them from then on.
        """
        ...


@runtime_checkable
class Populated(Protocol):
    """Declared by indexes that know whose vectors they hold."""

    def users(self) -> set[str]:
        """Every user_id that has a vector."""
        ...
