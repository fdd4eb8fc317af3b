"""The real SDK cannot tell the stand-in from the API."""

import json

import anthropic
import pydantic
import pytest
from support.models import DEFAULT, FREE_THINKING, LARGEST, MAJOR, NO_THINKING, SMALL_WINDOW
from turnfold_fake import FakeClaude, Reply

ASK = {
    "model": DEFAULT,
    "max_tokens": 256,
    "messages": [{"role": "user", "content": "Where does Ada live?"}],
}
LONG = "Ada lives in Zürich, near the lake. " * 20
CALL = {"type": "tool_use", "name": "find", "input": {"who": "Ada", "why": None, "deep": [1, "é"]}}


def test_create():
    fake = FakeClaude("In Zürich.")
    message = fake.client().messages.create(**ASK)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[-1].text == "In Zürich."
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == fake.count_tokens(ASK)
    assert message._request_id.startswith("req_")


def test_the_default_answer_is_deterministic():
    first, second = (FakeClaude().client().messages.create(**ASK) for _ in range(2))
    assert first == second
    assert "Where does Ada live?" in first.content[-1].text


def test_stream_helper_delivers_the_text_in_pieces():
    with FakeClaude(LONG).client().messages.stream(**ASK) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 5
    assert "".join(pieces) == LONG == final.content[-1].text
    assert final.content[0].signature
    assert final.usage.output_tokens > 100


def test_stream_true_has_the_events_of_the_wire():
    events = list(FakeClaude("Hi.").client().messages.create(**ASK, stream=True))
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
    assert events[0].message.content == []
    assert events[0].message.stop_reason is None
    assert events[1].content_block.to_dict() == {
        "type": "thinking",
        "thinking": "",
        "signature": "",
    }
    deltas = {event.delta.type for event in events if event.type == "content_block_delta"}
    assert {"signature_delta", "text_delta"} <= deltas


def test_streamed_and_whole_answers_are_the_same():
    reply = [
        {"type": "thinking", "thinking": "Let me see."},
        {"type": "text", "text": LONG},
        {**CALL, "id": "toolu_1"},
    ]
    whole = FakeClaude(lambda _: reply).client().messages.create(**ASK)
    with FakeClaude(lambda _: reply).client().messages.stream(**ASK) as stream:
        streamed = stream.get_final_message()
    assert [b.to_dict() for b in streamed.content] == [b.to_dict() for b in whole.content]
    assert streamed.usage.to_dict() == whole.usage.to_dict()
    assert streamed.stop_reason == whole.stop_reason == "tool_use"


def test_a_stream_arrives_in_chunks():
    with (
        FakeClaude(LONG).client().messages.with_streaming_response.create(**ASK, stream=True) as raw
    ):
        chunks = list(raw.iter_bytes())
    assert len(chunks) > 10
    assert any(chunk.startswith(b"event: ping") for chunk in chunks)


def test_citations_stream():
    cited = {
        "type": "text",
        "text": "In Bern.",
        "citations": [
            {
                "type": "char_location",
                "cited_text": "Bern",
                "document_index": 0,
                "document_title": None,
                "start_char_index": 0,
                "end_char_index": 4,
            }
        ],
    }
    with FakeClaude([[cited]]).client().messages.stream(**ASK) as stream:
        assert stream.get_final_message().content[-1].citations[0].cited_text == "Bern"


def test_raw_and_streaming_responses():
    fake = FakeClaude("Hi.")
    client = fake.client()
    raw = client.messages.with_raw_response.create(**ASK)
    assert raw.headers["request-id"].startswith("req_")
    assert raw.parse().content[-1].text == "Hi."
    with client.messages.with_streaming_response.create(**ASK) as response:
        assert response.parse().content[-1].text == "Hi."


def test_beta_is_the_same_door():
    fake = FakeClaude("Hi.")
    message = fake.client().beta.messages.create(
        **ASK, betas=["thinking-binding-controls-2026-08-01"]
    )
    assert message.content[-1].text == "Hi."
    with fake.client().beta.messages.stream(**ASK) as stream:
        assert stream.get_final_text() == "Hi."


def test_parse_reads_structured_output():
    class Place(pydantic.BaseModel):
        where: str
        turns: list[int]

    parsed = FakeClaude().client().messages.parse(**ASK, output_format=Place)
    assert parsed.parsed_output.where == "Where does Ada live?"


async def test_async_create_and_stream():
    fake = FakeClaude(LONG)
    async with fake.async_client() as client:
        message = await client.messages.create(**ASK)
        assert message.content[-1].text == LONG
        async with client.messages.stream(**ASK) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        assert text == LONG == final.content[-1].text
        raw = await client.messages.with_raw_response.create(**ASK)
        assert raw.status_code == 200
    assert [call.kind for call in fake.calls] == ["chat"] * 3


def test_count_tokens():
    fake = FakeClaude()
    asked = {name: ASK[name] for name in ("model", "messages")}
    counted = fake.client().messages.count_tokens(**asked)
    assert counted.input_tokens == fake.count_tokens(ASK) > 0
    assert fake.calls[-1].kind == "count_tokens"


def test_model_info():
    client = FakeClaude().client()
    info = client.models.retrieve(LARGEST)
    assert (info.max_input_tokens, info.max_tokens) == (1_000_000, 128_000)
    assert client.models.retrieve(f"{SMALL_WINDOW}-20251001").max_input_tokens == 200_000
    assert FakeClaude(window=9_000).client().models.retrieve(MAJOR).max_input_tokens == 9_000
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("gpt-x")


def test_other_paths_are_not_found(door):
    answer = door.post({}, path="/v1/elsewhere")
    assert answer.status_code == 404
    assert answer.json()["error"] == {"type": "not_found_error", "message": "Not Found"}


def test_errors_have_the_documented_body_and_header(door):
    answer = door.chat([])
    shape = answer.json()
    assert shape["type"] == "error"
    assert shape["error"].keys() == {"type", "message"}
    assert shape["request_id"] == answer.headers["request-id"]


def test_calls_tell_what_happened(fake):
    fake.client().messages.create(**ASK)
    with pytest.raises(anthropic.BadRequestError):
        fake.client().messages.create(**{**ASK, "messages": []})
    good, bad = fake.calls
    assert (good.status, good.error_type, good.kind) == (200, None, "chat")
    assert good.body["messages"] == ASK["messages"]
    assert good.usage == good.response["usage"]
    shown = good.headers.get("x-api-key") or good.headers["authorization"]
    assert shown.removeprefix("Bearer ") == "fake", "as this release of the SDK shows a key"
    assert (bad.status, bad.error_type, bad.usage) == (400, "invalid_request_error", None)


def test_repeated_messages_are_kept_once(fake, door):
    history = [{"role": "user", "content": [{"type": "text", "text": "x" * 999}]}]
    door.accepted(history)
    door.accepted(history)
    assert fake.calls[0].body["messages"][0] is fake.calls[1].body["messages"][0]


def test_tool_calls_are_given_ids():
    message = FakeClaude([[CALL, CALL]]).client().messages.create(**ASK)
    first, second = message.content[-2:]
    assert message.stop_reason == "tool_use"
    assert first.id.startswith("toolu_")
    assert first.id != second.id
    assert json.loads(json.dumps(first.input)) == CALL["input"]


def test_thinking_can_be_turned_off_and_on():
    client = FakeClaude("Hi.").client()

    def kinds(**fields):
        return [block.type for block in client.messages.create(**{**ASK, **fields}).content]

    assert kinds() == ["thinking", "text"]
    assert kinds(thinking=NO_THINKING) == ["text"]
    assert kinds(model=FREE_THINKING) == ["text"]
    assert kinds(model=FREE_THINKING, thinking={"type": "adaptive"}) == ["thinking", "text"]
    reply = Reply("Hi.", thinking=False)
    assert [b.type for b in FakeClaude([reply]).client().messages.create(**ASK).content] == ["text"]


def test_max_tokens_and_stop_sequences_cut():
    client = FakeClaude(LONG).client()
    cut = client.messages.create(**{**ASK, "max_tokens": 40})
    assert cut.stop_reason == "max_tokens"
    assert cut.usage.output_tokens <= 40
    assert LONG.startswith(cut.content[-1].text)
    stopped = client.messages.create(**ASK, stop_sequences=["lake"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "lake")
    assert stopped.content[-1].text == "Ada lives in Zürich, near the "
    warmed = client.messages.create(**{**ASK, "max_tokens": 0})
    assert (warmed.content, warmed.usage.output_tokens) == ([], 0)


async def test_latency_delays_but_changes_nothing():
    fake = FakeClaude("Hi.", latency=0.001)
    assert fake.client().messages.create(**ASK).content[-1].text == "Hi."
    assert (await fake.async_client().messages.create(**ASK)).content[-1].text == "Hi."


def test_an_unknown_thinking_mode_is_refused():
    with pytest.raises(ValueError, match="enforced, dropped or unenforced"):
        FakeClaude(thinking="sometimes")
