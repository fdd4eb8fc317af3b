"""A content block goes in; the words in it come out, wherever in it they stand.

Blocks are trees of JSON. Those the API knows are read by rule: `KINDS` says, for each type, under
which names its words stand, in which order. What it does not know is read with care: all that is
said in it, and nothing that is sealed, encoded or a mere handle. What nobody can read, a picture
or a file, leaves a marker in words. No block, however deep, is read by recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

_RESULT = ("content",)
_CODE_RESULT = ("stdout", "stderr", "return_code", "content")
_FAILED = ("error_code", "error_message")

KINDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        # What is said and shown. A plain text source has the type of a text block.
        "text": ("text", "data"),
        "document": ("title", "context", "source"),
        "content": ("content",),
        "search_result": ("title", "source", "content"),
        "compaction": ("content",),
        # What tools give.
        "tool_result": _RESULT,
        "mcp_tool_result": _RESULT,
        "web_search_tool_result": _RESULT,
        "web_search_result": ("title", "url", "page_age"),
        "web_search_tool_result_error": _FAILED,
        "web_fetch_tool_result": _RESULT,
        "web_fetch_result": ("url", "content"),
        "web_fetch_tool_result_error": _FAILED,
        "code_execution_tool_result": _RESULT,
        "code_execution_result": _CODE_RESULT,
        "encrypted_code_execution_result": _CODE_RESULT[1:],
        "code_execution_tool_result_error": _FAILED,
        "bash_code_execution_tool_result": _RESULT,
        "bash_code_execution_result": _CODE_RESULT,
        "bash_code_execution_tool_result_error": _FAILED,
        "text_editor_code_execution_tool_result": _RESULT,
        "text_editor_code_execution_view_result": ("content",),
        "text_editor_code_execution_create_result": (),
        "text_editor_code_execution_str_replace_result": ("lines",),
        "text_editor_code_execution_tool_result_error": _FAILED,
        "tool_search_tool_result": _RESULT,
        "tool_search_tool_search_result": ("tool_references",),
        "tool_search_tool_result_error": _FAILED,
        "tool_reference": ("tool_name", "name"),
        "advisor_tool_result": _RESULT,
        "advisor_result": ("text",),
        "advisor_redacted_result": (),
        "advisor_tool_result_error": _FAILED,
        "browser_state": ("tabs", "state_changes"),
        "tab_opened": (),
        "download_started": ("url",),
        "download_completed": ("url", "path", "size_bytes"),
        "download_failed": ("url", "error"),
        # What changes the tools there are.
        "mcp_tool_listing": ("mcp_server_name", "tools"),
        "tool_addition": ("tool",),
        "tool_removal": ("tool",),
        "tool_definition": ("definition",),
        "mcp_tool_reference": ("server_name", "name"),
        "mcp_toolset_reference": ("server_name",),
        "fallback": (),
    }
)
"""By type of block, the names its words stand under, in the order they are read."""

CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Calls are read as `name(arguments)`."""

_FILES: Mapping[str, str] = MappingProxyType(
    {
        "image": "an image",
        "document": "a document",
        "container_upload": "a file given to the container",
        "code_execution_output": "a file made by code",
        "bash_code_execution_output": "a file made by code",
    }
)
UNSEEN = frozenset(_FILES)
"""Types of blocks that may hold what nobody reads; see `marker_of`."""

# Names of what is no speech, in any block: handles, seals, settings.
_NO_WORDS = frozenset(
    {
        "type", "id", "tool_use_id", "tool_id", "tab_id", "download_id", "signature",
        "cache_control", "citations", "caller", "media_type", "mime_type", "transformations",
        "input_schema", "is_error", "toolset_name",
    }
)  # fmt: skip
# Names under which words need no label of what they are.
_PLAIN = frozenset({"text", "content", "data", "title", "body", "value", "stdout", "output"})
_TITLES = ("title", "filename", "file_name", "name")
# Characters from which on what looks encoded is taken for it, and what is looked at.
_LEAST_SEALED = 256
_ENCODED = re.compile(r"[A-Za-z0-9+/_=-]+")
_KILO = 1_000


def whole_text(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair; no store and no request takes those.

    They come of texts that were cut by their length in UTF-16. Two halves side by side are joined.
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def words_of(block: Any) -> str:
    """The words of a content block, a line for each place they stand at; "" for none."""
    lines: list[str] = []
    todo: list[tuple[str, Any]] = [("", block)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, Mapping):
            marker = marker_of(value)
            parts = list(_parts_of(value, marked=bool(marker)))
            if marker:
                lines.append(marker)
            elif not parts and _is_named(value):
                lines.append(f"[{value['type']}]")
            todo += reversed(parts)
        elif isinstance(value, list | tuple):
            todo += [(name, inner) for inner in reversed(value)]
        elif isinstance(value, str):
            lines.append(_labelled(name, _unsealed(value)))
        elif value is not None:
            lines.append(_labelled(name, str(value)))
    return "\n".join(lines)


def _parts_of(block: Mapping[str, Any], *, marked: bool) -> Iterator[tuple[str, Any]]:
    """What of a block to read next: (label, value) of each part; labels of the known are ""."""
    kind = block.get("type")
    if isinstance(kind, str) and kind in CALLS:
        yield "", _call(block)
        return
    known = KINDS.get(kind) if isinstance(kind, str) else None
    if marked:
        # The title is in the marker, and the source is what nobody reads.
        known = tuple(name for name in known or () if name not in {"title", "source"})
    if known is None:
        if isinstance(kind, str):
            yield "", f"[{kind}]"
        for name, value in block.items():
            if name not in _NO_WORDS and not str(name).startswith("encrypted") and _says(value):
                yield ("" if name in _PLAIN else str(name)), value
        return
    for name in known:
        value = block.get(name)
        if _says(value) and value != 0:
            yield ("" if isinstance(value, str) else name), value


def _says(value: Any) -> bool:
    return value is not None and value not in ("", [], {})


def _is_named(block: Mapping[str, Any]) -> bool:
    """Whether a block that says nothing is named all the same, so that it is not passed over."""
    kind = block.get("type")
    return isinstance(kind, str) and kind != "text" and not kind.endswith("tool_result")


def _labelled(name: str, text: str) -> str:
    return f"{name}: {text}" if name and text and name not in _PLAIN else text


def _call(block: Mapping[str, Any]) -> str:
    try:
        arguments = json.dumps(block.get("input"), ensure_ascii=False, default=str)
    except RecursionError:
        arguments = words_of(block.get("input"))
    server = block.get("server_name")
    return f"{f'{server}: ' if server else ''}{block.get('name')}({arguments})"


def marker_of(block: Mapping[str, Any]) -> str:
    """What stands for a block that holds what cannot be read: a picture, a file; else ""."""
    kind = block.get("type")
    what = _FILES.get(kind) if isinstance(kind, str) else None
    if what is None:
        return ""
    source = block.get("source")
    source = source if isinstance(source, Mapping) else {}
    if kind == "document" and source.get("type") in {"text", "content"}:
        return ""
    facts = [
        next((str(block[name]) for name in _TITLES if block.get(name)), ""),
        str(source.get("media_type") or ""),
        _size(source.get("data")),
        str(source.get("url") or ""),
        str(source.get("file_id") or block.get("file_id") or ""),
    ]
    said = ", ".join(filter(None, facts))
    return f"[{what} that can no longer be seen{f': {said}' if said else ''}]"


def _size(data: Any) -> str:
    """How large what was encoded in base64 is, in words."""
    if not isinstance(data, str) or not data:
        return ""
    return _bytes(len(data) * 3 // 4 - data[-2:].count("="))


def _bytes(number: int) -> str:
    if number < _KILO:
        return f"{number} bytes"
    if number < _KILO * _KILO:
        return f"{number / _KILO:.0f} kB"
    return f"{number / _KILO / _KILO:.1f} MB"


def _unsealed(text: str) -> str:
    """A text, unless it is data in some encoding, which says nothing to anyone."""
    if len(text) < _LEAST_SEALED:
        return text
    if text.startswith("data:") and ";base64," in text[:_LEAST_SEALED]:
        return f"[{text[5 : text.index(';')]}, {_size(text)}, encoded]"
    start = text[:_LEAST_SEALED]
    mixed = any(c.isupper() for c in start) and any(c.islower() for c in start)
    if mixed and any(c.isdigit() for c in start) and _ENCODED.fullmatch(text.strip()):
        return f"[{_size(text)}, encoded]"
    return text
