"""The sentences of a request, in order, each with the numbered mark it stands under."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from turnfold_fake.prompt import blocks_of

_TAG = r"</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>"
_LABEL = r"\[(?:\w{1,40} )?\d{1,9}\]"
_MARK = re.compile(r"\[(?:\w{1,40} )?(\d{1,9})\]|\b(?:n|turn)=[\"'](\d{1,9})[\"']")
# A mark inside a tag counts until its element is closed.
_TURN = re.compile(
    r"<(?P<name>\w+)\b[^<>]*?\b(?:n|turn)=[\"'](?P<in_tag>\d{1,9})[\"'][^<>]*>"
    r"|</(?P<closed>\w+)>|\[(?:\w{1,40} )?(?P<plain>\d{1,9})\]"
)
# What frames a line is not part of its sentence: tags, a leading number, list bullets.
_OPENING = re.compile(rf"(?:\s|{_TAG}|{_LABEL}|[-*#>]+\s)+")
_CLOSING = re.compile(rf"(?:\s|{_TAG})+$")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
_WORD = re.compile(r"\w")
_LONGEST = 600


class Sentence(NamedTuple):
    """A sentence as it stands in the request.

    Attributes:
        text: Never empty.
        mark: The number last written before it, as in `[12]` or `[a3f 12]`, or in the tag of the
            element it stands in, as in `n="12"` or `turn="12"`; 0 if none.
    """

    text: str
    mark: int


def read_sentences(body: dict[str, Any]) -> Iterator[Sentence]:
    """All sentences of the request's user messages, in order.

    Args:
        body: A request that passed the rules.

    Yields:
        Each sentence, cut where it is longer than 600 characters. Lines of nothing but markup
        are skipped.
    """
    mark, element = 0, ""
    for message in body["messages"]:
        if message["role"] != "user":
            continue
        for text in _texts(message.get("content")):
            for line in text.splitlines():
                yield from _split(line, mark)
                for found in _TURN.finditer(line):
                    if found["closed"] is None:
                        mark = int(found["in_tag"] or found["plain"])
                        element = found["name"] or element
                    elif found["closed"] == element:
                        mark, element = 0, ""


def _texts(content: Any) -> Iterator[str]:
    for block in blocks_of(content):
        if block.get("type") == "text":
            yield block["text"]
        elif block.get("type") == "tool_result":
            yield from _texts(block.get("content"))


def _split(line: str, mark: int) -> Iterator[Sentence]:
    opening = _OPENING.match(line)
    start = opening.end() if opening else 0
    closing = _CLOSING.search(line, start)
    stop = closing.start() if closing else len(line)
    marks = [(found.end(), int(found.group(1) or found.group(2))) for found in _MARK.finditer(line)]
    ends = [found.end() for found in _END.finditer(line, start, stop)]
    for begin, end in zip([start, *ends], [*ends, stop], strict=True):
        mark = next((number for at, number in reversed(marks) if at <= begin), mark)
        for piece in _cut(line[begin:end].strip()):
            if _WORD.search(piece):
                yield Sentence(piece, mark)


def _cut(text: str) -> Iterator[str]:
    while len(text) > _LONGEST:
        space = text.rfind(" ", 1, _LONGEST)
        at = space if space > 0 else _LONGEST
        yield text[:at].strip()
        text = text[at:].strip()
    yield text
