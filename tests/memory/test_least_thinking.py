"""Summaries by models that think on their own: what each is told, and room for what it thinks."""

from dataclasses import replace

import anthropic
import httpx2
import pytest
from support.chats import MODEL, SMALL, ask, history, memory, said, stand_in
from support.models import ALWAYS_THINKS, DEFAULT, FREE_THINKING, LARGEST, PREFILL, SUMMARY
from support.other_servers import OtherServer
from turnfold import Policy
from turnfold.policy import Cap
from turnfold.request.least_thinking import (
    ROOM_TO_THINK,
    setting_of,
    told_by,
    with_least_thinking,
)
from turnfold.summarizers.optional_fields import Terms
from turnfold.summarizers.summary_model import SummaryModel
from turnfold_fake import FakeClaude, Fault, Reply
from turnfold_fake.structured import fill_schema

DISABLED = {"type": "disabled"}
BETWEEN = {"type": "between_tools"}
# What the API says, word for word, to one that cannot be kept from thinking, and to one that can.
ALWAYS_ON = (
    '"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive" and '
    '"output_config.effort" to control thinking behavior.'
)
USE_BETWEEN_TOOLS = (
    'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of '
    '{"type": "disabled"}. The model does not think before responding. The short updates it '
    "writes between tool calls come back as thinking blocks."
)
DEPLOYED = "our-own-deployment"
LONG_THOUGHT = "word " * 700
FOLDS = Policy(fold_at=1_000, keep_tokens=300, background="off")


def writes(thought, **options):
    """A stand-in whose summaries, sentences of the turns, come after a thought."""

    def summary(body):
        return Reply(fill_schema(body, 400), thinking=thought)

    return FakeClaude("All right, noted.", summary=summary, **options)


async def talk(door, fake, model=MODEL, **policy):
    """The receipts of a chat that is folded several times."""
    receipts, messages = [], []
    policy = replace(FOLDS, **policy)
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0), conversation="c")
        for number in range(1, 21):
            asked = ask(messages, said(number), model=model, max_tokens=200)
            await door.ask("create", client, asked)
            messages = [*asked["messages"], {"role": "assistant", "content": said(number, "told")}]
    return receipts


# --- what each model is told ------------------------------------------------------------------


@pytest.mark.parametrize("model", [*ALWAYS_THINKS, DEFAULT, SUMMARY, FREE_THINKING, PREFILL])
async def test_whoever_writes_summaries_is_told_what_it_takes(door, model):
    """Nothing is refused, the schema stays, and what is thought takes no room from the notes."""
    fake = writes(LONG_THOUGHT if setting_of(model) == "adaptive" else None)
    receipts = await talk(door, fake, summary_model=model)
    asked = fake.asked("summary")
    assert asked
    assert {call.status for call in fake.calls} == {200}
    assert {call.response["stop_reason"] for call in asked} == {"end_turn"}
    assert all("format" in call.body["output_config"] for call in asked)
    assert receipts[-1].in_memory > 10
    assert not any(receipt.degraded for receipt in receipts)


async def test_the_chats_own_model_writes_where_there_is_no_other(door):
    """As on a server that lacks the usual one: all Claude, and all of it thinks."""

    def lacks(body, _):
        return Fault("not_found", message=f"model: {SUMMARY}") if body["model"] == SUMMARY else None

    for model in (DEFAULT, LARGEST):
        fake = stand_in(faults=lacks)
        receipts = await talk(door, fake, model)
        assert receipts[-1].in_memory > 10
        assert {call.status for call in fake.calls if call.body["model"] == model} == {200}
        assert not any(receipt.degraded for receipt in receipts)


@pytest.mark.parametrize(
    ("model", "thinking", "effort", "room"),
    [
        (SUMMARY, DISABLED, None, 0),
        (FREE_THINKING, DISABLED, None, 0),
        (DEFAULT, BETWEEN, None, 0),
        (LARGEST, None, "low", ROOM_TO_THINK),
        (f"us.anthropic.{LARGEST}-v1:0", None, "low", ROOM_TO_THINK),
        (f"{DEFAULT}@20260928", BETWEEN, None, 0),
        (DEPLOYED, DISABLED, None, 0),
    ],
)
def test_the_table(model, thinking, effort, room):
    asked = {"model": model, "max_tokens": 100, "output_config": {"format": {}}}
    told = with_least_thinking(asked)
    assert told.get("thinking") == thinking
    assert told["output_config"].get("effort") == effort
    assert told["output_config"]["format"] == {}
    assert told["max_tokens"] == 100 + room
    assert asked == {"model": model, "max_tokens": 100, "output_config": {"format": {}}}


def test_what_a_refusal_says_to_ask_for_instead():
    assert told_by(ALWAYS_ON) == "adaptive"
    assert told_by(USE_BETWEEN_TOOLS) == "between_tools"
    assert told_by("thinking.type: 'disabled' is not supported by this model") is None
    assert told_by("adaptive thinking is not supported on this model") is None


# --- a model that is not known ----------------------------------------------------------------


class Deployed(OtherServer):
    """Has a Claude by a name of one's own."""

    def __init__(self, model, thought=False):
        super().__init__(models=(MODEL, DEPLOYED), fake=writes(thought))
        self._model = model

    def passed(self, body):
        return {**body, "model": self._model if body["model"] == DEPLOYED else body["model"]}


@pytest.mark.parametrize(
    ("model", "refused", "thinking", "effort"),
    [
        (SUMMARY, 0, DISABLED, None),
        (DEFAULT, 1, BETWEEN, None),
        (LARGEST, 1, None, "low"),
    ],
)
async def test_what_a_deployment_takes_is_found_out_once(door, model, refused, thinking, effort):
    """And its schema stays: it was not what was refused."""
    server = Deployed(model, LONG_THOUGHT if effort else False)
    receipts = await talk(door, server, summary_model=DEPLOYED)
    statuses = [status for status, _ in server.summaries()]
    assert statuses.count(400) == refused
    assert len(statuses) > 2
    for _, body in server.summaries()[refused:]:
        assert body.get("thinking") == thinking
        assert body["output_config"].get("effort") == effort
        assert "format" in body["output_config"]
    assert receipts[-1].in_memory > 10
    assert not any(receipt.degraded for receipt in receipts)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        # As the API names them, where other fields are named, too.
        (ALWAYS_ON, "thinking"),
        (USE_BETWEEN_TOOLS, "thinking"),
        ("output_config.effort 'low' is not supported when thinking is disabled", "effort"),
        ("output_config.format: Extra inputs are not permitted", "output_config"),
        # And in other servers' words.
        ("This model does not support the effort parameter.", "effort"),
        ("reasoning is not supported by this model", "thinking"),
        ("response_format: json_schema is not supported by this model", "output_config"),
        ("messages: at least one message is required", None),
    ],
)
def test_which_field_a_refusal_is_about(said, left):
    answer = httpx2.Response(400, request=httpx2.Request("POST", "http://claude"))
    wrong = anthropic.BadRequestError(said, response=answer, body=None)
    request = {
        "thinking": BETWEEN,
        "output_config": {"format": {}, "effort": "low"},
    }
    terms = Terms(SummaryModel(DEPLOYED), refused := set())
    assert terms.gives_up(request, wrong) == (left is not None)
    told = {"thinking": {"thinking", "thinking: adaptive"}, "effort": {"output_config.effort"}}
    assert refused <= told.get(left, {left})
    assert len(refused) == (left is not None)


async def test_one_that_thinks_untold_has_room_where_a_server_refuses_the_field(door):
    """A gateway that does not know `thinking` leaves a model to its own habits."""

    def refuses(body, _):
        if body["model"] == SUMMARY and "thinking" in body:
            return Fault("bad_request", message="thinking: Extra inputs are not permitted")
        return None

    fake = writes(LONG_THOUGHT, faults=refuses)
    receipts = await talk(door, fake)
    first, *others = fake.asked("summary")
    assert first.status == 400
    assert {call.status for call in others} == {200}
    assert {call.response["stop_reason"] for call in others} == {"end_turn"}
    assert {call.body["output_config"]["effort"] for call in others} == {"low"}
    assert receipts[-1].in_memory > 10


# --- where there was no room all the same ------------------------------------------------------


async def test_a_summary_that_ran_out_of_room_is_told(door):
    """A thought longer than the room for it: what notes there are is kept, and the receipt says."""
    fake = writes("word " * (ROOM_TO_THINK + 600))
    receipts = await talk(door, fake, summary_model=LARGEST)
    assert {call.response["stop_reason"] for call in fake.asked("summary")} == {"max_tokens"}
    told = [why for receipt in receipts for why in receipt.degraded]
    assert any("max_tokens" in why and LARGEST in why for why in told)
    assert receipts[-1].in_memory > 10


def test_a_cap_reckons_with_what_may_be_thought():
    def asked(model):
        fake = writes(False)
        policy = replace(SMALL, summary_model=model, turn_cap=Cap(tokens=4_000))
        with memory(policy=policy) as remembering:
            client = remembering.wrap(fake.client(max_retries=0), conversation="c")
            client.messages.create(**ask(history(12)))
        return len(fake.asked("summary"))

    assert asked(SUMMARY) > 0
    assert asked(LARGEST) == 0
