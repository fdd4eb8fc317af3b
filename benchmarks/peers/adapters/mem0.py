"""mem0's open-source memory over Qdrant on disk, each message stored as it was said."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

from mem0 import Memory
from mem0.embeddings.base import EmbeddingBase

from peers.wire import Host, Searching, Unit

_USER = "user"
_DIMENSIONS = 384


class _Given(EmbeddingBase):
    """Vectors of the host's model."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def embed(self, text: str, memory_action: Any = None) -> list[float]:  # noqa: ARG002
        return self._host.embed([text])[0]

    def embed_batch(self, texts: Sequence[str], *_: Any, **__: Any) -> list[list[float]]:
        return self._host.embed(texts)


class Vectors(Searching):
    """Without a model that makes facts of turns it stores the turns, and is a vector store."""

    title = "mem0, vectors, no inference"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        unused = {"api_key": "none"}
        store = {"path": tempfile.mkdtemp(), "embedding_model_dims": _DIMENSIONS}
        self._memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "embedder": {
                    "provider": "openai",
                    "config": {**unused, "embedding_dims": _DIMENSIONS},
                },
                "llm": {"provider": "openai", "config": unused},
            }
        )
        self._memory.embedding_model = _Given(host)

    def store(self, units: Sequence[Unit]) -> None:
        messages = [{"role": one["role"], "content": one["text"]} for one in units]
        if messages:
            self._memory.add(messages, user_id=_USER, infer=False)

    def search(self, query: str) -> Sequence[str]:
        found = self._memory.search(
            query, filters={"user_id": _USER}, top_k=len(self.said), threshold=0.0
        )
        return [str(one["memory"]) for one in found["results"]]
