"""The proxy as an ASGI app: one Memory, one upstream, and a gate before both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from threading import Thread

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from turnfold.memory import Memory
from turnfold.serve.clouds import Cloud, cloud_client
from turnfold.serve.gate import HEALTH, OWN, Gate
from turnfold.serve.program import Program, Receipts
from turnfold.serve.proxy import Proxy
from turnfold.serve.settings import CLOUDS, ServeSettings
from turnfold.serve.upstream import Upstream


def create_app(
    open_memory: Callable[[], Memory],
    settings: ServeSettings,
    *,
    upstream: Upstream | Cloud | None = None,
) -> ASGIApp:
    """The app of one worker.

    Args:
        open_memory: opens the memory, which is closed with the app; folds that are being
            prepared then come in first, if they do so in time.
        settings: how to listen, whom to ask, whom to answer.
        upstream: answers, whatever the settings say.

    Raises:
        TurnfoldError: the memory cannot be opened, or the upstream is a cloud that cannot be asked.
    """
    answering = upstream or upstream_of(settings)
    memory = open_memory()
    if isinstance(answering, Cloud):
        memory.middleware(answering.client_of({}))  # one that needs a model named says so now
    receipts = Receipts()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        # A server has time to load the embedding model before anything is recalled.
        Thread(target=memory.load, name="turnfold-load", daemon=True).start()
        async with aclosing(answering):
            try:
                yield
            finally:
                await memory.aclose()

    inner = Starlette(
        routes=[
            Route(HEALTH, _health),
            Mount(OWN, routes=Program(memory, receipts).routes),
            Mount("/", app=Proxy(memory, answering, settings, receipts.keep)),
        ],
        lifespan=lifespan,
    )
    return Gate(inner, settings)


def upstream_of(settings: ServeSettings) -> Upstream | Cloud:
    """Who answers: a server by its URL, or a cloud by its name."""
    if settings.upstream in CLOUDS:
        return Cloud(cloud_client(settings.upstream))
    return Upstream(settings.upstream, summary_key=settings.summary_key)


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})
