"""Promise 7, of parts that hang: few threads are left behind, however many turns there are."""

import asyncio
import threading
from dataclasses import replace

import pytest
from support.chats import SMALL, ask, history, said
from support.embedders import HashedWords
from support.faulty import Trouble, TroubledEmbedder, troubled_store
from support.programs import ran
from turnfold import ExtractiveSummarizer, Memory
from turnfold.resilience.summary_wait import Patience
from turnfold_fake import FakeClaude

HASTY = replace(SMALL, deadline=0.5)
MOST_LEFT = 8
PARTS = ["ledger", "index", "embed", "summarizer"]


class Sick:
    """A memory of which one part can be made to hang, or to panic."""

    def __init__(self, part, act, policy=HASTY):
        self.trouble = Trouble(lambda _, name: name.startswith(part), act)
        self.receipts = []
        extract = ExtractiveSummarizer()
        self.memory = Memory(
            troubled_store(self.trouble),
            embedder=TroubledEmbedder(self.trouble),
            summarizer=lambda job: self.trouble.passes("summarizer", extract, job),
            policy=policy,
            on_receipt=self.receipts.append,
        )
        self.fake = FakeClaude("So.")
        self.before = set(threading.enumerate())

    def left(self):
        """Threads that are there since, and were made by memory."""
        return [
            thread
            for thread in set(threading.enumerate()) - self.before
            if thread.name.startswith("turnfold")
        ]

    def falls_sick(self):
        self.trouble.armed = True

    def recovers(self):
        """As when some minutes have passed."""
        self.trouble.armed = False
        process = self.memory._process
        process.policy = replace(process.policy, deadline=60.0)
        process.learned = replace(process.learned, patience=Patience(60.0))
        bounds = self.memory._background.bounds
        for breaker in (bounds.store, bounds.summarizer, self.memory._embedder._breaker):
            breaker._until = 0.0


@pytest.fixture
def stuck():
    release = threading.Event()
    yield release
    release.set()


def turn_of(number, exchanges=12):
    """A request that recalls, and every time wants to fold as well."""
    return ask(history(exchanges, mark=f"v{number}"), said(3, mark=f"v{number}"))


async def talk(door, client, turns, *, at_once):
    """Turns, so many at once."""
    for start in range(0, turns, at_once):
        asked = [turn_of(number) for number in range(start, start + at_once)]
        if door.is_async:
            await asyncio.gather(*[door.ask("create", client, one) for one in asked])
        else:
            await asyncio.gather(*[asyncio.to_thread(create, client, one) for one in asked])


def create(client, asked):
    client.messages.create(**asked)


async def hang(door, part, stuck, turns):
    sick = Sick(part, stuck.wait)
    client = sick.memory.wrap(door.client(sick.fake, max_retries=0), conversation="c")
    sick.falls_sick()
    await talk(door, client, turns, at_once=10)
    assert len(sick.left()) <= MOST_LEFT
    assert [call.status for call in sick.fake.asked()] == [200] * turns
    assert len(sick.receipts) == turns
    assert sick.receipts[0].degraded or part == "summarizer"  # which a turn may not need
    assert any(receipt.degraded for receipt in sick.receipts)
    return sick, client


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_hangs_leaves_few_threads_behind(door, part, stuck):
    await hang(door, part, stuck, 20)


async def test_a_store_that_hangs_is_left_alone_at_once_and_the_receipt_says_so(door, stuck):
    came_back = []

    def hang():
        if not stuck.wait(20):
            came_back.append("by itself")

    sick = Sick("ledger", hang)
    client = sick.memory.wrap(door.client(sick.fake, max_retries=0), conversation="c")
    sick.falls_sick()
    for _ in range(5):
        await door.ask("create", client, ask(history(1)))
    told = [receipt.degraded[0] for receipt in sick.receipts]
    assert ["within its deadline" in one for one in told] == [True] * 2 + [False] * 3
    assert "what hangs is left alone" in told[-1]
    assert len(sick.trouble.calls) == 2
    assert not came_back, "no turn waited for it"


@pytest.mark.soak
@pytest.mark.parametrize("part", PARTS)
async def test_however_many_turns_there_are(door, part, stuck):
    await hang(door, part, stuck, 1_000)


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_works_again_is_used_again(door, part, stuck):
    sick, client = await hang(door, part, stuck, 10)
    stuck.set()
    for thread in sick.left():
        thread.join(30)
    sick.recovers()
    for number in (100, 101):
        await door.ask("create", client, turn_of(number))
    assert not sick.receipts[-1].degraded
    assert sick.receipts[-1].in_memory > 0


async def test_an_embedder_that_is_left_alone_leaves_recall_by_words(door, stuck):
    sick = Sick("embed", stuck.wait)
    client = sick.memory.wrap(door.client(sick.fake, max_retries=0), conversation="c")
    sick.falls_sick()
    for number in range(8):
        await door.ask("create", client, turn_of(number))
    told = [str(receipt.degraded) for receipt in sick.receipts if receipt.in_memory]
    assert told
    assert all("the embedder is left alone" in one or "the embedder failed" in one for one in told)


async def test_a_summarizer_that_is_left_alone_leaves_memory_to_those_who_have_it(door, stuck):
    sick = Sick("summarizer", stuck.wait)
    client = sick.memory.wrap(door.client(sick.fake, max_retries=0), conversation="c")
    await door.ask("create", client, turn_of(0))
    sick.falls_sick()
    for number in range(1, 6):
        await door.ask("create", client, turn_of(number))
    said_on = [*turn_of(0)["messages"], {"role": "assistant", "content": "So."}]
    await door.ask("create", client, ask(said_on))
    assert sick.receipts[-1].in_memory > 0


async def test_where_no_thread_can_be_had_the_user_is_answered(door, monkeypatch):
    """As in a process that has as many as it may have."""
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith("turnfold"):
            raise RuntimeError("can't start new thread")
        start(thread)

    receipts = []
    memory = Memory("memory:", policy=SMALL, embedder=HashedWords(), on_receipt=receipts.append)
    fake = FakeClaude("So.")
    client = memory.wrap(door.client(fake, max_retries=0), conversation="c")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(20):
        await door.ask("create", client, turn_of(0))
    assert [call.status for call in fake.calls] == [200] * 20
    assert "can't start new thread" in str(receipts[-1].degraded)
    monkeypatch.undo()
    await door.ask("create", client, turn_of(0))
    assert not receipts[-1].degraded


# --- a library that panics --------------------------------------------------------------------


class Panic(BaseException):
    """What a library in Rust raises when it panics is no Exception."""


def panic():
    raise Panic("index out of bounds: the len is 3 but the index is 7")


@pytest.mark.parametrize("part", [*PARTS, "ledger.put plan", "index.nearest"])
async def test_a_part_that_panics_is_a_part_that_fails(door, part):
    sick = Sick(part, panic, policy=SMALL)
    client = sick.memory.wrap(door.client(sick.fake, max_retries=0), conversation="c")
    sick.falls_sick()
    told = await door.ask("create", client, turn_of(0))
    assert told["stop_reason"] == "end_turn"
    assert sick.trouble.struck
    assert "index out of bounds" in str(sick.receipts[-1].degraded)


async def test_a_tokenizer_that_panics_does_not_fail_the_user_either(door):
    receipts = []
    policy = replace(SMALL, count_tokens=lambda _text: panic())
    memory = Memory("memory:", policy=policy, embedder=HashedWords(), on_receipt=receipts.append)
    client = memory.wrap(door.client(FakeClaude("So."), max_retries=0), conversation="c")
    told = await door.ask("create", client, turn_of(0))
    assert told["stop_reason"] == "end_turn"
    assert "Panic" in str(receipts[-1].degraded)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_asks_the_program_to_stop_is_no_failure(stop):
    def end():
        raise stop

    sick = Sick("ledger", end, policy=SMALL)
    client = sick.memory.wrap(sick.fake.client(max_retries=0), conversation="c")
    sick.falls_sick()
    with pytest.raises(stop):
        client.messages.create(**turn_of(0))


# --- the end of the interpreter ---------------------------------------------------------------

ENDS = """
import asyncio, logging, threading
import turnfold.resilience.worker_threads
from support.faulty import Trouble, troubled_store
from support.chats import SMALL, ask, history
from support.embedders import HashedWords
from dataclasses import replace
from turnfold import ExtractiveSummarizer, Memory
from turnfold_fake import FakeClaude

turnfold.resilience.worker_threads._LAST_SECONDS = 0.1
logging.disable()
trouble = Trouble(lambda _, name: name.startswith("ledger"), threading.Event().wait)
memory = Memory(troubled_store(trouble), embedder=HashedWords(),
                summarizer=ExtractiveSummarizer(), policy=replace(SMALL, deadline=0.05))
client = memory.wrap(FakeClaude("So.").async_client(), conversation="c")
trouble.armed = True

async def main():
    await asyncio.gather(*[client.messages.create(**ask(history(3))) for _ in range(10)])

asyncio.run(main())
print("answered")
"""


def test_what_an_async_client_leaves_behind_holds_up_no_interpreter():
    ended = ran("-c", ENDS)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("answered\n", "", 0)
