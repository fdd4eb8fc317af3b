"""Where memory is kept: a ledger of records and an index of vectors, behind one contract."""

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
    ErasingIndex,
    ErasingLedger,
    Hit,
    Index,
    Latest,
    Ledger,
    Populated,
    Record,
    Vector,
    Words,
    latest_record,
)
from turnfold_stores.records.model_binding import STORE_USER
from turnfold_stores.records.vectors import vector_of, vector_record
from turnfold_stores.repair import Mended
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
    "Mended",
    "MissingDependency",
    "Populated",
    "Record",
    "Reindexing",
    "SchemaMismatch",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "TurnfoldError",
    "Vector",
    "Words",
    "latest_record",
    "match_words",
    "open_store",
    "terms",
    "vector_of",
    "vector_record",
    "words",
]
