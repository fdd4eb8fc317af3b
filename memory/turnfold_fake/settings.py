"""What a request asks of the answer: thinking, output format, where to stop."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from turnfold_fake.errors import Refusal
from turnfold_fake.models import EFFORTS, OFF, THINKING_TYPES, Model
from turnfold_fake.references import check_references

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


def check_settings(body: dict[str, Any], model: Model) -> None:
    """Hold the settings of a request against the rules.

    Args:
        body: The request.
        model: What it names.

    Raises:
        Refusal: One is not of its documented shape, or not for this model.
    """
    for name in ("thinking", "output_config", "metadata", "cache_control", "tool_choice"):
        if body.get(name) is not None and not isinstance(body[name], dict):
            raise Refusal(f"{name}: Input should be an object")
    config = body.get("output_config") or {}
    _check_thinking(body.get("thinking"), body.get("max_tokens"), model)
    _check_effort(config.get("effort"), body.get("thinking") or {}, model)
    _check_format(config.get("format"))
    stops = body.get("stop_sequences")
    if stops is not None and not (
        isinstance(stops, list) and all(isinstance(stop, str) and stop.strip() for stop in stops)
    ):
        raise Refusal("stop_sequences: each stop sequence must contain non-whitespace")
    if not isinstance(body.get("stream"), bool | None):
        raise Refusal("stream: Input should be a valid boolean")


def _check_thinking(thinking: dict[str, Any] | None, max_tokens: int | None, model: Model) -> None:
    if thinking is None:
        return
    kind = thinking.get("type")
    if kind not in THINKING_TYPES:
        raise Refusal(f"thinking.type: Input should be one of {', '.join(THINKING_TYPES)}")
    if kind not in model.thinking:
        raise Refusal(_not_taken(kind, model))
    if kind == "between_tools" and (more := sorted(thinking.keys() - {"type"})):
        raise Refusal(f"thinking.between_tools.{more[0]}: Extra inputs are not permitted")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < _LEAST_BUDGET:
            raise Refusal(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to "
                f"{_LEAST_BUDGET}"
            )
        if max_tokens is not None and budget >= max_tokens:
            raise Refusal("`max_tokens` must be greater than `thinking.budget_tokens`")


def _not_taken(kind: str, model: Model) -> str:
    """What is said of a `thinking.type` that a model does not take."""
    if kind == "disabled" and "between_tools" in model.thinking:
        return (
            'To turn thinking off on this model, send "thinking": {"type": "between_tools"} '
            'instead of {"type": "disabled"}. The model does not think before responding. The '
            "short updates it writes between tool calls come back as thinking blocks."
        )
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    return (
        f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" '
        'and "output_config.effort" to control thinking behavior.'
    )


def _check_effort(effort: Any, thinking: dict[str, Any], model: Model) -> None:
    if effort is None:
        return
    if effort not in EFFORTS:
        raise Refusal(f"output_config.effort: Input should be {', '.join(map(repr, EFFORTS))}")
    if not model.efforts:
        raise Refusal("This model does not support the effort parameter.")
    if effort not in model.efforts:
        raise Refusal(f"output_config.effort: '{effort}' is not supported for this model")
    off = thinking.get("type") in OFF
    if off and model.cannot_be_kept_from_thinking(effort):
        raise Refusal(
            f"output_config.effort '{effort}' is not supported when thinking is disabled on this "
            "model. Use effort 'high' or below, or enable thinking."
        )


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
