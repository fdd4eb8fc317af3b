"""What the API does about compaction: on demand, and past a threshold; by its documented rules.

On demand a request is answered with one signed block, alone, which later requests send first, in
place of the messages it stands for. Past a threshold the answer itself begins with a block, and
later requests are read from there on.
"""

from typing import Any

from turnfold_fake.errors import Refusal
from turnfold_fake.prompt import blocks_of

ON_DEMAND = "compact-2026-09-04"
"""The beta of a request for a compaction, and of every later one with its block."""
THRESHOLD = "compact-2026-01-12"
"""The beta under which a history is summarized once a prompt passes a threshold."""
_EDIT = "compact_20260112"
_TRIGGER, _LEAST_TRIGGER = 150_000, 50_000


def check_compaction(body: dict[str, Any], betas: str) -> None:
    """Hold what a request says of compaction against the rules.

    Args:
        body: The request.
        betas: The header `anthropic-beta`.

    Raises:
        Refusal: A beta is missing, a field has another shape, or goes with what it cannot.
    """
    asked = body.get("compaction")
    if asked is not None:
        if ON_DEMAND not in betas:
            raise Refusal("compaction: Extra inputs are not permitted")
        if not isinstance(asked, dict) or asked.get("type") != "summarize":
            raise Refusal("compaction.type: Input should be 'summarize'")
        _check_alone(body)
    if signed_block(body) is not None and ON_DEMAND not in betas:
        raise Refusal(
            f"messages.0.content.0: a signed `compaction` block needs the beta {ON_DEMAND}"
        )
    if (edit := _edit_of(body)) is not None:
        if THRESHOLD not in betas:
            raise Refusal(f"context_management.edits: {_EDIT} needs the beta {THRESHOLD}")
        if _trigger_of(edit) < _LEAST_TRIGGER:
            raise Refusal(
                f"context_management.edits: trigger.value must be at least {_LEAST_TRIGGER}"
            )


def _check_alone(body: dict[str, Any]) -> None:
    """What shapes an answer, or edits the history, goes with no compaction on demand."""
    for name in ("context_management", "stop_sequences", "output_format"):
        if body.get(name) is not None:
            raise Refusal(f"compaction: cannot be combined with `{name}`")
    if (body.get("output_config") or {}).get("format") is not None:
        raise Refusal("compaction: cannot be combined with `output_config.format`")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Refusal("compaction: cannot be combined with a forced `tool_choice`")
    newest = body["messages"][-1]
    calls = [one for one in blocks_of(newest.get("content")) if one.get("type") == "tool_use"]
    if newest.get("role") == "assistant" and calls:
        raise Refusal("compaction: the last `assistant` turn is not finished")


def signed_block(body: dict[str, Any]) -> dict[str, Any] | None:
    """The block of a compaction on demand that a request begins with; None for none."""
    first = blocks_of(body["messages"][0].get("content"))[:1]
    if first and first[0].get("type") == "compaction" and first[0].get("signature"):
        return first[0]
    return None


def is_due(body: dict[str, Any], prompt: int) -> bool:
    """Whether a prompt of so many tokens is past the threshold that its request names."""
    edit = _edit_of(body)
    return edit is not None and prompt > _trigger_of(edit)


def pauses(body: dict[str, Any]) -> bool:
    """Whether an answer ends with its compaction, so that the caller may change what follows."""
    return bool((_edit_of(body) or {}).get("pause_after_compaction"))


def as_read(body: Any, betas: str) -> Any:
    """A request as the model reads it: from the newest compaction past a threshold on."""
    if THRESHOLD not in betas or not isinstance(body, dict):
        return body
    messages = body.get("messages")
    for place, message in reversed(list(enumerate(messages if isinstance(messages, list) else ()))):
        if not isinstance(message, dict) or message.get("role") != "assistant":
            continue
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
        if isinstance(messages, list) and "compaction" in kinds:
            at = kinds.index("compaction")
            rest = [{**message, "content": blocks[at + 1 :]}] if blocks[at + 1 :] else []
            kept = [{"role": "user", "content": [blocks[at]]}, *rest, *messages[place + 1 :]]
            return {**body, "messages": kept}
    return body


def compaction_of(body: dict[str, Any], text: str = "") -> dict[str, Any]:
    """The block that stands for a request's messages from now on, not yet signed.

    Args:
        body: The request.
        text: What it says; "" for how many messages there were.
    """
    text = text or f"Summary of {len(body['messages'])} messages."
    return {"type": "compaction", "content": text}


def _edit_of(body: dict[str, Any]) -> dict[str, Any] | None:
    managed = body.get("context_management")
    edits = managed.get("edits") if isinstance(managed, dict) else None
    found = [one for one in edits or () if isinstance(one, dict) and one.get("type") == _EDIT]
    return found[0] if found else None


def _trigger_of(edit: dict[str, Any]) -> int:
    trigger = edit.get("trigger")
    value = trigger.get("value") if isinstance(trigger, dict) else None
    return value if isinstance(value, int) else _TRIGGER
