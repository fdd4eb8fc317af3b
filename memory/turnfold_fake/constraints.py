"""What a JSON schema asks of a value beyond its type, and values that keep to it.

The API takes few of these keywords, so the SDK tells the others in words, at the end of the
description: `{minimum: 1, maximum: 10}`. A model reads both.
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_SIZES = ("minLength", "maxLength", "minItems", "maxItems")
_WORDS = ("format", "pattern")
_TOLD = re.compile(r"\{([^{}]*(?:\{.*\})?[^{}]*)\}\s*$", re.DOTALL)
_KEY = re.compile(r"(?:^|, )([A-Za-z]+): ")
_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "date": "2026-01-31",
        "date-time": "2026-01-31T12:00:00Z",
        "time": "12:00:00Z",
        "duration": "P1D",
        "email": "someone@example.com",
        "hostname": "example.com",
        "uri": "https://example.com/",
        "ipv4": "192.0.2.1",
        "ipv6": "2001:db8::1",
        "uuid": "00000000-0000-4000-8000-000000000000",
    }
)


class UnfillableError(ValueError):
    """A schema asks for what the stand-in cannot make up."""


def constraints_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema asks, by keyword, also where its description says it."""
    found: dict[str, Any] = {}
    description = str(schema.get("description") or "").rstrip()
    if description.endswith("}") and (told := _TOLD.search(description)) is not None:
        words = _KEY.split(told[1])
        for name, value in zip(words[1::2], words[2::2], strict=True):
            if name in _WORDS:
                found[name] = value
            elif name in (*_NUMBERS, *_SIZES) and (number := _number(value)) is not None:
                found[name] = number
    return found | {
        name: schema[name]
        for name in (*_NUMBERS, *_SIZES, *_WORDS)
        if isinstance(schema.get(name), str if name in _WORDS else int | float)
    }


def has_form(schema: Mapping[str, Any]) -> bool:
    """Whether a text is written in a form of its own, so that no sentence will do."""
    return constraints_of(schema).get("format") in _FORMATS


def formed(schema: Mapping[str, Any]) -> str:
    """A text in the form that a schema names, which `has_form`."""
    return _FORMATS[constraints_of(schema)["format"]]


def fitting_text(text: str, schema: Mapping[str, Any], path: str) -> str:
    """A text made as long as a schema wants it.

    Args:
        text: What would be said.
        schema: Of a string.
        path: Where it stands.

    Raises:
        UnfillableError: It does not match the pattern.
    """
    wanted = constraints_of(schema)
    text = text[: int(wanted.get("maxLength", len(text)))].ljust(
        int(wanted.get("minLength", 0)), "."
    )
    pattern = wanted.get("pattern")
    if pattern is not None and not _matches(pattern, text):
        raise UnfillableError(
            f"{path} has to match the pattern {pattern!r}, which no sentence of the request does; "
            "say what is answered: FakeClaude(summary=…)"
        )
    return text


def fitting_number(number: float, schema: Mapping[str, Any], path: str, *, whole: bool) -> float:
    """The number that a schema takes, as near to `number` as need be.

    Args:
        number: What would be said.
        schema: Of a number.
        path: Where it stands.
        whole: Whether it is an integer.

    Raises:
        UnfillableError: No number is between its bounds.
    """
    wanted = constraints_of(schema)
    step = wanted.get("multipleOf") or (1 if whole else 0)
    low: float = wanted.get("minimum", -math.inf)
    high: float = wanted.get("maximum", math.inf)
    above: float = wanted.get("exclusiveMinimum", -math.inf)
    below: float = wanted.get("exclusiveMaximum", math.inf)

    def fits(value: float) -> bool:
        return low <= value <= high and above < value < below

    floor, ceiling = max(low, above), min(high, below)
    near = min(max(number, floor), ceiling)
    tries = [near, (floor + ceiling) / 2, near + 1, near - 1]
    if step and math.isfinite(near):
        first = math.floor(near / step)
        tries = [n * step for n in (first, first + 1, first - 1, first + 2)]
    for value in tries:
        if math.isfinite(value) and fits(value):
            return int(value) if whole else float(value)
    raise UnfillableError(f"{path} has to be a number that is none: {wanted}")


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return int(value) if value.is_integer() else value


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
