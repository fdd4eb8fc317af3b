"""Requests that nobody goes on from cost what they would without memory."""

import pytest
from support.chats import Chat, ask, history, memory, said, stand_in
from support.models import DEFAULT
from turnfold import Policy
from turnfold.accounting.prices import Usage, cost, price_of

LONG = said(1) * 30
TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]
EXAMPLES = history(4)


def one_shots(client, times, messages=(), **fields):
    for number in range(times):
        client.messages.create(**ask([*messages], f"{said(number)} {LONG}", **fields))


def spent(fake):
    usages = [Usage.from_api(call.usage) for call in fake.calls]
    return sum(cost(usage, price_of(DEFAULT)) for usage in usages)


@pytest.mark.parametrize("fields", [{}, {"system": LONG}, {"system": "Be brief.", "tools": TOOLS}])
@pytest.mark.parametrize("name", [None, "side"])
def test_unrelated_requests_cost_what_they_cost_without_memory(name, fields):
    bare, fake = stand_in(), stand_in()
    one_shots(bare.client(), 10, **fields)
    with memory(policy=Policy()) as one:
        one_shots(one.wrap(fake.client(), conversation=name), 10, **fields)
    assert spent(fake) == spent(bare) > 0


def test_examples_ahead_of_a_one_shot_are_read_back_and_its_question_is_not_written():
    fake = stand_in()
    examples = [{**one, "content": one["content"] * 10} for one in EXAMPLES]
    with memory(policy=Policy()) as one:
        one_shots(one.wrap(fake.client()), 5, examples)
    first, *later = (Usage.from_api(call.usage) for call in fake.calls)
    assert first.cache_write_5m
    assert all(usage.cache_read == first.cache_write_5m for usage in later)
    assert all(not usage.cache_write_5m for usage in later)
    bare = stand_in()
    one_shots(bare.client(), 5, examples)
    assert spent(fake) < spent(bare)


def test_a_conversation_is_written_to_the_cache_from_its_second_request_on():
    fake = stand_in()
    with memory(policy=Policy()) as one:
        chat = Chat(one.wrap(fake.client()))
        chat.say(LONG)
        chat.say("And then?")
        chat.say("And now?")
    first, second, third = (Usage.from_api(call.usage) for call in fake.calls)
    assert first.cache_write_5m == 0 < second.cache_write_5m
    assert third.cache_read == second.prompt_tokens


def test_the_calls_of_a_tool_are_a_conversation():
    messages = [
        {"role": "user", "content": LONG},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
    ]
    fake = stand_in()
    with memory(policy=Policy()) as one:
        client = one.wrap(fake.client())
        for upto in (1, 3):
            client.messages.create(
                model=DEFAULT, max_tokens=50, tools=TOOLS, messages=messages[:upto]
            )
    alone, within = (Usage.from_api(call.usage) for call in fake.calls)
    assert alone.cache_write_5m == 0 < within.cache_write_5m


def test_the_first_request_misses_nothing_and_makes_no_turn_look_cold():
    receipts = []
    with memory(policy=Policy(), on_receipt=receipts.append) as one:
        chat = Chat(one.wrap(stand_in().client(), conversation="c"))
        for number in range(6):
            chat.say(f"{said(number)} {LONG}")
    assert [receipt.cache_missed for receipt in receipts] == [0] * 6
    assert all(receipt.usage.cache_read for receipt in receipts[2:])
