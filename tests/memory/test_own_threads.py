"""What memory does beside an event loop, it does in threads of its own: the loop's may be busy."""

import asyncio
import atexit
import threading
from contextlib import asynccontextmanager, contextmanager

import anyio.to_thread
import pytest
from support.chats import ask, history, memory, stand_in
from support.embedders import HashedWords
from support.faulty import Trouble, troubled_store
from support.ways import Door
from turnfold import AsyncConversation, ExtractiveSummarizer
from turnfold.resilience import worker_threads
from turnfold.resilience.worker_threads import NoThread


@asynccontextmanager
async def all_at_work():
    """The threads of the loop, which are the application's, are all taken; not for ever."""
    limiter, came_back, taken = anyio.to_thread.current_default_thread_limiter(), [], object()
    before, limiter.total_tokens = limiter.total_tokens, 1
    await limiter.acquire_on_behalf_of(taken)

    def release(why=""):
        if limiter.total_tokens == 1:
            limiter.total_tokens = before
            limiter.release_on_behalf_of(taken)
            came_back.extend([why] if why else [])

    late = asyncio.get_running_loop().call_later(10, release, "late")
    try:
        yield
    finally:
        late.cancel()
        release()
    assert not came_back, "memory waited for a thread of the application's"


@pytest.mark.parametrize("way", ["create", "stream"])
async def test_a_turn_waits_for_no_thread_of_the_applications(way):
    door, receipts = Door("async"), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(stand_in("So.")), conversation="c")
        async with all_at_work():
            await door.ask(way, client, ask(history(2)))
        assert len(receipts) == 1


async def test_nor_does_a_conversation():
    with memory() as remembering:
        talk = AsyncConversation(client=stand_in("So.").async_client(), memory=remembering)
        async with all_at_work():
            await talk.say("One.")
            assert [piece async for piece in talk.stream("Two.")]
        assert len(talk.messages) == 4


async def test_nor_does_what_is_asked_for_by_hand():
    fake = stand_in("So.")
    remembering = memory()
    client = fake.async_client()
    async with all_at_work():
        await remembering.aload()
        await remembering.abackfill(history(9), client=client, user_id="ada", conversation="c")
        whose = {"user_id": "ada", "conversation": "c"}
        assert await remembering.asearch("amber3", **whose)
        (note, *_) = await remembering.anotes(**whose)
        await remembering.aretract(note.id, **whose)
        await remembering.apreview(ask(history(9)), **whose)
        tool = remembering.atool(**whose)
        assert "amber3" in await tool.call({"query": "amber3"})
        called = {"type": "tool_use", "id": "t", "name": "recall", "input": {"query": "amber3"}}
        assert "amber3" in (await tool.tool_result(called))["content"]
        assert await remembering.amemory_tool(user_id="ada").clear_all_memory()
        assert (await remembering.aforget(**whose)).exchanges
        await remembering.aclose()


async def test_nor_does_a_backfill_with_a_summarizer_that_blocks():
    client = stand_in("So.").async_client()
    with memory(summarizer=ExtractiveSummarizer()) as remembering:
        async with all_at_work():
            told = await remembering.abackfill(
                history(9), client=client, user_id="ada", conversation="c"
            )
        assert told.folded


@contextmanager
def hanging():
    """What hangs, until the end of the block."""
    release, came_back = threading.Event(), []

    def hang():
        if not release.wait(20):
            came_back.append("by itself")

    try:
        yield hang
    finally:
        release.set()
    assert not came_back


async def until(holds):
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def leave_searches(remembering, trouble):
    """All threads that look things up hang in the store."""
    trouble.hits = lambda _number, name: threading.current_thread().name == "turnfold-hand"
    trouble.armed = True
    for _ in range(50):
        with anyio.move_on_after(0.02):
            await remembering.asearch("amber1", user_id="ada")
        if trouble.struck >= 4:
            return


async def test_backfills_with_a_summarizer_that_hangs_hold_up_no_other_users():
    plain, asked = ExtractiveSummarizer(), []

    with hanging() as hang:

        def summarize(job):
            if "ada" in str(job):
                asked.append(job)
                hang()
            return plain(job)

        remembering, client = memory(summarizer=summarize), stand_in("So.").async_client()
        fills = [
            asyncio.create_task(
                remembering.abackfill(history(9, "ada"), client=client, user_id=who, conversation=c)
            )
            for who, c in zip(("ada",) * 5, "abcde", strict=True)
        ]
        await until(lambda: len(asked) == 5)
        told = await asyncio.wait_for(
            remembering.abackfill(history(9), client=client, user_id="bob", conversation="c"), 10
        )
        assert told.folded
        for one in fills:
            one.cancel()
        await asyncio.gather(*fills, return_exceptions=True)
    await remembering.aclose()


async def test_a_backfill_and_a_closing_leave_nothing_to_be_done_at_exit():
    remembering, client = memory(summarizer=ExtractiveSummarizer()), stand_in("So.").async_client()
    await remembering.abackfill(history(9), client=client, user_id="ada", conversation="a")
    before = atexit._ncallbacks()
    await remembering.abackfill(history(9), client=client, user_id="ada", conversation="b")
    await remembering.aclose()
    assert atexit._ncallbacks() == before


async def test_what_changes_memory_by_hand_waits_for_no_search():
    trouble = Trouble()
    with hanging() as trouble.act, memory(troubled_store(trouble)) as remembering:
        client = remembering.wrap(stand_in("So.").async_client(), user_id="ada", conversation="c")
        for turn in (6, 9):
            await client.messages.create(**ask(history(turn)))
        note, *_ = await remembering.anotes(user_id="ada", conversation="c")
        await leave_searches(remembering, trouble)
        await remembering.aretract(note.id, user_id="ada", conversation="c")
        files = remembering.amemory_tool(user_id="ada")
        assert await files.clear_all_memory()
        assert (await remembering.aforget(user_id="ada")).exchanges


async def test_who_gives_up_waiting_for_it_has_memory_changed_all_the_same():
    trouble = Trouble(lambda _number, _name: threading.current_thread().name == "turnfold-hand")
    with hanging() as trouble.act, memory(troubled_store(trouble)) as remembering:
        client = remembering.wrap(stand_in("So.").async_client(), user_id="ada")
        for turn in (6, 9):
            await client.messages.create(**ask(history(turn)))
        trouble.armed = True
        async with anyio.create_task_group() as searches:
            for _ in range(4):
                searches.start_soon(lambda: remembering.asearch("amber1", user_id="ada"))
            await until(lambda: trouble.struck == 4)
            with anyio.move_on_after(0.01):
                await remembering.aforget(user_id="ada")
            searches.cancel_scope.cancel()
        assert not remembering.forget(user_id="ada").exchanges, "all are forgotten already"


async def test_an_embedder_left_alone_by_turns_is_asked_by_hand():
    """By a search on an event loop as by any other."""
    with memory() as remembering:
        client = remembering.wrap(stand_in("So.").async_client(), user_id="ada")
        await client.messages.create(**ask(history(9)))
        for _ in range(3):
            remembering._embedder._breaker.failed(OSError("away"))
        found = remembering.search("amber3", user_id="ada")
        assert found
        assert await remembering.asearch("amber3", user_id="ada") == found


async def test_a_search_given_up_in_the_embedder_takes_it_from_no_turn(monkeypatch):
    monkeypatch.setattr(worker_threads, "_GRACE", 0.01)
    asked, receipts = threading.Event(), []

    class Slow(HashedWords):
        def embed(self, texts):
            if threading.current_thread().name == "turnfold-hand":
                asked.set()
                hang()
            return super().embed(texts)

    with hanging() as hang, memory(embedder=Slow(), on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in("Fine.").async_client(), user_id="ada")
        await client.messages.create(**ask(history(25)))
        searching = asyncio.create_task(remembering.asearch("amber3", user_id="bob"))
        await until(asked.is_set)
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
        await asyncio.sleep(0.05)
        await client.messages.create(**ask(history(26), "Where is birch4?"))
    assert [one.degraded for one in receipts] == [()] * 2


async def test_searches_that_hang_and_are_given_up_hold_up_no_turn():
    trouble = Trouble()
    with hanging() as trouble.act, memory(troubled_store(trouble)) as remembering:
        client = remembering.wrap(stand_in("So.").async_client(), user_id="ada")
        await client.messages.create(**ask(history(2)))
        await leave_searches(remembering, trouble)
        with pytest.raises(NoThread, match="what hangs is left alone"):
            await remembering.asearch("amber1", user_id="ada")
        tool = remembering.atool(user_id="ada")
        called = {"type": "tool_use", "id": "t", "name": "recall", "input": {"query": "amber1"}}
        assert (await tool.tool_result(called))["is_error"]
        await client.messages.create(**ask(history(3)))


def test_what_is_left_on_no_loop_of_asyncio_is_closed_all_the_same():
    """As on trio, where no task can be left."""
    remembering = memory()
    closing = remembering._background.aclose()
    with pytest.raises(StopIteration):
        closing.send(None)
    remembering.close()
