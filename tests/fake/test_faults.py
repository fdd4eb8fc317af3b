"""Everything that can go wrong, on demand, as the SDK sees it."""

import json

import anthropic
import pytest
from support.models import DEFAULT
from turnfold_fake import FakeClaude, Fault

ASK = {
    "model": DEFAULT,
    "max_tokens": 512,
    "messages": [{"role": "user", "content": "Ada lives in Bern. Bo lives in Rome."}],
}
SCHEMA = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": {"type": "string"}}},
    "additionalProperties": False,
}
# Below 2.0 the SDK has a class of its own for 529.
OVERLOADED = getattr(anthropic, "OverloadedError", anthropic.InternalServerError)
SUMMARY = {**ASK, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
LONG = "Ada lives in Zürich, near the lake. " * 20


def failing(*faults, **more):
    fake = FakeClaude(LONG, faults=faults, **more)
    return fake, fake.client(max_retries=0)


@pytest.mark.parametrize(
    ("kind", "error", "status", "name"),
    [
        ("rate_limit", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("server_error", anthropic.InternalServerError, 500, "api_error"),
        ("overloaded", OVERLOADED, 529, "overloaded_error"),
        ("prompt_too_long", anthropic.BadRequestError, 400, "invalid_request_error"),
        ("bad_signature", anthropic.BadRequestError, 400, "invalid_request_error"),
    ],
)
def test_errors(kind, error, status, name):
    fake, client = failing(Fault(kind))
    with pytest.raises(error) as caught:
        client.messages.create(**ASK)
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == name
    assert (fake.calls[0].status, fake.calls[0].error_type) == (status, name)
    assert client.messages.create(**ASK).content[-1].text == LONG


def test_the_messages_of_the_400s_are_the_documented_ones():
    _, client = failing(Fault("prompt_too_long"), Fault("bad_signature"))
    for words in ("prompt is too long", "bound to a different conversation"):
        with pytest.raises(anthropic.BadRequestError, match=words):
            client.messages.create(**ASK)


def test_retry_after_is_sent_where_given():
    _, client = failing(Fault("rate_limit", retry_after=1.5), Fault("rate_limit"))
    for wanted in ("1.5", None):
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.messages.create(**ASK)
        assert caught.value.response.headers.get("retry-after") == wanted


def test_the_sdk_retries_and_comes_through():
    fake = FakeClaude("Hi.", faults=[Fault("rate_limit", retry_after=0.001, times=2)])
    assert fake.client().messages.create(**ASK).content[-1].text == "Hi."
    assert [call.status for call in fake.calls] == [429, 429, 200]


def test_timeout_and_connection():
    fake, client = failing(Fault("timeout"), Fault("connection"))
    with pytest.raises(anthropic.APITimeoutError):
        client.messages.create(**ASK)
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.create(**ASK)
    assert [call.error_type for call in fake.calls] == ["timeout", "connection"]
    assert [call.status for call in fake.calls] == [0, 0]


async def test_timeout_async():
    fake = FakeClaude(faults=[Fault("timeout")])
    with pytest.raises(anthropic.APITimeoutError):
        await fake.async_client(max_retries=0).messages.create(**ASK)


def test_a_cut_stream_ends_in_mid_block():
    fake, client = failing(Fault("cut_stream"))
    kinds = [event.type for event in client.messages.create(**ASK, stream=True)]
    assert kinds[-1] == "content_block_delta"
    assert "message_stop" not in kinds
    assert fake.calls[0].error_type == "cut_stream"
    assert fake.calls[0].response is not None


def test_cut_without_a_stream_is_a_connection_error():
    fake, client = failing(Fault("cut_stream"))
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.create(**ASK)
    assert fake.calls[0].response is None


def test_an_error_event_in_mid_stream():
    _, client = failing(Fault("stream_error"), Fault("stream_error"))
    seen = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        seen.extend(event.type for event in client.messages.create(**ASK, stream=True))
    assert caught.value.status_code == 200
    assert caught.value.body["error"]["type"] == "overloaded_error"
    with pytest.raises(OVERLOADED):
        client.messages.create(**ASK)


def test_faults_of_the_content_hit_summaries():
    fake, client = failing(*(Fault(k) for k in ("empty", "truncated", "refused", "not_json")))
    assert client.messages.create(**ASK).content[-1].text == LONG
    empty, truncated, refused, prose = (client.messages.create(**SUMMARY) for _ in range(4))
    assert [block.type for block in empty.content] == ["thinking"]
    assert truncated.stop_reason == "max_tokens"
    assert truncated.content[-1].text.startswith('{"facts": ["Ada')
    with pytest.raises(json.JSONDecodeError):
        json.loads(truncated.content[-1].text)
    assert refused.stop_reason == "refusal"
    assert refused.stop_details.type == "refusal"
    assert not prose.content[-1].text.startswith("{")
    assert prose.stop_reason == "end_turn"
    assert [call.kind for call in fake.calls] == ["chat"] + ["summary"] * 4
    assert all(call.error_type is None for call in fake.calls)


def test_on_says_for_which_requests():
    _, client = failing(Fault("server_error", on="summary"), Fault("refused", on="chat"))
    assert client.messages.create(**ASK).stop_reason == "refusal"
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**SUMMARY)
    assert client.messages.create(**SUMMARY).stop_reason == "end_turn"


def test_fail_next_comes_before_what_waits():
    fake, client = failing(Fault("server_error"))
    fake.fail_next(Fault("rate_limit"))
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(**ASK)
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**ASK)


def test_a_function_may_choose():
    def second(body, number):
        assert body["model"]
        return Fault("overloaded") if number == 2 else None

    fake = FakeClaude("Hi.", faults=second)
    client = fake.client(max_retries=0)
    client.messages.create(**ASK)
    with pytest.raises(OVERLOADED):
        client.messages.create(**ASK)
    client.messages.create(**ASK)
    assert [call.status for call in fake.calls] == [200, 529, 200]


def test_counting_is_spared():
    _, client = failing(Fault("server_error"))
    client.messages.count_tokens(model=ASK["model"], messages=ASK["messages"])
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**ASK)
