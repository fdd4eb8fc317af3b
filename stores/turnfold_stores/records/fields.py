"""The body of a record goes in; its fields come out, whichever version of turnfold wrote it.

A field nobody knows here is ignored: a newer version has written it. One that is not there has
a default: an older version did not write it. One that is of another type than it should be
makes the record damaged. A damaged record is left out and told of; it stops nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from turnfold_stores.protocols import Record, Unreadable

logger = logging.getLogger("turnfold")

_T = TypeVar("_T")

# What reading a body of the wrong shape may raise.
_WRONG = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)


class DamagedError(ValueError):
    """A record does not hold what one of its kind holds."""


class Fields:
    """The fields of a JSON object, each read as what it has to be."""

    def __init__(self, body: object) -> None:
        """Raises:
        DamagedError: it is no object.
        """
        if isinstance(body, Unreadable):
            raise DamagedError(str(body))
        if not isinstance(body, Mapping):
            raise DamagedError(f"an object was expected, not {type(body).__name__}")
        self._body = body

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self._body.get(name, default)
        return value if isinstance(value, str) else self._wrong(name, "a text")

    def whole(self, name: str, default: int = 0, *, least: int = 0) -> int:
        """A whole number, not below the least."""
        value = self._body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._wrong(name, f"a whole number of at least {least}")
        return int(value)

    def number(self, name: str, default: float = 0.0) -> float:
        """A finite number."""
        value = self._body.get(name, default)
        return float(value) if is_number(value) else self._wrong(name, "a number")

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._body.get(name, default)
        return value if isinstance(value, bool) else self._wrong(name, "true or false")

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(texts_in(self._body.get(name, ())))

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        values = self.rows(name)
        if not all(isinstance(one, int) and not isinstance(one, bool) for one in values):
            self._wrong(name, "a list of whole numbers")
        return tuple(values)

    def rows(self, name: str) -> Sequence[Any]:
        """A list of anything."""
        value = self._body.get(name, ())
        return value if isinstance(value, list | tuple) else self._wrong(name, "a list")

    def inner(self, name: str) -> Fields:
        """The fields of an object within."""
        return Fields(self._body.get(name, {}))

    def numbers(self, name: str) -> dict[str, float]:
        """An object of numbers."""
        value = self._body.get(name, {})
        if not isinstance(value, Mapping) or not all(map(is_number, value.values())):
            self._wrong(name, "an object of numbers")
        return dict(value)

    def _wrong(self, name: str, wanted: str) -> Any:
        raise DamagedError(f"{name!r} is not {wanted}")


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def texts_in(body: object) -> list[str]:
    """A body that is a list of texts.

    Raises:
        DamagedError: it is none.
    """
    if not isinstance(body, list | tuple) or not all(isinstance(one, str) for one in body):
        raise DamagedError("a list of texts was expected")
    return list(body)


def messages_in(body: object) -> list[Mapping[str, Any]]:
    """The messages of an exchange as it is stored.

    Raises:
        DamagedError: there are none, or one is no message.
    """
    messages = Fields(body).rows("messages")
    if not messages:
        raise DamagedError("there are no messages")
    for message in messages:
        role, content = (Fields(message).text("role"), message.get("content", ""))
        if not role or not isinstance(content, str | list | None):
            raise DamagedError("a message is an object with a role and content")
    return list(messages)


class Reading:
    """Reads records, leaves out those that are damaged, and remembers which.

    Attributes:
        damaged: what is wrong with each, by id.
    """

    def __init__(self) -> None:
        self.damaged: dict[str, str] = {}

    def one(self, record: Record | None, read: Callable[[Record], _T]) -> _T | None:
        """What a record tells; None where there is none, or it is damaged."""
        if record is None:
            return None
        if isinstance(record.body, Unreadable):
            self.tell(record, str(record.body))
            return None
        try:
            return read(record)
        except _WRONG as wrong:
            self.tell(record, wrong)
            return None

    def all(
        self, records: Iterable[Record], read: Callable[[Record], _T]
    ) -> Iterator[tuple[Record, _T]]:
        """Those records that can be read, each with what it tells."""
        for record in records:
            told = self.one(record, read)
            if told is not None:
                yield record, told

    def tell(self, record: Record, wrong: Exception | str) -> None:
        """Note that a record is damaged, and warn of it the first time."""
        if record.id not in self.damaged:
            self.damaged[record.id] = str(wrong)
            logger.warning("a damaged %s record is left out: %s: %s", record.kind, record.id, wrong)
