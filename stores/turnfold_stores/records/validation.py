"""What a record may hold, checked before anything is written."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from turnfold_stores.errors import InvalidValue
from turnfold_stores.protocols import Record, Unreadable

_TEXTS = ("id", "kind", "conversation", "body", "text")


def encode_body(record: Record) -> str:
    """The record's body as JSON text, after every field of the record has been checked.

    Raises:
        InvalidValue: a field has the wrong type, is an empty id, holds text that has no UTF-8
            form (a lone surrogate), or the body would not come back as it went in.
    """
    named = {"id": record.id, "kind": record.kind, "conversation": record.conversation}
    for name, value in (named | {"text": record.text}).items():
        check_text(value, what=f"{name} of record {record.id!r}")
    if not record.id:
        raise InvalidValue("a record needs an id that is not empty")
    if not _is_time(record.at):
        raise InvalidValue(f"at of record {record.id!r} must be seconds, not {record.at!r:.80}")
    if isinstance(record.body, Unreadable):
        raise InvalidValue(f"record {record.id!r} was damaged ({record.body}): it is not written")
    try:
        encoded = json.dumps(record.body, ensure_ascii=False, allow_nan=False)
        # Catches what json.dumps changes in silence: tuples, numbers as keys.
        exact = json.loads(encoded) == record.body
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"the body of record {record.id!r} is not JSON: {error}") from error
    if not exact:
        raise InvalidValue(
            f"the body of record {record.id!r} would not come back as it is: "
            "use lists, and dicts with str keys, instead of other containers"
        )
    check_text(encoded, what=f"the body of record {record.id!r}")
    return encoded


def decode_body(encoded: str) -> Any:
    """The body that `encode_body` wrote; a new object at each call.

    Raises:
        ValueError: it is not what `encode_body` writes.
        RecursionError: likewise.
    """
    return _JSON.decode(encoded)


def _no_json(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# It would be made anew at each call of `json.loads`.
_JSON = json.JSONDecoder(parse_constant=_no_json)


def record_of(row: Sequence[Any], *, stand_in: str = "") -> Record:
    """The record that a ledger kept as a row of id, kind, conversation, body, text and at.

    Args:
        row: as it was read, text that is none as bytes; what stands behind `at` is ignored.
        stand_in: the id of the record where its own cannot be read.

    Returns:
        The record; where something of it is not what was written, its body is `Unreadable`.
    """
    record_id, kind, conversation, body, text, at = row[:6]
    # A damaged file gives values of any type.
    if (
        type(record_id) is str
        and type(kind) is str
        and type(conversation) is str
        and type(body) is str
        and type(text) is str
        and type(at) is float
        and math.isfinite(at)
    ):
        try:
            return Record(record_id, kind, conversation, decode_body(body), text, at)
        except (ValueError, RecursionError):
            pass
    wrong = [name for name, value in zip(_TEXTS, row, strict=False) if type(value) is not str]
    sound_at = type(at) is float and math.isfinite(at)
    if not sound_at:
        wrong.append("at")
    return Record(
        record_id if type(record_id) is str else stand_in,
        _as_text(kind),
        _as_text(conversation),
        Unreadable(tuple(wrong) or ("body",), f"{_as_text(body)} {_as_text(text)}"),
        text if type(text) is str else "",
        at if sound_at else 0.0,
    )


def _as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _is_time(at: object) -> bool:
    try:
        return isinstance(at, (int, float)) and math.isfinite(float(at))
    except OverflowError:
        return False


def check_text(value: object, *, what: str) -> None:
    """Refuse what is no text, or has no UTF-8 form.

    Raises:
        InvalidValue: naming `what`.
    """
    if not isinstance(value, str):
        raise InvalidValue(f"{what} must be a str, not {type(value).__name__}")
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(
            f"{what} holds a lone surrogate at position {error.start}, which is not text: "
            "clean it with text.encode('utf-8', 'replace').decode()"
        ) from error


def check_user(user_id: object) -> None:
    """Refuse a user_id that cannot be a wall.

    Raises:
        InvalidValue: it is no text or is empty.
    """
    check_text(user_id, what="user_id")
    if not user_id:
        raise InvalidValue("user_id must not be empty: it is the wall between users")
