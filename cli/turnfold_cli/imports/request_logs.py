"""Logged requests of the Messages API or of chat completions; each repeats the history so far.

The longest request of a chain is the conversation, with the answer to it where that is logged.
Lists of messages in the shape of chat completions are read, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnfold_cli.imports.settling import Heading, Left, Said, moment, parts_of, settled, texts_in
from turnfold_cli.transcripts import Conversation

NAME = "logged requests (Messages API or chat completions)"
_WRAPPERS = ("request", "body", "params", "request_body", "json", "payload", "kwargs", "input")
_ANSWERS = ("response", "response_body", "output", "completion")
_TIMES = ("timestamp", "created_at", "time", "ts", "date", "created", "start_time")
_DEPTH = 3


def recognises(value: Any) -> bool:
    """Whether this is a logged request, or a conversation in the shape of chat completions."""
    body = _request(value)
    if body is None:
        return False
    if body is not value:
        return True
    if "turns" in body or "questions" in body:
        return False  # a conversation of our own shape
    return "model" in body or any(map(is_of_completions, body["messages"]))


def is_of_completions(message: Any) -> bool:
    """Whether a message can only be one of chat completions."""
    return isinstance(message, Mapping) and (
        bool(message.get("tool_calls")) or message.get("role") in ("tool", "developer", "function")
    )


@dataclass(slots=True)
class _Chain:
    body: Mapping[str, Any]
    tip: str
    answer: Any
    times: list[float] = field(default_factory=list)


def conversations(values: Sequence[Any], stem: str, left: Left) -> Iterator[Conversation]:
    """The conversation of each chain of requests.

    Args:
        values: the file's, some of which are requests.
        stem: names the conversations.
        left: is told what was left out.
    """
    chains = _chains(values, left)
    for number, chain in enumerate(chains, 1):
        body = chain.body
        own = body.get("id") or body.get("conv_id")
        name = str(own or (f"{stem}-{number}" if len(chains) > 1 else stem))
        system = [texts_in(body.get("system"))]
        said = list(_said(body["messages"], system, left))
        said += [Said("assistant", [], time) for time in chain.times]
        said += _said(_answered(chain.answer), system, left)
        heading = Heading(
            name,
            str(body.get("title") or ""),
            "\n\n".join(filter(None, system)),
            tuple(_tools(body.get("tools"), left)),
        )
        if one := settled(said, heading, left):
            yield one


def _chains(values: Sequence[Any], left: Left) -> list[_Chain]:
    chains: list[_Chain] = []
    by_tip: dict[str, _Chain] = {}
    within: dict[str, _Chain] = {}  # every beginning of a history that was seen
    for value in values:
        body = _request(value)
        if body is None:
            left["entries that are no requests"] += 1
            continue
        beginnings = list(_beginnings(body["messages"]))
        tip = beginnings[-1] if beginnings else ""
        answer, time = _answer(value), _time(value)
        chain = next((by_tip[one] for one in reversed(beginnings) if one in by_tip), None)
        if chain is not None and tip != chain.tip:
            del by_tip[chain.tip]
            chain.body, chain.tip, chain.answer = body, tip, answer
        elif chain is not None:
            chain.answer = answer or chain.answer  # asked again
        elif tip in within:
            chain = within[tip]  # an earlier request, logged later
        else:
            chain = _Chain(body, tip, answer)
            chains.append(chain)
        by_tip[chain.tip] = chain
        within.update(dict.fromkeys(beginnings, chain))
        chain.times += [time] if time is not None else []
    return chains


def _beginnings(messages: Sequence[Any]) -> Iterator[str]:
    """A digest of each beginning of a history; marks of the cache move and do not count."""
    so_far = hashlib.sha256()
    for message in messages:
        told = json.dumps(_unmarked(message), sort_keys=True, default=str)
        so_far.update(told.encode())
        yield so_far.hexdigest()


def _unmarked(message: Any) -> Any:
    if not isinstance(message, Mapping):
        return message
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if isinstance(content, list):
        content = [
            {key: one[key] for key in one if key != "cache_control"}
            if isinstance(one, Mapping)
            else one
            for one in content
        ]
    return {"role": message.get("role"), "content": content, "calls": message.get("tool_calls")}


def _request(value: Any, depth: int = _DEPTH) -> Mapping[str, Any] | None:
    """The request's body, which may be within some record of it."""
    if not isinstance(value, Mapping) or not depth:
        return None
    if isinstance(value.get("messages"), list):
        return value
    inner = (_request(value.get(name), depth - 1) for name in _WRAPPERS)
    return next((one for one in inner if one is not None), None)


def _answer(value: Mapping[str, Any]) -> Any:
    return next((value[name] for name in _ANSWERS if value.get(name)), None)


def _answered(answer: Any) -> list[Any]:
    """The message of an answer, in whichever of the two shapes."""
    for _ in range(_DEPTH):
        if not isinstance(answer, Mapping):
            return []
        choices = answer.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
            return [choices[0].get("message")]
        if answer.get("content") is not None and answer.get("role", "assistant") == "assistant":
            return [{"role": "assistant", "content": answer["content"]}]
        answer = answer.get("body") or answer.get("message")
    return []


def _time(value: Mapping[str, Any]) -> float | None:
    return next((time for name in _TIMES if (time := moment(value.get(name))) is not None), None)


def _said(messages: Sequence[Any], system: list[str], left: Left) -> Iterator[Said]:
    """Messages of either shape; those of the system go to `system`."""
    for message in messages:
        role = message.get("role") if isinstance(message, Mapping) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        if role in ("system", "developer"):
            system.append(texts_in(content))
        elif role in ("tool", "function"):
            asked = message.get("tool_call_id")
            result = {"type": "tool_result", "tool_use_id": asked, "content": content}
            yield Said("user", [result], _time(message))
        elif role in ("user", "assistant"):
            yield Said(
                role, [*parts_of(content), *_calls(message.get("tool_calls"))], _time(message)
            )
        else:
            left["messages of nobody known"] += 1


def _calls(calls: Any) -> Iterator[dict[str, Any]]:
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            continue
        given = function.get("arguments")
        try:
            given = json.loads(given) if isinstance(given, str) else given
        except (ValueError, RecursionError):
            given = {"arguments": given}
        name = function.get("name")
        yield {"type": "tool_use", "id": call.get("id"), "name": name, "input": given}


def _tools(tools: Any, left: Left) -> Iterator[dict[str, Any]]:
    """Definitions with a schema, each name once; the provider's own tools have none."""
    names: set[str] = set()
    for tool in tools if isinstance(tools, list) else ():
        told = tool.get("function", tool) if isinstance(tool, Mapping) else None
        told = told if isinstance(told, Mapping) else {}
        schema = told.get("input_schema") or told.get("parameters")
        name = told.get("name")
        if not isinstance(name, str) or not isinstance(schema, dict) or name in names:
            left["definitions of tools"] += 1
            continue
        names.add(name)
        yield {
            "name": name,
            "description": str(told.get("description") or name),
            "input_schema": {"type": "object", **schema},
        }
