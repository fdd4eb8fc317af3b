"""A request goes in; whether it is a turn of a conversation, which memory may rewrite, comes out.

Most of what is posted to /v1/messages is a turn: a history, and what is to be said next. Some of
it is not: its history is elsewhere, or is itself what the request is about. Such a body passes
untouched, and nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_PATH = "/v1/messages"
_COUNTING = "/v1/messages/count_tokens"


@dataclass(frozen=True, slots=True)
class OtherThanTurn:
    """A field that makes a body something other than a turn.

    Attributes:
        field: its name.
        makes_other: whether a value of it does; None, which the API takes for nothing, never.
        reason: what the body is then, and why memory keeps out.
        advice: what a caller who wants memory can do, said once in the log; "" for nothing.
        is_exact: whether the answer only holds for the very messages that the caller has: then
            they go untouched, even where the API refuses some of them.
    """

    field: str
    makes_other: Callable[[Any], bool]
    reason: str
    advice: str = ""
    is_exact: bool = False


def _is_given(_value: Any) -> bool:
    return True


OTHER_THAN_TURNS = (
    OtherThanTurn(
        "thread",
        _is_given,
        "the history is kept by the API; the body holds only what is new",
        "a request carries `thread`, so its history is kept by the API and passes without memory; "
        "messages.create(...) and tool_runner(...) send the history and have memory",
    ),
    OtherThanTurn(
        "compaction",
        _is_given,
        "the API is to summarize this very history, and the turns that are kept beside the "
        "summary have to follow what was summarized unchanged",
        is_exact=True,
    ),
    OtherThanTurn(
        "max_tokens",
        lambda value: value == 0,
        "the prompt cache is filled and nothing is answered: what stands at the end was not said",
    ),
)
"""Every such field, with the reason. A field of the API that is not here leaves a turn a turn."""


def other_than_turn(body: Mapping[str, Any]) -> OtherThanTurn | None:
    """The field that makes a body something other than a turn; None for a turn."""
    for one in OTHER_THAN_TURNS:
        value = body.get(one.field)
        if value is not None and one.makes_other(value):
            return one
    return None


def goes_untouched(body: Mapping[str, Any]) -> bool:
    """Whether no message may be changed, though the API refuse it."""
    other = other_than_turn(body)
    return other is not None and other.is_exact


def sends_messages(method: str, url: str, body: Any) -> bool:
    """Whether a request creates a message from a list of messages; counting and batches do not."""
    return _posts(_PATH, method, url, body)


def counts_messages(method: str, url: str, body: Any) -> bool:
    """Whether a request asks how many tokens a list of messages has."""
    return _posts(_COUNTING, method, url, body)


def _posts(path: str, method: str, url: str, body: Any) -> bool:
    return (
        method.lower() == "post"
        and url.partition("?")[0].rstrip("/") == path
        and isinstance(body, Mapping)
        and isinstance(body.get("messages"), list)
    )
