"""The stand-in as a real server on loopback."""

from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx2
import pytest
from support.models import DEFAULT, MAJOR, SMALL_WINDOW
from turnfold_fake import Clock, FakeClaude, Fault

ASK = {
    "model": DEFAULT,
    "max_tokens": 512,
    "messages": [{"role": "user", "content": "Where does Ada live?"}],
}
LONG = "Ada lives in Zürich, near the lake. " * 20


@pytest.fixture
def served():
    fake = FakeClaude(LONG)
    with (
        fake.serve() as url,
        anthropic.Anthropic(api_key="fake", base_url=url, max_retries=0) as client,
    ):
        yield fake, client


def test_create_count_and_model(served):
    fake, client = served
    assert client.messages.create(**ASK).content[-1].text == LONG
    counted = client.messages.count_tokens(model=ASK["model"], messages=ASK["messages"])
    assert counted.input_tokens == fake.count_tokens(ASK)
    assert client.models.retrieve(SMALL_WINDOW).max_input_tokens == 200_000
    assert [call.status for call in fake.calls] == [200, 200]


def test_stream(served):
    _, client = served
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == LONG


async def test_async_stream(served):
    _, client = served
    async with (
        anthropic.AsyncAnthropic(api_key="fake", base_url=client.base_url) as other,
        other.messages.stream(**ASK) as stream,
    ):
        assert (await stream.get_final_message()).content[-1].text == LONG


def test_errors_and_headers(served):
    fake, client = served
    fake.fail_next(Fault("rate_limit", retry_after=3))
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**ASK)
    assert caught.value.response.headers["retry-after"] == "3"
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**{**ASK, "messages": []})


@pytest.mark.parametrize("kind", ["timeout", "connection"])
def test_no_answer_comes(served, kind):
    fake, client = served
    fake.fail_next(Fault(kind))
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.create(**ASK)
    assert client.messages.create(**ASK).content[-1].text == LONG


def test_a_cut_stream_breaks_the_connection(served):
    fake, client = served
    fake.fail_next(Fault("cut_stream"))
    seen = []
    with pytest.raises((httpx2.RemoteProtocolError, anthropic.APIConnectionError)):
        seen.extend(client.messages.create(**ASK, stream=True))
    assert seen[-1].type == "content_block_delta"


def test_an_error_event(served):
    fake, client = served
    fake.fail_next(Fault("stream_error"))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(client.messages.create(**ASK, stream=True))


def test_threads(served):
    fake, client = served
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: client.messages.create(**ASK).content[-1].text, range(24)))
    assert texts == [LONG] * 24
    assert len({call.response["id"] for call in fake.calls}) == 24


def test_threads_without_a_server():
    fake = FakeClaude([str(n) for n in range(40)])
    client = fake.client()
    with ThreadPoolExecutor(8) as pool:
        texts = pool.map(lambda _: client.messages.create(**ASK).content[-1].text, range(40))
        assert sorted(texts, key=int) == [str(n) for n in range(40)]
    assert len({call.response["id"] for call in fake.calls}) == 40


def test_after_the_block_nobody_listens():
    with FakeClaude().serve() as url:
        assert httpx2.get(f"{url}/v1/models/{MAJOR}").status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/v1/models/{MAJOR}")


def test_the_clock_only_goes_forward():
    clock = Clock(5)
    clock.advance(2.5)
    assert clock() == clock.now == 7.5
    with pytest.raises(ValueError, match="does not run backwards"):
        clock.advance(-1)
