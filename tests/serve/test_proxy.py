"""A base URL is all that changes: a client sees what it would see without the proxy, and bytes
arrive as the middleware would send them."""

import asyncio
import gzip
import json
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import replace

import anthropic
import anyio
import anyio.to_thread
import httpx2
import pytest
from support.chats import MODEL, ask, chats, history, injected, memory, stand_in, summaries
from support.models import PREFILL
from support.serving import TOKEN, Scripted, recording, serving
from support.ways import ASYNC, SYNC, Door
from turnfold import Policy, strip_thinking
from turnfold.accounting.answer import BROKE_OFF
from turnfold_fake import FakeClaude, Fault, Reply
from turnfold_fake.transports import Answer

SSE = {"content-type": "text/event-stream; charset=utf-8"}
FAULTS = ("cut_stream", "stream_error", "cut_stream", "overloaded", "timeout", "connection")
JSON = {"content-type": "application/json"}
EVENTS = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","content":[]}}\n\n',
    b": a comment\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'event: new_one\r\ndata: {"never": "seen"}\r\n\r\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


def posted(proxy, body=None, **options):
    with proxy.http() as http:
        return http.post("/v1/messages", json=body or ask(history(2)), **options)


def talker():
    """A stand-in that answers a chat always alike, and summaries by their schema."""
    verdict = Reply('{"text": "Behind the blue door."}', thinking=False)
    return stand_in(summary=lambda body: verdict if body["model"] == MODEL else None)


def settled(condition):
    """Whether something comes true; bounded, so that a failure does not hang."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


# --- any client -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talking():
    """A proxy for all ways to ask, and its stand-in."""
    fake = talker()
    with serving(fake) as proxy:
        yield proxy, fake


@pytest.mark.parametrize("way", SYNC)
def test_a_sync_client_gets_what_it_got(talking, way):
    proxy, fake = talking
    expected = _asked(Door("sync"), way, talker().client())
    with proxy.client() as client:
        assert _asked(Door("sync"), way, client) == expected
    assert injected(chats(fake)[-1]), "and memory was at work"


@pytest.mark.parametrize("way", ASYNC)
def test_an_async_client_gets_what_it_got(talking, way):
    proxy, fake = talking
    expected = _asked(Door("async"), way, talker().async_client())

    async def through():
        async with proxy.async_client() as client:
            return await Door("async").ask(way, client, ask(history(9)))

    assert asyncio.run(through()) == expected
    assert injected(chats(fake)[-1])


def _asked(door, way, client):
    return asyncio.run(door.ask(way, client, ask(history(9))))


def test_memory_is_at_work_and_the_headers_say_how(serve):
    fake = stand_in()
    answer = posted(serve(fake), ask(history(10)))
    assert int(answer.headers["x-turnfold-folded"]) > 0
    assert int(answer.headers["x-turnfold-saved-tokens"]) > 0
    assert "x-turnfold-degraded" not in answer.headers
    assert len(summaries(fake)) == 1
    assert len(chats(fake)[-1]["messages"]) < 21


def test_bytes_arrive_as_the_middleware_would_send_them(serve):
    """Of every turn of a chat with text of several scripts, tools and unknown fields."""
    turns = [
        ask(history(n), f"Und jetzt, Zoë? 🌊 {n}", metadata={"user_id": "ada"})
        for n in (2, 5, 6, 9, 13)
    ]
    direct, proxied = (recording(stand_in(), newer=["brand_new_field"]) for _ in range(2))
    with direct.serve() as url, memory() as remembering:
        client = remembering.wrap(anthropic.Anthropic(base_url=url, api_key="k"), user_id="ada")
        _say(client, turns)
    with serve(proxied).client() as client:
        _say(client, turns)
    assert [raw for *_, raw in proxied.asked] == [raw for *_, raw in direct.asked]
    assert len(proxied.asked) > len(turns), "summaries were written, too"


def _say(client, turns):
    for turn in turns:
        client.messages.create(**turn, extra_body={"brand_new_field": {"a": [1.0, None, "ü"]}})


def test_a_body_that_memory_leaves_alone_is_sent_as_it_came(serve):
    upstream = Scripted(Answer(200, JSON, [b"{}"]))
    odd = b'{ "model":"x", "messages" : [ {"role":"user","content":"\\ud83d hi"}],"n":1e2 }'
    proxy = serve(upstream)
    for headers in ({"x-turnfold-memory": "off"}, {"content-encoding": "br"}):
        posted_raw(proxy, odd, headers)
        assert upstream.asked[-1][3] == odd


HUGE = b'{"model": "x", "max_tokens": 9, "messages": [{"role": "user", "content": [%s]}]}'
UNREADABLE = {
    "no json": ("", b"no json"),
    "no object": ("", b"[]"),
    "no number": ("", b'{"messages": NaN}'),
    "too deep": ("", b"[" * 100_000),
    "an integer Python does not read": ("", HUGE % (b"7" * 5_000)),
    "a number Python holds as infinite": ("", HUGE % b"1e400"),
    "a compression that is not read": ("br", gzip.compress(b"{}")),
    "no json, compressed": ("gzip", gzip.compress(b"no json")),
    "half of what was compressed": ("gzip", gzip.compress(HUGE)[:-4]),
    "more than is sent on": ("gzip", gzip.compress(b" " * (41 << 20))),
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_a_body_that_cannot_be_read_is_sent_as_it_came_and_the_answer_says_so(serve, why):
    encoding, raw = UNREADABLE[why]
    upstream = Scripted(Answer(200, JSON, [b"{}"]))
    answer = posted_raw(serve(upstream), raw, {"content-encoding": encoding} if encoding else {})
    assert upstream.asked[-1][3] == raw
    assert upstream.asked[-1][2].get("content-encoding", "") == encoding
    assert answer.headers["x-turnfold-degraded"] == "request"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", "deflate, bare"])
def test_a_compressed_body_has_memory(serve, encoding):
    window = {"gzip": 31, "deflate": 15, "deflate, bare": -15}[encoding.lower().removeprefix("x-")]
    packing = zlib.compressobj(wbits=window)
    raw = packing.compress(json.dumps(ask(history(10), "And now?")).encode()) + packing.flush()
    fake = stand_in()
    headers = {**JSON, "content-encoding": encoding.partition(",")[0]}
    answer = posted_raw(serve(fake), raw, headers)
    assert answer.status_code == 200
    assert int(answer.headers["x-turnfold-folded"]) > 0
    assert "x-turnfold-degraded" not in answer.headers


def posted_raw(proxy, raw, headers):
    with proxy.http() as http:
        return http.post("/v1/messages", content=raw, headers=headers)


# --- streams ----------------------------------------------------------------------------------


def test_half_an_emoji_does_not_end_the_memory_of_a_conversation(serve):
    """JavaScript's `slice` leaves one; no store takes what is no text."""
    fake = stand_in()
    body = ask(history(10), "And \ud83d\ude00 \ude00\ud83d")
    body["messages"][2]["content"] = "\ud83d was cut off, \N{GRINNING FACE} was not."
    with serve(fake).http() as http:
        answer = http.post("/v1/messages", content=json.dumps(body), headers=JSON)
    assert int(answer.headers["x-turnfold-folded"]) > 0
    assert "x-turnfold-degraded" not in answer.headers
    assert "And \N{GRINNING FACE} \ufffd\ufffd" in json.dumps(chats(fake)[-1], ensure_ascii=False)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_stream_passes_byte_by_byte(serve, zipped):
    events = [gzip.compress(b"".join(EVENTS))] if zipped else EVENTS
    headers = {**SSE, "content-encoding": "gzip"} if zipped else SSE
    proxy = serve(Scripted(Answer(200, headers, events)))
    with proxy.http() as http, http.stream("POST", "/v1/messages", json=ask(history(1))) as came:
        assert b"".join(came.iter_raw()) == b"".join(events)
        assert came.headers["content-type"] == SSE["content-type"]


def test_each_event_is_passed_on_before_the_next_is_there(serve):
    go_on = threading.Semaphore(0)

    def slowly():
        for event in EVENTS:
            assert go_on.acquire(timeout=10)
            yield event

    proxy = serve(Scripted(lambda *_: Answer(200, SSE, slowly())))
    go_on.release()
    with proxy.http() as http, http.stream("POST", "/v1/messages", json=ask(history(1))) as came:
        chunks = came.iter_raw()
        for event in EVENTS:
            assert next(chunks) == event
            go_on.release()


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/other"])
def test_a_client_that_hangs_up_ends_the_request_upstream(serve, path):
    ended = threading.Event()

    def for_ever():
        try:
            while True:
                yield EVENTS[2]
                time.sleep(0.01)
        finally:
            ended.set()

    proxy = serve(Scripted(lambda *_: Answer(200, SSE, for_ever())))
    with proxy.http() as http, http.stream("POST", path, json=ask(history(1))) as came:
        next(came.iter_raw())
    assert ended.wait(10)
    assert settled(lambda: not proxy.server.server_state.tasks)


def test_one_that_hangs_up_before_the_answer_ends_it_as_well(serve):
    asked, released = threading.Event(), threading.Event()

    def slow(*_):
        asked.set()
        released.wait(10)
        return Answer(200, JSON, [b"{}"])

    proxy = serve(Scripted(slow))
    with proxy.http(timeout=0.5) as http, pytest.raises(httpx2.ReadTimeout):
        http.post("/v1/messages", json=ask(history(1)))
    assert asked.is_set()
    gone = settled(lambda: not proxy.server.server_state.tasks)
    released.set()
    assert gone


def test_a_stream_that_breaks_off_breaks_off_for_the_client(serve):
    fake = stand_in("A long answer. " * 40, faults=[Fault("cut_stream", on="chat")])
    proxy = serve(fake)
    with proxy.client() as client, pytest.raises(httpx2.HTTPError):
        list(client.messages.create(**ask(history(9)), stream=True))
    assert len(posted(proxy, ask(history(9))).json()["content"]) == 1, "and the next one is whole"


def test_an_error_in_mid_stream_is_the_clients(serve):
    fake = stand_in("A long answer. " * 40, faults=[Fault("stream_error", on="chat")])
    with serve(fake).client() as client, pytest.raises(anthropic.APIStatusError) as wrong:
        list(client.messages.create(**ask(history(3)), stream=True))
    assert wrong.value.status_code == 200


@pytest.mark.parametrize("kind", ["stream_error", "cut_stream", "no end"])
def test_what_broke_off_is_counted_as_far_as_the_api_told(serve, kind):
    fake = stand_in("A long answer. " * 40, faults=[] if kind == "no end" else [Fault(kind)])

    def without_its_end(*asked):
        answer = fake._respond(*asked)
        return replace(answer, chunks=answer.chunks[:-1])

    upstream = Scripted(without_its_end) if kind == "no end" else fake
    proxy = serve(upstream, token=TOKEN)
    ours = {"x-turnfold-token": TOKEN}
    with proxy.http(headers=ours) as http:
        with (
            suppress(httpx2.HTTPError),
            http.stream("POST", "/v1/messages", json=ask(history(3), stream=True)) as came,
        ):
            came.read()
        assert settled(lambda: receipts_of(http))
        [receipt] = receipts_of(http)
    assert receipt["usage"]["input_tokens"] == fake.count_tokens(chats(fake)[0])
    assert receipt["cost"] > 0
    assert receipt["remarks"] == [BROKE_OFF]


def receipts_of(http):
    return http.get("/turnfold/receipts").json()["receipts"]


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "overloaded", "unauthorized"])
def test_errors_of_the_api_pass_as_they_are(serve, kind):
    after = 7 if kind == "rate_limit" else None
    direct, proxied = (stand_in(faults=[Fault(kind, retry_after=after)]) for _ in range(2))
    with direct.serve() as url:
        expected = httpx2.post(f"{url}/v1/messages", json=ask(history(2)))
    came = posted(serve(proxied))
    assert (came.status_code, came.json()["error"]) == (
        expected.status_code,
        expected.json()["error"],
    )
    assert came.headers.get("retry-after") == expected.headers.get("retry-after")
    assert came.headers["request-id"] == expected.headers["request-id"]


def test_a_refusal_that_memory_can_mend_is_mended(serve):
    fake = stand_in(faults=[Fault("prompt_too_long", on="chat")])
    came = posted(serve(fake), ask(history(6)))
    assert came.status_code == 200
    assert "window" in came.headers["x-turnfold-degraded"]


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_any_other_refusal_is_the_clients_byte_for_byte(serve, zipped):
    said = b'{"type": "error",  "error": {"type": "invalid_request_error", "message": "no"}}'
    raw = gzip.compress(said) if zipped else said
    headers = {**JSON, "content-encoding": "gzip"} if zipped else JSON
    proxy = serve(Scripted(Answer(400, headers, [raw])))
    with proxy.http() as http, http.stream("POST", "/v1/messages", json=ask(history(2))) as came:
        assert b"".join(came.iter_raw()) == raw
        assert came.status_code == 400


def test_an_upstream_that_is_not_there_is_an_error_to_try_again(serve):
    came = posted(serve(stand_in(), upstream="http://127.0.0.1:9"))
    assert came.status_code == 502
    assert came.json()["error"]["type"] == "api_error"


# --- what passes as it is ---------------------------------------------------------------------


def test_every_other_path_passes_untouched(serve):
    upstream = Scripted(Answer(200, {**JSON, "x-odd": "yes", "request-id": "req_1"}, [b"[1]"]))
    proxy = serve(upstream)
    with proxy.http() as http:
        for method, path in [
            ("GET", "/v1/models?limit=2&after=%C3%BC"),
            ("POST", "/v1/messages/count_tokens"),
            ("POST", "/v1/messages/batches"),
            ("GET", "/v1/files/a%2Fb/content"),
        ]:
            came = http.request(method, path, headers={"x-mine": "1", "anthropic-beta": "b"})
            assert (came.status_code, came.content) == (200, b"[1]")
            assert came.headers["x-odd"] == "yes"
            asked = upstream.asked[-1]
            assert asked[:2] == (method, path.partition("?")[0])
            assert asked[2]["x-mine"] == "1"


def test_headers_of_the_client_arrive_and_ours_do_not(serve):
    upstream = Scripted(Answer(200, JSON, [b"{}"]))
    proxy = serve(upstream)
    posted(
        proxy,
        headers={
            "x-api-key": "sk-1",
            "anthropic-beta": "one,two",
            "x-turnfold-user": "ada",
            "x-custom": "kept",
            "accept-encoding": "gzip, br, zstd",
            "te": "trailers",
        },
    )
    arrived = upstream.asked[-1][2]
    assert arrived["x-api-key"] == "sk-1"
    assert arrived["anthropic-beta"] == "one,two"
    assert arrived["x-custom"] == "kept"
    assert arrived["accept-encoding"] == "gzip", "what memory can read while it goes by"
    assert arrived["host"] == proxy.upstream.removeprefix("http://")
    assert not {"x-turnfold-user", "te"} & set(arrived)


def test_a_large_body_passes(serve):
    upstream = Scripted(Answer(200, JSON, [b"{}"]))
    picture = {"type": "image", "source": {"type": "base64", "data": "A" * (12 << 20)}}
    body = ask([], [picture, {"type": "text", "text": "What is this?"}])
    assert posted(serve(upstream), body).status_code == 200
    assert json.loads(upstream.asked[-1][3])["messages"][-1]["content"][0] == picture


def test_thinking_is_kept_only_under_its_prefix(serve):
    """The proofs are written as for any client: a chat with thinking goes on without a 400."""
    fake = FakeClaude()
    messages = []
    with serve(fake).client() as client:
        for turn in history(12)[::2]:
            messages.append(turn)
            answer = client.messages.create(
                model=PREFILL,
                max_tokens=2_000,
                messages=messages,
                thinking={"type": "enabled", "budget_tokens": 1_024},
            )
            content = [one.model_dump(exclude_none=True) for one in answer.content]
            messages.append({"role": "assistant", "content": content})
    assert {call.status for call in fake.calls} == {200}


class LeftHistory:
    """A history with thinking that was made behind a folded prompt, and who asked for it."""

    def __init__(self, serve):
        self.fake = FakeClaude()
        self.upstream = Scripted(self._answered)
        self.proxy = serve(self.upstream)
        self.messages = []
        with self.proxy.client(default_headers={"x-turnfold-conversation": "c"}) as client:
            for turn in history(14)[::2]:
                self.messages.append(turn)
                answer = client.messages.create(**self.body(max_tokens=300))
                content = [one.model_dump(exclude_none=True) for one in answer.content]
                self.messages.append({"role": "assistant", "content": content})
        self.messages.append({"role": "user", "content": "And now?"})
        assert settled(lambda: len(self.stored("usage")) == 14), "the last answer is written down"
        self.calls = len(self.fake.calls)
        self.records = self.stored()

    def _answered(self, method, path, headers, raw):
        if headers.get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        return self.fake._respond(method, path, headers, raw)

    def body(self, **fields):
        return {"model": MODEL, "messages": self.messages, **fields}

    def stored(self, kind=None):
        ledger = self.proxy.memory.store.ledger
        return {(user, one.id) for user in ledger.users() for one in ledger.scan(user, kind=kind)}

    def post(self, path, body, **headers):
        self.raw = json.dumps(body, indent=1).encode()
        if headers.get("content-encoding") == "gzip":
            self.raw = gzip.compress(self.raw)
        headers = {"x-turnfold-conversation": "c", "accept-encoding": "gzip, br", **JSON, **headers}
        with self.proxy.http() as http:
            return http.post(path, content=self.raw, headers=headers)

    @property
    def statuses(self):
        return [call.status for call in self.fake.calls[self.calls :]]


OFF = {"x-turnfold-memory": "off"}
ANSWERED = {"max_tokens": 50}
KEPT_OUT = {
    "off": ("/v1/messages", ANSWERED, OFF),
    "off, streamed": ("/v1/messages?beta=true", {**ANSWERED, "stream": True}, OFF),
    "off, compressed": ("/v1/messages", ANSWERED, {**OFF, "content-encoding": "gzip"}),
    "warming": ("/v1/messages", {"max_tokens": 0}, {}),
    "counting": ("/v1/messages/count_tokens", {}, {}),
    "counting, compressed": ("/v1/messages/count_tokens", {}, {"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("kind", KEPT_OUT)
def test_what_memory_keeps_out_of_is_sent_once_more_without_its_thinking(serve, kind):
    path, fields, headers = KEPT_OUT[kind]
    left = LeftHistory(serve)
    came = left.post(path, left.body(**fields), **headers)
    assert came.status_code == 200
    assert left.statuses == [400, 200]
    assert ("event: message_stop" in came.text) == ("stream" in fields)
    first, second = left.upstream.asked[-2:]
    assert first[3] == left.raw, "it is sent as it came"
    assert first[2].get("content-encoding") == headers.get("content-encoding")
    assert "content-encoding" not in second[2]
    stripped = {**left.body(**fields), "messages": strip_thinking(left.messages)}
    assert json.loads(second[3]) == stripped
    assert {one[2]["accept-encoding"] for one in (first, second)} == {"gzip"}
    assert left.stored() == left.records


def test_what_the_provider_is_to_summarize_is_sent_as_it_is(serve):
    left = LeftHistory(serve)
    body = left.body(**ANSWERED, compaction={"type": "summarize"})
    came = left.post("/v1/messages", body, **{"anthropic-beta": "compact-2026-09-04"})
    assert came.status_code == 400
    assert left.statuses == [400]
    assert left.upstream.asked[-1][3] == left.raw


@pytest.mark.parametrize("kind", KEPT_OUT)
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_refusal_of_what_memory_keeps_out_of_is_the_clients(serve, kind, zipped):
    path, fields, headers = KEPT_OUT[kind]
    said = b'{"type": "error",  "error": {"type": "invalid_request_error", "message": "no"}}'
    raw = gzip.compress(said) if zipped else said
    told = {**JSON, "content-encoding": "gzip"} if zipped else JSON
    upstream = Scripted(Answer(400, told, [raw]))
    body = json.dumps({**ask(history(2)), **fields}).encode()
    if "content-encoding" in headers:
        body = gzip.compress(body)
    with (
        serve(upstream).http() as http,
        http.stream("POST", path, content=body, headers={**JSON, **headers}) as came,
    ):
        assert b"".join(came.iter_raw()) == raw
        assert came.status_code == 400
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("headers", [{}, OFF], ids=["with memory", "off"])
def test_a_refusal_whose_encoding_is_damaged_is_the_clients_all_the_same(serve, headers):
    proxy = serve(Scripted(Answer(400, {**JSON, "content-encoding": "gzip"}, [b"no gzip"])))
    with (
        proxy.http() as http,
        http.stream("POST", "/v1/messages", json=ask(history(2)), headers=headers) as came,
    ):
        assert b"".join(came.iter_raw()) == b"no gzip"
        assert came.status_code == 400


# --- many -------------------------------------------------------------------------------------


async def _soaked(streams):
    """Streams that end in every way there is, side by side; what is left of them afterwards."""
    fake = stand_in(
        "A rather long answer, word by word. " * 20,
        faults=lambda _body, number: (
            Fault(FAULTS[number // 3 % len(FAULTS)], on="chat") if number % 3 == 0 else None
        ),
    )
    told = {"whole": 0, "broken": 0, "left": 0}
    with serving(fake, policy=Policy(fold_at=1_000, keep_tokens=300)) as proxy:
        async with httpx2.AsyncClient(base_url=proxy.url, timeout=30) as http:
            limit = anyio.CapacityLimiter(50)

            async def one(number):
                body = ask(history(1 + number % 9), f"And {number}?", stream=True)
                name = {"x-turnfold-user": f"u{number % 20}"}
                async with limit:
                    try:
                        async with http.stream(
                            "POST", "/v1/messages", json=body, headers=name
                        ) as came:
                            async for _ in came.aiter_raw():
                                if number % 4 == 1:
                                    told["left"] += 1
                                    return
                        told["whole"] += 1
                    except httpx2.HTTPError:
                        told["broken"] += 1

            async with anyio.create_task_group() as tasks:
                for number in range(streams):
                    tasks.start_soon(one, number)
        state = proxy.server.server_state
        await anyio.to_thread.run_sync(settled, lambda: not (state.tasks or state.connections))
        left = (len(state.tasks), len(state.connections))
        whole = [
            any(proxy.memory.store.ledger.scan(f"u{user}", kind="exchange")) for user in range(20)
        ]
    return told, left, whole


def test_streams_that_end_in_every_way_leave_nothing_behind():
    told, left, whole = asyncio.run(_soaked(60))
    _check_soaked(told, left, whole, 60)


@pytest.mark.soak
def test_a_thousand_streams_that_end_in_every_way_leave_nothing_behind():
    told, left, whole = asyncio.run(_soaked(1_000))
    _check_soaked(told, left, whole, 1_000)


def _check_soaked(told, left, whole, streams):
    assert sum(told.values()) == streams
    assert min(told.values()) > 0, "of every kind there were some"
    assert left == (0, 0)
    assert all(whole), "and what was said is kept"
