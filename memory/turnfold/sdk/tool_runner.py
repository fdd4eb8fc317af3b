"""A request of the SDK's tool runner goes in; the same with its whole history comes out.

The runner asks for a thread by itself: the API keeps the history, and requests bring only what is
new. It has the history at hand all the same: it sends it with every `create`, and creates anew
where it is told that a thread it would `continue` is not known. Both are rules of the SDK's own,
so nothing of it is patched. Why so: docs/decisions/0033-a-tool-runner-sends-its-history.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from anthropic import NotFoundError

# Names the helpers of the SDK that a request comes from, alike in every language.
_HELPERS = "x-stainless-helper"
_TOOL_RUNNER = "BetaToolRunner"

REMARK = (
    "tool_runner sends its history, so that memory can fold it; a thread kept by the API has no "
    "memory: messages.thread(...) is one"
)
"""What a receipt says of it."""


def asks_for_thread(headers: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a tool runner, not its caller, asks for a thread in this request.

    Args:
        headers: of the request; names in any case.
        body: of the request.
    """
    if not isinstance(body.get("thread"), Mapping):
        return False
    helpers = (str(value) for name, value in headers.items() if name.lower() == _HELPERS)
    return any(_TOOL_RUNNER in one for one in helpers)


def with_history(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request without its thread, which brings the whole history.

    Raises:
        NotFoundError: it continues a thread; the SDK sends it once more, as a new one.
    """
    if body["thread"].get("type") == "continue":
        raise _unknown_thread(body["thread"])
    return {name: value for name, value in body.items() if name != "thread"}


def _unknown_thread(thread: Mapping[str, Any]) -> NotFoundError:
    """What the API answers to the continuation of a thread that it does not hold.

    An error of the SDK, which else never leaves memory: this one is for its threads, and none
    that is retried.
    """
    told = f"thread: {thread.get('previous_message_id')} is not known; its history is sent instead"
    error = {
        "type": "not_found_error",
        "message": told,
        "details": {"error_code": "thread_not_found"},
    }
    body = {"type": "error", "error": error}
    request = httpx2.Request("POST", "https://memory.invalid/v1/messages")
    response = httpx2.Response(httpx2.codes.NOT_FOUND, json=body, request=request)
    return NotFoundError(told, response=response, body=body)
