"""A store goes from one embedding model to another, whatever happens on the way."""

import numpy as np
import pytest
from turnfold_stores import Entry, Reindexing, SchemaMismatch, Store, StoreError, open_store
from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger
from turnfold_stores.records.vectors import vector_of

OLD, NEW = ("old", 8), ("new", 5)
USERS = ("ada", "bob")


def entries(user_id, dimension, count=5):
    rows = np.random.default_rng(dimension + ord(user_id[0])).normal(size=(count, dimension))
    return [
        Entry(f"{user_id}-{number}", "c", row / np.linalg.norm(row))
        for number, row in enumerate(rows.astype(np.float32))
    ]


def ids(user_id):
    return {entry.id for entry in entries(user_id, 2)}


def fill(store):
    for user_id in USERS:
        # The fifth was owed when the re-index began.
        store.put_vectors(user_id, entries(user_id, OLD[1], 4), model=OLD[0])


def stage(reindexing):
    for user_id in USERS:
        done = reindexing.staged(user_id)
        reindexing.stage(user_id, [one for one in entries(user_id, NEW[1]) if one.id not in done])


def is_of(store, model, dimension):
    """The store is of that model, in all its parts, and searches by it."""
    store.check_model(model)
    for user_id in USERS:
        wanted = entries(user_id, dimension)
        records = list(store.ledger.scan(user_id))
        assert {record.kind for record in records} == {"vector"}
        assert {record.body["model"] for record in records} == {model}
        assert {record.id for record in records} == {f"vector:{one}" for one in ids(user_id)}
        assert store.index.ids(user_id) == ids(user_id)
        for one in wanted:
            best = next(iter(store.index.nearest(user_id, one.vector)))
            assert (best.id, best.score) == (one.id, pytest.approx(1, abs=1e-5))
    return True


def test_the_old_model_serves_until_all_is_there(store):
    fill(store)
    reindexing = Reindexing(store, *NEW)
    assert not reindexing.switch(ids)
    reindexing.stage("ada", entries("ada", NEW[1]))
    assert not reindexing.switch(ids)
    store.check_model(OLD[0])
    for user_id in USERS:
        nearest = next(iter(store.index.nearest(user_id, entries(user_id, OLD[1])[2].vector)))
        assert nearest.id == f"{user_id}-2"
    stage(reindexing)
    assert reindexing.switch(ids)
    assert is_of(store, *NEW)
    with pytest.raises(SchemaMismatch):
        store.put_vectors("ada", entries("ada", OLD[1]), model=OLD[0])


def test_what_was_staged_is_there_after_reopening(durable_url):
    with open_store(durable_url) as store:
        fill(store)
        Reindexing(store, *NEW).stage("ada", entries("ada", NEW[1])[:3])
    with open_store(durable_url) as store:
        reindexing = Reindexing(store, *NEW)
        assert reindexing.staged("ada") == {"ada-0", "ada-1", "ada-2"}
        stage(reindexing)
        assert reindexing.switch(ids)
    with open_store(durable_url) as store:
        assert is_of(store, *NEW)


def test_another_process_with_the_old_model_is_refused_after_the_switch(tmp_path):
    url = f"sqlite:{tmp_path / 'store.db'}"
    with open_store(url) as here, open_store(url) as there:
        fill(here)
        there.put_vectors("ada", entries("ada", OLD[1]), model=OLD[0])
        reindexing = Reindexing(here, *NEW)
        stage(reindexing)
        assert reindexing.switch(ids)
        with pytest.raises(SchemaMismatch, match="turnfold reindex"):
            there.put_vectors("ada", [Entry("late", "c", np.ones(8))], model=OLD[0])
        assert is_of(there, *NEW)


def test_what_was_staged_of_a_third_model_is_dropped(store):
    fill(store)
    stage(Reindexing(store, "third", NEW[1]))
    reindexing = Reindexing(store, *NEW)
    assert reindexing.staged("ada") == set()
    stage(reindexing)
    assert reindexing.switch(ids)
    assert is_of(store, *NEW)


def test_what_is_deleted_meanwhile_does_not_come_back(store):
    fill(store)
    reindexing = Reindexing(store, *NEW)
    stage(reindexing)
    store.delete_vectors("ada", ["ada-0"])
    assert reindexing.staged("ada") == ids("ada") - {"ada-0"}
    assert reindexing.switch(lambda user_id: ids(user_id) - {"ada-0", "bob-3"})
    assert store.index.ids("ada") == ids("ada") - {"ada-0"}
    assert store.index.ids("bob") == ids("bob") - {"bob-3"}
    assert not [one for one in store.ledger.scan("bob") if one.kind != "vector"]


def test_unfit_vectors_are_not_staged(store):
    fill(store)
    reindexing = Reindexing(store, *NEW)
    with pytest.raises(StoreError):
        reindexing.stage("ada", entries("ada", NEW[1] + 1))
    assert reindexing.staged("ada") == set()


# --- cut short at every step ------------------------------------------------------------------


class Cut(Exception):  # noqa: N818
    pass


class Fragile:
    """A ledger or index that stops for good at a given number of writes, counted with others."""

    def __init__(self, inner, left):
        self._inner = inner
        self._left = left

    def __getattr__(self, name):
        call = getattr(self._inner, name)
        if name not in {"put", "delete"}:
            return call

        def write(*args):
            self._left[0] -= 1
            if self._left[0] < 0:
                raise Cut
            return call(*args)

        return write


def broken_off(writes):
    """A store whose parts are apart, after so many writes of a switch; and whether it ended."""
    ledger, index = InMemoryLedger(), InMemoryIndex()
    whole = Store(ledger, index)
    fill(whole)
    stage(Reindexing(whole, *NEW))
    left = [10_000]
    fragile = Store(Fragile(ledger, left), Fragile(index, left))
    reindexing = Reindexing(fragile, *NEW)
    left[0] = writes
    try:
        return (whole, fragile), reindexing.switch(ids)
    except Cut:
        return (whole, fragile), False


@pytest.mark.parametrize("mended", [False, True])
def test_a_switch_cut_short_anywhere_is_finished_by_whoever_comes_next(mended, monkeypatch):
    monkeypatch.setattr("turnfold_stores.upkeep.reindexing._BATCH", 1)
    refused = 0
    for writes in range(100):
        (store, _alive), ended = broken_off(writes)
        if mended:
            store.mend()  # as opening a folder does
        for user_id in USERS:
            vectors = [vector_of(one) for one in store.ledger.scan(user_id, kind="vector")]
            assert len({vector.size for vector in vectors}) <= 1
        if ended:
            assert is_of(store, *NEW)
            break
        try:
            named = store.model
            for record in store.ledger.scan("ada", kind="vector"):
                assert record.body["model"] == named
        except SchemaMismatch as told:
            refused += "turnfold reindex" in str(told)
            with pytest.raises(SchemaMismatch):
                store.put_vectors("ada", entries("ada", NEW[1]), model=NEW[0])
        reindexing = Reindexing(store, *NEW)
        if store.model != NEW[0]:
            stage(reindexing)
            assert reindexing.switch(ids)
        assert is_of(store, *NEW)
    assert ended
    assert refused > 10


def test_in_one_database_a_switch_is_whole_or_not_at_all(tmp_path):
    for writes in range(100):
        with open_store(f"sqlite:{tmp_path / f'{writes}.db'}") as inner:
            left = [10_000]
            store = Store(
                Fragile(inner.ledger, left),
                Fragile(inner.index, left),
                together=inner.ledger.file.writing,
            )
            fill(store)
            reindexing = Reindexing(store, *NEW)
            stage(reindexing)
            left[0] = writes
            try:
                assert reindexing.switch(ids)
            except Cut:
                inner.check_model(OLD[0])
                assert reindexing.staged("ada") == ids("ada")
                assert inner.index.ids("bob") == ids("bob") - {"bob-4"}
            else:
                assert is_of(inner, *NEW)
                return
    pytest.fail("the switch never ended")
