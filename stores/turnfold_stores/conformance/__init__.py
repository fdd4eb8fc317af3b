"""The store contract as a pytest suite. Needs pytest, which nothing else here does.

A store that a URL opens is proved by one fixture:

    from turnfold_stores.conformance import DurableContract, SharedContract, StoreContract

    class TestMine(StoreContract, DurableContract, SharedContract):
        @pytest.fixture
        def url(self, tmp_path):
            return f"mine:{tmp_path / 'store'}"

Leave out `DurableContract` where nothing outlives the process, `SharedContract` where one process
at a time may have the store; add `WordsContract` where the ledger is `Words` too. An approximate
index says so by a fixture `recall` that returns 0.95. A ledger or an index alone is proved by
`LedgerContract` (fixture `ledger`) or `IndexContract` (fixture `index`).

For readable failures, call `pytest.register_assert_rewrite("turnfold_stores.conformance")` before
the import.
"""

from __future__ import annotations

from turnfold_stores.conformance.index import IndexContract
from turnfold_stores.conformance.ledger import LedgerContract
from turnfold_stores.conformance.store import (
    DurableContract,
    SharedContract,
    StoreContract,
    TogetherContract,
)
from turnfold_stores.conformance.words import WordsContract

__all__ = [
    "DurableContract",
    "IndexContract",
    "LedgerContract",
    "SharedContract",
    "StoreContract",
    "TogetherContract",
    "WordsContract",
]
