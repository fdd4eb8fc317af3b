"""What only the store in PostgreSQL must prove, after the contract."""

import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from turnfold_stores import (
    Entry,
    Record,
    Reindexing,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    open_store,
)
from turnfold_stores.conformance import IndexContract, WordsContract
from turnfold_stores.conformance.samples import together
from turnfold_stores.postgres import connections as postgres_connections
from turnfold_stores.postgres import index as postgres_index
from turnfold_stores.postgres import word_numbers as postgres_words
from turnfold_stores.postgres.ledger import open_ledger


def records(*names, body=None):
    return [Record(name, "k", "c", body) for name in names]


@pytest.fixture
def store(postgres_url):
    with open_store(postgres_url) as opened:
        yield opened


class TestWords(WordsContract):
    @pytest.fixture
    def ledger(self, store):
        return store.ledger


class TestWordsThatAreCommon(WordsContract):
    """As if every word but the rarest were in more records than are counted."""

    @pytest.fixture
    def ledger(self, store, monkeypatch):
        monkeypatch.setattr("turnfold_stores.postgres.ledger.COMMON", 2)
        monkeypatch.setattr(postgres_words, "COMMON", 2)
        return store.ledger


class TestHnsw(IndexContract):
    @pytest.fixture
    def recall(self):
        return 0.95

    @pytest.fixture
    def index(self, postgres_server, monkeypatch):
        # As if every user had many vectors.
        monkeypatch.setattr(postgres_index, "_FEW", 1)
        with open_store(postgres_server.url(index="hnsw")) as store:
            yield store.index


def backends(server, url):
    """The process ids of the server that work for the store."""
    with server.connect() as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name_of(url),)
        )
        return [row[0] for row in rows]


def cut(server, url):
    """End every connection of the store, as a restart of the server does."""
    pids = backends(server, url)
    with server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (pids,))
    while backends(server, url):
        time.sleep(0.01)
    return len(pids)


def name_of(url):
    return url.rpartition("application_name=")[2]


@pytest.fixture
def named_url(postgres_server):
    """Of a store whose connections can be told from others'."""
    url = postgres_server.url()
    return f"{url}&application_name={url.rpartition('schema=')[2]}"


CALLS = {
    "put": lambda store: store.ledger.put("u", records("b")),
    "get": lambda store: store.ledger.get("u", ["a"]),
    "scan": lambda store: list(store.ledger.scan("u")),
    "match": lambda store: list(store.ledger.match("u", "fox")),
    "users": lambda store: list(store.users()),
    "delete": lambda store: store.ledger.delete("u", ["b"]),
    "index.put": lambda store: store.index.put("u", [Entry("b", "c", np.ones(3))]),
    "nearest": lambda store: list(store.index.nearest("u", np.ones(3))),
    "put_vectors": lambda store: store.put_vectors("u", [Entry("v", "c", np.ones(3))], model="m"),
}


@pytest.mark.parametrize("call", CALLS)
def test_connections_lost_while_idle_are_replaced(postgres_server, named_url, call):
    with open_store(named_url) as store:
        store.put_vectors("u", [Entry("a", "c", np.ones(3))], model="m")
        assert cut(postgres_server, named_url) == 1
        CALLS[call](store)
        assert len(backends(postgres_server, named_url)) == 1


def test_a_transaction_that_loses_its_connection_leaves_nothing(postgres_server, named_url):
    def write(store):
        with store._together():
            store.ledger.put("u", records("a"))
            cut(postgres_server, named_url)
            store.ledger.put("u", records("b"))

    with open_store(named_url) as store:
        with pytest.raises(StoreUnavailable):
            write(store)
        assert list(store.ledger.scan("u")) == []
        assert store.ledger.put("u", records("a")) == {"a"}


def test_a_server_that_went_away_is_unavailable_at_once_and_may_come_back(
    postgres_server, named_url
):
    (socket,) = Path(postgres_server.socket).glob(".s.PGSQL.*[0-9]")
    away = socket.with_name("away")
    with open_store(named_url) as store, postgres_server.connect() as connection:
        store.ledger.put("u", records("a"))
        (pid,) = backends(postgres_server, named_url)
        socket.rename(away)
        try:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            for call in CALLS.values():
                with pytest.raises(StoreUnavailable, match="cannot be used now"):
                    call(store)
        finally:
            away.rename(socket)
        assert store.ledger.put("u", records("b")) == {"b"}
        assert [record.id for record in store.ledger.scan("u")] == ["a", "b"]


def test_an_error_overlooked_in_a_transaction_does_not_count_as_written(store):
    def write():
        with store._together():
            store.ledger.put("u", records("a"))
            with pytest.raises(StoreError, match="division"):
                store.ledger._connections.read(b"SELECT 1 / 0")

    with pytest.raises(StoreError, match="rolled back"):
        write()
    assert list(store.ledger.scan("u")) == []


def test_a_put_that_fails_half_way_leaves_nothing(postgres_server, postgres_url, store):
    schema = postgres_url.rpartition("schema=")[2]
    with postgres_server.connect() as connection:
        connection.execute(f"ALTER TABLE {schema}.records ADD CHECK (id <> 'r700')")
    with pytest.raises(StoreError):
        store.ledger.put("u", records(*(f"r{n}" for n in range(1000))))
    assert list(store.ledger.scan("u")) == []
    assert list(store.ledger.users()) == []


def test_a_vector_is_in_ledger_and_index_or_in_neither(postgres_server, postgres_url, store):
    schema = postgres_url.rpartition("schema=")[2]
    with postgres_server.connect() as connection:
        connection.execute(f"ALTER TABLE {schema}.vectors ADD CHECK (id <> 'bad')")
    wanted = [Entry("good", "c", np.ones(3)), Entry("bad", "c", np.ones(3))]
    with pytest.raises(StoreError):
        store.put_vectors("u", wanted, model="m")
    assert list(store.ledger.scan("u")) == []
    assert store.index.ids("u") == set()


def test_writers_of_the_same_ids_in_any_order_do_not_deadlock(store):
    names = [f"r{n}" for n in range(30)]
    won = []

    def write(name):
        for turn in range(15):
            order = names if turn % 2 else names[::-1]
            wanted = [f"{turn}-{one}" for one in order]
            with store._together():
                won.extend(store.ledger.put("u", records(*wanted[:15], body=name)))
                won.extend(store.ledger.put("u", records(*wanted[15:], body=name)))
                store.index.put("u", [Entry(one, "c", np.ones(3)) for one in order])

    together(write, 6)
    assert len(won) == len(set(won)) == 15 * 30


def test_what_was_read_once_stays_the_beginning_of_what_is_read(postgres_url, store):
    done = threading.Event()
    errors = []

    def read():
        before = []
        with open_store(postgres_url) as other:
            while not done.is_set():
                now = [record.id for record in other.ledger.scan("u")]
                if now[: len(before)] != before:
                    errors.append((before, now))
                before = now

    def write(name):
        for turn in range(30):
            with store._together():
                store.ledger.put("u", records(f"{name}{turn}a"))
                # Long enough for others to overtake.
                store.ledger._connections.read(b"SELECT pg_sleep(0.002)")
                store.ledger.put("u", records(f"{name}{turn}b"))

    reader = threading.Thread(target=read)
    reader.start()
    together(write, 4)
    done.set()
    reader.join()
    assert errors == []
    assert len(list(store.ledger.scan("u"))) == 240


def test_more_threads_than_connections(postgres_server, named_url):
    with open_store(f"{named_url}&connections=2") as store:
        together(lambda name: [store.ledger.put("u", records(f"{name}{n}")) for n in range(9)], 8)
        assert len(list(store.ledger.scan("u"))) == 72
        assert len(backends(postgres_server, named_url)) == 2


def test_a_connection_that_never_comes_free(postgres_server, monkeypatch):
    monkeypatch.setattr(postgres_connections, "_PATIENCE", 0.1)
    with open_store(postgres_server.url(connections=1)) as store, store._together():
        refusals = []

        def read(_name):
            with pytest.raises(StoreUnavailable) as refusal:
                store.ledger.get("u", ["a"])
            refusals.append(str(refusal.value))

        together(read, 1)
        assert "all 1 connections" in refusals[0]
        assert "connections=" in refusals[0]


def test_a_writer_that_keeps_others_waiting(postgres_url, store, monkeypatch):
    monkeypatch.setattr(postgres_connections, "_PATIENCE", 1)
    with open_store(postgres_url) as other, other._together():
        other.ledger.put("u", records("a"))
        with pytest.raises(StoreUnavailable, match="another writer of the same user"):
            store.ledger.put("u", records("a"))
        assert store.ledger.put("v", records("a")) == {"a"}
    assert store.ledger.put("u", records("a", "b")) == {"b"}


def test_who_writes_for_everybody_takes_few_locks_and_keeps_all_others_out(store, postgres_url):
    """A server has room for some thousands of locks, and a store may have more users."""
    locks = b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    with open_store(postgres_url) as another:
        late = threading.Thread(target=another.ledger.put, args=("late", records("x")))
        with store.transaction():
            for number in range(50):
                store.ledger.put(f"u{number}", records("x"))
            assert store.ledger._connections.read(locks)[0][0] < 5
            late.start()
            late.join(0.3)
            assert late.is_alive()
        late.join(15)
        assert sorted(another.users()) == sorted(["late", *(f"u{n}" for n in range(50))])


def test_a_server_that_only_reads(postgres_url, store):
    store.ledger.put("u", records("a"))
    # As a standby does.
    with open_store(f"{postgres_url}&options=-cdefault_transaction_read_only%3Don") as standby:
        assert [record.id for record in standby.ledger.scan("u")] == ["a"]
        with pytest.raises(StoreUnavailable, match="only reads"):
            standby.ledger.put("u", records("b"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_forked_child_both_go_on(postgres_url):
    code = f"""
import os, threading
import numpy as np
from turnfold_stores import Entry, Record, open_store
store = open_store({postgres_url!r})
store.put_vectors("u", [Entry("before", "c", np.ones(4))], model="m")
store.ledger._connections._lock.acquire()  # As if another thread held it at the fork.
child = os.fork()
name = "parent" if child else "child"
if child:
    store.ledger._connections._lock.release()
else:
    put = lambda n: store.put_vectors("u", [Entry(f"t{{n}}", "c", np.ones(4))], model="m")
    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    [t.start() for t in threads]; [t.join() for t in threads]
for n in range(20):
    store.put_vectors("u", [Entry(f"{{name}}{{n}}", "c", np.ones(4))], model="m")
    hits = {{hit.id for hit in store.index.nearest("u", np.ones(4))}}
    assert {{"before", f"{{name}}{{n}}"}} <= hits
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert len(store.index.ids("u")) == 49
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def large(postgres_server, monkeypatch):
    """A store with HNSW: of every twenty vectors one is of the user "few"."""
    monkeypatch.setattr(postgres_index, "_FEW", 50)
    vectors = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)

    def fill(**options):
        store = open_store(postgres_server.url(index="hnsw", **options))
        for user_id, rest in (("few", 0), ("many", 1)):
            numbers = [n for n in range(2000) if (n % 20 == 0) == (rest == 0)]
            entries = [Entry(str(n), f"c{n % 3}", vectors[n]) for n in numbers]
            store.index.put(user_id, entries)
        return closing(store), vectors

    return fill


def best(vectors, numbers, query):
    scores = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ query
    return sorted(numbers, key=lambda n: -scores[n])


def test_hnsw_loses_nothing_to_its_filters(large):
    context, vectors = large()
    with context as store:
        for query in np.random.default_rng(1).normal(size=(5, 16)):
            for conversation, numbers in (
                (None, range(0, 2000, 20)),
                ("c1", [n for n in range(0, 2000, 20) if n % 3 == 1]),
            ):
                hits = store.index.nearest("few", query, conversation=conversation)
                found = [int(hit.id) for hit in hits]
                assert sorted(found) == list(numbers)
                assert found[0] == best(vectors, numbers, query)[0]


def test_where_hnsw_gives_up_the_search_is_exact(large):
    context, vectors = large(options="-chnsw.max_scan_tuples%3D1")
    with context as store:
        query = np.random.default_rng(1).normal(size=16)
        found = [int(hit.id) for hit in islice(store.index.nearest("few", query), 20)]
        assert found == best(vectors, range(0, 2000, 20), query)[:20]


def test_hnsw_is_used_by_those_who_ask_for_it_and_have_many_vectors(large, monkeypatch):
    asked = []
    original = postgres_index.PostgresIndex._approximate
    monkeypatch.setattr(
        postgres_index.PostgresIndex,
        "_approximate",
        lambda self, user_id, *rest: asked.append(user_id) or original(self, user_id, *rest),
    )
    context, vectors = large()
    with context as store:
        plan = explain(store, "many", vectors[0])
        assert "Index Scan using vectors_hnsw_16" in plan
        next(store.index.nearest("many", vectors[1]))
        store.index.put("new", [Entry("a", "c", vectors[0])])
        next(store.index.nearest("new", vectors[0]))
    assert asked == ["many"]


def explain(store, user_id, query):
    index = store.index
    only, values = index._asked(user_id, query, None)
    statement = index._statement(postgres_index._APPROXIMATE, only=only, **index._sized(query.size))
    with index._connections.writing() as connection:
        connection.execute(postgres_index._SETTINGS)
        rows = connection.execute(b"EXPLAIN " + statement, {**values, "page": 128})
        return "\n".join(row[0] for row in rows)


def test_exact_search_never_uses_hnsw(postgres_server):
    url = postgres_server.url(index="hnsw")
    vectors = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    with open_store(url) as store:
        store.index.put("u", [Entry(str(n), "c", row) for n, row in enumerate(vectors)])
    with open_store(url.replace("index=hnsw", "index=exact")) as store:
        for query in np.random.default_rng(1).normal(size=(20, 8)):
            hits = islice(store.index.nearest("u", query), 300)
            assert [int(hit.id) for hit in hits] == best(vectors, range(3000), query)[:300]


def test_hnsw_and_too_many_dimensions(postgres_server):
    with (
        open_store(postgres_server.url(index="hnsw")) as store,
        pytest.raises(StoreError, match="at most 2000 numbers"),
    ):
        store.index.put("u", [Entry("a", "c", np.ones(2001))])
    with open_store(postgres_server.url()) as store:
        store.index.put("u", [Entry("a", "c", np.ones(3072))])
        assert store.index.ids("u") == {"a"}


def test_a_page_of_hits_is_read_at_a_time(store, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
    store.index.put("u", [Entry(str(n), "c", row) for n, row in enumerate(vectors)])
    read, sizes = store.index._connections.read, []

    def count(query, values=()):
        rows = read(query, values)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(store.index._connections, "read", count)
    list(islice(store.index.nearest("u", vectors[0]), 10))
    assert sum(sizes) <= 130
    store.ledger.put("u", records(*(str(n) for n in range(2000))))
    sizes.clear()
    next(store.ledger.scan("u"))
    assert sum(sizes) <= 257


def test_a_search_weighs_rare_words_before_it_reads_common_ones(store, monkeypatch):
    monkeypatch.setattr("turnfold_stores.postgres.ledger.COMMON", 5)
    monkeypatch.setattr(postgres_words, "COMMON", 5)
    texts = [f"the log of day {n}" for n in range(50)] + ["the heron", "a heron and a log"]
    store.ledger.put("u", [Record(str(n), "k", "c", None, text) for n, text in enumerate(texts)])
    hits = list(store.ledger.match("u", "the log of the heron"))
    assert [hit.id for hit in hits][:2] in (["50", "51"], ["51", "50"])
    assert len(hits) == 52
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_a_schema_may_have_any_name(postgres_server):
    name = 'odd "; DROP TABLE x; --{y}'
    url = postgres_server.url(schema=name.replace(" ", "%20"))
    with open_store(url) as store:
        store.put_vectors("u", [Entry("a", "c", np.ones(3))], model="m")
        assert [hit.id for hit in store.index.nearest("u", np.ones(3))] == ["a"]
    with postgres_server.connect() as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
        assert found.fetchall() == [(1,)]


def test_a_name_too_long_for_an_index_is_refused_with_words(store):
    name = np.random.default_rng(0).bytes(4000).hex()
    with pytest.raises(StoreError, match="too long"):
        store.ledger.put("u", records(name))
    assert store.ledger.get("u", [name]) == {}


def test_a_ledger_alone_needs_no_pgvector(postgres_server):
    with postgres_server.connect() as connection:
        connection.execute("CREATE DATABASE without_vector")
    url = postgres_server.url(database="without_vector")
    with closing(open_ledger(url)) as ledger:
        assert ledger.put("u", records("a")) == {"a"}
    with postgres_server.connect(dbname="without_vector") as connection:
        assert (
            connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchall()
            == []
        )


def test_pgvector_may_be_in_any_schema(postgres_server):
    with postgres_server.connect() as connection:
        connection.execute("CREATE DATABASE elsewhere")
    with postgres_server.connect(dbname="elsewhere") as connection:
        connection.execute('CREATE SCHEMA "Exts"; CREATE EXTENSION vector SCHEMA "Exts"')
    with open_store(postgres_server.url(database="elsewhere", index="hnsw")) as store:
        store.put_vectors("u", [Entry("a", "c", np.ones(3))], model="m")
        assert [hit.id for hit in store.index.nearest("u", np.ones(3))] == ["a"]


def test_no_vector_of_the_old_model_comes_after_a_switch(postgres_url):
    """Who has read the old model's name before the switch, and writes after it, is refused."""
    rows = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    there = [Entry(f"e{n}", "c", row) for n, row in enumerate(rows)]
    with open_store(postgres_url) as writing, open_store(postgres_url) as switching:
        writing.put_vectors("u", there, model="old")
        reindexing = Reindexing(switching, "new", 8)
        reindexing.stage("u", there)
        refused = []

        def write(name):
            for number in range(2_000):
                try:
                    entry = Entry(f"{name}{number}", "c", rows[0])
                    writing.put_vectors("u", [entry], model="old")
                except SchemaMismatch as error:
                    refused.append(error)
                    return

        threads = [threading.Thread(target=write, args=(f"w{n}-",)) for n in range(3)]
        for thread in threads:
            thread.start()
        ids = {entry.id for entry in there}
        time.sleep(0.1)
        assert reindexing.switch(lambda _: ids)
        for thread in threads:
            thread.join()
        assert len(refused) == len(threads)
        models = {one.body["model"] for one in switching.ledger.scan("u", kind="vector")}
        assert models == {"new"}
        assert switching.index.ids("u") == ids
