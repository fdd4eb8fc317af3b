"""What each model takes about thinking and effort, by the provider's table."""

import pytest
from support.models import (
    ALWAYS_THINKS,
    DEFAULT,
    FREE_THINKING,
    LEAST_BIG_WINDOW,
    MAJOR,
    NO_PREFILL,
    NO_THINKING,
    PREFILL,
    SHOWN_THINKING,
    SUMMARY,
)
from turnfold_fake import FakeClaude, Reply

HI = [{"role": "user", "content": "Hi."}]
BUDGET = {"type": "enabled", "budget_tokens": 1_024}
KINDS = {
    "adaptive": {"type": "adaptive"},
    "between_tools": NO_THINKING,
    "disabled": {"type": "disabled"},
    "enabled": BUDGET,
}
REFUSED = {
    **{model: KINDS.keys() - {"adaptive"} for model in ALWAYS_THINKS},
    DEFAULT: {"disabled", "enabled"},
    SUMMARY: {"between_tools", "enabled"},
    MAJOR: {"between_tools", "enabled"},
    FREE_THINKING: {"between_tools", "enabled"},
    NO_PREFILL: {"between_tools"},
    LEAST_BIG_WINDOW: {"between_tools"},
    PREFILL: {"adaptive", "between_tools"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", REFUSED)
def test_which_settings_a_model_takes(door, model, kind):
    fields = {"model": model, "thinking": KINDS[kind], "max_tokens": 2_000}
    if kind in REFUSED[model]:
        assert kind in door.refusal(HI, **fields)
    else:
        assert door.accepted(HI, **fields)


def test_a_refusal_says_what_to_ask_for_instead(door):
    off = {"type": "disabled"}
    for model in ALWAYS_THINKS:
        assert door.refusal(HI, model=model, thinking=off) == (
            '"thinking.type.disabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    assert 'send "thinking": {"type": "between_tools"} instead' in door.refusal(HI, thinking=off)


@pytest.mark.parametrize("model", [DEFAULT, SUMMARY, MAJOR])
def test_thinking_stays_on_at_the_highest_efforts(door, model):
    off = NO_THINKING if model == DEFAULT else {"type": "disabled"}
    for effort in ("low", "high"):
        assert door.accepted(HI, model=model, thinking=off, output_config={"effort": effort})
    for effort in ("xhigh", "max"):
        fields = {"model": model, "output_config": {"effort": effort}}
        assert "effort 'high' or below" in door.refusal(HI, thinking=off, **fields)
        assert door.accepted(HI, **fields)


def test_efforts_that_are_none(door):
    assert "output_config.effort" in door.refusal(HI, output_config={"effort": "little"})
    refusal = door.refusal(HI, model=PREFILL, output_config={"effort": "low"})
    assert refusal == "This model does not support the effort parameter."


def test_between_tools_takes_no_other_field(door):
    shown = {**NO_THINKING, "display": "summarized"}
    assert "Extra inputs are not permitted" in door.refusal(HI, thinking=shown)


@pytest.mark.parametrize("model", [*ALWAYS_THINKS, DEFAULT, SUMMARY, MAJOR])
def test_who_thinks_untold_does_not_tell_what(door_to, model):
    """The thought is paid for, and its block is there, without a word in it."""
    reply = Reply("Yes.", thinking="word " * 50)
    door = door_to(FakeClaude([None, reply, reply]))
    assert door.accepted(HI, model=model)["content"][0]["type"] == "thinking"
    hidden = door.accepted(HI, model=model)
    shown = door.accepted(HI, model=model, thinking=SHOWN_THINKING)
    assert [one["content"][0]["thinking"] for one in (hidden, shown)] == ["", "word " * 50]
    assert hidden["usage"]["output_tokens"] == shown["usage"]["output_tokens"] > 50


@pytest.mark.parametrize("model", [FREE_THINKING, NO_PREFILL, PREFILL])
def test_who_thinks_when_told(door, model):
    assert [one["type"] for one in door.accepted(HI, model=model)["content"]] == ["text"]


def test_thinking_counts_toward_max_tokens(door_to):
    door = door_to(FakeClaude([Reply("An answer of some words.", thinking="word " * 500)] * 2))
    cut = door.accepted(HI, max_tokens=200)
    assert cut["stop_reason"] == "max_tokens"
    assert cut["usage"]["output_tokens"] <= 200
    assert [one["type"] for one in cut["content"]] == ["thinking"]
    assert door.accepted(HI, max_tokens=900)["stop_reason"] == "end_turn"
