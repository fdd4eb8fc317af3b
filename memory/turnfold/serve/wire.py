"""One request of a client as it comes, and one answer as it goes, chunk by chunk (ASGI)."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx2
from starlette.types import Receive, Scope, Send

from turnfold.accounting.receipt import Outlook
from turnfold.sdk.middleware import OUTLOOK
from turnfold.serve.headers import Pairs, names_of, to_client
from turnfold.serve.upstream import READ

logger = logging.getLogger("turnfold")

# Seconds a client may be silent in the middle of a request.
_SILENCE = 30.0


class ClientGone(Exception):  # noqa: N818 - it is no fault of anyone
    """The client hung up."""


class Refused(Exception):  # noqa: N818 - said to the client, as the API says it
    """A request that is not sent on."""

    def __init__(self, status: int, kind: str, message: str, headers: Pairs | None = None) -> None:
        """Args:
        status: of HTTP.
        kind: the `type` of the API's errors.
        message: why.
        headers: to go with it.
        """
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers or []


class Incoming:
    """A request.

    Attributes:
        method: of HTTP.
        path: decoded.
        target: path and query as they came.
        pairs: its headers, names in lower case.
        headers: the same by name.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        query = scope.get("query_string") or b""
        raw = scope.get("raw_path") or scope["path"].encode()
        self.target: bytes = raw.partition(b"?")[0] + (b"?" + query if query else b"")
        self.pairs: Pairs = list(scope["headers"])
        self.headers = names_of(self.pairs)
        self._receive = receive
        self._is_read = anyio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it comes.

        Raises:
            ClientGone: the client hung up.
            Refused: it fell silent.
        """
        more = True
        while more:
            try:
                with anyio.fail_after(_SILENCE):
                    event = await self._receive()
            except TimeoutError:
                raise Refused(408, "timeout_error", "the request did not arrive in time") from None
            if event["type"] == "http.disconnect":
                raise ClientGone
            more = event.get("more_body", False)
            if chunk := event.get("body", b""):
                yield chunk
        self._is_read.set()

    async def body(self, most: int) -> bytes:
        """The body, whole.

        Raises:
            ClientGone: the client hung up.
            Refused: it fell silent, or the body has more than `most` bytes.
        """
        read, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > most:
                raise Refused(413, "request_too_large", f"the request has more than {most} bytes")
            read.append(chunk)
        return b"".join(read)

    @property
    def encoding(self) -> str:
        """How the body is compressed; "" where it is not."""
        named = self.headers.get("content-encoding", "").strip().lower()
        return "" if named == "identity" else named

    def lose(self, name: bytes) -> None:
        """Take a header away: what it says of the body is no longer so."""
        self.pairs = [pair for pair in self.pairs if pair[0] != name]
        self.headers = names_of(self.pairs)

    @property
    def has_body(self) -> bool:
        """Whether a body is announced."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    async def gone(self) -> None:
        """Returns when the client has hung up, or was answered; not before the body is read."""
        await self._is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Outgoing:
    """The answer to it.

    Attributes:
        has_begun: whether its status has left.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def begin(self, status: int, headers: Pairs) -> None:
        """Send status and headers."""
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def chunk(self, chunk: bytes, *, last: bool = False) -> None:
        """Send some of the body; returns when there is room for more."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})

    async def refuse(self, refused: Refused) -> None:
        """Say why a request was not sent on, as the API says such things."""
        error = {"type": refused.kind, "message": f"turnfold: {refused}"}
        raw = json.dumps({"type": "error", "error": error}).encode()
        length = str(len(raw)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await self.begin(refused.status, [*headers, *refused.headers])
        await self.chunk(raw, last=True)

    async def relay(self, response: httpx2.Response) -> None:
        """Pass a response on, byte by byte as it comes, and close it whatever happens.

        One that breaks off breaks off here too: the client sees what it would see without us.
        """
        outlook = response.extensions.get(OUTLOOK)
        try:
            told = outlook if isinstance(outlook, Outlook) else None
            await self.begin(response.status_code, to_client(response.headers.raw, told))
            read = response.extensions.get(READ)
            if isinstance(read, bytes):
                await self.chunk(read, last=True)
                return
            async for chunk in response.aiter_raw():
                await self.chunk(chunk)
            await self.chunk(b"", last=True)
        except httpx2.TransportError as wrong:
            logger.warning("the answer of the upstream broke off: %s", type(wrong).__name__)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()


async def while_there(incoming: Incoming, work: Callable[[], Awaitable[Any]]) -> None:
    """Do the work of a request, and stop in the middle of it when the client hangs up."""
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await incoming.gone()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await work()
        tasks.cancel_scope.cancel()
