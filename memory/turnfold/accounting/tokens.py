"""A text or a block of a message goes in, an estimate of its tokens comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

CountText = Callable[[str], int]

# Characters of ASCII text to a token, on English prose and code. Below the folk value of 4,
# because a prompt that turns out longer than estimated is the worse mistake.
_ASCII_PER_TOKEN = 3.8
# UTF-8 gives the script away for the price of an encode: two-byte letters (Latin with marks,
# Greek, Cyrillic, Arabic, Hebrew) take about 0.4 tokens each, three-byte ones (CJK, Thai,
# Indic) about one, four-byte ones (emoji) about two.
_TWO_BYTE = 0.4
_THREE_BYTE = 1.0

# An image costs width * height / 750 tokens; about 1,600 at the size the API scales down to.
_IMAGE = 1_600
# A page of a PDF is read as text and as image; a page is about 50 kB of base64.
_BASE64_PER_DOCUMENT_TOKEN = 25
MESSAGE_OVERHEAD = 4
BLOCK_OVERHEAD = 2


def estimate_text(text: str) -> int:
    """Tokens of a text, within some 15% for prose of any script.

    Source: measured against public tokenizers' rates by script; a constant per UTF-8 length.
    """
    if text.isascii():
        return int(len(text) / _ASCII_PER_TOKEN + 0.999)
    encoded = len(text.encode("utf-8", "surrogatepass"))
    ascii_part = len(text.encode("ascii", "ignore"))
    others = len(text) - ascii_part
    # x two-byte and y three-byte characters: x + y = others, 2x + 3y = encoded - ascii_part.
    three = min(max(encoded - ascii_part - 2 * others, 0), others)
    two = others - three
    estimate = ascii_part / _ASCII_PER_TOKEN + _TWO_BYTE * two + _THREE_BYTE * three
    return int(estimate + 0.999)


def count_block(block: Any, count: CountText) -> int:
    """Tokens of one content block, by what it holds; an unknown one by its JSON."""
    if type(block) is dict and block.get("type") == "text":
        return BLOCK_OVERHEAD + count(block.get("text") or "")
    if isinstance(block, str):
        return count(block)
    if not isinstance(block, Mapping):
        return 0
    kind = block.get("type")
    if kind == "text":
        return BLOCK_OVERHEAD + count(str(block.get("text") or ""))
    if kind == "thinking":
        return BLOCK_OVERHEAD + count(str(block.get("thinking") or ""))
    if kind == "image":
        return _IMAGE
    if kind == "document":
        return BLOCK_OVERHEAD + _document(block, count)
    if kind == "tool_result":
        content = block.get("content")
        inner = [content] if isinstance(content, str) else content or []
        return 8 + sum(count_block(part, count) for part in inner)
    if kind == "tool_use":
        arguments = json.dumps(block.get("input"), ensure_ascii=False)
        return 12 + count(str(block.get("name", ""))) + count(arguments)
    return BLOCK_OVERHEAD + count(json.dumps(block, ensure_ascii=False, default=str))


def _document(block: Mapping[str, Any], count: CountText) -> int:
    source = block.get("source")
    if not isinstance(source, Mapping):
        return _IMAGE
    if source.get("type") == "text":
        return count(str(source.get("data", "")))
    if source.get("type") == "content":
        content = source.get("content")
        parts = [content] if isinstance(content, str) else content or []
        return sum(count_block(part, count) for part in parts)
    return max(_IMAGE, len(str(source.get("data", ""))) // _BASE64_PER_DOCUMENT_TOKEN)


def count_message(message: Mapping[str, Any], count: CountText) -> int:
    """Tokens of one message."""
    content = message.get("content")
    if type(content) is str:
        return MESSAGE_OVERHEAD + count(content)
    return MESSAGE_OVERHEAD + sum(count_block(block, count) for block in content or [])


def count_fixed(body: Mapping[str, Any], count: CountText) -> int:
    """Tokens of what every request carries: `system` and `tools`."""
    total = 0
    system = body.get("system")
    if isinstance(system, str):
        total += count(system)
    elif system:
        total += sum(count_block(block, count) for block in system)
    tools = body.get("tools")
    if tools:
        total += count(json.dumps(tools, ensure_ascii=False, default=str))
    return total
