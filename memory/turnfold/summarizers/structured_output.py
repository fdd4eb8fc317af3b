"""A question and the shape of its answer go in, a request comes out; a response, its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from turnfold.errors import SummaryError


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
        max_tokens: of the answer.
        system: the instructions.
        schema: of the answer.
        shape: the same in words, for a model that takes no schema.
        structured: whether the model takes one.
    """
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens,
        "system": system,
        "messages": [
            {"role": "user", "content": question if structured else f"{question}\n{shape}"}
        ],
        "thinking": {"type": "disabled"},
    }
    if structured:
        request["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return request


def json_of(message: Mapping[str, Any]) -> Any:
    """The JSON object that a Messages API response is, without what models like to put around it.

    Raises:
        SummaryError: the model refused, was cut off, or did not answer with JSON.
    """
    reason = message.get("stop_reason")
    if reason != "end_turn":
        raise SummaryError.about(
            message, f"the summarizer stopped with {reason!r} instead of finishing"
        )
    text = "".join(
        str(block.get("text", ""))
        for block in message.get("content", [])
        if block.get("type") == "text"
    )
    try:
        return json.loads(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError) as wrong:
        raise not_as_asked(message, wrong) from None


def not_as_asked(message: Mapping[str, Any], wrong: Exception) -> SummaryError:
    """The error for an answer that is not of the shape asked for."""
    return SummaryError.about(
        message, f"the summarizer's answer is not the JSON asked for: {wrong}"
    )
