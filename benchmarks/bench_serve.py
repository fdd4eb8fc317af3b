"""What the proxy adds to the time to the first byte, and whether many streams at once all arrive.

    python benchmarks/bench_serve.py [--requests N] [--streams N] [--json]

A stand-in answers over loopback. The same turns go to it through a proxy that only passes bytes
(memory turned off by the header), and through the same proxy with memory, in turns, so that a busy
machine slows both alike. What is added is told beside the time that one query embedding takes:
a turn with recall cannot take less. Then streams of as many users, whose chats have just begun, are
opened at once; each must arrive whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import anyio
import httpx2
import uvicorn
from turnfold import Memory, Policy
from turnfold.embedders import Embedder, default_embedder
from turnfold.serve import ServeSettings
from turnfold.serve.app import create_app
from turnfold.serve.server import options
from turnfold_cli.replay_results import MODEL
from turnfold_fake import FakeClaude, Reply

EXCHANGES = 60
ANSWER = "A word or two of what was asked, again and again. " * 20


def main() -> int:
    arguments = _arguments()
    embedder = default_embedder()
    fake = FakeClaude(lambda _body: Reply(ANSWER, thinking=False))
    with fake.serve() as upstream, _proxy(upstream, embedder) as url:
        report = asyncio.run(_measured(url, arguments.requests, arguments.streams))
    report["query_embedding_ms"] = None if embedder is None else _embedding(embedder)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        for name, value in report.items():
            print(f"{name:>28}  {value if value is None else round(value, 2)}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200, help="turns of either kind")
    parser.add_argument("--streams", type=int, default=200, help="streams at once")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


@contextmanager
def _proxy(upstream: str, embedder: Embedder | None) -> Iterator[str]:
    settings = ServeSettings(upstream=upstream, port=0)
    memory = Memory(policy=Policy(fold_at=2_000, keep_tokens=500), embedder=embedder)
    if embedder is not None:
        memory.load()
    app: Any = create_app(lambda: memory, settings)
    server = uvicorn.Server(uvicorn.Config(app, **{**options(settings), "log_level": "critical"}))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _history(exchanges: int) -> list[dict[str, str]]:
    """A chat of some 60 tokens a message, no two alike."""
    told: list[dict[str, str]] = []
    for number in range(exchanges):
        words = " ".join(f"shelf {number} holds lamp {number * place}." for place in range(1, 8))
        told.append({"role": "user", "content": f"Keep in mind: {words}"})
        told.append({"role": "assistant", "content": f"Noted, of shelf {number}: {words}"})
    return told


async def _measured(url: str, requests: int, streams: int) -> dict[str, Any]:
    history = _history(EXCHANGES)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        await _first_byte(http, history, -1, user="u")  # the history is taken in
        await anyio.sleep(1)
        times: dict[str, list[float]] = {"passed": [], "memory": []}
        for number in range(requests):
            times["passed"].append(await _first_byte(http, history, number, memory="off"))
            times["memory"].append(await _first_byte(http, history, number, user="u"))
        whole = [0]
        longest = [0.0]

        async def one(number: int) -> None:
            taken = await _first_byte(http, history[:8], number, user=f"u{number}", whole=whole)
            longest[0] = max(longest[0], taken)

        async with anyio.create_task_group() as tasks:
            for number in range(streams):
                tasks.start_soon(one, number)
    passed, remembered = (statistics.median(times[kind]) for kind in ("passed", "memory"))
    return {
        "first_byte_passed_p50_ms": passed,
        "first_byte_memory_p50_ms": remembered,
        "added_p50_ms": remembered - passed,
        "streams_at_once": streams,
        "streams_whole": whole[0],
        "slowest_first_byte_ms": longest[0],
    }


async def _first_byte(
    http: httpx2.AsyncClient,
    history: list[dict[str, str]],
    number: int,
    *,
    user: str = "",
    memory: str = "on",
    whole: list[int] | None = None,
) -> float:
    """Milliseconds to the first byte of a streamed turn, which is read to its end."""
    opening = {"role": "user", "content": f"Which lamp is the {number}th on shelf {number % 50}?"}
    body = {
        "model": MODEL, "max_tokens": 1_000, "stream": True, "messages": [*history, opening],
    }  # fmt: skip
    headers = {"x-api-key": "k", "x-turnfold-user": user, "x-turnfold-memory": memory}
    read = bytearray()
    first = 0.0
    start = time.perf_counter()
    async with http.stream("POST", "/v1/messages", json=body, headers=headers) as came:
        async for chunk in came.aiter_raw():
            first = first or time.perf_counter() - start
            read += chunk
    if whole is not None:
        whole[0] += b"message_stop" in read
    return first * 1_000


def _embedding(embedder: Embedder) -> float:
    times = []
    for number in range(50):
        start = time.perf_counter()
        embedder.embed([f"Which lamp is the {number}th on shelf {number}?"])
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1_000


if __name__ == "__main__":
    raise SystemExit(main())
