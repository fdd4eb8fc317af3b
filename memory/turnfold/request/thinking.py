"""Messages with thinking go in; those whose thinking still holds keep it.

A thinking block is bound to all that stood before it when it was made: system, tools, earlier
messages. A request in which any of that differs is refused, and refused again each time it is
sent. So thinking is kept by proof: with each reply the digest of what was sent is recorded, and
a block stays only where today's prefix has that digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turnfold.history.exchanges import Message, blocks_of, digest, is_thinking
from turnfold.history.plain import plain

# Models whose thinking is bound to nothing; what is not known is taken to be bound.
_NAME = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d)(?:-(?P<minor>\d)(?!\d))?")
_BOUND_SINCE = {"fable": (5, 1), "mythos": (5, 1)}
_OTHERS_SINCE = (5, 5)


def binds_thinking(model: str) -> bool:
    """Whether a model takes thinking back only behind what stood before it when it was made.

    A model that does not may want the thinking of the call whose result it is given.
    """
    found = _NAME.search(model)
    if found is None:
        return True
    version = (int(found["major"]), int(found["minor"] or 0))
    return version >= _BOUND_SINCE.get(found["line"], _OTHERS_SINCE)


def thinking_ids(message: Message) -> list[str]:
    """Names of the thinking blocks of a message, by their signatures."""
    return [
        "thought:" + digest(str(block.get("signature") or block.get("data") or ""))
        for block in blocks_of(message)
        if is_thinking(block)
    ]


def unproven(
    thoughts: Sequence[tuple[int, Sequence[str]]],
    proofs: Mapping[str, str],
    *,
    before: Mapping[int, str],
    touched_from: int,
) -> list[int]:
    """Which messages must lose their thinking: all up to the newest that is not proven.

    A block is proven where the prefix it was made under is today's, or where nothing is known
    of it and nothing before it was touched. Blocks go oldest first, so no gap is left.

    Args:
        thoughts: index of each message that has thinking, and the names of its blocks.
        proofs: for thinking blocks by name, the digest of the prefix they were made under.
        before: by index, the digest of all that stands before the message.
        touched_from: index of the first message that is not as the caller sent it, or has
            something left out before it.
    """
    for place in range(len(thoughts) - 1, -1, -1):
        index, names = thoughts[place]
        known = [proofs[name] for name in names if name in proofs]
        if known:
            proven = len(known) == len(names) and all(one == before[index] for one in known)
        else:
            proven = index < touched_from
        if not proven:
            return [index for index, _ in thoughts[: place + 1]]
    return []


def without_thinking(message: Message) -> dict[str, Any]:
    """A copy of a message without its thinking; its content may be empty then."""
    kept = [block for block in blocks_of(message) if not is_thinking(block)]
    return {**message, "content": kept}


def body_without_thinking(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """A request without any thinking, whatever else stands in it; None where that changes nothing.

    Args:
        body: the request, which is not changed.
    """
    try:
        stripped = strip_thinking(body["messages"])
        is_same = stripped == body["messages"]
    except Exception:  # noqa: BLE001 - what is wrong with a history is for the API to say
        return None
    return None if is_same else {**body, "messages": stripped}


def strip_thinking(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages without any thinking: a history that can be sent without memory.

    Replies that were made behind memory carry thinking that is bound to what memory sent, not
    to the history as it stands; whoever goes on without memory sends the history stripped once.

    Args:
        messages: as they would be given to `messages.create`; they are not changed.

    Returns:
        Copies. An assistant message that was nothing but thinking is left out.
    """
    stripped = []
    for message in plain(list(messages)):
        if message.get("role") != "assistant" or not any(map(is_thinking, blocks_of(message))):
            stripped.append(dict(message))
        elif (rest := without_thinking(message))["content"]:
            stripped.append(rest)
    return stripped
