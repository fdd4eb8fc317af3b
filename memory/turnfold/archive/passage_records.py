"""Passages of exchanges, and their vectors, which are owed until they are there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

from turnfold_stores import Entry, Store
from turnfold_stores.records.fields import texts_in

from turnfold.archive.exchange_records import ExchangeRecords
from turnfold.archive.passages import (
    Passage,
    RecalledPassage,
    content_of,
    passages_of,
    place_of,
)
from turnfold.archive.plans import (
    RecalledRef,
    plan_id,
)
from turnfold.archive.tombstones import Tombstones
from turnfold.embedders import Embedder
from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import utterances

# Passages embedded at a time. An embedder serves one caller at a time: a turn that has a query
# to embed should not wait for the whole of a long history.
_EMBEDDED_AT_ONCE = 64
_EMBEDDED_IN_HASTE = 16


class PassageRecords(ExchangeRecords):
    """The passages of a conversation."""

    def store_passages(
        self, exchanges: Sequence[Exchange], *, first: int, one: bool = False
    ) -> None:
        """Store the passages of exchanges, and that their vectors are owed.

        A passage is dated as its exchange is.

        Args:
            exchanges: a run of a path.
            first: number of the first of them on the path, from 1.
            one: whether they are steps of one exchange, which has that number.

        Raises:
            StoreError: the ledger could not be written; nothing was.
        """
        exchanges = list(exchanges)
        passages = {
            passage.id: passage
            for turn, exchange in enumerate(exchanges, first)
            for passage in passages_of(exchange, first if one else turn)
        }
        if not passages:
            return
        now = self.clock()
        times = self._times(exchanges)
        records = [
            passage.to_record(self.scope.conversation, times.get(passage.content_id, now))
            for passage in passages.values()
        ]
        owed = self._record(f"owed:{next(iter(passages))}", "owed", list(passages), at=now)
        self._put([*records, owed])

    def store_indexed(self, name: str) -> None:
        """Write that the passages of a fold that is being prepared are stored, and indexed."""
        self._put([self._record(f"indexed:{name}", "indexed", {})])

    def is_indexed(self, name: str) -> bool:
        """Whether the passages of a fold that was prepared are stored, and indexed or owed."""
        return bool(self.records([f"indexed:{name}"]))

    def _times(self, exchanges: Sequence[Exchange]) -> dict[str, float]:
        """When exchanges were said, by content id, where known.

        A closed exchange is first seen with the opening after it, maybe days later, so the plan
        of its own opening tells better; a time that was told is earlier than both.
        """
        plans = {plan_id(one): one.content_id for one in exchanges}
        records = self.records([*plans, *plans.values()])
        times: dict[str, float] = {}
        for name, record in records.items():
            content = plans.get(name, name)
            times[content] = min(record.at, times.get(content, record.at))
        return times

    def embed_owed(
        self,
        embedder: Embedder,
        told: Callable[[int, int], None] = lambda _done, _of: None,
        *,
        seconds: float = math.inf,
    ) -> int:
        """Give their vectors to all passages of the conversation that have none yet.

        They are embedded and written so many at a time: what is written is not embedded again.

        Those of a fold are owed from the moment they are stored; what an embedder or an index
        failed at, or a crash left, is made up for when the conversation next folds or recalls.

        Args:
            embedder: makes the vectors.
            told: called with how many passages have theirs, and of how many.
            seconds: begin no more after so many; the rest stays owed.

        Returns:
            How many passages are still without one.

        Raises:
            StoreError: the store could not be read or written.
            SchemaMismatch: the store has been re-indexed with another model.
            EmbedderError: or whatever the embedder raises; what is owed stays owed.
        """
        self.store.check_model(embedder.model)
        user_id, conversation = self.scope.user_id, self.scope.conversation
        scan = self.store.ledger.scan(user_id, kind="owed", conversation=conversation)
        debts = {
            record.id: names
            for record, names in self.reading.all(scan, lambda record: texts_in(record.body))
        }
        if not debts:
            return 0
        ends = time.monotonic() + seconds
        at_once = _EMBEDDED_AT_ONCE if seconds == math.inf else _EMBEDDED_IN_HASTE
        names = dict.fromkeys(name for body in debts.values() for name in body)
        have = self.store.index_again(user_id, names)
        stored = self._read([name for name in names if name not in have], Passage.from_record)
        todo = [name for name in names if name in stored]
        for start in range(0, len(todo), at_once):
            if start and time.monotonic() > ends:
                return len(todo) - start
            batch = todo[start : start + at_once]
            vectors = embedder.embed([stored[name].text for name in batch])
            entries = [
                Entry(name, conversation, vector)
                for name, vector in zip(batch, vectors, strict=True)
            ]
            self.store.put_vectors(user_id, entries, model=embedder.model)
            forget_vectors(self.store, user_id, batch)
            told(start + len(batch), len(todo))
        self.store.ledger.delete(user_id, debts)
        return 0

    def recalled_passages(self, shown: Iterable[RecalledRef]) -> list[RecalledPassage]:
        """The passages of a plan."""
        shown = list(shown)
        places = {one.id: place_of(one.id) for one in shown}
        pieces = [name for name, (_, _, piece) in places.items() if piece is not None]
        passages = self._read(pieces, Passage.from_record)
        whole = [content for name, (content, _, _) in places.items() if name not in passages]
        messages = self.paths.messages(whole)
        found: list[RecalledPassage] = []
        for one in shown:
            content_id, number, _ = places[one.id]
            said = utterances(messages.get(content_id, ()))[number : number + 1]
            if one.id in passages:
                found.append(RecalledPassage(passages[one.id], one.turn, one.score))
            elif said:
                passage = Passage(one.id, content_id, said[0].source, said[0].text, one.turn)
                found.append(RecalledPassage(passage, one.turn, one.score))
        return found


def forget_vectors(store: Store, user_id: str, passages: Iterable[str]) -> None:
    """Take back vectors just written of passages that were forgotten while they were embedded.

    Whoever forgets sets tombstones before anything else: a vector that is older is found there.

    Args:
        store: where they are.
        user_id: whose.
        passages: their ids.

    Raises:
        StoreError: the store could not be read or written.
    """
    store.delete_vectors(user_id, forgotten_passages(store, user_id, passages))


def forgotten_passages(store: Store, user_id: str, passages: Iterable[str]) -> set[str]:
    """Those of some passages, by their ids, that are of what was forgotten."""
    contents = {name: content_of(name) for name in passages}
    gone = Tombstones(store.ledger, user_id).among(set(contents.values()))
    return {name for name, content in contents.items() if content in gone}
