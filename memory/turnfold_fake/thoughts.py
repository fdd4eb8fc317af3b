"""A request and what is to be said go in; what the model thinks before it says that comes out."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from turnfold_fake.models import Model
from turnfold_fake.prompt import THINKING, blocks_of
from turnfold_fake.replies import Reply
from turnfold_fake.tokens import count_text

_THOUGHTS = (
    "Let me look at what was asked.",
    "I should answer from what was said before.",
    "A short answer will do here.",
    "",
    "First what is known, then what follows.",
)
_ROOM_TO_THINK = 32


def thinks(body: Mapping[str, Any], model: Model) -> bool:
    """Whether a model thinks before it answers a request, as it was told or else as it is used to.

    Told to think between tool calls alone it may or may not: here it does not.
    """
    kind = (body.get("thinking") or {}).get("type")
    return model.thinks if kind is None else kind in ("adaptive", "enabled")


def thought(
    body: dict[str, Any], reply: Reply | None, room: int, *, on: bool
) -> list[dict[str, Any]]:
    """The thinking block of an answer, not signed yet; none where there is no thought.

    Args:
        body: The request.
        reply: What is to be said; None for what the request's schema asks for.
        room: Tokens of output. What is thought counts toward it; whoever answers ends it there.
        on: Whether the model thinks unless the reply says otherwise.
    """
    chosen = reply.thinking if reply is not None else None
    own = reply is not None and any(block["type"] in THINKING for block in blocks_of(reply.content))
    if chosen is False or own or (chosen is None and not on) or room <= _ROOM_TO_THINK // 4:
        return []
    if chosen is None:
        newest = json.dumps(body["messages"][-1].get("content"), sort_keys=True)
        place = blake2b(newest.encode(), digest_size=1).digest()[0] % len(_THOUGHTS)
        chosen = _THOUGHTS[place] if room >= _ROOM_TO_THINK else ""
    return [{"type": "thinking", "thinking": chosen, "signature": ""}]


def hide(content: list[dict[str, Any]], body: Mapping[str, Any], model: Model) -> int:
    """Take the text out of thinking that a request is not to be told, in place.

    Args:
        content: Of the answer, its thinking not yet signed.
        body: The request.
        model: What it names.

    Returns:
        The tokens of that text, which are paid for all the same.
    """
    default = "summarized" if model.shows_thinking else "omitted"
    if ((body.get("thinking") or {}).get("display") or default) != "omitted":
        return 0
    hidden = [one for one in content if one["type"] == "thinking" and not one.get("signature")]
    tokens = sum(count_text(one["thinking"]) for one in hidden)
    for one in hidden:
        one["thinking"] = ""
    return tokens
