"""Hits of the index go in; the passages of living conversations come out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from turnfold_stores import Hit, Store

from turnfold.archive import Archive
from turnfold.scope import Scope

_BATCH = 32


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One passage that a search found.

    Attributes:
        text: the passage, word for word.
        role: who said it: "user", "assistant", "tool" or "document".
        conversation: where; "" for one without a name.
        turn: number of its exchange there, from 1.
        at: when it was stored, in seconds since the epoch.
        score: cosine similarity with the query, -1 to 1.
    """

    text: str
    role: str
    conversation: str
    turn: int
    at: float
    score: float


def living_hits(store: Store, user_id: str, hits: Iterator[Hit]) -> Iterator[SearchHit]:
    """The passages behind hits, without those of dead branches and of what was reset."""
    alive: dict[str, set[str]] = {}  # content ids by conversation; read when first met
    while batch := list(islice(hits, _BATCH)):
        records = store.ledger.get(user_id, [hit.id for hit in batch])
        for hit in batch:
            record = records.get(hit.id)
            if record is None:
                continue
            where = record.conversation
            if where not in alive:
                archive = Archive(store, Scope(user_id, where), OrderedDict())
                alive[where] = archive.folded_contents(where)
            if record.body["content"] in alive[where]:
                yield SearchHit(
                    text=record.text,
                    role=record.body["source"],
                    conversation=where,
                    turn=record.body["turn"],
                    at=record.at,
                    score=hit.score,
                )
