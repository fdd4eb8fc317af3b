"""What memory reads of a stream: once, as it comes, and nothing in it can harm the caller."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from turnfold.request.thinking import thinking_ids
from turnfold.sdk import stream_events as events
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
