"""An error response of the API goes in; whether memory can mend its cause comes out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

_THINKING = re.compile(r"`?signature`? in `?(redacted_)?thinking`?", re.IGNORECASE)
_TOO_LONG = re.compile(r"prompt is too long", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 400 that memory may have caused, or can help with."""

    kind: Literal["thinking", "too_long"]
    message: str


def read_refusal(status: int, content: bytes) -> Refusal | None:
    """The refusal in an error response; None for any other error.

    Args:
        status: HTTP status.
        content: the body, decoded.
    """
    if status != 400:
        return None
    try:
        message = str(json.loads(content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return None
    if _THINKING.search(message):
        return Refusal("thinking", message)
    if _TOO_LONG.search(message):
        return Refusal("too_long", message)
    return None
