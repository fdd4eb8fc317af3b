"""Messages go in; what they say comes out as readable text, each part with who said it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from turnfold.transcript import Message, blocks_of, is_thinking


@dataclass(frozen=True, slots=True)
class Utterance:
    """A readable part of an exchange.

    Attributes:
        source: "user", "assistant", "tool" (calls and results), "document" or "system".
        text: what it says; pictures and other unreadable parts are named in brackets.
    """

    source: str
    text: str


def utterances(messages: Iterable[Message]) -> list[Utterance]:
    """What messages say, in order; thinking is left out, it is not for other eyes."""
    said: list[Utterance] = []
    for message in messages:
        role = str(message.get("role"))
        for block in blocks_of(message):
            for utterance in _say(role, block):
                text = utterance.text.strip()
                if text:
                    said.append(Utterance(utterance.source, text))
    return said


def _say(role: str, block: Any) -> Iterable[Utterance]:
    if isinstance(block, str):
        return [Utterance(role, block)]
    if not isinstance(block, Mapping) or is_thinking(block):
        return []
    kind = str(block.get("type"))
    if kind == "text":
        return [Utterance(role, str(block.get("text") or ""))]
    if kind.endswith("tool_use"):
        arguments = json.dumps(block.get("input"), ensure_ascii=False)
        return [Utterance("tool", f"{block.get('name')}({arguments})")]
    if kind.endswith("tool_result"):
        return [Utterance("tool", _inner_text(block.get("content")))]
    if kind in {"document", "search_result"}:
        return [Utterance("document", _document_text(block))]
    return [Utterance(role, f"[{kind}]")]


def _inner_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    lines = []
    for part in content or []:
        if isinstance(part, Mapping) and part.get("type") == "text":
            lines.append(str(part.get("text") or ""))
        elif isinstance(part, Mapping) and part.get("type") in {"document", "search_result"}:
            lines.append(_document_text(part))
        elif isinstance(part, Mapping):
            lines.append(f"[{part.get('type')}]")
        else:
            lines.append(str(part))
    return "\n".join(lines)


def _document_text(block: Mapping[str, Any]) -> str:
    title = str(block.get("title") or "")
    source = block.get("source")
    if block.get("type") == "search_result":
        body = _inner_text(block.get("content"))
    elif isinstance(source, Mapping) and source.get("type") == "text":
        body = str(source.get("data") or "")
    elif isinstance(source, Mapping) and source.get("type") == "content":
        body = _inner_text(source.get("content"))
    else:
        body = "[document]"
    return f"{title}\n{body}" if title else body
