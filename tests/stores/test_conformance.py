"""The contract, on every store of the table."""

import pytest
from support.stores import OVER_POSTGRES, STORES
from turnfold_stores import open_store
from turnfold_stores.conformance import (
    DurableContract,
    IndexContract,
    LedgerContract,
    SharedContract,
    TogetherContract,
    WordsContract,
)
from turnfold_stores.in_memory import InMemoryLedger
from turnfold_stores.sqlite.ledger import SqliteLedger

EVERY = {**STORES, **OVER_POSTGRES}


def kinds(**wanted):
    return [
        name
        for name, kind in EVERY.items()
        if all(getattr(kind, one) == value for one, value in wanted.items())
    ]


class OfKind:
    """Opens the kind of store that the class is parametrized with."""

    @pytest.fixture
    def url(self, kind, url_of):
        return url_of(kind)

    @pytest.fixture
    def store(self, url):
        with open_store(url) as opened:
            yield opened

    @pytest.fixture
    def recall(self, kind):
        return EVERY[kind].recall


@pytest.mark.parametrize("kind", kinds(ledger=True))
class TestLedgers(OfKind, LedgerContract):
    @pytest.fixture
    def ledger(self, store):
        return store.ledger


@pytest.mark.parametrize("kind", STORES)
class TestIndexes(OfKind, IndexContract):
    @pytest.fixture
    def index(self, store):
        return store.index


@pytest.mark.parametrize("kind", EVERY)
class TestStores(OfKind, TogetherContract):
    pass


@pytest.mark.parametrize("kind", kinds(durable=True))
class TestDurable(OfKind, DurableContract):
    pass


@pytest.mark.parametrize("kind", kinds(shared=True))
class TestShared(OfKind, SharedContract):
    pass


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
