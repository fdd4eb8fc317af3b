"""The recipe of docs/postgres.md: PostgreSQL itself keeps tenants apart, whatever SQL they send."""

import re
from pathlib import Path

import numpy as np
import pytest
from psycopg import errors
from turnfold_stores import STORE_USER, Entry, Record, StoreError, open_store

PAGE = (Path(__file__).parents[2] / "docs" / "postgres.md").read_text()
INSERT = "INSERT INTO turnfold.vectors (user_id, id, conversation, vector)"
EAST, NORTH = np.eye(2, dtype=np.float32)


def recipe(name):
    (found,) = re.findall(rf"```sql\n-- recipe: {name}\n(.*?)```", PAGE, re.DOTALL)
    return found


def fill(store, user_id, word):
    store.ledger.put(user_id, [Record("a", "k", "c", word, f"{word} fox")])
    store.put_vectors(user_id, [Entry("a", "c", EAST)], model="m")


@pytest.fixture(scope="module")
def database(postgres_server):
    """A database with the recipe on, and something of everyone in it."""
    with postgres_server.connect() as connection:
        connection.execute("CREATE DATABASE walls")
    with (
        open_store(postgres_server.url(database="walls", schema="turnfold")) as store,
        postgres_server.connect(dbname="walls") as connection,
    ):
        store.bind("m", 2)
        connection.execute(recipe("once"))
        connection.execute(recipe("each tenant"))
        connection.execute("CREATE ROLE other LOGIN IN ROLE turnfold_tenant")
        connection.execute("INSERT INTO turnfold.tenants VALUES ('other', 'eve')")
        for user_id, word in (("acme/ada", "mine"), ("eve", "hers"), ("acme", "nobodys")):
            fill(store, user_id, word)
    return postgres_server


@pytest.fixture
def store(database):
    url = database.url(user="acme", database="walls", schema="turnfold")
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def acme(database):
    with database.connect(user="acme", dbname="walls") as connection:
        yield connection


def test_the_owner_sees_all(database):
    with open_store(database.url(database="walls", schema="turnfold")) as store:
        assert {"acme/ada", "eve", "acme"} <= set(store.users())


def test_a_tenant_uses_the_store_as_ever(store):
    fill(store, "acme/grace", "also mine")
    assert set(store.users()) == {"acme/ada", "acme/grace"}
    for user_id in ("acme/ada", "acme/grace"):
        assert "mine" in store.ledger.get(user_id, ["a"])["a"].body
        assert [hit.id for hit in store.ledger.match(user_id, "fox")] == ["a"]
        assert [hit.id for hit in store.index.nearest(user_id, EAST)] == ["a"]
    assert store.mend(store.index.users()).added == 0
    store.delete_vectors("acme/grace", ["a"])
    store.ledger.delete("acme/grace", ["a"])
    assert set(store.users()) == {"acme/ada"}


@pytest.mark.parametrize("user_id", ["eve", "acme"])
def test_through_the_store_others_are_empty(store, user_id):
    assert store.ledger.get(user_id, ["a"]) == {}
    assert list(store.ledger.scan(user_id)) == []
    assert list(store.ledger.match(user_id, "fox")) == []
    assert list(store.index.nearest(user_id, EAST)) == []
    assert store.index.ids(user_id) == set()
    store.ledger.delete(user_id, ["a"])
    store.index.delete(user_id, ["a"])


@pytest.mark.parametrize("user_id", ["eve", "acme", "new", STORE_USER])
def test_through_the_store_nothing_is_written_for_others(store, user_id):
    with pytest.raises(StoreError, match="may not"):
        store.ledger.put(user_id, [Record("b", "k", "c")])
    with pytest.raises(StoreError, match="may not"):
        store.index.put(user_id, [Entry("b", "c", NORTH)])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT user_id, body::text FROM turnfold.records",
        "SELECT user_id, id FROM turnfold.vectors",
        "SELECT user_id, role::text FROM turnfold.tenants",
        "SELECT user_id, text FROM turnfold.records WHERE user_id = 'eve' OR true",
        "SELECT user_id, id FROM turnfold.vectors ORDER BY vector <#> '[1,0]' LIMIT 10",
        "SELECT r.user_id, v.id FROM turnfold.records r FULL JOIN turnfold.vectors v ON true",
    ],
)
def test_raw_sql_shows_what_is_ones_own(acme, query):
    seen = {row[0] for row in acme.execute(query)}
    assert seen
    assert seen <= {"acme/ada", "acme/grace", STORE_USER}


def test_raw_sql_changes_what_is_ones_own(database, acme):
    for table in ("records", "vectors"):
        acme.execute(
            f"DELETE FROM turnfold.{table} WHERE user_id IN ('eve', 'acme', %s)", (STORE_USER,)
        )
    acme.execute("UPDATE turnfold.vectors SET conversation = 'x' WHERE user_id = 'eve'")
    with database.connect(dbname="walls") as owner:
        left = owner.execute(
            "SELECT r.user_id FROM turnfold.records r WHERE user_id IN ('eve', 'acme', %s)",
            (STORE_USER,),
        ).fetchall()
        vectors = owner.execute("SELECT conversation FROM turnfold.vectors WHERE user_id = 'eve'")
        assert len(left) == 5
        assert vectors.fetchall() == [("c",)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE turnfold.vectors SET user_id = 'eve'",
        "UPDATE turnfold.records SET body = '1'",
        f"{INSERT} VALUES ('eve', 'x', 'c', '[1,0]')",
        f"{INSERT} VALUES ('eve', 'a', 'c', '[1,0]') ON CONFLICT DO NOTHING",
        f"{INSERT} VALUES ('eve', 'a', '', '[1]') ON CONFLICT (user_id, id) DO UPDATE SET id = 'b'",
        "INSERT INTO turnfold.tenants VALUES ('acme', 'eve')",
        "UPDATE turnfold.tenants SET user_id = 'eve'",
        "INSERT INTO turnfold.layouts VALUES ('ledger', 99)",
        "TRUNCATE turnfold.records",
        "ALTER TABLE turnfold.records DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own ON turnfold.records",
        "CREATE POLICY all_of_it ON turnfold.records USING (true)",
        "SET ROLE other",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SET row_security = off; SELECT * FROM turnfold.records",
        "COPY turnfold.records TO PROGRAM 'cat'",
        "CREATE TABLE turnfold.mine (x int)",
    ],
)
def test_raw_sql_that_reaches_further_is_refused(acme, statement):
    with pytest.raises(errors.InsufficientPrivilege):
        acme.execute(statement)


def test_a_function_of_ones_own_is_shown_no_row_of_others(acme):
    heard = []
    acme.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    # So cheap that the planner would call it first.
    acme.execute(
        "CREATE FUNCTION pg_temp.tell(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 "
        "AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
    )
    acme.execute("SELECT 1 FROM turnfold.records WHERE pg_temp.tell(body::text)")
    assert heard
    assert not [text for text in heard if "hers" in text or "nobodys" in text]
