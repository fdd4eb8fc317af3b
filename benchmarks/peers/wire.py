"""Lines of JSON go in and out: the side of the pipe that runs where a library is installed.

    python -m peers.wire chroma

Needs nothing but Python. Asked are `open`, `add`, `prompt` (of a `question` nothing stays) and
`usage`; while it works, an adapter asks back for vectors and for a model's words. A part of a
message is a unit:

    {"role": "user" | "assistant" | "tool" | "system", "text", "calls": [{"id", "name", "input"}],
     "call": id of the call that a tool's text is the result of}
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Unit = dict[str, Any]
CHARS_PER_TOKEN = 4
SUMMARY_SHARE = 10
"""A summary may have a tenth of a budget, as those of the other strategies have."""


class Host:
    """The process that measures: gives vectors and a model's words, and the time it takes."""

    def __init__(self) -> None:
        # What a library prints must not come between the lines.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.waited = 0.0

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Unit vectors of texts, of the embedding model that all have."""
        vectors: list[list[float]] = self._asked({"embed": list(texts)})
        return vectors

    def complete(self, prompt: str, tokens: int) -> str:
        """What a model says to a prompt, in about so many tokens at most."""
        return str(self._asked({"model": prompt, "tokens": tokens}))

    def say(self, message: Any) -> None:
        """One line."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def _asked(self, message: Any) -> Any:
        started = time.perf_counter()
        self.say(message)
        answer = json.loads(sys.stdin.readline())
        self.waited += time.perf_counter() - started
        return answer


class Peer(ABC):
    """A way to use a library; its docstring says in one sentence what limits it.

    Attributes:
        title: what the page calls it.
        tools: whether it is tried on a history with calls of tools.
    """

    title = ""
    tools = True

    def __init__(self, host: Host, budget: int) -> None:
        self.host = host
        self.budget = budget

    @abstractmethod
    def add(self, units: Sequence[Unit]) -> None:
        """Take in what was said."""

    @abstractmethod
    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        """What would be sent now, with the newest message at its end, which is not kept."""

    def state(self) -> Any:
        """What `prompt` may change beside what was taken in, so that a question leaves nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Be again as when `state` was asked for; most change nothing."""
        del state


class Searching(Peer):
    """Whole texts in the order of a search, as many as fit, told in the order they were said."""

    tools = False

    @abstractmethod
    def search(self, query: str) -> Sequence[str]:
        """Texts, nearest first."""

    def add(self, units: Sequence[Unit]) -> None:
        self.said = {**getattr(self, "said", {}), **{one["text"]: None for one in units}}
        self.store([one for one in units if one["text"].strip()])

    @abstractmethod
    def store(self, units: Sequence[Unit]) -> None:
        """Take in what is to be found."""

    def prompt(self, newest: Sequence[Unit]) -> Sequence[Unit]:
        query = "\n".join(one["text"] for one in newest)
        room, taken = self.budget * CHARS_PER_TOKEN, []
        for text in self.search(query) if getattr(self, "said", None) else ():
            if len(text) + 1 <= room:
                room -= len(text) + 1
                taken.append(text)
        order = {text: n for n, text in enumerate(self.said)} if taken else {}
        taken.sort(key=lambda text: order.get(text, len(order)))
        return [*({"role": "user", "text": text} for text in taken), *newest]


def count(text: str) -> int:
    """Tokens of a text by the rule that prompts are measured with."""
    return -(-len(text) // CHARS_PER_TOKEN)


def _peak() -> float:
    """Megabytes of this process at its largest; what rusage says may be of the one it came from."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Answer until the pipe ends."""
    host = Host()
    started = time.perf_counter()
    module = importlib.import_module(f"peers.adapters.{sys.argv[1]}")
    imported = time.perf_counter() - started
    peer: Any = None
    seconds = 0.0
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        began, waited = time.perf_counter(), host.waited
        told: Any = None
        if "open" in asked:
            peer = getattr(module, asked["open"])(host, asked["budget"])
        elif "add" in asked:
            peer.add(asked["add"])
        elif "prompt" in asked:
            before = peer.state()
            told = list(peer.prompt(asked["prompt"]))
            if asked["question"]:
                peer.restore(before)
        else:
            told = {"seconds": seconds, "peak_mb": _peak(), "import_seconds": imported}
            seconds = 0.0
        if "open" not in asked:
            seconds += time.perf_counter() - began - (host.waited - waited)
        host.say({"done": told})


if __name__ == "__main__":
    main()
