"""What a test has the stand-in say goes in; an error that says what is no answer comes out."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

_REQUIRED: Mapping[str, tuple[tuple[str, type], ...]] = MappingProxyType(
    {
        "text": (("text", str),),
        "thinking": (("thinking", str),),
        "tool_use": (("name", str), ("input", dict)),
        "server_tool_use": (("name", str), ("input", dict)),
        "mcp_tool_use": (("name", str), ("input", dict)),
    }
)


def check_content(content: Any) -> None:
    """Hold the content of a reply against the shape of an answer's.

    Args:
        content: A text, or content blocks.

    Raises:
        TypeError: It is neither, or a block lacks what the SDK reads of it.
    """
    if isinstance(content, str):
        return
    if isinstance(content, dict) and "type" in content:
        raise TypeError("a reply is a text or a list of blocks: put the block into a list")
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise TypeError(f"a reply is a text or a list of blocks, not {type(content).__name__}")
    for place, block in enumerate(content):
        if not isinstance(block, dict):
            raise TypeError(
                f"block {place} of a reply is a dict, not {type(block).__name__}; what the SDK "
                "handed out becomes one by `.model_dump()`"
            )
        kind = block.get("type")
        if not isinstance(kind, str):
            raise TypeError(f"block {place} of a reply has no `type`")
        for name, wanted in _REQUIRED.get(kind, ()):
            if not isinstance(block.get(name), wanted):
                raise TypeError(
                    f"block {place} of a reply, `{kind}`, needs `{name}`, a {wanted.__name__}"
                )
