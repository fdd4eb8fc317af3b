"""A path as Claude writes it goes in; the file it names comes out, always below /memories."""

from __future__ import annotations

ROOT = "/memories"
_LONGEST = 1_024
_DEEPEST = 32


class FileRefused(Exception):  # noqa: N818 - said to Claude, as the tool's answer
    """Something that is not done to a file, and why, in the words of the SDK's own tool."""


def file_path(path: object) -> str:
    """The path without what says nothing: "/memories" or "/memories/a/b".

    ".." goes up as far as /memories; nothing leads out of it.

    Raises:
        FileRefused: it is no path, or leads elsewhere.
    """
    if not isinstance(path, str):
        raise FileRefused(f"A path is a text that starts with {ROOT}, got: {path!r}")
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        raise FileRefused(f"Path must start with {ROOT}, got: {path}")
    if len(path) > _LONGEST:
        raise FileRefused(f"A path of {len(path)} characters is too long: at most {_LONGEST}")
    if not path.isprintable():
        raise FileRefused(f"A path has printable characters only, got: {path!r}")
    parts: list[str] = []
    for part in path[len(ROOT) :].split("/"):
        if part in {"", "."}:
            continue
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise FileRefused(f"Path {path} would escape {ROOT} directory")
    if len(parts) > _DEEPEST:
        raise FileRefused(f"Path {path} is too deep: at most {_DEEPEST} directories")
    return "/".join([ROOT, *parts])


def parents(path: str) -> list[str]:
    """The directories that a path is in, the nearest first; /memories is the last."""
    found = []
    while path != ROOT:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def is_within(path: str, directory: str) -> bool:
    """Whether a path is in a directory, at any depth."""
    return path.startswith(f"{directory}/")
