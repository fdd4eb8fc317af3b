"""Near a limit: a fold leaves room to grow, so that neither notes nor the cache cost each call."""

from dataclasses import replace
from itertools import pairwise

import pytest
from support.agent import POLICY, Job, flat
from support.chats import Chat, injected, joined, memory, said, stand_in, summaries
from support.models import SHOWN_THINKING
from support.oblivion import tells
from turnfold_stores import open_store

LIMIT = 4_000
NEAR = replace(POLICY, fold_at="auto", keep_tokens=600, max_prompt_tokens=LIMIT)
WITHOUT = "there are no notes yet"


@pytest.fixture
def store():
    with open_store("memory:") as opened:
        yield opened


def result(number, parts=4):
    """A result of a tool, with words of its own; a part has some 95 tokens."""
    return " ".join(said(1_000 * number + part) for part in range(parts))


def work(job, steps):
    """Steps of a job; how many of its requests folded, and how many summaries they paid for."""
    first, asked = len(job.receipts), len(summaries(job.fake))
    for _ in range(steps):
        job.agent.step(result(job.agent.calls + 1))
        joined()  # tools take their time, too
    folds = [one for one in job.receipts[first:] if one.folded or one.folded_steps]
    return len(folds), len(summaries(job.fake)) - asked


def is_within(receipts, limit=LIMIT):
    return max(one.usage.prompt_tokens for one in receipts) <= limit


def breaks(job):
    """How many requests do not go on from the one before."""
    pairs = pairwise(map(flat, job.bodies))
    return sum(after[: len(before)] != before for before, after in pairs)


@pytest.mark.parametrize("background", ["off", "auto"])
def test_jobs_behind_others_fold_at_one_in_five_calls_at_the_most(store, background):
    """The job before fills the prompt almost to its limit, and is kept verbatim as the newest."""
    job = Job(store, replace(NEAR, background=background))
    for steps in (11, 30, 30, 30):
        job.agent.open()
        folds, asked = work(job, steps)
        assert folds <= steps / 5
        assert asked <= steps / 4
        job.agent.close()
    assert is_within(job.receipts)
    assert not [why for one in job.receipts for why in one.degraded]
    assert sum(one.folded for one in job.receipts) == 3, "each of them once"
    assert breaks(job) <= sum(bool(one.folded or one.folded_steps) for one in job.receipts)


def test_another_process_sends_the_same_bytes_where_exchanges_go_first(store):
    job = Job(store, NEAR)
    for steps in (11, 16):
        job.agent.open()
        for _ in range(steps):
            before = list(job.agent.messages)
            job.agent.step(result(job.agent.calls + 1))
            sent, asked = job.bodies[-1], len(summaries(job.fake))
            other = job.again()
            other.agent.messages = before
            other.agent.ask("So.")
            assert job.bodies[-1] == sent
            assert len(summaries(job.fake)) == asked
        job.agent.close()
    assert sum(one.folded for one in job.receipts) == 1


def test_exchanges_stay_where_steps_have_room_without_them(store):
    job = Job(store, replace(NEAR, max_prompt_tokens=8_000))
    job.agent.open()
    work(job, 8)
    job.agent.close()
    job.agent.open()
    work(job, 40)
    assert sum(job.folded) > 0
    assert not any(one.folded for one in job.receipts)
    assert is_within(job.receipts, 8_000)


def test_what_is_cited_in_view_stays_though_steps_are_crowded(store):
    job = Job(store, NEAR)
    text = f"Item 1 weighs 37 grams. {result(900, 24)}"
    plain = {"type": "text", "media_type": "text/plain", "data": text}
    document = {
        "type": "document",
        "title": "List",
        "source": plain,
        "citations": {"enabled": True},
    }
    job.agent.messages = [{"role": "user", "content": [document]}]
    job.agent.ask("It is a list.")
    job.agent.open()
    cited = {
        "type": "char_location", "cited_text": "weighs 37 grams", "document_index": 0,
        "document_title": "List", "start_char_index": 7, "end_char_index": 22,
    }  # fmt: skip
    use = {"type": "tool_use", "id": "toolu_c", "name": "look", "input": {"at": "here"}}
    job.agent.ask([{"type": "text", "text": "37 grams.", "citations": [cited]}, use])
    done = {"type": "tool_result", "tool_use_id": "toolu_c", "content": "Yes."}
    job.agent.messages = [*job.agent.messages, {"role": "user", "content": [done]}]
    work(job, 12)
    assert sum(job.folded) > 0
    assert not any(one.folded for one in job.receipts)
    assert all("Item 1 weighs 37 grams" in str(body) for body in job.bodies)


@pytest.mark.parametrize(("parts", "fits"), [(24, True), (60, False)])
def test_where_nothing_can_be_freed_notes_are_not_paid_at_each_step(store, parts, fits):
    """They are written once more has gathered; the limit holds, or it is told that it cannot."""
    job = Job(store, NEAR, system=result(500, parts), thinking=SHOWN_THINKING)
    job.agent.open()
    folds, asked = work(job, 32)
    assert folds > 10
    assert asked <= 8
    assert any(WITHOUT in text for body in job.bodies for _, _, text in injected(body))
    over = [one for one in job.receipts if one.usage.prompt_tokens > LIMIT]
    assert fits or over
    assert not (fits and over)
    assert all(any("limit: " in why for why in one.degraded) for one in over)


def test_steps_without_notes_are_found_and_noted_and_forgotten(store):
    job = Job(store, replace(NEAR, keep_exchanges=0), system=result(500, 24))
    job.agent.open()
    work(job, 2)
    while not any(WITHOUT in text for _, _, text in injected(job.bodies[-1])):
        work(job, 1)
        assert len(job.bodies) < 30
    gone = sum(job.folded)
    shown = [str(body) for body in summaries(job.fake)]
    assert not any(f"amber{1_000 * gone} " in one for one in shown), "it has no notes"
    assert job.memory.search(f"amber{1_000 * gone}", user_id="ada", conversation="c")
    job.agent.close()
    while not job.receipts[-1].folded:
        job.agent.open(said(99, "asked"))
        job.agent.close(said(99, "told") * 9)
    shown = [str(body) for body in summaries(job.fake)]
    assert any(f"amber{1_000 * gone} " in one for one in shown), "its notes came with its turn's"
    assert sum("amber1000 " in one for one in shown) == 1, "and nothing is noted twice"
    job.memory.forget(turn=1, user_id="ada", conversation="c")
    assert not tells(store, f"amber{1_000 * gone} ")
    assert not tells(store, "amber1000 ")


@pytest.mark.parametrize("keep_exchanges", [1, 12])
def test_a_chat_near_its_limit_does_not_fold_at_every_turn(keep_exchanges):
    """What is to be kept gives way to what is to come."""
    receipts, fake = [], stand_in()
    policy = replace(NEAR, keep_exchanges=keep_exchanges)
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        chat = Chat(remembering.wrap(fake.client(max_retries=0), conversation="c"), max_tokens=100)
        for number in range(1, 61):
            chat.say(result(number))
    assert 3 <= sum(bool(one.folded) for one in receipts) <= 12
    assert len(summaries(fake)) <= 12
    assert is_within(receipts)
