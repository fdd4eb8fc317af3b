"""Folds are prepared away from the turn: nobody waits for one while the history fits."""

import asyncio
import contextlib
import gc
import os
import threading
from dataclasses import replace

import pytest
import turnfold.sdk.background
from hypothesis import given
from hypothesis import strategies as st
from support.chats import (
    SMALL,
    Chat,
    ask,
    chats,
    history,
    memory,
    said,
    slow_client,
    stand_in,
    texts,
)
from support.drawing import examples, sampled, some
from support.embedders import HashedWords
from support.faulty import Trouble, TroubledEmbedder, troubled_store
from support.people import OFF, Act, World, whole
from support.programs import ran
from turnfold import Memory, Policy
from turnfold.folding.preparation import next_step, projected
from turnfold.folding.rule import PromptSizes
from turnfold.sdk.background import Background
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import Fault
from turnfold_stores import open_store

AHEAD = replace(SMALL, background="on")
AUTO = replace(SMALL, background="auto")


def fact(job):
    told = job.exchanges[0][0].text.partition(". ")[0] + "."
    return SummaryDraft([Item("fact", told, (job.first,))])


class Slow:
    """A summarizer that takes as long as a test wants: until `go` is set."""

    def __init__(self):
        self.asked = []
        self.by = set()
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, job):
        self.asked.append((job.first, job.last))
        self.by.add(threading.current_thread().name)
        self.begun.set()
        assert self.go.wait(30)
        return fact(job)


def idle(remembering):
    """Wait until the worker of a memory has nothing left to do."""
    thread = remembering._background._thread
    if thread is not None:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def slow():
    summarizer = Slow()
    yield summarizer
    summarizer.go.set()


def verbatim(body):
    """How many exchanges stand in a request word for word, the open one aside."""
    return sum(text.startswith("Turn ") and " told of " in text for text in texts(body))


# --- nobody waits -----------------------------------------------------------------------------


def test_no_turn_waits_for_a_summary_while_the_history_fits(slow):
    fake, receipts = stand_in(), []
    with memory(policy=AHEAD, summarizer=slow, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        for exchanges in range(1, 30):
            client.messages.create(**ask(history(exchanges)))
        assert slow.begun.wait(30)
        assert [verbatim(body) for body in chats(fake)] == list(range(1, 30)), "all of it, raw"
        assert max(receipt.tokens.sent for receipt in receipts) > 3 * SMALL.fold_at
        ((first, last),) = slow.asked  # one summary, although many turns wanted it
        slow.go.set()
        idle(remembering)
        client.messages.create(**ask(history(30)))
        idle(remembering)
    assert first == 1
    assert slow.by == {"turnfold-background"}, "no turn asked for a summary itself"
    assert receipts[-1].folded == receipts[-1].in_memory == last
    assert "is over 1000" in receipts[-1].fold_reason
    assert verbatim(chats(fake)[-1]) == 30 - last


def test_a_fold_is_ready_when_the_threshold_is_reached():
    """In a chat that grows turn by turn every fold finds its summary written."""
    fake, receipts, asked = stand_in(), [], []

    def summarize(job):
        asked.append((job.last, threading.current_thread().name))
        return fact(job)

    with memory(policy=AHEAD, summarizer=summarize, on_receipt=receipts.append) as remembering:
        chat = Chat(remembering.wrap(fake.client(), conversation="c"))
        prompts = []
        for number in range(1, 50):
            chat.say(said(number))
            prompts.append(receipts[-1].tokens.sent)
            idle(remembering)
    assert {name for _, name in asked} == {"turnfold-background"}
    folds = [(n, receipt) for n, receipt in enumerate(receipts) if receipt.folded]
    assert len(folds) >= 5
    assert len(asked) - len(folds) in {0, 1}, "what is prepared is what is folded"
    assert [receipt.in_memory for _, receipt in folds] == [last for last, _ in asked][: len(folds)]
    usual = SMALL.fold_at + 150
    assert max(prompts) < usual, "it folds where it would have folded without"
    for number, _ in folds:
        assert prompts[number - 1] > 0.6 * SMALL.fold_at


def test_turns_that_come_sooner_than_the_worker_begins_prepare_one_fold(monkeypatch):
    chores = []
    monkeypatch.setattr(Background, "start", lambda _self, chore, _desk: chores.append(chore.name))
    with memory(policy=AHEAD, summarizer=fact) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in (10, 11, 12):
            client.messages.create(**ask(history(exchanges)))
    assert len(chores) == 3
    assert len(set(chores)) == 1


def test_no_turn_waits_for_vectors_either():
    """Summaries are written; what is folded is still being embedded."""
    embedding, go = threading.Event(), threading.Event()

    class SlowWords(HashedWords):
        def embed(self, texts):
            if threading.current_thread().name == "turnfold-background":
                embedding.set()
                assert go.wait(30)
            return super().embed(texts)

    fake, receipts, embedder = stand_in(), [], SlowWords()
    with memory(
        policy=AHEAD, summarizer=fact, embedder=embedder, on_receipt=receipts.append
    ) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(history(10)))
        assert embedding.wait(30)
        client.messages.create(**ask(history(11)))
        assert receipts[-1].in_memory == 0
        go.set()
        idle(remembering)
        before = list(embedder.texts)
        client.messages.create(**ask(history(12)))
    assert receipts[-1].in_memory > 0
    (query,) = embedder.texts[len(before) :]  # and nothing else
    assert query.endswith("And now?")


def test_the_prompt_is_larger_than_its_ceiling_so_the_turn_waits(slow):
    fake, receipts = stand_in(), []
    tight = replace(AHEAD, max_prompt_tokens=2_500)
    with memory(policy=tight, summarizer=slow, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(history(10)))
        assert slow.begun.wait(30)
        answered = threading.Event()

        def late():
            client.messages.create(**ask(history(25)))
            answered.set()

        threading.Thread(target=late, daemon=True).start()
        assert not answered.wait(0.3)
        slow.go.set()
        assert answered.wait(30)
    assert [receipt.in_memory > 0 for receipt in receipts] == [False, True]
    assert len(slow.asked) == 1, "it waited for what was under way, and did not pay again"


def test_a_history_that_never_fitted_is_folded_at_once():
    receipts = []
    tight = replace(AHEAD, max_prompt_tokens=2_000)
    with memory(policy=tight, summarizer=fact, on_receipt=receipts.append) as remembering:
        remembering.wrap(stand_in().client()).messages.create(**ask(history(30)))
    assert receipts[0].in_memory > 20


async def test_the_same_on_an_event_loop():
    fake, receipts = stand_in(), []
    go, begun = asyncio.Event(), asyncio.Event()

    async def wait(_request):
        begun.set()
        await go.wait()

    async with slow_client(fake, wait) as bare:
        remembering = memory(policy=AHEAD, on_receipt=receipts.append)
        client = remembering.wrap(bare, conversation="c")
        for exchanges in (10, 11, 12):
            await client.messages.create(**ask(history(exchanges)))
        await begun.wait()
        assert [receipt.in_memory for receipt in receipts] == [0, 0, 0]
        go.set()
        await asyncio.gather(*remembering._background._tasks)
        await client.messages.create(**ask(history(13)))
        await remembering.aclose()
    assert receipts[-1].in_memory > 0
    told = [call.body["messages"][0]["content"] for call in fake.asked("summary")]
    assert len([text for text in told if '<turn n="1">' in text]) == 1


# --- what is decided --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "over", "readiness", "step"),
    [
        (True, False, "ready", "adopt"),
        (True, True, "ready", "adopt"),
        (False, False, "ready", "go on"),
        (True, False, "running", "go on"),
        (True, True, "running", "fold now"),
        (True, True, "none", "fold now"),
        (True, False, "none", "prepare"),
        (False, False, "none", "prepare"),
        (False, False, "running", "go on"),
        (True, False, "idle", "prepare"),
        (False, False, "failing", "prepare"),
    ],
)
def test_what_is_done_at_an_opening(due, over, readiness, step):
    for lasting in (True, False):
        found = next_step(due=due, over=over, readiness=readiness, lasting=lasting)
        assert found == step


@pytest.mark.parametrize("readiness", ["lost", "failing"])
def test_where_no_worker_gets_it_done_the_turn_folds_itself_unless_told_otherwise(readiness):
    lost = {"due": True, "over": False, "readiness": readiness}
    assert next_step(**lost, lasting=True) == "prepare"
    assert next_step(**lost, lasting=False) == "fold now"


@pytest.mark.parametrize("lasting", [True, False])
def test_where_workers_are_lost_time_and_again_no_more_is_paid_for_them(lasting):
    assert next_step(due=True, over=False, readiness="hopeless", lasting=lasting) == "fold now"
    assert next_step(due=False, over=False, readiness="hopeless", lasting=lasting) == "go on"


def test_a_loop_for_each_turn_does_not_pay_the_same_summary_each_turn():
    fake, receipts = stand_in(latency=0.05), []
    policy = replace(SMALL, background="on")
    with Memory(policy=policy, embedder=HashedWords(), on_receipt=receipts.append) as memory:
        client = memory.wrap(fake.async_client(), user_id="ada", conversation="kiln")
        messages = []
        for number in range(40):
            body = ask(messages, said(number))
            answer = asyncio.run(client.messages.create(**body))
            messages = [*body["messages"], {"role": "assistant", "content": answer.content}]
    folds = sum(one.folded > 0 for one in receipts)
    assert folds > 1
    assert len(fake.asked("summary")) <= 5 * folds


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=50), st.integers(0, 5_000))
def test_the_prompt_it_looks_ahead_to_is_the_one_of_which_this_is_seven_tenths(sizes, fixed):
    now = PromptSizes(sizes, [1] * len(sizes), 0, 0, fixed, 0, [], ceiling=10**6)
    later = projected(now)
    assert later.sizes[: len(sizes)] == sizes
    assert len(later.sizes) == len(later.requests)
    assert now.prompt / 0.7 <= later.prompt <= now.prompt / 0.7 + 2 + len(later.sizes)


def test_replays_fold_within_the_turn():
    assert not Policy(clock=lambda: 0.0).prepares
    assert Policy(clock=lambda: 0.0, background="on").prepares
    assert Policy().prepares
    assert not Policy(background="off").prepares


def test_what_was_prepared_for_a_turn_that_was_edited_away_is_left_alone():
    fake, receipts = stand_in(), []
    with memory(policy=AHEAD, summarizer=fact, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), user_id="ada", conversation="c")
        client.messages.create(**ask(history(10)))
        idle(remembering)
        edited = [*history(1), *history(10, mark="x")[2:]]
        client.messages.create(**ask(edited))
        assert receipts[-1].in_memory == 0
        idle(remembering)
        client.messages.create(**ask([*edited, *history(11)[-2:]]))
        folded = receipts[-1].in_memory
        nodes = list(remembering.store.ledger.scan("ada", kind="node"))
    assert folded > 0
    assert len(nodes) == 2, "one of each branch"


def test_a_preview_shows_what_is_ready_and_prepares_nothing(slow):
    with memory(policy=AHEAD, summarizer=slow) as remembering:
        body = ask(history(12))
        assert texts(remembering.preview(body)) == texts(body)
        assert not slow.asked
        assert not list(remembering.store.ledger.scan("local"))


# --- what must not be kept --------------------------------------------------------------------


def everything(store):
    return str([(r.id, r.body, r.text) for user in store.users() for r in store.ledger.scan(user)])


def test_what_is_redacted_reaches_neither_summarizer_nor_store():
    asked = []

    def summarize(job):
        asked.append(str(job))
        return fact(job)

    policy = replace(AHEAD, redact=lambda text: text.replace("amber3", "[gone]"))
    with memory(policy=policy, summarizer=summarize) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask(history(10)))
        idle(remembering)
        kept = everything(remembering.store)
    assert "[gone]" in "".join(asked)
    assert "amber3" not in "".join(asked)
    assert "[gone]" in kept
    assert "amber3" not in kept


def test_what_is_forgotten_while_a_fold_is_prepared_does_not_come_back(slow):
    with memory(policy=AHEAD, summarizer=slow) as remembering:
        client = remembering.wrap(stand_in().client(), user_id="ada", conversation="c")
        client.messages.create(**ask(history(10)))
        assert slow.begun.wait(30)
        remembering.forget(user_id="ada")
        slow.go.set()
        idle(remembering)
        kept = everything(remembering.store)
    assert "Turn" not in kept
    assert "amber" not in kept


# --- the promises hold ------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch):
    """The worker does its work before the request goes out, so that runs come out alike."""
    monkeypatch.setattr(Background, "start", Background._work)


policies = st.builds(
    Policy,
    fold_at=st.sampled_from([1_000, 1_500]),
    keep_tokens=st.sampled_from([0, 200, 600]),
    keep_exchanges=st.integers(0, 2),
    keep_first=st.sampled_from([0, 0, 1]),
    max_prompt_tokens=st.sampled_from([None, 1_500]),
    recall_tokens=st.sampled_from([0, 200]),
    leaf_tokens=st.sampled_from([1_000, 24_000]),
    recall_floor=st.just(-1.0),
    placement=st.sampled_from(["auto", "append", "before_window"]),
    background=st.just("on"),
)
doings = ["say", "say", "say", "tools", "edit", "regenerate", "back", "restart", "switch"]
acts = st.builds(
    Act,
    what=st.sampled_from(doings),
    number=st.integers(0, 5),
    size=st.sampled_from(["small", "middle", "large"]),
    shape=st.sampled_from(["text", "blocks", "document"]),
    twice=st.booleans(),
)


@examples(few=12, many=400)
@given(
    policies,
    st.lists(acts, min_size=1, max_size=8),
    st.integers(0, 9),
    st.sampled_from([None, "provider"]),
)
def test_every_request_keeps_the_promises_also_with_folds_prepared(policy, actions, past, by):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Background, "start", Background._work)
        with World(policy, [whole("ada")], summarizer=by) as world:
            world.meet(world.people[0], past)
            for act in actions:
                world.do(act)


def test_the_promises_were_kept_by_folds_that_were_prepared(at_once):
    with World(replace(SMALL, background="on", recall_floor=-1.0), [whole("ada")]) as world:
        for _ in range(20):
            world.do(Act("say", size="middle", twice=True))
        assert world.seen["folds"] >= 3
        assert world.receipts[-1].in_memory > 6


@pytest.mark.parametrize("mode", ["enforced", "dropped"])
def test_the_promises_are_kept_by_folds_that_the_provider_compacted(at_once, mode):
    """Its requests hold what was sent, thinking and all; its notes are laid in like any others."""
    policy = replace(SMALL, background="on", recall_floor=-1.0)
    people = [whole("ada"), whole("bob", thinking=OFF)]
    with World(policy, people, mode=mode, summarizer="provider") as world:
        for number in range(24):
            world.do(Act("say", who=number % 2, size="middle", twice=number % 5 == 0))
            if number % 7 == 3:
                world.do(Act(("tools", "edit", "cite")[number % 3], who=number % 2, number=1))
        world.do(Act("compact", who=1))
        for number in range(12):
            world.do(Act("say", who=1, size="middle", twice=number % 5 == 0))
        asked = [
            call for call in world.fake.calls if "instructions" in str(call.body.get("compaction"))
        ]
        assert len(asked) > 4
        assert {call.status for call in asked} == {200}
        assert world.seen["folds"] >= 4
        assert world.seen["repaired"] == 0


@sampled
@pytest.mark.parametrize("late", [False, True], ids=["before its work", "after its work"])
def test_every_call_of_store_and_embedder_fails_once(at_once, late):
    """Whatever fails, each turn is answered, and what comes later keeps every promise."""
    policy = replace(SMALL, background="on", recall_floor=-1.0)
    total = talked(Trouble(), policy, 5)
    assert total > 60
    for number in some(range(1, total + 1), step=32, first=16 * late):
        trouble = Trouble(lambda n, _, hit=number: n == hit, late=late)
        talked(trouble, policy, 5)
        assert trouble.struck == 1


def talked(trouble, policy, turns):
    """How many calls so many turns made."""
    store, embedder = troubled_store(trouble), TroubledEmbedder(trouble)
    with World(policy, [whole("ada")], store=store, embedder=embedder) as world:
        trouble.armed = True
        for _ in range(turns):
            world.talk(world.people[0])
        trouble.armed = False
        world.indexed = not trouble.struck
        world.memory = world._new_memory(world.receipts)
        world.do(Act("say", size="large"))
        world.do(Act("tools", size="large", twice=True))
    return len(trouble.calls)


# --- what goes wrong --------------------------------------------------------------------------


def test_a_summary_that_fails_is_told_by_a_later_receipt():
    receipts, fails = [], [True]

    def summarize(job):
        if fails.pop() if fails else False:
            raise RuntimeError("no ink")
        return fact(job)

    with memory(policy=AHEAD, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in (10, 11, 12):
            client.messages.create(**ask(history(exchanges)))
            idle(remembering)
    first, second, third = receipts
    assert not first.degraded
    assert any("no ink" in why for why in second.degraded)
    assert not third.degraded
    assert (second.in_memory, third.in_memory > 0) == (0, True), "it was tried again"


def test_where_it_fails_again_and_again_the_turn_folds_itself():
    """As where each request has a client of its own, which is closed after it."""
    receipts = []

    def summarize(job):
        if threading.current_thread().name == "turnfold-background":
            raise RuntimeError("the client has been closed")
        return fact(job)

    with memory(policy=AUTO, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        for exchanges in (10, 11, 12, 13):
            client.messages.create(**ask(history(exchanges)))
            idle(remembering)
    assert [receipt.in_memory > 0 for receipt in receipts] == [False, False, True, True]


def test_where_the_worker_is_stuck_the_turn_folds_itself(slow, monkeypatch):
    receipts = []

    def summarize(job):
        background = threading.current_thread().name == "turnfold-background"
        return slow(job) if background else fact(job)

    with memory(policy=AUTO, summarizer=summarize, on_receipt=receipts.append) as remembering:
        stuck = remembering.wrap(stand_in().client(), conversation="c")
        stuck.messages.create(**ask(history(10)))
        assert slow.begun.wait(30)
        monkeypatch.setattr(turnfold.sdk.background, "_STUCK", 0.0)
        other = remembering.wrap(stand_in().client(), conversation="d")
        other.messages.create(**ask(history(10)))
        slow.go.set()
    assert [receipt.in_memory > 0 for receipt in receipts] == [False, True]


def test_where_many_folds_wait_already_the_turn_folds_itself(slow, monkeypatch):
    receipts = []
    monkeypatch.setattr(turnfold.sdk.background, "_MOST_WAITING", 2)

    def summarize(job):
        background = threading.current_thread().name == "turnfold-background"
        return slow(job) if background else fact(job)

    with memory(policy=AUTO, summarizer=summarize, on_receipt=receipts.append) as remembering:
        for name in "cdef":
            client = remembering.wrap(stand_in().client(), conversation=name)
            client.messages.create(**ask(history(10)))
            assert slow.begun.wait(30)
        slow.go.set()
    assert [receipt.in_memory > 0 for receipt in receipts] == [False, False, False, True]


def test_a_prompt_found_too_long_takes_what_is_ready_first():
    asked = []

    def summarize(job):
        asked.append((job.first, job.last))
        return fact(job)

    receipts, fake = [], stand_in()
    with memory(policy=AHEAD, summarizer=summarize, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(max_retries=0), conversation="c")
        client.messages.create(**ask(history(6)))
        idle(remembering)
        (prepared,) = asked
        fake.fail_next(Fault("prompt_too_long", on="chat"))
        client.messages.create(**ask(history(6), "Then?"))
    assert receipts[-1].in_memory == 6
    assert asked == [prepared] == [(1, 6)], "what was prepared is not paid again"


def test_a_client_that_is_closed_under_it_fails_no_turn():
    fake, receipts = stand_in(), []
    with memory(policy=AHEAD, on_receipt=receipts.append) as remembering:
        bare = fake.client(max_retries=0)
        closed = remembering.wrap(bare, conversation="c")
        original = closed.messages.create
        remembering._background.start = lambda chore, attempt: (
            bare.close(), Background.start(remembering._background, chore, attempt)
        )  # fmt: skip
        with contextlib.suppress(Exception):
            original(**ask(history(10)))
        idle(remembering)
        del remembering._background.start
        client = remembering.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(history(11)))
        assert receipts[-1].degraded
        idle(remembering)
        client.messages.create(**ask(history(12)))
    assert receipts[-1].in_memory > 0


def test_a_store_that_is_closed_under_it_is_no_ones_trouble(slow, monkeypatch, caplog):
    monkeypatch.setattr(turnfold.sdk.background, "_PATIENCE", 0.05)
    remembering = memory(policy=AHEAD, summarizer=slow)
    remembering.wrap(stand_in().client()).messages.create(**ask(history(10)))
    assert slow.begun.wait(30)
    thread = remembering._background._thread
    remembering.close()
    slow.go.set()
    thread.join(30)
    assert not thread.is_alive()
    assert not caplog.records


def test_an_event_loop_that_is_closed_under_it_loses_one_summary_at_most():
    fake, receipts = stand_in(), []
    remembering = memory(policy=AUTO, on_receipt=receipts.append)

    async def turn(exchanges):
        async with slow_client(fake, lambda _request: asyncio.sleep(3_600)) as bare:
            client = remembering.wrap(bare, conversation="c")
            await client.messages.create(**ask(history(exchanges)))
            await asyncio.sleep(0.2)

    asyncio.run(turn(10))
    remembering.wrap(fake.client(), conversation="c").messages.create(**ask(history(11)))
    assert receipts[-1].in_memory > 0, "the worker was lost, so the turn folded itself"
    remembering.close()


def lose_tasks(remembering, conversations):
    """Prepare folds on an event loop that is closed without a word to its tasks."""

    async def turns():
        async with slow_client(stand_in(), lambda _request: asyncio.sleep(3_600)) as bare:
            for name in conversations:
                client = remembering.wrap(bare, conversation=name)
                await client.messages.create(**ask(history(10)))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(turns())
    assert len(remembering._background._tasks) == len(conversations)
    loop.close()


def test_a_fold_whose_event_loop_was_closed_over_it_is_prepared_on_the_next_one():
    fake, receipts, now = stand_in(), [], [0.0]

    async def turns():
        client = remembering.wrap(fake.async_client(), conversation="c")
        for exchanges in (11, 12):
            await client.messages.create(**ask(history(exchanges)))
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        await remembering.aclose()

    policy = replace(AHEAD, clock=lambda: now[0])
    remembering = memory(policy=policy, on_receipt=receipts.append)
    lose_tasks(remembering, ["c"])
    now[0] += 3_600.0  # whoever was at it had time enough
    asyncio.run(turns())
    assert receipts[-1].in_memory > 0


def test_a_lost_fold_that_is_collected_while_the_store_is_written_does_not_wait_for_it():
    store = open_store("memory:")
    remembering = memory(store, policy=AHEAD)
    lose_tasks(remembering, ["c"])

    def collect():
        with store.ledger._lock:
            remembering._background._tasks.clear()
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    remembering.close()
    store.close()


def test_folds_that_were_lost_with_their_event_loop_do_not_count_as_waiting(monkeypatch):
    monkeypatch.setattr(turnfold.sdk.background, "_MOST_WAITING", 2)
    remembering = memory(policy=AUTO)
    lose_tasks(remembering, ["c", "d"])
    assert remembering._background.keeps_up
    remembering.close()


def test_close_stops_the_worker_and_a_closed_memory_folds_within_the_turn():
    receipts = []
    with open_store("memory:") as store:
        remembering = memory(store, policy=AHEAD, summarizer=fact, on_receipt=receipts.append)
        client = remembering.wrap(stand_in().client())
        remembering.close()
        remembering.close()
        client.messages.create(**ask(history(10)))
    assert receipts[0].in_memory > 0


EXITS = """
import sys, threading
import turnfold.sdk.background
from dataclasses import replace
from support.chats import SMALL, ask, history, memory, stand_in

turnfold.sdk.background._PATIENCE = 0.2
begun = threading.Event()
def hang(job):
    begun.set()
    threading.Event().wait()

remembering = memory("sqlite:" + sys.argv[1], policy=replace(SMALL, background="auto"),
                     summarizer=hang)
remembering.wrap(stand_in().client(), conversation="c").messages.create(**ask(history(10)))
assert begun.wait(30)
print("over")
"""


def test_an_interpreter_exits_with_a_summary_in_flight_and_the_next_one_folds(tmp_path):
    """As in a script that ends after each turn."""
    run = ran("-c", EXITS, tmp_path / "memory.db")
    assert (run.stdout, run.stderr, run.returncode) == ("over\n", "", 0)
    receipts = []
    url = f"sqlite:{tmp_path / 'memory.db'}"
    with memory(url, policy=AUTO, summarizer=fact, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask(history(11)))
    assert receipts[0].in_memory > 0


FORKS = """
import os, sys, threading
from dataclasses import replace
from support.chats import SMALL, ask, history, memory, stand_in
from turnfold.summaries.notes import Item, SummaryDraft

receipts, begun, go = [], threading.Event(), threading.Event()

def summarize(job):
    begun.set()
    go.wait()
    told = job.exchanges[0][0].text.partition(". ")[0] + "."
    return SummaryDraft([Item("fact", told, (job.first,))])

remembering = memory("sqlite:" + sys.argv[1], policy=replace(SMALL, background="on"),
                     summarizer=summarize, on_receipt=receipts.append)
client = remembering.wrap(stand_in().client(), conversation="parent")
client.messages.create(**ask(history(10)))
assert begun.wait(30)
worker = remembering._background._thread
child = os.fork()
go.set()
if child == 0:
    client = remembering.wrap(stand_in().client(), conversation="child")
    client.messages.create(**ask(history(10)))
    worker = remembering._background._thread
if worker is not None:
    worker.join(30)
client.messages.create(**ask(history(11)))
assert receipts[-1].in_memory > 0, receipts
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("both folded")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_made_by_fork_has_a_worker_of_its_own(tmp_path):
    run = ran("-c", FORKS, tmp_path / "memory.db")
    assert run.stdout == "both folded\n", run.stderr
