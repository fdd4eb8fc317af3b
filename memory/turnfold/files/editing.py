"""The text of a file and a command go in; the text as it is then comes out, or what to show of it.

What is answered has the words and the layout of the SDK's own memory tool for local files: models
are trained on it. Lines are split at line feeds alone; a carriage return stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from turnfold.errors import shown
from turnfold.files.paths import FileRefused, is_within

_MOST_LINES = 999_999
_NUMBER_WIDTH = 6
_SHOWN_AROUND = 2
_LEVELS = 2


def numbered(path: str, text: str, view_range: object) -> str:
    """A file, or some of its lines, with line numbers from 1.

    Args:
        path: as it was asked for.
        text: what the file says.
        view_range: first and last line; -1 for the end. None or none of both for all of it.

    Raises:
        FileRefused: it has too many lines, or these are no two numbers of lines.
    """
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        raise FileRefused(f"File {path} exceeds maximum line limit of {_MOST_LINES:,} lines.")
    first, last = _lines_in(view_range)
    first = max(1, first)
    last = len(lines) if last == -1 else max(0, last)
    shown = _with_numbers(lines[first - 1 : last], first)
    return "\n".join([f"Here's the content of {path} with line numbers:", *shown])


def _lines_in(view_range: object) -> tuple[int, int]:
    if view_range is None or view_range == []:
        return 1, -1
    if isinstance(view_range, list | tuple) and len(view_range) == 2:
        first, last = view_range
        if all(isinstance(one, int) and not isinstance(one, bool) for one in (first, last)):
            return first, last
    raise FileRefused(
        f"Invalid `view_range` parameter: {shown(view_range)}. It should be two whole numbers, the "
        "first and the last line, such as [1, 20]; -1 is the last line there is."
    )


def listing(directory: str, sizes: Mapping[str, int]) -> str:
    """What is in a directory, two levels deep, without hidden files.

    Args:
        directory: its path.
        sizes: bytes of each file of the user, by path.
    """
    below: dict[str, int] = {}
    total = 0
    for path, size in sizes.items():
        if not is_within(path, directory):
            continue
        total += size
        parts = path[len(directory) + 1 :].split("/")
        for depth in range(1, min(len(parts), _LEVELS) + 1):
            if parts[depth - 1].startswith("."):
                break
            name = "/".join(parts[:depth]) + ("/" if depth < len(parts) else "")
            below[name] = below.get(name, 0) + size
    # A directory goes before what is in it.
    names = sorted(below, key=lambda name: name.rstrip("/").split("/"))
    header = (
        "Here're the files and directories up to 2 levels deep in "
        f"{directory}, excluding hidden items:"
    )
    rows = [f"{_size(below[name])}\t{directory}/{name}" for name in names]
    return "\n".join([header, f"{_size(total)}\t{directory}", *rows])


def replaced(path: str, text: str, old: str, new: str) -> tuple[str, str]:
    """The text with the one place that says `old` saying `new`, and what to show of that.

    Raises:
        FileRefused: it says so nowhere, or in several places.
    """
    count = text.count(old) if old else 0
    if count == 0:
        raise FileRefused(
            f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}."
        )
    if count > 1:
        lines = ", ".join(map(str, _lines_with(text, old)))
        raise FileRefused(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: "
            f"{lines}. Please ensure it is unique"
        )
    at = text[: text.find(old)].count("\n")
    changed = text.replace(old, new)
    lines_now = changed.split("\n")
    first = max(0, at - _SHOWN_AROUND)
    snippet = _with_numbers(lines_now[first : at + _SHOWN_AROUND + 1], first + 1)
    told = "The memory file has been edited. Here is the snippet showing the change"
    return changed, "\n".join([f"{told} (with line numbers):", *snippet])


def inserted(text: str, line: object, new: str) -> str:
    """The text with something more after a line; 0 for its beginning.

    Raises:
        FileRefused: there is no such line.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not isinstance(line, int) or isinstance(line, bool) or not 0 <= line <= len(lines):
        raise FileRefused(
            f"Invalid `insert_line` parameter: {line}. It should be within the range "
            f"[0, {len(lines)}]."
        )
    lines.insert(line, new.rstrip("\n"))
    changed = "\n".join(lines)
    return changed if changed.endswith("\n") else f"{changed}\n"


def _lines_with(text: str, old: str) -> list[int]:
    """The number of the line at which each occurrence begins; they do not overlap."""
    found = []
    line, read, at = 1, 0, text.find(old)
    while at != -1:
        line += text.count("\n", read, at)
        read = at
        found.append(line)
        at = text.find(old, at + len(old))
    return found


def _with_numbers(lines: Sequence[str], first: int) -> list[str]:
    return [f"{number:>{_NUMBER_WIDTH}}\t{line}" for number, line in enumerate(lines, first)]


def _size(count: int) -> str:
    """Bytes, as people read them: 0B, 512B, 1.5K, 2M."""
    size = float(count)
    for unit in "BKMG":
        if size < 1024 or unit == "G":
            return f"{int(size)}{unit}" if size == int(size) else f"{size:.1f}{unit}"
        size /= 1024
    raise AssertionError
