"""The tables in PostgreSQL, and how older ones become today's.

A layout is a list of steps; its version is how many were taken. Steps are only ever added: a
step that was released is never changed, so that a store of any version has one way forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from turnfold_stores.errors import SchemaMismatch, StoreError
from turnfold_stores.postgres.connections import Connection, Connections, lock_number


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of one part of a store.

    Attributes:
        part: the name under which the version is recorded.
        tables: what the first step makes.
        steps: statements as of `Connections.statement`, oldest first.
    """

    part: str
    tables: tuple[str, ...]
    steps: tuple[LiteralString, ...]


# Text is compared byte by byte (COLLATE "C") and never by the rules of a language. Every key
# begins with user_id: it is the wall, and what a large store can be split by. What GIN has yet to
# sort in is read by every search: kept to 256 kB, 20,000 paragraphs were searched in 7 ms and
# written at 1,250 a second; at PostgreSQL's 4 MB it was 325 ms and 1,800, with none 470 a second.
LEDGER = Layout(
    "ledger",
    ("records",),
    (
        """
        CREATE TABLE {records} (
            user_id text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            kind text COLLATE "C" NOT NULL,
            conversation text COLLATE "C" NOT NULL,
            body json NOT NULL,
            text text COLLATE "C" NOT NULL,
            at double precision NOT NULL,
            words bigint[],
            PRIMARY KEY (user_id, id)
        );
        ALTER TABLE {records} ALTER COLUMN words SET STORAGE MAIN;
        CREATE INDEX records_by_seq ON {records} (user_id, seq);
        CREATE INDEX records_by_kind ON {records} (user_id, kind, seq);
        CREATE INDEX records_by_conversation ON {records} (user_id, conversation, kind, seq);
        CREATE INDEX records_spoken ON {records} (user_id, conversation) WHERE words IS NOT NULL;
        CREATE INDEX records_by_word ON {records} USING gin (words)
            WITH (gin_pending_list_limit = 256) WHERE words IS NOT NULL;
        """,
        # Which reading of the text the words are of: a user's are read anew when they are first
        # searched by a turnfold that reads otherwise. What an older one writes has the default.
        """
        ALTER TABLE {records} ADD COLUMN words_version text COLLATE "C" NOT NULL DEFAULT '';
        CREATE INDEX records_by_reading ON {records} (user_id, words_version)
            WHERE words IS NOT NULL;
        """,
    ),
)

# The target keeps vectors beside their names: exact search reads them all.
INDEX = Layout(
    "index",
    ("vectors",),
    (
        """
        CREATE TABLE {vectors} (
            user_id text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            conversation text COLLATE "C" NOT NULL,
            vector {vector} NOT NULL,
            PRIMARY KEY (user_id, id)
        ) WITH (toast_tuple_target = 8160);
        CREATE INDEX vectors_by_conversation ON {vectors} (user_id, conversation);
        """,
    ),
)


_LAYOUTS: LiteralString = """
CREATE TABLE {layouts} (
    part text,
    version integer,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, version)
);
"""


def prepare(connections: Connections, layout: Layout, **names: sql.Composable) -> None:
    """Make the tables of a layout, or bring older ones up to date.

    Of many processes that open a store at once one does the work; a step that fails leaves
    everything as it was. A store that is up to date is only read, so a role that may not change
    tables can open it.

    Args:
        connections: to the database.
        layout: what is wanted.
        names: what else stands in braces in the steps.

    Raises:
        SchemaMismatch: a newer version of turnfold made the tables, or another program.
        StoreError: the role may not make tables.
    """
    if _version(connections, layout) == len(layout.steps):
        return
    with connections.writing() as connection:
        # A migration may take longer than a put, which is what others wait for otherwise.
        connection.execute(b"SET LOCAL lock_timeout = 0")
        connection.execute(b"SELECT pg_advisory_xact_lock(%s)", (layout_lock(connections),))
        version = _version(connections, layout)
        if not exists(connections, "layouts"):
            _make_schema(connections, connection)
            connection.execute(connections.statement(_LAYOUTS))
        if version == 0:
            _refuse_foreign(connections, layout)
        for number in range(version, len(layout.steps)):
            connection.execute(connections.statement(layout.steps[number], **names))
            connection.execute(
                connections.statement("INSERT INTO {layouts} (part, version) VALUES (%s, %s)"),
                (layout.part, number + 1),
            )


def vector_schema(connections: Connections) -> str:
    """The schema pgvector is in; pgvector is installed where it is not.

    Raises:
        StoreError: the server does not have it, or the role may not install it.
    """
    where = (
        b"SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
        b"WHERE extname = 'vector'"
    )
    if not (found := connections.read(where)):
        try:
            with connections.writing() as connection:
                # Stores in other schemas may be looking for it as well.
                connection.execute(b"SELECT pg_advisory_xact_lock(%s)", (lock_number("vector"),))
                connection.execute(b"CREATE EXTENSION IF NOT EXISTS vector")
        except StoreError as error:
            raise StoreError(
                f"{connections.address} lacks pgvector, which a store keeps its vectors with "
                f"({error}). Install it on the server and run, as a role that may: CREATE "
                "EXTENSION vector"
            ) from error
        found = connections.read(where)
    return str(found[0][0])


def _version(connections: Connections, layout: Layout) -> int:
    """How many steps were taken.

    Raises:
        SchemaMismatch: more than we know.
    """
    if not exists(connections, "layouts"):
        return 0
    ((version,),) = connections.read(
        connections.statement("SELECT coalesce(max(version), 0) FROM {layouts} WHERE part = %s"),
        (layout.part,),
    )
    if version > len(layout.steps):
        raise SchemaMismatch(
            f"{connections.address} has layout {version} of its {layout.part}, this turnfold "
            f"knows layout {len(layout.steps)}: use the version of turnfold that made it, or a "
            "newer one, or another schema with '?schema='"
        )
    return int(version)


def exists(connections: Connections, name: str) -> bool:
    """Whether the schema has a table or index of that name."""
    # Asks the catalog and not to_regclass, which a role without rights on the schema may not ask.
    query = (
        b"SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        b"WHERE nspname = %s AND relname = %s"
    )
    return bool(connections.read(query, (connections.address.schema, name)))


def layout_lock(connections: Connections) -> int:
    """The advisory lock that whoever changes the tables takes."""
    return lock_number(f"layout of {connections.address.schema}")


def _make_schema(connections: Connections, connection: Connection) -> None:
    # A role may own a schema, and yet be forbidden to ask for one IF NOT EXISTS.
    query = b"SELECT 1 FROM pg_namespace WHERE nspname = %s"
    if not connections.read(query, (connections.address.schema,)):
        connection.execute(connections.statement("CREATE SCHEMA {schema}"))


def _refuse_foreign(connections: Connections, layout: Layout) -> None:
    for name in layout.tables:
        if exists(connections, name):
            raise SchemaMismatch(
                f"{connections.address} has a table {name!r} of another program; nothing was "
                "changed. Name another schema with '?schema='"
            )
