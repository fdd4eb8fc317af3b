"""Promise 7: memory that fails or hangs never fails the user's turn, and says so."""

import asyncio
import contextlib
import os
import random
import threading
import time
from dataclasses import replace
from itertools import product

import anthropic
import httpx2
import pytest
from support.chats import ask, history
from support.drawing import sampled, some
from support.embedders import HashedWords
from support.faulty import Trouble, TroubledEmbedder, fail, troubled_store
from support.models import DEFAULT, SUMMARY
from support.people import (
    CHAT_FAULTS,
    OFF,
    SMALL,
    SUMMARY_FAULTS,
    Act,
    World,
    blocks_of,
    unmarked,
    whole,
)
from support.programs import ran
from turnfold import Memory, TurnfoldError
from turnfold.accounting.account import Account
from turnfold.accounting.prices import Usage
from turnfold.accounting.receipt import Tokens
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import FakeClaude, Fault, Reply
from turnfold_stores import STORE_USER, StoreError

TURNS = 5


def store_fails():
    raise StoreError("the disk is full")


def sdk_fails():
    request = httpx2.Request("POST", "https://memory.example/")
    raise anthropic.APIConnectionError(request=request)


WAYS = {"StoreError": store_fails, "RuntimeError": fail, "an error of the SDK": sdk_fails}


def world_with(trouble, *, policy=SMALL, thinking=OFF):
    trouble.armed = False
    world = World(
        policy,
        [whole("ada", thinking=thinking)],
        store=troubled_store(trouble),
        embedder=TroubledEmbedder(trouble),
    )
    trouble.armed = True
    return world


def memory_with(trouble, **options):
    options.setdefault("policy", SMALL)
    store, embedder = troubled_store(trouble), TroubledEmbedder(trouble)
    memory = Memory(store, embedder=embedder, **options)
    trouble.armed = True
    return memory


def calls_of_a_talk():
    """What store and embedder are asked for in a conversation that nothing disturbs, in order."""
    trouble = Trouble()
    with world_with(trouble) as world:
        for _ in range(TURNS):
            world.talk(world.people[0])
        assert world.receipts[-1].in_memory > 0
    return trouble.calls


def talk_through(world, trouble, turns):
    """Each turn is answered, by one request; the turns in which something failed say so."""
    (person,) = world.people
    for _ in range(turns):
        struck, first = trouble.struck, len(world.fake.calls)
        world.talk(person)
        chats = [call for call in world.fake.calls[first:] if call.kind == "chat"]
        assert [call.status for call in chats] == [200]
        if trouble.struck > struck:
            assert world.receipts[-1].degraded, f"nothing said of {trouble.calls[-1]}"
        elif trouble.struck < 3:
            assert not world.receipts[-1].degraded
        else:
            assert all("is left alone" in why for why in world.receipts[-1].degraded)


LATE = {"before its work": False, "after its work": True}
KINDS = tuple(product(("StoreError", "RuntimeError", "an error of the SDK"), LATE))
kinds = pytest.mark.parametrize("kind", KINDS, ids=" ".join)


def one_of_each(calls):
    """The numbers of some calls, from 1: of each kind the first, one in the middle, the last."""
    places = {}
    for number, name in enumerate(calls, 1):
        places.setdefault(name, []).append(number)
    return sorted({some[n] for some in places.values() for n in (0, len(some) // 2, -1)})


def fail_once(kind, numbers):
    """A talk for each of these calls of store and embedder, in which that one fails."""
    way, late = kind
    for number in numbers:
        trouble = Trouble(lambda n, _, hit=number: n == hit, WAYS[way], late=LATE[late])
        with world_with(trouble) as world:
            talk_through(world, trouble, TURNS)
            assert trouble.struck == 1
            world.memory = world._new_memory(world.receipts)
            world.indexed = False
            world.do(Act("say", size="large"))  # every promise holds again
            world.do(Act("tools", size="large", twice=True))


@kinds
def test_every_call_of_store_and_embedder_fails_once(kind):
    """Some of each kind, in one of the ways each; the soak run tries every call in every way."""
    calls = calls_of_a_talk()
    assert len(calls) > 50
    fail_once(kind, one_of_each(calls)[KINDS.index(kind) :: 2 * len(KINDS)])


@pytest.mark.soak
@kinds
def test_every_call_of_store_and_embedder_fails_once_in_every_way(kind):
    fail_once(kind, range(1, len(calls_of_a_talk()) + 1))


@sampled
def test_a_store_that_fails_from_some_call_on_loses_nothing_that_comes_later():
    for number in some(range(1, len(calls_of_a_talk())), step=21):
        trouble = Trouble(lambda n, _, start=number: n >= start, store_fails)
        with world_with(trouble) as world:
            talk_through(world, trouble, TURNS)
            trouble.hits = lambda *_: False
            # Once a fold that was under way, and could not be given up, is taken for dead.
            world.policy = replace(SMALL, clock=lambda: time.time() + 3_600)
            world.memory = world._new_memory(world.receipts)
            world.indexed = False
            world.do(Act("say", size="large"))
            kept = {one.id for one in world.store.ledger.scan("ada", kind="content")}
            assert len(kept) == TURNS


def test_a_summary_that_is_written_is_not_asked_for_again():
    """The store fails between the summary and the fold."""
    trouble = Trouble(lambda _, name: name == "ledger.put fold" and not trouble.struck)
    fake, receipts = FakeClaude("So."), []
    memory = memory_with(trouble, on_receipt=receipts.append)
    client = memory.wrap(fake.client(max_retries=0), conversation="c")
    for _ in range(2):
        client.messages.create(**ask(history(12)))
    assert [bool(receipt.degraded) for receipt in receipts] == [True, False]
    assert receipts[1].in_memory > 0
    assert len(fake.asked("summary")) == 1


@pytest.mark.parametrize("part", ["ledger.put passage", "index.put", "embed"])
def test_what_was_folded_while_the_index_failed_is_found_later(part):
    """Not verbatim in the request, it has to be findable."""
    trouble = Trouble(act=store_fails)
    summarizing = []

    def hits(_, name):
        return bool(summarizing) and name.startswith(part)

    def summary(_body):
        summarizing.append(True)  # from here to the answer, the exchanges are stored and indexed

    def reply(_body):
        summarizing.clear()
        return Reply("So.", thinking=False)

    fake, receipts = FakeClaude(reply, summary=summary), []
    trouble.hits = hits
    memory = memory_with(
        trouble, policy=replace(SMALL, recall_floor=0.3), on_receipt=receipts.append
    )
    client = memory.wrap(fake.client(max_retries=0), conversation="c")
    client.messages.create(**ask(history(12)))
    assert receipts[-1].degraded
    trouble.hits = lambda *_: False
    opening = "What of amber2, birch2, cedar2, delta2 and ember2?"
    for text in ("And now?", "Then?"):
        client.messages.create(**ask([*history(12), *ask([], text)["messages"], SO], opening))
    assert "Turn 2 asked" in str([hit.text for hit in receipts[-1].hits])


SO = {"role": "assistant", "content": "So."}


def test_a_turn_without_memory_is_answered_although_its_thinking_was_made_behind_memory():
    trouble = Trouble(act=store_fails)
    with world_with(trouble, thinking=None) as world:
        (person,) = world.people
        for _ in range(TURNS):
            world.talk(person)
        assert world.receipts[-1].in_memory > 0
        trouble.hits = lambda *_: True
        world.talk(person)
        assert world.receipts[-1].degraded
        assert world.fake.calls[-1].status == 200


# What was cut off is read as far as it goes.
@pytest.mark.parametrize("kind", [one for one in SUMMARY_FAULTS if one != "truncated"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_summary_that_fails_folds_nothing_and_costs_no_second_request(kind, stream):
    with World(SMALL, [whole("ada", thinking=OFF)]) as world:
        (person,) = world.people
        world.meet(person, 9)
        fault = ("summary", kind)
        world.fake.calls.clear()
        world.do(Act("say", fault=fault, stream=stream))
        assert world.receipts[-1].in_memory == 0
        assert world.seen["degraded"] == 1
        assert [call.kind for call in world.fake.calls] == ["summary", "chat"]
        world.do(Act("say"))
        assert world.receipts[-1].in_memory > 0


# --- on_error="raise" -------------------------------------------------------------------------


def chain_of(error):
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def refusing_summarizer(_job):
    try:
        sdk_fails()
    except anthropic.APIConnectionError as wrong:
        raise TurnfoldError("no summary today") from wrong


def raising_memory(part, on_error="raise"):
    """A memory of which one part always fails, and a count of its calls."""
    trouble = Trouble(lambda _, name: part in name, sdk_fails)
    policy = replace(SMALL, on_error=on_error)
    options = {"summarizer": refusing_summarizer} if part == "summarizer" else {}
    return memory_with(trouble, policy=policy, **options), trouble


@pytest.mark.parametrize("part", ["ledger", "index.put", "embed", "summarizer"])
async def test_raise_gives_an_error_of_ours_that_the_sdk_does_not_retry(part, door):
    memory, trouble = raising_memory(part)
    fake = FakeClaude("So.")
    client = memory.wrap(door.client(fake, max_retries=2), conversation="c")
    with pytest.raises(TurnfoldError) as caught:
        await door.ask("create", client, ask(history(12)))
    assert not [one for one in chain_of(caught.value) if isinstance(one, anthropic.AnthropicError)]
    assert not fake.asked()
    assert trouble.struck == (part != "summarizer"), "the SDK tried again"


@pytest.mark.parametrize("part", ["ledger", "index.put", "embed", "summarizer"])
async def test_continue_answers_where_raise_would_raise(part, door, caplog):
    memory, _ = raising_memory(part, "continue")
    fake, receipts = FakeClaude("So."), []
    client = memory.wrap(
        door.client(fake, max_retries=2), conversation="c", on_receipt=receipts.append
    )
    told = await door.ask("create", client, ask(history(12)))
    assert told["stop_reason"] == "end_turn"
    assert len(fake.asked()) == 1
    assert receipts[-1].degraded
    assert [one for one in caplog.records if one.levelname == "WARNING"]
    # What can still be folded is: a request without memory is the last resort.
    assert (receipts[-1].in_memory > 0) == (part in {"index.put", "embed"})


# --- the deadline -----------------------------------------------------------------------------


@pytest.fixture
def stuck():
    """A function that hangs until the test is over."""
    release = threading.Event()
    yield release.wait
    release.set()


HASTY = replace(SMALL, deadline=0.2)


@pytest.mark.parametrize("part", ["ledger.get", "ledger.put", "index", "embed"])
async def test_a_part_that_hangs_is_left_behind(part, door, stuck):
    trouble = Trouble(lambda _, name: part in name, stuck)
    fake, receipts = FakeClaude("So."), []
    memory = memory_with(trouble, policy=HASTY)
    client = memory.wrap(
        door.client(fake, max_retries=0), conversation="c", on_receipt=receipts.append
    )
    asked = ask(history(12))
    told = await door.ask("create", client, asked)
    assert told["stop_reason"] == "end_turn"
    (chat,) = fake.asked()
    assert chat.body["messages"] == asked["messages"]
    assert "deadline" in receipts[-1].degraded[0]


async def test_a_summarizer_that_hangs_is_left_behind(door, stuck):
    fake, receipts = FakeClaude("So."), []

    def summarize(_job):
        stuck()

    memory = Memory("memory:", policy=HASTY, embedder=HashedWords(), summarizer=summarize)
    client = memory.wrap(door.client(fake), conversation="c", on_receipt=receipts.append)
    asked = ask(history(12))
    await door.ask("create", client, asked)
    sent = [blocks_of(message) for message in unmarked(fake.calls[-1].body["messages"])]
    assert sent == [blocks_of(message) for message in asked["messages"]]
    assert "deadline" in receipts[-1].degraded[0]
    assert receipts[-1].turn == 13, "the turn has memory, only not this fold"


@pytest.mark.parametrize(
    ("given", "named", "whose"),
    [
        (None, "ada", "ada"),
        ("bob", "ada", "bob"),
        (None, None, "local"),
        (None, STORE_USER, "local"),
    ],
)
async def test_the_receipt_of_a_turn_without_memory_says_whose_it_was(door, given, named, whose):
    trouble = Trouble(lambda _, name: name.startswith("ledger"))
    fake, receipts = FakeClaude("So."), []
    memory = memory_with(trouble, on_receipt=receipts.append)
    client = memory.wrap(door.client(fake, max_retries=0), user_id=given, conversation="c")
    await door.ask("create", client, ask(history(2), metadata={"user_id": named}))
    (receipt,) = receipts
    assert (receipt.user_id, receipt.conversation, receipt.turn) == (whose, "c", 0)
    assert receipt.degraded


# --- what a turn without memory has spent -----------------------------------------------------

# Time enough for the turns that nothing holds up.
ROOMY = replace(SMALL, deadline=1.0)


def paid_fact(job):
    told = job.exchanges[0][0].text.partition(". ")[0] + "."
    usage = Usage(input_tokens=1_000, output_tokens=10)
    return SummaryDraft([Item("fact", told, (job.first,))], usage, SUMMARY)


def spent(memory):
    """What the ledger says that summaries have cost, in tokens."""
    return sum(one.body["tokens"] for one in memory.store.ledger.scan("ada", kind="spend"))


def told(receipts):
    """What the receipts say that they have cost, in tokens, one by one."""
    usages = [receipt.summary_usage for receipt in receipts]
    return [usage.prompt_tokens + usage.output_tokens for usage in usages]


def left_behind():
    """Wait for the turns, and the folds, that came too late."""
    for thread in threading.enumerate():
        if thread.name in {"turnfold-turn", "turnfold-fold", "turnfold-summary"}:
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize("again", [False, True], ids=["the next turn", "the same turn again"])
def test_a_summary_that_comes_after_the_deadline_is_told_once_by_a_later_receipt(again):
    go, receipts = threading.Event(), []

    def summarize(job):
        assert go.wait(30)
        return paid_fact(job)

    memory = Memory("memory:", policy=ROOMY, embedder=HashedWords(), summarizer=summarize)
    client = memory.wrap(
        FakeClaude("So.").client(), user_id="ada", conversation="c", on_receipt=receipts.append
    )
    client.messages.create(**ask(history(30)))
    go.set()
    left_behind()
    once = spent(memory)
    assert once >= 1_010
    for exchanges in (30 if again else 31, 32, 33):
        client.messages.create(**ask(history(exchanges)))
        left_behind()
    assert told(receipts)[:2] == [0, once]
    assert sum(told(receipts)) == spent(memory)
    assert receipts[1].cost > receipts[1].summary_usage.input_tokens * 1e-7


def test_a_turn_asked_again_while_its_summary_is_on_its_way_does_not_pay_again():
    """The second attempt takes no longer than a turn may, and the third finds the answer."""
    begun, go, receipts = threading.Event(), threading.Event(), []

    def summarize(job):
        if not begun.is_set():
            begun.set()
            assert go.wait(30)
        return paid_fact(job)

    memory = Memory("memory:", policy=ROOMY, embedder=HashedWords(), summarizer=summarize)
    client = memory.wrap(
        FakeClaude("So.").client(), user_id="ada", conversation="c", on_receipt=receipts.append
    )
    client.messages.create(**ask(history(12)))
    client.messages.create(**ask(history(12)))
    go.set()
    left_behind()
    client.messages.create(**ask(history(13)))
    assert told(receipts) == [0, 0, 1_010]
    assert spent(memory) == 1_010
    assert receipts[-1].in_memory > 0


@pytest.mark.parametrize("what", ["hangs", "fails"])
async def test_what_was_paid_before_the_store_gave_out_is_told_once(door, what, stuck):
    trouble = Trouble(lambda _, name: "ledger.put node" in name and not trouble.struck)
    trouble.act = stuck if what == "hangs" else fail
    receipts = []
    memory = memory_with(trouble, policy=ROOMY, summarizer=paid_fact, on_receipt=receipts.append)
    client = memory.wrap(
        door.client(FakeClaude("So."), max_retries=0), user_id="ada", conversation="c"
    )
    for exchanges in (12, 13):
        await door.ask("create", client, ask(history(exchanges)))
    assert sum(told(receipts)) == spent(memory)
    assert receipts[0].degraded
    times = {"hangs": 1, "fails": 2}[what]  # while someone may be at it, nobody asks again
    assert spent(memory) == times * 1_010


def test_an_account_is_told_once_whoever_shares_it():
    """As where the same request is sent twice at once: one is answered, one comes too late."""
    shared, apart = Account(), []
    usage = Usage(input_tokens=1_000)
    shared.spent_on_summary(SUMMARY, usage)
    assert receipt_of(shared).summary_usage == usage
    assert receipt_of(shared).summary_usage == Usage()
    shared.abandon(apart.append)
    shared.abandon(apart.append)
    assert apart == []
    shared.spent_on_summary(SUMMARY, usage)
    assert [one.summary_usage for one in apart] == [usage]
    assert receipt_of(shared).summary_usage == Usage()


def receipt_of(account):
    return account.receipt(
        model=DEFAULT,
        user_id="ada",
        conversation="",
        turn=1,
        in_memory=0,
        tokens=Tokens(),
        usage=Usage(),
        hits=(),
    )


# --- the answer -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["create", "stream"])
async def test_a_store_that_hangs_when_the_answer_is_there_keeps_no_one_waiting(door, way, stuck):
    trouble = Trouble(act=stuck)

    def reply(_body):
        trouble.hits = lambda *_: True  # from the answer on
        return Reply("So.")

    fake = FakeClaude(reply)
    memory = memory_with(trouble, policy=HASTY)
    client = memory.wrap(door.client(fake, max_retries=0), conversation="c")
    finished = threading.Event()

    def turn():
        asyncio.run(answered())

    async def answered():
        await door.ask(way, client, ask(history(2)))
        finished.set()

    threading.Thread(target=turn, daemon=True).start()
    assert await asyncio.to_thread(finished.wait, 5)


# --- everything at once -----------------------------------------------------------------------


def storm(turns, seed, ways):
    """Turns in which anything may go wrong at any time."""
    chance = random.Random(seed)

    def strike():
        WAYS[chance.choice(ways)]()

    trouble = Trouble(lambda *_: chance.random() < 0.02, strike)
    counted = {"answered": 0, "failed": 0, "degraded": 0}
    for start in range(0, turns, 15):
        with world_with(trouble, thinking=OFF if start % 2 else None) as world:
            (person,) = world.people
            for _ in range(min(15, turns - start)):
                stormy_turn(world, person, trouble, chance, counted)
            calm, trouble.hits = trouble.hits, lambda *_: False
            world.memory = world._new_memory(world.receipts)
            world.indexed = False
            world.do(Act("say"))
            kept = {one.id for one in world.store.ledger.scan("ada", kind="content")}
            assert len(kept) == len(person.exchanges) - 1, "an exchange was lost"
            trouble.hits = calm
    return counted


def stormy_turn(world, person, trouble, chance, counted):
    expected = ()
    if chance.random() < 0.1:
        kind = chance.choice(sorted(CHAT_FAULTS))
        expected = CHAT_FAULTS[kind]
        world.fake.fail_next(Fault(kind, on="chat"))
    if chance.random() < 0.2:
        world.fake.fail_next(Fault(chance.choice(SUMMARY_FAULTS), on="summary"))
    first, struck = len(world.fake.calls), trouble.struck
    try:
        world.talk(person)
    except expected:
        counted["failed"] += 1
        person.exchanges.pop()
    else:
        assert expected == (), "answered although the API failed"
        counted["answered"] += 1
    calls = world.fake.calls[first:]
    chats = [call for call in calls if call.kind == "chat"]
    assert len(chats) == 1 + (chats[0].status == 400)
    summaries = [str(call.body) for call in calls if call.kind == "summary"]
    assert len(set(summaries)) == len(summaries), "the SDK asked for a summary once more"
    unwell = trouble.struck > struck or any(
        call.kind == "summary" and call.status != 200 for call in calls
    )
    if unwell and not expected:
        assert world.receipts[-1].degraded
        counted["degraded"] += 1


ways = pytest.mark.parametrize("ways", [["StoreError"], sorted(WAYS)], ids=["ours", "any"])


@ways
def test_in_a_storm_of_faults_every_turn_is_answered_or_fails_as_without_memory(ways):
    counted = storm(100, 1, ways)
    assert counted["answered"] > 66
    assert counted["failed"] > 3
    assert counted["degraded"] > 20


@pytest.mark.soak
@ways
def test_in_a_long_storm_too(ways):
    counted = storm(1_000, 2, ways)
    assert counted["answered"] + counted["failed"] == 1_000


# --- clients, processes, loops ----------------------------------------------------------------


async def test_a_closed_client_fails_as_it_does_without_memory(door):
    fake = FakeClaude("So.")
    bare = door.client(fake, max_retries=0)
    with Memory("memory:", embedder=HashedWords()) as memory:
        client = memory.wrap(bare)
        await bare.close() if door.is_async else bare.close()
        expected = await door.outcome("create", bare, ask(history(2)))
        assert isinstance(expected, tuple)
        assert await door.outcome("create", client, ask(history(2))) == expected
    assert not fake.calls


async def test_a_client_with_other_options_keeps_its_memory(door):
    fake, receipts = FakeClaude("So."), []
    with Memory("memory:", policy=SMALL, embedder=HashedWords()) as memory:
        client = memory.wrap(
            door.client(fake), conversation="c", on_receipt=receipts.append
        ).with_options(timeout=7.0)
        await door.ask("create", client, ask(history(12)))
    assert receipts[-1].in_memory > 0


FORKED = """
import os, sys
from support.people import Act, SMALL, World, whole
from turnfold_stores import open_store

store = open_store("sqlite:" + sys.argv[1])
people = [whole("ada", "parent"), whole("ada", "child")]
with World(SMALL, people, store=store) as world:
    for act in [Act("say", size="large")] * 5:
        world.do(act)
    child = os.fork()
    who = 1 if child == 0 else 0
    for act in [Act("say", who=who, size="large"), Act("tools", who=who, size="large")] * 4:
        world.do(act)
    assert world.receipts[-1].in_memory > 0
    assert not world.receipts[-1].degraded, world.receipts[-1]
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    kept = [one.conversation for one in store.ledger.scan("ada", kind="content")]
    assert (kept.count("parent"), kept.count("child")) == (12, 7), kept
print("both went on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_parent_and_child_go_on_after_a_fork(tmp_path):
    run = ran("-c", FORKED, tmp_path / "memory.db", timeout=120)
    assert run.stdout == "both went on\n", run.stderr


def test_a_wrapped_client_outlives_its_event_loop():
    fake, receipts = FakeClaude("So."), []
    with Memory(
        "memory:", policy=SMALL, embedder=HashedWords(), on_receipt=receipts.append
    ) as memory:
        client = memory.wrap(fake.async_client(max_retries=0), conversation="c")
        for exchanges in (12, 20, 28):
            asyncio.run(client.messages.create(**ask(history(exchanges))))
    assert [call.status for call in fake.calls] == [200] * len(fake.calls)
    assert not [why for receipt in receipts for why in receipt.degraded]
    assert receipts[-1].in_memory > receipts[0].in_memory > 0


# --- cancellation -----------------------------------------------------------------------------


class Cancelling(httpx2.AsyncBaseTransport):
    """Lets a task be cancelled while a request is on its way."""

    def __init__(self, inner, trouble):
        self._inner = inner
        self._trouble = trouble

    async def handle_async_request(self, request):
        self._trouble.passes("http", lambda: None)
        await asyncio.sleep(0)
        return await self._inner.handle_async_request(request)


def cancelled_at(number):
    """A turn that is cancelled at one of its calls; False where it had fewer."""
    trouble = Trouble()
    with world_with(trouble, thinking=None) as world:
        (person,) = world.people
        world.meet(person, 12)
        person.exchanges.append([{"role": "user", "content": world.words("large")}])
        http = anthropic.DefaultAsyncHttpxClient(
            transport=Cancelling(world.fake.async_transport, trouble)
        )
        client = world.memory.wrap(
            anthropic.AsyncAnthropic(api_key="fake", max_retries=0, http_client=http),
            user_id="ada",
            conversation="c",
        )

        async def turn():
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            trouble.act = lambda: loop.call_soon_threadsafe(task.cancel)
            trouble.hits = lambda n, _: n == number
            await client.messages.create(**world.request(person, ""))

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(turn())
        struck, trouble.hits = trouble.struck, lambda *_: False
        # What was left behind in a thread may still come to its end, and to its receipt.
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and thread.name.startswith("turnfold-"):
                thread.join(5)
        world.ask(person, Act("say", twice=True), world.words("small"))
        world.do(Act("say", size="large"))
        return bool(struck)


@sampled
def test_a_turn_cancelled_at_any_of_its_calls_leaves_nothing_half():
    number = next(one for one in some(range(1, 1_000), step=3) if not cancelled_at(one))
    assert number > 10
