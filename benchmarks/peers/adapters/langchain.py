"""LangChain's agents: middleware that summarizes or trims, asked as an agent asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import BaseMessage, RemoveMessage, trim_messages
from langchain_core.messages.utils import count_tokens_approximately

from peers.langchain_messages import HostModel, Keeping, units_of
from peers.wire import SUMMARY_SHARE, Host, Peer, Unit


class _State(Peer):
    """The messages of an agent's state, which a step before the model may replace."""

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._kept = Keeping()

    def add(self, units: Sequence[Unit]) -> None:
        self._kept.messages += self._kept.take(units)

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        asked = self._kept.take(newest)
        shown = self.before_model([*self._kept.messages, *asked])
        names = {one.id for one in asked}
        self._kept.messages = [one for one in shown if one.id not in names]
        return units_of(shown)

    def before_model(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        raise NotImplementedError

    def state(self) -> Any:
        return list(self._kept.messages)

    def restore(self, state: Any) -> None:
        self._kept.messages = state


class Summarization(_State):
    """One text rewritten at each overflow, by default from the newest 4,000 tokens it replaces."""

    title = "LangChain, SummarizationMiddleware"
    reads: int | None = 4_000

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._middleware = SummarizationMiddleware(
            HostModel(host=host, most=budget // SUMMARY_SHARE),
            trigger=("tokens", budget),
            keep=("tokens", budget // 2),
            trim_tokens_to_summarize=self.reads,
        )

    def before_model(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        state: Any = {"messages": messages}
        runtime: Any = None
        update = self._middleware.before_model(state, runtime)
        if update is None:
            return messages
        return [one for one in update["messages"] if not isinstance(one, RemoveMessage)]


class SummarizationOfAll(Summarization):
    """One text rewritten at each overflow: what a rewriting leaves out is gone."""

    title = "LangChain, SummarizationMiddleware that reads all"
    reads = None


class Trim(_State):
    """What slid out is gone; each cut moves the prefix, so little is cached."""

    title = "LangChain, trim_messages"

    def before_model(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        return messages

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        shown = trim_messages(
            [*self._kept.messages, *self._kept.take(newest)],
            max_tokens=self.budget,
            token_counter=count_tokens_approximately,
            strategy="last",
            start_on="human",
            end_on=("human", "tool"),
            include_system=True,
        )
        return units_of(shown)


class TrimRecipe(_State):
    """Its guide's recipe keeps the first message and three or four more, calls parted or not."""

    title = "LangChain, the guide's trimming recipe"

    def before_model(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        if len(messages) <= 3:
            return messages
        newest = messages[-3:] if len(messages) % 2 == 0 else messages[-4:]
        return [messages[0], *newest]
