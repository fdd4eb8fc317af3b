"""Every way to ask the Messages API through the SDK, sync and async, with one shape of answer.

Each takes a client and a request and gives what the caller got as JSON, less ids and usage,
which say what the prompt was.
"""

import re

import pydantic


class Verdict(pydantic.BaseModel):
    text: str


def plain(message):
    """A message as JSON, less what depends on the prompt."""
    told = message if isinstance(message, dict) else message.model_dump(mode="json")
    return {name: value for name, value in told.items() if name not in {"id", "usage"}}


def event(one):
    told = one.model_dump(mode="json")
    if "message" in told:
        told["message"] = plain(told["message"])
    return {name: value for name, value in told.items() if name not in {"usage", "snapshot"}}


def lines(text):
    """The kinds of the events of a raw stream."""
    return [line for line in text.splitlines() if line.startswith("event:")]


# --- sync -----------------------------------------------------------------------------------


def create(client, asked):
    return plain(client.messages.create(**asked))


def create_stream(client, asked):
    return [event(one) for one in client.messages.create(**asked, stream=True)]


def stream(client, asked):
    with client.messages.stream(**asked) as pieces:
        told = list(pieces.text_stream)
        return told, plain(pieces.get_final_message())


def stream_events(client, asked):
    with client.messages.stream(**asked) as pieces:
        return [event(one) for one in pieces]


def raw(client, asked):
    response = client.messages.with_raw_response.create(**asked)
    return response.status_code, response.headers["content-type"], plain(response.parse())


def raw_stream(client, asked):
    response = client.messages.with_raw_response.create(**asked, stream=True)
    return [event(one) for one in response.parse()]


def streaming_json(client, asked):
    with client.messages.with_streaming_response.create(**asked) as response:
        return response.status_code, plain(response.json())


def streaming_parse(client, asked):
    with client.messages.with_streaming_response.create(**asked) as response:
        return plain(response.parse())


def streaming_sse(client, asked):
    with client.messages.with_streaming_response.create(**asked, stream=True) as response:
        return lines("\n".join(response.iter_lines()))


def beta(client, asked):
    return plain(client.beta.messages.create(**asked, betas=["files-api-2025-04-14"]))


def beta_stream(client, asked):
    with client.beta.messages.stream(**asked) as pieces:
        return list(pieces.text_stream), plain(pieces.get_final_message())


def post(client, asked):
    return plain(client.post("/v1/messages", body=dict(asked), cast_to=object))


def parse(client, asked):
    parsed = client.messages.parse(**asked, output_format=Verdict)
    return plain(parsed), parsed.parsed_output.text


# --- async ----------------------------------------------------------------------------------


async def acreate(client, asked):
    return plain(await client.messages.create(**asked))


async def acreate_stream(client, asked):
    return [event(one) async for one in await client.messages.create(**asked, stream=True)]


async def astream(client, asked):
    async with client.messages.stream(**asked) as pieces:
        told = [piece async for piece in pieces.text_stream]
        return told, plain(await pieces.get_final_message())


async def astream_events(client, asked):
    async with client.messages.stream(**asked) as pieces:
        return [event(one) async for one in pieces]


async def araw(client, asked):
    response = await client.messages.with_raw_response.create(**asked)
    return response.status_code, response.headers["content-type"], plain(await response.parse())


async def araw_stream(client, asked):
    response = await client.messages.with_raw_response.create(**asked, stream=True)
    return [event(one) async for one in await response.parse()]


async def astreaming_json(client, asked):
    async with client.messages.with_streaming_response.create(**asked) as response:
        return response.status_code, plain(await response.json())


async def astreaming_parse(client, asked):
    async with client.messages.with_streaming_response.create(**asked) as response:
        return plain(await response.parse())


async def astreaming_sse(client, asked):
    async with client.messages.with_streaming_response.create(**asked, stream=True) as response:
        return lines("\n".join([line async for line in response.iter_lines()]))


async def abeta(client, asked):
    return plain(await client.beta.messages.create(**asked, betas=["files-api-2025-04-14"]))


async def abeta_stream(client, asked):
    async with client.beta.messages.stream(**asked) as pieces:
        told = [piece async for piece in pieces.text_stream]
        return told, plain(await pieces.get_final_message())


async def apost(client, asked):
    return plain(await client.post("/v1/messages", body=dict(asked), cast_to=object))


async def aparse(client, asked):
    parsed = await client.messages.parse(**asked, output_format=Verdict)
    return plain(parsed), parsed.parsed_output.text


SYNC = {
    "create": create,
    "create(stream=True)": create_stream,
    "stream": stream,
    "stream, event by event": stream_events,
    "with_raw_response": raw,
    "with_raw_response, streamed": raw_stream,
    "with_streaming_response, json": streaming_json,
    "with_streaming_response, parse": streaming_parse,
    "with_streaming_response, sse": streaming_sse,
    "beta": beta,
    "beta.stream": beta_stream,
    "post": post,
    "parse": parse,
}
ASYNC = {
    "create": acreate,
    "create(stream=True)": acreate_stream,
    "stream": astream,
    "stream, event by event": astream_events,
    "with_raw_response": araw,
    "with_raw_response, streamed": araw_stream,
    "with_streaming_response, json": astreaming_json,
    "with_streaming_response, parse": astreaming_parse,
    "with_streaming_response, sse": astreaming_sse,
    "beta": abeta,
    "beta.stream": abeta_stream,
    "post": apost,
    "parse": aparse,
}


class Door:
    """The sync or the async client of a stand-in, asked alike."""

    def __init__(self, kind):
        self.is_async = kind == "async"
        self.ways = ASYNC if self.is_async else SYNC

    def client(self, fake, *, transport=None, **options):
        """A client of the stand-in; `transport` wraps its transport."""
        import anthropic

        inner = fake.async_transport if self.is_async else fake.transport
        if transport is None:
            return (fake.async_client if self.is_async else fake.client)(**options)
        http = anthropic.DefaultAsyncHttpxClient if self.is_async else anthropic.DefaultHttpxClient
        kind = anthropic.AsyncAnthropic if self.is_async else anthropic.Anthropic
        return kind(api_key="fake", http_client=http(transport=transport(inner)), **options)

    async def ask(self, way, client, asked):
        told = self.ways[way](client, asked)
        return await told if self.is_async else told

    async def outcome(self, way, client, asked):
        """What the caller gets, or the error they meet."""
        try:
            return await self.ask(way, client, asked)
        except Exception as wrong:  # noqa: BLE001 - errors are compared
            return type(wrong), re.sub(r"req_\w+", "req_…", str(wrong))
