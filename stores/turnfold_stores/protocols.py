"""What a store is: a ledger of records and an index of vectors, each walled by `user_id`.

A new store implements `Ledger`, `Index` or both, and proves it with
`turnfold_stores.conformance`. Nothing here knows what a chat is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from turnfold_stores.lazy_numpy import np

if TYPE_CHECKING:
    import numpy.typing as npt

Vector: TypeAlias = "npt.NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for the body of a record that was damaged; no JSON, so no ledger takes it.

    Attributes:
        columns: what of the record cannot be read: "body", "text", "id" and so on.
        raw: body and text as far as they are text, to look for names in.
    """

    columns: tuple[str, ...] = ("body",)
    raw: str = field(default="", repr=False)

    def __str__(self) -> str:
        """What is wrong, in words."""
        return f"its {' and '.join(self.columns)} cannot be read"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the ledger. Written once, never changed.

    Attributes:
        id: unique within a `user_id`; not empty.
        kind: what the record is, e.g. "passage"; `scan` filters on it.
        conversation: the conversation it belongs to; "" when it belongs to none.
        body: JSON: str, int, float, bool, None, and lists and str-keyed dicts of these; where it
            was read and is none any more, `Unreadable`.
        text: what lexical search reads; "" keeps the record out of it.
        at: seconds since the epoch, UTC; 0.0 when unknown.
    """

    id: str
    kind: str
    conversation: str
    body: Any = None
    text: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One vector of the index.

    Attributes:
        id: unique within a `user_id`; not empty.
        conversation: the conversation it belongs to.
        vector: float32, shape (dimension,), unit length.
    """

    id: str
    conversation: str
    vector: Vector = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result.

    Attributes:
        id: of the record or the entry.
        score: higher is better; cosine similarity for vectors.
        conversation: the one it belongs to, which saves whoever asks a look-up; None where the
            search did not read it.
    """

    id: str
    score: float
    conversation: str | None = field(default=None, compare=False)


@runtime_checkable
class Ledger(Protocol):
    """The durable record. Every method raises `StoreError` where it cannot keep its word.

    A row that is damaged is given as a record whose body is `Unreadable`; it ends no reading of
    the others, and can be deleted by the id that it is given with.
    """

    def put(self, user_id: str, records: Iterable[Record]) -> set[str]:
        """Store all records or none; the first write of an id wins. Return the new ids."""
        ...

    def get(self, user_id: str, ids: Iterable[str]) -> Mapping[str, Record]:
        """The records that exist, by id; unknown ids are absent."""
        ...

    def scan(
        self, user_id: str, *, kind: str | None = None, conversation: str | None = None
    ) -> Iterator[Record]:
        """Records in the order they were written; None means any."""
        ...

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """Remove records; unknown ids are ignored. A removed id may be written again."""
        ...

    def users(self) -> Iterator[str]:
        """Every user_id that has a record."""
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is harmless."""
        ...


@runtime_checkable
class TextSearch(Protocol):
    """Lexical search, declared by the ledgers that have it."""

    def match(self, user_id: str, text: str, *, conversation: str | None = None) -> Iterator[Hit]:
        """Records whose `text` shares words with `text`, best first, read lazily."""
        ...


@runtime_checkable
class RefreshesWords(Protocol):
    """Declared by ledgers that keep how words were read, and do not see to all at opening."""

    def refresh_words(self, user_id: str) -> int:
        """Read a user's words anew where another version of turnfold read them; how many texts.

        `TextSearch.match` does so by itself, for the user that is searched.
        """
        ...


@runtime_checkable
class Index(Protocol):
    """Vectors, searched by cosine similarity. Derived: it can be rebuilt from the ledger."""

    def put(self, user_id: str, entries: Iterable[Entry]) -> None:
        """Insert or replace. Within a user all vectors have one dimension."""
        ...

    def nearest(
        self, user_id: str, vector: Vector, *, conversation: str | None = None
    ) -> Iterator[Hit]:
        """Entries by similarity to `vector`, best first, read lazily: take what you need."""
        ...

    def ids(self, user_id: str) -> set[str]:
        """Every id the index holds for this user."""
        ...

    def delete(self, user_id: str, ids: Iterable[str]) -> None:
        """Remove entries; unknown ids are ignored."""
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is harmless."""
        ...


@runtime_checkable
class WritesTogether(Protocol):
    """Declared by ledgers that can make one write of several."""

    def together(self) -> AbstractContextManager[object]:
        """What this thread writes within it is written whole or not at all."""
        ...


@runtime_checkable
class PurgesLedger(Protocol):
    """Declared by ledgers that write files, where a deletion leaves bytes behind."""

    def purge(self) -> None:
        """Make sure that nothing which was deleted is left in the files.

        Raises:
            StoreUnavailable: another process keeps the files busy; nothing is lost, try again.
        """
        ...


@runtime_checkable
class PurgesIndex(Protocol):
    """Declared by indexes that write files of their own, where a deletion leaves bytes behind."""

    def purge(self, user_id: str, entries: Iterable[Entry]) -> None:
        """Build this user's part anew, so that nothing else of theirs is left in the files.

        Args:
            user_id: whose.
            entries: all there is of them from then on.
        """
        ...


@runtime_checkable
class ListsUsers(Protocol):
    """Declared by indexes that know whose vectors they hold."""

    def users(self) -> set[str]:
        """Every user_id that has a vector."""
        ...


@runtime_checkable
class ReadsLatest(Protocol):
    """Reading from the end, declared by the ledgers that can."""

    def latest(self, user_id: str, *, kind: str, conversation: str) -> Record | None:
        """The last record of a kind that was written for a conversation; None for none."""
        ...


def latest_record(ledger: Ledger, user_id: str, *, kind: str, conversation: str) -> Record | None:
    """The last record of a kind that was written for a conversation; None for none.

    A ledger that cannot read from the end is scanned.
    """
    if isinstance(ledger, ReadsLatest):
        return ledger.latest(user_id, kind=kind, conversation=conversation)
    last = None
    for last in ledger.scan(user_id, kind=kind, conversation=conversation):  # noqa: B007
        pass
    return last


@runtime_checkable
class ReadsConversations(Protocol):
    """Reading of which conversation records are, declared by the ledgers that can do just that."""

    def conversations(self, user_id: str, ids: Iterable[str]) -> dict[str, str]:
        """The conversation of each record, by its id; of those there are."""
        ...


def conversations_of(ledger: Ledger, user_id: str, ids: Iterable[str]) -> dict[str, str]:
    """The conversation of each record, by its id; of those there are.

    Of a ledger that cannot read just that, whole records are read.
    """
    if isinstance(ledger, ReadsConversations):
        return ledger.conversations(user_id, ids)
    return {name: record.conversation for name, record in ledger.get(user_id, ids).items()}


@runtime_checkable
class ReadsLatestIds(Protocol):
    """Reading the ends of many conversations at once, declared by the ledgers that can."""

    def latest_ids(
        self, user_id: str, *, kind: str, conversations: Sequence[str]
    ) -> dict[str, str]:
        """The id of the last record of a kind, by conversation; of those that have one."""
        ...


def latest_ids(
    ledger: Ledger, user_id: str, *, kind: str, conversations: Sequence[str]
) -> dict[str, str]:
    """The id of the last record of a kind, by conversation; of those that have one.

    A ledger that cannot read many ends at once is asked for one after the other.
    """
    if isinstance(ledger, ReadsLatestIds):
        return ledger.latest_ids(user_id, kind=kind, conversations=conversations)
    found = {
        name: latest_record(ledger, user_id, kind=kind, conversation=name) for name in conversations
    }
    return {name: record.id for name, record in found.items() if record is not None}


@runtime_checkable
class ChecksItself(Protocol):
    """Declared by ledgers that can tell whether their files are sound."""

    def check(self) -> list[str]:
        """What is wrong with the files, in words; [] for nothing."""
        ...


@runtime_checkable
class ChecksVectors(Protocol):
    """Declared by indexes that can tell which of their vectors are none any more."""

    def unsound(self, user_id: str) -> set[str]:
        """Ids whose vectors are damaged; they can be written anew from the ledger."""
        ...
