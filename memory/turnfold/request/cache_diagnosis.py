"""The request before goes in; a question about the prompt cache, and what was answered, come out.

The API compares a request with one that it names, and says where the prompts part. So that each
request continues the one before can be proved on a live account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIELD = "diagnostics"


def asking(body: Mapping[str, Any], previous: str) -> Mapping[str, Any]:
    """The request, which asks why the cache could not serve it; as it is, where it asks already.

    Args:
        body: the request.
        previous: id of the answer to the request before; "" for none.
    """
    if body.get(FIELD) is not None:
        return body
    return {**body, FIELD: {"previous_message_id": previous or None}}


def reason_in(message: Mapping[str, Any] | None) -> str | None:
    """Why the cache could not serve all of the request before; for an answer to one that asked.

    Returns:
        The API's own word, with the tokens that it missed where it counts them; "" where it found
        nothing; None where it has not said, since the answer broke off, or it was not done.
    """
    if message is None:
        return None
    told = message.get(FIELD)
    if told is None:
        return ""
    reason = told.get("cache_miss_reason") if isinstance(told, Mapping) else None
    if not isinstance(reason, Mapping) or not reason.get("type"):
        return None
    missed = reason.get("cache_missed_input_tokens")
    return str(reason["type"]) + (f" ({missed} tokens)" if isinstance(missed, int) else "")
