"""Chats of a known shape to test with, and what of them arrived."""

import threading

import anthropic
import httpx2
from turnfold import Memory, Policy
from turnfold_fake import FakeClaude, Reply

from support.embedders import HashedWords
from support.models import DEFAULT

MODEL = DEFAULT
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron")

# An exchange of `history` has some 130 tokens, so about every fifth turn folds.
SMALL = Policy(
    fold_at=1_000,
    keep_tokens=300,
    summary_tokens=400,
    recall_tokens=200,
    recall_floor=0.3,
    background="off",
)


def said(number, who="asked", mark=""):
    """Some 65 tokens that no other exchange shares."""
    words = " ".join(f"{word}{number}{mark}" for word in WORDS)
    return f"Turn {number} {who} of {words}. And {who} again of {words}. So {who} of {words}."


def history(exchanges, mark=""):
    """Closed exchanges, numbered from 1."""
    messages = []
    for number in range(1, exchanges + 1):
        messages.append({"role": "user", "content": said(number, "asked", mark)})
        messages.append({"role": "assistant", "content": said(number, "told", mark)})
    return messages


def ask(messages, text="And now?", **fields):
    """A request with a new opening."""
    opening = {"role": "user", "content": text}
    return {"model": MODEL, "max_tokens": 500, "messages": [*messages, opening], **fields}


def stand_in(reply="All right.", **options):
    """A stand-in that says the same whatever it is sent, without thinking."""
    if isinstance(reply, str):
        words = reply
        reply = lambda _body: Reply(words, thinking=False)
    return FakeClaude(reply, **options)


def memory(store="memory:", *, policy=SMALL, embedder=None, **options):
    return Memory(store, policy=policy, embedder=embedder or HashedWords(), **options)


class Chat:
    """Someone with a chat loop: sends the whole history, appends what comes back."""

    def __init__(self, client, messages=(), **fields):
        self.client = client
        self.messages = list(messages)
        self.fields = fields

    def say(self, text):
        request = ask(self.messages, text, **self.fields)
        answer = self.client.messages.create(**request)
        content = [block.model_dump(exclude_none=True) for block in answer.content]
        self.messages = [*request["messages"], {"role": "assistant", "content": content}]
        return answer

    def go_on(self, turns, mark="", first=1):
        for number in range(first, first + turns):
            self.say(said(number, "asked", mark))


def chats(fake):
    """The bodies of the chat requests that arrived."""
    return [call.body for call in fake.calls if call.body.get("model") == MODEL]


def summaries(fake):
    """The bodies of the requests for a summary that arrived."""
    return [call.body for call in fake.calls if call.body.get("model") != MODEL]


def blocks(message):
    """The content of a message as blocks, cache marks aside."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [{k: v for k, v in block.items() if k != "cache_control"} for block in content]


def without_marks(body):
    """The messages of a request as lists of blocks, cache marks aside."""
    return [{"role": message["role"], "content": blocks(message)} for message in body["messages"]]


def texts(body):
    """All texts of the messages of a request, in order."""
    return [
        block["text"]
        for message in body["messages"]
        for block in blocks(message)
        if block["type"] == "text"
    ]


def injected(body):
    """What memory put into a request: (message, block, text) of each of its blocks."""
    return [
        (m, b, block["text"])
        for m, message in enumerate(body["messages"])
        for b, block in enumerate(blocks(message))
        if block["type"] == "text" and block["text"].startswith("<memory-")
    ]


def slow_client(fake, wait):
    """An async client whose requests for summaries wait."""

    class Waiting(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request):
            if b"json_schema" in request.content:
                await wait(request)
            return await fake.async_transport.handle_async_request(request)

    http = anthropic.DefaultAsyncHttpxClient(transport=Waiting())
    return anthropic.AsyncAnthropic(api_key="fake", max_retries=0, http_client=http)


def joined():
    """Wait for what was left behind."""
    for thread in threading.enumerate():
        if thread.name in {"turnfold-fold", "turnfold-background", "turnfold-turn"}:
            thread.join(60)
            assert not thread.is_alive()
