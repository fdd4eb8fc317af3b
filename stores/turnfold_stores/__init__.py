"""Where memory is kept: a ledger of records and an index of vectors, behind one contract."""

import warnings
from typing import Any

from turnfold_stores.errors import (
    MissingDependency,
    SchemaMismatch,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TurnfoldError,
)
from turnfold_stores.open import open_store
from turnfold_stores.protocols import (
    Entry,
    Hit,
    Index,
    Ledger,
    ListsUsers,
    PurgesIndex,
    PurgesLedger,
    ReadsConversations,
    ReadsLatest,
    ReadsLatestIds,
    Record,
    TextSearch,
    Unreadable,
    Vector,
    WritesTogether,
    conversations_of,
    latest_ids,
    latest_record,
)
from turnfold_stores.records.model_binding import STORE_USER
from turnfold_stores.records.vectors import vector_of, vector_record
from turnfold_stores.repair import Repaired
from turnfold_stores.search.bm25 import match_words
from turnfold_stores.search.terms import STOP_WORDS, terms, words
from turnfold_stores.store import Store
from turnfold_stores.upkeep.reindexing import Reindexing

__all__ = [
    "STOP_WORDS",
    "STORE_USER",
    "Entry",
    "ErasingIndex",
    "ErasingLedger",
    "Hit",
    "Index",
    "Latest",
    "Ledger",
    "ListsUsers",
    "Mended",
    "MissingDependency",
    "Populated",
    "PurgesIndex",
    "PurgesLedger",
    "ReadsConversations",
    "ReadsLatest",
    "ReadsLatestIds",
    "Record",
    "Reindexing",
    "Repaired",
    "SchemaMismatch",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "TextSearch",
    "TurnfoldError",
    "Unreadable",
    "Vector",
    "Words",
    "WritesTogether",
    "conversations_of",
    "latest_ids",
    "latest_record",
    "match_words",
    "open_store",
    "terms",
    "vector_of",
    "vector_record",
    "words",
]

# What these were called in 0.1; gone in the release after the next.
_RENAMED = {
    "ErasingIndex": "PurgesIndex",
    "ErasingLedger": "PurgesLedger",
    "Latest": "ReadsLatest",
    "Mended": "Repaired",
    "Populated": "ListsUsers",
    "Words": "TextSearch",
}


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _RENAMED[name]
    warnings.warn(f"{name} is called {new} now", DeprecationWarning, stacklevel=2)
    return globals()[new]
