"""What only the file shared by many processes must prove."""

import os
import sqlite3
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
from turnfold_stores import Entry, Record, StoreError, StoreUnavailable, open_store
from turnfold_stores.process.fork import multiplying
from turnfold_stores.search.exact import ExactVectors
from turnfold_stores.search.terms import asked_for
from turnfold_stores.sqlite import connection as sqlite_file
from turnfold_stores.sqlite import index as index_module
from turnfold_stores.sqlite import ledger as ledger_module

WRITER = """
import sys
import numpy as np
from turnfold_stores import Entry, Record, open_store
url, name = sys.argv[1:]
sys.stdin.readline()
with open_store(url) as store:
    won = 0
    for n in range(60):
        won += len(store.ledger.put("u", [Record(f"shared{n}", "k", "c", name)]))
        store.put_vectors("u", [Entry(f"{name}-{n}", "c", np.random.default_rng(n).normal(size=8))],
                          model="m")
    print(won)
"""


@pytest.fixture
def url(tmp_path):
    return f"sqlite:{tmp_path / 'store.db'}"


def test_many_processes_write_at_once(url):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, f"p{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    # All open, and make, the file at once.
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    won = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(won) == 60
    with open_store(url) as store:
        shared = [r for r in store.ledger.scan("u") if r.id.startswith("shared")]
        assert [sum(r.body == f"p{n}" for r in shared) for n in range(4)] == won
        assert len(store.index.ids("u")) == 240
        assert store.mend().added == 0


def test_a_reader_sees_what_another_wrote_replaced_and_removed(url):
    east, north = np.eye(2, dtype=np.float32)
    with open_store(url) as one, open_store(url) as two:
        assert list(two.index.nearest("u", east)) == []
        one.index.put("u", [Entry("a", "c", east)])
        assert [hit.id for hit in two.index.nearest("u", east)] == ["a"]
        one.index.put("u", [Entry("b", "c", north)])
        assert [hit.id for hit in two.index.nearest("u", east)] == ["a", "b"]
        one.index.put("u", [Entry("a", "c", -east)])
        assert [hit.id for hit in two.index.nearest("u", east)] == ["b", "a"]
        one.index.delete("u", ["b"])
        assert [hit.id for hit in two.index.nearest("u", east)] == ["a"]
        one.index.delete("u", ["a"])
        assert list(two.index.nearest("u", east)) == []


def test_vectors_that_were_not_used_for_long_leave_memory(url, monkeypatch):
    monkeypatch.setattr(index_module, "_MOST_BYTES", 5000)
    vectors = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32)
    rows = [Entry(str(number), "c", row) for number, row in enumerate(vectors)]
    with open_store(url) as store:
        for _ in range(2):
            for user_id in "abcdef":
                store.index.put(user_id, rows)
                hits = list(store.index.nearest(user_id, vectors[3]))
                assert (len(hits), hits[0].id) == (16, "3")
                assert len(store.index._loaded) <= 2


def test_memory_does_not_grow_with_the_number_of_users(url, monkeypatch):
    monkeypatch.setattr(index_module, "_MOST_BYTES", 2_000_000)
    vectors = np.random.default_rng(0).normal(size=(600, 384)).astype(np.float32)
    rows = [Entry(str(number), "c", row) for number, row in enumerate(vectors)]
    with open_store(url) as store:
        for number in range(12):
            store.index.put(f"u{number}", rows)
    with open_store(url) as store:
        tracemalloc.start()
        for _ in range(2):
            for number in range(12):
                assert next(store.index.nearest(f"u{number}", vectors[7])).id == "7"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # All twelve are 11 MB; two of them fit, and one more while it is read.
    assert peak < 6_000_000


def test_a_file_that_stays_locked(url, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.1)
    with open_store(url) as store:
        other = sqlite3.connect(store.ledger.file.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.ledger.put("u", [Record("a", "k", "c")])
        assert list(store.ledger.scan("u")) == []
        other.execute("ROLLBACK")
        other.close()
        assert store.ledger.put("u", [Record("a", "k", "c")]) == {"a"}


def test_a_second_opening_in_a_process_leaves_the_locks_of_the_first(url):
    """Who closes a file lets go of every lock that the process has on it."""
    with open_store(url) as store:
        store.ledger.put("u", [Record("a", "k", "c")])
        open_store(url).close()
        code = f"import turnfold_stores; turnfold_stores.open_store({url!r}).close()"
        subprocess.run([sys.executable, "-c", code], check=True)
        # Without our locks the other process would have taken itself for the last one.
        assert store.ledger.file.path.with_name("store.db-wal").exists()
        store.ledger.put("u", [Record("b", "k", "c")])


def test_a_full_disk_leaves_the_store_as_it_was(url):
    with open_store(url) as store:
        store.ledger.put("u", [Record("a", "k", "c")])
        with store.ledger.file.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="no room"):
            store.ledger.put("u", [Record(str(n), "k", "c", "x" * 1000) for n in range(500)])
        assert [record.id for record in store.ledger.scan("u")] == ["a"]


def test_a_put_that_fails_half_way_leaves_nothing(url):
    with open_store(url) as store:
        with store.ledger.file.reading() as connection:
            connection.execute(
                "CREATE TEMP TRIGGER fail BEFORE INSERT ON main.records WHEN new.id = 'bad' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        with pytest.raises(StoreError):
            store.ledger.put("u", [Record("a", "k", "c"), Record("bad", "k", "c")])
        assert list(store.ledger.scan("u")) == []
        assert list(store.ledger.users()) == []


def test_lexical_search_keeps_nothing_of_what_was_deleted(url):
    with open_store(url) as store:
        store.ledger.put("u", [Record("a", "k", "c", None, "fox"), Record("b", "k", "c")])
        store.ledger.delete("u", ["a", "b"])
        with store.ledger.file.reading() as connection:
            assert connection.execute("SELECT count(*) FROM words_docsize").fetchone() == (0,)
            connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")


def test_wal_and_full_synchronous(url):
    with open_store(url) as store, store.ledger.file.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_forked_child_both_go_on(url):
    code = f"""
import os, threading
import numpy as np
from turnfold_stores import Entry, Record, open_store
store = open_store({url!r})
store.put_vectors("u", [Entry("before", "c", np.ones(4))], model="m")
store.ledger.file._lock.acquire()  # As if another thread held it at the fork.
child = os.fork()
name = "parent" if child else "child"
if not child:
    put = lambda n: store.put_vectors("u", [Entry(f"t{{n}}", "c", np.ones(4))], model="m")
    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    [t.start() for t in threads]; [t.join() for t in threads]
store.put_vectors("u", [Entry(name, "c", np.ones(4))], model="m")
assert {{"before", name}} <= {{hit.id for hit in store.index.nearest("u", np.ones(4))}}
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert len(store.index.ids("u")) == 11
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


class Watched(np.ndarray):
    """Notes in `guarded`, at each product, whether a fork would wait for it."""

    guarded: ClassVar[list[bool]] = []

    def __matmul__(self, other):
        with ThreadPoolExecutor(1) as another:
            self.guarded.append(another.submit(lambda: multiplying.is_busy).result())
        return np.asarray(self) @ other


@pytest.mark.parametrize("conversation", [None, "c"])
def test_no_fork_comes_into_a_product(conversation):
    # OpenBLAS ends its threads before a fork, and hangs if another thread is using them.
    vectors = ExactVectors()
    vectors.put([Entry("e", "c", np.ones(4))])
    vectors._matrix = vectors._matrix.view(Watched)
    Watched.guarded.clear()
    next(vectors.nearest(np.ones(4), conversation=conversation))
    assert Watched.guarded == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_a_child_forked_while_a_thread_searches_can_search(kind, tmp_path):
    url = f"sqlite:{tmp_path / 'store.db'}" if kind == "sqlite" else "memory:"
    code = f"""
import os, threading, time
import numpy as np
from turnfold_stores import Entry, Record, open_store
store = open_store({url!r})
rows = np.random.default_rng(0).normal(size=(5000, 384))
store.put_vectors("u", [Entry(f"e{{n}}", "c", row) for n, row in enumerate(rows)], model="m")
def search():
    while True:
        next(store.index.nearest("u", rows[0]))
        store.ledger.get("u", ["e1"])
threading.Thread(target=search, daemon=True).start()
time.sleep(0.2)
for _ in range(5):
    child = os.fork()
    if not child:
        next(store.index.nearest("u", rows[0]))
        store.ledger.put("u", [Record("a", "k", "c")])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_stems_that_no_text_has_change_neither_hits_nor_scores(url, monkeypatch):
    question = "zebra kuvio lamppu notizen bestellungen pamiętam zamówienia"
    with open_store(url) as store:
        texts = ["zebra lamppu", "zebra", "my notes on a zebra", "bestellungen", "a lamp"]
        store.ledger.put("u", [Record(f"r{n}", "k", "c", text=one) for n, one in enumerate(texts)])
        pruned = list(store.ledger.match("u", question))
        asked = len(store.ledger._texts_with(asked_for(question)))
        monkeypatch.setattr(store.ledger, "_texts_with", lambda terms: dict.fromkeys(terms, 1))
        whole = list(store.ledger.match("u", question))
    assert pruned == whole
    assert {hit.id for hit in whole} >= {"r0", "r1", "r2", "r3"}
    assert asked < len(asked_for(question))


def test_among_very_many_texts_those_with_a_rare_word_come_first(url, monkeypatch):
    monkeypatch.setattr(ledger_module, "COMMON", 100)
    monkeypatch.setattr(ledger_module, "_MANY", 250)
    texts = ["boat boat oar", *["boat and oar"] * 120, "lamp", "a lamp by the boat", "nothing"]
    with open_store(url) as store:
        store.ledger.put("v", [Record("theirs", "k", "c", text="lamp")])
        store.ledger.put("u", [Record(f"r{n}", "k", "c", text=one) for n, one in enumerate(texts)])
        hits = list(store.ledger.match("u", "The lamp, the oar and the boat?"))
        with monkeypatch.context() as few:
            few.setattr(ledger_module, "_MANY", 10_000)
            by_all = list(store.ledger.match("u", "The lamp, the oar and the boat?"))
    assert [hit.id for hit in hits[:2]] == ["r121", "r122"]
    assert len(hits) == 123
    assert {hit.id for hit in hits} == {hit.id for hit in by_all}
    assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)


def test_hits_come_once_and_in_order_over_many_searches_of_them(url):
    with open_store(url) as store:
        store.ledger.put(
            "u", [Record(f"r{n}", "k", "c", text="boat " + "oar " * (n % 7)) for n in range(1_300)]
        )
        for where in (None, "c"):
            hits = list(store.ledger.match("u", "boat", conversation=where))
            assert len({hit.id for hit in hits}) == len(hits) == 1_300
            assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)
