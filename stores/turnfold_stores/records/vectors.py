"""Vectors: how they are checked, and how the ledger keeps them.

The index is derived. The ledger keeps each vector as a record, so that the index can be
rebuilt without embedding anything again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TYPE_CHECKING

from turnfold_stores.errors import InvalidValue, StoreCorrupt, StoreError
from turnfold_stores.lazy_numpy import np
from turnfold_stores.protocols import Entry, Record, Vector
from turnfold_stores.records.validation import check_text

if TYPE_CHECKING:
    import numpy.typing as npt

VECTOR_KIND = "vector"
STAGED_KIND = "staged vector"
"""A vector of the model that a store is being re-indexed with; see `upkeep.reindexing`."""
# How far from 1 the length of a unit vector may be, in float32 and after years.
_TOLERANCE = 1e-3
_LEAST_LENGTH, _MOST_LENGTH = 1e-30, 1e30
# Of an id, everywhere: what the ledger has, every index must be able to take.
MOST_ID_BYTES = 65_535
_PREFIX = "vector:"
_STAGED_PREFIX = "staged:"


def vector_record(entry_id: str, conversation: str, vector: Vector, *, model: str) -> Record:
    """The ledger's record of the vector of entry `entry_id`.

    Args:
        entry_id: the id of the entry in the index; the record's id is "vector:" before it.
        conversation: the conversation of the entry.
        vector: shape (dimension,); stored as float32 of unit length.
        model: the name of the embedding model.

    Raises:
        InvalidValue: the vector has no direction (see `unit`).
    """
    direction = unit(vector, what=f"the vector of {entry_id!r}")
    body = {
        "model": model,
        "dimension": int(direction.size),
        "float32": base64.b64encode(to_bytes(direction)).decode("ascii"),
    }
    return Record(vector_record_id(entry_id), VECTOR_KIND, conversation, body)


def vector_record_id(entry_id: str) -> str:
    """The id of the ledger's record of the vector of entry `entry_id`."""
    return _PREFIX + entry_id


def staged_record_id(entry_id: str) -> str:
    """The id of the ledger's record of the vector that entry `entry_id` is to have."""
    return _STAGED_PREFIX + entry_id


def is_vector_id(record_id: str) -> bool:
    """Whether it is an id of the records of vectors, staged or not, and of no others."""
    return record_id.startswith((_PREFIX, _STAGED_PREFIX))


def entry_id_of(record: Record) -> str:
    """The id of the index entry that this vector record, staged or not, belongs to."""
    return record.id.removeprefix(_STAGED_PREFIX if record.kind == STAGED_KIND else _PREFIX)


def vector_of(record: Record) -> Vector:
    """The vector of a record made by `vector_record`: float32, shape (dimension,), unit length.

    Raises:
        StoreCorrupt: the record holds no such vector.
    """
    try:
        vector = from_bytes(base64.b64decode(record.body["float32"], validate=True))
        complete = vector.size == record.body["dimension"]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise StoreCorrupt(f"record {record.id!r} holds no vector: {error!r}") from error
    if not complete:
        raise StoreCorrupt(f"record {record.id!r} holds a vector of {vector.size} numbers")
    try:
        what = f"the vector of record {record.id!r}"
        _check_length(float(_lengths(_shaped(vector, what=what)[np.newaxis])[0]), what=what)
    except StoreError as error:
        raise StoreCorrupt(str(error)) from error
    return vector


def entry_of(record: Record, *, dimension: int | None = None) -> Entry:
    """The index entry that a vector record was made of.

    Args:
        record: staged or not.
        dimension: what its vector must have; None for any.

    Raises:
        StoreCorrupt: it is no record of such a vector.
    """
    entry_id = entry_id_of(record)
    if not entry_id or record.id == entry_id:
        raise StoreCorrupt(f"record {record.id!r} is a vector, but its id says of nothing")
    vector = vector_of(record)
    if dimension not in (None, vector.size):
        raise StoreCorrupt(
            f"record {record.id!r} holds a vector of {vector.size} numbers in a store of vectors "
            f"of {dimension}"
        )
    return Entry(entry_id, record.conversation, vector)


def to_bytes(vector: Vector) -> bytes:
    """Little-endian float32, the same on every machine."""
    return vector.astype("<f4").tobytes()


def from_bytes(packed: bytes) -> Vector:
    """The inverse of `to_bytes`; the result may be written to."""
    return np.frombuffer(packed, dtype="<f4").astype(np.float32)


def unit(vector: Vector, *, what: str = "the vector") -> Vector:
    """The vector scaled to unit length, float32, shape (dimension,).

    Raises:
        InvalidValue: it is not one-dimensional, is empty, all zero, or not finite; `what` names it.
    """
    matrix = _shaped(vector, what=what)[np.newaxis]
    lengths = _lengths(matrix)
    _check_length(float(lengths[0]), what=what)
    scaled: Vector = _scaled(matrix, lengths)[0]
    return scaled


def are_unit(matrix: Vector) -> npt.NDArray[np.bool_]:
    """Which rows are unit vectors, as everything that was written is; damage seldom is one."""
    # What is not finite is no damage to warn of, but damage to tell.
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
        return np.asarray(np.abs(lengths - 1.0) < _TOLERANCE)


def checked(entries: Iterable[Entry], *, dimension: int | None = None) -> list[Entry]:
    """The entries with unit vectors, the last of each id only, ready to be written.

    Args:
        entries: what was given to `Index.put`.
        dimension: what the user's vectors have already; None when there are none.

    Raises:
        InvalidValue: an id is empty, a vector has no direction, or dimensions differ.
    """
    by_id: dict[str, Entry] = {}
    arrays: dict[str, Vector] = {}
    for entry in entries:
        _check_names(entry)
        array = np.asarray(entry.vector, dtype=np.float32)
        if array.ndim != 1 or array.size == 0:
            array = _shaped(array, what=f"the vector of {entry.id!r}")
        dimension = array.size if dimension is None else dimension
        if array.size != dimension:
            raise InvalidValue(
                f"the vector of {entry.id!r} has {array.size} numbers where the others have "
                f"{dimension}: vectors of two embedding models do not mix"
            )
        by_id[entry.id] = entry
        arrays[entry.id] = array
    if not by_id:
        return []
    # All at once: one by one it would take longer than the search engine does.
    matrix = np.stack(list(arrays.values()))
    lengths = _lengths(matrix)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        for entry_id, length in zip(by_id, lengths.tolist(), strict=True):
            _check_length(length, what=f"the vector of {entry_id!r}")
    rows = zip(by_id.values(), _scaled(matrix, lengths), strict=True)
    return [Entry(entry.id, entry.conversation, row) for entry, row in rows]


def _check_names(entry: Entry) -> None:
    check_text(entry.id, what="the id of an entry")
    if not entry.id:
        raise InvalidValue("an entry needs an id that is not empty")
    if 4 * len(entry.id) > MOST_ID_BYTES and len(entry.id.encode()) > MOST_ID_BYTES:
        raise InvalidValue(f"the id of an entry must have at most {MOST_ID_BYTES:,} bytes")
    if type(entry.conversation) is not str or not entry.conversation.isascii():
        check_text(entry.conversation, what=f"conversation of entry {entry.id!r}")


def _shaped(vector: Vector, *, what: str) -> Vector:
    array = np.asarray(vector, dtype=np.float32)
    if array.ndim != 1 or array.size == 0:
        raise InvalidValue(f"{what} must have shape (dimension,), not {array.shape}")
    return array


def _lengths(matrix: Vector) -> npt.NDArray[np.float64]:
    """Of each row; the same number whatever the other rows are."""
    exact = matrix.astype(np.float64)
    lengths: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    return lengths


def _scaled(matrix: Vector, lengths: npt.NDArray[np.float64]) -> Vector:
    """Each row divided by its length."""
    if np.all((lengths > _LEAST_LENGTH) & (lengths < _MOST_LENGTH)):
        return np.asarray(matrix / lengths.astype(np.float32)[:, np.newaxis], dtype=np.float32)
    # A length that float32 holds badly, or not at all, of numbers that it holds.
    return np.asarray(matrix / lengths[:, np.newaxis], dtype=np.float32)


def _check_length(length: float, *, what: str) -> None:
    if not np.isfinite(length):
        raise InvalidValue(f"{what} holds a number that is not finite")
    if length == 0.0:
        raise InvalidValue(f"{what} is all zeros: it has no direction, so nothing is near it")
