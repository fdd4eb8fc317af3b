"""Steps go in; the lists that an agent keeps of what is to do come out, as it last wrote them.

Todo and plan tools are given the whole list at each call, so the last call of one says all there
is to know; the calls before say nothing more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from turnfold.history.exchanges import Exchange, blocks_of

_NAME = re.compile(r"to_?-?do|task_?-?(?:list|s\b)|plan|check_?-?list", re.IGNORECASE)


def task_lists(steps: Sequence[Exchange], until: int, known: int) -> dict[str, str]:
    """The lists last written in the oldest steps, as JSON by the name of the tool.

    Args:
        steps: closed steps, oldest first.
        until: how many of the oldest are looked at.
        known: up to which step a later list counts: one that is written again there is left out.
    """
    lists: dict[str, str] = {}
    for step in steps[:until]:
        lists.update(_written_in(step))
    for step in steps[until:known]:
        for name in _written_in(step):
            lists.pop(name, None)
    return lists


def _written_in(step: Exchange) -> dict[str, str]:
    """The lists that a step writes."""
    return {
        str(block["name"]): json.dumps(block["input"], ensure_ascii=False, default=str)
        for message in step.messages
        if message.get("role") == "assistant"
        for block in blocks_of(message)
        if _writes_list(block)
    }


def _writes_list(block: Any) -> bool:
    """Whether a block is a call that is given a whole list: of texts, or of things with a text."""
    if not isinstance(block, Mapping) or block.get("type") != "tool_use":
        return False
    given = block.get("input")
    if not _NAME.search(str(block.get("name"))) or not isinstance(given, Mapping):
        return False
    return any(
        isinstance(value, list) and value and all(isinstance(one, str | Mapping) for one in value)
        for value in given.values()
    )
