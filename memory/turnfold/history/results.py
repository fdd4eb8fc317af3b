"""Steps go in; the same with large results of tools cut, and repeated ones left out, come out.

A result that is not among the newest is worth its beginning and its end, and how to get the rest
back: by the id of its call, under which the ledger has all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from turnfold.accounting.tokens import CountText, count_message
from turnfold.history.exchanges import Exchange, Message, blocks_of, canonical, message_name

# The parts of what a result may have that its beginning and its end are given.
_HEAD = 0.5
_TAIL = 0.25


def with_cut_results(
    steps: Sequence[Exchange], first: int, until: int, *, tokens: int, count: CountText
) -> dict[int, Exchange]:
    """Steps whose results are cut, by index.

    Args:
        steps: closed steps, the newest last.
        first: the first one that is in view.
        until: up to which one results are cut.
        tokens: what a result may have.
        count: counts the tokens of a text.
    """
    newest: dict[str, str] = {}  # by what a result says, the id of the newest call that gave it
    for step in steps[first : until + 1]:
        newest.update({text: call for call, text in _results(step.messages)})
    cut: dict[int, Exchange] = {}
    for index in range(first, until):
        messages = [_cut(one, newest, tokens, count) for one in steps[index].messages]
        if any(new is not old for new, old in zip(messages, steps[index].messages, strict=True)):
            sizes = [count_message(one, count) for one in messages]
            names = b"".join(message_name(canonical(one)) for one in messages)
            cut[index] = replace(
                steps[index], messages=messages, sizes=sizes, size=sum(sizes), names=names
            )
    return cut


def _results(messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    for message in messages:
        for block in blocks_of(message):
            if isinstance(block, Mapping) and block.get("type") == "tool_result":
                content = block.get("content")
                texts = [content] if isinstance(content, str) else _texts(content)
                for text in texts:
                    yield str(block.get("tool_use_id")), text


def _texts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and part.get("type") == "text":
            yield str(part.get("text") or "")


def _cut(message: Message, newest: Mapping[str, str], tokens: int, count: CountText) -> Message:
    """A message with its results cut; itself where there is nothing to cut."""
    blocks = [_cut_result(block, newest, tokens, count) for block in blocks_of(message)]
    same = all(new is old for new, old in zip(blocks, blocks_of(message), strict=True))
    return message if same else {**message, "content": blocks}


def _cut_result(block: Any, newest: Mapping[str, str], tokens: int, count: CountText) -> Any:
    if not isinstance(block, Mapping) or block.get("type") != "tool_result":
        return block
    call, content = str(block.get("tool_use_id")), block.get("content")

    def shorter(text: str) -> str:
        return _shorter(text, call, newest.get(text, call), tokens, count)

    if isinstance(content, str):
        new = shorter(content)
        return block if new == content else {**block, "content": new}
    if not isinstance(content, list):
        return block
    parts = [
        {**part, "text": shorter(str(part.get("text") or ""))}
        if isinstance(part, Mapping) and part.get("type") == "text"
        else part
        for part in content
    ]
    return block if parts == content else {**block, "content": parts}


def _shorter(text: str, call: str, newest: str, tokens: int, count: CountText) -> str:
    """A text by its two ends, or by where it stands again; as it is where that is not shorter."""
    if len(text) < tokens // 8:
        return text
    size = count(text)
    if newest != call and size > tokens // 8:
        return f"[The same as the result of {newest}, below.]"
    if size <= tokens:
        return text
    head, tail = (int(len(text) * part * tokens / size) for part in (_HEAD, _TAIL))
    left = size - int(size * (head + tail) / len(text))
    note = f"[About {left} of {size} tokens are left out here. The whole result of {call} is kept.]"
    return f"{text[:head]}\n{note}\n{text[len(text) - tail :]}"
