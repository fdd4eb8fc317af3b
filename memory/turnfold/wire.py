"""A response goes by; the message it told of comes out, and the caller notices nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
import httpx2

Done = Callable[[Mapping[str, Any] | None], object]


def _message_of_events(raw: bytes) -> Mapping[str, Any] | None:
    """The message of a finished stream: id, model, usage, stop reason, and its thinking blocks.

    Text and tool input are left out: the caller sends them back with the next request.

    Returns:
        None where the stream broke off before `message_stop`.
    """
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in _events(raw):
        kind = event.get("type")
        if kind == "message_start":
            message = dict(event.get("message") or {})
        elif kind == "content_block_start":
            blocks[event["index"]] = dict(event.get("content_block") or {})
        elif kind == "content_block_delta":
            delta = event.get("delta") or {}
            block = blocks.get(event["index"])
            if block is not None and delta.get("type") == "signature_delta":
                block["signature"] = delta.get("signature")
        elif kind == "message_delta":
            message.update(event.get("delta") or {})
            counted = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
            message["usage"] = {**(message.get("usage") or {}), **counted}
        elif kind == "message_stop":
            return {**message, "content": [blocks[index] for index in sorted(blocks)]}
    return None


def _events(raw: bytes) -> list[dict[str, Any]]:
    events = []
    for frame in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"\n".join(
            line[5:].lstrip(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")
        )
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def message_of_json(raw: httpx2.Response) -> Mapping[str, Any] | None:
    """The message of a response that has been read; None if it is none."""
    try:
        message = json.loads(raw.content)
    except ValueError:
        return None
    return message if isinstance(message, Mapping) else None


class _Copy:
    """The bytes of a response so far, and what is done with the message once it is whole."""

    def __init__(self, raw: httpx2.Response, done: Done) -> None:
        self._headers = {
            name: value
            for name, value in raw.headers.items()
            if name.lower() in {"content-encoding", "content-type"}
        }
        self._done = done
        self._chunks: list[bytes] = []
        self._open = True

    def take(self, chunk: bytes) -> bool:
        """Keep a chunk; whether it may be the one that ends the message."""
        self._chunks.append(chunk)
        return self._open and b"message_stop" in chunk

    def finish(self, *, closing: bool) -> None:
        """Hand the message on, once: when it is whole, at the latest when the stream closes."""
        message = self._message() if self._open else None
        if self._open and (closing or message is not None):
            self._open = False
            self._done(message)

    def _message(self) -> Mapping[str, Any] | None:
        content = b"".join(self._chunks)
        try:
            decoded = httpx2.Response(200, headers=self._headers, content=content).content
        except httpx2.HTTPError:  # compressed, and broken off
            return None
        if "event-stream" in self._headers.get("content-type", ""):
            return _message_of_events(decoded)
        try:
            message = json.loads(decoded)
        except ValueError:
            return None
        return message if isinstance(message, Mapping) else None


class Tee(httpx2.SyncByteStream):
    """Passes bytes on as they come; tells of the message before its last bytes are passed."""

    def __init__(self, raw: httpx2.Response, done: Done) -> None:
        """Args:
        raw: the response, not read yet; give its `stream` this tee.
        done: called once with the message, or with None where it broke off.
        """
        self._inner = cast("httpx2.SyncByteStream", raw.stream)
        self._copy = _Copy(raw, done)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            if self._copy.take(chunk):
                self._copy.finish(closing=False)
            yield chunk

    def close(self) -> None:
        """Close the stream."""
        self._inner.close()
        self._copy.finish(closing=True)


class AsyncTee(httpx2.AsyncByteStream):
    """The same for an async client."""

    def __init__(self, raw: httpx2.Response, done: Done) -> None:
        """See `Tee`; `done` is called in a thread."""
        self._inner = cast("httpx2.AsyncByteStream", raw.stream)
        self._copy = _Copy(raw, done)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            if self._copy.take(chunk):
                await self._finish(closing=False)
            yield chunk

    async def aclose(self) -> None:
        """Close the stream."""
        await self._inner.aclose()
        await self._finish(closing=True)

    async def _finish(self, *, closing: bool) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(self._copy.finish, closing=closing))
