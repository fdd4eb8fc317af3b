"""Recorded trajectories of agents go in; conversations as the Messages API takes them come out.

Read are all that `turnfold replay` reads, and lists of trajectories in the shape of chat
completions: `tool_calls` of an assistant, answered by messages of the role `tool`. Several can be
chained into one long job.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from turnfold.errors import TranscriptError
from turnfold.history.block_text import words_of

from turnfold_cli.imports.reading import read_any
from turnfold_cli.transcripts import Conversation, Message, Question

ASK_USER = "ask_user"
_OPENING = "Work through what comes up, one after the other, until nobody asks any more."
_NO_RESULT = "No result was recorded."
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 128
# Letters of a line that a question can ask for: shorter says little, longer is seldom whole.
_LEAST_LINE, _MOST_LINE = 12, 400
_WORDS_OF_CALL = 300


def read_trajectories(path: str | Path) -> list[Conversation]:
    """The trajectories of a file, or whatever else it holds, each as a conversation.

    Raises:
        TranscriptError: nothing that is known.
    """
    found = trajectories_in(Path(path))
    return list(read_any(path).conversations) if found is None else found


def trajectories_in(path: Path) -> list[Conversation] | None:
    """The trajectories of a file; None where it holds something else."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None  # a folder, a zip, lines; or nothing that can be read, which its reader says
    values = whole if isinstance(whole, list) else [whole]
    told = [_messages_in(value) for value in values]
    listed = [messages for messages in told if messages is not None]
    if len(listed) == len(told) and any(map(_is_of_completions, listed)):
        return [from_completions(one, f"{path.stem}-{n}") for n, one in enumerate(listed, 1)]
    if isinstance(whole, list) and _is_of_completions(whole):
        return [from_completions(whole, path.stem)]
    return None


def _messages_in(value: Any) -> list[Any] | None:
    """The messages of a trajectory, under whichever of the usual names."""
    if not isinstance(value, Mapping):
        return None
    found = (value.get(name) for name in ("messages", "traj", "trajectory"))
    return next((one for one in found if isinstance(one, list)), None)


def _is_of_completions(messages: Sequence[Any]) -> bool:
    return all(isinstance(one, Mapping) and "role" in one for one in messages) and any(
        one.get("tool_calls") or one.get("role") == "tool" for one in messages
    )


def from_completions(messages: Sequence[Mapping[str, Any]], name: str) -> Conversation:
    """A trajectory in the shape of chat completions.

    Calls are numbered anew, since some are recorded twice under one id; one that was never
    answered gets a result that says so, and a name that the API would not take is changed.

    Raises:
        TranscriptError: it begins with no user, or has a role that is not known.
    """
    system: list[str] = []
    read: list[Message] = []
    for number, message in enumerate(messages, 1):
        role, text = message.get("role"), _text_of(message.get("content"))
        if role in ("system", "developer"):
            system += [text] if text else []
        elif role == "user":
            _add(read, "user", [{"type": "text", "text": text}] if text.strip() else [])
        elif role == "assistant":
            said = [{"type": "text", "text": text}] if text.strip() else []
            _add(read, "assistant", [*said, *_calls_of(message, number)])
        elif role == "tool":
            _add(read, "user", [_result(message.get("tool_call_id"), text)])
        else:
            raise TranscriptError(f"{name}, message {number} has the role {role!r}")
    if not read or read[0]["role"] != "user":
        raise TranscriptError(f"{name} does not begin with a user")
    answered = tuple(_all_answered(read))
    prompt = "\n\n".join(system) or None
    return Conversation(name, answered, prompt, _tools_of(answered), title=name)


def chained(trajectories: Sequence[Conversation], name: str = "chained") -> Conversation:
    """Several trajectories as one job under one opening.

    What a user says, the first word of the next one too, is the result of a call of `ask_user`.
    """
    messages: list[Message] = [{"role": "user", "content": _OPENING}]
    asked = 0
    for number, one in enumerate(trajectories, 1):
        for message in one.messages:
            blocks = [_numbered(block, number) for block in _blocks(message)]
            if message["role"] == "user" and all(block["type"] == "text" for block in blocks):
                asked += 1
                call_id = f"toolu_ask_{asked}"
                call = {"type": "tool_use", "id": call_id, "name": ASK_USER, "input": {}}
                said = "\n".join(block["text"] for block in blocks)
                _add(messages, "assistant", [call])
                _add(messages, "user", [_result(call_id, said)])
            else:
                _add(messages, message["role"], blocks)
    whole = tuple(messages)
    return Conversation(name, whole, trajectories[0].system, _tools_of(whole), title=name)


def asked_about(conversation: Conversation, count: int = 20, part: float = 0.5) -> Conversation:
    """The conversation with a question for each of some of its early calls.

    What is asked for is the longest line of the call's result that no other result has. Calls that
    nothing tells apart, by name and arguments, are not asked about.

    Args:
        conversation: an agent's.
        count: questions at most.
        part: of its calls, from the first on, which are asked about.
    """
    calls = list(_calls_with_results(conversation.messages))
    early = calls[: max(1, int(len(calls) * part))]
    lines = Counter(line for _, result in calls for line in set(result.splitlines()))
    times = Counter(call for call, _ in calls)
    questions: list[Question] = []
    for call, result in early:
        own = [
            line.strip()
            for line in result.splitlines()
            if lines[line] == 1 and _LEAST_LINE <= len(line.strip()) <= _MOST_LINE
        ]
        if own and times[call] == 1:
            text = f"What was the result of {call[:_WORDS_OF_CALL]}?"
            words = (max(own, key=len),)
            questions.append(Question(f"q{len(questions) + 1}", "early", text, words=words))
    every = max(1, -(-len(questions) // count))
    return replace(conversation, questions=tuple(questions[::every]))


# --- the parts of a message -----------------------------------------------------------------------


def _add(messages: list[Message], role: str, blocks: Sequence[Any]) -> None:
    """Add blocks to the last message where that is of the same role, else as a new one."""
    if not blocks:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1] = {"role": role, "content": [*_blocks(messages[-1]), *blocks]}
    else:
        messages.append({"role": role, "content": list(blocks)})


def _blocks(message: Message) -> list[Any]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(
            str(part.get("text") or "") for part in content if isinstance(part, Mapping)
        )
    return "" if content is None else str(content)


def _calls_of(message: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        given = function.get("arguments")
        try:
            arguments = json.loads(given) if isinstance(given, str) else given
        except ValueError:
            arguments = {"arguments": given}
        yield {
            "type": "tool_use",
            "id": str(call.get("id") or f"call_{number}_{place}"),
            "name": _name(function.get("name")),
            "input": arguments if isinstance(arguments, dict) else {"arguments": arguments},
        }


def _result(call_id: Any, text: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": str(call_id), "content": text or _NO_RESULT}


def _name(name: Any) -> str:
    return _NO_NAME.sub("_", str(name or "tool"))[:_LONGEST_NAME]


def _all_answered(messages: Sequence[Message]) -> Iterator[Message]:
    """Messages in which each call has its result in the next one, first, and an id of its own."""
    waiting: dict[str, str] = {}  # the id a call is given here, and the one it was recorded with
    number = 0
    for message in messages:
        blocks = _blocks(message)
        if message["role"] == "assistant":
            said = []
            for block in blocks:
                if block["type"] == "tool_use":
                    number += 1
                    waiting[f"toolu_{number}"] = block["id"]
                    said.append({**block, "id": f"toolu_{number}"})
                else:
                    said.append(block)
            yield {"role": "assistant", "content": said}
            continue
        given = {block["tool_use_id"]: block for block in blocks if block["type"] == "tool_result"}
        results = [
            {**(given.get(old) or _result(old, "")), "tool_use_id": new}
            for new, old in waiting.items()
        ]
        rest = [block for block in blocks if block["type"] != "tool_result"]
        waiting = {}
        if content := [*results, *rest]:
            yield {"role": "user", "content": content}
    if waiting:
        yield {"role": "user", "content": [_result(new, "") for new in waiting]}


def _numbered(block: dict[str, Any], number: int) -> dict[str, Any]:
    """A block whose call has an id that no other trajectory has."""
    if block["type"] == "tool_use":
        return {**block, "id": f"{block['id']}_{number}"}
    if block["type"] == "tool_result":
        return {**block, "tool_use_id": f"{block['tool_use_id']}_{number}"}
    return block


def _tools_of(messages: Iterable[Message]) -> tuple[dict[str, Any], ...]:
    """A definition of each tool that is called, which is all that can be known of it."""
    names = {
        block["name"]: None
        for message in messages
        for block in _blocks(message)
        if block["type"] == "tool_use"
    }
    return tuple(
        {"name": name, "description": name, "input_schema": {"type": "object"}} for name in names
    )


def _calls_with_results(messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    """Each call and its result, as text, in order."""
    called: dict[str, str] = {}
    for message in messages:
        for block in _blocks(message):
            if block["type"] == "tool_use":
                called[block["id"]] = words_of(block)
            elif block["type"] == "tool_result" and block["tool_use_id"] in called:
                yield called[block["tool_use_id"]], words_of(block)
