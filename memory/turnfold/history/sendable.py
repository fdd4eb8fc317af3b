"""An exchange as it was answered goes in; what of it the API takes back comes out.

The API answers with some things that it refuses in a history: texts of nothing, calls whose
results never came, thinking that nothing follows. Kept as they came they would be refused with
every request that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from turnfold.history.exchanges import Message, blocks_of, is_object, is_thinking


def sendable(exchange: Iterable[Message]) -> list[dict[str, Any]]:
    """An exchange of texts and finished answers, without what the API does not take back.

    Args:
        exchange: its messages, which are not changed. No message brings results of the caller's
            tools: a call of one is a call without a result.

    Returns:
        Copies; none at all where a message has nothing left, since the others make no sense
        without it.
    """
    kept = []
    for message in exchange:
        blocks = blocks_of(message)
        rest = sendable_blocks(blocks)
        if not rest:
            return []
        kept.append({**message, "content": rest} if len(rest) < len(blocks) else dict(message))
    return kept


def sendable_blocks(blocks: Sequence[Any]) -> list[Any]:
    """The blocks of a message that can be sent back; none where that would be thinking alone."""
    answered = {block.get("tool_use_id") for block in blocks if is_object(block)}
    kept = [one for one in blocks if not _is_blank(one) and not _is_open(one, answered)]
    while kept and is_thinking(kept[-1]):
        kept.pop()
    return kept


def is_call(block: Any) -> bool:
    """Whether a block calls a tool, of the caller's or of the API's own."""
    kind = block.get("type") if is_object(block) else None
    return isinstance(kind, str) and kind.endswith("tool_use")


def _is_open(block: Any, answered: set[Any]) -> bool:
    return is_call(block) and block.get("id") not in answered


def _is_blank(block: Any) -> bool:
    if not is_object(block) or block.get("type") != "text":
        return False
    return not str(block.get("text") or "").strip()
