"""Conversations of ChatGPT's data export: a tree of messages, of which one branch is alive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from turnfold_cli.imports.settling import Heading, Left, Said, moment, settled_each, texts_in
from turnfold_cli.transcripts import Conversation

NAME = "ChatGPT's data export"
# Thoughts, and what the program told the model about its user.
_NOT_SAID = frozenset(
    {"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"}
)

# Where words stand in a content that has no parts.
_TOLD = ("text", "result")


def recognises(value: Any) -> bool:
    """Whether this is a conversation of such an export."""
    return isinstance(value, Mapping) and isinstance(value.get("mapping"), Mapping)


def conversations(values: Sequence[Any], stem: str, left: Left) -> Iterator[Conversation]:
    """The living branch of each conversation in which a user says something.

    Args:
        values: the file's, some of which are conversations.
        stem: names conversations without id.
        left: is told what was left out.
    """

    def read(value: Mapping[str, Any], number: int) -> tuple[Heading, Iterator[Said]]:
        name = str(value.get("conversation_id") or value.get("id") or f"{stem}-{number}")
        branch = _living(value, left)
        system = "\n\n".join(_text(one) for one in branch if _role(one) == "system").strip()
        return Heading(name, str(value.get("title") or ""), system), _said(branch, left)

    return settled_each(values, recognises, read, left)


def _living(value: Mapping[str, Any], left: Left) -> list[Mapping[str, Any]]:
    """The messages from the root to the current node; a circle or a gap ends the way up."""
    nodes = {key: one for key, one in value["mapping"].items() if isinstance(one, Mapping)}
    at = value.get("current_node")
    if not isinstance(at, str) or at not in nodes:
        at = _newest_leaf(nodes)
    way: dict[str, Mapping[str, Any]] = {}
    while isinstance(at, str) and at in nodes and at not in way:
        way[at] = nodes[at]
        at = nodes[at].get("parent")
    if at is not None:
        left["parents that are missing or in a circle"] += 1
    others = sum(bool(one.get("message")) for key, one in nodes.items() if key not in way)
    if others:
        left["messages on other branches"] += others
    found = [one.get("message") for one in reversed(way.values())]
    return [one for one in found if isinstance(one, Mapping)]


def _newest_leaf(nodes: Mapping[str, Mapping[str, Any]]) -> str | None:
    leaves = [key for key, one in nodes.items() if not one.get("children")] or list(nodes)

    def time(key: str) -> float:
        message = nodes[key].get("message")
        told = moment(message.get("create_time")) if isinstance(message, Mapping) else None
        return told or 0.0

    return max(leaves, key=time, default=None)


def _said(branch: Sequence[Mapping[str, Any]], left: Left) -> Iterator[Said]:
    call: str | None = None
    for number, message in enumerate(branch):
        role, time = _role(message), moment(message.get("create_time"))
        kind = _kind(message)
        if role == "system":
            continue
        if kind in _NOT_SAID:
            left[f"messages of the kind {kind!r}"] += 1
        elif role == "tool":
            result = {"type": "tool_result", "tool_use_id": call, "content": list(_parts(message))}
            yield Said("user", [result], time)
        elif role == "assistant" and message.get("recipient") not in (None, "", "all"):
            call = f"call {number}"
            given = {"text": _text(message)}
            tool = {"type": "tool_use", "id": call, "name": message["recipient"], "input": given}
            yield Said("assistant", [tool], time)
        elif role in ("user", "assistant"):
            yield Said(role, list(_parts(message)), time)
        else:
            left["messages of nobody known"] += 1


def _role(message: Mapping[str, Any]) -> str:
    author = message.get("author")
    return str(author.get("role")) if isinstance(author, Mapping) else ""


def _content(message: Mapping[str, Any]) -> Mapping[str, Any]:
    content = message.get("content")
    return content if isinstance(content, Mapping) else {}


def _kind(message: Mapping[str, Any]) -> str:
    return str(_content(message).get("content_type"))


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = _content(message)
    parts = content.get("parts")
    if not isinstance(parts, list):
        known = not content or any(isinstance(content.get(name), str) for name in _TOLD)
        text = {"type": "text", "text": _text(message)}
        yield text if text["text"] or known else {"type": _kind(message)}
        return
    for part in parts:
        words = texts_in(part)
        if words or not isinstance(part, Mapping):
            yield {"type": "text", "text": words}
        else:  # an image, a sound, a video: the export has but its name
            yield {"type": str(part.get("content_type"))}


def _text(message: Mapping[str, Any]) -> str:
    content = _content(message)
    return texts_in(next(filter(None, map(content.get, ("parts", *_TOLD))), ""))
