"""One conversation that is open twice, or is spoken to by several threads or tasks at once."""

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import anthropic
import pytest
from support.chats import SMALL, chats, memory, stand_in, texts
from support.faulty import Trouble, troubled_store
from support.spoken import Spoken
from turnfold import AsyncConversation, Conversation, TurnfoldError
from turnfold_fake import Fault, Reply
from turnfold_stores import Record, StoreError, open_store

GONE = "'c' has gone on elsewhere since it was opened here, or was begun anew or forgotten"
OTHER = "All right."
LONG = "The keys hang behind the blue door. " * 9


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


@pytest.fixture(params=["memory:", "sqlite:{}/s.db"])
def url(request, tmp_path):
    return request.param.format(tmp_path)


def scripted():
    """Answers the first thing said at length."""
    return stand_in(
        lambda body: Reply(LONG if texts(body)[-1] == "One." else OTHER, thinking=False)
    )


def asked(talk):
    return [message["content"] for message in talk.messages if message["role"] == "user"]


class Opened:
    """A conversation of one store, opened as often as one likes."""

    def __init__(self, kind, store):
        self.kind = kind
        self.fake = stand_in(OTHER)
        self.memory = memory(store)

    def again(self):
        return Spoken(self.kind, self.fake, memory=self.memory, id="c", user_id="ada")

    @property
    def resumed(self):
        return asked(self.again().talk)

    async def refuses(self, spoken, text="What for?"):
        """Whether someone is told that it has gone on, and nothing is paid."""
        paid = len(self.fake.calls)
        for way in (spoken.say, spoken.stream):
            with pytest.raises(StoreError, match=GONE):
                await way(text)
        return len(self.fake.calls) == paid


@pytest.fixture
def opened(kind, url):
    with open_store(url) as store:
        yield Opened(kind, store)


# --- open twice -------------------------------------------------------------------------------


async def test_where_it_has_gone_on_elsewhere_nothing_is_paid(opened):
    one, other = opened.again(), opened.again()
    await one.say("One.")
    assert await opened.refuses(other)
    assert opened.resumed == ["One."]


async def test_who_resets_last_begins_anew_whatever_others_did(opened):
    one = opened.again()
    await one.say("One.")
    other = opened.again()
    one.talk.reset()
    await one.say("Keep nothing of this: 4711.")
    other.talk.reset()
    assert opened.resumed == other.talk.messages == []
    await other.say("Anew.")
    assert opened.resumed == ["Anew."]
    assert await opened.refuses(one)
    one.talk.reset()
    await one.say("And anew.")
    assert opened.resumed == ["And anew."]


async def test_what_is_said_after_a_reset_elsewhere_is_refused_not_lost(opened):
    one, other = opened.again(), opened.again()
    await one.say("One.")
    other.talk.reset()
    assert await opened.refuses(one)
    again = opened.again()
    await again.say("Two.")
    assert opened.resumed == ["Two."]


async def test_what_is_said_after_all_was_forgotten_is_refused_not_lost(opened):
    spoken = opened.again()
    for text in ("One.", "Two.", "Three."):
        await spoken.say(text)
        spoken.talk.reset()
    opened.memory.forget(user_id="ada")
    assert await opened.refuses(spoken)
    spoken.talk.reset()
    await spoken.say("Four.")
    assert opened.resumed == ["Four."]
    assert opened.again().talk.scope == spoken.talk.scope


@pytest.mark.parametrize("how", ["reset", "forget"])
async def test_what_is_begun_anew_while_the_answer_is_made_is_told(kind, url, how):
    def reply(_body):
        if armed.is_set():
            armed.clear()
            other.talk.reset() if how == "reset" else opened.memory.forget(user_id="ada")
        return Reply(OTHER, thinking=False)

    armed = threading.Event()
    with open_store(url) as store:
        opened = Opened(kind, store)
        opened.fake = stand_in(reply)
        spoken = opened.again()
        spoken.talk.reset()
        other = opened.again()
        armed.set()
        with pytest.raises(StoreError, match=GONE):
            await spoken.say("One.")
        assert spoken.talk.messages == opened.resumed == []
        assert not list(store.ledger.scan("ada", kind="said")), "and nothing is left of it"


async def test_an_answer_on_its_way_belongs_to_what_was_reset(kind, url):
    with open_store(url) as store:
        opened = Opened(kind, store)
        opened.fake = stand_in(lambda _body: spoken.talk.reset() or Reply(OTHER))
        spoken = opened.again()
        assert await spoken.say("One.") == OTHER
        assert (spoken.talk.messages, spoken.talk.last, spoken.talk.growth) == ([], None, [])
        assert spoken.talk.usage.output_tokens, "but paid for"
        assert not list(store.ledger.scan("ada", kind="said"))


async def test_of_two_resets_at_once_each_begins_a_generation(opened):
    one, other = opened.again(), opened.again()
    ledger, put = opened.memory.store.ledger, opened.memory.store.ledger.put

    def late(user_id, records):
        ledger.put = put
        other.talk.reset()
        return put(user_id, records)

    ledger.put = late
    one.talk.reset()
    assert one.talk.scope != other.talk.scope
    await one.say("Mine.")
    assert opened.resumed == ["Mine."]
    assert await opened.refuses(other)


async def test_what_was_left_under_the_number_of_a_generation_to_come_is_none_of_it(opened):
    """Whoever did not know that all was forgotten wrote there."""
    said = {"messages": [{"role": "user", "content": "Of old."}]}
    left = Record("said:c\x1f1:1", "said", "c\x1f1", said)
    opened.memory.store.ledger.put("ada", [left])
    spoken = opened.again()
    spoken.talk.reset()
    assert spoken.talk.messages == opened.resumed == []
    await spoken.say("One.")
    assert opened.resumed == ["One."]


async def test_resets_with_a_gap_among_their_numbers_hold(opened):
    """Older versions left one, where all was forgotten before a reset."""
    opened.memory.store.ledger.put("ada", [Record("reset:c:2", "reset", "c", {})])
    spoken = opened.again()
    await spoken.say("One.")
    spoken.talk.reset()
    await spoken.say("Two.")
    assert opened.resumed == ["Two."]


@pytest.mark.parametrize("policy", ["continue", "raise"])
async def test_a_store_that_cannot_be_asked_costs_no_answer(kind, policy):
    def fail():
        raise StoreError("it is not there")

    trouble = Trouble(lambda *_: True, fail)
    with troubled_store(trouble) as store:
        fake = stand_in()
        with memory(store, policy=replace(SMALL, on_error=policy)) as remembering:
            spoken = Spoken(kind, fake, memory=remembering, id="c")
            trouble.armed = True
            if policy == "continue":
                assert await spoken.say("One.") == OTHER
                assert asked(spoken.talk) == ["One."]
            else:
                with pytest.raises(StoreError, match="it is not there"):
                    await spoken.say("One.")
                assert fake.calls == []
            trouble.armed = False


# --- several threads and tasks ----------------------------------------------------------------


async def at_once(spoken, *ways):
    """Each in a thread of its own, or a task."""
    if spoken.is_async:
        return await asyncio.gather(*(way() for way in ways))
    barrier = threading.Barrier(len(ways))

    def run(way):
        barrier.wait()
        return asyncio.run(way())

    with ThreadPoolExecutor(len(ways)) as pool:
        return list(pool.map(run, ways))


@pytest.mark.parametrize("way", ["say", "stream"])
async def test_all_that_is_said_at_once_is_answered_and_kept(opened, way):
    spoken = opened.again()
    wanted = [f"Question {number}." for number in range(12)]
    said = [lambda text=text: getattr(spoken, way)(text) for text in wanted]
    answers = await at_once(spoken, *said)
    assert ["".join(answer) for answer in answers] == [OTHER] * 12
    assert sorted(asked(spoken.talk)) == sorted(wanted)
    assert opened.resumed == asked(spoken.talk)
    assert [len(body["messages"]) for body in chats(opened.fake)] == list(range(1, 25, 2))


@contextmanager
def waiting(talk, text):
    """Another thread that wants to say something."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(talk.say(text)), daemon=True)
    thread.start()
    time.sleep(0.1)
    assert answers == []
    yield
    thread.join(10)
    assert answers == [OTHER]


@pytest.mark.parametrize("end", ["read", "closed", "let go of", "raised in"])
def test_a_stream_has_its_turn_until_its_end(url, end):
    fake = scripted()
    with open_store(url) as store:
        talk = Conversation(client=fake.client(), memory=memory(store), id="c")
        stream = talk.stream("One.")
        next(stream)
        with waiting(talk, "Two."):
            if end == "read":
                list(stream)
            elif end == "closed":
                stream.close()
            elif end == "raised in":
                with pytest.raises(ZeroDivisionError):
                    stream.throw(ZeroDivisionError)
            else:
                del stream
                gc.collect()
    assert asked(talk) == (["One.", "Two."] if end == "read" else ["Two."])


@pytest.mark.parametrize("end", ["read", "closed", "let go of"])
async def test_an_async_stream_has_its_turn_until_its_end(url, end):
    fake = scripted()
    with open_store(url) as store:
        talk = AsyncConversation(client=fake.async_client(), memory=memory(store), id="c")
        stream = talk.stream("One.")
        await anext(stream)
        task = asyncio.create_task(talk.say("Two."))
        await asyncio.sleep(0.1)
        assert not task.done()
        if end == "read":
            async for _ in stream:
                pass
        elif end == "closed":
            await stream.aclose()
        del stream
        gc.collect()
        assert await asyncio.wait_for(task, 10) == OTHER
    assert asked(talk) == (["One.", "Two."] if end == "read" else ["Two."])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_whose_event_loop_was_closed_over_it_holds_up_no_one():
    with memory() as remembering:
        fake = scripted()
        talk = AsyncConversation(client=fake.async_client(), memory=remembering, id="c")
        stream = talk.stream("One.")
        loop = asyncio.new_event_loop()
        loop.run_until_complete(anext(stream))
        loop.close()
        del stream
        gc.collect()

        async def say():
            return await asyncio.wait_for(talk.say("Two."), 10)

        assert asyncio.run(say()) == OTHER


async def test_who_says_something_in_the_midst_of_a_stream_gives_it_up(opened):
    opened.fake = scripted()
    spoken = opened.again()
    stream = spoken.talk.stream("One.")
    pieces = [await anext(stream) if spoken.is_async else next(stream)]
    assert await spoken.say("Two.") == OTHER

    async def read_on():
        if spoken.is_async:
            pieces.extend([piece async for piece in stream])
        else:
            pieces.extend(stream)

    with pytest.raises(TurnfoldError, match="something else was said before this stream came"):
        await read_on()
    assert opened.resumed == asked(spoken.talk) == ["Two."]
    await spoken.say("Three.")
    assert opened.resumed == ["Two.", "Three."]


async def test_what_is_called_while_the_answer_is_made_cannot_say_anything(kind):
    refused = []

    def between(request, call_next):
        with pytest.raises(TurnfoldError, match="waits for an answer"):
            spoken.talk.say("Two.")
        refused.append(True)
        return call_next(request)

    async def between_async(request, call_next):
        with pytest.raises(TurnfoldError, match="waits for an answer"):
            await spoken.say("Two.")
        refused.append(True)
        return await call_next(request)

    fake = stand_in()
    make = fake.async_client if kind == "async" else fake.client
    client = make(middleware=[between_async if kind == "async" else between])
    with memory() as remembering:
        spoken = Spoken(kind, fake, client=client, memory=remembering)
        assert await spoken.say("One.") == OTHER
        assert asked(spoken.talk) == ["One."]
    assert refused == [True]
    assert len(fake.calls) == 1


async def test_a_task_that_is_cancelled_while_it_waits_holds_up_no_one(url):
    fake = scripted()
    with open_store(url) as store:
        talk = AsyncConversation(client=fake.async_client(), memory=memory(store), id="c")
        stream = talk.stream("One.")
        await anext(stream)
        given_up, stays = (asyncio.create_task(talk.say(text)) for text in ("Two.", "Three."))
        await asyncio.sleep(0.05)
        given_up.cancel()
        await stream.aclose()
        assert await asyncio.wait_for(stays, 10) == OTHER
    assert given_up.cancelled()
    assert asked(talk) == ["Three."]


async def test_after_an_error_the_next_has_its_turn(opened):
    spoken = opened.again()
    opened.fake.fail_next(Fault("overloaded"))

    async def say(text):
        try:
            return await spoken.say(text)
        except anthropic.APIError as wrong:
            return type(wrong).__name__

    answers = await at_once(spoken, lambda: say("One."), lambda: say("Two."))
    assert sorted(answers) == [OTHER, "OverloadedError"]
    assert len(opened.resumed) == 1


@pytest.fixture
def impatient(monkeypatch):
    """Who reads on no more is overtaken when that is first looked at, not seconds later."""
    monkeypatch.setattr("turnfold.resilience.taking_turns._PATIENCE", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_who_waits_amid_a_stream_for_a_task_that_says_something_goes_on(url):
    fake = scripted()
    talk = AsyncConversation(
        client=fake.async_client(max_retries=0), memory=memory(url), id="c", user_id="ada"
    )
    said = []

    async def read():
        async for _ in talk.stream("One."):
            if not said:
                said.extend(await asyncio.gather(talk.say("Two.")))

    with pytest.raises(TurnfoldError, match="something else was said"):
        await asyncio.wait_for(read(), 20)
    assert said == [OTHER]
    assert asked(talk) == ["Two."]


@pytest.mark.usefixtures("impatient")
def test_who_waits_amid_a_stream_for_a_thread_that_says_something_goes_on(url):
    talk = Conversation(
        client=scripted().client(max_retries=0), memory=memory(url), id="c", user_id="ada"
    )
    said = []

    def read(pool):
        for _ in talk.stream("One."):
            if not said:
                said.append(pool.submit(talk.say, "Two.").result(20))

    with ThreadPoolExecutor(1) as pool, pytest.raises(TurnfoldError, match="something else"):
        read(pool)
    assert said == [OTHER]
    assert asked(talk) == ["Two."]


@pytest.mark.parametrize("kind", ["raises", "hangs"])
def test_a_ledger_that_fails_or_hangs_holds_up_no_answer(kind):
    store = open_store("memory:")
    fake = stand_in(OTHER)
    kept = memory(store, policy=replace(SMALL, deadline=0.3))
    talk = Conversation(client=fake.client(max_retries=0), memory=kept, id="c", user_id="ada")
    talk.say("One.")
    over = threading.Event()

    def fails(*_, **__):
        if kind == "hangs":
            over.wait(20)
        raise RuntimeError("no ledger")

    store.ledger.get = store.ledger.scan = fails
    try:
        began = time.monotonic()
        first = next(talk.stream("Two."))
        assert first
        assert time.monotonic() - began < 5
    finally:
        over.set()
