"""The record written last, without reading those before it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from turnfold_stores.protocols import Ledger, Record


@runtime_checkable
class Latest(Protocol):
    """Reading from the end, declared by the ledgers that can."""

    def latest(self, user_id: str, *, kind: str, conversation: str) -> Record | None:
        """The last record of a kind that was written for a conversation; None for none."""
        ...


def latest_record(ledger: Ledger, user_id: str, *, kind: str, conversation: str) -> Record | None:
    """The last record of a kind that was written for a conversation; None for none.

    A ledger that cannot read from the end is scanned.
    """
    if isinstance(ledger, Latest):
        return ledger.latest(user_id, kind=kind, conversation=conversation)
    last = None
    for last in ledger.scan(user_id, kind=kind, conversation=conversation):  # noqa: B007
        pass
    return last
