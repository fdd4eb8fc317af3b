"""The bytes of a response go in as they come; what memory wants to know of its message comes out.

A response is the caller's. Whatever it holds, nothing here raises: what cannot be read is left
out, and each byte is looked at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from turnfold.accounting.answer import Answer

# Events of which something is kept. Of the others not even the JSON is read.
_KEPT = (b"message_start", b"content_block_start", b"message_delta", b"message_stop")
_DELTA = b"content_block_delta"
_SIGNATURE = b"signature_delta"
_BOM = b"\xef\xbb\xbf"


def message_of_json(content: bytes) -> Mapping[str, Any] | None:
    """The message of a response that is there whole; None if it is none."""
    message = _object(content)
    return None if message is None else _tidy(message)


class StreamedMessage:
    """Reads server-sent events: id, model, usage, stop reason, and the thinking blocks.

    Text and tool input are left out: the caller sends them back with the next request.

    Attributes:
        message: the message, once `message_stop` has come; None before.
    """

    def __init__(self) -> None:
        self.message: Mapping[str, Any] | None = None
        self._line: list[bytes] = []  # the pieces of a line that has not ended
        self._returned = False  # whether the last byte was the first half of a line's end, perhaps
        self._first = True
        self._name = b""
        self._lines_of_data: list[bytes] = []
        self._fields: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}

    @property
    def has_begun(self) -> bool:
        """Whether anything was told of a message."""
        return self.message is not None or bool(self._fields)

    @property
    def answer(self) -> Answer:
        """The message, whole or as far as it was told: a stream that ends here has broken off."""
        if self.message is not None:
            return Answer(self.message)
        return Answer(broken=_tidy({**self._fields, "content": []}))

    def take(self, chunk: bytes) -> None:
        """Read on. Lines end as the standard says: with CR, LF or both, wherever they are cut."""
        if self._returned and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._returned = False
        for piece in chunk.splitlines(keepends=True):
            self._line.append(piece)
            if piece.endswith((b"\n", b"\r")):
                line = b"".join(self._line).rstrip(b"\r\n")
                self._line = []
                self._take_line(line)
        if chunk:
            self._returned = chunk.endswith(b"\r")

    def _take_line(self, line: bytes) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            self._end_event()
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value
        elif field == b"data":
            self._lines_of_data.append(value)

    def _end_event(self) -> None:
        name, data = self._name, b"\n".join(self._lines_of_data)
        self._name, self._lines_of_data = b"", []
        if not name or name in _KEPT or (name == _DELTA and _SIGNATURE in data):
            event = _object(data)
            if event is not None:
                self._take_event(event)

    def _take_event(self, event: Mapping[str, Any]) -> None:
        kind, index = event.get("type"), event.get("index")
        if kind == "message_start" and not self._fields:
            self._fields = dict(_mapping(event.get("message")))
        elif kind == "content_block_start" and isinstance(index, int):
            self._blocks[index] = dict(_mapping(event.get("content_block")))
        elif kind == "content_block_delta" and isinstance(index, int) and index in self._blocks:
            delta = _mapping(event.get("delta"))
            if delta.get("type") == "signature_delta":
                self._blocks[index]["signature"] = delta.get("signature")
        elif kind == "message_delta":
            usage = {**_tidy(self._fields)["usage"], **_told(_tidy(event)["usage"])}
            self._fields |= {**_mapping(event.get("delta")), "usage": usage}
        elif kind == "message_stop" and self.message is None:
            content = [self._blocks[number] for number in sorted(self._blocks)]
            self.message = _tidy({**self._fields, "content": content})


def _tidy(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose usage is counts, and whose content is blocks, whatever was there."""
    content = message.get("content")
    blocks = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    usage = _mapping(message.get("usage"))
    detail = _counts(_mapping(usage.get("cache_creation")))
    return {**message, "content": blocks, "usage": {**_counts(usage), "cache_creation": detail}}


def _counts(usage: Mapping[str, Any]) -> dict[str, int]:
    whole = {name: count for name, count in usage.items() if isinstance(count, int)}
    return {name: count for name, count in whole.items() if count >= 0}


def _told(usage: Mapping[str, Any]) -> dict[str, Any]:
    """What a usage says that is not nothing."""
    return {name: count for name, count in usage.items() if count != {}}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in some bytes; None where there is none, or it is nested without end."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
