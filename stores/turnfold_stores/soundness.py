"""What ledgers and indexes can tell of their own soundness."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class SelfChecking(Protocol):
    """Declared by ledgers that can tell whether their files are sound."""

    def check(self) -> list[str]:
        """What is wrong with the files, in words; [] for nothing."""
        ...


@runtime_checkable
class SelfCheckingIndex(Protocol):
    """Declared by indexes that can tell which of their vectors are none any more."""

    def unsound(self, user_id: str) -> set[str]:
        """Ids whose vectors are damaged; they can be written anew from the ledger."""
        ...
