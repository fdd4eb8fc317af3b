"""A list of API messages goes in; exchanges with stable ids come out.

Two kinds of id hang on an exchange. Its *content id* names what was said, wherever it stands:
stored text, passages and vectors hang on it. Its *opening id* and *exchange id* name the path
that led to it as well: plans and folds hang on them, so an edited turn starts a branch of its
own that never meets the dead one.
"""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

from turnfold.errors import TranscriptError
from turnfold.redaction import Redact, redacted
from turnfold.tokens import CountText, count_message, estimate_text

Message = Mapping[str, Any]

# Says nothing about what was said: cache marks come and go, thinking may be left out by the
# caller, citations and the rest are added to replies by the API or the SDK.
_NOT_CONTENT = frozenset({"cache_control", "citations", "caller", "parsed_output"})
_THINKING = frozenset({"thinking", "redacted_thinking"})
_BITS = 16  # bytes of a digest
# Histories a process keeps read, and the tokens they may hold in all: some 64 MB.
_MOST_HISTORIES = 256
_MOST_TOKENS = 16_000_000


def digest(*parts: str | bytes) -> str:
    """A 128-bit BLAKE2b over the parts, in hex. Parts are length-delimited."""
    state = blake2b(digest_size=_BITS)
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


def _plain(value: Any) -> Any:
    """A block without what says nothing; a tool's `input` is content to the last null."""
    if isinstance(value, Mapping):
        return {
            str(key): _by_value(inner) if key == "input" else _plain(inner)
            for key, inner in value.items()
            if inner is not None and key not in _NOT_CONTENT
        }
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _by_value(value)


def _by_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _by_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_by_value(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


class Exchange(NamedTuple):
    """An opening and all that answered it. Never split.

    Attributes:
        messages: its messages; copies, in that the caller's later changes do not reach them.
        opening: how many of them are the opening.
        names: a digest of the canonical form of each, redacted, 16 bytes.
        opening_id: names the path so far and the opening; known before any answer.
        exchange_id: names the path and the whole exchange.
        content_id: names what was said, whatever the path.
        thoughtful: positions of the messages that hold thinking.
        marked: positions of the messages that hold cache marks.
        compacted: whether it holds a `compaction` block of the provider.
        size: estimated tokens of its messages.
    """

    messages: Sequence[Message]
    opening: int
    names: Sequence[bytes]
    opening_id: str
    exchange_id: str
    content_id: str
    thoughtful: Sequence[int] = ()
    marked: Sequence[int] = ()
    compacted: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """The exchanges of one request, in order; the last one is open.

    Attributes:
        exchanges: the exchanges.
        starts: index of the first message of each, and last the number of all messages.
        messages: all messages, as they were sent.
    """

    exchanges: Sequence[Exchange]
    starts: Sequence[int]
    messages: Sequence[Message]

    @classmethod
    def of(cls, exchanges: Sequence[Exchange]) -> Transcript:
        """The transcript these exchanges make."""
        starts = [0]
        for exchange in exchanges:
            starts.append(starts[-1] + len(exchange.messages))
        return cls(exchanges, starts, [message for one in exchanges for message in one.messages])

    @property
    def closed(self) -> Sequence[Exchange]:
        """All exchanges but the newest."""
        return self.exchanges[:-1]

    @property
    def open(self) -> Exchange:
        """The newest exchange, still being answered."""
        return self.exchanges[-1]


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
    if not messages:
        raise TranscriptError("the message list is empty; the API wants at least one user message")
    for index, message in enumerate(messages):
        if not is_object(message) or type(message.get("role")) is not str:
            raise TranscriptError(f"messages.{index} is not an object with a role and content")
    starts = [*_cuts(messages), len(messages)]
    before = seed if path is None else path
    exchanges: list[Exchange] = []
    for first, end in pairwise(starts):
        exchange = _exchange(messages[first:end], seed, before, count, redact)
        before = exchange.exchange_id
        exchanges.append(exchange)
    return Transcript(exchanges, starts, messages)


class Reader:
    """Reads histories that grow: what was read before is not read again.

    A history is recognized by equality of its messages with those of the request before it.
    """

    def __init__(self, count: CountText, redact: Redact | None = None) -> None:
        self._count = count
        self._redact = redact
        self._read: OrderedDict[str, Transcript] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def read(self, messages: Sequence[Message], *, seed: str) -> Transcript:
        """See the function `read`."""
        known = self._read.get(seed)
        how = (self._count, self._redact)
        transcript = None if known is None else _continued(known, messages, seed, *how)
        if transcript is None:
            transcript = read(messages, seed=seed, count=self._count, redact=self._redact)
        self._keep(seed, transcript)
        return transcript

    def _keep(self, seed: str, transcript: Transcript) -> None:
        # The copies in the exchanges are kept, not what the caller may still change.
        kept = [message for one in transcript.exchanges for message in one.messages]
        self._read[seed] = Transcript(transcript.exchanges, transcript.starts, kept)
        self._read.move_to_end(seed)
        self._sizes[seed] = sum(one.size for one in transcript.exchanges)
        while len(self._read) > 1 and (
            len(self._read) > _MOST_HISTORIES or sum(self._sizes.values()) > _MOST_TOKENS
        ):
            oldest, _ = self._read.popitem(last=False)
            del self._sizes[oldest]


def _continued(
    known: Transcript,
    messages: Sequence[Message],
    seed: str,
    count: CountText,
    redact: Redact | None,
) -> Transcript | None:
    """The transcript of messages that begin as known ones do; None where they do not."""
    same = _common(known.messages, messages)
    # Where an exchange ends is told by the message after it, which has to be the same too.
    whole = sum(start < same for start in known.starts[1:])
    if not whole:
        return None
    start = known.starts[whole]
    path = known.exchanges[whole - 1].exchange_id
    rest = read(messages[start:], seed=seed, path=path, count=count, redact=redact)
    return Transcript(
        [*known.exchanges[:whole], *rest.exchanges],
        [*known.starts[:whole], *(start + one for one in rest.starts)],
        messages,
    )


def _common(known: Sequence[Message], messages: Sequence[Message]) -> int:
    """How many messages at the beginning are the same."""
    least = min(len(known), len(messages))
    if list(known[:least]) == list(messages[:least]):
        return least
    for index in range(least):
        if known[index] != messages[index]:
            return index
    return least


def _exchange(
    messages: Sequence[Message], seed: str, path: str, count: CountText, redact: Redact | None
) -> Exchange:
    copies = [_copied(message) for message in messages]
    named = copies if redact is None else [redacted(one, redact) for one in copies]
    names = [
        blake2b(canonical(one).encode("utf-8", "surrogatepass"), digest_size=_BITS).digest()
        for one in named
    ]
    opening = next((i for i, one in enumerate(copies) if one["role"] != "user"), len(copies))
    opening_id = _name(path, names[:opening])
    thoughtful, marked, compacted = [], [], False
    for position, message in enumerate(copies):
        if type(message.get("content")) is str:
            continue
        for block in message.get("content") or ():
            if _is_flat(block) or not isinstance(block, dict):
                continue
            if block.get("type") in _THINKING:
                thoughtful.append(position)
            elif "cache_control" in block or _marked_within(block):
                marked.append(position)
            compacted = compacted or block.get("type") == "compaction"
    return Exchange(
        messages=copies,
        opening=opening,
        names=names,
        opening_id=opening_id,
        exchange_id=_name(opening_id, names[opening:]),
        content_id=_name(seed, names),
        thoughtful=tuple(dict.fromkeys(thoughtful)) if thoughtful else (),
        marked=tuple(dict.fromkeys(marked)) if marked else (),
        compacted=compacted,
        size=sum(count_message(message, count) for message in copies),
    )


def _name(before: str, names: Sequence[bytes]) -> str:
    return blake2b(before.encode() + b"".join(names), digest_size=_BITS).hexdigest()


def _copied(message: Message) -> dict[str, Any]:
    """A copy that the caller's later changes do not reach; texts are shared."""
    copied = dict(message)
    content = copied.get("content")
    if type(content) is not str and content is not None:
        copied["content"] = [
            dict(block) if _is_flat(block) else copy.deepcopy(block) for block in content
        ]
    return copied


def _is_flat(block: Any) -> bool:
    return type(block) is dict and block.get("type") == "text" and len(block) == 2


def _marked_within(block: Mapping[str, Any]) -> bool:
    inner = block.get("content")
    return isinstance(inner, list) and any(
        isinstance(part, Mapping) and "cache_control" in part for part in inner
    )


def _cuts(messages: Sequence[Message]) -> list[int]:
    """Where exchanges start: at a user message that follows an answer and is no tool result.

    System messages belong to the exchange they stand in.
    """
    cuts = [0]
    spoken: Any = None  # the role of the last message that was not a system message
    for index, message in enumerate(messages):
        role = message["role"]
        if role == "user" and spoken == "assistant" and not _answers_tools(message):
            cuts.append(index)
        if role != "system":
            spoken = role
    return cuts


def _answers_tools(message: Message) -> bool:
    """Whether a user message carries tool results, and so continues an exchange."""
    content = message.get("content")
    return type(content) is not str and any(
        is_object(block) and str(block.get("type", "")).endswith("tool_result")
        for block in content or ()
    )


def seed_of(user_id: str, conversation: str) -> str:
    """What the path of a conversation starts from."""
    return digest("turnfold", user_id, conversation)
