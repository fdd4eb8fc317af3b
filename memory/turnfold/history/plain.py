"""What a caller holds goes in; what the SDK makes of it when it sends it comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from turnfold.history.nested import copied


def plain(value: Any) -> Any:
    """A value as objects, lists and leaves of JSON: with it ids come out as in a request.

    Models of the SDK, such as the blocks of an answer, give the fields that they were made of;
    tuples and generators are lists; members of an Enum that is a str are that str.
    """
    return copied(value, _leaf)


def plain_body(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of a request, after the SDK has read its models: itself where it is plain.

    What the SDK leaves to its encoder are Enums, in place of a role or the model's name.
    """
    messages = body.get("messages")
    roles = [one.get("role") for one in messages or () if isinstance(one, Mapping)]
    is_plain = all(type(one) is str for one in (body.get("model", ""), *roles))
    return body if is_plain else plain(body)


def model_in(body: Mapping[str, Any]) -> str:
    """The name of the model in a plain body; "" where that is none."""
    model = body.get("model")
    return model if isinstance(model, str) else ""


def _leaf(value: Any) -> Any:
    if callable(dumped := getattr(value, "model_dump", None)):  # of pydantic, the SDK's or not
        left_out = getattr(value, "__api_exclude__", None)
        return dumped(mode="json", by_alias=True, exclude_unset=True, exclude=left_out)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Iterator):
        return [plain(one) for one in value]
    return value
