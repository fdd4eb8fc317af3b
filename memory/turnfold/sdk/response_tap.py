"""A response goes by; the answer it told of comes out, and the caller notices nothing."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

import anyio
import httpx2

from turnfold.accounting.answer import Answer
from turnfold.sdk.stream_events import StreamedMessage, message_of_json

Done = Callable[[Answer], object]
DoneAsync = Callable[[Answer], Awaitable[object]]

# zlib is told by this that it is given gzip's format.
_GZIP = zlib.MAX_WBITS | 16


def raw_response(response: object) -> httpx2.Response | None:
    """The HTTP response behind what the rest of the chain answered; None where there is none.

    A middleware further in may answer by itself, and a caller may ask for the HTTP response.
    """
    raw = getattr(response, "http_response", response)
    return raw if isinstance(raw, httpx2.Response) else None


def load(raw: httpx2.Response) -> None:
    """Read a response. What goes wrong on the wire is raised, as it would be without memory."""
    with contextlib.suppress(httpx2.StreamError):  # someone has read it in part
        raw.read()


async def aload(raw: httpx2.Response) -> None:
    """The same for an async client."""
    with contextlib.suppress(httpx2.StreamError):
        await raw.aread()


def content_of(raw: httpx2.Response) -> bytes:
    """The body of a response that was read; nothing where it was not."""
    try:
        return raw.content
    except httpx2.ResponseNotRead:
        return b""


def answer_in(raw: httpx2.Response | None) -> Answer:
    """The answer in a response that was read; none where nobody kept what was read."""
    content = b"" if raw is None else content_of(raw)
    if raw is None or not content:
        return Answer()
    return _answer_of(content, is_stream=_is_stream(raw))


def _answer_of(content: bytes, *, is_stream: bool) -> Answer:
    if not is_stream:
        return Answer(message_of_json(content))
    events = StreamedMessage()
    events.take(content)
    # Perhaps it is compressed as nobody here can read.
    return events.answer if events.has_begun else Answer()


def _is_stream(raw: httpx2.Response) -> bool:
    return "event-stream" in raw.headers.get("content-type", "").lower()


class _Copy:
    """What is known so far of a response that goes by."""

    def __init__(self, raw: httpx2.Response) -> None:
        self._is_stream = _is_stream(raw)
        self._encoding = encoding = raw.headers.get("content-encoding", "").strip().lower()
        # Other encodings are read when all has come; `deflate` may be with a header or without.
        plain, zipped = encoding in {"identity", ""}, encoding in {"gzip", "x-gzip"}
        self._events = StreamedMessage() if self._is_stream and (plain or zipped) else None
        self._unzip = zlib.decompressobj(_GZIP) if zipped else None
        self._chunks: list[bytes] = []
        self._told = False

    def take(self, chunk: bytes) -> bool:
        """Read a chunk; whether it ended the message, or made it unreadable."""
        if self._told:
            return False
        if self._events is None:
            self._chunks.append(chunk)
            return False
        try:
            self._events.take(chunk if self._unzip is None else self._unzip.decompress(chunk))
        except zlib.error:  # the caller will meet it, too
            return True
        return self._events.message is not None

    def hand_over(self) -> bool:
        """Whether the answer is to be told of now: once, however often it is asked."""
        told, self._told = self._told, True
        return not told

    def answer(self) -> Answer:
        """The answer, as far as it came."""
        if self._events is not None:
            return self._events.answer
        return _answer_of(b"".join(self._unpacked()), is_stream=self._is_stream)

    def _unpacked(self) -> Iterator[bytes]:
        """What can be read of the chunks: all of it, unless they broke off."""
        stream = httpx2.ByteStream(b"".join(self._chunks))
        headers = {"content-encoding": self._encoding}
        with contextlib.suppress(httpx2.HTTPError):
            yield from httpx2.Response(200, headers=headers, stream=stream).iter_bytes()


class Tee(httpx2.SyncByteStream):
    """Passes bytes on as they come; tells of the answer before its last bytes are passed.

    All else that the stream of the response knows, it knows: how long it took, who observes it.
    """

    def __init__(self, raw: httpx2.Response, done: Done) -> None:
        """Args:
        raw: the response, not read yet; give its `stream` this tee.
        done: called once with the answer, whole or as far as it came.
        """
        self._inner = cast("httpx2.SyncByteStream", raw.stream)
        self._copy = _Copy(raw)
        self._done = done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            if self._copy.take(chunk):
                self._finish()
            yield chunk

    def close(self) -> None:
        """Close the stream."""
        try:
            self._inner.close()
        finally:
            self._finish()

    def _finish(self) -> None:
        if self._copy.hand_over():
            self._done(self._copy.answer())


class AsyncTee(httpx2.AsyncByteStream):
    """The same for an async client."""

    def __init__(self, raw: httpx2.Response, done: DoneAsync) -> None:
        """See `Tee`; `done` is awaited, whoever cancels meanwhile."""
        self._inner = cast("httpx2.AsyncByteStream", raw.stream)
        self._copy = _Copy(raw)
        self._done = done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._inner)
        try:
            async for chunk in chunks:
                if self._copy.take(chunk):
                    await self._finish()
                yield chunk
        finally:
            # By whoever has read a part of it: else the event loop does it later.
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    async def aclose(self) -> None:
        """Close the stream."""
        try:
            await self._inner.aclose()
        finally:
            await self._finish()

    async def _finish(self) -> None:
        if self._copy.hand_over():
            with anyio.CancelScope(shield=True):
                await self._done(self._copy.answer())
