"""A transcript file goes in, conversations come out.

Read are: Messages API JSON (a list of messages, or an object with `messages` and perhaps `system`
and `tools`); JSONL with one `{"role", "content"}` a line; and conversations with questions, one
`{"conv_id", "turns", "questions"}` a line or a file.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from turnfold.errors import TranscriptError
from turnfold.history.block_text import words_of

Message = dict[str, Any]

BEGINS = "(the conversation begins)"
"""Put before a conversation that an assistant opens: the API wants a user first."""

CUT = "(The transcript is cut here.)"
"""What an assistant says in the end whose last words were calls of tools."""

_ROLES = ("user", "assistant", "system")
# Their gold turns are known to be unreliable, or there are none.
_UNSCORED = frozenset({"event_ordering", "abstention"})
_SHAPES = (
    "a JSON list of {role, content}, a JSON object with `messages`, JSONL with one "
    "{role, content} a line, or conversations with `turns`"
)


@dataclass(frozen=True, slots=True)
class Question:
    """Something asked once the conversation is over.

    Attributes:
        id: its name.
        kind: what sort of question it is.
        text: the question.
        answer: what a good answer says; "" where not known.
        words: texts that must stand in the prompt for the answer to be known.
        evidence: the turns that hold the answer, verbatim. Used where there are no `words`.
    """

    id: str
    kind: str
    text: str
    answer: str = ""
    words: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether it can be told from a prompt if the answer is in it."""
        return bool(self.words) or (bool(self.evidence) and self.kind not in _UNSCORED)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said before an answer was asked for, and the answer as it came.

    Attributes:
        said: user messages, and system messages among them.
        answered: assistant messages; none where the transcript ends first.
    """

    said: tuple[Message, ...]
    answered: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the Messages API takes it, and what to ask about it.

    Attributes:
        id: its name.
        messages: all messages; the first is a user's.
        system: the system prompt; None for none.
        tools: tool definitions.
        questions: what to ask once it is over.
        title: what it is about.
        when: its first and its last time, in seconds since 1970; None where not known.
    """

    id: str
    messages: tuple[Message, ...]
    system: str | list[Any] | None = None
    tools: tuple[Any, ...] = ()
    questions: tuple[Question, ...] = ()
    title: str = ""
    when: tuple[float, float] | None = None

    def turns(self) -> Iterator[Turn]:
        """What the user says each time, and what was answered; both sides may be several."""
        said: list[Message] = []
        answered: list[Message] = []
        for message in self.messages:
            if message["role"] == "assistant":
                answered.append(message)
                continue
            if answered and message["role"] == "user":
                yield Turn(tuple(said), tuple(answered))
                said, answered = [], []
            (answered or said).append(message)
        yield Turn(tuple(said), tuple(answered))

    @property
    def is_agent(self) -> bool:
        """Whether most of its turns are the results of tools, not words of a user."""
        asked = [message for message in self.messages if message["role"] == "user"]
        return 2 * sum(answers_tools(message) for message in asked) > len(asked)

    @property
    def unit(self) -> str:
        """What one of its turns is called: of an agent, a call of the model."""
        return "call" if self.is_agent else "turn"

    def first(self, turns: int) -> Conversation:
        """Its first turns, with the questions whose evidence lies in them.

        A call of a tool at the very end goes: its result would be of the next turn.
        """
        kept = [
            message
            for turn in islice(self.turns(), turns)
            for message in (*turn.said, *turn.answered)
        ]
        if kept and kept[-1]["role"] == "assistant":
            kept[-1] = _without_calls(kept[-1])
        texts = {_text(message) for message in kept}
        whole = "\n".join(words_of(message["content"]) for message in kept)
        asked = tuple(
            one
            for one in self.questions
            if texts.issuperset(one.evidence) and all(word in whole for word in one.words)
        )
        return replace(self, messages=tuple(kept), questions=asked)


def _without_calls(message: Message) -> Message:
    if isinstance(message["content"], str):
        return message
    blocks = [block for block in message["content"] if not block["type"].endswith("tool_use")]
    return {**message, "content": blocks or [{"type": "text", "text": CUT}]}


def answers_tools(message: Message) -> bool:
    """Whether a message gives results of tools."""
    content = message["content"]
    return not isinstance(content, str) and any(
        block["type"].endswith("tool_result") for block in content if isinstance(block, dict)
    )


def read_transcript(path: str | Path) -> list[Conversation]:
    """Read a transcript file in any of the known shapes.

    Raises:
        TranscriptError: it cannot be read; says what, where, and what would do.
    """
    return parse_transcript(text_of_file(path), name=str(path))


def text_of_file(path: str | Path) -> str:
    """The text of a file.

    Raises:
        TranscriptError: it cannot be read, or there is nothing in it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TranscriptError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise TranscriptError(f"{path} is a folder; name a transcript file in it") from None
    except UnicodeDecodeError as wrong:
        raise TranscriptError(
            f"{path}: byte {wrong.start} is not UTF-8 text; a transcript is {_SHAPES}"
        ) from None
    except OSError as wrong:
        raise TranscriptError(f"{path} cannot be read: {wrong.strerror}") from None
    if not text.strip():
        raise TranscriptError(f"{path} is empty; a transcript is {_SHAPES}")
    return text


def parse_transcript(text: str, *, name: str) -> list[Conversation]:
    """Read the text of a transcript.

    Args:
        text: JSON or JSONL.
        name: the file it is from, for error messages; its stem names a conversation without id.

    Raises:
        TranscriptError: it has none of the known shapes.
    """
    stem = Path(name).stem
    try:
        whole = json.loads(text)
    except ValueError as wrong:
        return _from_lines(text, name, stem, wrong)
    if isinstance(whole, list) and whole and all(_is_conversation(one) for one in whole):
        return [
            _conversation(one, f"{name}, conversation {n}", f"{stem}-{n}")
            for n, one in enumerate(whole, 1)
        ]
    if _is_conversation(whole):
        return [_conversation(whole, name, stem)]
    if isinstance(whole, list):
        places = [f"{name}, message {n}" for n in range(1, len(whole) + 1)]
        return [_of_messages(whole, places, stem)]
    if isinstance(whole, Mapping) and "role" in whole:
        return [_of_messages([whole], [f"{name}, line 1"], stem)]
    raise TranscriptError(f"{name} holds {_shape(whole)}; a transcript is {_SHAPES}")


def packaged_demo() -> Conversation:
    """The long conversation that comes with turnfold."""
    name = "demo_conversation.json"
    text = (files("turnfold_cli") / name).read_text(encoding="utf-8")
    return parse_transcript(text, name=name)[0]


def packaged_job() -> Conversation:
    """The long job of an agent that comes with turnfold: `zcat` shows it, it is plain JSON."""
    name = "agent_job.json"
    text = gzip.decompress((files("turnfold_cli") / f"{name}.gz").read_bytes()).decode("utf-8")
    return parse_transcript(text, name=name)[0]


def _from_lines(text: str, name: str, stem: str, whole: ValueError) -> list[Conversation]:
    values: list[Any] = []
    places: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):  # others may stand within a JSON text
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            values.append(json.loads(line))
        except ValueError as wrong:
            # Not even its first line: then it was meant as one JSON value.
            told = f"{place} is not JSON: {wrong}" if values else f"{name} is not JSON: {whole}"
            raise TranscriptError(f"{told}; a transcript is {_SHAPES}") from None
        places.append(place)
    if _is_conversation(values[0]):
        return [
            _conversation(value, place, f"{stem}-{n}")
            for n, (value, place) in enumerate(zip(values, places, strict=True), 1)
        ]
    return [_of_messages(values, places, stem)]


def _is_conversation(value: Any) -> bool:
    return isinstance(value, Mapping) and ("turns" in value or "messages" in value)


def _conversation(value: Any, where: str, name: str) -> Conversation:
    if not _is_conversation(value):
        raise TranscriptError(
            f"{where} holds {_shape(value)} where a conversation with `turns` was expected"
        )
    name = str(value.get("conv_id") or value.get("id") or name)
    key = "turns" if "turns" in value else "messages"
    turns = value[key]
    if not isinstance(turns, list):
        raise TranscriptError(f"{where}: `{key}` is {_shape(turns)}, not a list")
    places = [f"{where}, {key[:-1]} {n}" for n in range(1, len(turns) + 1)]
    read = _of_messages(turns, places, name)
    said = {
        str(turn["id"]): _text(turn)
        for turn in turns
        if isinstance(turn, Mapping) and turn.get("id") is not None
    }
    questions = value.get("questions") or []
    if not isinstance(questions, list):
        raise TranscriptError(f"{where}: `questions` is {_shape(questions)}, not a list")
    return Conversation(
        name,
        read.messages,
        _system(value["system"], where) if value.get("system") else read.system,
        tuple(value.get("tools") or ()),
        tuple(_question(one, said, f"{where}, question {n}") for n, one in enumerate(questions, 1)),
        str(value.get("title") or name),
    )


def _question(value: Any, said: Mapping[str, str], where: str) -> Question:
    text = value.get("question") if isinstance(value, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        raise TranscriptError(f"{where} needs a `question` that is a text")
    return Question(
        str(value.get("id") or value.get("qid") or where),
        str(value.get("type") or ""),
        text,
        str(value.get("answer") or ""),
        tuple(str(one) for one in value.get("words") or ()),
        tuple(said[str(one)] for one in value.get("evidence") or () if str(one) in said),
    )


def _of_messages(values: Sequence[Any], places: Sequence[str], name: str) -> Conversation:
    messages = [_message(value, place) for value, place in zip(values, places, strict=True)]
    system: str | list[Any] | None = None
    if messages and messages[0]["role"] == "system":
        # As other APIs write it; this one takes the system prompt beside the messages.
        system = _system(messages.pop(0)["content"], places[0])
    if not any(message["role"] == "user" for message in messages):
        raise TranscriptError(
            f"{name} has no user message, so there is nothing to ask; a transcript is {_SHAPES}"
        )
    if messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": BEGINS})
    return Conversation(name, tuple(messages), system, title=name)


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, Mapping):
        raise TranscriptError(f"{where} holds {_shape(value)}, not an object with role and content")
    role = value.get("role")
    if role not in _ROLES:
        raise TranscriptError(f"{where} has the role {role!r}; known are {', '.join(_ROLES)}")
    content = value.get("content", value.get("text"))
    if isinstance(content, str):
        if not content.strip():
            raise TranscriptError(f"{where} is empty, which the API refuses; leave it out")
    elif not isinstance(content, list) or not content:
        raise TranscriptError(f"{where}: its content is {_shape(content)}; give text or blocks")
    elif not all(isinstance(one, Mapping) and isinstance(one.get("type"), str) for one in content):
        raise TranscriptError(f"{where}: a content block is an object with a `type`")
    return {"role": role, "content": content}


def _text(turn: Mapping[str, Any]) -> str:
    content = turn.get("content", turn.get("text"))
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block.get("text") or "") for block in blocks)


def _system(value: Any, where: str) -> str | list[Any]:
    if isinstance(value, str | list):
        return value
    raise TranscriptError(f"{where}: `system` is {_shape(value)}; give text or blocks")


def _shape(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean"}
    if value is None:
        return "nothing"
    if isinstance(value, list) and not value:
        return "an empty list"
    if isinstance(value, dict):
        return f"an object with {', '.join(map(repr, list(value)[:4])) or 'nothing in it'}"
    return names.get(type(value), "a number")
