"""A tokenizer of its own: deterministic, quick, and shared with nobody it could agree with."""

import re
from typing import Any

# East Asian characters one each, words in pieces of six letters, digits in threes,
# punctuation in pairs; spaces ride along for free, line breaks do not.
_PIECE = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
    r"|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,6}"
    r"|\d{1,3}|(?:[^\w\s]|_){1,2}|\n+|[ \t]{8,}"
)

IMAGE = 1_600
"""Tokens of an image, whatever its size."""
MESSAGE = 3
"""Tokens of a message's frame."""
BLOCK = 4
"""Tokens of the frame of a block that is not plain text."""
TOOL = 12
"""Tokens of a tool definition's frame."""
_UPLOADED = 2_000
_BASE64_PER_TOKEN = 40


def count_text(text: str) -> int:
    """How many tokens a text has."""
    return len(_PIECE.findall(text))


def cut_text(text: str, most: int) -> str:
    """The longest start of `text` that has at most `most` tokens."""
    for place, piece in enumerate(_PIECE.finditer(text)):
        if place >= most:
            return text[: piece.start()]
    return text


def count_json(value: Any) -> int:
    """How many tokens the strings, numbers and names of a JSON value have, frames apart."""
    if isinstance(value, str):
        return count_text(value)
    if isinstance(value, dict):
        return sum(count_text(name) + 1 + count_json(each) for name, each in value.items())
    if isinstance(value, list):
        return sum(1 + count_json(each) for each in value)
    return 0 if value is None else count_text(str(value))


def count_block(block: dict[str, Any]) -> int:
    """How many tokens a content block has, its frame included."""
    kind = block.get("type")
    if kind == "text":
        return count_text(block.get("text") or "")
    if kind == "image":
        return IMAGE
    if kind == "document":
        return BLOCK + _count_document(block)
    content = block.get("content")
    if kind == "tool_result":
        if isinstance(content, list):
            return BLOCK + sum(count_block(each) for each in content)
        return BLOCK + count_text(content or "")
    # Signatures, ids and encrypted content are the API's own; the model never reads them.
    unread = {"type", "signature", "data", "id", "tool_use_id", "encrypted_content", "caller"}
    return BLOCK + sum(count_json(value) for name, value in block.items() if name not in unread)


def _count_document(block: dict[str, Any]) -> int:
    source = block.get("source") or {}
    labels = count_text(str(block.get("title") or "")) + count_text(str(block.get("context") or ""))
    if source.get("type") == "text":
        return labels + count_text(source.get("data") or "")
    if source.get("type") == "base64":
        return labels + IMAGE + len(source.get("data") or "") // _BASE64_PER_TOKEN
    if source.get("type") == "content":
        content = source.get("content") or ""
        if isinstance(content, str):
            return labels + count_text(content)
        return labels + sum(count_block(each) for each in content)
    return labels + _UPLOADED
