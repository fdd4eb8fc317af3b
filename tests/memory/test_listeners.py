"""Whoever wants receipts: called where it is right, and nothing it does wrong is memory's."""

import asyncio
import threading
from dataclasses import replace
from functools import partial

import pytest
from support.chats import SMALL, ask, history, memory, stand_in
from support.spoken import Spoken
from turnfold import Conversation, TurnfoldError


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


def breaks(_receipt):
    raise KeyError("statsd")


def listening(listener, **options):
    return memory(on_receipt=listener, **options)


class Listener:
    """One that is an object, and async."""

    def __init__(self):
        self.heard = []

    async def __call__(self, receipt):
        await asyncio.sleep(0)
        self.heard.append((receipt, asyncio.get_running_loop()))


# --- what it raises ---------------------------------------------------------------------------


@pytest.mark.parametrize("on_error", ["continue", "raise"])
async def test_a_listener_that_raises_costs_no_account_and_is_named(kind, caplog, on_error):
    fake = stand_in("So.")
    with listening(breaks, policy=replace(SMALL, on_error=on_error)) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        for _ in range(2):
            assert await spoken.say("One.") == "So."
        assert spoken.talk.last.turn == 2
        assert spoken.talk.usage.input_tokens > 0
        assert len(spoken.talk.growth) == 2
    assert "on_receipt failed (breaks): KeyError: 'statsd'" in caplog.text
    assert "without memory" not in caplog.text


async def test_a_listener_that_raises_is_no_fault_of_the_store(door):
    with listening(breaks) as remembering:
        client = remembering.wrap(door.client(stand_in("So.")), conversation="c")
        for _ in range(5):
            await door.ask("create", client, ask(history(1)))
        remembering._background.bounds.store.check()


# --- on an event loop -------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["create", "stream"])
async def test_an_async_listener_is_awaited_on_the_loop(way):
    from support.ways import Door

    door, told, loop = Door("async"), asyncio.Queue(), asyncio.get_running_loop()

    async def listen(conversation, receipt):
        assert asyncio.get_running_loop() is loop
        await told.put((conversation, receipt.turn))

    one = Listener()
    with listening(one) as remembering:
        client = remembering.wrap(
            door.client(stand_in("So.")), conversation="c", on_receipt=partial(listen, "c")
        )
        await door.ask(way, client, ask(history(1)))
    assert told.get_nowait() == ("c", 2)
    assert [(receipt.turn, where) for receipt, where in one.heard] == [(2, loop)]


async def test_what_a_plain_listener_gives_back_to_be_awaited_is_awaited():
    told = asyncio.Queue()
    with listening(lambda receipt: asyncio.wait_for(told.put(receipt), 5)) as remembering:
        client = remembering.wrap(stand_in("So.").async_client())
        await client.messages.create(**ask(history(1)))
    assert told.get_nowait().turn == 2


async def test_an_async_listener_that_raises_is_named_and_the_others_are_told(caplog):
    async def loses(_receipt):
        raise ConnectionError("no broker")

    receipts = []
    with listening(loses) as remembering:
        client = remembering.wrap(stand_in("So.").async_client(), on_receipt=receipts.append)
        await client.messages.create(**ask(history(1)))
    assert len(receipts) == 1
    assert not receipts[0].degraded
    assert "loses): ConnectionError: no broker" in caplog.text
    assert "without memory" not in caplog.text


@pytest.mark.parametrize("listens", ["async", "plain"])
async def test_a_listener_that_never_comes_back_is_waited_for_until_the_deadline(listens, caplog):
    release, came_back = threading.Event(), []

    async def forever(_receipt):
        await asyncio.sleep(20)
        came_back.append("by itself")

    def hangs(_receipt):
        if not release.wait(20):
            came_back.append("by itself")

    listener = forever if listens == "async" else hangs
    with listening(listener, policy=replace(SMALL, deadline=0.3)) as remembering:
        client = remembering.wrap(stand_in("So.").async_client())
        for _ in range(6):
            await client.messages.create(**ask(history(1)))
        assert threading.active_count() < 20
    release.set()
    assert not came_back
    assert "was not done within" in caplog.text


async def test_a_slow_listener_takes_no_time_from_the_next():
    async def slow(_receipt):
        await asyncio.sleep(20)

    heard = Listener()
    with listening(slow, policy=replace(SMALL, deadline=0.2)) as remembering:
        client = remembering.wrap(stand_in("So.").async_client(), on_receipt=heard)
        await client.messages.create(**ask(history(1)))
    assert len(heard.heard) == 1


# --- at the door ------------------------------------------------------------------------------


def test_a_sync_client_has_no_async_listener():
    fake = stand_in("So.")
    with memory() as remembering:
        for listener in (Listener(), Listener().__call__, partial(Listener().__call__)):
            with pytest.raises(TurnfoldError, match="the client is a sync one"):
                remembering.wrap(fake.client(), on_receipt=listener)
    with listening(Listener()) as remembering:
        with pytest.raises(TurnfoldError, match="the client is a sync one"):
            remembering.wrap(fake.client())
        with pytest.raises(TurnfoldError, match="the client is a sync one"):
            Conversation(client=fake.client(), memory=remembering)
        remembering.wrap(fake.async_client())


def test_what_cannot_be_called_is_no_listener():
    with pytest.raises(TurnfoldError, match="on_receipt=5 must be a function"):
        memory(on_receipt=5)
    with memory() as remembering, pytest.raises(TurnfoldError, match="on_receipt=5 must be"):
        remembering.wrap(stand_in("So.").client(), on_receipt=5)


def test_what_only_turns_out_to_be_async_is_told(caplog):
    async def listen(_turn):
        pass

    with listening(lambda receipt: listen(receipt.turn)) as remembering:
        client = remembering.wrap(stand_in("So.").client())
        client.messages.create(**ask(history(1)))
    assert "it wants to be awaited, and the client is a sync one" in caplog.text
