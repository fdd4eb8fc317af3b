"""A body that goes without memory comes in; it goes out with the numbers its citations have in it.

Answers that were made behind memory cite by the numbers of what memory sent. Where memory keeps
out, be it that it failed, is turned off, or that the request is no turn, the caller's history goes
whole, its sources have their own numbers there, and the API refuses others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnfold.history.citations import Citations, citations_in
from turnfold.history.reader import read


def recounted(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body; itself where its citations are right, or none of memory's affair.

    A citation is held against what it names, by title or source and by the words it cites.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not any(
        True for one in messages if isinstance(one, Mapping) for _ in citations_in(one)
    ):
        return body
    try:
        changed = Citations(read(messages, seed="")).rewritten(0, 0)
    except Exception:  # noqa: BLE001 - what is wrong with a history is for the API to say
        return body
    if not changed:
        return body
    return {**body, "messages": [changed.get(index, one) for index, one in enumerate(messages)]}
