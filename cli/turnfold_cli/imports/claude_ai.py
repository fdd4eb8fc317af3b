"""Conversations of Claude.ai's data export: `chat_messages`, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from turnfold_cli.imports.settling import (
    Heading,
    Left,
    Said,
    moment,
    parts_of,
    says,
    settled_each,
)
from turnfold_cli.transcripts import Conversation

NAME = "Claude.ai's data export"
_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}


def recognises(value: Any) -> bool:
    """Whether this is a conversation of such an export."""
    return isinstance(value, Mapping) and isinstance(value.get("chat_messages"), list)


def conversations(values: Sequence[Any], stem: str, left: Left) -> Iterator[Conversation]:
    """Each conversation in which a user says something.

    Args:
        values: the file's, some of which are conversations.
        stem: names conversations without id.
        left: is told what was left out.
    """

    def read(value: Mapping[str, Any], number: int) -> tuple[Heading, Iterator[Said]]:
        heading = Heading(
            str(value.get("uuid") or f"{stem}-{number}"), str(value.get("name") or "")
        )
        return heading, _said(value["chat_messages"], left)

    return settled_each(values, recognises, read, left)


def _said(messages: Sequence[Any], left: Left) -> Iterator[Said]:
    for message in messages:
        role = _ROLES.get(str(message.get("sender"))) if isinstance(message, Mapping) else None
        if role is None:
            left["messages of nobody known"] += 1
            continue
        content = parts_of(message.get("content"))
        # Older exports have the text alone; in some the blocks are there, but empty, or unknown.
        kinds = [_kind(one) for one in content]
        of_tools = any(kind.endswith(("tool_use", "tool_result")) for kind in kinds)
        if not of_tools and not says(content):
            others = [one for one, kind in zip(content, kinds, strict=True) if kind != "text"]
            content = [*others, {"type": "text", "text": str(message.get("text") or "")}]
        yield Said(
            role,
            [*_attached(message, left), *content],
            moment(message.get("created_at")),
        )


def _kind(block: Any) -> str:
    return str(block.get("type")) if isinstance(block, Mapping) else "text"


def _attached(message: Mapping[str, Any], left: Left) -> Iterator[dict[str, Any]]:
    """The words of attached files; of the others the export has only the names."""
    read: set[str] = set()
    for kind in ("attachments", "files"):
        listed = message.get(kind)
        for file in listed if isinstance(listed, list) else ():
            if not isinstance(file, Mapping):
                left["files"] += 1
                continue
            name, words = str(file.get("file_name") or "file"), file.get("extracted_content")
            if isinstance(words, str) and words.strip():
                read.add(name)
                yield {"type": "text", "text": f"{name}:\n{words}"}
            elif name not in read:
                left["files"] += 1
                yield {"type": "text", "text": f"(The file {name} was here.)"}
