"""What every store promises that a URL opens."""

# ruff: noqa: D102 - the names of the tests are the contract.

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import pytest

from turnfold_stores.conformance.index import IndexContract
from turnfold_stores.conformance.ledger import LedgerContract
from turnfold_stores.conformance.samples import plain, random_vectors, said, together
from turnfold_stores.errors import SchemaMismatch, StoreError
from turnfold_stores.open import open_store
from turnfold_stores.protocols import Entry, Index, Ledger, TextSearch
from turnfold_stores.repair import Repaired
from turnfold_stores.store import Store


class OpenedContract:
    """Fixtures: a store, opened by the URL that a subclass gives."""

    @pytest.fixture
    def url(self) -> str:
        """The URL of a place where nothing is yet."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        """What the URL opens."""
        with open_store(url) as store:
            yield store


class TogetherContract(OpenedContract):
    """What ledger and index promise as one store."""

    def test_vectors_go_to_ledger_and_index(self, store: Store) -> None:
        entries = _entries(30)
        ids = {entry.id for entry in entries}
        assert store.put_vectors("u", entries[:20], model="m") == {e.id for e in entries[:20]}
        assert store.put_vectors("u", entries, model="m") == {e.id for e in entries[20:]}
        assert store.index.ids("u") == ids
        assert {record.id for record in store.ledger.scan("u", kind="vector")} == {
            f"vector:{one}" for one in ids
        }
        assert store.mend() == Repaired(0, 0)

    def test_the_first_vector_of_an_id_wins(self, store: Store) -> None:
        first, second = random_vectors(2, 8)
        store.put_vectors("u", [Entry("a", "c", first)], model="m")
        assert store.put_vectors("u", [Entry("a", "d", second)], model="m") == set()
        (hit,) = store.index.nearest("u", first, conversation="c")
        assert abs(hit.score - 1) < 1e-5

    def test_deleted_vectors_are_gone_from_both(self, store: Store) -> None:
        entries = _entries(10)
        store.put_vectors("u", entries, model="m")
        store.delete_vectors("u", [entry.id for entry in entries[1:]] + ["unknown"])
        assert store.index.ids("u") == {"0"}
        assert [hit.id for hit in store.index.nearest("u", entries[5].vector)] == ["0"]
        assert [record.id for record in store.ledger.scan("u")] == ["vector:0"]
        assert store.mend() == Repaired(0, 0)

    def test_a_store_is_of_one_embedding_model(self, store: Store) -> None:
        store.put_vectors("u", _entries(1), model="m")
        with pytest.raises(SchemaMismatch):
            store.put_vectors("u", _entries(2), model="other")
        assert store.index.ids("u") == {"0"}

    def test_mend_makes_the_index_hold_what_the_ledger_holds(self, store: Store) -> None:
        entries = _entries(40)
        store.put_vectors("u", entries, model="m")
        store.index.delete("u", [entry.id for entry in entries[::2]])
        store.index.put("u", [Entry("stray", "c", entries[0].vector)])
        assert store.mend() == Repaired(20, 1)
        assert store.index.ids("u") == {entry.id for entry in entries}

    def test_threads_that_write_the_same_and_different_vectors(self, store: Store) -> None:
        entries = _entries(24)
        new: list[set[str]] = []

        def write(name: str) -> None:
            own = [Entry(name + entry.id, name, entry.vector) for entry in entries[:3]]
            new.append(store.put_vectors("u", [*own, *entries], model="m"))
            assert name + "0" in store.index.ids("u")
            next(store.index.nearest("u", entries[0].vector))

        together(write, 8)
        assert sum(map(len, new)) == len(set().union(*new)) == 8 * 3 + 24
        assert store.index.ids("u") == set().union(*new)
        assert store.mend() == Repaired(0, 0)

    def test_one_thread_writes_while_another_searches(self, store: Store) -> None:
        entries = _entries(40)
        store.put_vectors("u", entries[:1], model="m")

        def write() -> None:
            for entry in entries:
                store.put_vectors("u", [entry], model="m")

        def search() -> None:
            while writer.is_alive():
                next(store.index.nearest("u", entries[0].vector))

        writer, reader = (threading.Thread(target=one, daemon=True) for one in (write, search))
        for thread in (writer, reader):
            thread.start()
        for thread in (writer, reader):
            thread.join(60)
        assert not writer.is_alive(), "they wait for each other"
        assert not reader.is_alive(), "they wait for each other"
        assert len(store.index.ids("u")) == len(entries)

    def test_users_share_ids_and_nothing_else(self, store: Store) -> None:
        mine, theirs = random_vectors(2, 8)
        for user_id, vector in (("u", mine), ("v", theirs)):
            store.ledger.put(user_id, [said("a", f"fox {user_id}")])
            store.put_vectors(user_id, [Entry("a", "c", vector)], model="m")
        (hit,) = store.index.nearest("u", mine)
        assert abs(hit.score - 1) < 1e-5
        if isinstance(store.ledger, TextSearch):
            assert [hit.id for hit in store.ledger.match("u", "v")] == []
        store.delete_vectors("u", ["a"])
        store.ledger.delete("u", ["a"])
        assert store.index.ids("v") == {"a"}
        assert store.ledger.get("v", ["a"])["a"].text == "fox v"
        assert sorted(store.users()) == ["v"]

    def test_a_closed_store_says_so(self, store: Store) -> None:
        store.put_vectors("u", _entries(3), model="m")
        store.close()
        store.close()
        with pytest.raises(StoreError):
            store.put_vectors("u", _entries(3), model="m")
        with pytest.raises(StoreError):
            list(store.index.nearest("u", random_vectors(1, 8)[0]))


class DurableContract(OpenedContract):
    """What a store promises that outlives its process."""

    def test_everything_is_there_after_reopening(self, url: str) -> None:
        entries = _entries(50)
        with open_store(url) as store:
            store.ledger.put("u", [said(f"said {n}", f"the {n} fox") for n in range(30)])
            store.put_vectors("u", entries, model="m")
            store.delete_vectors("u", ["7"])
            records = list(store.ledger.scan("u"))
            hits = list(store.index.nearest("u", entries[3].vector))
        for _ in range(2):
            with open_store(url) as store:
                assert list(store.ledger.scan("u")) == records
                again = list(store.index.nearest("u", entries[3].vector))
                assert [hit.id for hit in again] == [hit.id for hit in hits]
                assert store.put_vectors("u", entries[:7], model="m") == set()
                assert list(store.users()) == ["u"]

    def test_the_embedding_model_is_remembered(self, url: str) -> None:
        with open_store(url) as store:
            store.bind("m", 8)
        with open_store(url) as store, pytest.raises(SchemaMismatch):
            store.bind("m", 9)

    def test_readers_left_half_way_do_not_keep_a_store_open(self, url: str) -> None:
        store = open_store(url)
        store.ledger.put("u", [plain(str(number)) for number in range(600)])
        store.put_vectors("u", _entries(100), model="m")
        scan = store.ledger.scan("u")
        hits = store.index.nearest("u", random_vectors(1, 8)[0])
        assert (len(list(islice(scan, 2))), len(list(islice(hits, 2)))) == (2, 2)
        store.close()
        with open_store(url) as again:
            again.ledger.put("u", [plain("more")])
            assert len(again.index.ids("u")) == 100
            for left in (scan, hits):
                with suppress(StoreError):
                    assert len(list(left)) <= 700


class SharedContract(OpenedContract):
    """What a store promises that several may have open at once."""

    def test_what_one_writes_another_sees(self, url: str) -> None:
        entries = _entries(3)
        with open_store(url) as one, open_store(url) as two:
            assert list(two.index.nearest("u", entries[0].vector)) == []
            one.put_vectors("u", entries[:2], model="m")
            assert two.index.ids("u") == {"0", "1"}
            assert next(two.index.nearest("u", entries[1].vector)).id == "1"
            two.put_vectors("u", entries[2:], model="m")
            one.delete_vectors("u", ["0"])
            assert {hit.id for hit in one.index.nearest("u", entries[0].vector)} == {"1", "2"}
            assert {hit.id for hit in two.index.nearest("u", entries[0].vector)} == {"1", "2"}
            one.delete_vectors("u", ["1", "2"])
            assert list(two.index.nearest("u", entries[0].vector)) == []
            two.put_vectors("u", entries, model="m")
            assert one.index.ids("u") == two.index.ids("u") == {"0", "1", "2"}

    def test_of_two_the_first_write_wins(self, url: str) -> None:
        first, second = random_vectors(2, 8)
        with open_store(url) as one, open_store(url) as two:
            assert one.ledger.put("u", [plain("a", body=1)]) == {"a"}
            assert two.ledger.put("u", [plain("a", body=2), plain("b", body=2)]) == {"b"}
            assert [r.body for r in one.ledger.scan("u")] == [1, 2]
            one.put_vectors("u", [Entry("a", "c", first)], model="m")
            assert two.put_vectors("u", [Entry("a", "c", second)], model="m") == set()
            for store in (one, two):
                (hit,) = store.index.nearest("u", first)
                assert abs(hit.score - 1) < 1e-5

    def test_many_that_open_and_write_at_once(self, url: str) -> None:
        entries = _entries(12)
        new: list[set[str]] = []

        def write(name: str) -> None:
            with open_store(url) as store:
                own = [Entry(name, "c", entries[0].vector)]
                new.append(store.put_vectors("u", [*entries, *own], model="m"))

        together(write, 4)
        assert sum(map(len, new)) == 12 + 4
        with open_store(url) as store:
            assert len(store.index.ids("u")) == 12 + 4
            assert store.mend() == Repaired(0, 0)


class StoreContract(LedgerContract, IndexContract, TogetherContract):
    """All that every store promises, by one fixture: `url`."""

    @pytest.fixture
    def ledger(self, store: Store) -> Ledger:
        """The store's ledger."""
        return store.ledger

    @pytest.fixture
    def index(self, store: Store) -> Index:
        """The store's index."""
        return store.index


def _entries(count: int) -> list[Entry]:
    vectors = random_vectors(count, 8, seed=count)
    return [Entry(str(n), f"c{n % 3}", vector) for n, vector in enumerate(vectors)]
