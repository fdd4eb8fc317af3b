"""Tool calls and their results: each call answered at once, each result asked for."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from turnfold_fake.errors import Refusal
from turnfold_fake.prompt import blocks_of

SERVER_USES = frozenset({"server_tool_use", "mcp_tool_use"})


class _Turn(NamedTuple):
    """Consecutive messages of one role, which the API merges."""

    role: str
    place: int
    blocks: list[tuple[str, dict[str, Any]]]


def is_server_result(kind: str) -> bool:
    """Whether a block type is the result of a tool the API ran itself."""
    return kind.endswith("_tool_result")


def check_pairing(messages: Sequence[dict[str, Any]]) -> None:
    """Hold the tool calls of a conversation against their results.

    Args:
        messages: Messages whose blocks are well-formed.

    Raises:
        Refusal: A call without its result in the next user message, a result nobody asked for or
            given twice, results that do not come first, an id used twice, or an unresolved server
            tool call followed by more than results.
    """
    if not any(isinstance(message.get("content"), list) for message in messages):
        return
    seen: set[str] = set()
    asked: dict[str, str] = {}
    pending: set[str] = set()
    for turn in _turns(messages):
        if turn.role == "assistant":
            _refuse_unanswered(asked, turn.place)
            asked, pending = _check_assistant(turn, seen, pending)
        elif turn.role == "user":
            _check_results(turn, asked, pending)
            asked = {}
        elif asked:
            _refuse_unanswered(asked, turn.place)
    _refuse_unanswered(asked, len(messages))


def _turns(messages: Sequence[dict[str, Any]]) -> Iterator[_Turn]:
    turn: _Turn | None = None
    for place, message in enumerate(messages):
        if turn is None or turn.role != message["role"]:
            if turn is not None:
                yield turn
            turn = _Turn(message["role"], place, [])
        for j, block in enumerate(blocks_of(message.get("content"))):
            turn.blocks.append((f"messages.{place}.content.{j}", block))
    if turn is not None:
        yield turn


def _check_assistant(
    turn: _Turn, seen: set[str], pending: set[str]
) -> tuple[dict[str, str], set[str]]:
    """The client calls to answer next, by id, and the server calls still unresolved."""
    asked: dict[str, str] = {}
    opened = set(pending)
    for path, block in turn.blocks:
        kind = block["type"]
        if kind == "tool_use" or kind in SERVER_USES:
            if block["id"] in seen:
                raise Refusal(f"{path}: `{kind}` ids must be unique: {block['id']}")
            seen.add(block["id"])
            if kind == "tool_use":
                asked[block["id"]] = path
            else:
                opened.add(block["id"])
        elif is_server_result(kind):
            if block.get("tool_use_id") not in opened:
                raise Refusal(
                    f"{path}: unexpected `tool_use_id` found in `{kind}` blocks: "
                    f"{block.get('tool_use_id')}. Each `{kind}` block must have a corresponding "
                    "`server_tool_use` block before it."
                )
            opened.discard(block["tool_use_id"])
    return asked, opened


def _check_results(turn: _Turn, asked: dict[str, str], pending: set[str]) -> None:
    answered: set[str] = set()
    others = False
    for path, block in turn.blocks:
        if block["type"] != "tool_result":
            others = True
            continue
        name = block["tool_use_id"]
        if name not in asked:
            raise Refusal(
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
        if name in answered:
            raise Refusal(
                f"{path}: each tool_use must have a single result. Found multiple `tool_result` "
                f"blocks with id: {name}"
            )
        if others:
            raise Refusal(f"{path}: `tool_result` blocks must come first in the message")
        answered.add(name)
    _refuse_unanswered({name: p for name, p in asked.items() if name not in answered}, turn.place)
    if pending and (others or not answered):
        names = ", ".join(sorted(pending))
        raise Refusal(
            f"messages.{turn.place}: `server_tool_use` ids are unresolved: {names}. The message "
            "after them may contain only `tool_result` blocks."
        )


def _refuse_unanswered(asked: dict[str, str], place: int) -> None:
    if asked:
        names = ", ".join(asked)
        raise Refusal(
            f"messages.{max(place - 1, 0)}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {names}. Each `tool_use` block must have a corresponding "
            "`tool_result` block in the next message."
        )
