"""A text goes in; what of it is rows of values comes out, with the values apart.

In "17,289" a comma may group thousands or part two columns. That it parts them is told by the
line: elsewhere in it, or in the one above with as many commas, one stands by what is no number.
"""

from __future__ import annotations

import re

_COMMA = re.compile(r",(?=\S)")
# A comma without a blank behind it that is no part of a number.
_PARTS = re.compile(r",(?:(?<=[^\s\d,],)(?=[\"'\[{+.-]?\w)|(?<=\d,)(?=[\"'\[{+.-]{1,2}\w|[^\W\d]))")
_PARTS_FROM_DATE = re.compile(r"[-:/]\d+,\d")


def rows_apart(text: str) -> str:
    """The lines of a text that are rows of values, with a blank behind each comma; "" for none."""
    if not _COMMA.search(text):
        return ""
    rows: list[str] = []
    commas = 0
    for line in text.split("\n"):
        found = line.count(",")
        if found and (found == commas or _PARTS.search(line) or _PARTS_FROM_DATE.search(line)):
            commas = found
            rows.append(_COMMA.sub(", ", line))
        else:
            commas = 0
    return "\n".join(rows)
