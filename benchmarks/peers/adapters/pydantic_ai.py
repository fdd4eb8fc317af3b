"""Pydantic AI's history processors, run by an agent whose model only listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import FunctionModel

from peers.wire import SUMMARY_SHARE, Host, Peer, Unit, count

_OLDEST = 10
"""Messages that its guide's recipe summarizes."""


class KeepRecent(Peer):
    """What slid out is gone; what a processor keeps is the caller's own code."""

    title = "Pydantic AI, processor that keeps the newest"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._kept: list[ModelMessage] = []
        self._heard: list[ModelMessage] = []
        self._agent = Agent(
            FunctionModel(self._listen), capabilities=[ProcessHistory(self.process)]
        )

    def add(self, units: Sequence[Unit]) -> None:
        self._kept += _messages(units)

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        asked = _messages(newest)
        self._agent.run_sync(message_history=[*self._kept, *asked])
        self.shown(self._heard[: -len(asked)])
        return [unit for message in self._heard for unit in _units(message)]

    def shown(self, earlier: list[ModelMessage]) -> None:
        """What was sent of what was said before; the caller keeps all, as it does by default."""

    async def process(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        """The newest messages that fit."""
        left, first = self.budget, len(messages)
        while first and _size(messages[first - 1]) <= left:
            first -= 1
            left -= _size(messages[first])
        return messages[min(first, len(messages) - 1) :]

    def state(self) -> Any:
        return list(self._kept)

    def restore(self, state: Any) -> None:
        self._kept = state

    def _listen(self, messages: list[ModelMessage], _: Any) -> ModelResponse:
        self._heard = list(messages)
        return ModelResponse([TextPart("Heard.")])


class Summarize(KeepRecent):
    """Its guide's recipe keeps a summary of the ten oldest messages and the newest one alone."""

    title = "Pydantic AI, the guide's summarizing processor"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._summarizer = Agent(
            FunctionModel(self._summary),
            instructions="Summarize this conversation, omitting small talk and unrelated topics. "
            "Focus on the technical discussion and next steps.",
        )

    def shown(self, earlier: list[ModelMessage]) -> None:
        """What it made stands for what it was made of from then on."""
        self._kept = earlier

    async def process(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        """As its guide has it."""
        if len(messages) <= _OLDEST:
            return messages
        summary = await self._summarizer.run(message_history=messages[:_OLDEST])
        return [*summary.new_messages(), *messages[-1:]]

    def _summary(self, messages: list[ModelMessage], _: Any) -> ModelResponse:
        said = "\n\n".join(unit["text"] for message in messages for unit in _units(message))
        return ModelResponse([TextPart(self.host.complete(said, self.budget // SUMMARY_SHARE))])


def _messages(units: Sequence[Unit]) -> list[ModelMessage]:
    found: list[ModelMessage] = []
    for unit in units:
        if unit["role"] == "assistant":
            calls = [
                ToolCallPart(one["name"], one["input"], tool_call_id=one["id"])
                for one in unit.get("calls") or ()
            ]
            said = [TextPart(unit["text"])] if unit["text"] else []
            found.append(ModelResponse([*said, *calls]))
            continue
        part = (
            ToolReturnPart("look", unit["text"], tool_call_id=unit["call"])
            if unit["role"] == "tool"
            else UserPromptPart(unit["text"])
        )
        if found and isinstance(found[-1], ModelRequest):
            found[-1] = ModelRequest([*found[-1].parts, part])
        else:
            found.append(ModelRequest([part]))
    return found


def _units(message: ModelMessage) -> Iterator[Unit]:
    for part in message.parts:
        match part:
            case ToolReturnPart():
                yield {"role": "tool", "text": str(part.content), "call": part.tool_call_id}
            case ToolCallPart():
                given = part.args_as_dict()
                call = {"id": part.tool_call_id, "name": part.tool_name, "input": given}
                yield {"role": "assistant", "text": "", "calls": [call]}
            case UserPromptPart():
                yield {"role": "user", "text": str(part.content)}
            case TextPart():
                yield {"role": "assistant", "text": part.content}
            case _:
                pass


def _size(message: ModelMessage) -> int:
    return sum(count(unit["text"]) + 1 for unit in _units(message))
