"""A body that goes without memory comes in; it goes out with the numbers its citations have in it.

Answers that were made behind memory cite by the numbers of what memory sent. Where memory keeps
out, be it that it failed, is turned off, or that the request is no turn, the caller's history goes
whole, its sources have their own numbers there, and the API refuses others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from turnfold.history.citations import Citations, citations_in
from turnfold.history.exchanges import Message
from turnfold.history.reader import read


def recounted(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body; itself where its citations are right, or none of memory's affair.

    A citation is held against what it names, by title or source and by the words it cites.
    """
    messages = body.get("messages")
    try:
        if not isinstance(messages, list) or not _cite(messages):
            return body
        transcript = read(messages, seed="")
        changed = Citations(transcript).rewritten(0, 0)
    except Exception:  # noqa: BLE001 - what is wrong with a history is for the API to say
        return body
    if not changed:
        return body
    # Words beside a tool's result are read as a message of their own; answers stay one each.
    answers = [changed.get(at) for at, one in enumerate(transcript.messages) if _is_answer(one)]
    places = [at for at, one in enumerate(messages) if _is_answer(one)]
    recited = {at: one for at, one in zip(places, answers, strict=True) if one is not None}
    return {**body, "messages": [recited.get(at, one) for at, one in enumerate(messages)]}


def _cite(messages: Sequence[Any]) -> bool:
    return any(True for one in messages if isinstance(one, Mapping) for _ in citations_in(one))


def _is_answer(message: Message) -> bool:
    return message.get("role") == "assistant"
