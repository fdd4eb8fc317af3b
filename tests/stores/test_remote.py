"""An index elsewhere than its ledger: who died in between, and whose index it is."""

import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from turnfold_stores import STORE_USER, Entry, Record, StoreError, open_store
from turnfold_stores.records.journal import Journal

VECTORS = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
ENTRIES = [Entry(str(number), "c", row) for number, row in enumerate(VECTORS)]


@pytest.fixture(params=["chroma-server", "milvus"])
def url(request, url_of):
    return url_of(request.param)


def fail(*_args):
    raise StoreError("the server is on fire")


def notes(store):
    return list(store.ledger.scan(STORE_USER, kind="indexing"))


def test_what_went_well_leaves_no_note(url):
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES, model="m")
        store.delete_vectors("u", ["1"])
        store.delete_vectors("u", [])
        assert notes(store) == []


def test_what_the_index_was_not_told_is_made_up_for_at_the_next_opening(url, monkeypatch):
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES[:10], model="m")
        with monkeypatch.context() as patch:
            patch.setattr(store.index, "put", fail)
            patch.setattr(store.index, "delete", fail)
            with pytest.raises(StoreError):
                store.put_vectors("u", ENTRIES[10:20], model="m")
            with pytest.raises(StoreError):
                store.delete_vectors("u", ["3"])
        assert store.index.ids("u") == {str(number) for number in range(10)}
        assert len(notes(store)) == 2
    with open_store(url) as store:
        assert store.index.ids("u") == {str(number) for number in range(20)} - {"3"}
        assert next(store.index.nearest("u", VECTORS[15])).id == "15"


def test_a_note_goes_when_its_writer_is_surely_gone(url, monkeypatch):
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES[:1], model="m")
        for age in (10.0, 10_000.0):
            past = Journal(store.ledger, STORE_USER, clock=lambda age=age: age)
            with pytest.raises(StoreError), past.noting("u", ["0", "gone"]):
                fail()
        now = Journal(store.ledger, STORE_USER, clock=lambda: 10_100.0)
        monkeypatch.setattr(store, "_journal", now)
        store.settle()
        # The younger one's writer may be about to write.
        assert [note.at for note in notes(store)] == [10_000.0]
        assert store.index.ids("u") == {"0"}


def amid(monkeypatch, part, name, work):
    """Have something done by another, once, right before a part is told of entries."""
    told, done = getattr(part, name), []

    def late(user_id, given):
        given = list(given)
        if not done:
            done.append(True)
            work()
        return told(user_id, given)

    monkeypatch.setattr(part, name, late)
    return done


@pytest.mark.parametrize("done", ["settle", "mend"])
def test_what_others_write_while_it_is_put_right_stays(url, monkeypatch, done):
    """Whoever opens the store finds the note of a writer who is about to write; or a leftover."""
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES[:1], model="m")
        with pytest.raises(StoreError), Journal(store.ledger, STORE_USER).noting("u", ["1"]):
            fail()
        if done == "mend":
            store.index.put("u", ENTRIES[1:2])
        written = amid(
            monkeypatch,
            store.index,
            "delete",
            lambda: store.put_vectors("u", ENTRIES[1:2], model="m"),
        )
        getattr(store, done)()
        assert written
        assert store.index.ids("u") == {"0", "1"}


@pytest.mark.parametrize("done", ["settle", "mend"])
def test_what_others_delete_while_it_is_put_right_is_gone(url, monkeypatch, done):
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES[:2], model="m")
        with pytest.raises(StoreError), Journal(store.ledger, STORE_USER).noting("u", ["1"]):
            fail()
        store.index.delete("u", ["1"])
        deleted = amid(monkeypatch, store.index, "put", lambda: store.delete_vectors("u", ["1"]))
        getattr(store, done)()
        assert deleted
        assert store.index.ids("u") == {"0"}


@pytest.mark.parametrize("done", ["put", "again", "import"])
def test_what_is_deleted_while_it_is_written_is_gone(url, monkeypatch, done):
    """Whoever forgets may be quicker at the index than who was about to tell it."""
    with open_store(url) as store:
        if done != "put":
            store.put_vectors("u", ENTRIES[:2], model="m")
        records = list(store.ledger.scan("u"))
        deleted = amid(monkeypatch, store.index, "put", lambda: store.delete_vectors("u", ["1"]))
        if done == "put":
            store.put_vectors("u", ENTRIES[:2], model="m")
        elif done == "again":
            store.index_again("u", ["0", "1"])
        else:
            store.put_records("u", records)
        assert deleted
        assert store.have_vectors("u", ["0", "1"]) == store.index.ids("u") == {"0"}
        assert notes(store) == []


def test_what_is_written_while_it_is_deleted_is_found(url, monkeypatch):
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES[:2], model="m")
        written = amid(
            monkeypatch,
            store.index,
            "delete",
            lambda: store.put_vectors("u", ENTRIES[1:2], model="m"),
        )
        store.delete_vectors("u", ["1"])
        assert written
        assert store.have_vectors("u", ["0", "1"]) == store.index.ids("u") == {"0", "1"}
        assert notes(store) == []


def test_what_cannot_be_replaced_stays(url, monkeypatch):
    with open_store(url) as store:
        old, new = (Record("a", "fact", "c", body) for body in ("old", "new"))
        store.put_records("u", [old])
        with monkeypatch.context() as patch:
            patch.setattr(store.ledger, "put", fail)
            with pytest.raises(StoreError):
                store.replace("u", ["a"], [new])
        assert store.ledger.get("u", ["a"])["a"].body == "old"
        store.replace("u", ["a"], [new])
        assert store.ledger.get("u", ["a"])["a"].body == "new"


def test_an_index_the_server_has_lost_is_filled_again(url_of, tmp_path):
    url = url_of("milvus")
    with open_store(url) as store:
        store.put_vectors("u", ENTRIES, model="m")
    shutil.rmtree(tmp_path / "index.db")
    with open_store(url) as store:
        assert store.index.ids("u") == {entry.id for entry in ENTRIES}
        assert next(store.index.nearest("u", VECTORS[7])).id == "7"


def test_two_ledgers_share_a_server_and_nothing_else(url):
    mine, theirs = f"{url}-1", f"{url}-2"
    with open_store(mine) as store:
        store.put_vectors("u", ENTRIES[:3], model="m")
    with open_store(theirs) as store:
        assert store.index.ids("u") == set()
        store.put_vectors("u", ENTRIES[3:5], model="m")
        store.mend(["u"])
        assert {hit.id for hit in store.index.nearest("u", VECTORS[0])} == {"3", "4"}
    with open_store(mine) as store:
        assert store.index.ids("u") == {"0", "1", "2"}


def test_the_server_learns_no_user_id(url_of, tmp_path):
    user_id = "ada.lovelace@example.org"
    with open_store(url_of("milvus")) as store:
        store.put_vectors(user_id, ENTRIES, model="m")
    files = [file for file in (tmp_path / "index.db").rglob("*") if file.is_file()]
    assert files
    assert not any(user_id.encode() in file.read_bytes() for file in files)


WRITER = """
import os, sys
import numpy as np
from turnfold_stores import Entry, open_store
store = open_store(sys.argv[1])
store.put_vectors("u", [Entry("first", "c", np.ones(8))], model="m")
store.index.put = lambda *_: os.kill(os.getpid(), 9)
store.put_vectors("u", [Entry("second", "c", np.ones(8))], model="m")
"""


def test_a_kill_between_ledger_and_index(url):
    done = subprocess.run([sys.executable, "-c", WRITER, url], check=False)
    assert done.returncode == -9
    with open_store(url) as store:
        assert store.index.ids("u") == {"first", "second"}


def test_a_ledger_that_cannot_be_opened_leaves_the_server_alone(url_of, tmp_path):
    url = url_of("milvus")
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        open_store(url)
    assert not (tmp_path / "index.db").exists()
