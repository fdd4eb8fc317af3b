"""An adapter's name goes in; its process, answered while it works, and what it takes come out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from turnfold import Embedder

Model = Callable[[str, int], str]
# Nothing is told or asked of anybody elsewhere.
_QUIET = {
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "MEM0_TELEMETRY": "False",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LANGSMITH_TRACING": "false",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENAI_API_KEY": "none",
}


class PeerError(Exception):
    """The library's process ended before it had answered; says what it last printed."""


class PeerProcess:
    """A library in its own environment, asked over a pipe."""

    def __init__(self, python: Path, library: str, embedder: Embedder, home: Path) -> None:
        """Args:
        python: the interpreter of its environment.
        library: the module of its adapter.
        embedder: gives it vectors.
        home: a folder that it may fill.
        """
        self.embedder = embedder
        self._log = home / "said.log"
        environment = {
            **os.environ,
            **_QUIET,
            "HOME": str(home),
            "MEM0_DIR": str(home),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", "peers.wire", library],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=home,
                text=True,
                encoding="utf-8",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None, "it was opened with pipes"
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, message: Any, model: Model | None = None) -> Any:
        """What it answers; what it asks for meanwhile is given.

        Args:
            message: what is asked.
            model: a prompt and so many tokens go in, what a model says comes out.

        Raises:
            PeerError: it ended instead.
        """
        told = self._exchange(message)
        while "done" not in told:
            if "embed" in told:
                told = self._exchange(self._vectors(told["embed"]))
            else:
                assert model is not None, "only a replay has a model to ask"
                told = self._exchange(model(told["model"], told["tokens"]))
        return told["done"]

    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = self.embedder.embed(texts).tolist() if texts else []
        return vectors

    def _exchange(self, message: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None, "it was opened with pipes"
        assert stdout is not None, "it was opened with pipes"
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise PeerError(last[-1] if last else "it ended without a word")
        return json.loads(line)
