"""How answers look on the wire: error bodies, and a message as server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

_PIECES = 24
_SHORTEST = 12


def error_body(kind: str, message: str, request_id: str) -> dict[str, Any]:
    """The body of every error."""
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }


def event(name: str, **fields: Any) -> bytes:
    """One server-sent event."""
    shape = json.dumps({"type": name, **fields})
    return f"event: {name}\ndata: {shape}\n\n".encode()


def error_event(kind: str, message: str, request_id: str) -> bytes:
    """An error in mid-stream."""
    shape = json.dumps(error_body(kind, message, request_id))
    return f"event: error\ndata: {shape}\n\n".encode()


def stream(message: dict[str, Any]) -> Iterator[bytes]:
    """A message as events.

    Args:
        message: The answer as it would be sent whole.

    Yields:
        `message_start`, the blocks in pieces, `message_delta`, `message_stop`; a `ping` between.
    """
    usage = message["usage"]
    start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    start.pop("stop_details", None)
    start["usage"] = {**usage, "output_tokens": 1}
    yield event("message_start", message=start)
    yield event("ping")
    for index, block in enumerate(message["content"]):
        empty, deltas = _taken_apart(block)
        yield event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    ending = {
        name: message.get(name)
        for name in ("stop_reason", "stop_sequence", "stop_details")
        if name in message
    }
    counts = {
        name: usage[name]
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
        )
    }
    yield event("message_delta", delta=ending, usage=counts)
    yield event("message_stop")


def _taken_apart(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and the deltas that complete it."""
    kind = block["type"]
    if kind == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        empty = {**block, "text": ""}
        if cited := block.get("citations"):
            empty["citations"] = []
            deltas += [{"type": "citations_delta", "citation": each} for each in cited]
        return empty, deltas
    if kind == "thinking":
        thought = _pieces(block["thinking"])
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in thought]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        pieces = ["", *_pieces(json.dumps(block["input"]))]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return {**block, "input": {}}, deltas
    return block, []


def _pieces(text: str) -> list[str]:
    size = max(_SHORTEST, len(text) // _PIECES)
    return [text[at : at + size] for at in range(0, len(text), size)]
