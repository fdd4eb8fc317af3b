"""A store of any version opens with today's; one of a later version says so.

The files in `layouts/` are stores as each version made them: one is added with every new step of
a layout, and none is ever changed.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from turnfold_stores import Record, SchemaMismatch, StoreError, open_store
from turnfold_stores.conformance.samples import together
from turnfold_stores.postgres import schema as postgres
from turnfold_stores.sqlite import connection as sqlite_file
from turnfold_stores.sqlite import schema as sqlite

LAYOUTS = Path(__file__).parent / "layouts"
VERSIONS = {
    kind: range(1, len(steps) + 1)
    for kind, steps in {"sqlite": sqlite.STEPS, "postgres": postgres.LEDGER.steps}.items()
}


def kept(kind, version):
    return (LAYOUTS / f"{kind}_{version}.sql").read_text()


def make_file(path, version):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(kept("sqlite", version))
    return f"sqlite:{path}"


def make_schema(server, version):
    url = server.url()
    schema = url.rpartition("schema=")[2]
    with server.connect() as connection:
        connection.execute(kept("postgres", version).replace("kept", schema))
    return url


def assert_complete(url):
    """It holds what the SQL says, and takes more."""
    with open_store(url) as store:
        assert list(store.users()) == ["ada"]
        first, second, third = store.ledger.scan("ada")
        assert first == Record("p1", "passage", "c", {"said": "grüße"}, "the boathouse key", 12.5)
        assert second == Record("p2", "passage", "d", None, "the barrel", 13.5)
        assert third.id == "vector:p1"
        assert [hit.id for hit in store.ledger.match("ada", "boathouse")] == ["p1"]
        (hit,) = store.index.nearest("ada", np.float32([3, 4]))
        assert (hit.id, round(hit.score, 5)) == ("p1", 1)
        assert store.mend().added == 0
        store.bind("m", 2)
        assert store.ledger.put("ada", [Record("p1", "k", "c"), Record("p3", "k", "c")]) == {"p3"}
        assert [record.id for record in store.ledger.scan("ada", kind="k")] == ["p3"]


@pytest.mark.parametrize("version", VERSIONS["sqlite"])
def test_a_file_of_every_version(tmp_path, version):
    assert_complete(make_file(tmp_path / "store.db", version))


@pytest.mark.parametrize("version", VERSIONS["sqlite"])
def test_a_folder_of_every_version(tmp_path, version):
    folder = tmp_path / "store"
    folder.mkdir()
    make_file(folder / "ledger.sqlite3", version)
    assert_complete(str(folder))


@pytest.mark.parametrize("version", VERSIONS["postgres"])
def test_a_schema_of_every_version(postgres_server, version):
    assert_complete(make_schema(postgres_server, version))


def tables_of(path):
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
        return [(name, " ".join((sql or "").split())) for name, sql in rows]


def columns_of(server, url):
    with server.connect() as connection:
        schema = url.rpartition("schema=")[2]
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, collation_name, is_nullable "
            "FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2",
            (schema,),
        ).fetchall()
        indexes = connection.execute(
            "SELECT replace(indexdef, %s, '') FROM pg_indexes WHERE schemaname = %s ORDER BY 1",
            (schema, schema),
        ).fetchall()
    return columns, indexes


def test_what_an_older_file_becomes_is_what_a_new_one_is(tmp_path):
    open_store(f"sqlite:{tmp_path / 'new.db'}").close()
    open_store(make_file(tmp_path / "old.db", 1)).close()
    assert tables_of(tmp_path / "old.db") == tables_of(tmp_path / "new.db")


def test_what_an_older_schema_becomes_is_what_a_new_one_is(postgres_server):
    old, new = make_schema(postgres_server, 1), postgres_server.url()
    for url in (old, new):
        open_store(url).close()
    assert columns_of(postgres_server, old) == columns_of(postgres_server, new)


OLD_WORDS = [("sqlite", 3), ("postgres", 1)]
TEXTS = {"a": "Mis perros viven aquí.", "b": "我的家庭医生诊所在菩提路。", "c": "We painted boats."}


@pytest.mark.parametrize(("kind", "version"), OLD_WORDS)
def test_words_that_an_older_version_read_are_read_anew(request, tmp_path, caplog, kind, version):
    if kind == "sqlite":
        url = make_file(tmp_path / "store.db", version)
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
            connection.executemany(
                "INSERT INTO records (owner, id, kind, conversation, body, text, at) "
                "VALUES (2, ?, 'passage', 'c', 'null', ?, 0)",
                TEXTS.items(),
            )
    else:
        server = request.getfixturevalue("postgres_server")
        url = make_schema(server, version)
        with server.connect() as connection:
            for name, text in TEXTS.items():
                connection.execute(
                    f"INSERT INTO {url.rpartition('schema=')[2]}.records "
                    "(user_id, id, kind, conversation, body, text, at, words) "
                    "VALUES ('ada', %s, 'passage', 'c', 'null', %s, 0, '{1,2}')",
                    (name, text),
                )
    for again in range(2):
        caplog.clear()
        with open_store(url) as store:
            for name, question in (("a", "perro"), ("b", "医生"), ("c", "a painted boat")):
                assert [hit.id for hit in store.ledger.match("ada", question)] == [name]
            assert [hit.id for hit in store.ledger.match("ada", "boathouse")] == ["p1"]
        assert ("read by another version" in caplog.text) == (not again)
    with open_store(url) as store:
        store.ledger.delete("ada", ["a", "b"])
        assert [hit.id for hit in store.ledger.match("ada", "perro 医生 boats")] == ["c"]


# A later step, and one that fails half-way.
NEXT = "CREATE TABLE later (x INTEGER);\nINSERT INTO later VALUES (1);\n"
BROKEN = "CREATE TABLE later (x INTEGER);\nINSERT INTO nowhere VALUES (1);\n"


@pytest.fixture
def sqlite_steps(monkeypatch):
    def add(step):
        steps = (*sqlite.STEPS, step)
        monkeypatch.setattr(sqlite, "STEPS", steps)
        monkeypatch.setattr(sqlite_file, "STEPS", steps)

    return add


def test_a_file_takes_the_steps_it_lacks_once(tmp_path, sqlite_steps):
    today = len(sqlite.STEPS)
    url = make_file(tmp_path / "store.db", today)
    sqlite_steps(NEXT)
    together(lambda _name: open_store(url).close(), 6)
    assert_complete(url)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("SELECT x FROM later").fetchall() == [(1,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (today + 1,)


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path, sqlite_steps, monkeypatch):
    url = make_file(tmp_path / "store.db", len(sqlite.STEPS))
    before = tables_of(tmp_path / "store.db")
    sqlite_steps(BROKEN)
    with pytest.raises(StoreError, match="nowhere"):
        open_store(url)
    assert tables_of(tmp_path / "store.db") == before
    monkeypatch.undo()
    assert_complete(url)


@pytest.fixture
def postgres_steps(monkeypatch):
    def add(step):
        steps = (*postgres.LEDGER.steps, step)
        layout = postgres.Layout("ledger", ("records",), steps)
        monkeypatch.setattr("turnfold_stores.postgres.ledger.LEDGER", layout)

    return add


def test_a_schema_takes_the_steps_it_lacks_once(postgres_server, postgres_steps):
    url = make_schema(postgres_server, 2)
    postgres_steps(
        "SELECT pg_sleep(0.2); CREATE TABLE {schema}.later (x integer); "
        "INSERT INTO {schema}.later VALUES (1)"
    )
    together(lambda _name: open_store(url).close(), 4)
    assert_complete(url)
    schema = url.rpartition("schema=")[2]
    with postgres_server.connect() as connection:
        assert connection.execute(f"SELECT x FROM {schema}.later").fetchall() == [(1,)]
        layouts = f"SELECT part, version FROM {schema}.layouts ORDER BY 1, 2"
        assert connection.execute(layouts).fetchall() == [
            ("index", 1),
            ("ledger", 1),
            ("ledger", 2),
            ("ledger", 3),
        ]


def test_a_step_that_fails_leaves_the_schema_as_it_was(
    postgres_server, postgres_steps, monkeypatch
):
    url = make_schema(postgres_server, 2)
    before = columns_of(postgres_server, url)
    postgres_steps("CREATE TABLE {schema}.later (x integer); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(StoreError, match="nowhere"):
        open_store(url)
    assert columns_of(postgres_server, url) == before
    monkeypatch.undo()
    assert_complete(url)


@pytest.mark.parametrize("part", ["ledger", "index"])
def test_a_schema_of_a_newer_version(postgres_server, part):
    url = make_schema(postgres_server, 1)
    schema = url.rpartition("schema=")[2]
    with postgres_server.connect() as connection:
        connection.execute(f"INSERT INTO {schema}.layouts VALUES ('{part}', 99)")
    with pytest.raises(SchemaMismatch, match=f"layout 99 of its {part}, this turnfold knows"):
        open_store(url)


def test_a_schema_of_another_program(postgres_server):
    url = postgres_server.url()
    schema = url.rpartition("schema=")[2]
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.records (theirs int)")
        with pytest.raises(SchemaMismatch, match="'records' of another program"):
            open_store(url)
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)
        )
        assert found.fetchall() == [("records",)]
