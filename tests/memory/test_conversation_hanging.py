"""A conversation whose store hangs: its answers are given, and nothing is kept by halves."""

import asyncio
import threading
from dataclasses import replace

import pytest
from support.chats import SMALL, memory, stand_in
from support.faulty import Trouble, fail, troubled_store
from support.spoken import Spoken
from turnfold import AsyncConversation, Conversation, TurnfoldError
from turnfold_fake import Reply

HASTY = replace(SMALL, deadline=0.3)
NOT_READY = r"memory was not ready within its deadline of 0\.3 s"


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


class Stuck:
    """A store that hangs in some of its calls, until it is let go."""

    def __init__(self, part="ledger.put said"):
        self.came_back = []
        self.began = threading.Event()
        self._release = threading.Event()
        self.trouble = Trouble(lambda _, name: name.startswith(part), self._hang)
        self.store = troubled_store(self.trouble)
        self.left = []

    def _hang(self):
        self.left.append(threading.current_thread())
        self.began.set()
        if not self._release.wait(20):
            self.came_back.append("by itself")

    def let_go(self):
        self.trouble.armed = False
        self._release.set()
        for thread in self.left:
            thread.join(20)


@pytest.fixture
def stuck():
    one = Stuck()
    yield one
    one.let_go()


def asked(talk):
    return [one["content"] for one in talk.messages if one["role"] == "user"]


def resumed(remembering, fake):
    return asked(Conversation(client=fake.client(), memory=remembering, id="c"))


async def test_an_answer_is_given_though_the_store_hangs_over_its_record(kind, stuck, caplog):
    fake = stand_in("So.")
    with memory(stuck.store, policy=HASTY) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        await spoken.say("One.")
        stuck.trouble.armed = True
        assert await spoken.say("Two.") == "So."
        assert "could not be stored" in caplog.text
        assert asked(spoken.talk) == ["One.", "Two."]
        assert await spoken.say("Three.") == "So.", "while the one before is being written yet"
        assert "still being written" in caplog.text
        assert not stuck.came_back
        stuck.let_go()
        assert resumed(remembering, fake) == ["One.", "Two."], "it came late, and in its order"
        assert await spoken.say("Four.") == "So."
        assert asked(spoken.talk) == ["One.", "Two.", "Three.", "Four."]
        assert resumed(remembering, fake) == ["One.", "Two.", "Three.", "Four."]


async def test_what_is_raised_as_not_said_is_not_kept_later(kind, stuck):
    fake = stand_in("So.")
    with memory(stuck.store, policy=replace(HASTY, on_error="raise")) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        await spoken.say("One.")
        stuck.trouble.armed = True
        with pytest.raises(TurnfoldError, match=NOT_READY):
            await spoken.say("Two.")
        assert asked(spoken.talk) == ["One."]
        stuck.let_go()
        assert resumed(remembering, fake) == ["One."]
        await spoken.say("Three.")
        assert resumed(remembering, fake) == asked(spoken.talk) == ["One.", "Three."]


class StuckBehind(Stuck):
    """Hangs, or fails, in the look at the resets that follows the writing of an exchange."""

    def __init__(self, fails=False):
        super().__init__()
        self.trouble.hits = self._is_behind
        if fails:
            self.trouble.act = fail
        self._wrote = False

    def _is_behind(self, _number, name):
        was_written, self._wrote = self._wrote, name == "ledger.put said"
        return was_written and name == "ledger.scan"


async def test_what_is_raised_as_not_said_while_it_is_looked_at_is_not_kept_later(kind):
    fake, stuck = stand_in("So."), StuckBehind()
    with memory(stuck.store, policy=replace(HASTY, on_error="raise")) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        stuck.trouble.armed = True
        with pytest.raises(TurnfoldError, match=NOT_READY):
            await spoken.say("One.")
        assert stuck.left, "it was written by then"
        stuck.let_go()
        assert resumed(remembering, fake) == asked(spoken.talk) == []
        await spoken.say("Two.")
        assert resumed(remembering, fake) == asked(spoken.talk) == ["Two."]


@pytest.mark.parametrize("on_error", ["raise", "continue"])
async def test_what_is_written_is_said_though_it_cannot_be_looked_at(kind, on_error):
    fake, failing = stand_in("So."), StuckBehind(fails=True)
    with memory(failing.store, policy=replace(SMALL, on_error=on_error)) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        failing.trouble.armed = True
        await spoken.say("One.")
        assert failing.trouble.struck == 1
        failing.let_go()
        await spoken.say("Two.")
        assert resumed(remembering, fake) == asked(spoken.talk) == ["One.", "Two."]


async def test_many_conversations_over_a_store_that_hangs_leave_few_threads(stuck):
    fake = stand_in("So.")
    with memory(stuck.store, policy=HASTY) as remembering:
        talks = [
            AsyncConversation(client=fake.async_client(), memory=remembering, id=f"c{number}")
            for number in range(20)
        ]
        stuck.trouble.armed = True
        told = await asyncio.gather(*(talk.say("One.") for talk in talks))
        assert told == ["So."] * 20
        assert len(stuck.left) <= 8
        assert not stuck.came_back


async def stop_as_it_is_written(talk, stuck):
    saying = asyncio.create_task(talk.say("One."))
    assert await asyncio.to_thread(stuck.began.wait, 20)
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    stuck.let_go()


async def test_who_is_stopped_while_an_answer_is_written_down_has_it(stuck):
    fake = stand_in("So.")
    with memory(stuck.store, policy=replace(SMALL, deadline=20)) as remembering:
        talk = AsyncConversation(client=fake.async_client(), memory=remembering, id="c")
        stuck.trouble.armed = True
        await stop_as_it_is_written(talk, stuck)
        assert asked(talk) == resumed(remembering, fake) == ["One."]


async def test_what_nobody_began_to_write_is_written_with_what_is_said_next(stuck, caplog):
    fake = stand_in("So.")
    with memory(stuck.store, policy=replace(SMALL, deadline=20)) as remembering:
        talks = [
            AsyncConversation(client=fake.async_client(), memory=remembering, id=f"c{number}")
            for number in range(3)
        ]
        await asyncio.gather(*(talk.say("One.") for talk in talks))
        stuck.trouble.armed = True
        saying = [asyncio.create_task(talk.say("Two.")) for talk in talks]
        while any(len(talk.messages) < 4 for talk in talks):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        for task in saying:
            task.cancel()
        told = await asyncio.gather(*saying, return_exceptions=True)
        assert {type(one) for one in told} == {asyncio.CancelledError}
        assert caplog.text.count("not stored yet, but with the next") == 1, "two have a thread"
        stuck.let_go()
        for talk in talks:
            await talk.say("Three.")
            again = Conversation(client=fake.client(), memory=remembering, id=talk.id)
            assert asked(again) == asked(talk) == ["One.", "Two.", "Three."]


async def test_who_is_stopped_while_it_is_tried_whether_a_store_works_leaves_it_to_another(stuck):
    fake = stand_in(lambda _body: setattr(store, "_until", 0.0) or Reply("So.", thinking=False))
    with memory(stuck.store, policy=replace(SMALL, deadline=20)) as remembering:
        store = remembering._background.bounds.store
        talk = AsyncConversation(client=fake.async_client(), memory=remembering, id="c")
        for _ in range(3):
            store.failed(OSError("gone"))
        stuck.trouble.armed = True
        await stop_as_it_is_written(talk, stuck)
        store.admit()  # raises where it is still left alone


async def test_a_store_that_works_again_is_used_again(kind):
    """Whether a conversation is the newest is asked before the turn, which is what may try it."""
    trouble = Trouble(lambda _, name: name.startswith("ledger.put"))
    fake, receipts = stand_in("So."), []
    with memory(troubled_store(trouble), on_receipt=receipts.append) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        trouble.armed = True
        for _ in range(3):
            await spoken.say("One.")
        trouble.armed = False
        store = remembering._background.bounds.store
        await spoken.say("Two.")
        assert "left alone" in receipts[-1].degraded[0]
        store._until = 0.0  # as when some seconds have passed
        await spoken.say("Three.")
        assert not receipts[-1].degraded
