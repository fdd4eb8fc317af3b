"""Sessions of Claude Code: one line an event, sidechains of other agents among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from turnfold_cli.imports.session_tree import Line, placed
from turnfold_cli.imports.settling import Heading, Left, Said, moment, parts_of, settled
from turnfold_cli.transcripts import Conversation

NAME = "Claude Code's session JSONL"
_MARKS = ("sessionId", "parentUuid", "uuid")
_PUT_IN = ("isMeta", "isCompactSummary", "isApiErrorMessage")


def recognises(value: Any) -> bool:
    """Whether this is a message of such a session."""
    return (
        isinstance(value, Mapping)
        and value.get("type") in ("user", "assistant")
        and isinstance(value.get("message"), Mapping)
        and any(mark in value for mark in _MARKS)
    )


def conversations(values: Sequence[Any], stem: str, left: Left) -> Iterator[Conversation]:
    """Each session, and each of its sidechains, in which a user says something.

    Args:
        values: the lines.
        stem: names a session without id.
        left: is told what was left out.
    """
    own = {str(one.get("uuid")) for one in values if recognises(one)}
    lines: list[Line] = []
    for value in values:
        if recognises(value) or (isinstance(value, Mapping) and value.get("uuid")):
            lines.append(_typed_meanwhile(value, own))
        else:
            left["lines of the program's own bookkeeping"] += 1
    chains: dict[str, list[Line]] = defaultdict(list)
    for place in placed(lines, stem, _is_said, _is_prompt):
        if not recognises(place.line):
            left["lines of the program's own bookkeeping"] += 1
        elif not _is_said(place.line):
            left["messages that the program put in"] += 1
        elif place.is_dead:
            left["messages that were taken back"] += 1
        else:
            chains[place.chain].append(place.line)
    for name, chain in chains.items():
        if one := settled(_said(chain), Heading(name), left):
            yield one


def _typed_meanwhile(line: Line, own: set[str]) -> Line:
    """What was typed while the agent worked, which stands as an attachment, as a user's line.

    Unless it has one of its own, too. The program queues what it wants said itself likewise.
    """
    attached = line.get("attachment")
    if line.get("type") != "attachment" or not isinstance(attached, Mapping):
        return line
    if attached.get("type") != "queued_command" or str(attached.get("source_uuid")) in own:
        return line
    origin = attached.get("origin")
    by_user = (
        attached.get("commandMode") in (None, "prompt")
        and (not isinstance(origin, Mapping) or origin.get("kind") in (None, "human"))
        and not attached.get("isMeta")
    )
    message = {"role": "user", "content": attached.get("prompt")}
    return {**line, "type": "user", "message": message} | ({} if by_user else {"isMeta": True})


def _is_said(line: Line) -> bool:
    """Whether it was said by the user, the model or a tool, not put in by the program."""
    return recognises(line) and not any(line.get(mark) for mark in _PUT_IN)


def _is_prompt(line: Line) -> bool:
    content = line["message"].get("content")
    if line["type"] != "user":
        return False
    return isinstance(content, str) or not any(
        isinstance(one, Mapping) and one.get("type") == "tool_result" for one in parts_of(content)
    )


def _said(lines: Sequence[Line]) -> Iterator[Said]:
    """Messages; the lines of one answer, one for each block of it, are put together.

    Results of its first calls may stand between them.
    """
    said: list[Said] = []
    places: dict[Any, int] = {}
    for line in lines:
        message = line["message"]
        blocks = parts_of(message.get("content"))
        name = message.get("id")
        if line["type"] == "assistant" and isinstance(name, str) and name in places:
            one = said[places[name]]
            more = [block for block in blocks if block not in one.content]
            said[places[name]] = replace(one, content=[*one.content, *more])
            continue
        if line["type"] == "assistant" and isinstance(name, str):
            places[name] = len(said)
        said.append(Said(line["type"], blocks, moment(line.get("timestamp"))))
    yield from said
