"""A client whose every call is answered at once, so that what is left of a turn is memory's."""

from __future__ import annotations

import cProfile
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
from turnfold.conversation import DEFAULT_MODEL as MODEL
from turnfold.sdk.middleware import MemoryMiddleware

ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "All right."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 3},
}


def bare_client() -> anthropic.Anthropic:
    """The real SDK over a transport that answers without a server."""
    raw = json.dumps(ANSWER).encode()
    headers = {"content-type": "application/json"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=raw))
    http = anthropic.DefaultHttpxClient(transport=transport)
    return anthropic.Anthropic(api_key="none", http_client=http, max_retries=0)


@contextmanager
def profiled(profile: cProfile.Profile) -> Iterator[None]:
    """Profiles memory's own steps, in whichever thread they run."""
    prepare = MemoryMiddleware._prepare  # noqa: SLF001

    def watched(middleware: MemoryMiddleware, *args: Any) -> Any:
        return profile.runcall(prepare, middleware, *args)

    MemoryMiddleware._prepare = watched  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield
    finally:
        MemoryMiddleware._prepare = prepare  # type: ignore[method-assign]  # noqa: SLF001
