"""Long agent turns: the oldest steps are folded as exchanges are, and nothing of it is lost."""

from dataclasses import replace
from itertools import pairwise

import pytest
from support.agent import POLICY, Job, flat
from support.chats import injected, said, summaries, texts, without_marks
from support.histories import Scripted
from support.models import BOUND_THINKING, FREE_THINKING, SHOWN_THINKING
from support.oblivion import tells
from turnfold import Policy
from turnfold.request.thinking import without_thinking
from turnfold_stores import open_store

MARK = "Notes on earlier steps"


@pytest.fixture
def store():
    with open_store("memory:") as opened:
        yield opened


def test_the_opening_stays_and_notes_stand_at_its_end(store):
    job = Job(store)
    job.agent.open()
    job.agent.work(30)
    assert len([one for one in job.folded if one]) >= 2
    last = without_marks(job.bodies[-1])
    opening, *notes = [block["text"] for block in last[0]["content"]]
    assert opening == "Look at all of it, one after the other."
    assert notes
    assert MARK in notes[0]
    assert "Steps 1-" in notes[0]
    newest = without_marks({"messages": job.agent.messages[:-2]})
    kept = len(last) - 1
    assert [without_thinking(one) for one in last[1:]] == [
        without_thinking(one) for one in newest[-kept:]
    ]
    assert job.receipts[-1].tokens.sent < 0.6 * job.receipts[-1].tokens.full


def test_between_folds_each_request_is_the_one_before_and_more(store):
    job = Job(store)
    job.agent.open()
    job.agent.work(30)
    continued = 0
    for (before, after), folded in zip(pairwise(job.bodies), job.folded[1:], strict=True):
        if not folded:
            assert flat(after)[: len(flat(before))] == flat(before)
            continued += 1
    assert continued > 20


def test_another_process_sends_the_same_bytes_at_every_step(store):
    job = Job(store)
    job.agent.open()
    for _ in range(25):
        before = list(job.agent.messages)
        job.agent.step()
        sent = job.bodies[-1]
        asked = len(summaries(job.fake))
        other = job.again()
        other.agent.messages = before
        other.agent.ask("So.")
        assert job.bodies[-1] == sent
        assert len(summaries(job.fake)) == asked
        assert job.receipts[-1].tokens == other.receipts[-1].tokens
    assert sum(job.folded) > 10


def test_a_step_sent_again_goes_by_what_held_then(store):
    job = Job(store)
    job.agent.open()
    pasts = []
    for _ in range(25):
        pasts.append(list(job.agent.messages))
        job.agent.step()
    bodies = job.bodies
    for past, sent in list(zip(pasts, bodies, strict=True))[::4]:
        other = job.again()
        other.agent.messages = past
        other.agent.ask("So.")
        assert job.bodies[-1] == sent


def test_what_is_folded_of_steps_stays_as_it_is_when_the_exchange_is_closed(store):
    job = Job(store)
    job.agent.open()
    job.agent.work(25)
    job.agent.close()
    before = flat(job.bodies[-1])
    job.agent.open("Thanks.")
    job.agent.ask("You are welcome.")
    after = job.bodies[-1]
    if not job.receipts[-1].folded:
        assert flat(after)[: len(before)] == before
    assert sum(MARK in text for text in texts(after)) <= 1


def test_nothing_is_summarized_twice(store):
    """What was noted of steps goes into the leaf of their exchange."""
    job = Job(store, replace(POLICY, keep_tokens=0, keep_exchanges=0))
    job.agent.open()
    job.agent.work(25)
    noted = sum(job.folded)
    job.agent.close()
    asked = len(summaries(job.fake))
    while not job.receipts[-1].folded:
        job.agent.open(said(99, "asked"))
        job.agent.close(said(99, "told"))
    shown = [str(body) for body in summaries(job.fake)[asked:]]
    assert shown
    for number in range(1, noted + 1):
        assert not any(f"amber{number} birch{number} " in one for one in shown)
    assert "amber25 birch25 " in shown[0]
    (block,) = [text for _, _, text in injected(job.bodies[-1]) if "Turns 1-" in text]
    assert MARK not in str(job.bodies[-1])
    assert block


def test_what_is_folded_is_found_and_forgotten(store):
    job = Job(store)
    job.agent.open()
    job.agent.work(20)
    assert sum(job.folded) > 5
    (hit, *_) = job.memory.search("amber2 birch2 cedar2", user_id="ada", conversation="c")
    assert "amber2 birch2" in hit.text
    assert hit.turn == 1
    assert tells(store, "amber2 ")
    done = job.memory.forget(hit=hit, user_id="ada", conversation="c")
    assert done.exchanges == 1, "the one under way"
    assert not tells(store, "amber2 ")
    assert not job.memory.search("amber2", user_id="ada")
    job.agent.work(5)  # it goes on, and nothing of it is kept
    assert not tells(store, "amber2 ")
    assert not tells(store, "amber23 ")
    job.agent.close()
    job.agent.open("Thanks.")
    job.agent.ask("You are welcome.")
    assert not tells(store, "amber2 ")


def test_a_closed_exchange_is_forgotten_with_its_steps(store):
    job = Job(store)
    job.agent.open()
    job.agent.work(20)
    job.agent.close()
    job.agent.open("Thanks.")
    job.agent.ask("You are welcome.")
    assert tells(store, "amber2 ") > 1
    assert job.memory.forget(turn=1, user_id="ada", conversation="c").exchanges == 1
    assert not tells(store, "amber2 ")


@pytest.mark.parametrize("mode", ["enforced", "dropped", "unenforced"])
@pytest.mark.parametrize("model", [BOUND_THINKING, FREE_THINKING])
def test_thinking_goes_in_one_run_or_stays_where_it_is_not_bound(store, mode, model):
    job = Job(store, fake=Scripted(thinking=mode), model=model, max_tokens=4_000,
              thinking=SHOWN_THINKING)  # fmt: skip
    job.agent.open()
    job.agent.work(25)
    assert sum(job.folded) > 5
    assert all(call.status == 200 for call in job.fake.calls)
    for body, folded in zip(job.bodies, job.folded, strict=True):
        thinks = [
            any(block["type"] == "thinking" for block in message["content"])
            for message in without_marks(body)
            if message["role"] == "assistant"
        ]
        assert thinks == sorted(thinks), "in one run"
        if "5-5" not in model:
            assert all(thinks)
        elif folded:
            assert not any(thinks)


def test_a_limit_holds_amid_an_exchange(store):
    job = Job(store, replace(POLICY, fold_at="auto", max_prompt_tokens=2_000))
    job.agent.open()
    job.agent.work(30, parallel=2)
    assert max(one.usage.prompt_tokens for one in job.receipts) <= 2_000
    assert not [why for one in job.receipts for why in one.degraded]


def test_a_prompt_that_is_too_long_is_folded_by_steps_and_sent_once_more(store):
    job = Job(store, replace(POLICY, fold_at=50_000), fake=Scripted(window=4_000), max_tokens=500)
    job.agent.open()
    job.agent.work(30, parallel=2)
    refused = [one for one in job.fake.calls if one.status == 400 and one.kind == "chat"]
    assert len(refused) == 1, "the window is known from then on"
    assert any(
        "all but the newest step was folded" in why for why in job.receipts[-1].degraded
    ) or any("all but the newest step" in why for one in job.receipts for why in one.degraded)


def test_an_exchange_is_folded_amid_another_where_its_steps_are_not_enough(store):
    history = [
        one
        for number in range(12)
        for one in (
            {"role": "user", "content": said(number, "asked")},
            {"role": "assistant", "content": said(number, "told")},
        )
    ]
    policy = replace(POLICY, fold_at=50_000, max_prompt_tokens=2_500, keep_tokens=0)
    job = Job(store, policy, messages=history)
    job.agent.open()
    job.agent.work(6, result=said(77) * 18)
    assert max(one.usage.prompt_tokens for one in job.receipts) <= 2_500
    assert sum(one.folded for one in job.receipts) > 0
    assert sum(job.folded) > 0


@pytest.mark.parametrize(("most", "result", "stays"), [(2_000, 10, True), (2_500, 24, False)])
def test_what_the_opening_recalled_stays_as_long_as_there_is_room(store, most, result, stays):
    hidden = "The safe in the north tower opens with 4711, said the porter."
    history = [{"role": "user", "content": hidden}, {"role": "assistant", "content": said(0)}]
    for number in range(1, 25):
        history += [
            {"role": "user", "content": said(number, "asked")},
            {"role": "assistant", "content": said(number, "told")},
        ]
    policy = replace(POLICY, fold_at=1_000, keep_exchanges=8, recall_tokens=200)
    policy = replace(policy, recall_floor=-1.0, max_prompt_tokens=most)
    job = Job(store, policy, messages=history)
    job.agent.open("What opens the safe in the north tower?")
    job.agent.work(8, result=said(77) * result)
    assert len({one.folded for one in job.receipts}) > 1, "exchanges were folded amid the work"
    recalled = [
        any(hidden in text and "Said earlier" in text for _, _, text in injected(body))
        for body in job.bodies
    ]
    assert all(recalled[:4])
    assert all(recalled) is stays
    assert not [why for one in job.receipts for why in one.degraded], "each prompt had room"
    assert all(one.hits for one, stands in zip(job.receipts, recalled, strict=True) if stands)


def test_what_was_found_early_comes_back_when_it_is_asked_for(store):
    job = Job(store, replace(POLICY, recall_floor=-1.0))
    job.agent.open()
    job.agent.step("The safe in the north tower opens with 4711, said the porter.")
    job.agent.work(24)
    job.agent.close()
    job.agent.open("What opens the safe in the north tower?")
    job.agent.ask("4711.")
    assert any("4711, said the porter" in text for _, _, text in injected(job.bodies[-1]))
    assert {(hit.turn, hit.role) for hit in job.receipts[-1].hits} <= {
        (1, "tool"),
        (1, "assistant"),
    }
    assert job.receipts[-1].hits


def test_what_a_step_goes_back_to_comes_with_the_fold(store):
    job = Job(store, replace(POLICY, recall_floor=-1.0, recall_tokens=1_000))
    job.agent.open()
    hidden = "The porter keeps the key of the north tower under a stone."
    job.agent.step(f"{said(1)} {said(2)} {hidden}")
    while not sum(job.folded):
        job.agent.step(name=" where the porter keeps the key of the north tower")
    brought = [text for _, _, text in injected(job.bodies[-1]) if hidden in text]
    assert any(MARK not in text for text in brought)
    before = flat(job.bodies[-1])
    job.agent.step()
    assert flat(job.bodies[-1])[: len(before)] == before


def results_in(body):
    """What the results of a request say, by call."""
    return {
        block["tool_use_id"]: block["content"]
        for _, block in flat(body)
        if block["type"] == "tool_result"
    }


def test_a_large_result_behind_a_fold_is_cut_and_kept_whole(store):
    policy = replace(POLICY, fold_at=4_000, result_tokens=100, keep_exchanges=2, keep_tokens=0)
    job = Job(store, policy)
    job.agent.open()
    large = " ".join(said(number) for number in range(100, 110))
    while not sum(job.folded):
        job.agent.step(f"{large} {len(job.bodies)}")
    sent = results_in(job.bodies[-1])
    *cut, newest = sent.values()
    assert cut
    for call, text in list(sent.items())[:-1]:
        assert text.startswith(large[:100])
        assert text.endswith(large[-20:] + " " + text.rpartition(" ")[2])
        assert f"The whole result of {call} is kept" in text
        assert len(text) < len(large) / 3
        tool = job.memory.tool(user_id="ada", conversation="c")
        whole = tool.call({"id": call})
        assert "amber105 birch105" in whole
    assert newest.startswith(large)
    before = flat(job.bodies[-1])
    job.agent.step("Nothing.")
    assert flat(job.bodies[-1])[: len(before)] == before
    again = job.again()
    again.agent.messages = job.agent.messages[:-2]
    again.agent.ask("So.")
    assert job.bodies[-1] == job.bodies[-2]


def test_a_result_that_was_given_again_leaves_only_the_newest(store):
    job = Job(store, replace(POLICY, keep_exchanges=2, keep_tokens=0))
    job.agent.open()
    large = " ".join(said(number) for number in range(100, 103))
    while not sum(job.folded):
        job.agent.step(large)
    *before, (newest, text) = results_in(job.bodies[-1]).items()
    assert before
    assert text == large
    assert {one for _, one in before} == {f"[The same as the result of {newest}, below.]"}


def test_without_a_size_nothing_is_cut(store):
    job = Job(store, replace(POLICY, result_tokens=None, keep_exchanges=2, keep_tokens=0))
    job.agent.open()
    large = " ".join(said(number) for number in range(100, 110))
    while not sum(job.folded):
        job.agent.step(large)
    assert set(results_in(job.bodies[-1]).values()) == {large}


def test_the_list_of_what_is_to_do_is_carried_as_it_was_last_written(store):
    job = Job(store)
    job.agent.open()
    for written in ("north", "south", "east"):
        job.agent.call("todo_write", {"todos": [{"content": f"look {written}", "status": "open"}]})
    while not sum(job.folded):
        job.agent.step()
    carried = [text for _, _, text in injected(job.bodies[-1]) if "todo_write" in text]
    assert len([one for one in carried if MARK not in one]) == 1
    assert '{"todos": [{"content": "look east", "status": "open"}]}' in str(carried)
    before = flat(job.bodies[-1])
    job.agent.call("todo_write", {"todos": [{"content": "look up", "status": "open"}]})
    job.agent.step()
    assert flat(job.bodies[-1])[: len(before)] == before


def test_a_fold_of_steps_is_prepared_while_the_agent_works(store):
    job = Job(store, replace(POLICY, background="on"))
    job.agent.open()
    for _ in range(30):
        job.agent.step()
        worker = job.memory._background._thread
        if worker is not None:
            worker.join(20)
    assert sum(job.folded) > 5
    assert not any("fold" in one.seconds for one in job.receipts), "nobody waited"
    assert not [why for one in job.receipts for why in one.degraded]


def test_what_is_previewed_amid_an_exchange_is_what_is_sent(store):
    job = Job(store)
    job.agent.open()
    seen = 0
    for _ in range(20):
        asked = {"messages": job.agent.messages, **job.agent.fields}
        before = {one.id for one in store.ledger.scan("ada")}
        preview = job.memory.preview(asked, user_id="ada", conversation="c")
        assert before == {one.id for one in store.ledger.scan("ada")}
        job.agent.step()
        if not job.folded[-1]:
            assert flat(preview) == flat(job.bodies[-1])
            seen += bool(injected(preview))
    assert seen > 3


@pytest.mark.parametrize("tokens", [800, 2_000])
def test_a_budget_holds_amid_an_exchange(store, tokens):
    job = Job(store, Policy.for_budget(tokens, background="off"))
    job.agent.open()
    job.agent.work(40)
    opening = 20
    assert max(one.tokens.sent - one.tokens.fixed for one in job.receipts) <= tokens + opening
    assert sum(job.folded) > 10
