"""A question and the shape of its answer go in, a request comes out; a response, its rows.

Not every model keeps to a shape, and not every server passes one on: some say nothing of
`output_config` and leave it out. So the shape stands in the question, too, and an answer is read
as far as it goes: in a fence, behind thoughts, or cut off in the middle of its list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from turnfold.errors import SummaryError

_Row = TypeVar("_Row")

# What is over before the list is worth nothing: somebody did not want to answer, or had no room
# to read all that is asked about.
_NO_ANSWER = frozenset({"refusal", "model_context_window_exceeded"})
_DECODER = json.JSONDecoder(strict=False)  # with line breaks within strings, as models write them
_THOUGHT = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
# A comma before the end of an object or of a list, and the strings in which it may stand; one that
# is never closed goes on to the end, so that the rest is not read from each of its quotes.
_LAST_COMMA = re.compile(r'("(?:[^"\\]++|\\.)*+"?)|,(?=\s*[}\]])')
# Small models write a list for each row, side by side, where one of all rows was asked for.
_ONLY_A_COMMA = re.compile(r"\s*,\s*")
# Braces that may begin no object: behind so many the rest is prose.
_MOST_VAIN = 100
# Characters of an answer that an error shows.
_SHOWN = 120


def json_request(
    question: str,
    *,
    model: str,
    max_tokens: int,
    system: str,
    schema: Mapping[str, Any],
    shape: str,
    structured: bool,
) -> dict[str, Any]:
    """A Messages API request that is answered with JSON.

    Args:
        question: what the user says.
        model: what the model is called where it is asked.
        max_tokens: of the answer; what is thought before it is not in it.
        system: the instructions.
        schema: of the answer.
        shape: the same in words.
        structured: whether the model takes a schema.
    """
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens,
        "system": system,
        "messages": [{"role": "user", "content": f"{question}\n{shape}"}],
    }
    if structured:
        request["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return request


def rows_of(
    message: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], _Row | None]
) -> list[_Row]:
    """The rows of the one list that a Messages API response is.

    Args:
        message: the response as JSON.
        name: of the list.
        read: reads an object; None where it is no row.

    Raises:
        SummaryError: the model refused, or its answer holds no row. A list that is empty is one.
    """
    reason = message.get("stop_reason")
    text = _text_of(message)
    found = []
    if reason not in _NO_ANSWER:
        found = [_listed(said, name) for said in (text, _LAST_COMMA.sub(r"\1", text))]
    readings = [
        [row for one in listed or () if isinstance(one, dict) and (row := read(one))]
        for listed in found
    ]
    if most := max(readings, key=len, default=[]):
        return most
    if reason != "end_turn":
        raise SummaryError.about(
            message, f"{_who(message)} stopped with {reason!r} instead of finishing"
        )
    if found[0] is not None and not found[0]:
        return []
    raise SummaryError.about(
        message,
        f"the answer of {_who(message)} is not the JSON asked for: {_shortened(text)!r}; "
        f"Policy(summary_model=...) names another model",
    )


def _listed(text: str, name: str) -> Sequence[Any] | None:
    """What stands in the last list of that name, whole or cut off.

    Where there is none, the objects of the text; None where there are none of those either.
    """
    opens = re.compile(rf'\{{\s*"{name}"\s*:\s*\[')
    lists: list[list[Any]] = []
    loose: list[Any] = []
    into, at, vain, ended = loose, text.find("{"), 0, 0
    while at >= 0 and vain < _MOST_VAIN:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            vain += 1
            if opens.match(text, at):  # a list that breaks off: its rows are behind
                into = []
                lists.append(into)
            at = text.find("{", at + 1)
            continue
        around = (value, *(one for one in value.values() if isinstance(one, dict)))
        rows = [one[name] for one in around if isinstance(one.get(name), list)]
        if rows:
            beside = lists and _ONLY_A_COMMA.fullmatch(text, ended, at)
            lists.append([*lists.pop(), *rows[0]] if beside else rows[0])
            into, ended = loose, end
        else:
            into.append(value)
        at = text.find("{", end)
    if lists and into is lists[-1] and not into:
        return None  # it broke off before its first row
    return lists[-1] if lists else loose or None


def _text_of(message: Mapping[str, Any]) -> str:
    """What a response says, without the thoughts that some models say before it."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    said = "".join(
        str(block.get("text", ""))
        for block in blocks
        if isinstance(block, Mapping) and block.get("type") == "text"
    )
    return _THOUGHT.split(said)[-1]


def _who(message: Mapping[str, Any]) -> str:
    return str(message.get("model") or "the summarizer")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
