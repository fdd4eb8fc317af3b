"""Messages of the Messages API go in; their parts, as every library has them, come out, and back.

The same for all: what a library leaves out of these parts, or puts in another order, is sent so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from turnfold.history.block_text import words_of
from turnfold_cli.strategies import Message, plain_message
from turnfold_cli.transcripts import BEGINS

Unit = dict[str, Any]


def units_of(messages: Iterable[Message]) -> list[Unit]:
    """What was said, by whom; each result of a tool by itself."""
    return [unit for message in messages for unit in _parts(plain_message(message))]


def _parts(message: Message) -> Iterator[Unit]:
    content = message["content"]
    if isinstance(content, str):
        yield {"role": message["role"], "text": content}
        return
    text = "\n".join(str(one["text"]) for one in content if one["type"] == "text")
    calls = [
        {key: one[key] for key in ("id", "name", "input")}
        for one in content
        if one["type"] == "tool_use"
    ]
    for one in content:
        if one["type"] == "tool_result":
            told = words_of(one.get("content") or "")
            yield {"role": "tool", "text": told, "call": one["tool_use_id"]}
    if text or calls:
        yield {"role": message["role"], "text": text, **({"calls": calls} if calls else {})}


def messages_of(units: Sequence[Unit]) -> list[Message]:
    """Messages that say this, neighbours of one side as one; a system's words open the first.

    Where an assistant would open them, which clients mend before the API sees it, a user does.
    """
    told = [one for one in units if one["role"] == "system"]
    rest = [one for one in units if one["role"] != "system"]
    if not rest:
        return []
    opens = [{"role": "user", "text": unit["text"]} for unit in told]
    if not opens and rest[0]["role"] == "assistant":
        opens = [{"role": "user", "text": BEGINS}]
    messages: list[Message] = []
    for one in [*opens, *rest]:
        role = "assistant" if one["role"] == "assistant" else "user"
        blocks = list(_blocks(one))
        if not blocks:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    for message in messages:
        # The API wants results before all else.
        message["content"].sort(key=lambda block: block["type"] != "tool_result")
    return messages


def _blocks(unit: Unit) -> Iterator[dict[str, Any]]:
    if unit["role"] == "tool":
        yield {"type": "tool_result", "tool_use_id": unit["call"], "content": unit["text"]}
        return
    if unit["text"].strip():
        yield {"type": "text", "text": unit["text"]}
    for call in unit.get("calls") or ():
        yield {"type": "tool_use", **call}
