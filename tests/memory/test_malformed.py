"""What is wrong with a request is for the API to say: memory passes it on and says nothing."""

from dataclasses import replace

import httpx2
import pytest
from anthropic import AnthropicFoundry
from support.chats import MODEL, SMALL, history, memory, stand_in
from turnfold.sdk.sending import pass_on_async

HI = {"role": "user", "content": "Hi."}
BOUND = "messages.1.content.0: Invalid `signature` in `thinking` block."
THINKING = {"type": "thinking", "thinking": "?", "signature": ""}
THOUGHT = {"role": "assistant", "content": [THINKING]}
CITED = {"type": "text", "text": "So.", "citations": [{"document_index": 0}]}
CONTENTS = (5, None, {}, {"a": 1}, [], [5], [None], [[]], True, "xxx")
ROLES = (5, None, {}, [], ["user"], True, "")
MESSAGES = {
    **{f"content {one!r}": [HI, {"role": "assistant", "content": one}, HI] for one in CONTENTS},
    **{f"content {one!r} asked": [{"role": "user", "content": one}] for one in CONTENTS},
    **{f"role {one!r}": [HI, {"role": one, "content": "Yes."}, HI] for one in ROLES},
    **{f"message {one!r}": [HI, one, HI] for one in (5, None, [], "x", {})},
    **{f"messages {one!r}": one for one in (5, None, {}, {"role": "user"}, "xxx", True, [])},
    "citations that are none": [HI, {"role": "assistant", "content": [CITED, 5]}, HI],
    "a late one": [*history(12), {"role": "assistant", "content": 5}, HI],
    "beside thinking": [HI, THOUGHT, HI, {"role": "assistant", "content": 5}, HI],
}
FIELDS = ({}, {"max_tokens": 0}, {"extra_body": {"thread": {"type": "new"}}})
ODD = (5, [], ["x"], {}, {"a": 1}, "xxx", [None])
OTHERS = ("model", "system", "tools", "metadata", "thinking", "tool_choice", "output_config")


def told(caught):
    """Which error, its status and what the API says."""
    body = getattr(caught, "body", None)
    message = body["error"]["message"] if isinstance(body, dict) else str(caught)
    return type(caught), getattr(caught, "status_code", None), message


def texts(answer):
    return [block.text for block in answer.content if block.type == "text"]


def outcomes(client, messages, **fields):
    """What a caller of each method gets: what comes of it, or the error."""
    body = {"model": MODEL, "max_tokens": 500, "messages": messages, **fields}
    count = {name: body[name] for name in body if name not in {"max_tokens", "extra_body"}}

    def stream():
        with client.messages.stream(**body) as events:
            return texts(events.get_final_message())

    ways = (
        lambda: texts(client.messages.create(**body)),
        lambda: [event.type for event in client.messages.create(**body, stream=True)],
        stream,
        lambda: client.messages.count_tokens(**count).input_tokens,
    )
    found = []
    for way in ways:
        try:
            found.append(way())
        except Exception as caught:  # noqa: BLE001 - whichever there is
            found.append(told(caught))
    return found


async def outcomes_on_loop(client, messages):
    body = {"model": MODEL, "max_tokens": 500, "messages": messages}

    async def create():
        return texts(await client.messages.create(**body))

    async def create_stream():
        return [event.type async for event in await client.messages.create(**body, stream=True)]

    async def stream():
        async with client.messages.stream(**body) as events:
            return texts(await events.get_final_message())

    async def count():
        return (await client.messages.count_tokens(model=MODEL, messages=messages)).input_tokens

    found = []
    for way in (create, create_stream, stream, count):
        try:
            found.append(await way())
        except Exception as caught:  # noqa: BLE001 - whichever there is
            found.append(told(caught))
    return found


@pytest.mark.parametrize("fields", FIELDS, ids=["a turn", "no answer", "a thread"])
@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES)
def test_what_is_no_history_is_for_the_api_to_refuse(messages, fields):
    bare = outcomes(stand_in().client(), messages, **fields)
    with memory() as remembering:
        assert outcomes(remembering.wrap(stand_in().client()), messages, **fields) == bare


@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES)
async def test_so_it_is_on_an_event_loop(messages):
    bare = await outcomes_on_loop(stand_in().async_client(), messages)
    with memory() as remembering:
        client = remembering.wrap(stand_in().async_client())
        assert await outcomes_on_loop(client, messages) == bare


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", OTHERS)
def test_so_are_other_fields(name, value):
    messages = [*history(2), HI]
    bare = outcomes(stand_in().client(), messages, **{name: value})
    with memory() as remembering:
        assert outcomes(remembering.wrap(stand_in().client()), messages, **{name: value}) == bare


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("summarizer", [None, "provider"])
@pytest.mark.parametrize("model", [nested(3_000), {"a": nested(3_000)}, [], 5, None])
async def test_a_models_name_that_is_none_costs_no_answer(model, summarizer):
    response = httpx2.Response(200, json={})
    sent = []

    async def send(body):
        sent.append(body)
        return response

    receipts = []
    with memory(summarizer=summarizer, on_receipt=receipts.append) as remembering:
        middleware = remembering.middleware(stand_in().async_client(), conversation="c")
        body = {"model": model, "max_tokens": 9, "messages": history(2)}
        assert await middleware.send_async(body, send) is response
    assert sent[0]["model"] is model
    assert len(receipts) == 1


async def test_a_refused_history_that_is_too_deep_to_compare_is_refused():
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": nested(3_000)}
    body = {"model": MODEL, "messages": [HI, {"role": "assistant", "content": [call]}, HI]}
    told = {"type": "error", "error": {"type": "invalid_request_error", "message": BOUND}}

    async def send(_body):
        return httpx2.Response(400, json=told)

    assert (await pass_on_async(body, send)).status_code == 400


def test_a_chats_model_may_be_called_auto():
    client = AnthropicFoundry(api_key="k", base_url="http://localhost:1/anthropic")
    policy = replace(SMALL, summary_model="haiku")
    with memory(policy=policy, summarizer="provider") as remembering:
        middleware = remembering.middleware(client)
        assert middleware._writers.beside("auto").model == "auto"
