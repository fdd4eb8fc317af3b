"""A damaged record is given as one, beside all the others; it can be deleted and written anew."""

import json
import shutil
import sqlite3

import numpy as np
import pytest
from support.damage import VECTORS, fill
from turnfold_stores import (
    STORE_USER,
    Entry,
    Record,
    Reindexing,
    Store,
    StoreCorrupt,
    StoreError,
    Unreadable,
    open_store,
)
from turnfold_stores.in_memory import InMemoryIndex, InMemoryLedger
from turnfold_stores.records.fields import DamagedError, Fields, Reading
from turnfold_stores.records.journal import Journal
from turnfold_stores.remote import identity_of
from turnfold_stores.upkeep.checkup import damaged_marks, mend_marks
from turnfold_stores.upkeep.transfer import export_lines, import_lines

KINDS = {
    "sqlite": ("sqlite:{}/store.db", "store.db"),
    "folder": ("{}/store", "store/ledger.sqlite3"),
}
NO_UTF_8 = "CAST(x'7bff7d' AS TEXT)"
BODIES = {"no JSON": "'{half'", "no UTF-8": NO_UTF_8, "bytes": "x'7b7d'", "no number": "'[NaN]'"}
COLUMNS = {
    "text": NO_UTF_8,
    "kind": NO_UTF_8,
    "conversation": "x'00ff'",
    "id": NO_UTF_8,
    "at": "'noon'",
}
DAMAGES = {**{name: ("body", value) for name, value in BODIES.items()}}
DAMAGES |= {column: (column, value) for column, value in COLUMNS.items()}
DAMAGES |= {"text in bytes": ("text", "x'00ff'"), "id in bytes": ("id", "x'00ff'")}
DAMAGES |= {"at is endless": ("at", "9e999")}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    made = {}
    for kind, (url, _) in KINDS.items():
        made[kind] = tmp_path_factory.mktemp(kind)
        fill(url.format(made[kind])).close()
    return made


@pytest.fixture(params=KINDS)
def copied(request, sources, tmp_path):
    """A closed store of each kind, and its ledger."""
    url, ledger = KINDS[request.param]
    shutil.copytree(sources[request.param], tmp_path, dirs_exist_ok=True)
    return url.format(tmp_path), tmp_path / ledger


def change(ledger, *statements):
    other = sqlite3.connect(ledger)
    with other:
        for statement in statements:
            other.execute(statement)
    other.close()


def of(user_id):
    return f"owner = (SELECT owner FROM users WHERE user_id = '{user_id}')"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_stands_among_the_others(copied, damage):
    url, ledger = copied
    column, value = DAMAGES[damage]
    change(ledger, f"UPDATE records SET {column} = {value} WHERE id = 'r5' AND {of('ada')}")
    with open_store(url) as store:
        there = list(store.ledger.scan("ada"))
        (odd,) = [one for one in there if isinstance(one.body, Unreadable)]
        assert len(there) == len(list(store.ledger.scan("bob")))
        assert odd.body.columns == (column,)
        assert odd.id == "r5" or column == "id"
        if column != "id":
            assert isinstance(store.ledger.get("ada", ["r4", "r5"])["r5"].body, Unreadable)
        # Whoever reads fields takes it for damaged, and nobody can write it again.
        assert Reading().one(odd, lambda one: one) is None
        with pytest.raises(DamagedError, match="cannot be read"):
            Fields(odd.body)
        with pytest.raises(StoreError, match="was damaged"):
            store.ledger.put("ada", [Record("copy", "passage", "c1", odd.body)])
        with pytest.raises(StoreError, match="not JSON"):
            store.ledger.put("ada", [Record("copy", "passage", "c1", {"in": [odd.body]})])

        assert list(store.ledger.match("ada", "boat 12"))
        store.ledger.conversations("ada", ["r5"])
        store.ledger.latest("ada", kind="passage", conversation="c2")
        store.ledger.latest_ids("ada", kind="passage", conversations=["c2"])
        store.ledger.delete("ada", [odd.id])
        assert not [one for one in store.ledger.scan("ada") if isinstance(one.body, Unreadable)]
        assert store.ledger.put("ada", [Record("r5", "passage", "c2", {"n": 5}, "boat 5")])
        assert store.ledger.get("ada", ["r5"])["r5"].body == {"n": 5}
        assert len(list(store.ledger.scan("bob"))) == len(there)
        store.purge("ada")


def test_a_row_is_called_by_its_number_only_where_its_id_is_damaged(copied):
    url, _ = copied
    with open_store(url) as store:
        store.ledger.put("ada", [Record("damaged row 3", "k", "c", 1)])
        before = {one.id for one in store.ledger.scan("ada")}
        store.ledger.delete("ada", ["damaged row 3", "damaged row 4"])
        assert {one.id for one in store.ledger.scan("ada")} == before - {"damaged row 3"}


@pytest.mark.parametrize("mark", [b"r33passage", b'{"n": 33,', b"boat 33"])
def test_a_bit_that_flipped_in_the_file(copied, mark):
    """SQLite's indexes then say another thing than its rows: they are made anew."""
    url, ledger = copied
    content = bytearray(ledger.read_bytes())
    place = -1
    while (place := content.find(mark, place + 1)) >= 0:
        content[place] ^= 0x80
    ledger.write_bytes(content)
    with open_store(url) as store:
        for user_id in ("ada", "bob"):
            (odd,) = [o for o in store.ledger.scan(user_id) if isinstance(o.body, Unreadable)]
            store.ledger.delete(user_id, [odd.id])
            left = list(store.ledger.scan(user_id, kind="passage"))
            assert len(left) == 59
            store.ledger.delete(user_id, [one.id for one in store.ledger.scan(user_id)])
            assert not list(store.ledger.scan(user_id))


def test_a_name_that_is_damaged_keeps_nobody_else_from_being_read(copied):
    url, ledger = copied
    change(ledger, f"UPDATE users SET user_id = {NO_UTF_8} WHERE user_id = 'bob'")
    with open_store(url) as store:
        assert list(store.users()) == ["ada"]
        assert "1 users have a name" in store.ledger.check()[-1]


@pytest.mark.parametrize("column", ["id", "conversation"])
def test_an_index_with_a_damaged_name_is_mended(sources, tmp_path, column):
    shutil.copytree(sources["sqlite"], tmp_path, dirs_exist_ok=True)
    change(tmp_path / "store.db", f"UPDATE vectors SET {column} = {NO_UTF_8} WHERE id = 'r3'")
    with open_store(f"sqlite:{tmp_path}/store.db") as store:
        with pytest.raises(StoreCorrupt, match="doctor URL --mend"):
            list(store.index.nearest("ada", VECTORS[0]))
        assert store.mend().added == 2
        assert store.index.ids("ada") == {f"r{n}" for n in range(60)} - {"r7"}
        assert next(store.index.nearest("ada", VECTORS[3])).id == "r3"


# --- moved, re-indexed, settled -----------------------------------------------------------------


def test_an_export_leaves_it_out_and_says_so(copied, caplog):
    url, ledger = copied
    change(ledger, f"UPDATE records SET body = '{{half' WHERE id = 'r5' AND {of('ada')}")
    left_out = []
    with open_store(url) as store, open_store("memory:") as other:
        lines = list(export_lines(store, on_damaged=left_out.append))
        assert [one.id for one in left_out] == ["r5"]
        assert "r5: its body cannot be read" in caplog.text
        done = import_lines(other, lines)
        assert done.records == json.loads(lines[-1])["end"]
        assert len(list(other.ledger.scan("ada"))) == len(list(store.ledger.scan("ada"))) - 1


@pytest.mark.parametrize("body", ["'{half'", "'{}'"])
def test_which_model_the_vectors_are_of_is_told_by_them(copied, body):
    url, ledger = copied
    change(ledger, f"UPDATE records SET body = {body} WHERE id = 'embedding'")
    with open_store(url) as store, open_store("memory:") as other:
        with pytest.raises(StoreCorrupt, match="doctor URL --mend"):
            store.bind("m", 16)
        store.delete_vectors("ada", ["r1"])
        store.purge("ada")
        import_lines(other, export_lines(store))
        assert (other.model, other.dimension) == ("m", 16)
        assert damaged_marks(store) == ["embedding"]
        mend_marks(store)
        assert damaged_marks(store) == []
        store.bind("m", 16)


def test_a_switch_whose_mark_is_damaged_goes_on(copied):
    url, ledger = copied
    with open_store(url) as store:
        reindexing = Reindexing(store, "new", 8)
        for user_id in ("ada", "bob"):
            entries = [Entry(f"r{n}", "c1", row[:8]) for n, row in enumerate(VECTORS)]
            reindexing.stage(user_id, entries)
        store.ledger.put(STORE_USER, [Record("embedding.switch", "store", "", {})])
    change(ledger, f"UPDATE records SET body = '{{half' WHERE id = 'staged:r4' AND {of('ada')}")
    with open_store(url) as store:
        with pytest.raises(StoreCorrupt, match="doctor URL --mend"):
            Reindexing(store, "new", 8)
        mend_marks(store)
        Reindexing(store, "new", 8)
        assert (store.model, store.dimension) == ("new", 8)
        assert store.index.ids("bob") == {f"r{n}" for n in range(60)}
        assert store.index.ids("ada") == {f"r{n}" for n in range(60)} - {"r4"}


@pytest.mark.parametrize("body", ["'{half'", "'{}'"])
def test_what_is_staged_and_damaged_is_staged_again(copied, body):
    url, ledger = copied
    with open_store(url) as store:
        Reindexing(store, "new", 8).stage("ada", [Entry("r1", "c1", VECTORS[1][:8])])
    change(ledger, f"UPDATE records SET body = {body} WHERE id = 'staged:r1'")
    with open_store(url) as store:
        assert Reindexing(store, "new", 8).staged("ada") == set()


def test_a_damaged_vector_is_made_anew_where_it_is_owed(copied):
    url, ledger = copied
    change(ledger, f"UPDATE records SET body = '{{half' WHERE id = 'vector:r5' AND {of('ada')}")
    with open_store(url) as store:
        assert store.index_again("ada", ["r4", "r5"]) == {"r4"}
        store.put_vectors("ada", [Entry("r5", "c2", VECTORS[9])], model="m")
        assert store.index_again("ada", ["r4", "r5"]) == {"r4", "r5"}


@pytest.mark.parametrize("body", [{}, {"user_id": 7, "ids": []}, "half"])
def test_a_damaged_note_of_a_journal_has_all_of_the_index_mended(body):
    ledger, index = InMemoryLedger(), InMemoryIndex()
    store = Store(ledger, index, journal=Journal(ledger, STORE_USER))
    store.put_vectors("ada", [Entry("a", "c", np.ones(3, np.float32))], model="m")
    index.delete("ada", ["a"])
    ledger.put(STORE_USER, [Record("indexing:1", "indexing", "", body)])
    assert store.settle().added == 1
    assert index.ids("ada") == {"a"}
    assert not list(ledger.scan(STORE_USER, kind="indexing"))


def test_a_ledger_whose_name_is_damaged_gets_another_for_life():
    ledger = InMemoryLedger()
    ledger.put(STORE_USER, [Record("identity", "store", "", {})])
    name = identity_of(ledger)
    assert len(name) == 32
    assert identity_of(ledger) == name
