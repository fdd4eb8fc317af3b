"""A store goes out as lines of JSON; lines of JSON come into a store.

    {"format": "turnfold-export", "version": 1, "embedding": {"model": …, "dimension": …}}
    {"user": …, "id": …, "kind": …, "conversation": …, "body": …, "text": …, "at": …}
    …
    {"end": 2}

All records of all users are there, those the store keeps for itself included, and each vector
as base64 in a record of its own: whatever the one store held, the other holds then. The last
line tells how many records there are, so that a file that was cut short is known for one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from turnfold_stores.binding import STORE_USER
from turnfold_stores.encoding import check_user, encode_body
from turnfold_stores.errors import SchemaMismatch, StoreError
from turnfold_stores.protocols import Record
from turnfold_stores.remote import is_of_one_store
from turnfold_stores.store import Store
from turnfold_stores.vectors import VECTOR_KIND, vector_of

FORMAT = "turnfold-export"
VERSION = 1
# Records, and characters of their lines, that are written at once.
_BATCH = 500
_MOST_CHARACTERS = 4_000_000
_FIELDS = frozenset({"user", "id", "kind", "conversation", "body", "text", "at"})


@dataclass(frozen=True, slots=True)
class Transferred:
    """What went from a store to a file or back.

    Attributes:
        users: how many users.
        records: how many records, vectors included.
        new: how many of them the store did not have; all of them where it was read.
    """

    users: tuple[str, ...] = ()
    records: int = 0
    new: int = 0


def export_lines(store: Store) -> Iterator[str]:
    """The store, line by line, each with its line break; users in the order of their names.

    Of each user it shows what was there when the reading of that user began.

    Raises:
        StoreError: the store cannot be read.
    """
    binding = store.binding
    embedding = binding and {"model": binding.model, "dimension": binding.dimension}
    yield _line({"format": FORMAT, "version": VERSION, "embedding": embedding})
    count = 0
    # What the store knows of itself goes first: vectors are not written before their model.
    for user_id in [STORE_USER, *sorted(store.users())]:
        for record in store.ledger.scan(user_id):
            if user_id == STORE_USER and is_of_one_store(record):
                continue
            count += 1
            yield _line(
                {
                    "user": user_id,
                    "id": record.id,
                    "kind": record.kind,
                    "conversation": record.conversation,
                    "body": record.body,
                    "text": record.text,
                    "at": record.at,
                }
            )
    yield _line({"end": count})


def import_lines(
    store: Store,
    lines: Iterable[str],
    *,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Transferred:
    """Write what `export_lines` gave into a store.

    First write wins: what the store has stays, so an import that broke off is simply run again.
    Each batch of records is written whole or not at all, vectors into the index too.

    Args:
        store: where to write; need not be empty.
        lines: with or without line breaks.
        on_batch: told how many records were just written.

    Raises:
        SchemaMismatch: the store holds vectors of another embedding model, or a newer turnfold
            wrote the lines; nothing is written.
        StoreError: a line is not what it should be, or the last one is missing. Says which;
            what stands in the batches before it is stored.
    """
    numbered = enumerate(lines, 1)
    _read_header(store, numbered)
    done = _Import(store, on_batch)
    for number, line in numbered:
        body = _json(number, line)
        if "end" in body:
            done.flush()
            if body["end"] != (found := done.records + done.skipped):
                raise StoreError(
                    f"line {number}: {body['end']} records were exported, {found} are here: the "
                    "file is not whole"
                )
            return Transferred(tuple(done.users), done.records, done.new)
        done.take(*_record(number, body), len(line))
    done.flush()
    raise StoreError(
        f"the file ends after {done.records} records, without the line that says it is whole. "
        "What was there is stored; export once more, and import that"
    )


class _Import:
    def __init__(self, store: Store, on_batch: Callable[[int], None]) -> None:
        self.users: dict[str, None] = {}
        self.records = self.new = self.skipped = 0
        self._store = store
        self._on_batch = on_batch
        self._user_id = ""
        self._batch: list[Record] = []
        self._characters = 0

    def take(self, user_id: str, record: Record, characters: int) -> None:
        full = len(self._batch) == _BATCH or self._characters > _MOST_CHARACTERS
        if user_id == STORE_USER and is_of_one_store(record):
            self.skipped += 1
            return
        if full or user_id != self._user_id:
            self.flush()
        self._user_id = user_id
        self._batch.append(record)
        self._characters += characters
        if user_id != STORE_USER:
            self.users[user_id] = None

    def flush(self) -> None:
        if self._batch:
            self.new += len(self._store.put_records(self._user_id, self._batch))
            self.records += len(self._batch)
            self._on_batch(len(self._batch))
        self._batch, self._characters = [], 0


def _read_header(store: Store, numbered: Iterator[tuple[int, str]]) -> None:
    number, line = next(numbered, (1, ""))
    try:
        header = _json(number, line)
    except StoreError:
        header = {}
    if header.get("format") != FORMAT:
        raise StoreError("line 1: this is not an export of turnfold")
    if header.get("version") != VERSION:
        raise SchemaMismatch(
            f"line 1: the export has version {header.get('version')!r}, this turnfold reads "
            f"version {VERSION}: use the one that wrote it, or a newer one"
        )
    embedding = header.get("embedding")
    if embedding is not None and store.binding is not None:
        try:
            model, dimension = str(embedding["model"]), int(embedding["dimension"])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"line 1: the embedding model is not told: {error!r}") from None
        store.bind(model, dimension)


def _json(number: int, line: str) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"line {number}: this is not JSON ({error})") from None
    if not isinstance(body, dict):
        raise StoreError(f"line {number}: an object was expected, not {type(body).__name__}")
    return body


def _record(number: int, body: dict[str, Any]) -> tuple[str, Record]:
    if body.keys() != _FIELDS:
        odd = ", ".join(sorted(body.keys() ^ _FIELDS))
        raise StoreError(f"line {number}: a record has other fields; look at {odd}")
    user_id = body.pop("user")
    record = Record(**body)
    try:
        check_user(user_id)
        encode_body(record)
        if record.kind == VECTOR_KIND:
            vector_of(record)
    except StoreError as error:
        raise StoreError(f"line {number}: {error}") from None
    return user_id, record


def _line(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"
