"""Compaction by the provider, by its documented rules: on demand, and past a threshold."""

import anthropic
import pytest
from support.models import DEFAULT
from turnfold_fake import FakeClaude

ON_DEMAND, THRESHOLD = "compact-2026-09-04", "compact-2026-01-12"
LONG = "The boat is called Heron and lies at berth 41. " * 40


def talk(client, turns, messages=(), **fields):
    """A history of so many turns, the thoughts of the answers included."""
    messages = list(messages)
    for number in range(turns):
        messages.append({"role": "user", "content": f"Turn {number}. {LONG}"})
        answer = say(client, messages, **fields)
        messages.append({"role": "assistant", "content": plain(answer)})
    return messages


def say(client, messages, **fields):
    fields = {"model": DEFAULT, "max_tokens": 500, "betas": [ON_DEMAND], **fields}
    return client.beta.messages.create(messages=messages, **fields)


def plain(answer):
    return [block.model_dump(exclude_none=True) for block in answer.content]


def compacted(client, messages):
    answer = say(client, messages, extra_body={"compaction": {"type": "summarize"}})
    assert answer.stop_reason == "compaction"
    [block] = plain(answer)
    return {"role": "user", "content": [block]}


@pytest.fixture
def client():
    return FakeClaude().client(max_retries=0)


def test_what_was_thought_behind_a_compaction_stays_valid(client):
    """The block stands for the messages it was made of; what followed them follows it."""
    messages = talk(client, 4)
    kept = [compacted(client, messages[:5]), *messages[5:]]
    assert any(block["type"] == "thinking" for block in kept[-1]["content"])
    again = talk(client, 2, kept)
    assert say(client, [*again, {"role": "user", "content": "And now?"}]).content


def test_turns_that_follow_have_to_be_unchanged(client):
    messages = talk(client, 4)
    kept = [compacted(client, messages[:3]), *messages[5:], {"role": "user", "content": "Well?"}]
    with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
        say(client, kept)


@pytest.mark.parametrize("change", [{"content": "Nothing was said."}, {"signature": "eHg="}])
def test_a_block_goes_back_as_it_came(client, change):
    messages = talk(client, 2)
    first = compacted(client, messages[:3])
    first["content"][0] |= change
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `compaction`"):
        say(client, [first, {"role": "user", "content": "And now?"}])


def test_every_later_request_needs_the_beta(client):
    first = compacted(client, talk(client, 2)[:3])
    with pytest.raises(anthropic.BadRequestError, match=ON_DEMAND):
        say(client, [first, {"role": "user", "content": "And now?"}], betas=[])


def edit(value=50_000, **fields):
    trigger = {"type": "input_tokens", "value": value}
    return {"edits": [{"type": "compact_20260112", "trigger": trigger, **fields}]}


def past_it(client, **fields):
    asked = [{"role": "user", "content": LONG * 130}]
    answer = say(client, asked, betas=[THRESHOLD], context_management=edit(**fields))
    return asked, answer


def test_past_a_threshold_the_answer_begins_with_a_block_and_is_read_from_there(client):
    asked, answer = past_it(client)
    assert answer.content[0].type == "compaction"
    assert answer.content[-1].type == "text"
    said = [*asked, {"role": "assistant", "content": plain(answer)}]
    said.append({"role": "user", "content": "And now?"})
    later = say(client, said, betas=[THRESHOLD], context_management=edit())
    assert later.usage.input_tokens < 1_000
    assert "compaction" not in [block.type for block in later.content]


def test_it_may_pause_behind_the_block(client):
    _, answer = past_it(client, pause_after_compaction=True)
    assert [block.type for block in answer.content] == ["compaction"]
    assert answer.stop_reason == "compaction"
    assert answer.content[0].to_dict().get("signature") is None


@pytest.mark.parametrize(
    ("betas", "value", "told"),
    [
        ([THRESHOLD], 49_999, "at least 50000"),
        (["threads-2026-11-02"], 50_000, THRESHOLD),
        ([], 50_000, "context_management: Extra inputs are not permitted"),
    ],
)
def test_a_threshold_has_its_beta_and_a_least_value(client, betas, value, told):
    asked = [{"role": "user", "content": "Hi."}]
    with pytest.raises(anthropic.BadRequestError, match=told):
        say(client, asked, betas=betas, context_management=edit(value))
