"""Damaged files say so: a rebuilt index, or a StoreError that says what to do; never a hang."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.damage import USERS, VECTORS, fill
from turnfold_stores import (
    Entry,
    Record,
    StoreCorrupt,
    StoreUnavailable,
    open_store,
    vector_record,
)

KINDS = {"sqlite": "sqlite:{}/store.db", "folder": "{}/store"}


def url_in(kind, place):
    return KINDS[kind].format(place)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Of each kind a small store that was closed, and one whose process died."""
    made = {}
    for kind in KINDS:
        closed = tmp_path_factory.mktemp(kind) / "closed"
        closed.mkdir()
        store = fill(url_in(kind, closed))
        made[kind, "killed"] = shutil.copytree(closed, closed.with_name("killed"))
        store.close()
        made[kind, "closed"] = closed
    return made


def tried(sources, tmp_path, kind, state, numbers):
    """What using the store came to, damaged in each of these ways."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "support.damage", kind, sources[kind, state], tmp_path),
            *(str(numbers.start), str(numbers.stop)),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        # Of a hang; each of them takes a second or two.
        timeout=60 + 20 * len(numbers),
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_said(found, numbers):
    wrong = [one for one in found if any("WRONG" in outcome for outcome in one["outcomes"])]
    assert wrong == []
    assert len(found) == len(numbers)
    assert any(one["outcomes"][0] == "used" for one in found)


@pytest.mark.parametrize(
    ("kind", "state", "count"),
    # A folder that was not closed is tried in a process of its own at each opening.
    [
        ("sqlite", "closed", 25),
        ("sqlite", "killed", 25),
        ("folder", "closed", 5),
        ("folder", "killed", 2),
    ],
)
def test_some_damages(sources, tmp_path, kind, count, state):
    numbers = range(1000, 1000 + count)
    found = tried(sources, tmp_path, kind, state, numbers)
    assert_said(found, numbers)
    if kind == "sqlite":
        assert any(one["outcomes"][0] != "used" for one in found), "some of it was noticed"


@pytest.mark.soak
@pytest.mark.parametrize("series", range(5))
@pytest.mark.parametrize("state", ["closed", "killed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_damages(sources, tmp_path, kind, state, series):
    first = random.randrange(10**6) if os.environ.get("TURNFOLD_SOAK") else 100_000
    numbers = range(first + 50 * series, first + 50 * (series + 1))
    assert_said(tried(sources, tmp_path, kind, state, numbers), numbers)


# --- one by one -----------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def copied(request, sources, tmp_path):
    """A closed store of each kind, and its ledger."""
    shutil.copytree(sources[request.param, "closed"], tmp_path, dirs_exist_ok=True)
    url = url_in(request.param, tmp_path)
    ledger = "store.db" if request.param == "sqlite" else "store/ledger.sqlite3"
    return url, tmp_path / ledger


@pytest.fixture
def copied_folder(sources, tmp_path):
    shutil.copytree(sources["folder", "closed"], tmp_path, dirs_exist_ok=True)
    return Path(tmp_path, "store")


def assert_whole(store):
    for user_id in USERS:
        assert store.index.ids(user_id) == {f"r{n}" for n in range(60)} - {"r7"}
        for number in (0, 33, 59):
            assert next(store.index.nearest(user_id, VECTORS[number])).id == f"r{number}"


def test_a_schema_that_is_no_text(copied):
    url, ledger = copied
    content = ledger.read_bytes()
    ledger.write_bytes(content.replace(b"CREATE TABLE records", b"CREATE TABLE \xff\xfecords", 1))
    with pytest.raises(StoreCorrupt, match=r"Restore it from a\s+backup"):
        open_store(url)


def test_damaged_words_are_made_anew(copied):
    """They are derived: a search finds what it found, and records can be written."""
    url, ledger = copied
    with sqlite3.connect(ledger) as other:
        other.execute("UPDATE words_data SET block = ? WHERE id > 100", (b"\xff" * 900,))
    other.close()
    with open_store(url) as store:
        assert "r12" in {hit.id for hit in store.ledger.match("ada", "boat 12")}
        store.ledger.put("ada", [Record("new", "passage", "c1", {}, "a kayak")])
        assert [hit.id for hit in store.ledger.match("ada", "kayak")] == ["new"]


def test_an_emptied_ledger_is_not_taken_for_a_new_one(copied_folder):
    os.truncate(copied_folder / "ledger.sqlite3", 0)
    with pytest.raises(StoreCorrupt, match="empty ledger"):
        open_store(copied_folder)
    (copied_folder / "ledger.sqlite3").unlink()
    with pytest.raises(StoreCorrupt, match=r"lost its ledger.*Restore"):
        open_store(copied_folder)


def test_a_seal_that_is_no_text_costs_no_more_than_a_look(copied_folder):
    (copied_folder / "closed").write_bytes(b"1.5.0 \xff\x80 abc")
    with open_store(copied_folder) as store:
        assert_whole(store)


def test_a_file_that_changed_in_a_closed_index_costs_a_rebuild(copied_folder):
    [vectors] = [
        path for path in copied_folder.rglob("data_level0.bin") if b"\0" in path.read_bytes()[:200]
    ][:1]
    content = bytearray(vectors.read_bytes())
    content[len(content) // 3] ^= 4
    vectors.write_bytes(content)
    with open_store(copied_folder) as store:
        assert_whole(store)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("owner", Path.mkdir),
        ("owner", os.mkfifo),
        ("ledger.sqlite3", Path.mkdir),
        ("ledger.sqlite3", os.mkfifo),
        ("chroma/turnfold.busy", Path.mkdir),
        ("chroma/chroma.sqlite3", Path.mkdir),
        ("closed", os.mkfifo),
    ],
)
def test_a_folder_or_a_pipe_in_the_place_of_a_file(copied_folder, name, make):
    (copied_folder / name).unlink()
    make(copied_folder / name)
    if name in {"owner", "ledger.sqlite3"}:
        with pytest.raises(StoreUnavailable, match=name):
            open_store(copied_folder)
        return
    with open_store(copied_folder) as store:
        assert_whole(store)


def test_a_damaged_vector_in_the_file_is_told_and_mended(sources, tmp_path):
    shutil.copytree(sources["sqlite", "closed"], tmp_path, dirs_exist_ok=True)
    with sqlite3.connect(tmp_path / "store.db") as other:
        for entry_id, spoiled in [("r3", b"short"), ("r4", bytes(64)), ("r5", b"\xff" * 64)]:
            other.execute("UPDATE vectors SET vector = ? WHERE id = ?", (spoiled, entry_id))
    other.close()
    with open_store(f"sqlite:{tmp_path}/store.db") as store:
        with pytest.raises(StoreCorrupt, match="doctor URL --mend"):
            list(store.index.nearest("ada", VECTORS[0]))
        assert store.mend().added == 6
        assert_whole(store)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_of_no_use_in_the_ledger_keeps_no_store_from_opening(sources, tmp_path, kind):
    """Such were left there by imports that were refused too late."""
    shutil.copytree(sources[kind, "closed"], tmp_path, dirs_exist_ok=True)
    url = url_in(kind, tmp_path)
    long = vector_record("long", "c1", np.ones(5, np.float32), model="m")
    nan = vector_record("nan", "c1", VECTORS[0], model="m")
    nan.body["float32"] = "AADAfw==" * 8
    with open_store(url) as store:
        store.ledger.put("ada", [long, nan, Record("vector:odd", "vector", "c1", 7)])
        if kind == "folder":
            store.index.sound = False
    with open_store(url) as store:
        assert store.mend().unfit == 3
        assert_whole(store)
        # The name is not taken: what is right replaces what is not.
        store.put_vectors("ada", [Entry("nan", "c1", VECTORS[7])], model="m")
        assert next(store.index.nearest("ada", VECTORS[7])).id == "nan"


@pytest.mark.parametrize(
    ("kind", "change"),
    [("folder", "flipped")]
    + [("sqlite", change) for change in ("flipped", "cut short", "emptied", "removed")],
)
def test_what_was_written_last_is_not_lost_in_silence(sources, tmp_path, kind, change):
    """SQLite would take the rest of a damaged log for a write that was never finished."""
    shutil.copytree(sources[kind, "killed"], tmp_path, dirs_exist_ok=True)
    [log] = [path for path in tmp_path.rglob("*-wal") if path.name != "chroma.sqlite3-wal"]
    content = bytearray(log.read_bytes())
    for place in (4, 40, len(content) // 2, 9 * len(content) // 10):
        spoiled = bytearray(content)
        spoiled[place] ^= 16
        log.write_bytes(spoiled if change == "flipped" else content[:place])
        if change == "emptied":
            os.truncate(log, 0)
        elif change == "removed":
            log.unlink()
        with pytest.raises(StoreCorrupt, match=r"written last.*Nothing was changed.*-shm"):
            open_store(url_in(kind, tmp_path))
    log.write_bytes(content)
    with open_store(url_in(kind, tmp_path)) as store:
        assert_whole(store)


def test_of_a_damaged_log_what_can_be_read_is_there_for_who_asks_for_it(sources, tmp_path):
    shutil.copytree(sources["sqlite", "killed"], tmp_path, dirs_exist_ok=True)
    log = tmp_path / "store.db-wal"
    content = bytearray(log.read_bytes())
    content[-5000] ^= 1
    log.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        open_store(f"sqlite:{tmp_path}/store.db")
    (tmp_path / "store.db-shm").unlink()
    with open_store(f"sqlite:{tmp_path}/store.db") as store:
        assert list(store.ledger.scan("ada"))


# --- removed while in use -------------------------------------------------------------------


def test_a_file_removed_while_it_is_open_is_told(copied, tmp_path):
    url, ledger = copied
    with open_store(url) as store:
        moved = ledger.rename(tmp_path / "elsewhere")
        for use in (
            lambda: store.ledger.put("ada", [Record("lost", "k", "c")]),
            lambda: store.ledger.get("ada", ["r1"]),
            lambda: store.put_vectors("ada", [Entry("lost", "c", VECTORS[0])], model="m"),
        ):
            with pytest.raises(StoreUnavailable, match="removed while it was open"):
                use()
        assert not ledger.exists()
        moved.rename(ledger)
        assert store.ledger.get("ada", ["r1"])


def test_a_file_in_a_folder_that_may_be_entered_no_more_is_not_said_to_be_gone(copied, monkeypatch):
    url, ledger = copied
    stat = os.stat

    def refused(path, *args, **more):
        if os.fspath(path) == str(ledger):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **more)

    with open_store(url) as store:
        monkeypatch.setattr("turnfold_stores.process.open_files.os.stat", refused)
        store.ledger.put("ada", [Record("kept", "k", "c")])
        assert store.ledger.get("ada", ["kept"])


def test_another_file_in_its_place_is_told(copied, tmp_path):
    url, ledger = copied
    with open_store(url) as store:
        shutil.copy(ledger, tmp_path / "backup")
        (tmp_path / "backup").replace(ledger)
        with pytest.raises(StoreUnavailable, match="another file put in its place"):
            store.ledger.put("ada", [Record("lost", "k", "c")])


def test_a_file_removed_in_the_middle_of_a_write_acknowledges_nothing(copied):
    url, ledger = copied

    def write(store):
        with store.ledger.file.writing() as sqlite:
            sqlite.execute("DELETE FROM records WHERE id = 'r1'")
            ledger.unlink()

    with open_store(url) as store, pytest.raises(StoreUnavailable, match="removed"):
        write(store)


def test_a_log_removed_while_it_is_open_loses_nothing(copied):
    url, ledger = copied
    with open_store(url) as store:
        store.ledger.put("ada", [Record("kept", "k", "c")])
        ledger.with_name(ledger.name + "-wal").unlink()
        with pytest.raises(StoreUnavailable, match=r"-wal.*opened anew"):
            store.ledger.put("ada", [Record("refused", "k", "c")])
        store.ledger.put("ada", [Record("after", "k", "c")])
    with open_store(url) as store:
        assert set(store.ledger.get("ada", ["kept", "refused", "after"])) == {"kept", "after"}


@pytest.mark.parametrize("gone", ["", "owner", "chroma", "chroma/chroma.sqlite3"])
def test_a_folder_removed_while_it_is_open_is_told(copied_folder, gone):
    with open_store(copied_folder) as store:
        place = copied_folder / gone
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        with pytest.raises(StoreUnavailable, match="removed while"):
            list(store.index.nearest("ada", VECTORS[0]))
        with pytest.raises(StoreUnavailable, match="removed while"):
            store.put_vectors("ada", [Entry("lost", "c", VECTORS[0])], model="m")
    if gone:
        with open_store(copied_folder) as store:
            store.delete_vectors("ada", ["lost"])
            assert_whole(store)
