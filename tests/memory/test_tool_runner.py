"""The SDK's tool runner sends its history, so that memory has something to fold.

Left to itself it has the API keep a thread and sends only what is new.
"""

import asyncio

import pytest
from anthropic import beta_async_tool, beta_tool
from support.chats import MODEL, SMALL, chats, history, memory, stand_in
from support.serving import serving
from support.ways import Door
from turnfold_fake import Fault, Reply

CALLS = 4
SCHEMA = {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]}


def turns_pages(body):
    """Asks for four pages, one after the other, then says that it is done."""
    read = sum(
        "tool_result" in str(message["content"]) for message in body["messages"][-2 * CALLS :]
    )
    if read >= CALLS:
        return Reply("I have read it all.", thinking=False)
    call = {"type": "tool_use", "id": f"toolu_{read}", "name": "turn_page", "input": {"page": read}}
    return Reply([call], thinking=False)


@beta_tool(description="Turns a page.", input_schema=SCHEMA)
def turn_page(page):
    return f"This is page {page}."


@beta_async_tool(name="turn_page", description="Turns a page.", input_schema=SCHEMA)
async def turn_page_async(page):
    return f"This is page {page}."


def reading(door, messages=({"role": "user", "content": "Read the book."},)):
    tool = turn_page_async if door.is_async else turn_page
    return {"model": MODEL, "max_tokens": 500, "messages": list(messages), "tools": [tool]}


async def run(door, runner, *, stream=False):
    """The text of the last reply."""
    if not stream:
        last = await runner.until_done() if door.is_async else runner.until_done()
    elif door.is_async:
        async for reply in runner:
            last = await reply.get_final_message()
    else:
        for reply in runner:
            last = reply.get_final_message()
    return last.content[-1].text


def lengths(fake):
    """How many messages each request brought, and whether it was one of a thread."""
    return [(len(body["messages"]), "thread" in body) for body in chats(fake)]


WHOLE = [(1 + 2 * n, False) for n in range(CALLS + 1)]


@pytest.mark.parametrize("stream", [False, True], ids=["create", "stream"])
async def test_a_runner_sends_its_history(door, stream):
    fake, receipts = stand_in(turns_pages), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake), user_id="ada", conversation="book")
        runner = client.beta.messages.tool_runner(**reading(door), stream=stream)
        assert await run(door, runner, stream=stream) == "I have read it all."
    assert lengths(fake) == WHOLE
    assert all(call.status == 200 for call in fake.calls), "and nobody was refused for it"
    assert len(receipts) == CALLS + 1
    said = [one.remarks for one in receipts]
    assert "tool_runner sends its history" in said[0][0]
    assert said[1:] == [()] * CALLS, "which is said once"


async def test_tools_run_while_the_reply_streams(door):
    fake = stand_in(turns_pages)
    with memory() as remembering:
        client = remembering.wrap(door.client(fake))
        runner = client.beta.messages.tool_runner(
            **reading(door), stream=True, run_tools_eagerly=True
        )
        assert await run(door, runner, stream=True) == "I have read it all."
    assert lengths(fake) == WHOLE


async def test_what_a_runner_sends_is_what_it_sends_without_a_thread(door):
    """To the byte, cache marks aside: memory adds nothing to a history that is short."""
    told = []
    for asked in ({}, {"thread": False}):
        fake = stand_in(turns_pages)
        with memory() as remembering:
            client = remembering.wrap(door.client(fake), user_id="ada", conversation="book")
            await run(door, client.beta.messages.tool_runner(**reading(door), **asked))
        told.append([[_plain(m) for m in body["messages"]] for body in chats(fake)])
    assert told[0] == told[1]


def _plain(message):
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return message["role"], [{k: v for k, v in b.items() if k != "cache_control"} for b in content]


async def test_a_long_history_of_a_runner_is_folded(door):
    fake, receipts = stand_in(turns_pages), []
    with memory(policy=SMALL, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake), user_id="ada", conversation="book")
        asked = reading(door, [*history(12), {"role": "user", "content": "Read the book."}])
        await run(door, client.beta.messages.tool_runner(**asked))
    assert receipts[0].folded
    assert all(one.saved_tokens > 0 for one in receipts)


async def test_whoever_asks_for_a_thread_gets_one(door):
    fake, receipts = stand_in(), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake))
        thread = client.beta.messages.thread(**reading(door))
        answer = await thread.send() if door.is_async else thread.send()
    assert answer.content[-1].text == "All right."
    [body] = chats(fake)
    assert body["thread"] == {"type": "create"}
    assert receipts == []


async def test_a_runner_of_such_a_thread_works_too(door):
    """It cannot be told from one that asks by itself: it gets memory instead, and no error."""
    fake = stand_in(turns_pages)
    with memory() as remembering:
        client = remembering.wrap(door.client(fake))
        thread = client.beta.messages.thread(**reading(door))
        assert await run(door, thread.tool_runner()) == "I have read it all."
    assert lengths(fake) == WHOLE


async def test_without_memory_a_runner_has_its_thread(door):
    fake = stand_in("No need.")
    await run(door, door.client(fake).beta.messages.tool_runner(**reading(door)))
    assert lengths(fake) == [(1, True)]


async def test_it_takes_no_retry_of_the_sdk(door):
    """What tells the runner that there is no thread is no error to try again after."""
    fake = stand_in(
        turns_pages, faults=lambda _body, number: Fault("overloaded") if number == 3 else None
    )
    with memory() as remembering:
        client = remembering.wrap(door.client(fake, max_retries=2))
        assert await run(door, client.beta.messages.tool_runner(**reading(door))) == (
            "I have read it all."
        )
    assert [call.status for call in fake.calls] == [200, 200, 529, 200, 200, 200]


def test_a_runner_behind_the_proxy_sends_its_history():
    door = Door("sync")
    fake = stand_in(turns_pages)
    with serving(fake) as proxy, proxy.client() as client:
        done = client.beta.messages.tool_runner(**reading(door)).until_done()
    assert done.content[-1].text == "I have read it all."
    assert lengths(fake) == WHOLE


def test_several_runners_at_once_share_a_client():
    fake = stand_in(turns_pages)
    door = Door("async")

    async def all_of_them(client):
        runners = [client.beta.messages.tool_runner(**reading(door)) for _ in range(4)]
        return await asyncio.gather(*(run(door, one) for one in runners))

    with memory() as remembering:
        told = asyncio.run(all_of_them(remembering.wrap(fake.async_client(max_retries=0))))
    assert told == ["I have read it all."] * 4
    assert {flag for _, flag in lengths(fake)} == {False}
