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

from turnfold_cli.imports import streamed_answers
from turnfold_cli.imports.settling import Heading, Left, Said, moment, parts_of, settled, texts_in
from turnfold_cli.transcripts import Conversation

NAME = "logged requests (Messages API or chat completions)"
_WRAPPERS = ("request", "body", "params", "request_body", "json", "payload", "kwargs", "input")
_ANSWERS = ("response", "response_body", "output", "completion")
_TIMES = ("timestamp", "created_at", "time", "ts", "date", "created", "start_time")
_DEPTH = 3
# Where an assistant of chat completions says something beside its content.
_BESIDE = ("tool_calls", "function_call", "refusal", "audio")
_THOUGHTS = ("reasoning_content", "reasoning")


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
    if not isinstance(message, Mapping):
        return False
    role = message.get("role")
    beside = _BESIDE if role == "assistant" else _BESIDE[:1]
    return role in ("tool", "developer", "function") or any(map(message.get, beside))


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
        said += _said(_answered(chain.answer, left), system, left)
        heading = Heading(
            name,
            str(body.get("title") or ""),
            "\n\n".join(filter(None, system)),
            tuple(_tools([*parts_of(body.get("tools")), *parts_of(body.get("functions"))], left)),
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
    beside = [message.get(name) for name in _BESIDE]
    return {"role": message.get("role"), "content": content, "beside": beside}


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


def _answered(answer: Any, left: Left) -> Sequence[Any]:
    """The messages of an answer, in whichever shape: mostly one."""
    if not answer:
        return []
    for _ in range(_DEPTH):
        answer = _opened(answer)
        if streamed := streamed_answers.message_of(answer):
            return [streamed]
        if isinstance(answer, list) and any(isinstance(one, Mapping) for one in answer):
            has_roles = any("role" in one for one in answer if isinstance(one, Mapping))
            return answer if has_roles else [{"role": "assistant", "content": answer}]
        if isinstance(answer, str) and answer.strip():
            return [{"role": "assistant", "content": answer}]
        if not isinstance(answer, Mapping):
            break
        choices = answer.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
            if len(choices) > 1:
                left["other choices of an answer"] += len(choices) - 1
            return [choices[0].get("message")]
        says = any(answer.get(name) is not None for name in ("content", *_BESIDE))
        if says and answer.get("role", "assistant") == "assistant":
            return [{**answer, "role": "assistant"}]
        answer = answer.get("body") or answer.get("message")
    left["answers of no known shape"] += 1
    return []


def _opened(answer: Any) -> Any:
    """What a body that was logged as text holds; the text where that is no JSON."""
    try:
        return json.loads(answer) if isinstance(answer, str) else answer
    except (ValueError, RecursionError):
        return answer


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
            blocks = [*_thought(message), *parts_of(content), *_beside(message, left)]
            if not blocks:
                left["messages without content"] += 1
            yield Said(role, blocks, _time(message))
        else:
            left["messages of nobody known"] += 1


def _thought(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if any(map(message.get, _THOUGHTS)):
        yield {"type": "thinking"}


def _beside(message: Mapping[str, Any], left: Left) -> Iterator[dict[str, Any]]:
    """What is said elsewhere than in the content: a refusal, a spoken answer, calls."""
    if refusal := message.get("refusal"):
        yield {"type": "refusal", "refusal": refusal}
    if audio := message.get("audio"):
        spoken = audio.get("transcript") if isinstance(audio, Mapping) else None
        yield {"type": "text", "text": spoken} if spoken else {"type": "audio"}
    calls = parts_of(message.get("tool_calls"))
    if called := message.get("function_call"):
        calls = [*calls, {"function": called}]
    for call in calls:
        told = _called(call)
        if told is None:
            left["calls of no known kind"] += 1
        else:
            yield {"type": "tool_use", **told}


def _called(call: Any) -> dict[str, Any] | None:
    """Id, name and input of a call; what is given to a custom tool is a text."""
    call = call if isinstance(call, Mapping) else {}
    function, custom = call.get("function"), call.get("custom")
    if isinstance(function, Mapping):
        given = function.get("arguments")
        try:
            given = json.loads(given) if isinstance(given, str) else given
        except (ValueError, RecursionError):
            given = {"arguments": given}
        return {"id": call.get("id"), "name": function.get("name"), "input": given}
    if isinstance(custom, Mapping):
        return {"id": call.get("id"), "name": custom.get("name"), "input": custom.get("input")}
    return None


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
