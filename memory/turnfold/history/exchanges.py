"""A list of API messages goes in; exchanges with stable ids come out.

Two kinds of id hang on an exchange. Its *content id* names what was said, wherever it stands:
stored text, passages and vectors hang on it. Its *opening id* and *exchange id* name the path
that led to it as well: plans and folds hang on them, so an edited turn starts a branch of its
own that never meets the dead one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate
from typing import Any, TypeVar

from turnfold.history.nested import rebuilt

Message = Mapping[str, Any]
_T = TypeVar("_T")

# Says nothing about what was said: cache marks come and go, thinking may be left out by the
# caller, citations and the rest are added to replies by the API or the SDK.
_NOT_CONTENT = frozenset({"cache_control", "citations", "caller", "parsed_output"})
_THINKING = frozenset({"thinking", "redacted_thinking"})
DIGEST_SIZE = 16
"""Bytes of a digest."""
_BLANK = blake2b(digest_size=DIGEST_SIZE)  # is copied, which is cheaper than to begin anew


def digest(*parts: str | bytes) -> str:
    """A 128-bit BLAKE2b over the parts, in hex. Parts are length-delimited."""
    state = _BLANK.copy()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.hexdigest()


def is_object(value: Any) -> bool:
    """Whether a value is a JSON object. Most are dicts, which is quickly told."""
    return type(value) is dict or isinstance(value, Mapping)


def is_thinking(block: Any) -> bool:
    """Whether a content block is thinking, readable or redacted."""
    return is_object(block) and block.get("type") in _THINKING


def is_compaction(block: Any) -> bool:
    """Whether a content block is what the provider made of all before it; it has to come first."""
    return is_object(block) and block.get("type") == "compaction"


def message_name(said: str) -> bytes:
    """The digest of the canonical form of a message."""
    state = _BLANK.copy()
    state.update(said.encode("utf-8", "surrogatepass"))
    return state.digest()


def blocks_of(message: Message) -> Sequence[Any]:
    """The content of a message as blocks; a string is one text block."""
    content = message.get("content")
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return content or ()


def canonical(message: Message) -> str:
    """The canonical form of a message.

    Nulls, cache marks, thinking, citations and fields added by the SDK are left out, adjacent
    texts are joined, numbers count by value and keys are sorted; so a message that went
    through the SDK and back is still the same.
    """
    role, content = message.get("role"), message.get("content")
    if type(content) is str:
        return f"{role}\x1f{content}"
    parts: list[Any] = []
    for block in content or ():
        kind = block.get("type") if is_object(block) else None
        if kind in _THINKING:
            continue
        if kind == "text":
            text = str(block.get("text") or "")
            if parts and isinstance(parts[-1], str):
                parts[-1] += text
            else:
                parts.append(text)
        else:
            parts.append(_plain(block))
    if len(parts) == 1 and isinstance(parts[0], str):
        return f"{role}\x1f{parts[0]}"
    form = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{role}\x1e{form}"


def _plain(block: Any) -> Any:
    """A block without what says nothing; a tool's `input` is content to the last null."""
    return rebuilt(block, _entries, _by_value)


def _entries(value: Mapping[Any, Any], free: bool) -> Iterator[tuple[str, Any, bool]]:
    """What of an object counts; all of it within the input of a tool."""
    for key, inner in value.items():
        if free or (inner is not None and key not in _NOT_CONTENT):
            yield str(key), inner, free or key == "input"


def _by_value(leaf: Any) -> Any:
    if type(leaf) is str:
        return leaf
    if isinstance(leaf, float) and leaf.is_integer():
        return int(leaf)
    if leaf is None or isinstance(leaf, str | int | float | bool):
        return leaf
    return str(leaf)


@dataclass(slots=True, eq=False)  # not frozen: thousands are made when a long history is met
class Exchange:
    """An opening and all that answered it. Never split.

    Attributes:
        messages: its messages. They are the SDK's copy of what the caller holds.
        opening: how many of them are the opening.
        names: digests of the canonical forms of its messages, redacted, 16 bytes each.
        opening_id: names the path so far and the opening; known before any answer.
        exchange_id: names the path and the whole exchange.
        seed: differs between users and conversations.
        size: estimated tokens of its messages.
        replies: how many of them are the assistant's.
        thoughtful: positions of the messages that hold thinking.
        marked: positions of the messages that hold cache marks.
        compacted: whether it holds a `compaction` block of the provider.
        stateful: whether it holds what has to go on when it is folded: a system message, or a
            file for a container.
        joins: whether its first message came as one with the last of the exchange before: the
            user's words beside the results of tools.
        cites: whether an answer in it cites by number; see `citations`.
        citable: whether anything in it may be cited so.
        sizes: estimated tokens of each of its messages.
    """

    messages: Sequence[Message]
    opening: int
    names: bytes
    opening_id: str
    exchange_id: str
    seed: str
    size: int = 0
    replies: int = 0
    thoughtful: Sequence[int] = ()
    marked: Sequence[int] = ()
    compacted: bool = False
    stateful: bool = False
    joins: bool = False
    cites: bool = False
    citable: bool = False
    sizes: Sequence[int] = ()
    _content_id: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing in it besides what is said and done."""
        noted = self.thoughtful or self.marked or self.compacted
        return not (noted or self.cites or self.citable)

    @property
    def opening_names(self) -> list[bytes]:
        """The digest of each message of the opening."""
        ends = range(DIGEST_SIZE, (self.opening + 1) * DIGEST_SIZE, DIGEST_SIZE)
        return [self.names[end - DIGEST_SIZE : end] for end in ends]

    @property
    def content_id(self) -> str:
        """Names what was said, whatever the path."""
        if not self._content_id:
            self._content_id = path_name(self.seed, self.names)
        return self._content_id

    def known_as(self, other: Exchange) -> Exchange:
        """The same messages under the ids of another exchange."""
        return self.placed(other.opening_id, other.exchange_id, content_id=other.content_id)

    def placed(self, opening_id: str, exchange_id: str, *, content_id: str) -> Exchange:
        """The same messages under these ids."""
        return replace(self, opening_id=opening_id, exchange_id=exchange_id, _content_id=content_id)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The exchanges of one request, in order; the last one is open.

    Attributes:
        exchanges: the exchanges.
        starts: index of the first message of each, and last the number of all messages.
        messages: all messages; one with results of tools and words of the user counts as two.
        special: indexes of the exchanges that are not plain: in most histories, few or none.
        came: the very list they were read from; None where they were put together otherwise.
    """

    exchanges: Sequence[Exchange]
    starts: Sequence[int]
    messages: Sequence[Message]
    special: Sequence[int]
    came: Sequence[Message] | None = None

    @classmethod
    def of(cls, exchanges: Sequence[Exchange]) -> Transcript:
        """The transcript these exchanges make."""
        starts = [0, *accumulate(len(one.messages) for one in exchanges)]
        messages = [message for one in exchanges for message in one.messages]
        return cls(exchanges, starts, messages, special_in(exchanges))

    @property
    def closed(self) -> Sequence[Exchange]:
        """All exchanges but the newest."""
        return self.exchanges[:-1]

    @property
    def open(self) -> Exchange:
        """The newest exchange, still being answered."""
        return self.exchanges[-1]

    def spread(self, values: Sequence[_T]) -> list[_T]:
        """Values given for each message that came, as one for each of `messages`."""
        spread = list(values)
        for start, exchange in zip(self.starts, self.exchanges, strict=False):
            if exchange.joins:
                spread.insert(start, spread[start - 1])
        return spread


def along(exchanges: Iterable[Exchange], path: str) -> list[Exchange]:
    """Exchanges under the ids they have where they follow a path.

    Args:
        exchanges: in order.
        path: exchange id of what came before them, or the seed of their conversation.
    """
    renamed: list[Exchange] = []
    for one in exchanges:
        opened = one.opening * DIGEST_SIZE
        opening_id = path_name(path, one.names[:opened])
        path = path_name(opening_id, one.names[opened:])
        renamed.append(replace(one, opening_id=opening_id, exchange_id=path))
    return renamed


def special_in(exchanges: Iterable[Exchange], first: int = 0) -> list[int]:
    """Indexes of the exchanges that are not plain, where the first of them has this one."""
    return [index for index, one in enumerate(exchanges, first) if not one.is_plain]


def path_name(before: str, names: bytes) -> str:
    """The id of what follows on a path: of the path before it, and of what its messages say."""
    state = _BLANK.copy()
    state.update(before.encode())
    state.update(names)
    return state.hexdigest()


def seed_of(user_id: str, conversation: str) -> str:
    """What the path of a conversation starts from."""
    return digest("turnfold", user_id, conversation)
