"""What the rules need to know of each model: sizes, and which habits it has."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """One model's limits.

    Attributes:
        line: `haiku`, `sonnet`, `opus`, `fable` or `mythos`.
        window: Context window in tokens.
        max_output: Largest `max_tokens`.
        least_cacheable: A prefix of fewer tokens is silently not cached.
        preserved_thinking: Thinks by default, and binds thinking to what came before it.
        prefill: Accepts a trailing assistant message to be continued.
    """

    line: str
    window: int = _MILLION
    max_output: int = 128_000
    least_cacheable: int = 1_024
    preserved_thinking: bool = False
    prefill: bool = False

    @property
    def max_images(self) -> int:
        """Images one request may carry."""
        return 100 if self.window <= 200_000 else 600


def _four_five(line: str, least: int) -> Model:
    return Model(line, 200_000, 64_000, least, prefill=True)


_MODELS = MappingProxyType(
    {
        # The least cacheable length of the 5.5 models is not documented: that of their line's 5.
        "claude-fable-5-2": Model("fable", least_cacheable=512, preserved_thinking=True),
        "claude-fable-5-1": Model("fable", least_cacheable=512, preserved_thinking=True),
        "claude-fable-5": Model("fable", least_cacheable=512),
        "claude-mythos-5-2": Model("mythos", least_cacheable=512, preserved_thinking=True),
        "claude-mythos-5-1": Model("mythos", least_cacheable=512, preserved_thinking=True),
        "claude-mythos-5": Model("mythos", least_cacheable=512),
        "claude-mythos-preview": Model("mythos"),
        "claude-opus-5-5": Model("opus", least_cacheable=512, preserved_thinking=True),
        "claude-opus-5": Model("opus", least_cacheable=512),
        "claude-opus-4-8": Model("opus"),
        "claude-opus-4-7": Model("opus", least_cacheable=2_048),
        "claude-opus-4-6": Model("opus", least_cacheable=4_096),
        "claude-opus-4-5": _four_five("opus", 4_096),
        "claude-sonnet-5-5": Model("sonnet", preserved_thinking=True),
        "claude-sonnet-5": Model("sonnet"),
        "claude-sonnet-4-6": Model("sonnet"),
        "claude-sonnet-4-5": _four_five("sonnet", 1_024),
        "claude-haiku-5-5": Model("haiku", preserved_thinking=True),
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
                "supported": True,
                **dict.fromkeys(("low", "medium", "high", "xhigh", "max"), yes),
            },
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": False, "code_execution": no, "web_search": no},
            "structured_outputs": yes,
            "thinking": {
                "supported": True,
                "types": {
                    "adaptive": yes,
                    "between_tools": yes,
                    "disabled": yes,
                    "enabled": yes,
                },
            },
        },
    }
