"""Chroma as it comes: a collection in memory, one entry a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import chromadb
from chromadb import Documents, EmbeddingFunction, Embeddings

from peers.wire import Host, Searching, Unit


class _Given(EmbeddingFunction[Documents]):
    """Vectors of the host's model."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002
        vectors: Any = self._host.embed(input)
        return vectors  # type: ignore[no-any-return]


class Collection(Searching):
    """Sees no turn unless its opening words resemble the question; nothing sent is cached."""

    title = "Chroma, bare"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
        self._found = client.create_collection(
            f"turns-{budget}",
            embedding_function=_Given(host),
            configuration={"hnsw": {"space": "cosine"}},
        )

    def store(self, units: Sequence[Unit]) -> None:
        have = self._found.count()
        ids = [str(have + n) for n in range(len(units))]
        if units:
            self._found.add(ids=ids, documents=[one["text"] for one in units])

    def search(self, query: str) -> Sequence[str]:
        got = self._found.query(query_texts=[query], n_results=self._found.count())
        documents = got["documents"]
        return documents[0] if documents else []
