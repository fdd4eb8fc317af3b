"""A store goes in; one that reads like it and keeps what is written to itself comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from turnfold_stores import Entry, Hit, Index, Ledger, Record, Store, Vector, match_words


class _Scratch:
    """A ledger over another, which is never written."""

    def __init__(self, base: Ledger) -> None:
        self._base = base
        self._written: dict[tuple[str, str], Record] = {}

    def put(self, user_id: str, records: Iterable[Record]) -> set[str]:
        records = list(records)
        known = self.get(user_id, [record.id for record in records])
        new = {record.id: record for record in reversed(records) if record.id not in known}
        self._written.update({(user_id, name): record for name, record in new.items()})
        return set(new)

    def get(self, user_id: str, ids: Iterable[str]) -> Mapping[str, Record]:
        ids = list(ids)
        mine = {name: self._written.get((user_id, name)) for name in ids}
        written = {name: record for name, record in mine.items() if record is not None}
        return {**written, **self._base.get(user_id, ids)}

    def scan(
        self, user_id: str, *, kind: str | None = None, conversation: str | None = None
    ) -> Iterator[Record]:
        return self._base.scan(user_id, kind=kind, conversation=conversation)

    def match(self, user_id: str, text: str, *, conversation: str | None = None) -> Iterator[Hit]:
        return match_words(self._base, user_id, text, conversation=conversation, kind="passage")

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        for name in ids:
            self._written.pop((user_id, name), None)

    def users(self) -> Iterator[str]:
        return self._base.users()

    def close(self) -> None:
        self._written.clear()


class _ReadOnly:
    """An index that takes nothing in."""

    def __init__(self, base: Index) -> None:
        self._base = base

    def put(self, user_id: str, entries: Iterable[Entry]) -> None: ...

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        return self._base.nearest(user_id, vector, conversation=conversation)

    def ids(self, user_id: str) -> set[str]:
        return self._base.ids(user_id)

    def delete(self, user_id: str, ids: Iterable[str]) -> None: ...

    def close(self) -> None: ...


def scratch(store: Store) -> Store:
    """A store whose writes are seen by its own reads only. Closing it leaves the other open."""
    return Store(_Scratch(store.ledger), _ReadOnly(store.index))
