"""A model's name goes in; how many tokens a request to it may have comes out.

Sizes are those of Anthropic's documentation as read on 2026-11-20.
"""

from __future__ import annotations

import re

_MILLION = 1_000_000
_SMALLER = 200_000
# Models of 200,000 tokens: all before 4.6, and Haiku until 5.
_NAME = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d)(?:-(?P<minor>\d)(?!\d))?")


def context_window(model: str) -> int:
    """The context window of a model, in tokens; the smaller of the known ones if unknown.

    A cloud's own prefix and a date suffix do not matter.
    """
    found = _NAME.search(model)
    if found is None:
        return _SMALLER
    version = (int(found["major"]), int(found["minor"] or 0))
    since = (5, 0) if found["line"] == "haiku" else (4, 6)
    return _MILLION if version >= since else _SMALLER
