"""Headers of one side go in; those that the other side is to see come out, in their order.

What concerns one connection alone stays on it (RFC 9110, 7.6.1); everything else passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from turnfold.accounting.receipt import Outlook

Pairs = list[tuple[bytes, bytes]]

OURS = b"x-turnfold-"
_OF_A_CONNECTION = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
_NOT_SENT_ON = frozenset({b"host", b"expect"})
# What memory can read of an answer while it goes by.
_READABLE = frozenset({"gzip", "x-gzip", "deflate", "identity"})
_NOT_A_WORD = re.compile(r"[^a-z0-9 _-]")


def to_upstream(pairs: Iterable[tuple[bytes, bytes]], *, is_read: bool, is_whole: bool) -> Pairs:
    """The headers a request is sent on with.

    Args:
        pairs: as they came, names in lower case.
        is_read: whether memory reads the answer: then only compressions that it can read are
            asked for.
        is_whole: whether the body was read, and may have another length now.
    """
    sent = [
        (name, value)
        for name, value in _passing(pairs)
        if name not in _NOT_SENT_ON
        and not name.startswith(OURS)
        and not (is_whole and name == b"content-length")
    ]
    if not is_read:
        return sent
    return [
        (name, _readable(value) if name == b"accept-encoding" else value) for name, value in sent
    ]


def to_client(pairs: Iterable[tuple[bytes, bytes]], outlook: Outlook | None) -> Pairs:
    """The headers an answer is passed on with, and what memory did, in short."""
    lower = [(name.lower(), value) for name, value in pairs]
    kept = [(name, value) for name, value in _passing(lower) if not name.startswith(OURS)]
    return kept if outlook is None else [*kept, *_told(outlook)]


def names_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their names in lower case; the last of those that are there twice."""
    return {name.decode("latin-1").lower(): _text(value) for name, value in pairs}


def bearer_in(headers: Mapping[str, str]) -> str:
    """The token of a bearer, however the scheme is written; "" where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _passing(pairs: Iterable[tuple[bytes, bytes]]) -> Pairs:
    pairs = list(pairs)
    listed = {
        one.strip().lower()
        for name, value in pairs
        if name == b"connection"
        for one in value.split(b",")
    }
    return [(n, v) for n, v in pairs if n not in _OF_A_CONNECTION and n not in listed]


def _readable(accepted: bytes) -> bytes:
    asked = [one.strip() for one in accepted.decode("latin-1").split(",")]
    kept = [one for one in asked if one.partition(";")[0].strip().lower() in _READABLE]
    return ", ".join(kept).encode("latin-1") or b"identity"


def _told(outlook: Outlook) -> Pairs:
    told = {
        "saved-tokens": str(outlook.saved_tokens),
        "recalled": str(outlook.recalled),
        "folded": str(outlook.folded),
    }
    # The parts alone: words of an error may hold anything, and stand in the receipt.
    parts = {_NOT_A_WORD.sub("", why.partition(":")[0].lower()) for why in outlook.degraded}
    if parts:
        told["degraded"] = ", ".join(sorted(parts))
    return [(OURS + name.encode(), value.encode()) for name, value in told.items()]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
