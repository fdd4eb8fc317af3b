import pytest
from turnfold_stores.conformance import IndexContract, LedgerContract, WordsContract
from turnfold_stores.in_memory import InMemoryLedger
from turnfold_stores.sqlite import SqliteLedger


class TestLedgers(LedgerContract):
    @pytest.fixture
    def ledger(self, store):
        return store.ledger


class TestIndexes(IndexContract):
    @pytest.fixture
    def index(self, store):
        return store.index


class TestSqliteWords(WordsContract):
    @pytest.fixture
    def ledger(self, tmp_path):
        ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
        yield ledger
        ledger.close()


class TestInMemoryWords(WordsContract):
    @pytest.fixture
    def ledger(self):
        ledger = InMemoryLedger()
        yield ledger
        ledger.close()
