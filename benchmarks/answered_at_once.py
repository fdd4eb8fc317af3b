"""A client whose every call is answered at once, so that what is left of a turn is memory's."""

from __future__ import annotations

import cProfile
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anthropic
import httpx2
from turnfold.conversation import DEFAULT_MODEL as MODEL
from turnfold.sdk.middleware import MemoryMiddleware
from turnfold.summarizers.driver import Do

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
    perform = MemoryMiddleware._perform  # noqa: SLF001

    def watched(middleware: MemoryMiddleware, attempt: Any, call_next: Any, effect: Any) -> Any:
        if isinstance(effect, Do):
            effect = Do(partial(profile.runcall, effect.step))
        return perform(middleware, attempt, call_next, effect)

    MemoryMiddleware._perform = watched  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield
    finally:
        MemoryMiddleware._perform = perform  # type: ignore[method-assign]  # noqa: SLF001
