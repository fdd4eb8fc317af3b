"""The bytes of an event stream go in; the message they told of comes out, as far as we need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def message_of_events(raw: bytes) -> Mapping[str, Any] | None:
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
