"""The `$ref`s of a JSON schema: looked up in it, and held against what the API takes."""

from collections.abc import Iterator
from typing import Any

from turnfold_fake.errors import Refusal

_WHERE = "output_config.format.schema"


def referred(root: dict[str, Any], ref: Any) -> dict[str, Any]:
    """The schema that a `$ref` stands for.

    Args:
        root: The whole schema.
        ref: A pointer into it, `#` or `#/…`.

    Raises:
        Refusal: There is none.
    """
    found: Any = root
    parts = str(ref).split("/")
    try:
        for part in parts[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name) if isinstance(found, list) else name]
    except (KeyError, IndexError, TypeError, ValueError):
        found = None
    if parts[0] != "#" or not isinstance(found, dict):
        raise Refusal(f"{_WHERE}: Invalid schema: $ref {ref!r} refers to nothing in it")
    return found


def check_references(root: dict[str, Any]) -> None:
    """Hold the `$ref`s of a schema against the rules.

    Raises:
        Refusal: One refers to nothing, or to what it is part of.
    """
    _follow(root, root, ("#",), set())


def _follow(root: dict[str, Any], value: Any, within: tuple[str, ...], sound: set[str]) -> None:
    """Follow all references in a value, whose own are those it is reached through."""
    for ref in _references(value):
        name = str(ref)
        if name in sound:
            continue
        inner = referred(root, ref)
        if name in within:
            raise Refusal(f"{_WHERE}: Recursive schemas are not supported: {name!r}")
        _follow(root, inner, (*within, name), sound)
        sound.add(name)


def _references(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref" and not isinstance(each, dict):  # else a property of that name
                yield each
            elif name not in ("enum", "const", "default", "examples"):
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
