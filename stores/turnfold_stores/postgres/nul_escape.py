"""Text as PostgreSQL can keep it: everything but NUL, which is written with a backslash."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"\\([0\\])")


def stored(text: str) -> str:
    r"""The text with `\0` for NUL and two backslashes for one; most texts as they are."""
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def restored(text: str) -> str:
    """The inverse of `stored`."""
    if "\\" not in text:
        return text
    return _WRITTEN.sub(lambda found: "\0" if found[1] == "0" else "\\", text)
