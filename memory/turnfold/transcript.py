"""A list of API messages goes in; exchanges with stable ids come out.

Two kinds of id hang on an exchange. Its *content id* names what was said, wherever it stands:
stored text, passages and vectors hang on it. Its *opening id* and *exchange id* name the path
that led to it as well: plans and folds hang on them, so an edited turn starts a branch of its
own that never meets the dead one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnfold.errors import TranscriptError

Message = Mapping[str, Any]

# Says nothing about what was said: cache marks come and go, thinking may be left out by the
# caller, citations and the rest are added to replies by the API or the SDK.
_NOT_CONTENT = frozenset({"cache_control", "citations", "caller", "parsed_output"})
_THINKING = frozenset({"thinking", "redacted_thinking"})
_SEPARATOR = "\x1f"


def digest(*parts: str | bytes) -> str:
    """A 128-bit BLAKE2b over the parts, in hex. Parts are length-delimited."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.hexdigest()


def is_thinking(block: Any) -> bool:
    """Whether a content block is thinking, readable or redacted."""
    return isinstance(block, Mapping) and block.get("type") in _THINKING


def blocks_of(message: Message) -> Sequence[Any]:
    """The content of a message as blocks; a string is one text block."""
    content = message.get("content")
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return content or ()


def canonical(message: Message) -> str:
    """The canonical form of a message, as compact JSON.

    Nulls, cache marks, thinking, citations and fields added by the SDK are left out, adjacent
    texts are joined, numbers count by value and keys are sorted; so a message that went
    through the SDK and back is still the same.
    """
    parts: list[Any] = []
    for block in blocks_of(message):
        if is_thinking(block):
            continue
        if isinstance(block, Mapping) and block.get("type") == "text":
            text = str(block.get("text") or "")
            if parts and isinstance(parts[-1], str):
                parts[-1] += text
            else:
                parts.append(text)
        else:
            parts.append(_plain(block))
    return json.dumps(
        [message.get("role"), parts], ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )


def _plain(value: Any) -> Any:
    """A block without what says nothing; a tool's `input` is content to the last null."""
    if isinstance(value, Mapping):
        return {
            str(key): _by_value(inner) if key == "input" else _plain(inner)
            for key, inner in value.items()
            if inner is not None and key not in _NOT_CONTENT
        }
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _by_value(value)


def _by_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _by_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_by_value(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


@dataclass(frozen=True, slots=True)
class Exchange:
    """An opening and all that answered it. Never split.

    Attributes:
        start: index of its first message in the caller's list.
        messages: its messages, the caller's own objects, never changed.
        opening: how many of them are the opening.
        digests: one digest of the canonical form per message.
        opening_id: names the path so far and the opening; known before any answer.
        exchange_id: names the path and the whole exchange.
        content_id: names what was said, whatever the path.
    """

    start: int
    messages: Sequence[Message]
    opening: int
    digests: Sequence[str]
    opening_id: str
    exchange_id: str
    content_id: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """The exchanges of one request, in order; the last one is open."""

    exchanges: Sequence[Exchange]

    @property
    def closed(self) -> Sequence[Exchange]:
        """All exchanges but the newest."""
        return self.exchanges[:-1]

    @property
    def open(self) -> Exchange:
        """The newest exchange, still being answered."""
        return self.exchanges[-1]


def answers_tools(message: Message) -> bool:
    """Whether a user message carries tool results, and so continues an exchange."""
    return any(
        isinstance(block, Mapping) and str(block.get("type", "")).endswith("tool_result")
        for block in blocks_of(message)
    )


def _cuts(messages: Sequence[Message]) -> list[int]:
    """Where exchanges start: at a user message that follows an answer and is no tool result.

    System messages belong to the exchange they stand in.
    """
    cuts = [0]
    spoken: Any = None  # the role of the last message that was not a system message
    for index, message in enumerate(messages):
        role = message.get("role")
        if role == "user" and spoken == "assistant" and not answers_tools(message):
            cuts.append(index)
        if role != "system":
            spoken = role
    return cuts


def _opening_length(messages: Sequence[Message]) -> int:
    for index, message in enumerate(messages):
        if message.get("role") != "user":
            return index
    return len(messages)


def read(
    messages: Iterable[Message], *, seed: str, path: str | None = None, start: int = 0
) -> Transcript:
    """Cut messages into exchanges and name them.

    Args:
        messages: the `messages` of a request.
        seed: differs between users and conversations.
        path: exchange id of what came before the first message; None for nothing.
        start: index of the first message in the whole list.

    Raises:
        TranscriptError: there are no messages, or one is not an object with a role.
    """
    messages = list(messages)
    if not messages:
        raise TranscriptError("the message list is empty; the API wants at least one user message")
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise TranscriptError(f"messages.{index} is not an object with a role and content")
    digests = [digest(canonical(message)) for message in messages]
    cuts = _cuts(messages)
    path = seed if path is None else path
    exchanges: list[Exchange] = []
    for first, end in zip(cuts, [*cuts[1:], len(messages)], strict=True):
        part, names = messages[first:end], digests[first:end]
        opening = _opening_length(part)
        opening_id = digest(path, *names[:opening])
        path = digest(opening_id, *names[opening:])
        exchanges.append(
            Exchange(start + first, part, opening, names, opening_id, path, digest(seed, *names))
        )
    return Transcript(exchanges)


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


def seed_of(user_id: str, conversation: str) -> str:
    """What the path of a conversation starts from."""
    return digest("turnfold", user_id, _SEPARATOR, conversation)
