"""The store contract as a pytest suite. Needs pytest, which nothing else here does.

A new store is proved by subclassing, one fixture a class:

    from turnfold_stores.conformance import IndexContract, LedgerContract

    class TestMyLedger(LedgerContract):
        @pytest.fixture
        def ledger(self, tmp_path):
            ledger = MyLedger(tmp_path)
            yield ledger
            ledger.close()

For readable failures, call `pytest.register_assert_rewrite("turnfold_stores.conformance")` before
the import.
"""

from __future__ import annotations

from turnfold_stores.conformance.index import IndexContract
from turnfold_stores.conformance.ledger import LedgerContract
from turnfold_stores.conformance.words import WordsContract

__all__ = ["IndexContract", "LedgerContract", "WordsContract"]
