"""What only the store in PostgreSQL must prove, after the contract."""

import pytest
from turnfold_stores import open_store
from turnfold_stores.conformance import IndexContract, LedgerContract, WordsContract


@pytest.fixture
def store(postgres_url):
    with open_store(postgres_url) as opened:
        yield opened


class TestLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, store):
        return store.ledger


class TestWords(WordsContract):
    @pytest.fixture
    def ledger(self, store):
        return store.ledger


class TestExactIndex(IndexContract):
    @pytest.fixture
    def index(self, store):
        return store.index


class TestHnsw(IndexContract):
    @pytest.fixture
    def index(self, postgres_server, monkeypatch):
        # As if every user had many vectors.
        monkeypatch.setattr("turnfold_stores.postgres_index._FEW", 1)
        with open_store(postgres_server.url(index="hnsw")) as store:
            yield store.index
