"""Messages go in; where exchanges begin comes out, in the middle of a message too.

An exchange begins where the user says something that answers no tool: at a user message that
follows an answer, and at the user's words that stand beside tool results, or right after them. The
results stay with the exchange that asked for them, so such a message is cut in two, as if it had
come as two: to the API, which joins messages of one role, that is the same.

Not all that stands beside results was said by the user. A harness adds reminders there: marked
blocks, and the same text again and again. They begin nothing. Where a boundary lies is told by
what stands before it alone, so that it never moves when a history grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from turnfold.errors import TranscriptError
from turnfold.history.exchanges import Message, blocks_of, is_object

# Words in the name of a mark that say that a harness set it.
_HARNESS = frozenset(
    {
        "system", "reminder", "environment", "context", "notice", "notification", "hook", "status",
        "budget", "diagnostics", "harness", "metadata", "warning",
    }
)  # fmt: skip
_TAG = re.compile(r"<([A-Za-z][\w:.-]{0,60})(?:\s[^<>]{0,300})?>")
_LETTERS = re.compile(r"[a-z]+")
# A repeated text below both is what people say over and over: "Go on.", "Yes, please."
_FEW_WORDS = 4
_FEW_CHARACTERS = 24


class Columns(NamedTuple):
    """What is read of every message of every request, so that it takes few steps and no copies.

    Attributes:
        roles: who speaks.
        texts: what is said, where a message is a role and a text and nothing more; else None.
        bare: whether that text is the content, and not in a block.
        joins: whether the message came as one with the message before it.
        starts: index of the first message of each exchange, and last the number of messages.
        messages: the messages; those that came, unless one had to be cut in two.
    """

    roles: list[str]
    texts: list[str | None]
    bare: list[bool]
    joins: list[bool]
    starts: list[int]
    messages: Sequence[Message]


def columns_of(
    messages: Sequence[Message], heard: Iterable[str] = (), *, one: bool = False
) -> Columns:
    """Messages by column; system messages belong to the exchange they stand in.

    Args:
        messages: the messages of a request.
        heard: texts that stood beside tool results before the first of them.
        one: whether they are known to be one exchange.

    Raises:
        TranscriptError: there are no messages, or one is not an object with a role.
    """
    if not messages:
        raise TranscriptError("the message list is empty; the API wants at least one user message")
    return _Reading(messages, heard, one=one).columns()


class _Reading:
    """One pass over a history."""

    def __init__(self, messages: Sequence[Message], heard: Iterable[str], *, one: bool) -> None:
        self._came = messages
        self._one = one
        self._cut: list[Message] | None = None  # once one was cut in two: all of them
        self._roles: list[str] = []
        self._texts: list[str | None] = []
        self._bare: list[bool] = []
        self._joins: list[bool] = []
        self._starts = [0]
        self._results = False  # whether the newest answer's calls have results already
        self._heard = set(heard)
        self._reminders: dict[str, bool] = {}  # what was settled of texts heard more than once
        self._opened: set[str] = set()  # what openings say that stand beside no result
        self._noted = 0  # of so many starts
        self._beside: set[int] = set()  # starts that stand beside results, or right after them

    def columns(self) -> Columns:
        """Read all."""
        roles, starts = self._roles, self._starts
        answered = False  # whether anything has answered the newest opening
        for index, message in enumerate(self._came):
            role = _role(message, index)
            content = message.get("content") if len(message) == 2 else None
            text: str | None = content if type(content) is str else _only_text(content)
            if role == "user":
                if answered and not self._results and text is not None:
                    starts.append(len(roles))  # by far the most common beginning
                    answered = False
                elif answered:
                    begins = self._beginning(message)
                    if begins is not None:
                        answered = self._results = False
                    if begins:
                        self._put_in_two(index, message, begins)
                        continue
                    if begins == 0:
                        starts.append(len(roles))
            elif role == "assistant":
                answered, self._results = not self._one, False
            elif role != "system":
                answered = self._results = False
            self._put(message, role, text, bare=type(content) is str)
        messages = self._came if self._cut is None else self._cut
        starts.append(len(roles))
        return Columns(roles, self._texts, self._bare, self._joins, starts, messages)

    def _put(
        self, message: Message, role: str, text: str | None, *, bare: bool, joins: bool = False
    ) -> None:
        if self._cut is not None:
            self._cut.append(message)
        self._roles.append(role)
        self._texts.append(text)
        self._bare.append(bare)
        self._joins.append(joins)

    def _put_in_two(self, index: int, message: Message, begins: int) -> None:
        """Put the blocks up to one into the exchange before, and begin another with that one."""
        blocks = blocks_of(message)
        first = {**message, "content": list(blocks[:begins])}
        second = {**message, "content": list(blocks[begins:])}
        if self._cut is None:
            self._cut = list(self._came[:index])
        self._put(first, "user", None, bare=False)
        self._starts.append(len(self._roles))
        text = _only_text(second["content"]) if len(message) == 2 else None
        self._put(second, "user", text, bare=False, joins=True)

    def _beginning(self, message: Message) -> int | None:
        """Index of the block with which a user message begins an exchange; None if it does not."""
        blocks = blocks_of(message)
        place = _after_results(blocks)
        if not place and not self._results:
            return 0
        own = self._own_words(blocks, place)
        self._results = True
        if own is None or not self._all_answered(blocks[:place]):
            return None
        self._beside.add(len(self._roles) + bool(place))
        return own if place else 0

    def _own_words(self, blocks: Sequence[Any], place: int) -> int | None:
        """Index of the block with which the user begins to speak; None where that is nowhere."""
        first: int | None = None
        speaks = False
        for index in range(place, len(blocks)):
            said = _text_in(blocks[index])
            if said is not None and (not said or self._is_reminder(said)):
                continue
            first = index if first is None else first
            speaks = speaks or said is not None
        self._heard.update(filter(None, map(_text_in, blocks[place:])))
        return first if speaks else None

    def _is_reminder(self, said: str) -> bool:
        """Whether a text is a harness's: marked, or heard beside results before.

        What is heard again and was also said where no result stood is the user's: some apps ask
        the same at each turn. So are the few words that people say over and over.
        """
        if is_marked(said):
            return True
        if said not in self._heard:
            return False
        if len(said) < _FEW_CHARACTERS and len(said.split()) < _FEW_WORDS:
            return False
        if said not in self._reminders:
            self._note_openings()
            self._reminders[said] = said not in self._opened
        return self._reminders[said]

    def _note_openings(self) -> None:
        """Note what openings say since the last time, so that none is read for each reminder."""
        for start in self._starts[self._noted :]:
            if start not in self._beside and (text := self._texts[start]):
                self._opened.add(_squeezed(text))
        self._noted = len(self._starts)

    def _all_answered(self, results: Sequence[Any]) -> bool:
        """Whether every call of the newest answer has its result, in these blocks or before."""
        messages = self._came if self._cut is None else self._cut
        answers = _named(results, "tool_use_id")
        index = len(self._roles) - 1
        while index >= 0 and self._roles[index] != "assistant":
            answers |= _named(blocks_of(messages[index]), "tool_use_id")
            index -= 1
        calls: set[str] = set()
        while index >= 0 and self._roles[index] == "assistant":
            calls |= {
                str(block.get("id"))
                for block in blocks_of(messages[index])
                if is_object(block) and block.get("type") == "tool_use"
            }
            index -= 1
        return calls <= answers


def is_marked(text: str) -> bool:
    """Whether a text is nothing but blocks that a harness marks as its own."""
    text = text.strip()
    if text.startswith("[") and text.find("]") == len(text) - 1:
        return not _HARNESS.isdisjoint(_LETTERS.findall(text[1:60].lower())[:2])
    at = 0
    while at < len(text):
        tag = _TAG.match(text, at)
        if tag is None or _HARNESS.isdisjoint(_LETTERS.findall(tag.group(1).lower())):
            return False
        closing = f"</{tag.group(1)}>"
        end = text.find(closing, tag.end())
        if end < 0:
            return False
        at = end + len(closing)
        while at < len(text) and text[at].isspace():
            at += 1
    return bool(text)


def beside_results(messages: Sequence[Message]) -> list[str]:
    """The texts that stand beside tool results, or right after them, in messages of a path."""
    texts: list[str] = []
    follows = False
    for message in messages:
        if message.get("role") == "user":
            blocks = blocks_of(message)
            place = _after_results(blocks)
            follows = follows or bool(place)
            if follows:
                texts += filter(None, map(_text_in, blocks[place:]))
        elif message.get("role") != "system":
            follows = False
    return texts


def _role(message: Any, index: int) -> str:
    role = message.get("role") if type(message) is dict or is_object(message) else None
    if type(role) is not str:
        raise TranscriptError(f"messages.{index} is not an object with a role and content")
    return role


def _only_text(content: Any) -> str | None:
    """The text of a content that is one plain text block; None for any other."""
    if type(content) is not list or len(content) != 1:
        return None
    block = content[0]
    if type(block) is not dict or len(block) != 2 or block.get("type") != "text":
        return None
    text = block.get("text")
    return text if type(text) is str else None


def _after_results(blocks: Sequence[Any]) -> int:
    """How many blocks there are up to the last tool result; 0 where there is none."""
    for index in range(len(blocks) - 1, -1, -1):
        block = blocks[index]
        if is_object(block) and str(block.get("type", "")).endswith("tool_result"):
            return index + 1
    return 0


def _text_in(block: Any) -> str | None:
    """The text of a text block, white space squeezed; None for any other block."""
    if isinstance(block, str):
        return _squeezed(block)
    if isinstance(block, Mapping) and block.get("type") == "text":
        return _squeezed(str(block.get("text") or ""))
    return None


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _named(blocks: Sequence[Any], name: str) -> set[str]:
    return {str(block.get(name)) for block in blocks if is_object(block) and name in block}
