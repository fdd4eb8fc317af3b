"""The proxy as a process, or several: uvicorn, and what it leaves to those who use it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import asdict
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from turnfold.embedders import chosen_embedder
from turnfold.errors import TurnfoldError
from turnfold.memory import Memory
from turnfold.policy import Policy
from turnfold.serve.app import create_app
from turnfold.serve.settings import ServeSettings

# Seconds a client may take to say what it wants, and a stopping server waits for answers.
_HEADERS = 15.0
_STOPPING = 30
_KEEP_ALIVE = 75
# Seconds in which a worker shows that it lives, from its start on.
_STARTING = 90
# What a worker process is told through its environment.
_TOLD = "TURNFOLD_SERVE"
_ONE_PROCESS = ("memory:", "./", "../", "/", "~")


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, which by itself waits for ever for the headers of a request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client is there, and now has to say something."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """It said something: if that was not all, the time goes on."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._relax()
        elif self._late is None and (before is None or before.response_complete):
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._relax()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._late = self.loop.call_later(_HEADERS, self._give_up)

    def _relax(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()


def run(
    store: str,
    settings: ServeSettings,
    *,
    fold_at: int | Literal["auto"] = "auto",
    summary_model: str = "auto",
    embedder: str | None = None,
    embedding_service: str | None = None,
    workers: int = 1,
) -> None:
    """Serve until stopped; what is being answered then is answered first.

    Args:
        store: URL of the store.
        settings: how to listen, whom to ask, whom to answer.
        fold_at: `Policy.fold_at`.
        summary_model: `Policy.summary_model`.
        embedder: names the embedding model; None for the usual one.
        embedding_service: URL of the service that has it; None for a model of this machine.
        workers: processes, on a store that takes several.

    Raises:
        TurnfoldError: the store cannot be opened, or is one for a single process.
        PolicyError: `fold_at` or `summary_model` does not fit.
        EmbedderError: the embedder is not known.
    """
    # Said here: a worker that ends is only started again.
    policy = Policy(fold_at=fold_at, summary_model=summary_model)
    named = chosen_embedder(embedder, embedding_service)
    if workers == 1:
        _quieten()
        app: Any = create_app(lambda: Memory(store, policy=policy, embedder=named), settings)
        uvicorn.run(app, **options(settings))
        return
    if store.startswith(_ONE_PROCESS) or ":" not in store:
        raise TurnfoldError(
            f"store={store!r} is for one process: several workers share a store such as "
            "postgresql://… or sqlite:file.db"
        )
    told: dict[str, Any] = {"store": store, "settings": asdict(settings)}
    told |= {"fold_at": fold_at, "summary_model": summary_model}
    told |= {"embedder": embedder, "embedding_service": embedding_service}
    os.environ[_TOLD] = json.dumps(told)
    app = "turnfold.serve.server:worker"
    # Loading what it needs, a worker does not answer whoever looks whether it lives.
    uvicorn.run(
        app,
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=_STARTING,
        **options(settings),
    )


def worker() -> ASGIApp:
    """The app of one worker process, as its environment tells."""
    _quieten()
    told = json.loads(os.environ[_TOLD])
    settings = ServeSettings(**{**told["settings"], "names": tuple(told["settings"]["names"])})
    policy = Policy(fold_at=told["fold_at"], summary_model=told["summary_model"])
    named = chosen_embedder(told["embedder"], told["embedding_service"])
    return create_app(lambda: Memory(told["store"], policy=policy, embedder=named), settings)


def options(settings: ServeSettings) -> dict[str, Any]:
    """What uvicorn is told."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": PatientProtocol,
        "ws": "none",
        "lifespan": "on",
        # What the upstream says of itself stands.
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "access_log": False,
        "log_level": "info",
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": _STOPPING,
        # Connections, idle ones too.
        "limit_concurrency": 4 * settings.most_requests,
    }


def _quieten() -> None:
    """An answer that breaks off with that of the upstream is no fault of this app."""
    logging.getLogger("uvicorn.error").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return "returned without completing response" not in str(record.msg)
