"""LangMem: its running summary, and its memory tools over a store in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langgraph.store.memory import InMemoryStore
from langmem import create_manage_memory_tool, create_search_memory_tool
from langmem.short_term import RunningSummary, summarize_messages

from peers.langchain_messages import HostModel, Keeping, messages_of, units_of
from peers.wire import SUMMARY_SHARE, Host, Peer, Searching, Unit


class Summary(Peer):
    """All that came before an overflow, the newest question too, goes into one text rewritten."""

    title = "LangMem, summarize_messages"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._kept = Keeping()
        self._summary: RunningSummary | None = None

    def add(self, units: Sequence[Unit]) -> None:
        self._kept.messages += self._kept.take(units)

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        # Under the names that they have once they are taken in, by which it knows what it has read.
        asked = messages_of(newest, len(self._kept.messages))
        messages: Any = [*self._kept.messages, *asked]
        made = summarize_messages(
            messages,
            running_summary=self._summary,
            model=HostModel(host=self.host, most=self.budget // SUMMARY_SHARE),
            max_tokens=self.budget,
            max_summary_tokens=self.budget // SUMMARY_SHARE,
        )
        self._summary = made.running_summary or self._summary
        return units_of(made.messages)

    def state(self) -> Any:
        return self._summary

    def restore(self, state: Any) -> None:
        self._summary = state


class Store(Searching):
    """Sees no turn unless its opening words resemble the question; nothing sent is cached."""

    title = "LangMem, its store"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        store = InMemoryStore(index={"dims": 384, "embed": host.embed})
        self._write = create_manage_memory_tool(("turns",), store=store)
        self._find = create_search_memory_tool(("turns",), store=store)

    def store(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._write.invoke({"content": unit["text"], "action": "create"})

    def search(self, query: str) -> Sequence[str]:
        told = self._find.invoke({"query": query, "limit": len(self.said)})
        return [str(one["value"]["content"]) for one in json.loads(told)]
