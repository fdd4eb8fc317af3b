"""What memory reads of a stream: once, as it comes, and nothing in it can harm the caller."""

import gzip
import json
import zlib

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from turnfold.accounting.answer import BROKE_OFF, Answer
from turnfold.accounting.prices import Usage
from turnfold.request.thinking import thinking_ids
from turnfold.sdk import stream_events as events
from turnfold.sdk.response_tap import AsyncTee, Tee, answer_in
from turnfold.sdk.stream_events import StreamedMessage, message_of_json

START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 7}, "content": []},
}
THINKING = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "thinking", "thinking": "", "signature": ""},
}
SIGNED = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "signature_delta", "signature": "sealed"},
}
TEXT = {
    "type": "content_block_delta",
    "index": 1,
    "delta": {"type": "text_delta", "text": "Grüße 🌊 message_stop signature"},
}
END = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 3, "input_tokens": None},
}
STOP = {"type": "message_stop"}
TALK = [START, THINKING, SIGNED, TEXT, END, STOP]


def sse(events, *, end="\n", named=True, split=False):
    """Events on the wire."""
    lines = []
    for event in events:
        told = json.dumps(event, ensure_ascii=False, indent=1 if split else None)
        lines += [f"event: {event['type']}"] if named else []
        lines += [f"data: {line}" for line in told.splitlines()]
        lines.append("")
    return "".join(line + end for line in lines).encode()


def read(raw, sizes=()):
    """The message in some bytes, which come in chunks of these sizes."""
    message = StreamedMessage()
    for size in sizes:
        message.take(raw[:size])
        raw = raw[size:]
    message.take(raw)
    return message.message


WHOLE = read(sse(TALK))


def test_a_message_is_read_without_its_text():
    assert WHOLE["id"] == "msg_1"
    assert WHOLE["stop_reason"] == "end_turn"
    assert WHOLE["usage"] == {"input_tokens": 7, "output_tokens": 3, "cache_creation": {}}
    assert WHOLE["content"] == [{"type": "thinking", "thinking": "", "signature": "sealed"}]


@given(
    sizes=st.lists(st.integers(0, 40), max_size=60),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    named=st.booleans(),
    split=st.booleans(),
    before=st.sampled_from([b"", b"\xef\xbb\xbf", b": a comment\n", b"retry: 5\nid: 7\n\n"]),
)
def test_however_it_is_cut_and_written_it_is_the_same_message(sizes, end, named, split, before):
    assert read(before + sse(TALK, end=end, named=named, split=split), sizes) == WHOLE


def test_until_the_message_has_stopped_there_is_none():
    assert read(sse(TALK[:-1])) is None
    assert read(sse(TALK)[:-1]) is None, "the event has not ended"


def told_of(raw):
    message = StreamedMessage()
    message.take(raw)
    return message.answer


def test_what_a_stream_told_before_it_broke_off_counts_and_is_no_message():
    started = told_of(sse(TALK[:4]))
    assert started.usage == Usage(input_tokens=7)
    delta = {"type": "message_delta", "usage": {"output_tokens": 2}}
    gone_on = told_of(sse([*TALK[:4], delta, {"type": "error", "error": {}}]))
    assert gone_on.usage == Usage(input_tokens=7, output_tokens=2)
    for answer in (started, gone_on):
        assert answer.message is None
        assert answer.remarks == (BROKE_OFF,)
        assert not thinking_ids(answer.broken), "its thinking is not whole"


def test_a_whole_message_is_no_broken_one():
    answer = told_of(sse(TALK))
    assert answer == Answer(WHOLE)
    assert answer.usage == Usage(input_tokens=7, output_tokens=3)
    assert not answer.remarks


def bare_deflate(raw):
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(raw) + packing.flush(zlib.Z_SYNC_FLUSH)


def flushed(raw, wbits=31):
    packing = zlib.compressobj(wbits=wbits)
    return packing.compress(raw) + packing.flush(zlib.Z_SYNC_FLUSH)


ENCODED = {
    "": lambda raw: raw,
    "gzip": flushed,
    "deflate": lambda raw: flushed(raw, 15),
    "deflate, bare": bare_deflate,
    "identity, gzip": flushed,
}


def tapped(encoding, chunks, *, whole=True):
    """What is told of a response in some chunks, to a sync and to an async client."""
    kind = {"content-type": "text/event-stream", "content-encoding": encoding}

    class Sync(httpx2.SyncByteStream):
        def __iter__(self):
            return iter(chunks)

    class Async(httpx2.AsyncByteStream):
        async def __aiter__(self):
            for chunk in chunks:
                yield chunk

    told = []
    tee = Tee(httpx2.Response(200, headers=kind, stream=Sync()), told.append)
    assert list(tee) == chunks
    tee.close()

    async def on_loop():
        async def done(answer):
            told.append(answer)

        tee = AsyncTee(httpx2.Response(200, headers=kind, stream=Async()), done)
        assert [chunk async for chunk in tee] == chunks
        await tee.aclose()

    anyio.run(on_loop)
    assert len(told) == 2
    assert told[0] == told[1]
    return told[0]


@pytest.mark.parametrize("name", ENCODED)
def test_in_whatever_encoding_it_came_it_is_known_what_was_told(name):
    encoding = name.partition(", bare")[0]
    whole, cut = ENCODED[name](sse(TALK)), ENCODED[name](sse(TALK[:4]))
    assert tapped(encoding, [whole[:50], whole[50:]]).message == WHOLE
    broken = tapped(encoding, [cut])
    assert broken.message is None
    assert broken.usage == Usage(input_tokens=7)
    assert broken.remarks


def test_what_was_told_before_the_encoding_broke_counts():
    broken = tapped("gzip", [flushed(sse(TALK[:4])), b"no gzip at all"])
    assert broken.usage == Usage(input_tokens=7)


def test_of_what_nobody_can_read_nothing_is_said():
    assert tapped("odd", [gzip.compress(sse(TALK))]) == Answer()
    assert answer_in(None) == Answer()


def test_a_text_that_speaks_of_the_end_is_no_end_and_is_not_even_parsed(monkeypatch):
    parsed = []
    loads = json.loads
    monkeypatch.setattr(events.json, "loads", lambda raw: parsed.append(raw) or loads(raw))
    message = StreamedMessage()
    message.take(sse(TALK[:3]))
    for chunk in [sse([TEXT])] * 500:
        message.take(chunk)
    assert len(parsed) == 3
    message.take(sse(TALK[4:]))
    assert message.message == WHOLE


ODD = [
    b"data: {",
    b"data: [1]",
    b"data: 7",
    b"data: \xff\xfe",
    b"data: " + b"[" * 100_000,
    b'data: {"type": "message_start", "message": 7}',
    b'data: {"type": ["message_start"]}',
    b'data: {"type": "content_block_start", "content_block": {"type": "thinking"}}',
    b'data: {"type": "content_block_start", "index": "one"}',
    b'data: {"type": "content_block_start", "index": {}, "content_block": {}}',
    b'data: {"type": "content_block_start", "index": 9, "content_block": [3]}',
    b'data: {"type": "content_block_delta"}',
    b'data: {"type": "content_block_delta", "index": 0, "delta": "signature_delta"}',
    b'data: {"type": "content_block_delta", "index": [0], "delta": {"type": "signature_delta"}}',
    b'data: {"type": "message_delta", "delta": 3, "usage": [1]}',
    b'data: {"type": "message_delta", "usage": {"output_tokens": "many", "input_tokens": -1}}',
    b'data: {"type": "a new event", "index": null}',
    b"event: message_stop",
    b"event: error\ndata: {}",
    b"data",
    b":",
    b"nonsense",
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", range(len(TALK)))
def test_an_event_that_makes_no_sense_is_left_out(odd, place):
    message = read(sse(TALK[:place]) + odd + b"\n\n" + sse(TALK[place:]))
    assert message["usage"]["output_tokens"] == 3
    assert thinking_ids(message)


@given(st.binary(max_size=400))
def test_nothing_that_comes_raises(raw):
    read(raw)
    read(b"data: " + raw + b"\n\n" + sse(TALK))
    message_of_json(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "usage", "content", "cache_creation", "input_tokens"]), inner
        )
    ),
)


@given(JSON)
def test_a_message_is_counts_and_blocks_whatever_it_was(value):
    message = message_of_json(json.dumps(value).encode())
    assert (message is not None) == isinstance(value, dict)
    if message is not None:
        assert all(isinstance(block, dict) for block in message["content"])
        counts = {k: v for k, v in message["usage"].items() if k != "cache_creation"}
        assert all(count >= 0 for count in counts.values())
