"""Which tools a request offers, and which it insists on: what the API refuses of that."""

import re
from typing import Any

from turnfold_fake.errors import Refusal
from turnfold_fake.models import Model

_KINDS = ("any", "auto", "none", "tool")
_FORCED = ("any", "tool")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def check_tools(tools: Any) -> None:
    """Hold the tools of a request against the rules.

    Raises:
        Refusal: One is not of its documented shape, or has the name of another.
    """
    if tools is None:
        return
    if not isinstance(tools, list):
        raise Refusal("tools: Input should be a valid list")
    names = set()
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise Refusal(f"tools.{place}: Input should be an object")
        called = tool.get("name")
        if not isinstance(called, str | None):
            raise Refusal(f"tools.{place}.name: Input should be a valid string")
        if tool.get("type") in (None, "custom"):
            _check_custom(tool, f"tools.{place}.custom")
        if called is not None and called in names:
            raise Refusal("tools: Tool names must be unique.")
        names.add(called)


def check_tool_choice(body: dict[str, Any], model: Model) -> None:
    """Hold what a request says of the choice of tools against the rules.

    Args:
        body: The request, its tools and its settings checked.
        model: The model it names.

    Raises:
        Refusal: It is not of its documented shape, names no tool of the request, or forces one
            where the model thinks: since this request says so, or since it always does, whether
            its thinking is bound to what came before or not.
    """
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if kind not in _KINDS:
        raise Refusal(
            f"tool_choice: Input tag {kind!r} found using 'type' does not match any of the "
            f"expected tags: {', '.join(map(repr, _KINDS))}"
        )
    if not isinstance(choice.get("disable_parallel_tool_use"), bool | None):
        raise Refusal(
            f"tool_choice.{kind}.disable_parallel_tool_use: Input should be a valid boolean"
        )
    if kind not in _FORCED:
        return
    if kind == "tool" and not isinstance(choice.get("name"), str):
        raise Refusal("tool_choice.tool.name: Field required")
    tools = body.get("tools")
    if not tools:
        raise Refusal("tool_choice: may only be specified while providing tools")
    if kind == "tool" and choice["name"] not in [tool.get("name") for tool in tools]:
        raise Refusal(f"tool_choice: Tool '{choice['name']}' not found in provided tools")
    if model.always_thinks:
        raise Refusal(f"tool_choice: '{kind}' is not supported for this model")
    if (body.get("thinking") or {}).get("type") == "enabled":
        raise Refusal("Thinking may not be enabled when tool_choice forces tool use.")


def _check_custom(tool: dict[str, Any], path: str) -> None:
    for name in ("name", "input_schema"):
        if tool.get(name) is None:
            raise Refusal(f"{path}.{name}: Field required")
    if not _NAME.fullmatch(tool["name"]):
        raise Refusal(f"{path}.name: String should match pattern '^{_NAME.pattern}$'")
    schema = tool["input_schema"]
    if not isinstance(schema, dict):
        raise Refusal(f"{path}.input_schema: Input should be an object")
    if schema.get("type") != "object":
        raise Refusal(f"{path}.input_schema.type: Input should be 'object'")
