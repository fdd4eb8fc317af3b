"""A record that cannot be read goes in; whether it may hold what is forgotten comes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from turnfold_stores import Record, Unreadable
from turnfold_stores.records.fields import Reading

from turnfold.archive.kinds import KINDS, Kind, kinds_with

_TOLD_BY_ID = kinds_with("said", "piece", "vector", "file")


def is_strange(record: Record, reading: Reading) -> bool:
    """Whether it is damaged, or of a newer version."""
    kind = KINDS.get(record.kind)
    return kind is None or reading.one(record, lambda one: _read(kind, one)) is None


def may_hold_anything(record: Record) -> bool:
    """Whether it is no JSON any more, and its id does not tell what it holds."""
    return isinstance(record.body, Unreadable) and record.kind not in _TOLD_BY_ID


def mentions(value: Any, names: Collection[str]) -> bool:
    """Whether a value holds one of these ids, by itself or as a part of a longer one."""
    if isinstance(value, Unreadable):
        return any(name in value.raw for name in names)
    if isinstance(value, str):
        return any(part in names for part in value.replace("~", ":").split(":"))
    if isinstance(value, Mapping):
        return any(mentions(key, names) or mentions(one, names) for key, one in value.items())
    return isinstance(value, list) and any(mentions(one, names) for one in value)


def _read(kind: Kind, record: Record) -> bool:
    kind.read(record)
    return True
