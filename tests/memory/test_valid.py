"""Promise 1: any message list the API accepts becomes a request the API accepts."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawing import examples
from support.embedders import HashedWords
from support.histories import REMINDER, Caller, Scripted, steps
from support.models import NO_THINKING
from turnfold import Memory, Policy
from turnfold.request.rewrite import thinking_ids

by_number = st.builds(
    lambda fold_at, keep, **rest: Policy(
        fold_at=fold_at, keep_tokens=int(fold_at * keep), background="off", **rest
    ),
    st.sampled_from([1_000, 1_000, 1_500, 4_000]),
    st.sampled_from([0.0, 0.2, 0.6]),
    keep_exchanges=st.integers(0, 3),
    recall_tokens=st.sampled_from([0, 200, 1_000]),
    summary_tokens=st.sampled_from([100, 600]),
    recall_floor=st.sampled_from([-1.0, 0.3]),
    scope=st.sampled_from(["conversation", "user"]),
    placement=st.sampled_from(["auto", "append", "before_window"]),
    cache=st.sampled_from(["auto", "off"]),
)
policies = st.one_of(by_number, st.builds(Policy.for_budget, st.sampled_from([500, 1_000])))
histories = st.lists(steps(), min_size=1, max_size=8)
thinking_modes = st.sampled_from(["enforced", "dropped", "unenforced"])


def newest_exchange(messages):
    """The messages from the last opening on; of one that has results too, what follows them."""
    start = place = 0
    for index, message in enumerate(messages[1:], 1):
        answered = any(m["role"] == "assistant" for m in messages[start:index])
        content = blocks(message)
        results = [n for n, b in enumerate(content, 1) if b["type"] == "tool_result"]
        own = [b for b in content[len(results) :] if b["type"] == "text"]
        # The reminder that is not marked is taken for the user's where it is heard first.
        reminded = {REMINDER} | {
            b["text"]
            for m in messages[:index]
            if any(b["type"] == "tool_result" for b in blocks(m))
            for b in blocks(m)
            if b["type"] == "text"
        }
        said = any(b["text"].strip() and b["text"] not in reminded for b in own)
        if message["role"] == "user" and answered and (not results or said):
            start, place = index, len(results)
    first = {"role": "user", "content": blocks(messages[start])[place:]}
    return [first, *messages[start + 1 :]]


def blocks(message):
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [
        {k: v for k, v in b.items() if k != "cache_control"}
        for b in content
        if b["type"] not in {"thinking", "redacted_thinking"}
    ]


def check_whole_history(history, policy, mode, thinking):
    """A caller with a past meets memory for the first time, with all of it at once."""
    bare = Scripted(thinking=mode)
    caller = Caller(bare.client(max_retries=0), bare, thinking=thinking)
    for step in history[:-1]:
        caller.run(step)
    caller.run(history[-1], finish=False)
    before = copy.deepcopy(caller.history)

    with Memory("memory:", policy=policy, embedder=HashedWords()) as memory:
        caller.client = memory.wrap(bare.client(max_retries=0))
        caller.ask("Done.")

    assert [call.status for call in bare.calls] == [200] * len(bare.calls)
    assert caller.history[:-1] == before, "the caller's messages were changed"
    # A system message that is carried over from what was folded may stand among the newest.
    last = bare.asked()[-1].body
    sent = [one for one in last["messages"] if one["role"] != "system"]
    newest = [one for one in newest_exchange(before) if one["role"] != "system"]
    for ours, theirs in zip(sent[-len(newest) :], newest, strict=True):
        assert ours["role"] == theirs["role"]
        said = blocks(ours)
        assert said[len(said) - len(blocks(theirs)) :] == blocks(theirs)


@examples(few=100, many=300)
@given(histories, policies, thinking_modes, st.sampled_from([None, NO_THINKING]))
def test_a_whole_history_met_at_once_stays_valid(history, policy, mode, thinking):
    check_whole_history(history, policy, mode, thinking)


def check_turn_by_turn(history, policy, mode):
    """A caller talks through memory from the start: no request is refused."""
    fake = Scripted(thinking=mode)
    with Memory("memory:", policy=policy, embedder=HashedWords()) as memory:
        caller = Caller(memory.wrap(fake.client(max_retries=0), conversation="c"), fake)
        for step in history:
            before = copy.deepcopy(caller.history)
            caller.run(step)
            assert caller.history[: len(before)] == before
    assert [call.status for call in fake.calls] == [200] * len(fake.calls)
    return fake


@examples(few=50, many=200)
@given(histories, policies, thinking_modes)
def test_a_conversation_through_memory_stays_valid(history, policy, mode):
    check_turn_by_turn(history, policy, mode)


@pytest.mark.soak
@examples(few=20_000, many=20_000)
@given(histories, policies, thinking_modes)
def test_a_conversation_through_memory_stays_valid_at_length(history, policy, mode):
    check_turn_by_turn(history, policy, mode)
    check_whole_history(history, policy, mode, None)


def test_thinking_is_kept_within_an_epoch_and_dropped_after_a_fold():
    fake = Scripted()
    policy = Policy(fold_at=1_000, keep_tokens=500, keep_exchanges=1, background="off")
    with Memory("memory:", policy=policy, embedder=HashedWords()) as memory:
        caller = Caller(memory.wrap(fake.client(), conversation="c"), fake)
        kept = []
        for number in range(12):
            caller.history.append(
                {"role": "user", "content": f"Question {number}. " + "ember " * 60}
            )
            caller.ask(f"Answer {number}. " + "fjord " * 60)
            sent = fake.asked()[-1].body["messages"]
            answers = [m for m in sent if m["role"] == "assistant"]
            kept.append((len(answers), sum(bool(thinking_ids(m)) for m in answers)))
    assert (3, 3) in kept or (2, 2) in kept, "thinking should stay while nothing is folded"
    assert any(answers > thoughts for answers, thoughts in kept), "a fold should drop some"
    assert {call.status for call in fake.calls} == {200}
