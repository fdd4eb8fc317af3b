"""Where it is asked for, the API itself says that requests only go on; receipts pass it on."""

import json
from dataclasses import replace

import pytest
from support.chats import MODEL, SMALL, Chat, ask, chats, history, memory, stand_in
from support.faulty import Trouble, fail, troubled_store
from turnfold import Policy
from turnfold.accounting.prices import Price
from turnfold.errors import PolicyError
from turnfold.request.cache_diagnosis import reason_in
from turnfold_fake import Reply

ASKING = replace(SMALL, diagnose_cache=True)


def named(fake):
    """The answers that requests named as those before, and the ids of the answers."""
    before = [body["diagnostics"]["previous_message_id"] for body in chats(fake)]
    ids = [call.response["id"] for call in fake.calls if call.body["model"] == MODEL]
    return before, ids


def test_between_folds_the_api_finds_no_divergence():
    """Append-only by the word of the API, and not by ours."""
    fake, receipts = stand_in(), []
    with memory(policy=ASKING, on_receipt=receipts.append) as remembering:
        Chat(remembering.wrap(fake.client(), conversation="c")).go_on(25)
    folds = [receipt for receipt in receipts if receipt.folded]
    others = [receipt for receipt in receipts if not receipt.folded]
    assert len(folds) > 1
    assert {receipt.cache_miss_reason for receipt in others} == {""}
    assert all(one.cache_miss_reason.startswith("messages_changed (") for one in folds)
    before, ids = named(fake)
    assert before == [None, *ids[:-1]]


def test_within_the_calls_of_a_tool_the_call_before_is_named():
    use = {"type": "tool_use", "name": "look", "input": {}}
    replies = iter([[use], [use], "Done."])
    fake = stand_in(lambda _: Reply(next(replies), thinking=False))
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    with memory(policy=ASKING) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        messages = ask([], "Look twice.")["messages"]
        for _ in range(3):
            answer = client.messages.create(
                model=MODEL, max_tokens=500, tools=tools, messages=messages
            )
            said = [block.model_dump(exclude_none=True) for block in answer.content]
            results = [
                {"type": "tool_result", "tool_use_id": block["id"], "content": "Seen."}
                for block in said
                if block["type"] == "tool_use"
            ]
            messages = [*messages, {"role": "assistant", "content": said}]
            messages += [{"role": "user", "content": results}] if results else []
    before, ids = named(fake)
    assert before == [None, *ids[:-1]]


def test_a_caller_who_asks_is_not_asked_for():
    """Their own question goes as it is, and the receipt tells the answer to that."""
    fake, receipts = stand_in(), []
    with memory(policy=ASKING, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask([], diagnostics={"previous_message_id": "msg_unknown"}))
    assert chats(fake)[0]["diagnostics"] == {"previous_message_id": "msg_unknown"}
    assert receipts[0].cache_miss_reason == "previous_message_not_found"


def test_unless_it_is_asked_for_nothing_is_added():
    fake, receipts = stand_in(), []
    with memory(on_receipt=receipts.append) as remembering:
        Chat(remembering.wrap(fake.client(), conversation="c")).go_on(3)
    assert not any("diagnostics" in body for body in chats(fake))
    assert [receipt.cache_miss_reason for receipt in receipts] == [None] * 3


async def test_a_stream_tells_it_too(door):
    fake, receipts = stand_in(), []
    with memory(policy=ASKING, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake), conversation="c")
        first = ask(history(3), system="Be brief.")
        await door.ask("stream", client, first)
        said = [*first["messages"], {"role": "assistant", "content": "All right."}]
        await door.ask("stream", client, ask(said, system="Be long."))
    assert receipts[0].cache_miss_reason == ""
    assert receipts[1].cache_miss_reason.startswith("system_changed (")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"diagnostics": None}, ""),
        ({}, ""),
        ({"diagnostics": {"cache_miss_reason": None}}, None),
        ({"diagnostics": {"cache_miss_reason": {"type": "unavailable"}}}, "unavailable"),
        ({"diagnostics": {"cache_miss_reason": {"type": "of_tomorrow"}}}, "of_tomorrow"),
        ({"diagnostics": "odd"}, None),
        (None, None),
    ],
)
def test_what_the_api_has_not_said_is_not_taken_for_nothing(told, reason):
    assert reason_in(told) == reason


def test_the_policy_is_told_where_it_does_not_fit():
    with pytest.raises(PolicyError, match="diagnose_cache"):
        Policy(diagnose_cache="yes")


def test_a_request_that_went_without_memory_costs_what_the_policy_says():
    trouble, receipts = Trouble(lambda *_: True, fail), []
    policy = replace(SMALL, prices={MODEL: Price.of(1_000, 0, read=1_000)})
    with memory(troubled_store(trouble), policy=policy, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        trouble.armed = True
        client.messages.create(**ask(history(2)))
    [receipt] = receipts
    assert receipt.degraded
    assert receipt.cost == pytest.approx(receipt.usage.prompt_tokens * 1_000 / 1e6)
    assert json.dumps(receipt.full_cost)
