import gc

import numpy as np
import pytest
from turnfold_stores import (
    STORE_USER,
    Entry,
    Record,
    Repaired,
    SchemaMismatch,
    Store,
    StoreCorrupt,
    StoreError,
    open_store,
    vector_of,
    vector_record,
)
from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger
from turnfold_stores.records.vectors import checked, unit


def entries(count, *, dimension=8, prefix="e"):
    rows = np.random.default_rng(count).normal(size=(count, dimension)).astype(np.float32)
    return [Entry(f"{prefix}{number}", f"c{number % 3}", row) for number, row in enumerate(rows)]


def test_a_vector_comes_back_bit_by_bit():
    vector = np.float32([0.6, 0.8, 0.0])
    record = vector_record("e", "c", vector, model="m")
    assert (record.id, record.kind, record.conversation) == ("vector:e", "vector", "c")
    assert record.body["model"] == "m"
    assert record.body["dimension"] == 3
    assert vector_of(record).dtype == np.float32
    assert vector_of(record).tobytes() == vector.tobytes()


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"float32": 3, "dimension": 1},
        {"float32": "!", "dimension": 1},
        {"float32": "AAAA", "dimension": 1},
        {"float32": "AACAPw==", "dimension": 2},
    ],
)
def test_a_record_that_holds_no_vector(body):
    with pytest.raises(StoreCorrupt):
        vector_of(Record("vector:e", "vector", "c", body))


def test_vectors_go_to_the_ledger_and_the_index(store):
    wanted = entries(10)
    assert store.put_vectors("u", wanted, model="m") == {entry.id for entry in wanted}
    assert store.index.ids("u") == {entry.id for entry in wanted}
    assert {record.id for record in store.ledger.scan("u", kind="vector")} == {
        f"vector:{entry.id}" for entry in wanted
    }
    assert store.put_vectors("u", wanted, model="m") == set()
    assert store.put_vectors("u", [], model="m") == set()


def test_the_first_vector_of_an_id_wins_in_ledger_and_index(store):
    east, north = np.eye(2, dtype=np.float32)
    store.put_vectors("u", [Entry("e", "c", east)], model="m")
    assert store.put_vectors("u", [Entry("e", "d", north)], model="m") == set()
    (hit,) = store.index.nearest("u", east, conversation="c")
    assert hit.score == pytest.approx(1)


def test_an_unfit_vector_leaves_nothing_behind(store):
    store.bind("m", 8)
    good, zero, longer = entries(1)[0], Entry("z", "c", np.zeros(8)), entries(1, dimension=9)[0]
    for bad in (zero, longer):
        with pytest.raises(StoreError):
            store.put_vectors("u", [good, bad], model="m")
    assert list(store.users()) == []
    assert store.index.ids("u") == set()


def test_a_store_is_of_one_embedding_model(durable_url):
    with open_store(durable_url) as store:
        store.bind("all-MiniLM-L6-v2", 384)
        store.bind("all-MiniLM-L6-v2", 384)
    with open_store(durable_url) as store:
        for model, dimension in [("other", 384), ("all-MiniLM-L6-v2", 768)]:
            with pytest.raises(SchemaMismatch, match=r"all-MiniLM-L6-v2.*re-index"):
                store.bind(model, dimension)
        with pytest.raises(SchemaMismatch):
            store.put_vectors("u", entries(1), model="all-MiniLM-L6-v2")
        store.bind("all-MiniLM-L6-v2", 384)
        assert store.index.ids("u") == set()


def test_what_the_store_keeps_for_itself_is_no_user(store):
    store.bind("m", 8)
    assert list(store.users()) == []
    assert list(store.ledger.users()) == [STORE_USER]


def test_what_is_deleted_while_the_index_is_mended_does_not_come_back():
    class Slow(InMemoryIndex):
        """Something is deleted between the reading of the ledger and the writing here."""

        def put(self, user_id, entries):
            if mending:
                store.delete_vectors("u", ["e3"])
            super().put(user_id, entries)

    mending = False
    store = Store(InMemoryLedger(), Slow())
    rows = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    store.put_vectors("u", [Entry(f"e{n}", "c", row) for n, row in enumerate(rows)], model="m")
    store.index.delete("u", store.index.ids("u"))
    mending = True
    store.mend()
    assert store.index.ids("u") == {f"e{n}" for n in range(9) if n != 3}


def test_mend_makes_the_index_hold_what_the_ledger_holds(store):
    for user_id in ("u", "v"):
        store.put_vectors(user_id, entries(1100), model="m")
    store.ledger.put("u", [Record("no vector", "passage", "c")])
    assert store.mend() == Repaired(0, 0)
    store.index.delete("u", [f"e{number}" for number in range(0, 1100, 2)])
    store.index.put("u", entries(5, prefix="stray"))
    store.index.put("gone", entries(3))
    assert store.mend(["gone"]) == Repaired(550, 8)
    for user_id in ("u", "v"):
        assert store.index.ids(user_id) == {f"e{number}" for number in range(1100)}
    assert store.index.ids("gone") == set()


def test_deleted_vectors_are_gone_from_both(store):
    store.put_vectors("u", entries(4), model="m")
    store.delete_vectors("u", ["e0", "e1", "unknown"])
    assert store.index.ids("u") == {"e2", "e3"}
    assert {record.id for record in store.ledger.scan("u")} == {"vector:e2", "vector:e3"}
    assert store.mend() == Repaired(0, 0)


def test_everything_is_there_after_reopening(durable_url):
    wanted = entries(50)
    with open_store(durable_url) as store:
        store.put_vectors("u", wanted, model="m")
        before = list(store.ledger.scan("u"))
        hits = list(store.index.nearest("u", wanted[7].vector))
    for _ in range(3):
        with open_store(durable_url) as store:
            assert list(store.ledger.scan("u")) == before
            again = list(store.index.nearest("u", wanted[7].vector))
            assert [hit.id for hit in again] == [hit.id for hit in hits]
            store.put_vectors("u", wanted, model="m")


def test_a_store_left_alone_closes_itself(durable_url):
    store = open_store(durable_url)
    store.put_vectors("u", entries(3), model="m")
    ledger = store.ledger
    del store
    gc.collect()
    with pytest.raises(StoreError, match="closed"):
        list(ledger.scan("u"))
    with open_store(durable_url) as store:
        assert len(store.index.ids("u")) == 3


@pytest.mark.parametrize("size", [1e-45, 1e-38, 1e-20, 1.0, 1e20, 3.4e38])
def test_vectors_of_any_length_have_a_direction(size):
    rows = np.asarray([[size] * 6 + [0.0, -size], [1.0] * 8], dtype=np.float32)
    made = [entry.vector for entry in checked([Entry("a", "c", rows[0]), Entry("b", "c", rows[1])])]
    for vector in [*made, unit(rows[0])]:
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(made[0], unit(rows[0]))


def test_a_time_is_a_number_of_any_size(tmp_path):
    for url in ("memory:", f"sqlite:{tmp_path}/store.db"):
        with open_store(url) as store:
            store.ledger.put("u", [Record("a", "k", "c", at=2**70)])
            assert store.ledger.get("u", ["a"])["a"].at == 2**70
            with pytest.raises(StoreError, match="seconds"):
                store.ledger.put("u", [Record("b", "k", "c", at=10**400)])


def test_what_is_deleted_before_it_is_indexed_again_stays_out(store, monkeypatch):
    """A vector that was read, and is forgotten by another before the index is told of it."""
    store.put_vectors("u", entries(2), model="m")
    get, deleted = store.ledger.get, []

    def early(user_id, ids):
        found = get(user_id, ids)
        if user_id == "u" and not deleted:
            deleted.append("e1")
            store.delete_vectors("u", deleted)
        return found

    monkeypatch.setattr(store.ledger, "get", early)
    store.index_again("u", ["e0", "e1"])
    assert deleted
    assert store.index.ids("u") == {"e0"}
