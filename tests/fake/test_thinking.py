"""Thinking blocks: bound to what came before them, whole, and without gaps."""

import anthropic
import pytest
from support.models import BOUND_THINKING as MODEL
from support.models import FREE_THINKING, PREFILL, SHOWN_THINKING
from turnfold_fake import FakeClaude, Reply

BOUND = "The block is bound to a different conversation"
CALL = {"type": "tool_use", "name": "find", "input": {"n": None}}
CONTROLS = "thinking-binding-controls-2026-08-01"
DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}


def user(words):
    return {"role": "user", "content": words}


def talk(door, turns=3, **fields):
    """A conversation whose every answer begins with thinking."""
    messages = []
    for n in range(turns):
        messages.append(user(f"Question {n}?"))
        answer = door.accepted(messages, **fields)
        assert answer["content"][0]["type"] == "thinking"
        messages.append({"role": "assistant", "content": answer["content"]})
    return [*messages, user("And now?")]


def without(messages, *turns):
    """The conversation without the thinking of some turns."""
    return [
        {**m, "content": [b for b in m["content"] if b["type"] != "thinking"]}
        if n % 2 and n // 2 in turns
        else m
        for n, m in enumerate(messages)
    ]


def test_history_sent_back_as_it_came_is_accepted(door):
    assert door.accepted(talk(door))


def test_all_may_go_or_the_oldest_or_the_newest(door):
    messages = talk(door)
    for gone in [(0, 1, 2), (0,), (0, 1), (2,), (1, 2)]:
        assert door.accepted(without(messages, *gone)), gone


def test_a_gap_is_refused(door):
    assert BOUND in door.refusal(without(talk(door), 1))


def test_what_was_dropped_is_not_put_back(door):
    messages = talk(door)
    bare = without(messages, 0, 1, 2)
    answer = door.accepted(bare)
    tail = [{"role": "assistant", "content": answer["content"]}, user("More?")]
    assert door.accepted([*bare, *tail])
    assert BOUND in door.refusal([*messages, *tail])


@pytest.mark.parametrize(
    "edit",
    [
        lambda m, f: m[0].update(content="Another question?"),
        lambda m, f: m.insert(0, user("An earlier one.")),
        lambda m, f: m.__delitem__(slice(0, 2)),
        lambda m, f: f.update(system="Be long."),
        lambda m, f: f.update(tools=[{"name": "a", "input_schema": {"type": "object"}}]),
    ],
    ids=["text", "inserted", "removed", "system", "tools"],
)
def test_an_edit_before_a_block_is_refused_always(door, edit):
    fields = {"system": "Be brief."}
    messages = talk(door, **fields)
    edit(messages, fields)
    first = door.refusal(messages, **fields)
    place = next(n for n, m in enumerate(messages) if m["role"] == "assistant")
    where = f"messages.{place}.content.0"
    assert first == f"{where}: Invalid `signature` in `thinking` block. {BOUND}"
    assert door.refusal(messages, **fields) == first


def test_an_edit_spares_what_stands_before_it(door):
    messages = talk(door)
    messages[2] = user("Changed?")
    assert door.refusal(messages).startswith("messages.3.content.0")
    assert door.accepted(without(messages, 1, 2))


def test_what_does_not_count(door):
    messages = talk(door, system="Be brief.")
    mark = {"type": "ephemeral"}
    same = [
        {**m, "content": [{"type": "text", "text": m["content"], "citations": None}]}
        if m["role"] == "user"
        else m
        for m in messages
    ]
    same[0]["content"][0]["cache_control"] = mark
    system = [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    effort = {"effort": "low"}
    assert door.accepted(same, system=system, max_tokens=99, output_config=effort)


def test_merged_messages_are_the_same_conversation(door):
    one = [{"role": "user", "content": [{"type": "text", "text": t} for t in "ab"]}]
    answer = {"role": "assistant", "content": door.accepted(one)["content"]}
    assert door.accepted([user("a"), user("b"), answer, user("c")])


def test_a_changed_block_is_invalid(door):
    messages = talk(door)
    messages[1]["content"][0]["thinking"] += " Really."
    assert door.refusal(messages) == (
        "messages.1.content.0: Invalid `signature` in `thinking` block"
    )


def test_a_foreign_signature_is_invalid(door):
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": "bm90IG91cnM="}
    messages = [user("a"), {"role": "assistant", "content": [foreign]}, user("b")]
    assert "Invalid `signature`" in door.refusal(messages)
    assert "Invalid `signature`" in door.refusal(messages, model=PREFILL)


def test_signatures_hold_for_stand_ins_of_one_seed(door_to):
    messages = talk(door_to(FakeClaude(seed=7)))
    assert door_to(FakeClaude(seed=7)).accepted(messages)
    assert "Invalid" in door_to(FakeClaude(seed=8)).refusal(messages)


def test_models_without_preserved_thinking_do_not_bind(door):
    messages = talk(door, thinking={"type": "adaptive"}, model=FREE_THINKING)
    assert door.accepted(messages[2:], model=FREE_THINKING)


def test_dropped_mode_leaves_misfits_out(door_to):
    door = door_to(FakeClaude(thinking="dropped"))
    messages = talk(door)
    edited = [user("Changed?"), *messages[1:]]
    answer = door.accepted(edited)
    assert answer["usage"]["input_tokens"] == door.fake.count_tokens(
        {"messages": without(edited, 0, 1, 2)}
    )
    assert "input_transformations" not in answer


def test_unenforced_mode_accepts_anything(door_to):
    door = door_to(FakeClaude(thinking="unenforced"))
    messages = talk(door)
    edited = [user("Changed?"), *messages[1:]]
    assert door.accepted(edited)["usage"]["input_tokens"] == door.fake.count_tokens(
        {"messages": edited}
    )


def test_the_beta_drops_misfits_and_says_which(fake, door):
    messages = talk(door)
    messages[2] = user("Changed?")
    client = fake.client(max_retries=0)
    message = client.beta.messages.create(
        model=MODEL, max_tokens=256, messages=messages, thinking=DROP, betas=[CONTROLS]
    )
    assert [each.path for each in message.input_transformations] == [
        "messages.3.content.0",
        "messages.5.content.0",
    ]
    assert {each.reason for each in message.input_transformations} == {"prefix_binding_mismatch"}
    with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
        client.beta.messages.create(
            model=MODEL, max_tokens=256, messages=messages, betas=[CONTROLS]
        )
    assert "block_binding" in door.refusal(messages, thinking=DROP)


TWICE = [
    {"type": "thinking", "thinking": "One."},
    {"type": "text", "text": "Let me look."},
    {"type": "thinking", "thinking": ""},
    CALL,
]


def in_a_tool_loop(door_to):
    door = door_to(FakeClaude([Reply("Hello.", thinking=""), TWICE]))
    messages = [user("Hi.")]
    for ask in (user("Find it."), None):
        content = door.accepted(messages)["content"]
        messages.append({"role": "assistant", "content": content})
        if ask:
            messages.append(ask)
    done = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "found"}
    return door, [*messages, {"role": "user", "content": [done]}]


def drop(messages, place, *blocks):
    kept = [b for j, b in enumerate(messages[place]["content"]) if j not in blocks]
    return [*messages[:place], {**messages[place], "content": kept}, *messages[place + 1 :]]


def test_in_a_tool_loop_the_latest_thinking_is_whole(door_to):
    door, messages = in_a_tool_loop(door_to)
    assert door.accepted(messages)
    assert door.accepted(drop(messages, 1, 0))
    assert "cannot be modified" in door.refusal(drop(messages, 3, 2))
    assert "cannot be modified" in door.refusal(drop(drop(messages, 1, 0), 3, 0))
    assert BOUND in door.refusal(drop(messages, 3, 0))


def test_in_a_tool_loop_all_thinking_may_go_but_not_the_latest_alone(door_to):
    door, messages = in_a_tool_loop(door_to)
    assert door.accepted(drop(drop(messages, 1, 0), 3, 0, 2))
    assert "whole or not at all" in door.refusal(drop(messages, 3, 0, 2))


def test_redacted_thinking_is_bound_too(door_to):
    hidden = [{"type": "redacted_thinking"}, {"type": "text", "text": "Yes."}]
    door = door_to(FakeClaude([hidden]))
    answer = {"role": "assistant", "content": door.accepted([user("a")])["content"]}
    assert door.accepted([user("a"), answer, user("c")])
    assert "`data` in `redacted_thinking` block" in door.refusal([user("b"), answer, user("c")])


def test_the_sdk_sends_its_own_blocks_back(fake):
    client = fake.client()
    messages = []
    for n in range(12):
        messages.append(user(f"Question {n}?"))
        asked = {"model": MODEL, "max_tokens": 256, "messages": messages}
        with client.messages.stream(**asked, thinking=SHOWN_THINKING) as stream:
            messages.append({"role": "assistant", "content": stream.get_final_message().content})
    assert all(call.status == 200 for call in fake.calls)
    thoughts = {call.response["content"][0]["thinking"] for call in fake.calls}
    assert "" in thoughts
    assert len(thoughts) > 2
