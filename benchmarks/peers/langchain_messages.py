"""Units go in; messages of LangChain come out, and back. For the adapters that speak it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatResult

from peers.wire import Host, Unit


def messages_of(units: Iterable[Unit], first: int = 0) -> list[BaseMessage]:
    """One message a unit, with ids that count from `first`."""
    return [_message(unit, str(n)) for n, unit in enumerate(units, first)]


def _message(unit: Unit, name: str) -> BaseMessage:
    match unit["role"]:
        case "tool":
            return ToolMessage(unit["text"], tool_call_id=unit["call"], id=name)
        case "assistant":
            calls = [
                {"id": one["id"], "name": one["name"], "args": one["input"], "type": "tool_call"}
                for one in unit.get("calls") or ()
            ]
            return AIMessage(unit["text"], tool_calls=calls, id=name)
        case _:
            return HumanMessage(unit["text"], id=name)


def units_of(messages: Iterable[BaseMessage]) -> list[Unit]:
    """What these messages say."""
    return [_unit(message) for message in messages]


def _unit(message: BaseMessage) -> Unit:
    text = message.text if isinstance(message.text, str) else str(message.content)
    match message:
        case ToolMessage():
            return {"role": "tool", "text": text, "call": message.tool_call_id}
        case AIMessage():
            calls = [
                {"id": one["id"], "name": one["name"], "input": one["args"]}
                for one in message.tool_calls
            ]
            return {"role": "assistant", "text": text, "calls": calls}
        case SystemMessage():
            return {"role": "system", "text": text}
        case _:
            return {"role": "user", "text": text}


class HostModel(BaseChatModel):
    """A chat model whose words the host gives."""

    host: Any
    most: int

    @property
    def _llm_type(self) -> str:
        return "host"

    def bind(self, **_: Any) -> HostModel:
        """Its length is set here, whatever a library would ask for."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **_: Any,
    ) -> ChatResult:
        prompt = "\n\n".join(str(message.content) for message in messages)
        told = AIMessage(self.host.complete(prompt, self.most))
        return ChatResult(generations=[ChatGeneration(message=told)])


class Keeping:
    """Messages as a graph's state has them: the newest come and go, the rest is what was made."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []
        self._given = 0

    def take(self, units: Sequence[Unit]) -> list[BaseMessage]:
        """New messages, with ids of their own."""
        made = messages_of(units, self._given)
        self._given += len(made)
        return made


__all__ = ["Host", "HostModel", "Keeping", "messages_of", "units_of"]
