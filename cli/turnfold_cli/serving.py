"""The commands that serve memory: behind a base URL, and as tools of MCP."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Annotated, Any

import typer
from turnfold import Memory, Policy
from turnfold.embedders import chosen_embedder
from turnfold.errors import MissingDependency, TurnfoldError
from turnfold.scope import LOCAL_USER
from turnfold.serve import ServeSettings
from turnfold.serve.settings import CLOUDS
from turnfold_stores.masking import without_secret

from turnfold_cli import rendering
from turnfold_cli.embedder_options import EmbedderOption, ServiceOption
from turnfold_cli.exit_codes import told
from turnfold_cli.store_commands import check_is_there

app = typer.Typer()

_USUAL = ServeSettings()


@app.command("serve")
def serve_command(  # noqa: PLR0917 - typer makes options of them
    store: Annotated[
        str, typer.Argument(help="Where turnfold remembers: sqlite:FILE, ./folder, postgresql://…")
    ] = "sqlite:turnfold.db",
    upstream: Annotated[
        str,
        typer.Option(
            help="Base URL of the server that answers, or a cloud, with the account of this "
            f"environment: {', '.join(CLOUDS)}."
        ),
    ] = _USUAL.upstream,
    port: Annotated[int, typer.Option(help="The port to listen at.")] = _USUAL.port,
    host: Annotated[
        str, typer.Option(help="The address to listen at; one beyond this machine needs a token.")
    ] = _USUAL.host,
    token: Annotated[
        str,
        typer.Option(
            envvar="TURNFOLD_TOKEN",
            help="What requests must bring in x-turnfold-token. Better in TURNFOLD_TOKEN: other "
            "users of the machine can read options.",
        ),
    ] = "",
    name: Annotated[
        list[str] | None,
        typer.Option(help="A host name the proxy may be called by, besides localhost; repeatable."),
    ] = None,
    wall: Annotated[
        str,
        typer.Option(
            help="name: who may ask is trusted to say whose memory is meant. key: each API key has "
            "users of its own."
        ),
    ] = _USUAL.wall,
    fold_at: Annotated[
        str, typer.Option(help="Policy.fold_at: auto, or a number of tokens.")
    ] = str(Policy().fold_at),
    summary_model: Annotated[
        str, typer.Option(help="Policy.summary_model: auto, or a model's name at the upstream.")
    ] = Policy().summary_model,
    embedder: EmbedderOption = None,
    embedding_service: ServiceOption = None,
    keep_first: Annotated[
        int, typer.Option(help="Exchanges of coding agents that are kept, from the first on.")
    ] = _USUAL.keep_first,
    max_requests: Annotated[
        int, typer.Option(help="Requests at once; more are told to come again.")
    ] = _USUAL.most_requests,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes, on a store that takes several.")
    ] = 1,
) -> None:
    """Give memory to every client that takes a base URL. Summaries: TURNFOLD_SUMMARY_KEY."""
    with told():
        try:
            from turnfold.serve.server import run
        except ModuleNotFoundError as missing:
            package = (missing.name or "").partition(".")[0]
            if package not in {"starlette", "uvicorn", "h11"}:
                raise
            raise MissingDependency(package, extra="serve", feature="turnfold serve") from None
        chosen: Any = wall
        settings = ServeSettings(
            upstream=upstream,
            host=host,
            port=port,
            token=token,
            names=tuple(name or ()),
            wall=chosen,
            keep_first=keep_first,
            most_requests=max_requests,
        )
        _check_free(host, port, option="--port")
        threshold: Any = int(fold_at) if fold_at.isdigit() else fold_at
        _speak()
        rendering.remark(
            f"memory is kept in {without_secret(store)}, {upstream} answers; clients take "
            f"http://{host}:{port} as their base URL"
        )
        run(
            store,
            settings,
            fold_at=threshold,
            summary_model=summary_model,
            embedder=embedder,
            embedding_service=embedding_service,
            workers=workers,
        )


@app.command("mcp")
def mcp_command(  # noqa: PLR0917 - typer makes options of them
    store: Annotated[
        str, typer.Argument(help="The store: a folder, sqlite:FILE, postgresql://…")
    ] = "sqlite:turnfold.db",
    user: Annotated[
        str, typer.Option(help="Whose memory; the client cannot name another.")
    ] = LOCAL_USER,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let notes be corrected, and turns forgotten.")
    ] = False,
    http: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Serve streamable HTTP at http://127.0.0.1:PORT/mcp instead of stdio; clients "
            "bring TURNFOLD_TOKEN as their bearer token.",
        ),
    ] = None,
    embedder: EmbedderOption = None,
    embedding_service: ServiceOption = None,
) -> None:
    """Give an agent the memory of one user as MCP tools: search, read, notes; over stdio."""
    with told():
        try:
            from turnfold.mcp.server import run
        except ModuleNotFoundError as missing:
            package = (missing.name or "").partition(".")[0]
            if package not in {"mcp", "mcp_types", "starlette", "uvicorn", "h11"}:
                raise
            raise MissingDependency(package, extra="mcp", feature="turnfold mcp") from None
        check_is_there(store)
        token = os.environ.get("TURNFOLD_TOKEN", "")
        settings = None if http is None else ServeSettings(port=http, token=token)
        if settings is not None:
            _check_free(settings.host, settings.port, option="--http")
        _speak()
        named = chosen_embedder(embedder, embedding_service)
        run(lambda: Memory(store, embedder=named), user, writable=writable, http=settings)


def _check_free(host: str, port: int, *, option: str) -> None:
    """Look whether a port is free before anything is opened, or said of it.

    Args:
        host: the address.
        port: of it.
        option: by which another port is named.

    Raises:
        TurnfoldError: it is not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as wrong:
            why = wrong.strerror or wrong
            raise TurnfoldError(
                f"cannot listen at {host}:{port}: {why}; {option} names another, 0 any that is free"
            ) from None


def _speak() -> None:
    """A server has nowhere else to say what does not work."""
    says = logging.StreamHandler(sys.stderr)
    says.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.getLogger("turnfold").addHandler(says)
