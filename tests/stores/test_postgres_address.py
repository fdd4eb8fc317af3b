"""What a `postgresql://` URL may say, what is said when nobody answers, and what is never said."""

import logging
import socket
import subprocess
import sys
import traceback

import numpy as np
import pytest
from turnfold_stores import Entry, StoreError, StoreUnavailable, open_store
from turnfold_stores.postgres.address import address_of

SECRET = "s3cr%2Ft+p%40ss"
PLAIN = "s3cr/t+p@ss"


def assert_kept(text):
    for secret in (SECRET, PLAIN, "s3cr", "p@ss", "p%40ss"):
        assert secret not in text


def test_what_a_url_says():
    address = address_of(
        f"postgresql://ada:{SECRET}@db.example:6000/app?sslmode=require&schema=mem&index=hnsw"
        "&connections=3&connect_timeout=2"
    )
    assert (address.schema, address.index, address.connections) == ("mem", "hnsw", 3)
    assert address.options["password"] == PLAIN
    assert address.options["sslmode"] == "require"
    assert address.options["connect_timeout"] == "2"
    assert str(address) == "PostgreSQL at db.example:6000, database 'app', schema 'mem'"


def test_what_a_url_leaves_out():
    address = address_of("postgres://db.example")
    assert (address.schema, address.index, address.connections) == ("turnfold", "exact", 8)
    assert address.options["connect_timeout"] == 5


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://h/db?schema=", "schema must be"),
        ("postgresql://h/db?schema=" + "x" * 64, "schema must be"),
        ("postgresql://h/db?schema=a%2525", "schema must be"),
        ("postgresql://h/db?index=ivf", "index must be 'exact' or 'hnsw'"),
        ("postgresql://h/db?connections=0", "connections must be a number"),
        ("postgresql://h/db?connections=many", "connections must be a number"),
        ("postgresql://h/db?colour=red", "colour"),
        (f"postgresql://ada:{SECRET}@h/db?colour=red", "colour"),
        (f"postgresql://ada:{SECRET}%zz@h/db", "percent"),
        (f"postgresql://h/db?password={SECRET}&colour=red", "colour"),
        ("postgresql://ada:s3cr/rest@h/db", "percent-encoded"),
        ("postgresql://ada:s3cr@p@ss@h/db", "percent-encoded"),
        ("postgresql://ada:s3cr?p@ss@h/db", "percent-encoded"),
        ("chroma+http://s3cr?p@ss@h:1?ledger=memory:", "percent-encoded"),
        ("chroma+http://s3cr?p@ss@h:1", "names no ledger"),
        ("chroma+http://127.0.0.1:1?ledger=postgresql://ada:s3cr/p@ss@h/db", "percent-encoded"),
    ],
)
def test_a_url_that_cannot_be_read(url, what):
    with pytest.raises(StoreError, match=what) as refusal:
        open_store(url)
    assert_kept("".join(traceback.format_exception(refusal.value)))


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_server_that_is_not_there_is_unavailable_at_once(free_port, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{free_port}") as refusal:
        open_store(f"postgresql://ada:{SECRET}@127.0.0.1:{free_port}/app")
    assert_kept("".join(traceback.format_exception(refusal.value)) + caplog.text)


def test_a_server_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}"):
            # The shortest that libpq takes.
            open_store(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/app?connect_timeout=1")


@pytest.mark.parametrize(
    ("user", "database", "what"),
    [("nobody_there", "postgres", "nobody_there"), ("postgres", "nowhere", "nowhere")],
)
def test_a_server_that_refuses(postgres_server, user, database, what):
    url = postgres_server.url(user=f"{user}:{SECRET}", database=database)
    with pytest.raises(StoreUnavailable, match=what) as refusal:
        open_store(url)
    assert_kept("".join(traceback.format_exception(refusal.value)))


def test_a_password_is_in_nothing_that_is_shown(postgres_server, caplog):
    caplog.set_level(logging.DEBUG)
    shown = []
    with open_store(postgres_server.url(user=f"postgres:{SECRET}")) as store:
        store.put_vectors("u", [Entry("a", "c", np.ones(3))], model="m")
        connections = store.ledger._connections
        for one in (store, store.ledger, store.index, connections, connections.address):
            shown += [repr(one), str(one)]
        with pytest.raises(StoreError) as refusal:
            connections.read(f"SELECT 1 / 0 -- {PLAIN}".encode())
        shown.append(str(refusal.value))
        with pytest.raises(StoreError) as refusal:
            connections.read(f'SELECT "{PLAIN}"'.encode())
        shown.append(str(refusal.value))
    assert_kept("\n".join(shown) + caplog.text)


def test_a_database_that_cannot_hold_every_text(postgres_server):
    with postgres_server.connect() as connection:
        connection.execute(
            "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    with pytest.raises(StoreError, match=r"LATIN1.*UTF8"):
        open_store(postgres_server.url(database="latin"))


def test_a_role_that_may_not_install_pgvector_is_told_what_to_ask_for(postgres_server):
    with postgres_server.connect() as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("CREATE DATABASE bare")
    with postgres_server.connect(dbname="bare") as connection:
        connection.execute("CREATE SCHEMA mem AUTHORIZATION plain")
    url = postgres_server.url(user="plain", database="bare", schema="mem")
    with pytest.raises(StoreError, match="CREATE EXTENSION vector"):
        open_store(url)
    with postgres_server.connect(dbname="bare") as connection:
        connection.execute("CREATE EXTENSION vector")
    with open_store(url) as store:
        store.put_vectors("u", [Entry("a", "c", np.ones(3))], model="m")


def test_a_role_that_may_not_make_a_schema(postgres_server):
    with postgres_server.connect() as connection:
        connection.execute("CREATE ROLE visitor LOGIN")
    open_store(postgres_server.url()).close()
    with pytest.raises(StoreError, match=r"may not.*docs/postgres\.md"):
        open_store(postgres_server.url(user="visitor"))


def test_without_psycopg_the_extra_is_named():
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "import turnfold_stores; turnfold_stores.open_store('postgresql://h/db')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingDependency" in done.stderr
    assert "turnfold[postgres]" in done.stderr
