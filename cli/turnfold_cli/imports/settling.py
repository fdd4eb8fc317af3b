"""What was said, as it was recorded, goes in; a conversation that the API accepts comes out.

Roles alternate, each call of a tool has its result right behind it, and no text is empty. What
cannot be sent is left out, and counted by its kind.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from math import isfinite
from typing import Any

from turnfold.history.block_text import KINDS, UNSEEN, whole_text, words_of
from turnfold.language.days import iso_moment

from turnfold_cli.transcripts import BEGINS, Conversation, Message

Block = dict[str, Any]
Left = Counter[str]
"""How many things of a kind were left out; a kind is written in the plural."""

# By kind of block that somebody says something in: where the words stand.
_SPOKEN = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
NO_RESULT = "No result was recorded."
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 128
_LONGEST_KIND = 40
_YEAR_5138 = 1e11  # in seconds; a larger number counts milliseconds


@dataclass(frozen=True, slots=True)
class Said:
    """One recorded message.

    Attributes:
        role: `user` or `assistant`. Where a block tells otherwise (a result of a tool within what
            an assistant said), the block is right.
        content: a text, or blocks.
        time: when, in seconds since 1970; None where not known.
    """

    role: str
    content: Any
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """What is known of a conversation beside its messages; see `Conversation`."""

    id: str
    title: str = ""
    system: str = ""
    tools: tuple[Any, ...] = ()


def settled(said: Iterable[Said], heading: Heading, left: Left) -> Conversation | None:
    """A conversation of what was said; None where no user says a word.

    Args:
        said: in order.
        heading: what else is known.
        left: is told what was left out.
    """
    said = list(said)
    messages = list(_paired(_by_side(said, left), left))
    if not any(_has_words(message) for message in messages):
        left["conversations without a word of a user"] += 1
        return None
    if messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": BEGINS})
    times = [one.time for one in said if one.time is not None]
    name = whole_text(heading.id)
    return Conversation(
        name,
        tuple(messages),
        whole_text(heading.system).strip() or None,
        tuple(map(_sendable, heading.tools)) or _tools_called(messages),
        title=whole_text(heading.title) or name,
        when=(min(times), max(times)) if times else None,
    )


def settled_each(
    values: Iterable[Any],
    recognises: Callable[[Any], bool],
    read: Callable[[Any, int], tuple[Heading, Iterable[Said]]],
    left: Left,
) -> Iterator[Conversation]:
    """The conversations of a data export, which has one an entry.

    Args:
        values: the entries.
        recognises: whether one is a conversation.
        read: an entry, and its number from 1; what is known of it, and what was said.
        left: is told what was left out.
    """
    for number, value in enumerate(values, 1):
        if not recognises(value):
            left["entries that are no conversations"] += 1
            continue
        heading, said = read(value, number)
        if one := settled(said, heading, left):
            yield one


def moment(value: Any) -> float | None:
    """A time as files have it, ISO or a number, in seconds since 1970; None where it is none."""
    if isinstance(value, str):
        told = iso_moment(value)
        if told is None:
            return None
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    if value <= 0:
        return None
    return value / 1000 if value > _YEAR_5138 else float(value)


def parts_of(content: Any) -> list[Any]:
    """A content as a list: its blocks, the only one, the text; nothing for anything else."""
    if isinstance(content, list):
        return content
    return [content] if isinstance(content, str | Mapping) and content else []


def texts_in(content: Any) -> str:
    """All that can be read in a content: a text, parts, or blocks; each on a line of its own."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return texts_in(content.get("text") or content.get("content") or "")
    if isinstance(content, list):
        return "\n".join(filter(None, map(texts_in, content)))
    return ""


def says(content: Any) -> bool:
    """Whether a content has words that are kept; what a tool gave are none."""
    return any(
        bool(str(block.get(_SPOKEN.get(str(block.get("type")), "")) or "").strip())
        if isinstance(block, Mapping)
        else isinstance(block, str) and bool(block.strip())
        for block in parts_of(content)
    )


def _by_side(said: Iterable[Said], left: Left) -> Iterator[tuple[str, list[Block]]]:
    """Blocks that can be sent, in runs of one role."""
    blocks = (block for one in said for block in _blocks(one, left))
    for side, run in groupby(blocks, key=lambda block: block[0]):
        yield side, [block for _, block in run]


def _blocks(said: Said, left: Left) -> Iterator[tuple[str, Block]]:
    for block in parts_of(said.content):
        if isinstance(block, str):
            block = {"type": "text", "text": block}  # noqa: PLW2901
        if not isinstance(block, Mapping):
            left["blocks of no kind"] += 1
            continue
        kind = str(block.get("type"))
        if kind.endswith("tool_use"):
            yield "assistant", _call(block)
        elif kind.endswith("tool_result"):
            yield "user", _result(block, left)
        elif text := _words(kind, block, left):
            yield said.role, {"type": "text", "text": text}


def _words(kind: str, block: Mapping[str, Any], left: Left) -> str:
    if kind in _SPOKEN:
        text = whole_text(str(block.get(_SPOKEN[kind]) or ""))
        if not text.strip():
            left["empty texts"] += 1
        return text if text.strip() else ""
    if kind.startswith(("image", "input_image")):
        left["images"] += 1
        return "(An image was here.)"
    if kind in ("document", "file", "input_file"):
        text = whole_text(_plain(block.get("source")))
        if not text.strip():
            left["files"] += 1
        return text if text.strip() else "(A file was here.)"
    if kind.endswith("thinking"):
        left["thoughts"] += 1
    else:
        left[f"blocks of the kind {kind[:_LONGEST_KIND]!r}"] += 1
    return ""


def _plain(source: Any) -> str:
    """The words of a document that is plain text."""
    if isinstance(source, Mapping) and source.get("type") == "text":
        return str(source.get("data") or "")
    return ""


def _call(block: Mapping[str, Any]) -> Block:
    given = block.get("input")
    return {
        "type": "tool_use",
        "id": block.get("id"),
        "name": _NO_NAME.sub("_", str(block.get("name") or "tool"))[:_LONGEST_NAME],
        "input": _sendable(given if isinstance(given, dict) else {"input": given}),
    }


def _result(block: Mapping[str, Any], left: Left) -> Block:
    parts = (_given(part, left) for part in parts_of(block.get("content")))
    text = whole_text("\n".join(filter(None, parts)))
    failed = {"is_error": True} if block.get("is_error") is True else {}
    return {
        "type": "tool_result",
        "tool_use_id": block.get("tool_use_id"),
        "content": text if text.strip() else NO_RESULT,
    } | failed


def _given(part: Any, left: Left) -> str:
    """The words in a part of what a tool gave."""
    if not isinstance(part, str | Mapping):
        left["blocks of no kind"] += 1
        return ""
    text = texts_in(part)
    if text or isinstance(part, str):
        return text
    kind = str(part.get("type"))
    if kind in _SPOKEN:
        return ""
    return words_of(part) if kind in KINDS and kind not in UNSEEN else _words(kind, part, left)


def _sendable(value: Any) -> Any:
    """JSON with nothing in it that no request can carry."""
    told = json.dumps(value, ensure_ascii=True, default=str)
    if "\\ud" not in told and "NaN" not in told and "Infinity" not in told:
        return value
    return json.loads(whole_text(json.dumps(value, ensure_ascii=False)), parse_constant=str)


def _paired(runs: Iterable[tuple[str, list[Block]]], left: Left) -> Iterator[Message]:
    """Messages in which each call has its result in the next one, first, and an id of its own.

    Ids are given anew: some files have none, and some have one twice.
    """
    calls = 0
    waiting: list[tuple[Any, str]] = []  # ids as recorded, and as given here
    held: Message | None = None
    for side, blocks in runs:
        if side == "assistant":
            for number, block in enumerate(blocks):
                if block["type"] == "tool_use":
                    calls += 1
                    waiting.append((block["id"], f"toolu_{calls}"))
                    blocks[number] = {**block, "id": f"toolu_{calls}"}
            # Words behind a call would come between it and its result.
            sent = sorted(blocks, key=lambda block: block["type"] == "tool_use")
        else:
            said = [block for block in blocks if block["type"] == "text"]
            sent = [*_answers(waiting, blocks, left), *said]
            waiting = []
        if held is not None and sent and held["role"] == side:
            held["content"] += sent
        elif sent:
            if held is not None:
                yield held
            held = {"role": side, "content": sent}
    if held is not None:
        yield held
    if waiting:
        yield {"role": "user", "content": list(_answers(waiting, (), left))}


def _answers(
    waiting: Sequence[tuple[Any, str]], blocks: Iterable[Block], left: Left
) -> Iterator[Block]:
    """The result of each call that waits for one; results of no call are left out."""
    found: dict[str, Block] = {}
    for block in blocks:
        if block["type"] != "tool_result":
            continue
        asked = block["tool_use_id"]
        # Without ids results come in the order of the calls.
        mine = [new for old, new in waiting if old == asked]
        free = [new for new in mine if new not in found]
        if not mine:
            left["results of no call"] += 1
            continue
        new = (free or mine)[0]
        if new in found:
            block = {**block, "content": f"{found[new]['content']}\n{block['content']}"}  # noqa: PLW2901
        found[new] = {**block, "tool_use_id": new}
    for _, new in waiting:
        if new not in found:
            left["calls without a result (one was put in)"] += 1
        yield found.get(new) or {"type": "tool_result", "tool_use_id": new, "content": NO_RESULT}


def _has_words(message: Message) -> bool:
    return message["role"] == "user" and any(one["type"] == "text" for one in message["content"])


def _tools_called(messages: Sequence[Message]) -> tuple[Any, ...]:
    """A definition of each tool that is called, which is all that can be known of it."""
    names = {
        block["name"]: None
        for message in messages
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] == "tool_use"
    }
    return tuple(
        {"name": name, "description": name, "input_schema": {"type": "object"}} for name in names
    )
