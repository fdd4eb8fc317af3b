"""Exchanges about to leave the request go in; what of them must stay or be carried comes out.

Some of what a history holds is not speech but state: system messages still in force, tools
added and removed, an effort setting, files in a container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from turnfold.accounting.tokens import CountText, count_block, count_message
from turnfold.history.exchanges import Exchange, Message, Transcript, blocks_of


@dataclass(frozen=True, slots=True)
class Carried:
    """State of folded exchanges that is sent on.

    Attributes:
        system: one system message, to follow the first live opening; None for none.
        uploads: container uploads, to stand in the first live opening.
    """

    system: Message | None = None
    uploads: tuple[Mapping[str, Any], ...] = ()

    def size(self, count: CountText) -> int:
        """Its tokens in a request."""
        system = count_message(self.system, count) if self.system is not None else 0
        return system + sum(count_block(one, count) for one in self.uploads)


def carried_from(exchanges: Iterable[Exchange]) -> Carried:
    """What folded exchanges leave in force."""
    messages = [
        message for exchange in exchanges if exchange.stateful for message in exchange.messages
    ]
    uploads = {
        str(block.get("file_id")): _unmarked(block)
        for message in messages
        for block in blocks_of(message)
        if _kind(block) == "container_upload"
    }
    system = _system_in_force(one for one in messages if one.get("role") == "system")
    return Carried(system, tuple(uploads.values()))


def _system_in_force(messages: Iterable[Message]) -> Message | None:
    """One system message for many: unexpired texts, the net of tool changes, the last settings."""
    said: list[Any] = []
    tools: dict[str, Mapping[str, Any]] = {}
    definitions: dict[str, Mapping[str, Any]] = {}
    output: dict[str, Any] = {}
    for message in messages:
        output.update(message.get("output_config") or {})
        for block in blocks_of(message):
            if _kind(block).startswith("tool_"):
                _change_tool(block, tools, definitions)
            elif message.get("clear_at") != "next_user_message":
                said.append(_unmarked(block))
    content = [*said, *tools.values()]
    in_force: dict[str, Any] = {"role": "system"}
    if content:
        in_force["content"] = content
    if output:
        in_force["output_config"] = output
    return in_force if len(in_force) > 1 else None


def _change_tool(
    block: Mapping[str, Any],
    tools: dict[str, Mapping[str, Any]],
    definitions: dict[str, Mapping[str, Any]],
) -> None:
    """Keep the last change of each tool; one added again needs its definition again."""
    tool = block.get("tool") or {}
    definition = tool.get("definition") or {}
    name = str(definition.get("name") or tool.get("name") or tool)
    if definition:
        definitions[name] = _unmarked(block)
    tools.pop(name, None)
    if block.get("type") == "tool_addition":
        tools[name] = definitions.get(name) or _unmarked(block)
    elif name not in definitions:  # one defined in what is folded simply never comes
        tools[name] = _unmarked(block)


def _unmarked(block: Any) -> Any:
    if isinstance(block, Mapping) and "cache_control" in block:
        return {key: value for key, value in block.items() if key != "cache_control"}
    return block


def protected_head(transcript: Transcript, keep_first: int) -> int:
    """How many of the oldest exchanges stay whatever happens.

    Those the caller asked for, and all up to a `compaction` block of the provider, which has
    to come first and stands for what was before it.
    """
    closed = transcript.closed
    compacted = [n for n in transcript.special if n < len(closed) and closed[n].compacted]
    return max(min(keep_first, len(closed)), compacted[-1] + 1 if compacted else 0)


def _kind(block: Any) -> str:
    return str(block.get("type")) if isinstance(block, Mapping) else ""
