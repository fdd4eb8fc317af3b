"""Every store there is, one line each: what tests and benchmarks open."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from turnfold_stores.cached_value import cached_property

from support import postgres


class Servers:
    """The servers of a run, each started when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running = contextlib.ExitStack()

    @cached_property
    def chroma(self) -> str:
        """host:port of a Chroma server of our own."""
        return self._running.enter_context(chroma_server(self.folder / "chroma"))

    @cached_property
    def postgres(self) -> postgres.Server:
        """A PostgreSQL server of our own."""
        return self._running.enter_context(postgres.running())

    def close(self) -> None:
        self._running.close()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store, and what it promises.

    Attributes:
        url: of a new store, given a folder of its own.
        durable: it outlives its process.
        shared: several may have it open at once.
        recall: the least share of the true nearest neighbours it finds.
        ledger: it has a ledger of its own kind, not one of another line.
        embedded: it keeps files in the folder, and nothing elsewhere.
    """

    url: Callable[[Path, Servers], str]
    durable: bool = True
    shared: bool = True
    recall: float = 1.0
    ledger: bool = True
    embedded: bool = True


STORES = {
    "memory": Kind(lambda _folder, _servers: "memory:", durable=False, shared=False),
    "sqlite": Kind(lambda folder, _: f"sqlite:{folder}/store.db"),
    "folder": Kind(lambda folder, _: f"{folder}/store", shared=False, recall=0.95),
    "postgres": Kind(lambda _, on: on.postgres.url(), embedded=False),
    "chroma-server": Kind(
        lambda folder, on: f"chroma+http://{on.chroma}?ledger=sqlite:{folder}/ledger.db",
        recall=0.95,
        ledger=False,
        embedded=False,
    ),
    "milvus": Kind(
        lambda folder, _: f"milvus:{folder}/index.db?ledger=sqlite:{folder}/ledger.db",
        shared=False,
        ledger=False,
    ),
}

# Indexes again, over the ledger that a team has them over.
OVER_POSTGRES = {
    "chroma-over-postgres": Kind(
        lambda _folder, on: f"chroma+http://{on.chroma}?ledger={on.postgres.url()}",
        recall=0.95,
        ledger=False,
        embedded=False,
    ),
    "milvus-over-postgres": Kind(
        lambda folder, on: f"milvus:{folder}/index.db?ledger={on.postgres.url()}",
        shared=False,
        ledger=False,
        embedded=False,
    ),
}


@contextlib.contextmanager
def chroma_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run a Chroma server on loopback; yields host:port."""
    port = port or _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(folder)]
    # Not a pipe: nobody reads it, and the server would stop when it is full.
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, server)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    patience = time.monotonic() + 60
    while True:
        if server.poll() is not None or time.monotonic() > patience:
            raise RuntimeError("the Chroma server did not start")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
