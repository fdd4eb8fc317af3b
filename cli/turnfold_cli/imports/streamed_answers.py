"""A streamed answer as it was logged goes in, text or a list; the message it makes comes out.

The SDK puts events together as well, but only whole ones, off the wire, and its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from turnfold_cli.imports.settling import parts_of

_EVENT = re.compile(r"message_|content_block_|error$|ping$")
_END_OF_LINE = re.compile(r"\r\n|\n|\r")  # others may stand within a JSON text
# By kind of delta: the kind of its block, and the name that its pieces stand under in both.
_PIECES = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("tool_use", "partial_json"),
}
_WORDS = ("content", "refusal", "reasoning_content")
_GIVEN = ("arguments", "input")


def message_of(answer: Any) -> Mapping[str, Any] | None:
    """The message that events of the Messages API, or of chat completions, make.

    Args:
        answer: server-sent events as text, or a list of events or of such texts. It may break
            off anywhere.

    Returns:
        The message, without content where nothing is said; None where these are no events.
    """
    events = list(_events(answer)) if isinstance(answer, str | list) else []
    deltas = list(_deltas(events))
    if not deltas and not any(_EVENT.match(str(event.get("type"))) for event in events):
        return None
    said = {"content": _blocks(events)} | _of_completions(deltas)
    return {"role": "assistant", **said}


def _events(answer: str | list[Any]) -> Iterator[Mapping[str, Any]]:
    for one in answer if isinstance(answer, list) else _END_OF_LINE.split(answer):
        if isinstance(answer, list) and isinstance(one, str):
            yield from _events(one)
            continue
        event = _object(one.removeprefix("data:")) if isinstance(one, str) else one
        if isinstance(event, Mapping) and "type" not in event and "data" in event:
            event = event["data"]
            event = _object(event) if isinstance(event, str) else event
        if isinstance(event, Mapping):
            yield event


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _blocks(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of a message of the Messages API."""
    blocks: dict[str, dict[str, Any]] = {}
    for event in events:
        at = str(event.get("index"))
        begun, delta = event.get("content_block"), event.get("delta")
        if event.get("type") == "content_block_start" and isinstance(begun, Mapping):
            blocks[at] = dict(begun)
        elif event.get("type") == "content_block_delta" and isinstance(delta, Mapping):
            kind, name = _PIECES.get(str(delta.get("type")), ("", ""))
            if isinstance(delta.get(name), str):
                block = blocks.setdefault(at, {"type": kind})
                block[name] = f"{block.get(name) or ''}{delta[name]}"
    for block in blocks.values():
        if given := block.pop("partial_json", ""):
            block["input"] = _object(given) or given
    return list(blocks.values())


def _deltas(events: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Those of the first choice of chat completions."""
    for event in events:
        for choice in parts_of(event.get("choices"))[:1]:
            delta = choice.get("delta") if isinstance(choice, Mapping) else None
            if isinstance(delta, Mapping):
                yield delta


def _of_completions(deltas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What deltas of chat completions say, by the names of a message of theirs."""
    said: dict[str, Any] = {}
    calls: dict[str, dict[str, Any]] = {}
    for delta in deltas:
        audio = delta.get("audio")
        spoken = audio.get("transcript") if isinstance(audio, Mapping) else None
        for name, piece in [*((name, delta.get(name)) for name in _WORDS), ("audio", spoken)]:
            if isinstance(piece, str):
                said[name] = f"{said.get(name, '')}{piece}"
        for number, call in enumerate(parts_of(delta.get("tool_calls"))):
            if isinstance(call, Mapping):
                _grow(calls.setdefault(str(call.get("index", number)), {}), call)
        if called := delta.get("function_call"):
            _grow(calls.setdefault("", {}), {"function": called})
    if "audio" in said:
        said["audio"] = {"transcript": said["audio"]}
    return said | ({"tool_calls": list(calls.values())} if calls else {})


def _grow(call: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Add to a call what another piece of it says; some servers repeat its id and its name."""
    call["id"] = piece.get("id") or call.get("id")
    for kind in ("function", "custom"):
        told = piece.get(kind)
        if not isinstance(told, Mapping):
            continue
        so_far = call.setdefault(kind, {})
        so_far["name"] = told.get("name") or so_far.get("name")
        for name in _GIVEN:
            if isinstance(told.get(name), str):
                so_far[name] = f"{so_far.get(name, '')}{told[name]}"
