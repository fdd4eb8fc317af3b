"""From a reply to the message that is sent: signatures, ids, faults, usage."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from turnfold_fake.cache import Reading
from turnfold_fake.compaction import compaction_of, pauses
from turnfold_fake.faults import Fault
from turnfold_fake.prompt import blocks_of
from turnfold_fake.replies import Reply, cut_thinking, fit
from turnfold_fake.structured import fill_schema
from turnfold_fake.thinking import Check, Signer
from turnfold_fake.thoughts import thought
from turnfold_fake.tokens import count_block, cut_text

_REFUSED: Mapping[str, Any] = MappingProxyType(
    {"type": "refusal", "category": None, "explanation": None}
)


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be said.

    Attributes:
        most: Tokens of output.
        reason: `stop_reason` where that is not enough.
    """

    most: int
    reason: str


def room_for(max_tokens: int, prompt: int, window: int) -> Room:
    """The room for an answer, which ends where the context window does."""
    left = max(window - prompt, 0)
    if left < max_tokens:
        return Room(left, "model_context_window_exceeded")
    return Room(max_tokens, "max_tokens")


def wants_schema(body: Mapping[str, Any]) -> bool:
    """Whether structured output is asked for."""
    config = body.get("output_config")
    return isinstance(config, Mapping) and bool(config.get("format"))


def compose(
    body: dict[str, Any],
    reply: Reply | None,
    fault: Fault | None,
    room: Room,
    *,
    thinks: bool,
    compacts: bool = False,
    compaction: str = "",
) -> tuple[list[dict[str, Any]], tuple[str, str | None]]:
    """The content of an answer, its thinking not yet signed.

    Args:
        body: The request.
        reply: What to say; None to fill the request's schema.
        fault: What goes wrong with the content, if anything.
        room: How much may be said.
        thinks: Whether the model thinks for this request.
        compacts: Whether what was said is summarized first, since there is too much of it.
        compaction: What a summary says; "" for how many messages there were.

    Returns:
        Content blocks; stop reason and stop sequence.
    """
    if body.get("compaction") is not None:
        return [{**compaction_of(body, compaction), "signature": ""}], ("compaction", None)
    compacted = [compaction_of(body, compaction)] if compacts else []
    if compacted and pauses(body):
        return compacted, ("compaction", None)
    if room.most == 0:
        return [], (room.reason, None)
    thoughts = thought(body, reply, room.most, on=thinks)
    whole = sum(count_block(block) for block in thoughts)
    if whole > room.most:
        cut = [cut_thinking(each, room.most) for each in thoughts]
        return [*compacted, *cut], (room.reason, None)
    left = room.most - whole
    if reply is None:
        reply = Reply(fill_schema(body, left))
    if fault is not None:
        reply = _spoil(reply, fault)
    said = fit(reply, left, body.get("stop_sequences") or ())
    reason = room.reason if said.stop_reason == "max_tokens" else said.stop_reason
    return [*compacted, *thoughts, *blocks_of(said.content)], (
        reason or "end_turn",
        said.stop_sequence,
    )


def complete(content: list[dict[str, Any]], message_id: str, signer: Signer, check: Check) -> None:
    """Sign what an answer has to be signed, and name its tool calls, in place."""
    for block in content:
        if block["type"] == "compaction" and "signature" in block:
            block["signature"] = signer.sign_compaction(block["content"], check)
    unsigned = [
        block
        for block in content
        if (block["type"] == "thinking" and not block.get("signature"))
        or (block["type"] == "redacted_thinking" and not block.get("data"))
    ]
    signatures = signer.sign([block.get("thinking", "") for block in unsigned], check)
    for block, signature in zip(unsigned, signatures, strict=True):
        block["signature" if block["type"] == "thinking" else "data"] = signature
    for place, block in enumerate(content):
        if block["type"] == "tool_use" and not block.get("id"):
            block["id"] = f"toolu_{message_id.removeprefix('msg_')}{place:02d}"


def usage_of(reading: Reading, content: list[dict[str, Any]], unseen: int) -> dict[str, Any]:
    """The usage of an answer.

    Args:
        reading: Of its prompt.
        content: What it says.
        unseen: Tokens of what it does not say.
    """
    return {
        "input_tokens": reading.uncached,
        "cache_creation_input_tokens": reading.written_5m + reading.written_1h,
        "cache_read_input_tokens": reading.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": reading.written_5m,
            "ephemeral_1h_input_tokens": reading.written_1h,
        },
        "output_tokens": unseen + sum(count_block(block) for block in content),
        "service_tier": "standard",
    }


def message_of(
    message_id: str,
    model: str,
    content: list[dict[str, Any]],
    stop: tuple[str, str | None],
    usage: dict[str, Any],
) -> dict[str, Any]:
    """The body of an answer."""
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop[0],
        "stop_sequence": stop[1],
        "usage": usage,
    }
    if stop[0] == "refusal":
        message["stop_details"] = dict(_REFUSED)
    return message


def _spoil(reply: Reply, fault: Fault) -> Reply:
    if fault.kind == "empty":
        return Reply([], "end_turn")
    if fault.kind == "refused":
        return Reply([], "refusal")
    if fault.kind == "not_json":
        return Reply("I am sorry, here is the summary in prose instead: much was said.")
    if fault.kind == "truncated":
        text = "".join(b["text"] for b in blocks_of(reply.content) if b["type"] == "text")
        return Reply(cut_text(text, 1) if len(text) < 4 else text[: len(text) // 2], "max_tokens")
    return reply
