"""Histories that grow go in, turn after turn; exchanges come out, and nothing is read twice."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile
from operator import eq
from typing import Any

from turnfold.accounting.tokens import (
    BLOCK_OVERHEAD,
    MESSAGE_OVERHEAD,
    CountText,
    count_message,
    estimate_text,
)
from turnfold.history.boundaries import Columns, columns_of
from turnfold.history.citations import note_citations
from turnfold.history.exchanges import (
    DIGEST_SIZE,
    Exchange,
    Message,
    Transcript,
    blocks_of,
    canonical,
    is_compaction,
    is_object,
    is_thinking,
    message_name,
    path_name,
    special_in,
)
from turnfold.history.nested import copied
from turnfold.history.redaction import Redact, redacted

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
    heard: Iterable[str] = (),
) -> Transcript:
    """Cut messages into exchanges and name them.

    Args:
        messages: the `messages` of a request.
        seed: differs between users and conversations.
        path: exchange id of what came before the first message; None for nothing.
        count: counts the tokens of a text.
        redact: what is done to texts before they are named; what is sent stays as it is.
        heard: texts that stood beside tool results on that path; see `boundaries`.

    Raises:
        TranscriptError: there are no messages, or one is not an object with a role.
    """
    columns = columns_of(messages, heard)
    exchanges = _exchanges(
        columns,
        _named(columns, 0, redact),
        _sized(columns, 0, count),
        seed=seed,
        path=path,
    )
    return _transcript(exchanges, columns, special_in(exchanges), messages)


def read_one(
    messages: Sequence[Message],
    *,
    seed: str,
    count: CountText = estimate_text,
    redact: Redact | None = None,
) -> Exchange:
    """Messages that were stored as one exchange, whatever they would be read as here and now.

    Args:
        messages: its messages.
        seed: see `read`.
        count: counts the tokens of a text.
        redact: what is done to texts before they are named.

    Raises:
        TranscriptError: there are no messages, or one is not an object with a role.
    """
    columns = columns_of(messages, one=True)
    names, sizes = _named(columns, 0, redact), _sized(columns, 0, count)
    (exchange,) = _exchanges(columns, names, sizes, seed=seed)
    return exchange


def _transcript(
    exchanges: Sequence[Exchange],
    columns: Columns,
    special: Sequence[int],
    came: Sequence[Message],
) -> Transcript:
    return Transcript(exchanges, columns.starts, columns.messages, special, came)


def _exchanges(
    columns: Columns,
    names: bytes,
    sizes: Sequence[int],
    *,
    seed: str,
    path: str | None = None,
    first: int = 0,
) -> list[Exchange]:
    """The exchanges from the one with this number on.

    Args:
        columns: all messages.
        names: digest of each of them; see `_named`.
        sizes: tokens of each of them.
        seed: see `read`.
        path: exchange id of what came before these exchanges; None for nothing.
        first: the number.
    """
    messages, roles, texts = columns.messages, columns.roles, columns.texts
    begin = columns.starts[first]
    totals = [0, *accumulate(sizes[begin:])]
    others = None in texts[begin:]
    systems = "system" in roles[begin:]
    before = seed if path is None else path
    exchanges: list[Exchange] = []
    for start, end in pairwise(columns.starts[first:]):
        opening = start
        while opening < end and roles[opening] == "user":
            opening += 1
        opened, replied = opening * DIGEST_SIZE, end * DIGEST_SIZE
        opening_id = path_name(before, names[start * DIGEST_SIZE : opened])
        before = path_name(opening_id, names[opened:replied])
        exchange = Exchange(
            messages[start:end],
            opening - start,
            names[start * DIGEST_SIZE : replied],
            opening_id,
            before,
            seed,
            totals[end - begin] - totals[start - begin],
            roles[opening:end].count("assistant"),
            joins=columns.joins[start],
            sizes=sizes[start:end],
        )
        if others and None in texts[start:end]:
            _note_blocks(exchange)
        if systems and "system" in roles[start:end]:
            exchange.stateful = True
        exchanges.append(exchange)
    return exchanges


def _named(columns: Columns, first: int, redact: Redact | None) -> bytes:
    """The digests of the canonical forms of the messages from one on, 16 bytes each."""
    messages = columns.messages[first:]
    if redact is not None:
        return b"".join([message_name(canonical(redacted(one, redact))) for one in messages])
    return b"".join(
        [
            message_name(canonical(message) if text is None else f"{role}\x1f{text}")
            for message, role, text in zip(
                messages, columns.roles[first:], columns.texts[first:], strict=True
            )
        ]
    )


def _sized(columns: Columns, first: int, count: CountText) -> list[int]:
    """The estimated tokens of the messages from one on."""
    texts, bare = columns.texts[first:], columns.bare[first:]
    return [
        count_message(message, count)
        if text is None
        else count(text) + (MESSAGE_OVERHEAD if is_bare else _BLOCK_OVERHEAD)
        for message, text, is_bare in zip(columns.messages[first:], texts, bare, strict=True)
    ]


def _note_blocks(exchange: Exchange) -> None:
    """Note what of an exchange is more than said: thinking, cache marks, files, citations."""
    thoughtful, marked = [], []
    for position, message in enumerate(exchange.messages):
        for block in blocks_of(message):
            if is_thinking(block):
                thoughtful.append(position)
            elif is_object(block) and ("cache_control" in block or _marked_within(block)):
                marked.append(position)
            if is_compaction(block):
                exchange.compacted = True
            elif is_object(block) and block.get("type") == "container_upload":
                exchange.stateful = True
    note_citations(exchange)
    exchange.thoughtful = tuple(dict.fromkeys(thoughtful))
    exchange.marked = tuple(dict.fromkeys(marked))


def _marked_within(block: Mapping[str, Any]) -> bool:
    inner = block.get("content")
    return isinstance(inner, list) and any(
        isinstance(part, Mapping) and "cache_control" in part for part in inner
    )


@dataclass(frozen=True, slots=True)
class _ReadHistory:
    """A history that was read.

    Attributes:
        exchanges: its exchanges.
        columns: its messages by column.
        names: digest of each message, 16 bytes each.
        sizes: tokens of each message.
        special: see `Transcript`.
        others: by index, copies of the messages that are more than a text, which no one's later
            changes reach.
        tokens: its size.
    """

    exchanges: Sequence[Exchange]
    columns: Columns
    names: bytes
    sizes: Sequence[int]
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
        self._known: OrderedDict[tuple[str, str | None], _ReadHistory] = OrderedDict()

    def read(self, messages: Sequence[Message], *, seed: str) -> Transcript:
        """Cut messages into exchanges and name them.

        Args:
            messages: the `messages` of a request.
            seed: differs between users and conversations.

        Raises:
            TranscriptError: there are no messages, or one is not an object with a role.
        """
        columns = columns_of(messages)
        key = (seed, columns.texts[0])
        known = self._known.get(key, _NOTHING)
        same = _common(known, columns)
        names = known.names[: same * DIGEST_SIZE] + _named(columns, same, self._redact)
        sizes = [*known.sizes[:same], *_sized(columns, same, self._count)]
        # Where an exchange ends is told by the message after it, which has to be the same too.
        whole = max(0, bisect_left(known.columns.starts, same) - 1)
        rest = _exchanges(
            columns,
            names,
            sizes,
            seed=seed,
            path=known.exchanges[whole - 1].exchange_id if whole else None,
            first=whole,
        )
        exchanges = [*known.exchanges[:whole], *rest]
        special = list(known.special[: bisect_left(known.special, whole)])
        if None in columns.texts:
            special += special_in(rest, whole)
        others = {
            index: known.others[index] if index < same else copied(columns.messages[index])
            for index in _others(columns)
        }
        tokens = sum(sizes)
        self._keep(key, _ReadHistory(exchanges, columns, names, sizes, special, others, tokens))
        return _transcript(exchanges, columns, special, messages)

    def _keep(self, key: tuple[str, str | None], history: _ReadHistory) -> None:
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


_NOTHING = _ReadHistory((), Columns([], [], [], [], [], ()), b"", (), (), {}, 0)


def _others(columns: Columns) -> list[int]:
    """Where the messages stand that are more than a text."""
    texts = columns.texts
    return [index for index, text in enumerate(texts) if text is None] if None in texts else []


def _common(known: _ReadHistory, columns: Columns) -> int:
    """How many messages at the beginning are the same."""
    before: Sequence[Sequence[object]] = known.columns[:4]
    now: Sequence[Sequence[object]] = columns[:4]
    messages = columns.messages
    least = min(len(before[0]), len(now[0]))
    for old, new in zip(before, now, strict=True):
        if old[:least] != new[:least]:
            least = sum(takewhile(bool, map(eq, old, new)))
    return next((n for n, one in known.others.items() if n < least and one != messages[n]), least)
