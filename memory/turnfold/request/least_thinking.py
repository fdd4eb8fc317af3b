"""A request goes in; it comes out so that its model thinks as little as that model lets itself be.

Models differ in what they take for it. Some can be told not to think. One can be told to think
between tool calls alone, which without tools is not at all. Of some that think on their own none
of this is taken, and what is left is to ask for little effort and to leave room: what is thought
counts toward `max_tokens`. As Anthropic's documentation had it on 2026-11-29 ("Troubleshooting
thinking", and what is new in each model).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

Setting = Literal["disabled", "between_tools", "adaptive"]
SETTINGS: tuple[Setting, ...] = ("disabled", "between_tools", "adaptive")
"""From no thinking to as much as the model likes."""

ROOM_TO_THINK = 4_000
"""Tokens of `max_tokens` besides the answer's own, where a model thinks whatever it is told.

How much that is with little effort is nowhere said. Room that is not used costs nothing, and an
answer that is cut off is paid for in vain, so there is plenty.
"""

_NAME = re.compile(r"claude-(?P<line>[a-z]+)-(?:preview|(?P<major>\d)(?:-(?P<minor>\d)(?!\d))?)")
# From which version on a line takes what; before it, and in other lines, "disabled".
_SINCE: Mapping[str, tuple[tuple[int, int], Setting]] = MappingProxyType(
    {
        "fable": ((0, 0), "adaptive"),
        "mythos": ((0, 0), "adaptive"),
        "opus": ((5, 5), "adaptive"),
        "sonnet": ((5, 5), "between_tools"),
    }
)
_THINKS_SINCE = (5, 0)


def setting_of(model: str) -> Setting:
    """The least thinking that a model can be told to do; "adaptive" where it cannot be told.

    A cloud's own prefix and a date suffix do not matter. One that is not known can, we take it,
    be told not to think: it will say so if not (`told_by`).
    """
    found = _NAME.search(model)
    if found is None:
        return "disabled"
    since, setting = _SINCE.get(found["line"], ((10, 0), "disabled"))
    return setting if _version(found) >= since else "disabled"


def thinks_untold(model: str) -> bool:
    """Whether a model thinks where it is told nothing about it; one not known does not."""
    found = _NAME.search(model)
    return found is not None and (
        setting_of(model) == "adaptive" or _version(found) >= _THINKS_SINCE
    )


def told_by(refusal: str) -> Setting | None:
    """What a refusal in the API's words says to ask for instead; None where it names nothing."""
    if "between_tools" in refusal:
        return "between_tools"
    return "adaptive" if re.search(r"thinking\.type\W+adaptive\b", refusal) else None


def room_to_think(model: str) -> int:
    """Tokens besides the answer's own that `with_least_thinking` leaves a model for thinking."""
    return ROOM_TO_THINK if setting_of(model) == "adaptive" else 0


def with_least_thinking(
    request: Mapping[str, Any],
    setting: Setting | None = None,
    *,
    room: int = ROOM_TO_THINK,
) -> dict[str, Any]:
    """A request whose model thinks as little as it can be told to.

    Args:
        request: a body with `model` and `max_tokens`; it is not changed.
        setting: what the model takes; None for what it is known to take.
        room: tokens to think, where it thinks all the same.
    """
    setting = setting or setting_of(str(request["model"]))
    if setting != "adaptive":
        return {**request, "thinking": {"type": setting}}
    return {
        **request,
        "max_tokens": request["max_tokens"] + room,
        "output_config": {**(request.get("output_config") or {}), "effort": "low"},
    }


def _version(found: re.Match[str]) -> tuple[int, int]:
    return int(found["major"] or 0), int(found["minor"] or 0)
