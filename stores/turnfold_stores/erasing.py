"""What is deleted leaves its files, too: a capability of stores that keep files of their own."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Erasing(Protocol):
    """Declared by ledgers and indexes that write files, where a deletion leaves bytes behind.

    Servers do not declare it: what they delete is found by no query any more, and their own
    maintenance (a vacuum, a compaction, the end of a backup's life) takes it from their disks.
    """

    def purge(self, user_id: str) -> None:
        """Make sure that nothing which was deleted of this user is left in the files.

        An index may lose the user's other vectors on the way; the caller puts them back from
        the ledger (`Store.purge` does).

        Raises:
            StoreUnavailable: another process keeps the files busy; nothing is lost, try again.
        """
        ...


@runtime_checkable
class Populated(Protocol):
    """Declared by indexes that know whose vectors they hold."""

    def users(self) -> set[str]:
        """Every user_id that has a vector."""
        ...
