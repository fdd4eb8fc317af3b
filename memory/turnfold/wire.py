"""A response goes by; the message it told of comes out, and the caller notices nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, cast

import anyio
import anyio.to_thread
import httpx2


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


def message_of_stream(raw: httpx2.Response) -> Mapping[str, Any] | None:
    """The message that passed through a tee; None where it broke off."""
    tee = cast("Tee | AsyncTee", raw.stream)
    headers = {
        name: value
        for name, value in raw.headers.items()
        if name.lower() in {"content-encoding", "content-type"}
    }
    try:
        copied = httpx2.Response(200, headers=headers, content=b"".join(tee.seen)).content
    except httpx2.HTTPError:  # compressed, and broken off
        return None
    if "event-stream" in headers.get("content-type", ""):
        return _message_of_events(copied)
    try:
        message = json.loads(copied)
    except ValueError:
        return None
    return message if isinstance(message, Mapping) else None


class Tee(httpx2.SyncByteStream):
    """Passes bytes on as they come and keeps them until the stream closes."""

    def __init__(self, raw: httpx2.Response, done: Callable[[], object]) -> None:
        self._inner = cast("httpx2.SyncByteStream", raw.stream)
        self._done = done
        self._open = True
        self.seen: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self.seen.append(chunk)
            yield chunk

    def close(self) -> None:
        """Close the stream; the first time, tell that it is done."""
        self._inner.close()
        if self._open:
            self._open = False
            self._done()


class AsyncTee(httpx2.AsyncByteStream):
    """The same for an async client."""

    def __init__(self, raw: httpx2.Response, done: Callable[[], object]) -> None:
        self._inner = cast("httpx2.AsyncByteStream", raw.stream)
        self._done = done
        self._open = True
        self.seen: list[bytes] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self.seen.append(chunk)
            yield chunk

    async def aclose(self) -> None:
        """Close the stream; the first time, tell that it is done."""
        await self._inner.aclose()
        if self._open:
            self._open = False
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._done)
