"""A request and the one it names as the one before go in; why the cache could not serve comes out.

As documented, requests are compared by what makes the prompt: the model, then `system`, then
`tools`, then whether the messages only go on. Only requests that ask are remembered.
"""

from dataclasses import dataclass
from typing import Any

from turnfold_fake.prompt import Piece, Reader

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Print:
    model: str
    system: list[Piece]
    tools: list[Piece]
    messages: list[Piece]


class Diagnoses:
    """The prompts of requests that asked. Not thread-safe.

    Args:
        reader: Digests and counts their blocks.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._prints: dict[str, _Print] = {}

    def diagnose(self, body: dict[str, Any], message_id: str) -> dict[str, Any] | None:
        """The answer's `diagnostics`; None where nobody asked, or nothing is other than before."""
        asked = body.get("diagnostics")
        if not isinstance(asked, dict):
            return None
        mine = self._print(body)
        self._prints[message_id] = mine
        if len(self._prints) > _REMEMBERED:
            del self._prints[next(iter(self._prints))]
        previous = asked.get("previous_message_id")
        if previous is None:
            return None
        reason = self._reason(self._prints.get(previous), mine)
        return None if reason is None else {"cache_miss_reason": reason}

    def _print(self, body: dict[str, Any]) -> _Print:
        parts = [{"system": body.get("system")}, {"tools": body.get("tools")}]
        system, tools = (self._reader.pieces({**one, "messages": []}) for one in parts)
        messages = self._reader.pieces({"messages": body["messages"]})
        return _Print(body["model"], system, tools, messages)

    @staticmethod
    def _reason(before: _Print | None, now: _Print) -> dict[str, Any] | None:
        if before is None:
            return {"type": "previous_message_not_found"}
        all_of_it = sum(one.tokens for one in (*before.system, *before.tools, *before.messages))
        if before.model != now.model:
            return {"type": "model_changed", "cache_missed_input_tokens": all_of_it}
        if _digests(before.tools) != _digests(now.tools):
            return {"type": "tools_changed", "cache_missed_input_tokens": all_of_it}
        if _digests(before.system) != _digests(now.system):
            missed = sum(one.tokens for one in (*before.system, *before.messages))
            return {"type": "system_changed", "cache_missed_input_tokens": missed}
        for place, one in enumerate(before.messages):
            if place >= len(now.messages) or now.messages[place].digest != one.digest:
                missed = sum(one.tokens for one in before.messages[place:])
                return {"type": "messages_changed", "cache_missed_input_tokens": missed}
        return None


def _digests(pieces: list[Piece]) -> list[bytes]:
    return [one.digest for one in pieces]
