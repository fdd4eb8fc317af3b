"""What the stand-in says: scripted, replayed, made by a function, or a plain default."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, TypeAlias

from turnfold_fake.prompt import THINKING, blocks_of, plain
from turnfold_fake.reply_shapes import check_content
from turnfold_fake.tokens import BLOCK, count_block, count_text, cut_text

_WORDS = 12


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        content: A text, or content blocks; a tool call without an id is given one.
        stop_reason: None: `tool_use` where it calls a tool, else `end_turn`.
        stop_sequence: What it stopped at.
        thinking: The text of its thinking; "" for an empty block; False for none; None for what
            the model would do. Blocks in `content` are signed like any other.
    """

    content: str | Sequence[dict[str, Any]]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    thinking: str | Literal[False] | None = None

    def __post_init__(self) -> None:
        """Say at once what cannot be sent.

        Raises:
            TypeError: The content is neither a text nor blocks of an answer's shape.
        """
        check_content(self.content)


Answer: TypeAlias = str | Sequence[dict[str, Any]] | Reply
ReplyFunction: TypeAlias = Callable[[dict[str, Any]], Answer | None]
ReplySource: TypeAlias = str | Sequence[Any] | ReplyFunction | None


def default_reply(body: dict[str, Any]) -> Reply:
    """A short answer that depends on the newest user text alone."""
    texts = _newest_texts(body["messages"])
    words = " ".join(texts).split()
    if not words:
        return Reply("Understood.")
    return Reply(f"Understood: {' '.join(words[:_WORDS])}{' …' if len(words) > _WORDS else ''}")


def reply_function(source: ReplySource) -> ReplyFunction:
    """One function for every way to say what is answered.

    Args:
        source: None for the default; a text for always the same; a list for one after the other,
            then the default; a function of the request, which may return None for the default.

    Raises:
        TypeError: It is none of these, or one of the list is no answer.
    """
    if callable(source):
        return source
    if source is None:
        return lambda _: None
    if isinstance(source, str):
        text = source
        return lambda _: text
    if not isinstance(source, Iterable) or isinstance(source, Mapping | bytes):
        raise TypeError(
            "reply is None, a text, a list of answers or a function of the request, not "
            f"{type(source).__name__}; a single answer is a list of one"
        )
    script = [_checked(each, place) for place, each in enumerate(source)]
    lock = Lock()

    def next_of_script(_: dict[str, Any]) -> Answer | None:
        with lock:
            return script.pop(0) if script else None

    return next_of_script


def _checked(answer: Any, place: int) -> Reply | None:
    """One of a list of answers."""
    if answer is None or isinstance(answer, Reply):
        return answer
    if isinstance(answer, dict):
        raise TypeError(
            f"answer {place} of the list is a dict: an answer of blocks is a list of its own, so "
            "that a list of one answer is [[{…}, {…}]]"
        )
    try:
        return Reply(answer)
    except TypeError as wrong:
        raise TypeError(f"answer {place} of the list: {wrong}") from None


def replies_from(messages: Iterable[dict[str, Any]]) -> ReplyFunction:
    """Answers as in a transcript: what followed there the newest user text of the request.

    The text is found also where blocks were put in front of it. Where the transcript has it more
    than once, its answers are given in turn. Thinking is left out: it would be signed by others.

    Args:
        messages: Messages-API messages.

    Returns:
        A function to pass as `reply`; for a text that is not in the transcript it returns None,
        which is the default answer.
    """
    answers: dict[str, list[list[dict[str, Any]]]] = defaultdict(list)
    asked: list[dict[str, Any]] = []
    key = role = ""
    for message in messages:
        blocks = blocks_of(message.get("content"))
        if message["role"] == "user":
            asked = [*(asked if role == "user" else []), *blocks]
            key = "\n".join(_texts(asked))
        elif message["role"] == "assistant":
            kept = [plain(block) for block in blocks if block["type"] not in THINKING]
            if role == "assistant" and answers[key]:
                answers[key][-1].extend(kept)
            else:
                answers[key].append(kept)
        role = message["role"] if message["role"] != "system" else role
    given: dict[str, int] = defaultdict(int)
    lock = Lock()

    def replay(body: dict[str, Any]) -> Answer | None:
        texts = _newest_texts(body["messages"])
        for start in range(len(texts)):
            wanted = "\n".join(texts[start:])
            if found := answers.get(wanted):
                with lock:
                    place = given[wanted]
                    given[wanted] += 1
                return found[min(place, len(found) - 1)]
        return None

    return replay


def fit(reply: Reply, most: int, stops: Sequence[str]) -> Reply:
    """A reply cut to what the request allows.

    Args:
        reply: What would be said.
        most: Largest number of tokens.
        stops: The request's `stop_sequences`.
    """
    kept: list[dict[str, Any]] = []
    for block in blocks_of(reply.content):
        if block["type"] == "text":
            text, stop = _stopped(block["text"], stops)
            used = count_text(text)
            if used > most:
                cut = cut_text(text, most)
                kept.extend([{**block, "text": cut}] if cut else [])
                return Reply(kept, "max_tokens", thinking=reply.thinking)
            kept.append({**block, "text": text})
            if stop is not None:
                return Reply(kept, "stop_sequence", stop, reply.thinking)
        else:
            used = count_block(block)
            if used > most:
                if block["type"] == "thinking" and most > BLOCK:
                    kept.append(cut_thinking(block, most))
                return Reply(kept, "max_tokens", thinking=reply.thinking)
            kept.append(dict(block))
        most -= used
    reason = reply.stop_reason
    if reason is None:
        calls = any(block["type"] == "tool_use" for block in kept)
        reason = "tool_use" if calls else "end_turn"
    return Reply(kept, reason, reply.stop_sequence, reply.thinking)


def cut_thinking(block: dict[str, Any], most: int) -> dict[str, Any]:
    """A thinking block of at most so many tokens, its frame included."""
    return {**block, "thinking": cut_text(block["thinking"], most - BLOCK)}


def _stopped(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    found = [(at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _newest_texts(messages: Sequence[dict[str, Any]]) -> list[str]:
    """The texts of the newest user turn; tool results stand for themselves."""
    start = len(messages)
    while start > 0 and messages[start - 1]["role"] != "assistant":
        start -= 1
    turn = (message for message in messages[start:] if message["role"] == "user")
    return _texts([block for message in turn for block in blocks_of(message.get("content"))])


def _texts(blocks: Sequence[dict[str, Any]]) -> list[str]:
    return [
        block["text"] if block["type"] == "text" else json.dumps(block.get("content"))
        for block in blocks
        if block["type"] in ("text", "tool_result")
    ]
