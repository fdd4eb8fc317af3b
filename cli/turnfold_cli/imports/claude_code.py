"""Sessions of Claude Code: one line an event, sidechains of other agents among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from turnfold_cli.imports.settling import Heading, Left, Said, moment, parts_of, settled
from turnfold_cli.transcripts import Conversation

NAME = "Claude Code's session JSONL"
_MARKS = ("sessionId", "parentUuid", "uuid")
Line = Mapping[str, Any]


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
    chains: dict[str, list[Line]] = defaultdict(list)
    roots: dict[str, str] = {}
    for line in _alive([one for one in values if _is_said(one, left)], left):
        name = str(line.get("sessionId") or stem)
        own = str(line.get("uuid"))
        roots[own] = roots.get(str(line.get("parentUuid")), own)
        if line.get("isSidechain") is True:
            name = f"{name}-{line.get('agentId') or roots[own]}"
        chains[name].append(line)
    for name, lines in chains.items():
        if one := settled(_said(lines), Heading(name), left):
            yield one


def _is_said(value: Any, left: Left) -> bool:
    """Whether it was said by the user, the model or a tool, not put in by the program."""
    if not recognises(value):
        left["lines of the program's own bookkeeping"] += 1
        return False
    if any(value.get(mark) for mark in ("isMeta", "isCompactSummary", "isApiErrorMessage")):
        left["messages that the program put in"] += 1
        return False
    return True


def _alive(lines: Sequence[Line], left: Left) -> list[Line]:
    """Without what the user took back: of several prompts to one answer the last one counts.

    Results of tools may share a parent as well, and all of them count.
    """
    last: dict[tuple[str, Any], int] = {}
    for number, line in enumerate(lines):
        if line.get("parentUuid") and _is_prompt(line):
            last[str(line.get("sessionId")), str(line["parentUuid"])] = number
    dead: set[str] = set()
    kept = []
    for number, line in enumerate(lines):
        parent = str(line.get("parentUuid"))
        newest = last.get((str(line.get("sessionId")), parent), number)
        if parent in dead or (_is_prompt(line) and newest != number):
            dead.add(str(line.get("uuid")))
            left["messages that were taken back"] += 1
        else:
            kept.append(line)
    return kept


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
    seen: set[str] = set()
    for line in lines:
        if str(line.get("uuid") or id(line)) in seen:
            continue  # a resumed session repeats lines
        seen.add(str(line.get("uuid") or id(line)))
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
