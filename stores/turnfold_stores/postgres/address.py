"""Where a PostgreSQL store is: a URL taken apart, and named without its password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, quote, unquote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from turnfold_stores.addresses import NOT_ENCODED, one_of
from turnfold_stores.errors import StoreError
from turnfold_stores.masking import masked, without_secret

IndexKind = Literal["exact", "hnsw"]

_SCHEMA = "turnfold"
_CONNECTIONS = 8
# Seconds to reach a server that answers nothing; one that refuses does so at once.
_CONNECT_TIMEOUT = 5
# Milliseconds until a connection whose other side went silent counts as lost.
_TCP_USER_TIMEOUT = 15_000
# PostgreSQL cuts longer names in silence.
_MOST_NAME_BYTES = 63
_BEGINNING = re.compile(r"postgres(ql)?://", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(//[^:@/]*:)[^@/]*@")


@dataclass(frozen=True, slots=True)
class Address:
    """What a `postgresql://` URL says.

    Attributes:
        options: what libpq is given; holds the password, so it is in no `repr`.
        schema: the schema that holds the tables.
        index: how vectors are searched.
        connections: the most connections this process opens.
    """

    options: Mapping[str, Any] = field(repr=False)
    schema: str = _SCHEMA
    index: IndexKind = "exact"
    connections: int = _CONNECTIONS

    def __str__(self) -> str:
        """The server, database and schema, without credentials."""
        host = self.options.get("host") or os.environ.get("PGHOST") or "localhost"
        port = self.options.get("port") or os.environ.get("PGPORT") or "5432"
        place = f"{host}:{port}" if not str(host).startswith("/") else host
        database = self.options.get("dbname") or os.environ.get("PGDATABASE") or "the default"
        return f"PostgreSQL at {place}, database {database!r}, schema {self.schema!r}"

    def masked(self, text: str) -> str:
        """The text with the password, however it is written, replaced by stars."""
        kept = {str(value) for name, value in self.options.items() if "password" in name and value}
        written = kept | {quote(one) for one in kept} | {quote(one, safe="") for one in kept}
        return masked(text, written)


def address_of(url: str) -> Address:
    """Take a URL apart.

    Everything libpq knows may stand in it; what is not there comes from libpq's environment
    variables and password file. Ours are `schema` (default "turnfold"), `index` ("exact" or
    "hnsw") and `connections` (the most this process opens, default 8).

    Raises:
        StoreError: the URL cannot be read; the message leaves the password out.
    """
    if _BEGINNING.match(url) is None:
        raise StoreError(
            f"{without_secret(url)!r} cannot be read: write 'postgresql://user@host/database', "
            "with two slashes"
        )
    base, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    own = {name: value for name, value in given if name in {"schema", "index", "connections"}}
    others = [(name, value) for name, value in given if name not in own]
    if any("@" in name for name, _ in others):
        raise StoreError(f"a postgresql:// URL cannot be read: {NOT_ENCODED}")
    rest = f"{base}?{urlencode(others, quote_via=quote)}" if others else base
    try:
        options = conninfo_to_dict(rest)
    except psycopg.Error as error:
        raise StoreError(
            f"cannot read the URL {without_secret(url)!r}: {_reason(error, base)}"
        ) from None
    _check_place(options)
    options.setdefault("connect_timeout", _CONNECT_TIMEOUT)
    options.setdefault("tcp_user_timeout", _TCP_USER_TIMEOUT)
    options.setdefault("application_name", "turnfold")
    options["client_encoding"] = "utf8"
    return Address(
        options,
        _schema(own.get("schema", _SCHEMA)),
        one_of("index", own.get("index", "exact"), get_args(IndexKind)),
        _connections(own.get("connections", str(_CONNECTIONS))),
    )


def _check_place(options: Mapping[str, Any]) -> None:
    """Refuse a place that is a piece of a password, before it is shown anywhere."""
    ports = str(options.get("port") or "0").split(",")
    odd = [one for one in ports if one and not one.isdigit()]
    if odd or any("@" in str(options.get(name) or "") for name in ("host", "dbname")):
        raise StoreError(f"a postgresql:// URL has a host or port that is none, or {NOT_ENCODED}")


def _reason(error: Exception, base: str) -> str:
    """What libpq says, unless it quotes the part of the URL that holds the password."""
    found = _PASSWORD_IN_URL.search(base)
    password = base[found.end(1) : found.end() - 1] if found else ""
    said = str(error).strip()
    pieces = {password, unquote(password)} - {""}
    # libpq quotes no more than the token it stumbles over, which may be a piece of the password.
    quoted = re.findall(r'"([^"]*)"', said)
    if any(piece in said or any(token in piece for token in quoted) for piece in pieces):
        return "a part of it is not percent-encoded"
    return said


def _schema(name: str) -> str:
    # A percent sign would begin a parameter in every statement.
    if not 0 < len(name.encode(errors="replace")) <= _MOST_NAME_BYTES or {"%", "\0"} & set(name):
        raise StoreError(
            f"schema must be 1 to {_MOST_NAME_BYTES} bytes without NUL and '%', not {name!r}"
        )
    return name


def _connections(number: str) -> int:
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise StoreError(f"connections must be a number from 1 up, not {number!r}")
    return int(number)
