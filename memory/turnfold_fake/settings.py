"""What a request asks of the answer: thinking, output format, where to stop."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from turnfold_fake.errors import Refusal
from turnfold_fake.references import check_references

_THINKING_TYPES = ("adaptive", "between_tools", "disabled", "enabled")
_LEAST_BUDGET = 1_024
_NESTED = MappingProxyType(
    {
        "properties": dict,
        "$defs": dict,
        "definitions": dict,
        "anyOf": list,
        "oneOf": list,
        "allOf": list,
    }
)


def check_settings(body: dict[str, Any]) -> None:
    """Hold the settings of a request against the rules.

    Raises:
        Refusal: One is not of its documented shape.
    """
    for name in ("thinking", "output_config", "metadata", "cache_control", "tool_choice"):
        if body.get(name) is not None and not isinstance(body[name], dict):
            raise Refusal(f"{name}: Input should be an object")
    _check_thinking(body.get("thinking"), body.get("max_tokens"))
    _check_format((body.get("output_config") or {}).get("format"))
    stops = body.get("stop_sequences")
    if stops is not None and not (
        isinstance(stops, list) and all(isinstance(stop, str) and stop.strip() for stop in stops)
    ):
        raise Refusal("stop_sequences: each stop sequence must contain non-whitespace")
    if not isinstance(body.get("stream"), bool | None):
        raise Refusal("stream: Input should be a valid boolean")


def _check_thinking(thinking: dict[str, Any] | None, max_tokens: int | None) -> None:
    if thinking is None:
        return
    kind = thinking.get("type")
    if kind not in _THINKING_TYPES:
        raise Refusal(f"thinking.type: Input should be one of {', '.join(_THINKING_TYPES)}")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < _LEAST_BUDGET:
            raise Refusal(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to "
                f"{_LEAST_BUDGET}"
            )
        if max_tokens is not None and budget >= max_tokens:
            raise Refusal("`max_tokens` must be greater than `thinking.budget_tokens`")


def _check_format(wanted: Any) -> None:
    if wanted is None:
        return
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise Refusal("output_config.format.type: Input should be 'json_schema'")
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        raise Refusal("output_config.format.schema: Field required")
    for each in _schemas(schema):
        if each.get("type") == "object" and each.get("additionalProperties") is not False:
            raise Refusal(
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be "
                "explicitly set to false"
            )
    check_references(schema)


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all those in it."""
    if not isinstance(schema, dict):
        raise Refusal("output_config.format.schema: Invalid schema: expected an object")
    yield schema
    inner = [schema["items"]] if "items" in schema else []
    for name, shape in _NESTED.items():
        if not isinstance(schema.get(name), shape | None):
            raise Refusal(f"output_config.format.schema: Invalid schema: {name}")
        nested = schema.get(name) or []
        inner += nested.values() if isinstance(nested, dict) else nested
    for each in inner:
        yield from _schemas(each)
