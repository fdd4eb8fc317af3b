"""What the rules need to know of each model: sizes, and which habits it has."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_MILLION = 1_000_000


THINKING_TYPES = ("adaptive", "between_tools", "disabled", "enabled")
"""All values of `thinking.type`."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""All values of `output_config.effort`, the least first."""
_OFF_TO = "high"
OFF = frozenset({"between_tools", "disabled"})
"""Those of `thinking.type` that keep a model from thinking."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model's limits.

    Attributes:
        line: `haiku`, `sonnet`, `opus`, `fable` or `mythos`.
        window: Context window in tokens.
        max_output: Largest `max_tokens`.
        least_cacheable: A prefix of fewer tokens is silently not cached.
        preserved_thinking: Binds thinking to what came before it.
        prefill: Accepts a trailing assistant message to be continued.
        thinking: The values of `thinking.type` it takes.
        thinks: Thinks where nothing is said about it.
        shows_thinking: Tells what it thought where nothing is said about that.
        off_to_high: Can be kept from thinking up to effort `high` alone.
        efforts: The values of `output_config.effort` it takes.
    """

    line: str
    window: int = _MILLION
    max_output: int = 128_000
    least_cacheable: int = 1_024
    preserved_thinking: bool = False
    prefill: bool = False
    thinking: tuple[str, ...] = ("adaptive", "disabled")
    thinks: bool = True
    shows_thinking: bool = False
    off_to_high: bool = False
    efforts: tuple[str, ...] = EFFORTS

    @property
    def max_images(self) -> int:
        """Images one request may carry."""
        return 100 if self.window <= 200_000 else 600

    @property
    def always_thinks(self) -> bool:
        """Whether it takes no `thinking.type` that keeps it from thinking, at any effort."""
        return OFF.isdisjoint(self.thinking)

    def cannot_be_kept_from_thinking(self, effort: str) -> bool:
        """Whether it thinks at an effort whatever it is told."""
        too_high = self.off_to_high and EFFORTS.index(effort) > EFFORTS.index(_OFF_TO)
        return self.always_thinks or too_high


def _always(line: str, *, bound: bool = True, least: int = 512) -> Model:
    return Model(line, least_cacheable=least, preserved_thinking=bound, thinking=("adaptive",))


def _on_demand(least: int = 1_024) -> Model:
    return Model("opus", least_cacheable=least, thinks=False)


def _four_six(line: str, least: int = 1_024) -> Model:
    kinds = ("adaptive", "disabled", "enabled")
    return Model(line, least_cacheable=least, thinking=kinds, thinks=False, shows_thinking=True)


def _four_five(line: str, least: int, efforts: tuple[str, ...] = ()) -> Model:
    return Model(
        line,
        200_000,
        64_000,
        least,
        prefill=True,
        thinking=("disabled", "enabled"),
        thinks=False,
        shows_thinking=True,
        efforts=efforts,
    )


_MODELS = MappingProxyType(
    {
        # The least cacheable length of the 5.5 models is not documented: that of their line's 5.
        "claude-fable-5-2": _always("fable"),
        "claude-fable-5-1": _always("fable"),
        "claude-fable-5": _always("fable", bound=False),
        "claude-mythos-5-2": _always("mythos"),
        "claude-mythos-5-1": _always("mythos"),
        "claude-mythos-5": _always("mythos", bound=False),
        "claude-mythos-preview": Model("mythos", thinking=("adaptive", "enabled")),
        "claude-opus-5-5": _always("opus"),
        "claude-opus-5": Model("opus", least_cacheable=512, off_to_high=True),
        "claude-opus-4-8": _on_demand(),
        "claude-opus-4-7": _on_demand(2_048),
        "claude-opus-4-6": _four_six("opus", 4_096),
        "claude-opus-4-5": _four_five("opus", 4_096, EFFORTS[:3]),
        "claude-sonnet-5-5": Model(
            "sonnet",
            preserved_thinking=True,
            thinking=("adaptive", "between_tools"),
            off_to_high=True,
        ),
        "claude-sonnet-5": Model("sonnet"),
        "claude-sonnet-4-6": _four_six("sonnet"),
        "claude-sonnet-4-5": _four_five("sonnet", 1_024),
        "claude-haiku-5-5": Model("haiku", preserved_thinking=True, off_to_high=True),
        "claude-haiku-4-5": _four_five("haiku", 4_096),
    }
)

# Clouds write `us.anthropic.claude-sonnet-5-5-v1:0`, `claude-haiku-4-5@20251001` and the like.
_NAME = re.compile(r"claude-[a-z]+-(?:preview|\d(?:-\d(?!\d))?)")


def find_model(name: str) -> Model | None:
    """The model a request names, with or without a date or a cloud's prefix; None if unknown."""
    found = _NAME.search(name)
    return _MODELS.get(found.group()) if found else None


def model_info(name: str, model: Model, window: int) -> dict[str, Any]:
    """The body of `GET /v1/models/{id}`.

    Args:
        name: The id asked for, echoed back.
        model: Its limits.
        window: The context window in force, in tokens.
    """
    yes, no = {"supported": True}, {"supported": False}
    edits = ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112")
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
        "deprecated_at": None,
        "retires_at": None,
        "lifecycle": "active",
        "line": model.line,
        "max_input_tokens": window,
        "max_tokens": model.max_output,
        "capabilities": {
            "batch": no,
            "citations": no,
            "code_execution": no,
            "context_management": {"supported": False, **dict.fromkeys(edits, no)},
            "effort": {
                "supported": bool(model.efforts),
                **{name: {"supported": name in model.efforts} for name in EFFORTS},
            },
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": False, "code_execution": no, "web_search": no},
            "structured_outputs": yes,
            "thinking": {
                "supported": True,
                "types": {name: {"supported": name in model.thinking} for name in THINKING_TYPES},
            },
        },
    }
