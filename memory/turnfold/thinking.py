"""Messages with thinking go in; those whose thinking still holds keep it.

A thinking block is bound to all that stood before it when it was made: system, tools, earlier
messages. A request in which any of that differs is refused, and refused again each time it is
sent. So thinking is kept by proof: with each reply the digest of what was sent is recorded, and
a block stays only where today's prefix has that digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnfold.transcript import Message, blocks_of, digest, is_thinking


@dataclass(slots=True)
class Line:
    """One message on its way out.

    Attributes:
        message: what to send.
        name: digest of what it says, with what was put into it; thinking and cache marks aside.
        before: digest of all that stands before it.
        touched: whether any of that is not as the caller sent it.
    """

    message: Message
    name: str
    before: str = ""
    touched: bool = False


def thinking_ids(message: Message) -> list[str]:
    """Names of the thinking blocks of a message, by their signatures."""
    return [
        "thought:" + digest(str(block.get("signature") or block.get("data") or ""))
        for block in blocks_of(message)
        if is_thinking(block)
    ]


def drop_unproven(lines: Sequence[Line], proofs: Mapping[str, str]) -> int:
    """Keep the newest run of thinking that is proven; drop the rest, oldest first, no gap.

    A block is proven where the prefix it was made under is today's, or where nothing is known
    of it and nothing before it was touched.

    Args:
        lines: the messages; those that lose thinking get a new `message`.
        proofs: for thinking blocks by name, the digest of the prefix they were made under.

    Returns:
        How many messages lost their thinking.
    """
    dropping = False
    dropped = 0
    for line in reversed(lines):
        if line.message.get("role") != "assistant":
            continue
        names = thinking_ids(line.message)
        if not names:
            continue
        known = [proofs[name] for name in names if name in proofs]
        if known:
            proven = len(known) == len(names) and all(one == line.before for one in known)
        else:
            proven = not line.touched
        dropping = dropping or not proven
        if dropping:
            line.message = without_thinking(line.message)
            dropped += 1
    return dropped


def without_thinking(message: Message) -> dict[str, Any]:
    """A copy of a message without its thinking; its content may be empty then."""
    kept = [block for block in blocks_of(message) if not is_thinking(block)]
    return {**message, "content": kept}


def strip_thinking(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages without any thinking: a history that can be sent without memory.

    Replies that were made behind memory carry thinking that is bound to what memory sent, not
    to the history as it stands; whoever goes on without memory sends the history stripped once.

    Args:
        messages: Messages-API messages as plain objects; they are not changed.

    Returns:
        Copies. An assistant message that was nothing but thinking is left out.
    """
    stripped = []
    for message in messages:
        if message.get("role") != "assistant" or not any(map(is_thinking, blocks_of(message))):
            stripped.append(dict(message))
        elif (rest := without_thinking(message))["content"]:
            stripped.append(rest)
    return stripped
