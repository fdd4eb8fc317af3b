"""Exchanges go in as they are completed; the history of a conversation comes out by its id."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from turnfold_stores import Record, Store, StoreUnavailable
from turnfold_stores.records.fields import Reading, messages_in

from turnfold.history.redaction import Redact, redacted
from turnfold.history.sendable import sendable
from turnfold.request.thinking import strip_thinking
from turnfold.resilience.worker_threads import current_task
from turnfold.scope import Scope

SAID_KIND = "said"
RESET_KIND = "reset"
# Between the name of a conversation and its generation: a character no one types.
_GENERATION = "\x1f"
_DIGITS = 10


def generation_name(name: str, generation: int) -> str:
    """What a generation of a conversation is called in the store; the first has the bare name."""
    return f"{name}{_GENERATION}{generation}" if generation else name


def present_name(store: Store, user_id: str, name: str) -> str:
    """What the present generation of a conversation is called in the store."""
    return generation_name(name, _resets(store, user_id, name))


def generations(store: Store, user_id: str, name: str) -> list[str]:
    """What all generations of a conversation are called in the store, the oldest first."""
    return [generation_name(name, n) for n in range(_resets(store, user_id, name) + 1)]


def bare_name(store: Store, user_id: str, conversation: str) -> str:
    """What a conversation was called by whoever named it, of whichever generation this is."""
    name, generation = _taken_apart(conversation)
    # Without as many resets the name was given as it is, not made.
    made = generation and generation <= _resets(store, user_id, name)
    return name if made else conversation


def is_alive(store: Store, user_id: str, conversation: str) -> bool:
    """Whether this is the present generation of its conversation."""
    name, generation = _taken_apart(conversation)
    # A generation that is to come has no resets before it: the name was given, not made.
    return _resets(store, user_id, name) <= generation


def alive_of(store: Store, user_id: str, conversations: Iterable[str]) -> list[str]:
    """Those of many conversations that are the present generation of theirs."""
    resets = Counter(one.conversation for one in store.ledger.scan(user_id, kind=RESET_KIND))
    parts = {one: _taken_apart(one) for one in conversations}
    return [one for one, (name, generation) in parts.items() if resets[name] <= generation]


def _taken_apart(conversation: str) -> tuple[str, int]:
    """The name and the generation; what only looks like them is a name."""
    name, mark, number = conversation.rpartition(_GENERATION)
    # As `generation_name` writes it. A number of many digits is nobody's count of resets.
    if mark and number.isascii() and number.isdecimal() and len(number) < _DIGITS:
        generation = int(number)
        if generation_name(name, generation) == conversation:
            return name, generation
    return conversation, 0


def _resets(store: Store, user_id: str, name: str) -> int:
    return sum(1 for _ in store.ledger.scan(user_id, kind=RESET_KIND, conversation=name))


def _begin_generation(store: Store, user_id: str, name: str) -> int:
    """Begin a generation of a conversation that is newer than all there are; its number."""
    while True:
        number = _resets(store, user_id, name) + 1
        while not store.ledger.put(user_id, [_reset(name, number)]):
            number += 1  # someone else began this one
        # Fewer than that where all of the user was forgotten on the way.
        generation = min(number, _resets(store, user_id, name))
        # What was written meanwhile by who did not know of it lies under one of the old numbers.
        scan = store.ledger.scan(user_id, conversation=generation_name(name, generation))
        if next(scan, None) is None:
            return generation


def _said_in(record: Record) -> list[dict[str, Any]]:
    """An exchange that was kept, as it can be sent.

    Older versions kept answers as they came, and a redaction may leave nothing of a text.
    """
    return sendable(messages_in(record.body))


def _reset(name: str, number: int) -> Record:
    return Record(f"reset:{name}:{number}", RESET_KIND, name, {})


class History:
    """The messages of one generation of a conversation of one user, kept in a store.

    A reset begins a new generation, a conversation of its own to all the rest of memory.

    Attributes:
        messages: all of them, in order; whoever changes them puts others in their place.
        unwritten: exchanges that were said and that nobody has begun to write, in order.
    """

    def __init__(
        self,
        store: Store,
        user_id: str,
        name: str,
        *,
        redact: Redact | None = None,
        generation: int | None = None,
    ) -> None:
        """Args:
        store: where it is kept.
        user_id: whose it is.
        name: which conversation.
        redact: what is done to texts before they are kept.
        generation: which one; by default the present one.
        """
        self._redact = redact
        self._store = store
        self._user_id = user_id
        self._name = name
        self._generation = _resets(store, user_id, name) if generation is None else generation
        self._length = 0
        self._is_redacted = False
        self.unwritten: list[Sequence[Mapping[str, Any]]] = []
        self._writing: int | None = None  # the process that is at it: a child made by fork is not
        self.messages = self._load()

    @property
    def scope(self) -> Scope:
        """The conversation in this generation."""
        return Scope(self._user_id, generation_name(self._name, self._generation))

    def _load(self) -> list[dict[str, Any]]:
        conversation = self.scope.conversation
        scan = self._store.ledger.scan(self._user_id, kind=SAID_KIND, conversation=conversation)
        reading, numbers, said = Reading(), [0], []
        for record in scan:
            # The first may have been forgotten; the numbers of the others stay.
            number = record.id.rpartition(":")[2]
            numbers.append(int(number) if number.isdecimal() else 0)
            said.append(reading.one(record, _said_in) or [])
        self._length = max(numbers)
        return [message for exchange in said for message in exchange]

    def is_latest(self) -> bool:
        """Whether nobody else has gone on with this conversation, begun it anew or forgotten it.

        Raises:
            StoreError: the store could not be read.
        """
        if self._is_writing:  # what comes next may be this one's own
            return self._is_present()
        name = self._next_name()
        return self._is_present() and name not in self._store.ledger.get(self._user_id, [name])

    def write(self, *, withdraws: bool = False) -> bool:
        """Keep in the store what is `unwritten`. Each exchange is tried once.

        A step of `WorkerThreads` that was left begins with no other; the one it was in the middle
        of stands.

        Args:
            withdraws: whether that is deleted again, since nothing was said.

        Returns:
            False where someone else has gone on with this conversation in the meantime, begun it
            anew or forgotten it.

        Raises:
            StoreError: the store could not be written.
        """
        if self._is_writing:
            raise StoreUnavailable("the exchange before it is still being written")
        self._writing = os.getpid()
        try:
            while self.unwritten and not _is_left():
                if not self._put(self.unwritten.pop(0), withdraws=withdraws):
                    self.unwritten.clear()
                    return False
            return True
        finally:
            self._writing = None

    def _put(self, exchange: Sequence[Mapping[str, Any]], *, withdraws: bool) -> bool:
        name, conversation = self._next_name(), self.scope.conversation
        body = {"messages": self._as_kept(exchange)}
        record = Record(name, SAID_KIND, conversation, body, at=time.time())
        if name not in self._store.ledger.put(self._user_id, [record]):
            return False
        self._length += 1
        stands = True
        # Only what is looked at once it is written misses no reset. It is kept by now: where it
        # cannot be looked at, the next turn does.
        with suppress(Exception):  # a store may raise anything
            stands = self._is_present()
        if stands and not (withdraws and _is_left()):
            return True
        self._store.ledger.delete(self._user_id, [name])
        self._length -= 1
        return False

    @property
    def _is_writing(self) -> bool:
        """Whether a step that nobody waits for is still writing an exchange."""
        return self._writing == os.getpid()

    def anew(self) -> History:
        """A new generation's, which is the present one from then on.

        Raises:
            StoreError: the store could not be written.
        """
        store, user_id, name = self._store, self._user_id, self._name
        generation = _begin_generation(store, user_id, name)
        return History(store, user_id, name, redact=self._redact, generation=generation)

    def _next_name(self) -> str:
        return f"said:{self.scope.conversation}:{self._length + 1}"

    def _is_present(self) -> bool:
        """Whether there were as many resets as when it began: no newer one, and its own yet."""
        return _resets(self._store, self._user_id, self._name) == self._generation

    def _as_kept(self, exchange: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Redacted. From the first text that this changes, thinking is left out.

        It is bound to the texts as they were sent, and whoever resumes sends what is kept.
        """
        said = [dict(message) for message in exchange]
        if self._redact is None:
            return said
        kept = [redacted(message, self._redact) for message in said]
        self._is_redacted = self._is_redacted or kept != said
        return strip_thinking(kept) if self._is_redacted else kept


def _is_left() -> bool:
    """Whether this code is part of a step that nobody waits for any more."""
    task = current_task()
    return task is not None and task.left
