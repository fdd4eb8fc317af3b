"""An exchange goes in; its steps come out, and the exchange as it is shown without some of them.

A step is what the assistant said and called, with all that answered it. It is closed when the
results of all its calls are there, and never split: parallel calls stay together, a tool that the
API runs stays with its result although that may come a message later, and so does what the
assistant went on with after a pause. Step ids hang on the opening and on the steps before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from turnfold.history.citations import citable_in
from turnfold.history.exchanges import (
    DIGEST_SIZE,
    Exchange,
    Message,
    Transcript,
    blocks_of,
    canonical,
    digest,
    is_object,
    message_name,
    path_name,
)

_NOTHING: Mapping[int, Exchange] = MappingProxyType({})
_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of an exchange.

    Attributes:
        exchange: whose they are.
        transcript: the closed ones, each as an exchange without an opening; the newest last.
        starts: index in the exchange of the first message of each, and last where they end: what
            follows is a final answer, a call without its result, or a prefill.
    """

    exchange: Exchange
    transcript: Transcript
    starts: Sequence[int]

    @property
    def closed(self) -> Sequence[Exchange]:
        """All closed steps, oldest first."""
        return self.transcript.exchanges

    @property
    def newest(self) -> str:
        """The id of the newest closed step."""
        return self.closed[-1].exchange_id

    @property
    def first_citable(self) -> int:
        """Index of the first step that holds what may be cited; their number where none does."""
        steps = enumerate(self.closed)
        return next((index for index, one in steps if one.citable), len(self.closed))

    @property
    def size(self) -> int:
        """Tokens of all closed steps."""
        return sum(one.size for one in self.closed)


def steps_of(exchange: Exchange) -> Steps | None:
    """The closed steps of an exchange; None where it has none."""
    starts = _starts(exchange)
    if len(starts) < 2:
        return None
    path = exchange.opening_id
    between = exchange.names[exchange.opening * DIGEST_SIZE : starts[0] * DIGEST_SIZE]
    if between:  # a system message behind the opening
        path = path_name(path, between)
    steps: list[Exchange] = []
    for start, end in pairwise(starts):
        names = exchange.names[start * DIGEST_SIZE : end * DIGEST_SIZE]
        before, path = path, path_name(path, names)
        messages = exchange.messages[start:end]
        steps.append(
            Exchange(
                messages,
                0,
                names,
                before,
                path,
                exchange.seed,
                sum(exchange.sizes[start:end]),
                sum(one.get("role") == "assistant" for one in messages),
                thoughtful=_within(exchange.thoughtful, start, end),
                marked=_within(exchange.marked, start, end),
                stateful=exchange.stateful and any(map(_is_stateful, messages)),
                citable=exchange.citable and any(any(citable_in(one)) for one in messages),
            )
        )
    return Steps(exchange, Transcript.of(steps), starts)


def _within(positions: Sequence[int], start: int, end: int) -> tuple[int, ...]:
    return tuple(one - start for one in positions if start <= one < end)


def _is_stateful(message: Message) -> bool:
    return message.get("role") == "system" or any(
        is_object(block) and block.get("type") == "container_upload" for block in blocks_of(message)
    )


def _starts(exchange: Exchange) -> list[int]:
    """Where closed steps begin, and last where the newest one ends."""
    messages = exchange.messages
    starts: list[int] = []
    asked: set[str] = set()  # calls whose results are to come
    pending: set[str] = set()  # calls of tools that the API runs, likewise
    answered = True  # whether anything but the assistant has spoken since it last did
    for index, message in enumerate(messages[exchange.opening :], exchange.opening):
        if message.get("role") == "assistant":
            if answered and not asked and not pending:
                starts.append(index)
            answered = False
            for block in blocks_of(message):
                _note_calls(block, asked, pending)
        elif starts:
            answered = True
            asked -= {
                str(block.get("tool_use_id"))
                for block in blocks_of(message)
                if is_object(block) and block.get("type") == "tool_result"
            }
    if starts and answered and not asked and not pending:
        starts.append(len(messages))
    return starts


def _note_calls(block: Any, asked: set[str], pending: set[str]) -> None:
    kind = block.get("type") if is_object(block) else None
    if kind == "tool_use":
        asked.add(str(block.get("id")))
    elif kind in _SERVER_CALLS:
        pending.add(str(block.get("id")))
    elif isinstance(kind, str) and kind.endswith("tool_result"):
        pending.discard(str(block.get("tool_use_id")))


# --- an exchange without some of its steps --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """An exchange as it is sent: its oldest steps are left out, and notes stand for them.

    Attributes:
        exchange: with the messages that are sent, under the same ids.
        start: index of the first message that is left out.
        end: index of the first one behind those.
        added: how many messages of ours stand in their place.
    """

    exchange: Exchange
    start: int
    end: int
    added: int

    def place(self, index: int) -> int:
        """Where a message of the exchange stands now; one that is left out: what follows it."""
        if index < self.start:
            return index
        return max(index, self.end) - self.end + self.start + self.added


def shown_without(
    steps: Steps,
    until: int,
    notes: Sequence[str],
    *,
    size: int,
    uploads: Sequence[Any] = (),
    system: Message | None = None,
    cut: Mapping[int, Exchange] = _NOTHING,
) -> Shown:
    """An exchange with notes at the end of its opening in place of its oldest steps.

    Args:
        steps: the steps of the exchange.
        until: so many of the oldest are left out.
        notes: texts that stand for them.
        size: tokens of these texts.
        uploads: files of what is left out that go on, for the opening.
        system: a system message that goes on, to follow the opening.
        cut: by index, steps behind those whose results are cut.
    """
    one, start, end = steps.exchange, steps.starts[0], steps.starts[until]
    last = one.opening - 1
    blocks: list[Any] = [{"type": "text", "text": text} for text in notes if text]
    blocks += uploads
    opening = {**one.messages[last], "content": [*blocks_of(one.messages[last]), *blocks]}
    ours = [system] if system is not None else []
    names = bytearray(one.names[: start * DIGEST_SIZE])
    name = slice(last * DIGEST_SIZE, (last + 1) * DIGEST_SIZE)
    names[name] = bytes.fromhex(digest(bytes(names[name]), _json(blocks)))
    for message in ours:
        names += message_name(canonical(message) + _json(message.get("output_config")))
    shown = Shown(one, start, end, len(ours))
    messages = [*one.messages[:last], opening, *one.messages[one.opening : start], *ours]
    dropped = sum(steps.closed[index].size for index in range(until))
    for index in range(until, len(steps.closed)):
        step = cut.get(index, steps.closed[index])
        messages += step.messages
        names += step.names
        dropped += steps.closed[index].size - step.size
    messages += one.messages[steps.starts[-1] :]
    names += one.names[steps.starts[-1] * DIGEST_SIZE :]
    exchange = replace(
        one.known_as(one),  # names what was said, not what is shown
        messages=messages,
        names=bytes(names),
        size=one.size - dropped + size,
        sizes=(),
        replies=sum(message.get("role") == "assistant" for message in messages),
        thoughtful=tuple(_moved(one.thoughtful, shown)),
        marked=tuple(_moved(one.marked, shown)),
    )
    return replace(shown, exchange=exchange)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _moved(positions: Sequence[int], shown: Shown) -> Iterator[int]:
    for one in positions:
        if not shown.start <= one < shown.end:
            yield shown.place(one)


def transcript_with(transcript: Transcript, shown: Mapping[int, Shown]) -> Transcript:
    """A transcript in which some exchanges, by index, are as they are shown."""
    if not shown:
        return transcript
    return Transcript.of(
        [
            shown[index].exchange if index in shown else one
            for index, one in enumerate(transcript.exchanges)
        ]
    )
