"""The stand-in behind the SDK's own HTTP client, without a network."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import httpx2


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, or the lack of one.

    Attributes:
        status: The HTTP status; 0 where no answer comes.
        headers: Its headers.
        chunks: The body, in the pieces it is sent in.
        dropped: `timeout` or `connection` where no answer comes.
        cut: The stream ends before it is complete.
        began: Called once, when the answer begins.
    """

    status: int
    headers: dict[str, str]
    chunks: list[bytes]
    dropped: str | None = None
    cut: bool = False
    began: Callable[[], None] = field(default=lambda: None)


Respond = Callable[[str, str, dict[str, str], bytes], Answer]


class _Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body sent piece by piece."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            # A turn of the loop between pieces, as on a real connection.
            await asyncio.sleep(0)
            yield chunk


class SyncTransport(httpx2.BaseTransport):
    """For `anthropic.DefaultHttpxClient(transport=...)`.

    Args:
        respond: Answers a request.
        latency: Seconds until an answer begins.
    """

    def __init__(self, respond: Respond, latency: float) -> None:
        self._respond = respond
        self._latency = latency

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        answer = _ask(self._respond, request, request.read())
        if self._latency:
            time.sleep(self._latency)
        return _response(answer, request)


class AsyncTransport(httpx2.AsyncBaseTransport):
    """For `anthropic.DefaultAsyncHttpxClient(transport=...)`.

    Args:
        respond: Answers a request.
        latency: Seconds until an answer begins.
    """

    def __init__(self, respond: Respond, latency: float) -> None:
        self._respond = respond
        self._latency = latency

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        answer = _ask(self._respond, request, await request.aread())
        if self._latency:
            await asyncio.sleep(self._latency)
        return _response(answer, request)


def _ask(respond: Respond, request: httpx2.Request, raw: bytes) -> Answer:
    return respond(request.method, request.url.path, dict(request.headers), raw)


def _response(answer: Answer, request: httpx2.Request) -> httpx2.Response:
    if answer.dropped == "timeout":
        raise httpx2.ReadTimeout("The read operation timed out", request=request)
    if answer.dropped == "connection":
        raise httpx2.ConnectError("Connection refused", request=request)
    answer.began()
    return httpx2.Response(
        answer.status, headers=answer.headers, stream=_Chunks(answer.chunks), request=request
    )
