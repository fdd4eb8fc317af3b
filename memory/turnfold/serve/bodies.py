"""The bytes of a request go in; its JSON comes out, and goes back as bytes when it was changed.

What cannot be read so that writing it loses nothing is told as `BodyError`: it is sent on as it
came, and the answer says that memory had no part in it.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from turnfold.history.block_text import whole_text
from turnfold.history.nested import rebuilt

# How bodies are compressed that can be read: zlib's window bits. Some write `deflate` without
# its header, against RFC 9110, 8.4.1.2.
_ZIPPED = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
# Surrogates as JSON escapes them, in pairs, and halves: clients that cut a text by its length in
# UTF-16, as JavaScript counts it, cut emoji in two.
_SURROGATES = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>[89a-fA-F]))"
)


class BodyError(ValueError):
    """A body that memory cannot read; says why."""


def unpacked(raw: bytes, encoding: str, most: int) -> bytes:
    """The bytes behind a `content-encoding`.

    Args:
        raw: as they came.
        encoding: what the header names, in lower case.
        most: bytes there may be.

    Raises:
        BodyError: it is of another kind, is damaged, or holds more.
    """
    if encoding not in _ZIPPED:
        raise BodyError(f"its content-encoding is {encoding!r}"[:100])
    for bits in _ZIPPED[encoding]:
        unpacking = zlib.decompressobj(bits)
        try:
            plain = unpacking.decompress(raw, most)
        except zlib.error:
            continue
        if unpacking.eof:
            return plain
    raise BodyError(f"it is no whole {encoding}, or holds more than {most:,} bytes")


def read(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; halves of surrogate pairs in its messages are replaced.

    Raises:
        BodyError: there is none, or it holds what Python cannot hold as it stands.
    """
    try:
        body = json.loads(raw, parse_constant=_no_json, parse_float=_finite)
    except (ValueError, RecursionError) as wrong:
        raise BodyError(f"it cannot be read as JSON ({wrong})"[:200]) from None
    if not isinstance(body, dict):
        raise BodyError("it is no JSON object")
    if any(one["half"] for one in _SURROGATES.finditer(raw)) and "messages" in body:
        body["messages"] = rebuilt(body["messages"], _entries, _whole)
    return body


def written(body: Mapping[str, Any]) -> bytes:
    """A body as the SDK writes it."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can only escape
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def _entries(value: Mapping[Any, Any], flag: bool) -> Iterable[tuple[str, Any, bool]]:
    return ((whole_text(name), inner, flag) for name, inner in value.items())


def _whole(leaf: Any) -> Any:
    return whole_text(leaf) if isinstance(leaf, str) else leaf


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(figure: str) -> float:
    number = float(figure)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number
