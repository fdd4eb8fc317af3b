"""Messages go in; what they say comes out as readable text, each part with who said it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnfold.history.block_text import CALLS, KINDS, UNSEEN, marker_of, words_of
from turnfold.history.exchanges import Message, blocks_of, is_thinking

LABEL = re.compile(r"^(?:user|assistant|tool|document|system|sent by the user): ")
"""What a sentence that was taken word for word begins with: who said it."""
# Who speaks in a block that is neither what its role says nor a tool's.
_DOCUMENTS = UNSEEN | {"search_result", "compaction"}
_OF_ITS_ROLE = frozenset({"tool_addition", "tool_removal", "fallback"})
# Characters of what was said with something that can no longer be seen, and of it afterwards.
_SAID_WITH = 160
_SAID_OF = 240


@dataclass(frozen=True, slots=True)
class Utterance:
    """A readable part of an exchange.

    Attributes:
        source: "user", "assistant", "tool" (calls and results), "document" or "system".
        text: what it says; of pictures and other unreadable parts, what they were and what was
            said of them.
    """

    source: str
    text: str


def utterances(messages: Iterable[Message]) -> list[Utterance]:
    """What messages say, in order; thinking is left out, it is not for other eyes.

    At most one for each block, and always as many of the same messages: they are known by number.
    """
    messages = list(messages)
    said: list[Utterance] = []
    for index, message in enumerate(messages):
        role = str(message.get("role"))
        for block in blocks_of(message):
            text = _text_of(block).strip()
            if not text:
                continue
            if _is_unseen(block):
                text = _remembered(text, messages, index)
            said.append(Utterance(_source(role, block), text))
    return said


def unseen_in(messages: Iterable[Message]) -> list[str]:
    """What messages show that nobody can read: the marker of each picture and file."""
    return [
        marker
        for message in messages
        for block in blocks_of(message)
        if isinstance(block, Mapping)
        for part in _parts(block)
        if isinstance(part, Mapping) and (marker := marker_of(part))
    ]


def _parts(block: Mapping[str, Any]) -> Sequence[Any]:
    """A block, and the blocks a tool's result is made of."""
    inner = block.get("content")
    return [block, *(inner if isinstance(inner, list) else ())]


def _text_of(block: Any) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, Mapping) or is_thinking(block):
        return ""
    if block.get("type") == "text":
        return str(block.get("text") or "")
    return words_of(block)


def _source(role: str, block: Any) -> str:
    """Who says what a block says: never the user, where it is not the user's own text."""
    kind = "text" if isinstance(block, str) else str(block.get("type"))
    if kind == "text" or kind in _OF_ITS_ROLE or role == "system":
        return role
    if kind in _DOCUMENTS:
        return "document"
    if kind in CALLS or kind in KINDS or kind.endswith("tool_use") or role != "user":
        return "tool"
    return "document"


def _is_unseen(block: Any) -> bool:
    """Whether a block is, or a tool's result holds, what can no longer be seen."""
    if not isinstance(block, Mapping):
        return False
    return any(isinstance(part, Mapping) and marker_of(part) for part in _parts(block))


def _remembered(text: str, messages: Sequence[Message], index: int) -> str:
    """A marker with what was said of what it stands for: all that will be known of it."""
    with_it = _excerpt(messages[index : index + 1], "user", _SAID_WITH)
    of_it = _excerpt(messages[index + 1 :], "assistant", _SAID_OF)
    parts = [text]
    if with_it:
        parts.append(f'It came with the words: "{with_it}"')
    if of_it:
        parts.append(f'The answer was: "{of_it}"')
    return "\n".join(parts)


def _excerpt(messages: Iterable[Message], role: str, most: int) -> str:
    """How what one side says in its next message begins, on one line."""
    for message in messages:
        if message.get("role") != role:
            continue
        texts = [
            block if isinstance(block, str) else str(block.get("text") or "")
            for block in blocks_of(message)
            if isinstance(block, str)
            or (isinstance(block, Mapping) and block.get("type") == "text")
        ]
        begins = " ".join(" ".join(text[: 4 * most] for text in texts).split())
        if begins:
            return begins[:most] + ("…" if len(begins) > most else "")
    return ""
