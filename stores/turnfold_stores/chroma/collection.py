"""One user's collection in Chroma, in a folder or on a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from turnfold_stores.errors import StoreError
from turnfold_stores.protocols import Entry, Hit, Vector
from turnfold_stores.search.paging import Page

# Candidates HNSW keeps while it searches: at Chroma's default of 100, 11% of the first 64 of
# 5,000 random vectors were missed.
EF_SEARCH = 256
CONFIGURATION = {"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}}


# What Chroma is asked for where entries are read.
OF_ENTRIES = ["embeddings", "metadatas"]


def entries_in(found: Any) -> list[Entry]:
    """The entries of what `get` gives."""
    rows = zip(found["ids"], found["metadatas"], found["embeddings"], strict=True)
    return [
        Entry(one, metadata["conversation"], np.asarray(vector, dtype=np.float32))
        for one, metadata, vector in rows
    ]


@dataclass(frozen=True, slots=True)
class Collection:
    """Chroma's collection and the dimension of what is in it."""

    chroma: Any
    dimension: int

    def upsert(self, entries: list[Entry], *, batch: int) -> None:
        """Insert or replace, so many at a time."""
        for start in range(0, len(entries), batch):
            some = entries[start : start + batch]
            self.chroma.upsert(
                ids=[entry.id for entry in some],
                embeddings=np.stack([entry.vector for entry in some]),
                metadatas=[{"conversation": entry.conversation} for entry in some],
            )

    def delete(self, ids: list[str], *, batch: int) -> None:
        """Remove, so many at a time."""
        for start in range(0, len(ids), batch):
            self.chroma.delete(ids=ids[start : start + batch])

    def check(self, query: Vector) -> None:
        """Make sure that a query can be compared with what is in it.

        Raises:
            StoreError: the query has another dimension.
        """
        if query.size != self.dimension:
            raise StoreError(
                f"the query vector has {query.size} numbers where the stored ones have "
                f"{self.dimension}: it comes from another embedding model"
            )

    def entries(self, conversation: str | None = None) -> list[Entry]:
        """All entries, or those of one conversation."""
        only = None if conversation is None else {"conversation": conversation}
        return entries_in(self.chroma.get(where=only, include=OF_ENTRIES))

    def search(self, query: Vector, wanted: int, *, count: Callable[[], int]) -> Page:
        """The nearest `wanted` entries of all conversations.

        Args:
            query: of unit length.
            wanted: how many.
            count: how many there are; asked for only where fewer were found than wanted.

        Raises:
            StoreError: the query has another dimension.
        """
        self.check(query)
        answer = self.chroma.query(
            query_embeddings=query[np.newaxis],
            n_results=wanted,
            include=["distances", "metadatas"],
        )
        ids = answer["ids"][0]
        distances = answer["distances"][0]
        # HNSW may find fewer than there are, however many are asked for; only the count tells.
        there = wanted if len(ids) == wanted else count()
        named = [metadata["conversation"] for metadata in answer["metadatas"][0]]
        found = zip(ids, distances, named, strict=True)
        return Page(
            [Hit(one, 1.0 - float(far), said_in) for one, far, said_in in found],
            None,
            more=len(ids) == wanted or wanted < there,
            missed=len(ids) < there <= wanted,
        )
