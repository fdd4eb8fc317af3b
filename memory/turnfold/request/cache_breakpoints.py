"""A body about to be sent goes in; cache breakpoints are set where they help most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from turnfold.history.exchanges import Message, blocks_of, is_thinking

_MOST = 4  # breakpoints the API accepts in one request, the automatic one included
_FIVE_MINUTES: Mapping[str, Any] = {"type": "ephemeral"}
_ONE_HOUR: Mapping[str, Any] = {"type": "ephemeral", "ttl": "1h"}
_TOOLS, _SYSTEM, _MESSAGES, _AUTOMATIC = range(4)  # the order of the prefix


class _Place(NamedTuple):
    """Where a mark stands; places compare in the order of the prefix."""

    part: int
    message: int = 0
    block: int = 0
    inner: int = -1  # inside a tool result; -1: on the block itself


def has_marks(body: Mapping[str, Any]) -> bool:
    """Whether the caller asks for caching, outside the messages."""
    return body.get("cache_control") is not None or any(True for _ in _marks(body, ()))


def lasts_an_hour(body: Mapping[str, Any]) -> bool:
    """Whether the caller's marks outside the messages ask for entries that live an hour."""
    marks = [mark for _, mark in _marks(body, ())]
    if body.get("cache_control") is not None:
        marks.append(body["cache_control"])
    return any(mark.get("ttl") == "1h" for mark in marks)


def set_breakpoints(
    body: dict[str, Any],
    *,
    summary_end: tuple[int, int] | None,
    marked: Sequence[int],
    at_end: bool = True,
) -> None:
    """Add breakpoints, so that there are at most four with the caller's.

    In this order, as long as there is room: the new end; where the request before this one
    ended, since parallel tools outrun the look-back of 20 blocks; the end of the system prompt;
    the end of the summary, from where the next epoch reads it back as far as it goes on unchanged.
    The time to live follows the caller's marks.

    Args:
        body: the request; its `messages` is a list of our own, its parts are replaced, never
            changed.
        summary_end: index of the message and, in it, of the last block of the summary; None
            without one.
        marked: indexes of the messages that carry marks of the caller.
        at_end: whether to mark the new end. Where nobody knows of a conversation but that it
            comes with a past, that may be a few examples ahead of a one-shot: they are read
            again, the question never is.
    """
    theirs = dict(_marks(body, marked))
    automatic = body.get("cache_control")
    if automatic is not None:
        theirs[_Place(_AUTOMATIC)] = automatic
    messages: Sequence[Message] = body["messages"]
    wanted = [
        _end_of(messages, len(messages) - 1) if at_end and automatic is None else None,
        _end_of(messages, _previous_end(messages)),
        _end_of_system(body),
        None if summary_end is None else _Place(_MESSAGES, *summary_end),
    ]
    places = [one for one in dict.fromkeys(wanted) if one is not None and one not in theirs]
    for place in places[: max(_MOST - len(theirs), 0)]:
        _put(body, place, _lifetime(place, theirs))


def _marks(
    body: Mapping[str, Any], marked: Sequence[int]
) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    """The caller's marks and where they stand."""
    yield from _marks_in(body.get("tools"), _TOOLS, 0)
    yield from _marks_in(body.get("system"), _SYSTEM, 0)
    for number in marked:
        yield from _marks_in(body["messages"][number].get("content"), _MESSAGES, number)


def _marks_in(blocks: Any, part: int, message: int) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    if not isinstance(blocks, list):
        return
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        if block.get("cache_control"):
            yield _Place(part, message, index), block["cache_control"]
        within = block.get("content")
        if isinstance(within, list):
            for inner, nested in enumerate(within):
                if isinstance(nested, Mapping) and nested.get("cache_control"):
                    yield _Place(part, message, index, inner), nested["cache_control"]


def _lifetime(place: _Place, theirs: Mapping[_Place, Mapping[str, Any]]) -> Mapping[str, Any]:
    """One hour where all of the caller's marks, or one further on, ask for it.

    The API wants the marks of one hour before those of five minutes.
    """
    hours = {where: mark.get("ttl") == "1h" for where, mark in theirs.items()}
    if hours and all(hours.values()):
        return _ONE_HOUR
    later = any(hour and where > place for where, hour in hours.items())
    return _ONE_HOUR if later else _FIVE_MINUTES


def _end_of(messages: Sequence[Message], index: int) -> _Place | None:
    """The last block of a message that may carry a mark."""
    if not 0 <= index < len(messages):
        return None
    blocks = blocks_of(messages[index])
    for number in range(len(blocks) - 1, -1, -1):
        if _markable(blocks[number]):
            return _Place(_MESSAGES, index, number)
    return None


def _markable(block: Any) -> bool:
    if not isinstance(block, Mapping) or is_thinking(block):
        return False
    return block.get("type") != "text" or bool(str(block.get("text") or "").strip())


def _previous_end(messages: Sequence[Message]) -> int:
    """Index of the message the request before this one ended with; -1 if there was none."""
    index = len(messages) - 1
    while index >= 0 and messages[index].get("role") != "assistant":
        index -= 1
    while index >= 0 and messages[index].get("role") == "assistant":
        index -= 1
    return index


def _end_of_system(body: Mapping[str, Any]) -> _Place | None:
    system = body.get("system")
    if isinstance(system, str) and system.strip():
        return _Place(_SYSTEM)
    if isinstance(system, list) and system and _markable(system[-1]):
        return _Place(_SYSTEM, 0, len(system) - 1)
    tools = body.get("tools")
    if isinstance(tools, list):
        for number in range(len(tools) - 1, -1, -1):
            # One that is loaded when it is searched for is not part of the prompt's beginning,
            # and the API takes no mark on it.
            if isinstance(tools[number], Mapping) and not tools[number].get("defer_loading"):
                return _Place(_TOOLS, 0, number)
    return None


def _put(body: dict[str, Any], place: _Place, mark: Mapping[str, Any]) -> None:
    if place.part == _TOOLS:
        body["tools"] = _marked(body["tools"], place.block, mark)
    elif place.part == _SYSTEM:
        system = body["system"]
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        body["system"] = _marked(blocks, place.block, mark)
    else:
        old = body["messages"][place.message]
        content = _marked(blocks_of(old), place.block, mark)
        body["messages"][place.message] = {**old, "content": content}


def _marked(blocks: Iterable[Any], index: int, mark: Mapping[str, Any]) -> list[Any]:
    copied = list(blocks)
    copied[index] = {**copied[index], "cache_control": dict(mark)}
    return copied
