"""Cache marks: how many, in which order, and on which blocks."""

from collections.abc import Iterator
from typing import Any

from turnfold_fake.errors import Refusal
from turnfold_fake.prompt import THINKING

MOST_MARKS = 4


def check_marks(body: dict[str, Any]) -> None:
    """Hold the cache marks of a well-formed request against the rules.

    Raises:
        Refusal: More than four, the automatic one counted; an hour after five minutes; a mark on
            thinking, on empty text or on a tool that is loaded later; a lifetime that is none.
    """
    count, short = 0, False
    for path, block in _marked(body):
        mark = block["cache_control"]
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
            raise Refusal(f"{path}.cache_control.type: Input should be 'ephemeral'")
        ttl = mark.get("ttl") or "5m"
        if ttl not in ("5m", "1h"):
            raise Refusal(f"{path}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
        if block.get("defer_loading"):
            raise Refusal(
                f"Tool '{block.get('name')}' cannot have both defer_loading=true and "
                "cache_control set. Tools with defer_loading cannot use prompt caching."
            )
        if block.get("type") in THINKING:
            raise Refusal(f"{path}.{block['type']}.cache_control: Extra inputs are not permitted")
        if block.get("type") == "text" and not block["text"]:
            raise Refusal(f"{path}.text: cache_control cannot be set for empty text blocks")
        if ttl == "1h" and short:
            raise Refusal(
                f"{path}.cache_control.ttl: a ttl='1h' cache_control block must not come after a "
                "ttl='5m' cache_control block. Note that blocks are processed in the following "
                "order: `tools`, `system`, `messages`."
            )
        short = short or ttl == "5m"
        count += 1
    if count > MOST_MARKS:
        raise Refusal(
            f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {count}."
        )


def _marked(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Marked blocks in the order of the prompt; the automatic mark, which falls on the last, last.

    Marks inside a tool result's content count like any other.
    """
    for place, tool in enumerate(body.get("tools") or ()):
        if tool.get("cache_control"):
            yield f"tools.{place}", tool
    system = body.get("system")
    for place, block in enumerate(system if isinstance(system, list) else ()):
        if block.get("cache_control"):
            yield f"system.{place}", block
    for i, message in enumerate(body["messages"]):
        content = message.get("content")
        if isinstance(content, list):
            for j, block in enumerate(content):
                yield from _within(f"messages.{i}.content.{j}", block)
    if body.get("cache_control"):
        yield "cache_control", {"cache_control": body["cache_control"]}


def _within(path: str, block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    inner = block.get("content")
    if block["type"] == "tool_result" and isinstance(inner, list):
        for k, each in enumerate(inner):
            if each.get("cache_control"):
                yield f"{path}.content.{k}", each
    if block.get("cache_control"):
        yield path, block
