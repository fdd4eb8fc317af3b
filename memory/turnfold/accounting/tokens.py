"""A text or a block of a message goes in, an estimate of its tokens comes out."""

from __future__ import annotations

import json
import re
import string
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

CountText = Callable[[str], int]

# Tokens by what a text is made of, fitted to the public tokenizers of `benchmarks/bench_tokens.py`,
# nearest to the one that was published for Claude. A prompt that turns out longer than estimated is
# the worse mistake.
#
# Characters of ASCII to a token in English and in code, and what one takes in a text in another
# language, which its small words give away: half of them in a hundred characters are enough.
_ASCII_PER_TOKEN = 3.8
_FOREIGN = 0.325
_SMALL_WORDS = (
    *(" de ", " la ", " que ", " en ", " el ", " et ", " le ", " di ", " il ", " che ", " per "),
    *(" der ", " die ", " und ", " ich ", " het ", " een ", " van ", " ik ", " na ", " nie "),
    *(" se ", " je ", " och ", " att ", " og ", " ve ", " bir ", " yang ", " dan "),
)
_OFTEN = 0.5
# What digits and marks take on top, where there are more of them than in prose or in code.
_DIGITS_OF_PROSE = 0.22
_DIGIT = 0.9
_MARKS_OF_CODE = 0.12
_MARK = 0.75
# A character of a run that is no word: a hash, a UUID, base64.
_OPAQUE = 0.72
_OPAQUE_RUN = re.compile(
    r"(?<![0-9A-Za-z+/=_-])(?=[A-Za-z+/=_-]{0,24}+[0-9])[0-9A-Za-z+/=_-]{20,}+"
)
_DIGITS = b"0123456789"
_LETTERS_AND_BLANKS = string.ascii_letters.encode() + string.whitespace.encode()
# Where a block of Unicode ends, and what one of its characters takes.
_BLOCKS = (
    (0x0080, 1.0),
    (0x00C0, 1.0),  # signs of Latin 1
    (0x0250, 1.5),  # Latin with marks, in a language that has them
    (0x0370, 1.2),
    (0x0400, 1.0),  # Greek
    (0x0530, 0.53),  # Cyrillic
    (0x0590, 0.95),
    (0x0600, 0.9),  # Hebrew
    (0x0900, 0.92),  # Arabic
    (0x0980, 1.05),  # Devanagari
    (0x0E00, 1.6),  # other scripts of India
    (0x0F00, 1.55),  # Thai and Lao
    (0x1100, 1.5),
    (0x1200, 1.2),
    (0x1E00, 1.5),
    (0x1F00, 1.6),  # Vietnamese
    (0x2E80, 1.0),  # punctuation, signs, arrows
    (0x3040, 1.0),
    (0x3400, 1.0),  # kana
    (0xA000, 1.2),  # Chinese characters
    (0xAC00, 1.5),
    (0xD7B0, 1.25),  # Hangul
    (0x10000, 1.1),
    (0x1F000, 2.0),
    (0x20000, 2.6),  # emoji
    (0x110000, 2.0),
)
_ENDS = [end for end, _ in _BLOCKS]

# An image costs width * height / 750 tokens; about 1,600 at the size the API scales down to.
_IMAGE = 1_600
# A page of a PDF is read as text and as image; a page is about 50 kB of base64.
_BASE64_PER_DOCUMENT_TOKEN = 25
MESSAGE_OVERHEAD = 4
BLOCK_OVERHEAD = 2


def estimate_text(text: str) -> int:
    """Tokens of a text, within some 15% at the median of languages and kinds of text.

    By script, and for ASCII by what it is made of: prose in English or in another language,
    digits, marks, runs that are no words. Tokenizers differ by half among themselves, by more in
    scripts other than Latin; what the API counts corrects it (`Measures.rate`). Linear in the
    text, some nanoseconds a character.
    """
    plain = text.encode("ascii", "ignore")
    digits, marks = _digits_and_marks(plain)
    opaque = "".join(_OPAQUE_RUN.findall(text)).encode() if digits else b""
    if opaque:
        its_digits, its_marks = _digits_and_marks(opaque)
        digits, marks = digits - its_digits, marks - its_marks
    rest = len(plain) - len(opaque)
    tokens = (
        _letter_of(text, rest) * rest
        + _DIGIT * max(0.0, digits - _DIGITS_OF_PROSE * rest)
        + _MARK * max(0.0, marks - _MARKS_OF_CODE * rest)
        + _OPAQUE * len(opaque)
    )
    if len(plain) < len(text):
        letter_counts = Counter(text).items()
        tokens += sum(_weight(one) * often for one, often in letter_counts if one > "\x7f")
    return int(tokens + 0.999)


def _digits_and_marks(plain: bytes) -> tuple[int, int]:
    without = plain.translate(None, _DIGITS)
    return len(plain) - len(without), len(without.translate(None, _LETTERS_AND_BLANKS))


def _letter_of(text: str, rest: int) -> float:
    """What a character of ASCII takes in a text that has so many of them."""
    foreign = sum(map(text.count, _SMALL_WORDS)) * 100 / (_OFTEN * max(rest, 1)) / 2
    return 1 / _ASCII_PER_TOKEN + (_FOREIGN - 1 / _ASCII_PER_TOKEN) * min(foreign, 1.0)


@lru_cache(maxsize=16_384)
def _weight(letter: str) -> float:
    return _BLOCKS[bisect_right(_ENDS, ord(letter))][1]


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
