"""A client with memory is the client it was: every way to ask gives what it gave before."""

import gzip
import json
import logging
from dataclasses import replace

import anthropic
import httpx2
import pytest
from support.chats import (
    MODEL,
    SMALL,
    ask,
    blocks,
    chats,
    history,
    injected,
    memory,
    stand_in,
    summaries,
)
from support.clouds import SETTINGS, cloud
from support.models import OTHER_SUMMARY, PREFILL, SUMMARY
from support.ways import SYNC, Door
from turnfold import ExtractiveSummarizer, Memory, TurnfoldError, memory_of, with_memory
from turnfold.accounting.answer import BROKE_OFF
from turnfold.errors import PolicyError
from turnfold_fake import Fault, Reply

LONG = history(9)
ANSWER = "The keys hang behind the blue door, as they did in March. " * 5
VERDICT = '{"text": "Behind the blue door."}'


def fresh(**options):
    """A stand-in that answers a chat always alike, and summaries by their schema."""
    return stand_in(ANSWER, summary=structured, **options)


class Gzipped(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Compresses what comes from the transport within."""

    def __init__(self, inner):
        self.inner = inner

    def handle_request(self, request):
        response = self.inner.handle_request(request)
        return self._packed(response, response.read())

    async def handle_async_request(self, request):
        response = await self.inner.handle_async_request(request)
        return self._packed(response, await response.aread())

    def _packed(self, response, body):
        headers = {k: v for k, v in response.headers.items() if k != "content-length"}
        return httpx2.Response(
            response.status_code,
            headers={**headers, "content-encoding": "gzip"},
            stream=httpx2.ByteStream(gzip.compress(body)),
        )


# --- the kind of client -----------------------------------------------------------------------


def test_the_client_stays_what_it_was(door):
    bare = door.client(fresh())
    wrapped = with_memory(bare)
    assert type(wrapped) is type(bare)
    assert isinstance(wrapped, anthropic.AsyncAnthropic if door.is_async else anthropic.Anthropic)
    assert wrapped.api_key == bare.api_key
    assert wrapped._client is bare._client, "the connection pool is shared"
    assert memory_of(bare) is None
    assert isinstance(memory_of(wrapped), Memory)


@pytest.mark.parametrize("way", SYNC)
@pytest.mark.parametrize("transport", [None, Gzipped], ids=["plain", "gzip"])
async def test_the_caller_gets_what_they_got_while_the_request_is_folded(door, way, transport):
    without, within = fresh(), fresh()
    expected = await door.ask(way, door.client(without, transport=transport), ask(LONG))
    receipts = []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(within, transport=transport))
        assert await door.ask(way, client, ask(LONG)) == expected

    [sent], [whole] = chats(within), chats(without)
    assert len(sent["messages"]) < len(whole["messages"])
    assert injected(sent)
    assert blocks(sent["messages"][-1])[-1] == {"type": "text", "text": "And now?"}
    rest = sent.keys() - {"messages"}
    assert {name: sent[name] for name in rest} == {name: whole[name] for name in rest}
    [receipt] = receipts
    assert receipt.folded > 0
    assert receipt.usage.prompt_tokens == within.count_tokens(sent)
    assert receipt.usage.output_tokens > 0


@pytest.mark.parametrize("way", SYNC)
async def test_a_short_history_is_sent_as_it_is(door, way):
    fake = fresh()
    with memory() as remembering:
        await door.ask(way, remembering.wrap(door.client(fake)), ask(history(2)))
    [sent] = chats(fake)
    assert [blocks(message) for message in sent["messages"]] == [
        blocks(message) for message in ask(history(2))["messages"]
    ]
    assert not summaries(fake)


async def test_tools_go_and_come_as_they_were(door):
    call = {"type": "tool_use", "name": "look", "input": {"where": "door", "why": None}}
    tools = [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
    fake = stand_in([Reply([call], thinking=False)])
    with memory() as remembering:
        client = remembering.wrap(door.client(fake))
        told = await door.ask("create", client, ask(LONG, tools=tools))
    assert told["stop_reason"] == "tool_use"
    assert told["content"][0]["input"] == call["input"]
    assert [{**t, "cache_control": None} for t in chats(fake)[0]["tools"]] == [
        {**tools[0], "cache_control": None}
    ]


@pytest.mark.parametrize(
    "system",
    ["You are brief.", [{"type": "text", "text": "You are"}, {"type": "text", "text": "brief."}]],
)
async def test_the_system_prompt_stays_the_callers(door, system):
    fake = fresh()
    with memory() as remembering:
        await door.ask("create", remembering.wrap(door.client(fake)), ask(LONG, system=system))
    sent = chats(fake)[0]["system"]
    as_blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    assert [{"type": "text", "text": block["text"]} for block in sent] == as_blocks


async def test_a_prefill_stays_last(door):
    """A model that continues what the caller began still does."""
    fake = stand_in()
    asked = ask(LONG, model=PREFILL)
    asked["messages"].append({"role": "assistant", "content": "It hangs"})
    with memory() as remembering:
        await door.ask("create", remembering.wrap(door.client(fake)), asked)
    [sent] = [call.body for call in fake.calls if call.body["model"] == PREFILL]
    assert [b["text"] for b in blocks(sent["messages"][-1])] == ["It hangs"]
    assert injected(sent)


# --- what passes through ----------------------------------------------------------------------


async def test_other_paths_pass_untouched(door):
    fake, seen = stand_in(), []

    class Other(Gzipped):
        def handle_request(self, request):
            seen.append((request.url.path, request.read()))
            return httpx2.Response(200, json={"input_tokens": 7, "id": "b", "type": "x"})

        async def handle_async_request(self, request):
            seen.append((request.url.path, await request.aread()))
            return httpx2.Response(200, json={"input_tokens": 7, "id": "b", "type": "x"})

    asked = ask(LONG)
    counted = {name: asked[name] for name in ("model", "messages")}
    batch = [{"custom_id": "one", "params": asked}]
    receipts = []
    with memory(on_receipt=receipts.append) as remembering:
        bare = door.client(fake, transport=Other)
        for client in (bare, remembering.wrap(bare)):
            for call in (
                (
                    client.messages.count_tokens(**counted),
                    client.messages.batches.create(requests=batch),
                    client.messages.batches.retrieve("b"),
                    client.post("/v1/other", body={"messages": asked["messages"]}, cast_to=object),
                    client.models.retrieve(MODEL),
                )
                if not door.is_async
                else ()
            ):
                assert call is not None
            if door.is_async:
                await client.messages.count_tokens(**counted)
                await client.messages.batches.create(requests=batch)
                await client.messages.batches.retrieve("b")
                await client.post("/v1/other", body={"messages": asked["messages"]}, cast_to=object)
                await client.models.retrieve(MODEL)
    assert len(seen) == 10
    assert seen[:5] == seen[5:]
    assert receipts == []


async def test_a_thread_passes_untouched_with_one_warning(door, caplog):
    fake, receipts = stand_in(), []
    seen = []

    class Threads(Gzipped):
        def handle_request(self, request):
            seen.append(json.loads(request.read()))
            return httpx2.Response(200, json=fake.client().messages.create(**ask([])).to_dict())

        async def handle_async_request(self, request):
            return self.handle_request(request)

    body = {**ask(LONG), "thread": {"id": "thread_1"}}
    with memory(on_receipt=receipts.append) as remembering, caplog.at_level(logging.WARNING):
        client = remembering.wrap(door.client(fake, transport=Threads))
        for _ in range(3):
            await door.ask("post", client, body)
    assert seen == [body] * 3
    assert receipts == []
    [warning] = [record for record in caplog.records if record.name == "turnfold"]
    assert "thread" in warning.getMessage()


async def test_what_extra_body_adds_counts_too(door):
    fake = fresh()
    marked = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    extra = {"cache_control": {"type": "ephemeral"}}
    asked = ask(LONG, system=marked, extra_body=extra)
    bare = await door.outcome("create", door.client(fresh()), asked)
    with memory() as remembering:
        told = await door.outcome("create", remembering.wrap(door.client(fake)), asked)
    assert told == bare


# --- whose memory -----------------------------------------------------------------------------


async def test_the_user_is_who_the_request_names(door):
    fake = fresh()
    with memory() as remembering:
        client = remembering.wrap(door.client(fake))
        for name in ("ada", "bob", None):
            named = {} if name is None else {"metadata": {"user_id": name}}
            await door.ask("create", client, ask(history(3, f"x{name}x"), **named))
        ledger = remembering.store.ledger
        kept = {
            user: [json.dumps(r.body) for r in ledger.scan(user, kind="content")]
            for user in ("ada", "bob", "local")
        }
    for user, name in (("ada", "xadax"), ("bob", "xbobx"), ("local", "xNonex")):
        assert len(kept[user]) == 3
        assert all(name in body for body in kept[user])


async def test_a_name_given_to_wrap_comes_before_the_requests(door):
    with memory() as remembering:
        client = remembering.wrap(door.client(fresh()), user_id="ada")
        await door.ask("create", client, ask(history(2), metadata={"user_id": "bob"}))
        assert set(remembering.store.users()) == {"ada"}


# --- other middleware, copies -----------------------------------------------------------------


async def test_other_middlewares_see_the_rewritten_request_once(door):
    seen = []

    def watch(request, call_next):
        seen.append(request.json)
        return call_next(request)

    async def watch_async(request, call_next):
        seen.append(request.json)
        return await call_next(request)

    fake = fresh()
    bare = door.client(fake, middleware=[watch_async if door.is_async else watch])
    with memory() as remembering:
        told = await door.ask("create", remembering.wrap(bare), ask(LONG))
    assert told["content"][0]["text"] == ANSWER
    [chat] = [body for body in seen if body["model"] == MODEL]
    assert chat == chats(fake)[0]
    assert len(seen) == 1 + len(summaries(fake))


@pytest.mark.parametrize("derive", ["copy", "with_options"])
async def test_a_derived_client_keeps_its_memory(door, derive):
    fake = fresh()
    with memory() as remembering:
        client = remembering.wrap(door.client(fake))
        derived = getattr(client, derive)(timeout=30)
        assert memory_of(derived) is remembering
        await door.ask("create", derived, ask(LONG))
    assert injected(chats(fake)[0])


def test_memory_is_given_once(door):
    with memory() as remembering:
        wrapped = remembering.wrap(door.client(fresh()))
        for client in (wrapped, wrapped.copy(), wrapped.with_options(timeout=5)):
            with pytest.raises(TurnfoldError, match="has memory already"):
                remembering.wrap(client)
            with pytest.raises(TurnfoldError, match="has memory already"):
                with_memory(client)


@pytest.mark.parametrize(
    "thing",
    [
        None,
        "client",
        {"copy": 1},
        object(),
        anthropic.Anthropic,
    ],
)
def test_only_clients_are_wrapped(thing):
    with pytest.raises(TurnfoldError, match="a client of the Anthropic SDK"):
        with_memory(thing)


# --- clouds -----------------------------------------------------------------------------------


NAMES = {
    "AnthropicBedrock": f"anthropic.{SUMMARY}",
    "AnthropicVertex": SUMMARY,
    "AnthropicFoundry": OTHER_SUMMARY,
}


def structured(body):
    return Reply(VERDICT, thinking=False) if body["model"] == MODEL else None


def in_words(body):
    """What a model without structured output answers."""
    summary = '```json\n{"items": [{"kind": "fact", "text": "Much was said.", "turns": [1]}]}\n```'
    return Reply(ANSWER if body["model"] == MODEL else summary, thinking=False)


@pytest.mark.parametrize("name", SETTINGS)
async def test_clients_of_clouds_are_wrapped_too(door, name):
    fake = stand_in(in_words, summary=structured) if "Bedrock" in name else fresh()
    forward, forward_async = cloud(fake)
    if door.is_async:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(forward_async))
    else:
        http = httpx2.Client(transport=httpx2.MockTransport(forward))
    kind = getattr(anthropic, ("Async" if door.is_async else "") + name)
    receipts = []
    policy = replace(SMALL, summary_model=OTHER_SUMMARY if "Foundry" in name else "auto")
    with memory(policy=policy, on_receipt=receipts.append) as remembering:
        wrapped = remembering.wrap(kind(http_client=http, **SETTINGS[name]))
        assert type(wrapped) is kind
        told = await door.ask("create", wrapped, ask(LONG))
    assert told["content"][0]["text"] == ANSWER
    assert injected(chats(fake)[0])
    assert [body["model"] for body in summaries(fake)] == [NAMES[name]]
    assert receipts[0].folded > 0


def test_where_a_cloud_has_no_default_for_the_summaries_it_is_asked_for_at_once(tmp_path):
    client = anthropic.AnthropicFoundry(**SETTINGS["AnthropicFoundry"])
    with pytest.raises(PolicyError, match=r"give Policy\(summary_model="):
        with_memory(client, tmp_path / "memory")
    assert not (tmp_path / "memory").exists(), "nothing was opened"
    with memory(summarizer=ExtractiveSummarizer()) as remembering:
        assert remembering.wrap(client)


# --- errors -----------------------------------------------------------------------------------

STREAMS = ["create(stream=True)", "stream", "with_raw_response, streamed", "beta.stream"]


@pytest.mark.parametrize("way", SYNC)
@pytest.mark.parametrize(
    "kind", ["rate_limit", "server_error", "overloaded", "timeout", "connection", "prompt_too_long"]
)
async def test_the_apis_errors_reach_the_caller(door, way, kind):
    fault = Fault(kind, on="any")
    expected = await door.outcome(way, door.client(fresh(faults=[fault]), max_retries=0), ask([]))
    receipts, fake = [], fresh(faults=[fault])
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0))
        told = await door.outcome(way, client, ask([]))
    assert isinstance(expected, tuple)
    assert issubclass(expected[0], anthropic.APIError)
    assert told == expected
    assert len(fake.calls) == 1
    assert receipts == []


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("kind", ["stream_error", "cut_stream"])
async def test_a_broken_stream_breaks_for_the_caller_as_without_memory(door, way, kind):
    fault = Fault(kind, on="chat")
    expected = await door.outcome(way, door.client(fresh(faults=[fault]), max_retries=0), ask(LONG))
    receipts, fake = [], fresh(faults=[fault])
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0))
        told = await door.outcome(way, client, ask(LONG))
        assert not list(remembering.store.ledger.scan("local", kind="usage")), "nothing is learned"
    assert told == expected
    [receipt] = receipts
    assert_counted(receipt, fake)


def assert_counted(receipt, fake):
    """The receipt of an answer that broke off tells what the API had told of it."""
    assert receipt.usage.prompt_tokens == fake.count_tokens(chats(fake)[0])
    assert receipt.usage.output_tokens == 1
    assert 0 < receipt.cost <= receipt.full_cost
    assert receipt.remarks == (BROKE_OFF,)
    assert not receipt.degraded


async def test_a_broken_stream_without_memory_is_counted_too(door):
    receipts, fake = [], fresh(faults=[Fault("cut_stream", on="chat")])
    remembering = memory(on_receipt=receipts.append)
    remembering.store.close()
    client = remembering.wrap(door.client(fake, max_retries=0))
    await door.outcome("create(stream=True)", client, ask(LONG))
    [receipt] = receipts
    assert receipt.usage.prompt_tokens == fake.count_tokens(chats(fake)[0])
    assert receipt.cost > 0
    assert receipt.remarks == (BROKE_OFF,)
    assert receipt.degraded


async def test_a_retried_request_is_the_same_and_has_one_receipt(door):
    fake, receipts = fresh(faults=[Fault("rate_limit", on="chat", retry_after=0)]), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=1))
        await door.ask("create", client, ask(LONG))
    first, second = chats(fake)
    assert first == second
    assert injected(first)
    assert len(receipts) == 1
    assert len(summaries(fake)) == 1


async def test_the_receipt_of_a_retried_request_counts_the_summary(door):
    fake, receipts = fresh(faults=[Fault("rate_limit", on="chat", retry_after=0)]), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake, max_retries=1))
        await door.ask("create", client, ask(LONG))
    assert receipts[0].summary_usage.output_tokens > 0
    assert receipts[0].folded > 0


# --- receipts ---------------------------------------------------------------------------------


def test_the_receipt_comes_when_the_stream_closes():
    receipts = []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fresh().client())
        events = client.messages.create(**ask(LONG), stream=True)
        next(iter(events))
        assert receipts == []
        assert list(events)
        events.close()
        assert len(receipts) == 1
        assert receipts[0].usage.output_tokens > 0
        events.close()
        assert len(receipts) == 1


async def test_the_receipt_comes_when_the_async_stream_closes():
    receipts = []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fresh().async_client())
        events = await client.messages.create(**ask(LONG), stream=True)
        await anext(aiter(events))
        assert receipts == []
        assert [one async for one in events]
        await events.close()
        assert len(receipts) == 1
        assert receipts[0].usage.output_tokens > 0


def test_a_stream_closed_early_has_a_receipt_too():
    receipts, fake = [], fresh()
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client())
        with client.messages.stream(**ask(LONG)) as pieces:
            next(iter(pieces.text_stream))
        assert len(receipts) == 1
        assert_counted(receipts[0], fake)
        assert client.messages.create(**ask(LONG, "Go on.")).content
        assert len(receipts) == 2
        assert not receipts[1].remarks


async def test_an_async_stream_closed_early_has_a_receipt_too():
    receipts, fake = [], fresh()
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.async_client())
        async with client.messages.stream(**ask(LONG)) as pieces:
            await anext(aiter(pieces.text_stream))
        assert len(receipts) == 1
        assert_counted(receipts[0], fake)


def test_receipts_go_to_the_memorys_and_to_the_clients_listener():
    of_memory, of_client = [], []
    with memory(on_receipt=of_memory.append) as remembering:
        one = remembering.wrap(fresh().client(), on_receipt=of_client.append)
        other = remembering.wrap(fresh().client())
        for client in (one, other):
            client.messages.create(**ask(history(1)))
    assert len(of_memory) == 2
    assert of_client == of_memory[:1]


async def test_a_listener_that_fails_does_not_fail_the_user(door, caplog):
    def fail(_receipt):
        raise RuntimeError("the disk is full")

    with memory(on_receipt=fail) as remembering, caplog.at_level(logging.WARNING):
        told = await door.ask("create", remembering.wrap(door.client(fresh())), ask(LONG))
    assert told["content"][0]["text"] == ANSWER
    assert "the disk is full" in caplog.text


def test_a_listener_learns_what_the_turn_did():
    receipts = []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fresh().client())
        client.messages.create(**ask(LONG, "What of amber2, birch2 and cedar2?"))
    [receipt] = receipts
    assert receipt.model == MODEL
    assert receipt.turn == 10
    assert 0 < receipt.in_memory == receipt.folded < 9
    assert receipt.tokens.sent < receipt.tokens.full
    assert receipt.saved_tokens == receipt.tokens.full - receipt.tokens.sent
    assert receipt.summary_usage.prompt_tokens > 0
    assert 0 < receipt.cost < 0.1
    assert receipt.full_cost > 0
    assert {hit.turn for hit in receipt.hits} >= {2}
    assert receipt.degraded == ()


def test_the_two_doors_know_the_same_ways():
    assert Door("sync").ways.keys() == Door("async").ways.keys()


def test_the_default_policy_folds_nothing_of_a_short_chat():
    fake = fresh()
    client = with_memory(fake.client())
    client.messages.create(**ask(LONG))
    memory_of(client).close()
    assert len(chats(fake)[0]["messages"]) == len(LONG) + 1
    assert memory_of(client).policy.fold_at == "auto"


# --- answers of another kind ------------------------------------------------------------------

CACHED = anthropic.types.Message.model_validate(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "from a cache"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
)


def answering(door, answer):
    """A middleware further in that answers by itself."""

    async def answer_async(_request, _call_next):
        return answer()

    return answer_async if door.is_async else lambda _request, _call_next: answer()


@pytest.mark.parametrize("answer", [CACHED, {"content": "from a cache"}, "from a cache", None, 7])
async def test_what_a_middleware_further_in_answers_is_what_the_caller_gets(door, answer):
    receipts = []
    remembering = memory(on_receipt=receipts.append, summarizer=ExtractiveSummarizer())
    client = remembering.wrap(
        door.client(fresh(), middleware=[answering(door, lambda: answer)]), conversation="c"
    )
    told = client.messages.create(**ask(LONG))
    assert (await told if door.is_async else told) is answer
    assert receipts[-1].in_memory > 0
    assert not receipts[-1].degraded


@pytest.mark.parametrize("events", [False, True], ids=["json", "events"])
async def test_a_response_that_a_middleware_made_itself_is_read_if_it_can_be(door, events):
    """It has no request, no connection, and was read before it came."""
    receipts = []
    message = json.loads(CACHED.model_dump_json())

    def answer():
        if not events:
            return httpx2.Response(200, json=message)
        told = [{"type": "message_start", "message": message}, {"type": "message_stop"}]
        lines = [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in told]
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content="".join(lines).encode())

    client = memory(on_receipt=receipts.append).wrap(
        door.client(fresh(), middleware=[answering(door, answer)]), conversation="c"
    )
    told = client.messages.create(**ask(LONG))
    assert isinstance(await told if door.is_async else told, httpx2.Response)
    assert receipts[-1].usage.input_tokens == 1


async def test_who_asks_for_the_http_response_gets_it(door):
    receipts = []
    client = memory(on_receipt=receipts.append).wrap(door.client(fresh()), conversation="c")
    told = client.post("/v1/messages", cast_to=httpx2.Response, body=ask(LONG))
    response = await told if door.is_async else told
    assert response.json()["content"][0]["text"] == ANSWER
    assert receipts[-1].in_memory > 0


def test_how_long_a_stream_took_is_known_as_without_memory():
    client = with_memory(fresh().client())
    events = client.messages.create(**ask(LONG), stream=True)
    assert [event.type for event in events][-1] == "message_stop"
    assert events.response.elapsed.total_seconds() >= 0
    with client.messages.stream(**ask(LONG)) as pieces:
        pieces.until_done()
    assert pieces.response.elapsed.total_seconds() >= 0


def test_whatever_a_span_raises_the_caller_is_answered(monkeypatch):
    def broken(_response):
        raise RuntimeError("no span today")

    monkeypatch.setattr("turnfold.sdk.attempt.span_of", broken)
    client = memory().wrap(fresh().client(), conversation="c")
    assert client.messages.create(**ask(LONG)).content[0].text == ANSWER


async def test_the_middleware_by_itself_is_what_a_wrapped_client_has(door):
    """For what takes middlewares of the SDK and makes a client of its own."""
    wrapped, handed = fresh(), fresh()
    expected = await door.ask("create", memory().wrap(door.client(wrapped), user_id="u"), ask(LONG))
    remembering = memory()
    middleware = remembering.middleware(door.client(handed), user_id="u")
    client = door.client(handed, middleware=[middleware])
    assert await door.ask("create", client, ask(LONG)) == expected
    assert chats(handed) == chats(wrapped)
    assert len(summaries(handed)) == len(summaries(wrapped)) == 1
    assert memory_of(client) is remembering
