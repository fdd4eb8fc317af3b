"""Nothing goes in; a history with parallel calls of tools comes out, as an agent's loop has it."""

from __future__ import annotations

from typing import Any

from turnfold_cli.transcripts import Conversation, Message

EXCHANGES = 60
_SIDE_BY_SIDE = (2, 3)
_LONGEST = 20
"""Lines of a result, the shortest has one: a cut may fall before any of them."""
_TOOL = {
    "name": "look",
    "description": "Looks at a place.",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}},
}


def parallel_tools(exchanges: int = EXCHANGES) -> Conversation:
    """Each exchange asks, calls two or three tools at once, has their results, and answers."""
    messages: list[Message] = []
    for number in range(1, exchanges + 1):
        many = _SIDE_BY_SIDE[number % len(_SIDE_BY_SIDE)]
        ids = [f"toolu_{number}_{n}" for n in range(many)]
        calls: list[dict[str, Any]] = [
            {"type": "tool_use", "id": one, "name": "look", "input": {"at": f"place {one[6:]}"}}
            for one in ids
        ]
        results = [
            {"type": "tool_result", "tool_use_id": one, "content": _seen(number, n)}
            for n, one in enumerate(ids)
        ]
        messages += [
            {"role": "user", "content": f"Look at group {number} and say what is odd there."},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": f"I look at {many} places."}, *calls],
            },
            {"role": "user", "content": results},
            {"role": "assistant", "content": f"Nothing but gauge {number * 7} is odd there."},
        ]
    return Conversation("parallel-tools", tuple(messages), tools=(_TOOL,))


def _seen(number: int, place: int) -> str:
    lines = (
        f"Gauge {number * 7 + line} of place {place} reads {number * 31 + line * place}."
        for line in range(1 + (number * 7 + place * 5) % _LONGEST)
    )
    return "\n".join(lines)
