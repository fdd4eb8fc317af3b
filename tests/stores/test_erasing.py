"""What was deleted is in no file of the store any more, neither as text nor as a vector."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from turnfold_stores import Entry, Record, StoreCorrupt, StoreError, StoreUnavailable, open_store
from turnfold_stores.records.vectors import to_bytes, unit

SECRET = "Kestrelwood"


def bytes_of(folder):
    """Every file below a folder, and what is in it, whatever its case."""
    files = (file for file in Path(folder).rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


def vector(seed):
    return unit(np.random.default_rng(seed).normal(size=32).astype(np.float32))


def fill(store, user_id, numbers, word):
    """Records and vectors; those of one word are told from all others by it."""
    names = [f"{word}-{n}" for n in numbers]
    store.ledger.put(
        user_id,
        [
            Record(name, "passage", f"in-{word}", {"said": word * 3}, f"The {word} flies at {n}.")
            for n, name in zip(numbers, names, strict=True)
        ],
    )
    entries = [
        Entry(name, f"in-{word}", vector(zlib.crc32(f"{word}{n}".encode())))
        for n, name in zip(numbers, names, strict=True)
    ]
    store.put_vectors(user_id, entries, model="m")
    return names, entries


def left(folder, word, entries):
    """What is left: files that hold the word, and how many of the vectors are in some file."""
    files = bytes_of(folder)
    with_word = [name for name, data in files.items() if word.lower().encode() in data.lower()]
    found = [one.id for one in entries if any(to_bytes(one.vector) in d for d in files.values())]
    return with_word, found


@pytest.mark.parametrize("amid", [True, False], ids=["amid others", "alone"])
def test_nothing_deleted_is_left_in_the_files(embedded_url, tmp_path, amid):
    with open_store(embedded_url) as store:
        kept = {}
        if amid:
            kept["ada"] = fill(store, "ada", range(300), "sparrow")
            kept["bob"] = fill(store, "bob", range(40), "linnet")
        gone, secrets = fill(store, "ada", range(300, 420), SECRET)
        assert left(tmp_path, SECRET, secrets)[1], "the test can see vectors"
        store.delete_vectors("ada", gone)
        store.ledger.delete("ada", gone)
        assert store.purge("ada")
        assert left(tmp_path, SECRET, secrets) == ([], []), "while the store is open"
        for user_id, (names, entries) in kept.items():
            assert store.index.ids(user_id) == set(names)
            for one in entries[:5]:
                assert next(store.index.nearest(user_id, one.vector)).id == one.id
            assert len(store.ledger.get(user_id, names)) == len(names)
    assert left(tmp_path, SECRET, secrets) == ([], []), "and after it was closed"
    with open_store(embedded_url) as again:
        for user_id, (names, _) in kept.items():
            assert again.index.ids(user_id) == set(names)


def test_no_deleted_vector_comes_back_from_memory_into_a_graph(folder_url, tmp_path):
    """A young graph is made anew at each opening, in memory that held other vectors before."""
    with open_store(folder_url) as store:
        gone, secrets = fill(store, "ada", range(60), SECRET)
        fill(store, "ada", range(20), "sparrow")
        store.delete_vectors("ada", gone)
        store.ledger.delete("ada", gone)
        store.purge("ada")
    for _ in range(4):
        with open_store(folder_url) as store:
            assert len(list(store.index.nearest("ada", vector(1)))) == 20
            assert left(tmp_path, SECRET, secrets) == ([], [])
        assert left(tmp_path, SECRET, secrets) == ([], [])


def test_what_stays_can_still_be_found_by_its_words(tmp_path):
    with open_store(f"sqlite:{tmp_path / 'store.db'}") as store:
        names, _ = fill(store, "ada", range(5), "sparrow")
        gone, _ = fill(store, "ada", range(5), SECRET)
        store.ledger.delete("ada", gone)
        store.purge("ada")
        assert {hit.id for hit in store.ledger.match("ada", "sparrow")} == set(names)
        assert not list(store.ledger.match("ada", SECRET))


def test_a_reader_in_another_connection_is_waited_for_and_then_told(tmp_path, monkeypatch):
    monkeypatch.setattr("turnfold_stores.sqlite.purge._PATIENCE", 0.2)
    import sqlite3

    path = tmp_path / "store.db"
    with open_store(f"sqlite:{path}") as store:
        gone, _ = fill(store, "ada", range(5), SECRET)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        store.delete_vectors("ada", gone)
        store.ledger.delete("ada", gone)
        store.ledger.file._connection.sqlite.execute("PRAGMA busy_timeout = 100")
        with pytest.raises(StoreUnavailable):
            store.purge("ada")
        reader.execute("COMMIT")
        reader.close()
        store.purge("ada")
        assert not left(tmp_path, SECRET, [])[0]


def test_a_folder_that_cannot_be_purged_is_searched_all_the_same(tmp_path, monkeypatch):
    """A full disk, one turned read-only."""

    def full(_path):
        raise StoreCorrupt("the disk is full")

    with open_store(tmp_path / "store") as store:
        names, entries = fill(store, "ada", range(4), "heron")
        with monkeypatch.context() as patch:
            patch.setattr("turnfold_stores.chroma.index.purge_folder", full)
            with pytest.raises(StoreError, match="disk is full"):
                store.purge("ada")
        assert store.index.ids("ada") == set(names)
        assert store.purge("ada")
        assert next(store.index.nearest("ada", entries[1].vector)).id == names[1]


def test_a_purge_that_breaks_off_leaves_no_index_that_is_taken_for_whole(tmp_path, monkeypatch):
    with open_store(tmp_path / "store") as store:
        names, _ = fill(store, "ada", range(8), "heron")
        monkeypatch.setattr(store.index, "_batch", 3)
        scan = store.ledger.scan

        def breaks(*args, **wanted):
            for number, record in enumerate(scan(*args, **wanted)):
                if number == 5:
                    raise StoreError("the ledger gave out")
                yield record

        with monkeypatch.context() as patch:
            patch.setattr(store.ledger, "scan", breaks)
            with pytest.raises(StoreError, match="gave out"):
                store.purge("ada")
    with open_store(tmp_path / "store") as store:
        assert store.index.ids("ada") == set(names)


def test_a_store_in_memory_has_nothing_to_purge():
    with open_store("memory:") as store:
        names, _ = fill(store, "ada", range(3), "sparrow")
        assert not store.purge("ada")
        assert store.index.ids("ada") == set(names)


def test_records_are_replaced_and_vectors_among_records_are_indexed(store):
    names, entries = fill(store, "ada", range(3), "sparrow")
    records = list(store.ledger.scan("ada"))
    store.replace("ada", [names[0]], [Record(names[1], "passage", "new", None, "instead")])
    assert {r.id: r.conversation for r in store.ledger.scan("ada", kind="passage")} == {
        names[2]: "in-sparrow",
        names[1]: "new",
    }
    assert store.put_records("bob", records) == {record.id for record in records}
    assert store.put_records("bob", records) == set()
    assert store.index.ids("bob") == set(names)
    assert next(store.index.nearest("bob", entries[1].vector)).id == names[1]
