"""Requests of the Messages API go through memory; all others pass as they are."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import httpx2
from anthropic import NotFoundError
from starlette.types import Receive, Scope, Send

from turnfold.accounting.receipt import Outlook, Receipt
from turnfold.errors import TurnfoldError
from turnfold.memory import Memory
from turnfold.request.refusals import REFUSING
from turnfold.resilience.worker_threads import NoThread, WorkerThreads
from turnfold.sdk.middleware import OUTLOOK
from turnfold.sdk.sending import pass_on_async
from turnfold.sdk.tool_runner import asks_for_thread, with_history
from turnfold.sdk.turn_requests import counts_messages, other_than_turn, sends_messages
from turnfold.serve.bodies import BodyError, read, unpacked, written
from turnfold.serve.callers import Caller, caller_of, wants_memory
from turnfold.serve.clouds import Cloud
from turnfold.serve.gate import is_ours
from turnfold.serve.headers import to_upstream
from turnfold.serve.settings import ServeSettings
from turnfold.serve.upstream import READ, Upstream
from turnfold.serve.wire import ClientGone, Incoming, Outgoing, Refused, while_there

logger = logging.getLogger("turnfold")

# The API takes 32 MB; what is over that is for the API to refuse, up to here.
_MOST_BYTES = 40 << 20
# JSON of more bytes than these is read and written in a thread, so that other streams go on.
_LARGE = 1 << 18
_THREADS = 4
_HISTORY: Mapping[str, Any] = {"messages": []}


class Proxy:
    """Answers every path but our own."""

    def __init__(
        self,
        memory: Memory,
        upstream: Upstream | Cloud,
        settings: ServeSettings,
        on_receipt: Callable[[Receipt], None] | None = None,
    ) -> None:
        self._memory = memory
        self._upstream = upstream
        self._settings = settings
        self._on_receipt = on_receipt
        self._threads = WorkerThreads(_THREADS, "turnfold-body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        incoming, outgoing = Incoming(scope, receive), Outgoing(send)

        async def answer() -> None:
            try:
                _check_path(incoming)
                await outgoing.relay(await self._ask(incoming))
            except ClientGone:
                return
            except Refused as refused:
                if not outgoing.has_begun:
                    await outgoing.refuse(refused)
            except httpx2.TransportError as wrong:
                if not outgoing.has_begun:
                    await outgoing.refuse(_unreachable(wrong))

        await while_there(incoming, answer)

    async def _ask(self, incoming: Incoming) -> httpx2.Response:
        """The response of the upstream, not read yet."""
        of_interest = _of_interest(incoming)
        if of_interest is None:
            streamed = incoming.chunks() if incoming.has_body else await incoming.body(0)
            return await self._pass(incoming, streamed)
        came = await incoming.body(_MOST_BYTES)
        wants = of_interest is sends_messages and wants_memory(incoming.headers)
        try:
            raw, body = await self._opened(incoming, came)
        except BodyError as why:
            return await self._unread(incoming, came, why, wants=wants)
        if not wants:
            raw = came
        elif incoming.encoding:
            incoming.lose(b"content-encoding")
        if not of_interest(incoming.method, incoming.path, body):
            return await self._pass(incoming, raw)
        if of_interest is counts_messages:
            return await self._leave(incoming, raw, body)
        return await self._ask_for_message(incoming, raw, body, wants=wants)

    async def _ask_for_message(
        self, incoming: Incoming, raw: bytes, body: Mapping[str, Any], *, wants: bool
    ) -> httpx2.Response:
        """Send messages on, with memory where it is wanted and they are a turn."""
        try:
            caller = caller_of(incoming.headers, body, self._settings.wall)
            if wants and asks_for_thread(incoming.headers, body):
                body = with_history(body)
                raw = await self._aside(len(raw), partial(written, body))
            if not wants or other_than_turn(body) is not None:
                return await self._leave(incoming, raw, body)
            return await self._turn(incoming, raw, body, caller)
        except NotFoundError as unknown:
            unknown.response.extensions[READ] = unknown.response.content
            return unknown.response
        except TurnfoldError as wrong:
            # A name that does not fit, or a failing part where that is wanted to be raised.
            status, kind = (400, "invalid_request_error")
            if self._memory.policy.on_error == "raise":
                status, kind = (500, "api_error")
            raise Refused(status, kind, str(wrong)) from None

    async def _pass(
        self, incoming: Incoming, content: bytes | AsyncIterator[bytes]
    ) -> httpx2.Response:
        """Send a request on as it is."""
        whole = isinstance(content, bytes)
        headers = to_upstream(incoming.pairs, is_read=False, is_whole=whole)
        return await self._upstream.send(incoming.method, incoming.target, headers, content)

    async def _leave(
        self, incoming: Incoming, raw: bytes, body: Mapping[str, Any]
    ) -> httpx2.Response:
        """Send a history on that memory keeps out of."""
        return await pass_on_async(body, self._sending(incoming, raw, body))

    async def _unread(
        self, incoming: Incoming, raw: bytes, why: BodyError, *, wants: bool
    ) -> httpx2.Response:
        """Send on what could not be read; where it was to have memory, say that it had none."""
        response = await self._pass(incoming, raw)
        if wants:
            logger.warning("a request passed without memory: %s", why)
            response.extensions[OUTLOOK] = Outlook(degraded=(f"request: {why}",))
        return response

    async def _turn(
        self, incoming: Incoming, raw: bytes, body: Mapping[str, Any], caller: Caller
    ) -> httpx2.Response:
        """Send a turn on with memory: the very middleware that clients of the SDK have."""
        middleware = self._memory.middleware(
            self._upstream.client_of(incoming.headers),
            user_id=caller.user_id,
            conversation=caller.conversation or None,
            keep_first=self._keep_first(caller),
            on_receipt=self._on_receipt,
        )
        return await middleware.send_async(body, self._sending(incoming, raw, body))

    def _sending(
        self, incoming: Incoming, raw: bytes, body: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Any]], Awaitable[httpx2.Response]]:
        """What sends a body upstream: the bytes as they came where it is this very one."""

        async def send(sends: Mapping[str, Any]) -> httpx2.Response:
            content = raw
            if sends is not body:
                content = await self._aside(len(raw), partial(written, sends))
                incoming.lose(b"content-encoding")
            headers = to_upstream(incoming.pairs, is_read=True, is_whole=True)
            response = await self._upstream.send(incoming.method, incoming.target, headers, content)
            return await _kept(response)

        return send

    async def _opened(self, incoming: Incoming, raw: bytes) -> tuple[bytes, Mapping[str, Any]]:
        """A body, not compressed any more, and its JSON."""
        if encoding := incoming.encoding:
            raw = await self._aside(_LARGE, partial(unpacked, raw, encoding, _MOST_BYTES))
        return raw, await self._aside(len(raw), partial(read, raw))

    async def _aside(self, size: int, step: Callable[[], Any]) -> Any:
        """Take a step here, or in a thread where it would hold up others."""
        if size < _LARGE:
            return step()
        try:
            return await self._threads.do_async(step)
        except NoThread:
            return step()

    def _keep_first(self, caller: Caller) -> int | None:
        if not caller.is_agent:
            return None
        return max(self._settings.keep_first, self._memory.policy.keep_first)


def _of_interest(incoming: Incoming) -> Callable[[str, str, Any], bool] | None:
    """What tells by its body whether a request brings a history; None where none is to be read."""
    for brings in (sends_messages, counts_messages):
        if brings(incoming.method, incoming.path, _HISTORY):
            return brings
    return None


def _check_path(incoming: Incoming) -> None:
    """Refuse a path of ours, and one that would leave the upstream's own when it is resolved."""
    if is_ours(incoming.path):
        raise Refused(404, "not_found_error", f"{incoming.method} of this path is nothing here")
    segments = incoming.path.replace("\\", "/").split("/")
    if not incoming.target.startswith(b"/") or "." in segments or ".." in segments:
        raise Refused(400, "invalid_request_error", "this path is not sent on")


async def _kept(response: httpx2.Response) -> httpx2.Response:
    """A response that memory may have to read before it is passed on keeps its bytes.

    One whose encoding is damaged has none that can be read, and is passed on all the same.
    """
    if response.status_code not in REFUSING:
        return response
    try:
        read = b"".join([chunk async for chunk in response.aiter_raw()])
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()
    kept = httpx2.Response(
        response.status_code,
        headers=response.headers,
        stream=httpx2.ByteStream(read),
        request=response.request,
        extensions={READ: read},
    )
    with suppress(httpx2.DecodingError):
        await kept.aread()
    return kept


def _unreachable(wrong: httpx2.TransportError) -> Refused:
    """What a client is told of an upstream that did not answer; it may well try again."""
    name = type(wrong).__name__
    logger.warning("the upstream did not answer: %s", name)
    if isinstance(wrong, httpx2.TimeoutException):
        return Refused(504, "timeout_error", f"the upstream did not answer in time: {name}")
    return Refused(502, "api_error", f"the upstream cannot be reached: {name}")
