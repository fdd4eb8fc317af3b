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

from turnfold_stores.errors import SchemaMismatch, StoreCorrupt, StoreError
from turnfold_stores.protocols import Record, Unreadable
from turnfold_stores.records.fields import Reading
from turnfold_stores.records.model_binding import BOUND, STORE_USER, Binding, binding_of
from turnfold_stores.records.validation import check_user, encode_body
from turnfold_stores.records.vectors import (
    STAGED_KIND,
    VECTOR_KIND,
    checked,
    entry_of,
    is_vector_id,
)
from turnfold_stores.remote import is_of_one_store
from turnfold_stores.store import Store

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


def export_lines(
    store: Store, *, on_damaged: Callable[[Record], None] = lambda _: None
) -> Iterator[str]:
    """The store, line by line, each with its line break; users in the order of their names.

    Of each user it shows what was there when the reading of that user began. A record that is
    damaged so that it is no JSON any more is left out, and warned of.

    Args:
        store: what is read.
        on_damaged: told of each record that is left out.

    Raises:
        StoreError: the store cannot be read.
    """
    reading = Reading()
    try:
        binding = store.binding
    except StoreCorrupt:
        binding = None  # its record is told of below, and the vectors tell it
    embedding = binding and {"model": binding.model, "dimension": binding.dimension}
    yield _line({"format": FORMAT, "version": VERSION, "embedding": embedding})
    count = 0
    # What the store knows of itself goes first: vectors are not written before their model.
    for user_id in [STORE_USER, *sorted(store.users())]:
        for record in store.ledger.scan(user_id):
            if user_id == STORE_USER and is_of_one_store(record):
                continue
            if (wrong := _damage_of(record, user_id)) is not None:
                reading.tell(record, wrong)
                on_damaged(record)
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


def _damage_of(record: Record, user_id: str) -> str | None:
    """Why a record cannot be written as a line that is read again; None where it can."""
    if isinstance(record.body, Unreadable):
        return str(record.body)
    if user_id == STORE_USER and record.id == BOUND and binding_of(record.body) is None:
        return "it tells no embedding model"
    return None


def import_lines(
    store: Store,
    lines: Iterable[str | bytes],
    *,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Transferred:
    """Write what `export_lines` gave into a store.

    First write wins: what the store has stays, so an import that broke off is simply run again.
    Each batch of records is written whole or not at all, vectors into the index too.

    Args:
        store: where to write; need not be empty.
        lines: with or without line breaks; bytes are UTF-8.
        on_batch: told how many records were just written.

    Raises:
        SchemaMismatch: the store holds vectors of another embedding model, or a newer turnfold
            wrote the lines; nothing is written.
        StoreError: a line is not what it should be, or the last one is missing. Says which;
            what stands in the batches before it is stored, and nothing of its own batch.
    """
    numbered = enumerate(lines, 1)
    done = _Import(store, _read_header(store, numbered), on_batch)
    for number, line in numbered:
        body = _json(number, line)
        if "end" in body:
            done.flush()
            if body["end"] != (found := done.records + done.skipped):
                raise StoreError(
                    f"line {number}: {body['end']!r:.20} records were exported, {found} are here: "
                    "the file is not whole"
                )
            _check_nothing_follows(numbered)
            return Transferred(tuple(done.users), done.records, done.new)
        done.take(number, body, len(line))
    done.flush()
    raise StoreError(
        f"the file ends after {done.records} records, without the line that says it is whole. "
        "What was there is stored; export once more, and import that"
    )


class _Import:
    """Records on their way into a store, each checked whole before any of its batch is written."""

    def __init__(
        self, store: Store, embedding: Binding | None, on_batch: Callable[[int], None]
    ) -> None:
        self.users: dict[str, None] = {}
        self.records = self.new = self.skipped = 0
        self._store = store
        self._embedding = embedding
        self._on_batch = on_batch
        self._user_id = ""
        self._batch: list[Record] = []
        self._first = self._last = 0
        self._characters = 0

    def take(self, number: int, body: dict[str, Any], characters: int) -> None:
        try:
            user_id, record = self._checked(body)
        except StoreError as error:
            # Not the store is damaged, where that is what it says, but the line.
            raise StoreError(f"line {number}: {error}") from None
        if user_id == STORE_USER and is_of_one_store(record):
            self.skipped += 1
            return
        full = len(self._batch) == _BATCH or self._characters > _MOST_CHARACTERS
        if full or user_id != self._user_id:
            self.flush()
        self._user_id = user_id
        self._first = number if not self._batch else self._first
        self._last = number
        self._batch.append(record)
        self._characters += characters
        if user_id != STORE_USER:
            self.users[user_id] = None

    def flush(self) -> None:
        if self._batch:
            try:
                if any(record.kind == VECTOR_KIND for record in self._batch):
                    self._bind()
                self.new += len(self._store.put_records(self._user_id, self._batch))
            except StoreError as error:
                raise type(error)(f"{self._place}: {error}") from error
            self.records += len(self._batch)
            self._on_batch(len(self._batch))
        self._batch, self._characters = [], 0

    @property
    def _place(self) -> str:
        if self._first == self._last:
            return f"line {self._first}"
        return f"lines {self._first} to {self._last}"

    def _bind(self) -> None:
        """Have the store know its model before it has a vector, whatever the lines say of it."""
        if self._embedding is not None:
            self._store.bind(self._embedding.model, self._embedding.dimension)

    def _checked(self, body: dict[str, Any]) -> tuple[str, Record]:
        if body.keys() != _FIELDS:
            odd = ", ".join(sorted(body.keys() ^ _FIELDS))
            raise StoreError(f"a record has other fields; look at {odd:.200}")
        user_id = body.pop("user")
        record = Record(**body)
        check_user(user_id)
        encode_body(record)
        if record.kind in {VECTOR_KIND, STAGED_KIND}:
            checked([entry_of(record)])
            self._check_model(record)
        elif is_vector_id(record.id):
            raise StoreError(f"record {record.id!r} has the id of a vector, and is none")
        if user_id == STORE_USER and record.id == BOUND:
            self._check_bound(record)
        return user_id, record

    def _check_model(self, record: Record) -> None:
        """All vectors of a store are of one model, and so long as that makes them."""
        told = binding_of(record.body)
        if told is None:
            raise StoreError(f"record {record.id!r} does not tell the model of its vector")
        if record.kind == STAGED_KIND:
            return  # of the model that is to come
        self._embedding = self._embedding or told
        if told != self._embedding:
            raise StoreError(
                f"record {record.id!r} holds a vector of {told.model!r} ({told.dimension} "
                f"numbers) among vectors of {self._embedding.model!r} "
                f"({self._embedding.dimension} numbers)"
            )

    def _check_bound(self, record: Record) -> None:
        told = binding_of(record.body)
        if told is None or (self._embedding is not None and told != self._embedding):
            raise StoreError(
                f"record {record.id!r} tells another embedding model than the first line"
            )
        self._embedding = told


def _read_header(store: Store, numbered: Iterator[tuple[int, str | bytes]]) -> Binding | None:
    """The embedding model of the vectors that follow; None where none is told."""
    number, line = next(numbered, (1, ""))
    try:
        header = _json(number, line)
    except StoreError:
        header = {}
    if header.get("format") != FORMAT:
        raise StoreError("line 1: this is not an export of turnfold")
    if header.get("version") != VERSION:
        raise SchemaMismatch(
            f"line 1: the export has version {header.get('version')!r:.20}, this turnfold reads "
            f"version {VERSION}: use the one that wrote it, or a newer one"
        )
    embedding = header.get("embedding")
    told = binding_of(embedding)
    if embedding is not None and told is None:
        raise StoreError("line 1: the embedding model is not told as it should be")
    if told is not None and store.binding is not None:
        store.bind(told.model, told.dimension)
    return told or store.binding


def _check_nothing_follows(numbered: Iterator[tuple[int, str | bytes]]) -> None:
    for number, line in numbered:
        if line.strip():
            raise StoreError(
                f"line {number}: something follows the line that says where the export ends; "
                "what stands before it is stored. Import files one by one"
            )


def _json(number: int, line: str | bytes) -> dict[str, Any]:
    try:
        body = json.loads(line if isinstance(line, str) else line.decode())
    except UnicodeDecodeError as error:
        raise StoreError(f"line {number}: this is not UTF-8 ({error.reason})") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"line {number}: this is not JSON ({error})") from None
    if not isinstance(body, dict):
        raise StoreError(f"line {number}: an object was expected, not {type(body).__name__}")
    return body


def _line(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"
