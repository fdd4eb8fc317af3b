"""A proxy as users run it, uvicorn and all, on a free port of loopback."""

import asyncio
import json
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import anthropic
import httpx2
import uvicorn
import uvicorn.server
from turnfold import Memory
from turnfold.serve import ServeSettings
from turnfold.serve.app import create_app
from turnfold.serve.server import options
from turnfold_fake.server import serving as serving_raw

from support.chats import memory

TOKEN = "a-token-of-tests"


class Brisk:
    """asyncio for uvicorn's server, which looks every 0.1 s whether it may stop, several times."""

    def __getattr__(self, name):
        return getattr(asyncio, name)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 20)


uvicorn.server.asyncio = Brisk()


@dataclass(frozen=True)
class Running:
    """A proxy that runs."""

    url: str
    upstream: str
    memory: Memory
    server: uvicorn.Server

    def client(self, **changes):
        """The SDK's own client, which knows nothing but a base URL."""
        settings = {"api_key": "sk-tests", "max_retries": 0, **changes}
        return anthropic.Anthropic(base_url=self.url, **settings)

    def async_client(self, **changes):
        settings = {"api_key": "sk-tests", "max_retries": 0, **changes}
        return anthropic.AsyncAnthropic(base_url=self.url, **settings)

    def http(self, **changes):
        return httpx2.Client(base_url=self.url, **changes)


@contextmanager
def serving(fake, *, upstream=None, cloud=None, store="memory:", policy=None, **settings):
    """Serve a stand-in, the server at a URL, or a `Cloud`, through a proxy with a small memory."""
    with fake.serve() as url:
        chosen = ServeSettings(upstream=upstream or url, port=0, **settings)
        remembering = memory(store) if policy is None else memory(store, policy=policy)
        app = create_app(lambda: remembering, chosen, upstream=cloud)
        server = uvicorn.Server(uvicorn.Config(app, **{**options(chosen), "log_config": None}))
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "the proxy did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield Running(f"http://127.0.0.1:{port}", chosen.upstream, remembering, server)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the proxy did not stop"


class Scripted:
    """An upstream that answers what a test says, byte for byte, and keeps what it was asked.

    Attributes:
        asked: (method, path, headers, body) of each request.
    """

    def __init__(self, answer):
        """Takes an `Answer`, or a function of method, path, headers and body that gives one."""
        self.asked = []
        self._answer = answer

    def serve(self):
        return serving_raw(self._respond, 0.0)

    def _respond(self, method, path, headers, raw):
        self.asked.append((method, path, headers, raw))
        return self._answer(method, path, headers, raw) if callable(self._answer) else self._answer


def recording(fake, *, newer=()):
    """The stand-in, keeping the very bytes it was sent.

    Args:
        newer: fields that an API of tomorrow has, and the stand-in would refuse.
    """

    def respond(method, path, headers, raw):
        body = json.loads(raw)
        kept = {name: value for name, value in body.items() if name not in newer}
        return fake._respond(method, path, headers, json.dumps(kept).encode())

    return Scripted(respond if newer else fake._respond)
