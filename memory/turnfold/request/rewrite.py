"""The caller's body, what is folded and what to inject go in; the body to send comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from turnfold.history.citations import Citations, Source
from turnfold.history.exchanges import (
    DIGEST_SIZE,
    Message,
    Transcript,
    blocks_of,
    canonical,
    digest,
    is_compaction,
)
from turnfold.request.cache_breakpoints import set_breakpoints
from turnfold.request.carried_state import Carried
from turnfold.request.quotation import memory_block, one_line
from turnfold.request.thinking import thinking_ids, unproven, without_thinking

_SOURCES_NOTE = (
    "What answers below were based on and cite, and is no longer shown: a record, not a message "
    "to you. The answers stand without these citations."
)
# Sources named that are cited and no longer shown.
_MOST_SOURCES = 20


def sources_block(lost: Sequence[Source]) -> str:
    """The block that names what answers in view cite and is folded; "" for none."""
    if not lost:
        return ""
    named = [f"Turn {one.exchange + 1}: {one_line(one.name)}" for one in lost[-_MOST_SOURCES:]]
    if len(lost) > len(named):
        named.insert(0, f"and {len(lost) - len(named)} more, of turns before.")
    return memory_block(_SOURCES_NOTE, "\n".join(named))


@dataclass(frozen=True, slots=True)
class Sent:
    """A rewritten request.

    Attributes:
        body: what to send; shares untouched parts with the caller's body.
        prefix: digest of system, tools and all messages, thinking and cache marks aside: what
            the thinking of the reply will be bound to.
        dropped_thinking: messages whose thinking was left out.
        lost: what answers cite and is folded; they go without these citations.
    """

    body: Mapping[str, Any]
    prefix: str
    dropped_thinking: int = 0
    lost: Sequence[Source] = ()


def build(
    body: Mapping[str, Any],
    transcript: Transcript,
    *,
    head: int,
    folded: int,
    injections: Mapping[int, Sequence[str]],
    summary: int,
    carried: Carried,
    citations: Citations,
    proofs: Mapping[str, str],
    thinking_from: int,
    cache: bool,
    marks_end: bool = True,
    noted: Sequence[int] = (),
    unbound_from: int | None = None,
) -> Sent:
    """Write the request.

    Args:
        body: the caller's body; never changed.
        transcript: its messages as exchanges.
        head: how many of the oldest exchanges stay.
        folded: up to which exchange those after the head are left out.
        injections: texts to put at the head of an exchange's opening, by exchange index; behind a
            `compaction` block, which has to come first.
        summary: how many texts of the first exchange after those left out are the summary.
        carried: state of what is left out, to be sent on with the first exchange after it.
        citations: those of the transcript.
        proofs: for thinking blocks by name, the digest of the prefix they were made under.
        thinking_from: thinking in messages before this index of the transcript goes.
        cache: whether to set cache breakpoints.
        marks_end: whether one is to stand at the new end, for the request that goes on from it.
        noted: indexes of exchanges whose openings end with notes on steps that are left out.
        unbound_from: thinking in messages from this index of the transcript on is not bound to
            what stands before it, and stays; None where all of it is bound.
    """
    head = min(head, folded)
    draft = _drafted(transcript, head, folded, injections, carried.uploads, summary=summary)
    _recite(draft, transcript, citations, head, folded)
    _note_ends(draft, transcript, head, folded, noted)
    if folded > head and carried.system:
        place = transcript.starts[head] + transcript.exchanges[folded].opening
        _insert(draft, place, carried.system)
    state = blake2b(_stable(body).encode("utf-8", "surrogatepass"), digest_size=16)
    before: dict[int, str] = {}
    at = 0
    for index, _ in draft.thoughts:
        state.update(draft.names[at * DIGEST_SIZE : index * DIGEST_SIZE])
        before[index], at = state.hexdigest(), index
    state.update(draft.names[at * DIGEST_SIZE :])
    refused = [
        name
        for index in transcript.special
        for position in transcript.exchanges[index].thoughtful
        if transcript.starts[index] + position < thinking_from
        for name in thinking_ids(transcript.exchanges[index].messages[position])
    ]
    bare = unproven(
        draft.thoughts,
        {**proofs, **dict.fromkeys(refused, "")},
        before=before,
        touched_from=draft.touched_from,
    )
    if unbound_from is not None:
        gap = transcript.starts[folded] - transcript.starts[head]
        kept = max(unbound_from, thinking_from) - gap
        bare = [index for index in bare if index < kept]
    as_it_came = transcript.came is body["messages"]  # and not made whole from the ledger
    if as_it_came and not cache and not bare and draft.touched_from == len(draft.messages):
        return Sent(body, state.hexdigest())
    for index in bare:
        draft.messages[index] = without_thinking(draft.messages[index])
    places = _put_together(draft)
    messages, bare = draft.messages, [places[index] for index in bare]
    rewritten: dict[str, Any] = {**body, "messages": messages}
    if cache:
        end = None if draft.summary_at is None else (draft.summary_at, summary - 1)
        if draft.notes_at is not None:
            place = places[draft.notes_at]
            end = (place, len(blocks_of(messages[place])) - 1)
        set_breakpoints(rewritten, summary_end=end, marked=draft.marked, at_end=marks_end)
    if any(not messages[index]["content"] for index in bare):
        last = len(messages) - 1
        rewritten["messages"] = [
            message
            for index, message in enumerate(messages)
            if message.get("content") or index not in bare or index == last
        ]
    return Sent(rewritten, state.hexdigest(), len(bare), citations.lost(head, folded))


@dataclass(slots=True)
class _Draft:
    """The messages on their way out.

    Attributes:
        messages: what to send.
        names: digests of what each says, with what was put into it, 16 bytes each.
        thoughts: index of each message that has thinking, and the names of its blocks.
        marked: indexes of the messages that carry the caller's cache marks.
        touched_from: index of the first message that is changed or has a gap before it.
        summary_at: index of the message that begins with the summary.
        joins: indexes of the messages that came as one with the message before them.
        notes_at: index of the message that the newest notes on steps end; None for none.
    """

    messages: list[Message]
    names: bytearray
    thoughts: list[tuple[int, Sequence[str]]]
    marked: list[int]
    touched_from: int
    summary_at: int | None
    joins: list[int]
    notes_at: int | None = None


def _drafted(
    transcript: Transcript,
    head: int,
    folded: int,
    injections: Mapping[int, Sequence[str]],
    uploads: Sequence[Any],
    *,
    summary: int,
) -> _Draft:
    exchanges, starts = transcript.exchanges, transcript.starts
    if folded <= head:
        head = folded = 0
    messages = [*transcript.messages[: starts[head]], *transcript.messages[starts[folded] :]]
    gap = starts[folded] - starts[head]
    live = [*exchanges[:head], *exchanges[folded:]]
    names = bytearray(b"".join([one.names for one in live]))
    joins = [
        starts[index] - (gap if index >= folded else 0)
        for index, exchange in enumerate(exchanges)
        if exchange.joins and index and not head <= index <= (folded if gap else -1)
    ]
    draft = _Draft(messages, names, [], [], len(messages), None, joins)
    if gap:
        draft.touched_from = starts[head]
    for index in transcript.special:
        if head <= index < folded:
            continue
        exchange, where = exchanges[index], starts[index] - (gap if index >= folded else 0)
        draft.thoughts += [
            (where + position, thinking_ids(exchange.messages[position]))
            for position in exchange.thoughtful
        ]
        draft.marked += [where + position for position in exchange.marked]
    for index in sorted({*injections, *([folded] if gap else ())}):
        if head <= index < folded:
            continue
        place = starts[index] - (gap if index >= folded else 0)
        texts = [text for text in injections.get(index, ()) if text]
        blocks: list[Any] = [{"type": "text", "text": text} for text in texts]
        if gap and index == folded:
            draft.summary_at = place if texts and summary else None
            blocks += uploads
        if blocks:
            message = messages[place]
            said = blocks_of(message)
            first = int(bool(said) and is_compaction(said[0]))
            messages[place] = {**message, "content": [*said[:first], *blocks, *said[first:]]}
            put_in = json.dumps(blocks, sort_keys=True, ensure_ascii=False, default=str)
            name = slice(place * DIGEST_SIZE, (place + 1) * DIGEST_SIZE)
            names[name] = bytes.fromhex(digest(bytes(names[name]), put_in))
            draft.touched_from = min(draft.touched_from, place)
    return draft


def _recite(
    draft: _Draft, transcript: Transcript, citations: Citations, head: int, folded: int
) -> None:
    """Give citations the numbers that what they cite has in the request."""
    start = transcript.starts[folded]
    gap = start - transcript.starts[head] if folded > head else 0
    for index, message in citations.rewritten(head, folded).items():
        place = index - (gap if index >= start else 0)
        draft.messages[place] = message
        draft.touched_from = min(draft.touched_from, place)


def _note_ends(
    draft: _Draft, transcript: Transcript, head: int, folded: int, noted: Sequence[int]
) -> None:
    """Note which openings end with notes on steps."""
    gap = transcript.starts[folded] - transcript.starts[head]
    for index in noted:
        if not head <= index < folded:
            place = transcript.starts[index] + transcript.exchanges[index].opening - 1
            draft.notes_at = place - (gap if index >= folded else 0)
            draft.touched_from = min(draft.touched_from, draft.notes_at)


def _insert(draft: _Draft, place: int, message: Message) -> None:
    """Put a message of ours in; what stands behind it moves on by one."""
    draft.messages.insert(place, message)
    name = bytes.fromhex(digest(canonical(message), _json([message])))
    draft.names[place * DIGEST_SIZE : place * DIGEST_SIZE] = name
    draft.thoughts = [(i + (i >= place), names) for i, names in draft.thoughts]
    draft.marked = [i + (i >= place) for i in draft.marked]
    draft.joins = [i + (i >= place) for i in draft.joins]
    if draft.notes_at is not None:
        draft.notes_at += draft.notes_at >= place


def _put_together(draft: _Draft) -> Sequence[int]:
    """Make messages that came as one, and were read as two, one again.

    Returns:
        Where each message stands then.
    """
    if not draft.joins:
        return range(len(draft.messages))
    joins = set(draft.joins)
    whole: list[Message] = []
    places: list[int] = []
    for index, message in enumerate(draft.messages):
        if index in joins:
            blocks = [*blocks_of(whole[-1]), *blocks_of(message)]
            whole[-1] = {**message, "content": blocks}
        else:
            whole.append(message)
        places.append(len(whole) - 1)
    draft.messages = whole
    draft.marked = list(dict.fromkeys(places[index] for index in draft.marked))
    if draft.summary_at is not None:
        draft.summary_at = places[draft.summary_at]
    return places


def _stable(body: Mapping[str, Any]) -> str:
    """System prompt and tools as JSON, whatever their cache marks and shape."""
    system = body.get("system")
    if isinstance(system, str):
        system = [{"type": "text", "text": system}]
    return _json([system, body.get("tools")])


def _json(value: Any) -> str:
    return json.dumps(_without_marks(value), ensure_ascii=False, sort_keys=True, default=str)


def _without_marks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_marks(v) for k, v in value.items() if k != "cache_control"}
    if isinstance(value, list):
        return [_without_marks(inner) for inner in value]
    return value
