"""What becomes of thinking blocks that do not fit: a refusal, silence, or nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from turnfold_fake.compaction import signed_block
from turnfold_fake.errors import Refusal
from turnfold_fake.prompt import THINKING, blocks_of
from turnfold_fake.thinking import Check, Misfit, Signer, torn

ThinkingMode: TypeAlias = Literal["enforced", "dropped", "unenforced"]
CONTROLS = "thinking-binding-controls-2026-08-01"
"""The beta that lets a request say what becomes of misfits."""


@dataclass(frozen=True, slots=True)
class Policed:
    """A request whose thinking was looked at.

    Attributes:
        body: The request the model reads; the one that came where nothing was dropped.
        check: What the reply is bound to.
        dropped: `input_transformations` for the response; None where it has none.
    """

    body: dict[str, Any]
    check: Check
    dropped: list[dict[str, Any]] | None


def police(
    body: dict[str, Any],
    signer: Signer,
    mode: ThinkingMode,
    thoughtful: Collection[str],
    betas: str,
    *,
    bound: bool,
) -> Policed:
    """Look at a request's thinking.

    Args:
        body: A request that passed the other rules.
        signer: Knows the signatures.
        mode: What becomes of misfits.
        thoughtful: Ids of tool calls that were given out together with thinking.
        betas: The header `anthropic-beta`.
        bound: Whether the model binds thinking to what came before it.

    Raises:
        Refusal: Thinking that does not fit, where that is enforced.
    """
    binding = (body.get("thinking") or {}).get("block_binding")
    controls = CONTROLS in betas
    if binding is not None and not controls:
        kind = body["thinking"].get("type")
        raise Refusal(f"thinking.{kind}.block_binding: Extra inputs are not permitted")
    block = signed_block(body)
    if block is not None and signer.is_altered(block):
        raise Refusal(
            "messages.0.content.0: Invalid `signature` in `compaction` block. "
            "The block must be sent back as it was returned"
        )
    check = signer.check(body, bound=bound)
    if mode == "unenforced":
        return Policed(body, check, None)
    asked = (binding or {}).get("prefix_mismatch_behavior") == "drop_block"
    if mode == "enforced":
        refused = [misfit for misfit in check.misfits if not (asked and misfit.moved)]
        if refused:
            raise Refusal(f"{refused[0].path}: {refused[0].why}")
        if not check.misfits:
            _refuse_modified(body, thoughtful)
    dropped = None
    if controls:
        dropped = [
            {"type": "thinking_dropped", "path": misfit.path, "reason": "prefix_binding_mismatch"}
            for misfit in check.misfits
        ]
    return Policed(_without(body, check.misfits) if check.misfits else body, check, dropped)


def _refuse_modified(body: dict[str, Any], thoughtful: Collection[str]) -> None:
    """Refuse a latest assistant turn that lacks part of its thinking."""
    if (place := torn(body)) is not None:
        raise Refusal(
            f"messages.{place[0]}.content.{place[1]}: `thinking` or `redacted_thinking` blocks in "
            "the latest assistant message cannot be modified. These blocks must remain as they "
            "were in the original response."
        )
    messages = body["messages"]
    latest = next(
        (n for n in reversed(range(len(messages))) if messages[n]["role"] == "assistant"), None
    )
    if latest is None or messages[-1]["role"] == "assistant":
        return
    kinds = [block["type"] for block in blocks_of(messages[latest].get("content"))]
    calls = [
        block["id"]
        for block in blocks_of(messages[latest].get("content"))
        if block["type"] == "tool_use"
    ]
    if not any(name in thoughtful for name in calls) or THINKING.intersection(kinds):
        return
    others = (block["type"] for m in messages[:latest] for block in blocks_of(m.get("content")))
    if not THINKING.isdisjoint(others):
        raise Refusal(
            f"messages.{latest}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
            f"found `{kinds[0]}`. While a tool call awaits its result, thinking is sent back "
            "whole or not at all."
        )


def _without(body: dict[str, Any], misfits: Collection[Misfit]) -> dict[str, Any]:
    places = {(misfit.message, misfit.block) for misfit in misfits}
    messages = [
        {
            **message,
            "content": [b for j, b in enumerate(message["content"]) if (i, j) not in places],
        }
        if isinstance(message.get("content"), list)
        else message
        for i, message in enumerate(body["messages"])
    ]
    return {**body, "messages": messages}
