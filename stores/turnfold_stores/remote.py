"""A store whose index is kept by a server, over a ledger that is elsewhere.

The index belongs to the ledger: its names on the server begin with the ledger's identity, so that
stores may share a server, and one that was emptied, or never seen, is noticed and filled.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from itertools import count
from typing import Protocol

from turnfold_stores.protocols import Index, Ledger, Record
from turnfold_stores.records.journal import Journal, is_note
from turnfold_stores.records.model_binding import STORE_USER, SWITCH
from turnfold_stores.store import Store

_LOG = logging.getLogger("turnfold.stores")
_IDENTITY = "identity"
_IS_IDENTITY = re.compile("[0-9a-f]{32}")


class ServerIndex(Index, Protocol):
    """An index that remembers whether it was ever completed from its ledger."""

    def is_complete(self) -> bool:
        """Whether `set_complete` was called on what the server holds now."""
        ...

    def set_complete(self) -> None:
        """From now on only what the journal tells is missing."""
        ...


def identity_of(ledger: Ledger) -> str:
    """The name a ledger bears for life: 32 hexadecimal digits, given when first asked for.

    Where it was damaged another one is given, and the index is filled anew under that.
    """
    for number in count():
        name = f"{_IDENTITY}:{number}" if number else _IDENTITY
        # First write wins, also against another process: what is there now counts.
        ledger.put(STORE_USER, [Record(name, "store", "", uuid.uuid4().hex)])
        body = ledger.get(STORE_USER, [name])[name].body
        if isinstance(body, str) and _IS_IDENTITY.fullmatch(body):
            return body
        _LOG.warning(
            "the record %r of the ledger is damaged, so its index on the server gets another name; "
            "what stands there under the former one can be deleted",
            name,
        )
    raise AssertionError


def is_of_one_store(record: Record) -> bool:
    """Whether a record of `STORE_USER` is about one ledger and its index, and wrong elsewhere.

    Two ledgers of one identity would write to, and delete from, the same index; and one that is
    told of a switch of models that it never began would be of no use until it had made it.
    """
    return record.id.partition(":")[0] == _IDENTITY or record.id == SWITCH or is_note(record)


def open_remote(
    ledger: Ledger,
    connect: Callable[[str], ServerIndex],
    *,
    after_close: Callable[[], None],
) -> Store:
    """A store of a ledger and of the index that `connect` opens for the ledger's identity.

    The index is completed from the ledger where it is new to the server, and otherwise where the
    journal says that something was left half done.

    Args:
        ledger: durable, and shared by all who use the index.
        connect: from the identity to the index.
        after_close: called once, when the store is closed or could not be opened.
    """
    try:
        index = connect(identity_of(ledger))
    except BaseException:
        after_close()
        raise
    store = Store(ledger, index, journal=Journal(ledger, STORE_USER), after_close=after_close)
    try:
        if index.is_complete():
            mended = store.settle()
        else:
            mended = store.mend()
            index.set_complete()
        if mended.added or mended.removed:
            _LOG.info(
                "the index on the server was completed from the ledger: %d vectors put, %d removed",
                mended.added,
                mended.removed,
            )
    except BaseException:
        store.close()
        raise
    return store
