"""A summarizer that is slow: nobody waits for ever, and nothing is paid twice."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest
from support.chats import SMALL, ask, history, joined, memory, slow_client, stand_in
from turnfold.archive.leases import Leases
from turnfold.resilience.summary_wait import Patience
from turnfold.scope import Scope
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold.summarizers.resting import AskedOnLoop, Rests
from turnfold.summarizers.writers import Writers
from turnfold_stores import open_store

HASTY = replace(SMALL, deadline=1.0)


class Slow:
    """A summarizer that answers when a test lets it, and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, job):
        self.asked.append((job.first, job.last))
        self.begun.set()
        assert self.go.wait(60)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])


@pytest.fixture
def slow():
    summarizer = Slow()
    yield summarizer
    summarizer.go.set()


# --- the same run, once -----------------------------------------------------------------------


@pytest.mark.parametrize("background", ["off", "auto", "on"])
def test_a_summary_that_comes_late_is_paid_once_and_taken(slow, background):
    receipts = []
    policy = replace(HASTY, background=background)
    with memory(policy=policy, summarizer=slow, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in range(8, 16):
            client.messages.create(**ask(history(exchanges)))
        assert len(slow.asked) == 1, "it is asked about no other turns meanwhile"
        assert [receipt.in_memory for receipt in receipts] == [0] * 8
        slow.go.set()
        joined()
        client.messages.create(**ask(history(16)))
        joined()
    (first, last), *_ = slow.asked
    assert first == 1
    assert receipts[-1].in_memory >= last
    assert slow.asked.count((first, last)) == 1


async def test_so_it_is_on_an_event_loop():
    begun, go, receipts = asyncio.Event(), asyncio.Event(), []

    class Writer:
        asked = 0

        async def __call__(self, job):
            type(self).asked += 1
            begun.set()
            await go.wait()
            return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    remembering = memory(policy=HASTY, on_receipt=receipts.append)
    client = remembering.wrap(stand_in().async_client(), conversation="c")
    client.middleware[0]._writers = Writers(on_loop=AskedOnLoop(Writer(), Rests().of("")))
    for exchanges in range(8, 16):
        await client.messages.create(**ask(history(exchanges)))
    assert Writer.asked == 1
    go.set()
    await asyncio.gather(*remembering._background._tasks)
    await client.messages.create(**ask(history(16)))
    assert receipts[-1].in_memory > 0
    assert not receipts[-1].degraded
    await remembering.aclose()


def test_another_process_waits_for_no_one_and_takes_the_answer_when_it_is_there(slow, tmp_path):
    url = f"sqlite:{tmp_path / 's.db'}"
    receipts = []
    with (
        memory(url, policy=HASTY, summarizer=slow) as one,
        memory(url, policy=HASTY, summarizer=slow, on_receipt=receipts.append) as other,
    ):
        one.wrap(stand_in().client(), conversation="c").messages.create(**ask(history(12)))
        client = other.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask(history(13)))
        assert receipts[-1].in_memory == 0
        slow.go.set()
        joined()
        client.messages.create(**ask(history(14)))
    assert len(slow.asked) == 1
    assert receipts[-1].in_memory > 0


def test_the_turn_that_could_not_wait_has_the_memory_there_was():
    """It goes on under the fold in force; it does not go without memory."""
    receipts, hangs, go = [], [], threading.Event()

    def summarize(job):
        if hangs:
            assert go.wait(60)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    with memory(policy=HASTY, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask(history(12)))
        hangs.append(True)
        client.messages.create(**ask(history(30)))
        go.set()
        joined()
    first, second = receipts
    assert second.turn == 31
    assert second.in_memory == first.in_memory > 0
    assert any("deadline" in why for why in second.degraded)


def test_over_the_limit_sentences_stand_in_for_what_is_late(slow):
    receipts = []
    policy = replace(HASTY, max_prompt_tokens=1_500, deadline=4.0)
    with memory(policy=policy, summarizer=slow, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask(history(20)))
        slow.go.set()
        joined()
    assert receipts[0].in_memory > 10
    assert receipts[0].tokens.sent <= 1_500
    assert any("extractive" in why for why in receipts[0].degraded)


def test_waiting_has_an_end():
    """Each wait in vain makes the next one shorter, until nobody waits; later they try again."""
    now = [0.0]
    patience = Patience(10.0, lambda: now[0])
    waits = []
    for _ in range(5):
        waits.append(patience.seconds)
        patience.waited(in_vain=True)
    assert waits == [8.0, 4.0, 2.0, 0.0, 0.0]
    now[0] += 601.0
    assert patience.seconds == 8.0
    patience.waited(in_vain=True)
    patience.waited(in_vain=False)
    assert patience.within(1.0) == 0.8
    assert patience.seconds == 8.0


@pytest.mark.parametrize("background", ["off", "on"])
def test_over_a_limit_one_that_is_always_late_is_asked_once_for_each_run(background):
    """Its answers come when what they are about has left the window; half of them are of use."""
    asked, receipts, go = [], [], threading.Event()

    def summarize(job):
        asked.append((job.first, job.last))
        assert go.wait(60)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    policy = replace(SMALL, max_prompt_tokens=1_500, deadline=0.5, background=background)
    with memory(policy=policy, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in range(8, 60):
            client.messages.create(**ask(history(exchanges)))
            if receipts[-1].folded:
                go.set()
                joined()
                go.clear()
        go.set()
        joined()
        nodes = [one.body for one in remembering.store.ledger.scan("local", kind="node")]
    used = {(one["first"], one["last"]) for one in nodes if "They talked." in str(one)}
    assert used
    assert len(set(asked) - used) <= 6
    assert len(asked) == len(set(asked)) <= 12
    assert receipts[-1].in_memory > 40


def test_what_was_asked_for_in_vain_is_asked_for_in_pieces_and_then_no_more():
    """A worker that never comes back: its claims run out, twice."""
    asked, now, receipts, go = [], [1_000.0], [], threading.Event()

    def summarize(job):
        asked.append(sum(len(one.text) for exchange in job.exchanges for one in exchange))
        assert go.wait(60)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    policy = replace(SMALL, deadline=4.0, leaf_tokens=4_000, clock=lambda: now[0], background="off")
    with memory(policy=policy, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in (12, 13, 14):
            client.messages.create(**ask(history(exchanges)))
            now[0] += 200.0
        go.set()
        joined()
    whole, *pieces = asked
    assert 0 < sum(pieces) <= whole, "once more, in pieces, and then no more"
    assert max(pieces) < whole / 1.2
    assert receipts[-1].in_memory > 0
    assert any("no answer in time" in why for why in receipts[-1].degraded)


# --- workers that are lost --------------------------------------------------------------------


def test_a_claim_that_is_made_after_its_worker_has_left_is_given_up_at_once(monkeypatch):
    """As where an event loop ends while the claim is being written in a thread."""
    with open_store("memory:") as store:
        remembering = memory(store, policy=replace(SMALL, background="on"))
        turn = remembering._process.begin(ask(history(10)), Scope("local", "c"), background=True)
        preparation = turn.preparation()
        take = Leases.take

        def late(self, name):
            lease = take(self, name)
            preparation.let_go(lost=True)
            return lease

        monkeypatch.setattr(Leases, "take", late)
        assert not preparation.begin()
        leases = Leases(
            store.ledger,
            "local",
            "c",
            seconds=60.0,
            clock=time.time,
        )
        assert leases.state(preparation.name) == "lost"
        remembering.close()


def test_one_event_loop_a_turn_loses_no_turn_to_waiting():
    receipts = []
    policy = replace(SMALL, background="auto", max_prompt_tokens=2_000, deadline=20.0)
    remembering = memory(policy=policy, on_receipt=receipts.append)
    fake = stand_in()

    async def turn(exchanges, name):
        async with fake.async_client(max_retries=0) as bare:
            client = remembering.wrap(bare, conversation=name)
            await client.messages.create(**ask(history(exchanges)))

    for name in "abc":
        for exchanges in range(4, 18):
            asyncio.run(turn(exchanges, name))
    remembering.close()
    assert not [why for one in receipts for why in one.degraded if "deadline" in why]
    assert all(receipt.tokens.sent <= 2_000 for receipt in receipts)
    assert all(one.in_memory > 0 for one in receipts if one.turn == 18)


def test_where_a_worker_was_lost_none_is_begun_before_the_fold_is_due():
    """Each would be lost, and what it asked for be paid again."""
    begun = []

    async def hang(_request):
        begun.append(True)
        await asyncio.sleep(3_600)

    async def turn(exchanges):
        async with slow_client(stand_in(), hang) as bare:
            client = remembering.wrap(bare, conversation="c")
            await client.messages.create(**ask(history(exchanges)))
            await asyncio.sleep(0.1)

    remembering = memory(policy=replace(SMALL, fold_at=2_000, background="auto"))
    for exchanges in (11, 12, 13):
        asyncio.run(turn(exchanges))
    remembering.close()
    assert len(begun) == 1


def test_threads_that_are_left_behind_are_few():
    go, receipts = threading.Event(), []

    def summarize(job):
        assert go.wait(60)
        return SummaryDraft([Item("narrative", "They talked.", (job.first,))])

    policy = replace(SMALL, deadline=0.1)
    before = threading.active_count()
    with memory(policy=policy, summarizer=summarize, on_receipt=receipts.append) as remembering:
        for number in range(40):
            client = remembering.wrap(stand_in().client(), conversation=f"c{number}")
            client.messages.create(**ask(history(12)))
        assert threading.active_count() - before <= 9
        go.set()
        joined()
    assert len(receipts) == 40
