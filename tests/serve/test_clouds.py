"""A cloud as upstream: any client has memory there, and sees what the API itself would answer."""

import json
from dataclasses import replace

import anthropic
import httpx2
import pytest
from support.chats import MODEL, SMALL, ask, chats, history, injected, memory, stand_in
from support.clouds import SETTINGS, cloud
from support.models import OTHER_SUMMARY
from support.serving import serving
from turnfold import TurnfoldError
from turnfold.serve import ServeSettings
from turnfold.serve.app import create_app
from turnfold.serve.clouds import Cloud
from turnfold_fake import Fault, Reply

LONG = history(40)


def without_schemas(body):
    """What is answered at a cloud that knows no structured output."""
    summary = '{"items": [{"kind": "fact", "text": "Much was said.", "turns": [1]}]}'
    return Reply("All right." if body["model"] == MODEL else summary, thinking=False)


def asked_through(name, answer):
    """The SDK's client for a cloud, whose requests a function answers."""
    kind = getattr(anthropic, f"Async{name}")
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return Cloud(kind(http_client=http, max_retries=0, **SETTINGS[name]))


@pytest.fixture
def proxy(serve):
    def start(name="AnthropicVertex", fake=None, answer=None):
        fake = fake or stand_in(without_schemas, summary=lambda _body: None)
        _, forward = cloud(fake)
        policy = replace(SMALL, summary_model=OTHER_SUMMARY) if "Foundry" in name else SMALL
        return serve(fake, cloud=asked_through(name, answer or forward), policy=policy), fake

    return start


@pytest.mark.parametrize("name", SETTINGS)
def test_a_client_that_knows_a_base_url_has_memory_at_a_cloud(proxy, name):
    running, fake = proxy(name)
    with running.client() as client:
        told = client.messages.create(**ask(LONG))
    assert told.content[-1].text
    assert injected(chats(fake)[-1])
    users = running.memory.store.ledger.users()
    assert any(running.memory.search("amber1", user_id=user) for user in users)


@pytest.mark.parametrize("name", SETTINGS)
def test_streams_come_as_the_api_sends_them(proxy, name):
    if "Bedrock" in name:
        pytest.importorskip("botocore")
    running, fake = proxy(name)
    with (
        stand_in().serve() as url,
        anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client,
    ):
        expected = [event.type for event in client.messages.create(**ask([]), stream=True)]
    with running.client() as client, client.messages.stream(**ask(LONG)) as stream:
        seen = [event.type for event in stream if event.type in set(expected)]
        final = stream.get_final_message()
    assert seen == expected
    assert final.content[-1].text
    assert final.usage.output_tokens
    assert injected(chats(fake)[-1])


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "overloaded"])
def test_a_refusal_is_that_of_the_cloud(proxy, name, kind):
    running, _ = proxy(name, stand_in(faults=[Fault(kind)]))
    with stand_in(faults=[Fault(kind)]).serve() as url:
        direct = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        with direct, pytest.raises(anthropic.APIStatusError) as expected:
            direct.messages.create(**ask([]))
    with running.client() as client, pytest.raises(type(expected.value)) as met:
        client.messages.create(**ask([]))
    assert met.value.body == expected.value.body
    assert met.value.response.headers.get("retry-after") == (
        expected.value.response.headers.get("retry-after")
    )


def test_a_refusal_in_the_words_of_aws_is_told_in_those_of_the_api(proxy):
    async def refuse(_request):
        return httpx2.Response(403, json={"Message": "You may not."})

    running, _ = proxy("AnthropicBedrock", answer=refuse)
    with running.client() as client, pytest.raises(anthropic.PermissionDeniedError) as met:
        client.messages.create(**ask([]))
    assert met.value.body == {
        "type": "error",
        "error": {"type": "permission_error", "message": "You may not."},
    }


def test_betas_go_along_and_keys_of_callers_do_not(proxy):
    heard = []
    _, forward = cloud(stand_in())

    async def answer(request):
        heard.append((dict(request.headers), request.url.path))
        return await forward(request)

    running, _ = proxy(answer=answer)
    with running.client(api_key="sk-secret") as client:
        client.beta.messages.create(**ask([]), betas=["some-beta-1"])
    headers, path = heard[-1]
    assert "some-beta-1" in headers["anthropic-beta"]
    assert "sk-secret" not in json.dumps(headers)
    assert headers["authorization"] == "Bearer t"
    assert f"/models/{MODEL}:rawPredict" in path


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("POST", "/v1/messages/batches", {"requests": []}),
        ("POST", "/v1/files", {"a": 1}),
    ],
)
def test_what_a_cloud_does_not_have_is_not_found(proxy, method, path, body):
    running, _ = proxy()
    with running.http() as http:
        told = http.request(method, path, json=body)
    assert told.status_code == 404
    assert told.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"[" * 20_000])
def test_a_body_that_is_no_object_is_refused(proxy, content):
    running, fake = proxy()
    with running.http() as http:
        told = http.post("/v1/messages", content=content)
    assert told.status_code == 400
    assert told.json()["type"] == "error"
    assert not fake.calls


def test_a_request_without_a_model_is_refused_and_not_lost(proxy):
    running, _ = proxy("AnthropicBedrock")
    with running.http() as http:
        body = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 5}
        told = http.post("/v1/messages", json=body)
    assert told.status_code == 400
    assert "model" in told.json()["error"]["message"]


def test_a_cloud_that_cannot_be_reached_is_a_bad_gateway(proxy):
    async def fail(_request):
        raise httpx2.ConnectError("no route")

    running, _ = proxy(answer=fail)
    with running.http() as http:
        assert http.post("/v1/messages", json=ask([])).status_code == 502


def test_a_cloud_without_its_region_is_said_at_the_start(monkeypatch):
    for name in ("CLOUD_ML_REGION", "ANTHROPIC_VERTEX_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TurnfoldError, match=r"upstream='vertex': .*region"):
        create_app(lambda: pytest.fail("opened"), ServeSettings(upstream="vertex"))


def test_a_cloud_without_a_default_for_summaries_wants_one_named_at_the_start(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_RESOURCE", "r")
    with pytest.raises(TurnfoldError, match=r"summary_model"):
        create_app(memory, ServeSettings(upstream="foundry"))


def test_an_upstream_is_a_url_or_a_cloud():
    with pytest.raises(TurnfoldError, match="or a cloud: aws, bedrock"):
        ServeSettings(upstream="bedrok")


def test_frames_that_are_damaged_break_the_stream_off():
    pytest.importorskip("botocore")
    fake = stand_in()
    _, forward = cloud(fake)

    async def damaged(request):
        answer = await forward(request)
        raw = answer.content
        return httpx2.Response(200, headers=answer.headers, content=raw[:-3] + b"xyz")

    with (
        serving(fake, cloud=asked_through("AnthropicBedrock", damaged)) as running,
        running.client() as client,
        pytest.raises((anthropic.APIError, httpx2.HTTPError)),
    ):
        list(client.messages.create(**ask([]), stream=True))
