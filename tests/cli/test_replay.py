"""A replay's numbers: every request is taken, sums add up, and a store is not paid twice."""

import json
import math

import pytest
from support.embedders import HashedWords
from support.talks import messages_of, talk
from turnfold import Policy, open_store
from turnfold.accounting.prices import Usage
from turnfold_cli.replay import Replay, SharedEmbedder, replay, steps_of
from turnfold_cli.replay_results import Result, TurnFigures
from turnfold_cli.strategies import (
    FULL,
    STRATEGIES,
    TURNFOLD,
    WINDOW_TOKENS,
    last_messages,
    strategies_named,
    within_tokens,
)
from turnfold_cli.transcripts import parse_transcript

TURN_USAGE = Usage(100, output_tokens=10)

POLICY = Policy(fold_at=1_200, keep_tokens=400, summary_tokens=200, recall_tokens=300)


@pytest.fixture(scope="module")
def results():
    both = parse_transcript(json.dumps([talk("one"), talk("two", 9)]), name="boats.json")
    return replay(both, STRATEGIES, policy=POLICY, embedder=SharedEmbedder(HashedWords()))


def of(results, name):
    return next(one for one in results if one.strategy == name)


def test_nothing_is_refused_and_nothing_degraded(results):
    assert len(results) == 2 * len(STRATEGIES)
    assert [(one.refused, one.refusals, one.degraded) for one in results] == [(0, (), ())] * len(
        results
    )


def test_where_the_tokens_went_adds_up(results):
    for one in results:
        if one.parts is not None:
            assert sum(one.parts.as_json().values()) == one.input_tokens
            assert one.parts.summarizer == one.summary_tokens


def test_every_strategy_answers_every_turn(results):
    for one in results:
        assert len(one.turns) == (14 if one.conversation == "one" else 9)
        assert one.requests == len(one.turns) + len(one.asked) + one.summaries_written


def test_full_history_grows_and_memory_does_not(results):
    full, mine = of(results, "full"), of(results, "turnfold")
    assert [turn.input_tokens for turn in full.turns] == sorted(
        turn.input_tokens for turn in full.turns
    )
    assert mine.turns[-1].usage.prompt_tokens < full.turns[-1].usage.prompt_tokens / 2
    assert sum(turn.folded for turn in mine.turns) > 5


def test_the_prompt_cache_pays_for_full_history_and_not_for_a_sliding_window(results):
    full, window = of(results, "full"), of(results, "window-turns")
    assert full.dollars() < full.dollars(cached=False)
    assert sum(turn.usage.cache_read for turn in window.turns[-3:]) == 0


def test_cheaper_reads_make_a_cheaper_bill(results):
    full = of(results, "full")
    bills = [full.dollars(read=read) for read in (0.1, 0.05, 0.025)]
    assert bills == sorted(bills, reverse=True)
    assert math.isclose(bills[1], full.dollars()), "its list price"


def test_what_is_asked_is_found_where_it_should_be(results):
    assert of(results, "full").evidence == 1
    assert of(results, "turnfold").asked[0].share == 1
    assert of(results, "summary").parts.recalled == 0
    assert of(results, "retrieval").summaries_written == 0
    assert [one.id for one in of(results, "full").asked] == ["words", "turns"]


def test_joined_results_are_their_sum(results):
    pair = [one for one in results if one.strategy == "turnfold"]
    joined = Result.joined(pair, "all")
    assert joined.input_tokens == sum(one.input_tokens for one in pair)
    assert math.isclose(joined.dollars(), sum(one.dollars() for one in pair))
    assert joined.as_json()["conversation"] == "all"


def test_the_same_replay_twice_sends_the_same(results, conversation):
    again = replay([conversation], [TURNFOLD], policy=POLICY, embedder=HashedWords())[0]
    first = of(results, "turnfold")
    assert [turn.usage for turn in again.turns] == [turn.usage for turn in first.turns]
    assert again.asked == first.asked


def test_no_stored_summary_is_paid_again(tmp_path, conversation):
    """Broken off in the middle and started again, a replay ends as if it had run through."""
    whole = replay([conversation], [TURNFOLD], policy=POLICY, embedder=HashedWords())[0]
    url = f"sqlite:{tmp_path / 'memory.db'}"
    with open_store(url) as store:
        broken = Replay(TURNFOLD, conversation, policy=POLICY, embedder=HashedWords(), store=store)
        turns = broken.play()
        for _ in range(8):
            next(turns)
        paid = broken.result().summaries_written
    assert paid
    with open_store(url) as store:
        [again] = replay(
            [conversation], [TURNFOLD], policy=POLICY, embedder=HashedWords(), store=store
        )
    assert again.summaries_found == paid
    assert again.summaries_written + paid == whole.summaries_written
    assert [turn.usage for turn in again.turns] == [turn.usage for turn in whole.turns]


def test_texts_are_embedded_once_for_all_strategies(conversation):
    inner = HashedWords()
    replay([conversation], STRATEGIES, policy=POLICY, embedder=SharedEmbedder(inner))
    assert len(inner.texts) == len(set(inner.texts))


def test_a_step_is_told_of_each_turn_and_question(conversation):
    told = []
    replay([conversation], [FULL], on_step=told.append)
    assert len(told) == steps_of(conversation, questions=True) == 14 + 2


def test_refusals_are_counted_and_told():
    lone = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "5 o'clock"}
    wrong = [{"role": "user", "content": [lone]}, {"role": "assistant", "content": "It is late."}]
    [talk_of_tools] = parse_transcript(json.dumps(wrong), name="tools.json")
    [result] = replay([talk_of_tools], [FULL])
    assert result.refused == 1
    assert "tool_result" in result.refusals[0]


def test_tool_calls_are_replayed_whole():
    calls = []
    for n in range(16):
        use = {"type": "tool_use", "id": f"toolu_{n}", "name": "clock", "input": {"zone": n}}
        done = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "5 o'clock " * 40}
        calls += [
            {"role": "user", "content": f"What time is it in zone {n}?"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [done]},
            {"role": "assistant", "content": f"Five in zone {n}."},
        ]
    tools = [{"name": "clock", "input_schema": {"type": "object"}}]
    [conversation] = parse_transcript(
        json.dumps({"messages": calls, "tools": tools}), name="tools.json"
    )
    results = replay([conversation], STRATEGIES, policy=POLICY, embedder=HashedWords())
    assert [one.refusals for one in results] == [()] * len(STRATEGIES)


def test_windows_begin_where_the_api_wants_them_to():
    history = messages_of(30)[:-1]
    assert len(last_messages(history)) == 19
    assert last_messages(history)[0]["role"] == "user"
    assert last_messages(history[:3]) == history[:3]
    long = [{**message, "content": message["content"] * 5} for message in history]
    cut = within_tokens(long)
    assert cut[0] == long[0]
    assert cut[-1] == long[-1]
    assert [one["role"] for one in cut] == ["user", "assistant"] * (len(cut) // 2) + ["user"]
    assert sum(len(one["content"]) for one in cut) / 3.8 < WINDOW_TOKENS
    assert within_tokens(history[:3]) == history[:3]


def test_strategies_by_name():
    assert list(strategies_named([])) == list(STRATEGIES)
    assert [one.name for one in strategies_named(["turnfold", "full"])] == ["full", "turnfold"]
    with pytest.raises(KeyError):
        strategies_named(["magic"])


def test_an_unknown_summarizer_costs_nothing_known():
    turn = TurnFigures(usage=TURN_USAGE, summaries=(TURN_USAGE,), summary_model="my-own")
    assert turn.dollars() == TurnFigures(usage=TURN_USAGE).dollars()
