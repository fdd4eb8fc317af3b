"""Addresses of index servers: read from a URL, shown without what is secret in it.

    kind+http[s]://[[user:]token@]host[:port][/path...][?option=value&...&ledger=URL]

`ledger=` stands last: what follows it is the ledger's own URL, just as it is.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from turnfold_stores.errors import StoreError, StoreUnavailable
from turnfold_stores.masking import without_secret

Choice = TypeVar("Choice", bound=str)

NOT_ENCODED = (
    "its credentials hold a character that must be percent-encoded: '/' is %2F, '@' is %40, "
    "'?' is %3F"
)
_LEDGER = re.compile(r"[?&]ledger=")
# Seconds until a server that does not answer at all is given up.
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what it is told about who asks.

    Attributes:
        url: without credentials and options: scheme, host, port.
        host: a name or a number.
        port: from the URL, or the scheme's own.
        path: the parts of the path, percent-decoded.
        options: what stands between `?` and `ledger=`, by name.
        ledger: the URL of the ledger; may hold a secret, so it is not shown.
        user: before the colon of the credentials; "" when there is none.
        secret: the token or password; "" when there is none.
    """

    url: str
    host: str
    port: int
    path: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    ledger: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether the server is spoken to over TLS."""
        return self.url.startswith("https:")

    def __str__(self) -> str:
        return "/".join([self.url, *self.path])


def one_of(option: str, given: str, choices: Sequence[Choice]) -> Choice:
    """The choice that an option names.

    Raises:
        StoreError: none of them.
    """
    for choice in choices:
        if given == choice:
            return choice
    names = " or ".join(map(repr, choices))
    raise StoreError(f"{option} must be {names}, not {given!r}")


def read_address(url: str, *, port: int, options: Collection[str] = ()) -> Address:
    """Take apart the URL of an index server.

    Args:
        url: see the top of this module.
        port: where the scheme's servers listen when the URL does not say.
        options: the names that may stand behind the `?`, beside `ledger`.

    Raises:
        StoreError: what is wrong with it, in words that repeat no credentials.
    """
    shown = without_secret(url)
    found = _LEDGER.search(url)
    front, ledger = (url[: found.start()], url[found.end() :]) if found else (url, "")
    if not ledger:
        raise StoreError(
            f"{shown!r} names no ledger. A server keeps the index; the records need a durable "
            "place that all processes share. Say where, last in the URL: "
            "'?ledger=postgresql://…' or '?ledger=sqlite:path'"
        )
    try:
        parts = urlsplit(front)
        host, number = parts.hostname, parts.port
    except ValueError:
        raise StoreError(
            f"{shown!r} has a host or port that cannot be read, or {NOT_ENCODED}"
        ) from None
    if not host or "@" in parts.path:
        raise StoreError(f"the URL of scheme {parts.scheme!r} names no host, or {NOT_ENCODED}")
    scheme = "https" if parts.scheme.endswith("https") else "http"
    # "token@" alone is a token, as is ":token@".
    user, colon, secret = parts.netloc.rpartition("@")[0].partition(":")
    if not colon:
        user, secret = "", user
    return Address(
        url=f"{scheme}://{f'[{host}]' if ':' in host else host}:{number or port}",
        host=host,
        port=number or port,
        path=tuple(unquote(part) for part in parts.path.split("/") if part),
        options=_options(parts.query, allowed=options),
        ledger=ledger,
        user=unquote(user),
        secret=unquote(secret),
    )


def _options(query: str, *, allowed: Collection[str]) -> dict[str, str]:
    found = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if "@" in name:
            raise StoreError(f"the URL cannot be read: {NOT_ENCODED}")
        if name not in allowed:
            known = ", ".join(repr(one) for one in (*sorted(allowed), "ledger"))
            raise StoreError(f"the URL has an option {name!r}; known are {known}")
        found[name] = unquote(value)
    return found


def check_reachable(address: Address) -> None:
    """Make sure that something listens there, before a client waits or tries again and again.

    Raises:
        StoreUnavailable: nothing answers.
    """
    try:
        socket.create_connection((address.host, address.port), timeout=_PATIENCE).close()
    except OSError as error:
        raise StoreUnavailable(
            f"no server answers at {address} ({error}): start it, or correct the URL"
        ) from error
