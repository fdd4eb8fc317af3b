"""Sessions of the OpenAI Agents SDK, with a runner that asks a model which only listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SQLiteSession, Usage
from agents.memory import SessionSettings
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from peers.wire import Host, Peer, Unit, count


class _Listening(Model):
    """Keeps what it is sent."""

    heard: list[Any]

    async def get_response(self, system_instructions: Any, input: Any, *_: Any, **__: Any) -> Any:  # noqa: A002, ARG002
        self.heard = [{"role": "user", "content": input}] if isinstance(input, str) else input
        text = ResponseOutputText(text="Heard.", type="output_text", annotations=[])
        said = ResponseOutputMessage(
            id="m", content=[text], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


class Session(Peer):
    """What slid out is gone, and its limit counts items, not tokens."""

    title = "OpenAI Agents SDK, session with a limit"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._session = SQLiteSession("one", ":memory:")
        self._model = _Listening()
        self._agent = Agent("one", model=self._model)
        self._sizes: list[int] = []

    def add(self, units: Sequence[Unit]) -> None:
        items = [item for unit in units for item in _items(unit)]
        self._sizes += map(_size, items)
        asyncio.run(self._session.add_items(items))

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        asked = [item for unit in newest for item in _items(unit)]
        config = RunConfig(
            tracing_disabled=True,
            session_settings=SessionSettings(limit=self._fit(sum(map(_size, asked)))),
        )
        asyncio.run(self._run(asked, config))
        return [_unit(item) for item in self._model.heard]

    async def _run(self, asked: Any, config: RunConfig) -> None:
        await Runner.run(self._agent, asked, session=self._session, run_config=config)
        for _ in range(len(asked) + 1):  # it was only asked: the host says what was answered
            await self._session.pop_item()

    def _fit(self, used: int) -> int:
        """How many of the newest items there is room for."""
        many = 0
        for size in reversed(self._sizes):
            used += size
            if used > self.budget:
                break
            many += 1
        return max(1, many)


def _items(unit: Unit) -> list[Any]:
    if unit["role"] == "tool":
        output = {"type": "function_call_output", "call_id": unit["call"], "output": unit["text"]}
        return [output]
    calls = [
        {
            "type": "function_call",
            "call_id": one["id"],
            "name": one["name"],
            "arguments": json.dumps(one["input"]),
        }
        for one in unit.get("calls") or ()
    ]
    said = [{"role": unit["role"], "content": unit["text"]}] if unit["text"] else []
    return [*said, *calls]


def _unit(item: Any) -> Unit:
    match item.get("type"):
        case "function_call_output":
            return {"role": "tool", "text": item["output"], "call": item["call_id"]}
        case "function_call":
            given = json.loads(item["arguments"])
            call = {"id": item["call_id"], "name": item["name"], "input": given}
            return {"role": "assistant", "text": "", "calls": [call]}
        case _:
            return {"role": item["role"], "text": item["content"]}


def _size(item: Any) -> int:
    text = item.get("content") or item.get("output") or item.get("arguments") or ""
    return count(text) + 1
