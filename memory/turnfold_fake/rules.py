"""What a request must keep, or be refused with 400: its shape, message by message."""

from collections.abc import Mapping
from typing import Any

from turnfold_fake.citing import check_citations
from turnfold_fake.errors import Refusal
from turnfold_fake.fields import check_fields
from turnfold_fake.marks import check_marks
from turnfold_fake.models import Model, find_model
from turnfold_fake.pairing import SERVER_USES, check_pairing, is_server_result
from turnfold_fake.prompt import THINKING
from turnfold_fake.settings import check_settings
from turnfold_fake.tool_choice import check_tool_choice, check_tools

MOST_MESSAGES = 100_000
MOST_BYTES = 32 * 1024 * 1024
_SAMPLING_REFUSED_SINCE = "2026-10-21"
_RESULTS = frozenset(
    {
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "advisor_tool_result",
        "mcp_tool_result",
    }
)
_USER = frozenset(
    {"text", "image", "document", "search_result", "tool_result", "container_upload"}
    | {"compaction", "mcp_tool_listing", "browser_state", "fallback"}
)
_ASSISTANT = frozenset(
    {"text", "tool_use", "compaction", "container_upload", "fallback", "mcp_tool_listing"}
    | {"image", "search_result"}
    | THINKING
    | SERVER_USES
    | _RESULTS
)
_SYSTEM = frozenset({"text", "tool_addition", "tool_removal"})
_IN_RESULT = frozenset(
    {"text", "image", "document", "search_result", "tool_reference", "browser_state"}
)
_FIELDS = {"user": _USER, "assistant": _ASSISTANT, "system": _SYSTEM}
_REQUIRED: Mapping[str, tuple[tuple[str, type], ...]] = {
    "text": (("text", str),),
    "image": (("source", dict),),
    "document": (("source", dict),),
    "thinking": (("thinking", str), ("signature", str)),
    "redacted_thinking": (("data", str),),
    "tool_use": (("id", str), ("name", str), ("input", dict)),
    "server_tool_use": (("id", str), ("name", str), ("input", dict)),
    "tool_result": (("tool_use_id", str),),
}
_SAMPLING = ("temperature", "top_p", "top_k")


def check_request(body: Any, version: str, betas: str = "", *, counting: bool = False) -> Model:
    """Hold a request against the rules that need no counting.

    Args:
        body: The parsed body.
        version: The header `anthropic-version`.
        betas: The header `anthropic-beta`.
        counting: For `count_tokens`, which takes no `max_tokens`.

    Returns:
        The model it names.

    Raises:
        Refusal: The first rule it breaks.
    """
    if not isinstance(body, dict):
        raise Refusal("The request body is not valid JSON: expected an object")
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            raise Refusal(f"{name}: Field required")
    if not isinstance(body["model"], str):
        raise Refusal("model: Input should be a valid string")
    model = find_model(body["model"])
    if model is None:
        raise Refusal(f"model: {body['model']}", "not_found_error")
    check_fields(body, betas)
    if not counting:
        _check_numbers(body, model, version)
    check_settings(body, model)
    _check_system(body.get("system"))
    check_tools(body.get("tools"))
    check_tool_choice(body, model)
    _check_messages(body["messages"], model)
    if body.get("compaction") is None:
        _check_end(body["messages"], model)
    check_marks(body)
    return model


def _check_messages(messages: Any, model: Model) -> None:
    if not isinstance(messages, list):
        raise Refusal("messages: Input should be a valid list")
    if not messages:
        raise Refusal("messages: at least one message is required")
    if len(messages) > MOST_MESSAGES:
        raise Refusal(f"messages: at most {MOST_MESSAGES} messages are allowed")
    images = sum(_check_message(messages, place) for place in range(len(messages)))
    if images > model.max_images:
        raise Refusal(f"Too many images in the request: {images} > {model.max_images} maximum")
    _check_order(messages)
    check_pairing(messages)
    check_citations(messages)


def _check_numbers(body: dict[str, Any], model: Model, version: str) -> None:
    most = body["max_tokens"]
    if not isinstance(most, int) or isinstance(most, bool):
        raise Refusal("max_tokens: Input should be a valid integer")
    if most < 0:
        raise Refusal("max_tokens: Input should be greater than or equal to 0")
    if most > model.max_output:
        raise Refusal(
            f"max_tokens: {most} > {model.max_output}, which is the maximum allowed number of "
            f"output tokens for {body['model']}"
        )
    if version >= _SAMPLING_REFUSED_SINCE:
        for name in _SAMPLING:
            if body.get(name) is not None:
                raise Refusal(f"{name}: Extra inputs are not permitted")


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise Refusal("system: Input should be a valid string or list")
    for place, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise Refusal(f"system.{place}.type: Input should be 'text'")
        if not isinstance(block.get("text"), str):
            raise Refusal(f"system.{place}.text: Field required")
        if not block["text"] and not block.get("cache_control"):
            raise Refusal("system: text content blocks must be non-empty")


def _check_message(messages: list[Any], place: int) -> int:
    """One message by itself; the number of its images."""
    message = messages[place]
    if not isinstance(message, dict):
        raise Refusal(f"messages.{place}: Input should be an object")
    role = str(message.get("role"))
    allowed = _FIELDS.get(role)
    if allowed is None:
        raise Refusal(
            f"messages.{place}.role: Input should be 'user', 'assistant' or 'system', got {role!r}"
        )
    if message.get("clear_at") is not None and role != "system":
        raise Refusal(f"messages.{place}.clear_at: only permitted on system messages")
    content = message.get("content")
    if content is None and role == "system" and message.get("output_config"):
        return 0
    if content is None:
        raise Refusal(f"messages.{place}.content: Field required")
    if not content and not (role == "assistant" and place == len(messages) - 1):
        raise Refusal(
            f"messages.{place}: all messages must have non-empty content except for the "
            "optional final assistant message"
        )
    if isinstance(content, str):
        return 0
    if not isinstance(content, list):
        raise Refusal(f"messages.{place}.content: Input should be a valid string or list")
    return sum(
        _check_block(block, allowed, role, f"messages.{place}.content.{j}")
        for j, block in enumerate(content)
    )


def _check_block(block: Any, allowed: frozenset[str], role: str, path: str) -> int:
    if not isinstance(block, dict):
        raise Refusal(f"{path}: Input should be an object")
    kind = block.get("type")
    if not isinstance(kind, str):
        raise Refusal(f"{path}.type: Field required")
    if kind not in allowed:
        if kind == "document":
            raise Refusal(f"{path}: `document` blocks are not allowed in {role} messages")
        raise Refusal(
            f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected "
            f"tags for role '{role}'"
        )
    for name, wanted in _REQUIRED.get(kind, ()):
        if not isinstance(block.get(name), wanted):
            raise Refusal(f"{path}.{kind}.{name}: Field required")
    if kind == "text":
        _check_text(block, role, path)
    if kind == "tool_result":
        return _check_result(block, path)
    if kind == "document" and not isinstance(block["source"].get("data"), str | None):
        raise Refusal(f"{path}.document.source.data: Input should be a valid string")
    return int(kind == "image")


def _check_text(block: dict[str, Any], role: str, path: str) -> None:
    # An empty text with a mark is refused for its mark, which is the clearer message.
    if not block["text"] and not block.get("cache_control"):
        raise Refusal("messages: text content blocks must be non-empty")
    if role == "user" and block.get("citations"):
        raise Refusal(f"{path}.text.citations: not permitted in user messages")


def _check_result(block: dict[str, Any], path: str) -> int:
    content = block.get("content")
    if isinstance(content, str | None):
        return 0
    if not isinstance(content, list):
        raise Refusal(f"{path}.tool_result.content: Input should be a valid string or list")
    return sum(
        _check_block(each, _IN_RESULT, "tool_result", f"{path}.content.{k}")
        for k, each in enumerate(content)
    )


def _check_order(messages: list[dict[str, Any]]) -> None:
    first = messages[0]["role"]
    if first == "system":
        raise Refusal("messages.0: a system message may not be the first message")
    if first != "user":
        raise Refusal('messages: first message must use the "user" role')
    before: dict[str, Any] = {}
    for place, message in enumerate(messages):
        if message["role"] != "system":
            before = message
        elif before["role"] == "assistant" and not _ends_in_server_result(before):
            raise Refusal(
                f"messages.{place}: a system message must follow a user message, or an assistant "
                "message that ends with a server tool result"
            )
    _check_compaction(messages)


def _check_end(messages: list[dict[str, Any]], model: Model) -> None:
    """A history ends with what is to be answered; one that is to be compacted need not."""
    last = messages[-1]
    if last["role"] == "assistant" and not model.prefill and not _pauses(last):
        raise Refusal(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )


def _check_compaction(messages: list[dict[str, Any]]) -> None:
    found = [
        (i, j)
        for i, message in enumerate(messages)
        if isinstance(message.get("content"), list)
        for j, block in enumerate(message["content"])
        if block["type"] == "compaction"
    ]
    if found and found[0] != (0, 0):
        i, j = found[0]
        raise Refusal(f"messages.{i}.content.{j}: a `compaction` block must come first")
    if len(found) > 1:
        i, j = found[1]
        raise Refusal(f"messages.{i}.content.{j}: only one `compaction` block is allowed")


def _ends_in_server_result(message: dict[str, Any]) -> bool:
    content = message.get("content")
    return bool(content) and isinstance(content, list) and is_server_result(content[-1]["type"])


def _pauses(message: dict[str, Any]) -> bool:
    """Whether a trailing assistant message is a paused turn or open tool use, not a prefill."""
    content = message.get("content")
    if not content or not isinstance(content, list):
        return False
    kind = content[-1]["type"]
    return kind in SERVER_USES or kind == "tool_use" or is_server_result(kind)
