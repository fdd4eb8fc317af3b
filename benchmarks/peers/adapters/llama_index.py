"""LlamaIndex's Memory: the newest messages, and a block of those before them out of Chroma."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import chromadb
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, TextBlock
from llama_index.core.memory import Memory, VectorMemoryBlock
from llama_index.vector_stores.chroma import ChromaVectorStore

from peers.wire import CHARS_PER_TOKEN, Host, Peer, Unit

_BATCH = 450
"""Tokens of a question with its answer, about, which leave together."""


class _Given(BaseEmbedding):
    """Vectors of the host's model."""

    host: Any

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.host.embed([text])[0]  # type: ignore[no-any-return]


class Default(Peer):
    """What left the newest part comes back two batches at a time, found by the last five turns."""

    title = "LlamaIndex, Memory with its defaults"
    tools = False
    newest_share = 0.7
    flushes = 10
    asks_with = 5

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._loop = asyncio.new_event_loop()
        client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
        block = VectorMemoryBlock(
            vector_store=ChromaVectorStore(
                client.create_collection(f"{type(self).__name__}-{budget}")
            ),
            embed_model=_Given(host=host),
            similarity_top_k=self.found(budget),
            retrieval_context_window=self.asks_with,
        )
        self._memory = Memory.from_defaults(
            session_id="one",
            token_limit=budget * 4 // 5,  # the newest message and labels are not counted
            chat_history_token_ratio=self.newest_share,
            token_flush_size=budget // self.flushes,
            memory_blocks=[block],
            tokenizer_fn=lambda text: list(range(0, len(text), CHARS_PER_TOKEN)),
        )

    def found(self, budget: int) -> int:  # noqa: ARG002
        """How many batches come back."""
        return 2

    def add(self, units: Sequence[Unit]) -> None:
        for one in units:
            self._run(self._memory.aput(_message(one)))

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        # Asked as a text it is searched with, not kept; what comes back ends before it.
        text = "\n".join(one["text"] for one in newest)
        told = self._run(self._memory.aget(input=text))
        return [*map(_unit, told), *newest]

    def _run(self, asked: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(asked)


class Tuned(Default):
    """Batches that left together are found together, by as much of them as the model reads."""

    title = "LlamaIndex, Memory set for recall"
    tools = False
    newest_share = 0.2
    flushes = 40
    asks_with = 2  # of one message it would take all that was said for the question

    def found(self, budget: int) -> int:
        return max(2, budget * 6 // 10 // _BATCH)


def _message(unit: Unit) -> ChatMessage:
    return ChatMessage(role=unit["role"], blocks=[TextBlock(text=unit["text"])])


def _unit(message: ChatMessage) -> Unit:
    return {"role": message.role.value, "text": message.content or ""}
