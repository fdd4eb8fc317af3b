import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.drawing import drawn
from turnfold_stores import Entry, Record, StoreCorrupt, StoreUnavailable, open_store
from turnfold_stores.chroma import folder as folder_module
from turnfold_stores.chroma.probe import probe

VECTORS = np.random.default_rng(0).normal(size=(1500, 16)).astype(np.float32)
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


# One who has enough for Chroma to write the graph out, and one who has not: more of the former
# take a second each time an index is rebuilt.
HELD = {"u": 1500, "v": 200}


def fill(url):
    with open_store(url) as store:
        for user_id, count in HELD.items():
            rows = [Entry(str(number), "c", row) for number, row in enumerate(VECTORS[:count])]
            store.put_vectors(user_id, rows, model="m")


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A folder that was filled and closed."""
    folder = tmp_path_factory.mktemp("closed") / "store"
    fill(str(folder))
    return folder


@pytest.fixture
def filled(closed, folder_url):
    """Of a copy of it."""
    shutil.copytree(closed, folder_url)
    return folder_url


def assert_whole(store):
    for user_id, count in HELD.items():
        assert store.index.ids(user_id) == {str(number) for number in range(count)}
        for number in (0, 150, count - 1):
            assert next(store.index.nearest(user_id, VECTORS[number])).id == str(number)


@pytest.fixture
def probes(monkeypatch):
    """How often a folder was tried in a child process."""
    calls = []
    original = folder_module._probe
    monkeypatch.setattr(folder_module, "_probe", lambda path: calls.append(path) or original(path))
    return calls


def test_a_folder_closed_in_order_is_trusted(filled, probes):
    assert (Path(filled) / "closed").exists()
    with open_store(filled) as store:
        assert not (Path(filled) / "closed").exists()
        assert_whole(store)
    assert probes == []


def test_a_folder_not_closed_in_order_is_tried_first_and_completed(filled, probes):
    with open_store(filled) as store:
        store.index.delete("u", ["0", "150"])
        store.index.put("w", [Entry("stray", "c", VECTORS[0])])
    (Path(filled) / "closed").unlink()
    with open_store(filled) as store:
        assert len(probes) == 1
        assert_whole(store)
        assert store.index.ids("w") == set()


def test_an_index_of_another_version_of_chroma_is_tried_first(filled, probes):
    (Path(filled) / "closed").write_text("0.4.2")
    with open_store(filled) as store:
        assert_whole(store)
    assert len(probes) == 1


def test_a_lost_index_comes_back_from_the_ledger(filled):
    shutil.rmtree(Path(filled) / "chroma")
    with open_store(filled) as store:
        assert_whole(store)


def _garble(path, seed):
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(max(20, len(content) // 50)):
        if content:
            content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)


DAMAGES = {
    "garbled database": lambda chroma: _garble(chroma / "chroma.sqlite3", 1),
    "truncated database": lambda chroma: os.truncate(chroma / "chroma.sqlite3", 5000),
    "empty database": lambda chroma: os.truncate(chroma / "chroma.sqlite3", 0),
    "no database": lambda chroma: (chroma / "chroma.sqlite3").unlink(),
    "garbled vectors": lambda chroma: [_garble(path, 2) for path in chroma.rglob("*.bin")],
    "truncated vectors": lambda chroma: [os.truncate(path, 7) for path in chroma.rglob("*.bin")],
    "zeroed vectors": lambda chroma: [
        path.write_bytes(bytes(path.stat().st_size)) for path in chroma.rglob("data_level0.bin")
    ],
    "a file for a folder": lambda chroma: (shutil.rmtree(chroma), chroma.write_text("x")),
}


@drawn(damage=DAMAGES.keys(), in_order={"killed": False, "closed": True})
def test_a_damaged_index_comes_back_from_the_ledger(filled, damage, in_order):
    DAMAGES[damage](Path(filled) / "chroma")
    if not in_order:
        (Path(filled) / "closed").unlink()
    with open_store(filled) as store:
        assert_whole(store)
        store.put_vectors("u", [Entry("new", "c", VECTORS[0])], model="m")
    with open_store(filled) as store:
        assert "new" in store.index.ids("u")


@pytest.mark.parametrize(
    "code", ["import os; os.abort()", "import time; time.sleep(60)", "raise SystemExit(1)"]
)
def test_an_index_that_crashes_or_hangs_whoever_opens_it(filled, monkeypatch, code):
    (Path(filled) / "closed").unlink()
    original = subprocess.run

    def run(command, **options):
        return original([command[0], "-c", code], **options)

    monkeypatch.setattr(folder_module.subprocess, "run", run)
    monkeypatch.setattr(folder_module, "_PROBE_TIMEOUT", 2)
    with open_store(filled) as store:
        assert_whole(store)


def test_vectors_that_nobody_wrote_are_noticed(filled):
    path = Path(filled) / "chroma"
    probe(path)
    with open_store(filled) as store:
        zeros = np.zeros((1, 16), np.float32)
        collection = store.index._collection("u").chroma
        collection.upsert(ids=["7"], embeddings=zeros, metadatas=[{"conversation": "c"}])
    with pytest.raises(RuntimeError, match="nobody wrote"):
        probe(path)


@pytest.fixture
def rebuilds(caplog):
    """Says how often an index was rebuilt."""
    caplog.set_level(logging.INFO, "turnfold.stores")
    return lambda: sum("is rebuilt" in message for message in caplog.messages)


def test_an_index_that_failed_in_use_is_rebuilt(filled, rebuilds, monkeypatch):
    store = open_store(filled)
    monkeypatch.setattr(store.index._client, "list_collections", lambda: 1 / 0)
    with pytest.raises(StoreCorrupt, match="open it again"):
        store.index.users()
    store.index.ids("u")
    store.close()
    assert not (Path(filled) / "closed").exists()
    with open_store(filled) as store:
        assert_whole(store)
    assert rebuilds() == 1


KILL = """
import os, sys
import numpy as np
from turnfold_stores import Entry, open_store
store = open_store(sys.argv[1])
next(store.index.nearest("u", np.ones(16)))
if sys.argv[2] == "at work":
    store.index._collection("u").chroma._client._upsert = lambda **_: os.kill(os.getpid(), 9)
    store.put_vectors("u", [Entry("x", "c", np.ones(16))], model="m")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("when", "expected"), [("at work", 1), ("idle", 0)])
def test_only_an_index_killed_at_work_is_rebuilt_untried(filled, rebuilds, when, expected):
    done = subprocess.run([sys.executable, "-c", KILL, filled, when], check=False)
    assert done.returncode == -9
    with open_store(filled) as store:
        assert rebuilds() == expected
        assert ("x" in store.index.ids("u")) == (when == "at work")
        store.delete_vectors("u", ["x"])
        assert_whole(store)


def test_a_mark_of_before_the_system_started_is_not_believed(filled, rebuilds, monkeypatch):
    (Path(filled) / "closed").unlink()
    monkeypatch.setattr("turnfold_stores.process.crash_mark._boot", lambda: b"another run")
    with open_store(filled) as store:
        assert_whole(store)
    assert rebuilds() == 1


def test_a_failed_opening_leaves_the_folder_free(folder_url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "ChromaIndex", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_store(folder_url)
    open_store(folder_url).close()


def test_the_same_process_cannot_open_a_folder_twice(folder_url):
    with (
        open_store(folder_url),
        pytest.raises(StoreUnavailable, match=r"this same process.*'sqlite:'"),
    ):
        open_store(folder_url)
    open_store(folder_url).close()


def test_another_process_is_named(folder_url):
    with open_store(folder_url) as store:
        code = f"import turnfold_stores; turnfold_stores.open_store({folder_url!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert f"StoreUnavailable: the store {folder_url!r} is open in process" in done.stderr
        assert f"process {os.getpid()} on" in done.stderr
        store.ledger.put("u", [Record("a", "k", "c")])


def test_nothing_is_printed(folder_url):
    code = f"""
import numpy as np
from turnfold_stores import Entry, open_store
store = open_store({folder_url!r})
store.put_vectors("u", [Entry(str(n), "c", row) for n, row in enumerate(np.eye(8))], model="m")
list(store.index.nearest("u", np.ones(8)))
store.delete_vectors("u", map(str, range(8)))
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    # Closed at exit, though nobody called close().
    assert (Path(folder_url) / "closed").exists()


FORK = """
import os, sys, time
import numpy as np
from turnfold_stores import Entry, Record, StoreError, open_store
url, mode = sys.argv[1:]
store = open_store(url)
store.put_vectors("u", [Entry("a", "c", np.ones(4))], model="m")
child = os.fork()
if child == 0:
    store.ledger.put("u", [Record("from child", "k", "c")])
    try:
        print(list(store.index.nearest("u", np.ones(4))), flush=True)
    except StoreError as error:
        print(type(error).__name__, error, flush=True)
    if mode == "outlive":
        for number in range(10**6):
            store.ledger.put("u", [Record(f"child {number}", "k", "c")])
            print("wrote", number, flush=True)
            time.sleep(0.002)
    sys.exit(0)
if mode == "outlive":
    print(child, flush=True)
    os.kill(os.getpid(), 9)
assert os.waitpid(child, 0)[1] == 0
assert next(store.index.nearest("u", np.ones(4))).id == "a"
assert "from child" in store.ledger.get("u", ["from child"])
store.put_vectors("u", [Entry("b", "c", np.ones(4))], model="m")
"""


@posix
def test_a_forked_child_has_the_ledger_but_not_chroma(folder_url, probes):
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            FORK,
            folder_url,
            "",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("StoreUnavailable")
    assert "fork" in done.stdout
    with open_store(folder_url) as store:
        assert store.index.ids("u") == {"a", "b"}
    assert probes == []


@posix
def test_a_child_that_outlives_its_parent_shares_the_ledger_and_holds_nothing_else(folder_url):
    with subprocess.Popen(
        [sys.executable, "-c", FORK, folder_url, "outlive"], stdout=subprocess.PIPE, text=True
    ) as running:
        running.wait(60)
        child = int(next(line for line in running.stdout if line.strip().isdigit()))
        try:
            for opening in range(3):
                with open_store(folder_url) as store:
                    assert store.index.ids("u") == {"a"}
                    for number in range(50):
                        store.ledger.put("u", [Record(f"{opening}-{number}", "k", "c")])
        finally:
            os.kill(child, 9)
        wrote = [
            line for line in running.stdout.read().splitlines(keepends=True) if "wrote" in line
        ]
    with open_store(folder_url) as store:
        ids = {record.id for record in store.ledger.scan("u", kind="k")}
        assert {f"{opening}-{number}" for opening in range(3) for number in range(50)} <= ids
        assert len(wrote) > 3
        assert ids >= {f"child {line.split()[1]}" for line in wrote if line.endswith("\n")}
        with store.ledger.file.reading() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
