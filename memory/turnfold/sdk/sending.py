"""A body goes in; the response to it comes out, or to a mended one where the API refused it.

So it is for turns and for what memory keeps out of: requests without memory, counts, and bodies
that are no turn. These go as they are. But answers that were made behind memory have thinking
that is bound to what memory sent, and the API refuses it where the whole history stands.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from turnfold.request.recounted import recounted
from turnfold.request.refusals import REFUSING, Refusal, read_refusal
from turnfold.request.thinking import body_without_thinking
from turnfold.sdk.attempt_effects import Close, Load, Send
from turnfold.sdk.response_tap import aload, content_of, load, raw_response
from turnfold.sdk.turn_requests import goes_untouched
from turnfold.summarizers.driver import Script, play, play_on_loop

logger = logging.getLogger("turnfold")

Body = Mapping[str, Any]
_T = TypeVar("_T")


def sent(body: Body, mended: Callable[[Refusal | None], Script[Body | None]]) -> Script[Any]:
    """Send a body, and once more what it was mended to.

    Args:
        body: the request.
        mended: gives what is sent instead of a refused one; None where that would not help.

    Returns:
        The response: to the second one, if there was one.
    """
    response = yield Send(body)
    refused = raw_response(response)
    if refused is not None and refused.status_code in REFUSING:
        yield Load(refused)
        again = yield from mended(read_refusal(refused.status_code, content_of(refused)))
        if again is not None:
            yield Close(refused)
            response = yield Send(again)
    return response


def _passed(body: Body) -> Script[Any]:
    """Send a body that memory keeps out of, and once more where its thinking is refused."""
    sends = recounted(body)
    if goes_untouched(body):
        return (yield Send(sends))

    def mended(refusal: Refusal | None) -> Script[Body | None]:
        yield from ()
        return mended_without_memory(sends, refusal)

    return (yield from sent(sends, mended))


def mended_without_memory(body: Body, refusal: Refusal | None) -> Body | None:
    """What is sent instead of a refused body that went without memory.

    Returns:
        None where the API refused it for something else, or there is no thinking in it.
    """
    if refusal is None or refusal.kind != "thinking":
        return None
    again = body_without_thinking(body)
    if again is not None:
        logger.info("without memory, thinking that was made behind it is refused: it is left out")
    return again


def pass_on(body: Body, send: Callable[[Body], _T]) -> _T:
    """Send a body that memory keeps out of.

    Args:
        body: the request.
        send: sends a body, `body` itself where nothing is changed, and gives the response.
    """
    response: _T = play(_passed(body), partial(carry, send))
    return response


async def pass_on_async(body: Body, send: Callable[[Body], Awaitable[_T]]) -> _T:
    """The same on an event loop."""
    response: _T = await play_on_loop(_passed(body), partial(carry_async, send))
    return response


def carry(send: Callable[[Body], Any], effect: object) -> Any:
    """Wait for an effect of these scripts.

    Args:
        send: sends a body and gives the response.
        effect: to send, to read or to close; any other is nothing to wait for.
    """
    match effect:
        case Send(body):
            return send(body)
        case Load(response):
            load(response)
        case Close(response):
            response.close()
    return None


async def carry_async(send: Callable[[Body], Awaitable[_T]], effect: object) -> _T | None:
    """The same on an event loop."""
    match effect:
        case Send(body):
            return await send(body)
        case Load(response):
            await aload(response)
        case Close(response):
            await response.aclose()
    return None
