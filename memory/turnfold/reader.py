"""Histories that grow go in, turn after turn; exchanges come out, and nothing is read twice."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile
from operator import eq
from typing import Any, NamedTuple

from turnfold.errors import TranscriptError
from turnfold.redaction import Redact, redacted
from turnfold.tokens import (
    BLOCK_OVERHEAD,
    MESSAGE_OVERHEAD,
    CountText,
    count_message,
    estimate_text,
)
from turnfold.transcript import (
    DIGEST_SIZE,
    Exchange,
    Message,
    Transcript,
    blocks_of,
    canonical,
    is_object,
    is_thinking,
    message_name,
    path_name,
    special_in,
)

# Histories a process keeps read, and the tokens they may hold in all: some 64 MB.
_MOST_HISTORIES = 256
_MOST_TOKENS = 16_000_000


# Tokens of a message of one text block, besides the text.
_BLOCK_OVERHEAD = MESSAGE_OVERHEAD + BLOCK_OVERHEAD


def read(
    messages: Sequence[Message],
    *,
    seed: str,
    path: str | None = None,
    count: CountText = estimate_text,
    redact: Redact | None = None,
) -> Transcript:
    """Cut messages into exchanges and name them.

    Args:
        messages: the `messages` of a request.
        seed: differs between users and conversations.
        path: exchange id of what came before the first message; None for nothing.
        count: counts the tokens of a text.
        redact: what is done to texts before they are named; what is sent stays as it is.

    Raises:
        TranscriptError: there are no messages, or one is not an object with a role.
    """
    columns = _columns_of(messages)
    exchanges = _exchanges(messages, columns, seed=seed, path=path, count=count, redact=redact)
    return Transcript(exchanges, columns.starts, messages, special_in(exchanges))


class _Columns(NamedTuple):
    """What is read of every message of every request, so that it takes few steps and no copies.

    Attributes:
        roles: who speaks.
        texts: what is said, where a message is a role and a text and nothing more; else None.
        bare: whether that text is the content, and not in a block.
        starts: index of the first message of each exchange, and last the number of messages.
    """

    roles: list[str]
    texts: list[str | None]
    bare: list[bool]
    starts: list[int]


def _columns_of(messages: Sequence[Message]) -> _Columns:
    """Messages by column.

    An exchange starts at a user message that follows an answer and is no tool result; system
    messages belong to the exchange they stand in.

    Raises:
        TranscriptError: there are no messages, or one is not an object with a role.
    """
    if not messages:
        raise TranscriptError("the message list is empty; the API wants at least one user message")
    roles: list[str] = []
    texts: list[str | None] = []
    bare: list[bool] = []
    starts = [0]
    answered = False  # whether the last message that was not a system message is an answer
    for index, message in enumerate(messages):
        role = message.get("role") if type(message) is dict or is_object(message) else None
        if type(role) is not str:
            raise TranscriptError(f"messages.{index} is not an object with a role and content")
        content = message.get("content") if len(message) == 2 else None
        is_bare = type(content) is str
        text = content if is_bare else _only_text(content)
        if role == "user":
            if answered and (text is not None or not _answers_tools(message)):
                starts.append(index)
            answered = False
        elif role == "assistant":
            answered = True
        elif role != "system":
            answered = False
        roles.append(role)
        texts.append(text)
        bare.append(is_bare)
    starts.append(len(roles))
    return _Columns(roles, texts, bare, starts)


def _only_text(content: Any) -> str | None:
    """The text of a content that is one plain text block; None for any other."""
    if type(content) is not list or len(content) != 1:
        return None
    block = content[0]
    if type(block) is not dict or len(block) != 2 or block.get("type") != "text":
        return None
    text = block.get("text")
    return text if type(text) is str else None


def _answers_tools(message: Message) -> bool:
    """Whether a user message carries tool results, and so continues an exchange."""
    content = message.get("content")
    return type(content) is not str and any(
        is_object(block) and str(block.get("type", "")).endswith("tool_result")
        for block in content or ()
    )


def _exchanges(
    messages: Sequence[Message],
    columns: _Columns,
    *,
    seed: str,
    path: str | None = None,
    first: int = 0,
    count: CountText,
    redact: Redact | None,
) -> list[Exchange]:
    """The exchanges from the one with this number on; for the rest see `read`."""
    begin = columns.starts[first]
    roles, texts = columns.roles[begin:], columns.texts[begin:]
    names = _named(messages[begin:], roles, texts, redact)
    sizes = [0, *accumulate(_sized(messages[begin:], texts, columns.bare[begin:], count))]
    others = None in texts
    systems = "system" in roles
    before = seed if path is None else path
    exchanges: list[Exchange] = []
    for start, end in pairwise(columns.starts[first:]):
        at, until = start - begin, end - begin
        opening = at
        while opening < until and roles[opening] == "user":
            opening += 1
        opened, replied = opening * DIGEST_SIZE, until * DIGEST_SIZE
        opening_id = path_name(before, names[at * DIGEST_SIZE : opened])
        before = path_name(opening_id, names[opened:replied])
        exchange = Exchange(
            messages[start:end],
            opening - at,
            names[at * DIGEST_SIZE : replied],
            opening_id,
            before,
            seed,
            sizes[until] - sizes[at],
            roles[opening:until].count("assistant"),
        )
        if others and None in texts[at:until]:
            _note_blocks(exchange)
        if systems and "system" in roles[at:until]:
            exchange.stateful = True
        exchanges.append(exchange)
    return exchanges


def _named(
    messages: Sequence[Message],
    roles: Sequence[str],
    texts: Sequence[str | None],
    redact: Redact | None,
) -> bytes:
    """The digests of the canonical forms of messages."""
    if redact is not None:
        return b"".join([message_name(canonical(redacted(one, redact))) for one in messages])
    return b"".join(
        [
            message_name(canonical(message) if text is None else f"{role}\x1f{text}")
            for message, role, text in zip(messages, roles, texts, strict=True)
        ]
    )


def _sized(
    messages: Sequence[Message],
    texts: Sequence[str | None],
    bare: Sequence[bool],
    count: CountText,
) -> list[int]:
    """The estimated tokens of messages."""
    return [
        count_message(message, count)
        if text is None
        else count(text) + (MESSAGE_OVERHEAD if is_bare else _BLOCK_OVERHEAD)
        for message, text, is_bare in zip(messages, texts, bare, strict=True)
    ]


def _note_blocks(exchange: Exchange) -> None:
    """Note what of an exchange is more than said: thinking, cache marks, a compaction, files."""
    thoughtful, marked = [], []
    for position, message in enumerate(exchange.messages):
        for block in blocks_of(message):
            if is_thinking(block):
                thoughtful.append(position)
            elif is_object(block) and ("cache_control" in block or _marked_within(block)):
                marked.append(position)
            if is_object(block) and block.get("type") == "compaction":
                exchange.compacted = True
            elif is_object(block) and block.get("type") == "container_upload":
                exchange.stateful = True
    exchange.thoughtful = tuple(dict.fromkeys(thoughtful))
    exchange.marked = tuple(dict.fromkeys(marked))


def _marked_within(block: Mapping[str, Any]) -> bool:
    inner = block.get("content")
    return isinstance(inner, list) and any(
        isinstance(part, Mapping) and "cache_control" in part for part in inner
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """A history that was read.

    Attributes:
        exchanges: its exchanges.
        columns: its messages by column.
        special: see `Transcript`.
        others: by index, copies of the messages that are more than a text, which no one's later
            changes reach.
        tokens: its size.
    """

    exchanges: Sequence[Exchange]
    columns: _Columns
    special: Sequence[int]
    others: Mapping[int, Any]
    tokens: int


class Reader:
    """Reads the histories of a process.

    A history is recognized by equality of its messages with those of the request before it. Of
    the histories of one seed, those that begin differently are told apart.
    """

    def __init__(self, count: CountText, redact: Redact | None = None) -> None:
        self._count = count
        self._redact = redact
        self._known: OrderedDict[tuple[str, str | None], _Known] = OrderedDict()

    def read(self, messages: Sequence[Message], *, seed: str) -> Transcript:
        """Cut messages into exchanges and name them.

        Args:
            messages: the `messages` of a request.
            seed: differs between users and conversations.

        Raises:
            TranscriptError: there are no messages, or one is not an object with a role.
        """
        columns = _columns_of(messages)
        key = (seed, columns.texts[0])
        known = self._known.get(key, _NOTHING)
        same = _common(known, columns, messages)
        # Where an exchange ends is told by the message after it, which has to be the same too.
        whole = max(0, bisect_left(known.columns.starts, same) - 1)
        rest = _exchanges(
            messages,
            columns,
            seed=seed,
            path=known.exchanges[whole - 1].exchange_id if whole else None,
            first=whole,
            count=self._count,
            redact=self._redact,
        )
        exchanges = [*known.exchanges[:whole], *rest]
        special = list(known.special[: bisect_left(known.special, whole)])
        if None in columns.texts:
            special += special_in(rest, whole)
        others = {
            index: known.others[index] if index < same else copy.deepcopy(messages[index])
            for index in _others(columns)
        }
        tokens = sum([one.size for one in exchanges])
        self._keep(key, _Known(exchanges, columns, special, others, tokens))
        return Transcript(exchanges, columns.starts, messages, special)

    def _keep(self, key: tuple[str, str | None], history: _Known) -> None:
        self._known.pop(key, None)
        self._known[key] = history
        while len(self._known) > 1 and (
            len(self._known) > _MOST_HISTORIES or self.tokens > _MOST_TOKENS
        ):
            self._known.popitem(last=False)

    @property
    def tokens(self) -> int:
        """Size of all histories that are known."""
        return sum([one.tokens for one in list(self._known.values())])


_NOTHING = _Known((), _Columns([], [], [], []), (), {}, 0)


def _others(columns: _Columns) -> list[int]:
    """Where the messages stand that are more than a text."""
    texts = columns.texts
    return [index for index, text in enumerate(texts) if text is None] if None in texts else []


def _common(known: _Known, columns: _Columns, messages: Sequence[Message]) -> int:
    """How many messages at the beginning are the same."""
    before: Sequence[Sequence[object]] = known.columns[:3]
    now: Sequence[Sequence[object]] = columns[:3]
    least = min(len(before[0]), len(now[0]))
    for old, new in zip(before, now, strict=True):
        if old[:least] != new[:least]:
            least = sum(takewhile(bool, map(eq, old, new)))
    return next((n for n, one in known.others.items() if n < least and one != messages[n]), least)
