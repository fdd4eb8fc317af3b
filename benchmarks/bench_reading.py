"""How the cost of reading grows with the text, whatever is written; and what it adds to a fold.

    python benchmarks/bench_reading.py [--letters N] [--only WORD] [--folds] [--out FILE]

Every reader of texts reads every alphabet of `tests/support/alphabets.py` at a quarter of the
length and at all of it. Told are the CPU seconds of both and their ratio (four is linear), CPU
seconds for a megabyte of UTF-8, and by how much another thread that wakes every 50 ms was kept
waiting at worst. CPU is that of the reading thread, with nothing remembered of its words; the
least of three runs counts.

With `--folds` it measures what a fold costs besides the embedding, in CPU seconds for 1,000
folded tokens of prose, code, JSON and logs, as a ratio to embedding the same text with the fast
embedder (extra `fast`).
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import anthropic

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.alphabets import ALPHABETS
from support.models import DEFAULT as MODEL
from support.readers import READERS
from turnfold import Memory, Policy
from turnfold.accounting.tokens import estimate_text
from turnfold.embedders import Embedder
from turnfold_fake import FakeClaude

BEAT = 0.05
RUNS = 3
# What a figure has to stay below.
MOST_GROWTH = 4.8
MOST_PER_MEGABYTE = 1.0
MOST_WAITING = 0.5
# What is remembered of words is forgotten before each run; tables that are read once stay.
_CACHED = type(lru_cache(lambda: None))
_MANY = 4_096
_CACHES: list[Any] = []
# Too short to be measured: growth is not told below it. Seconds.
LEAST = 0.01


class Read(NamedTuple):
    """What one reader took for one alphabet; seconds of CPU, but for `waited`."""

    reader: str
    alphabet: str
    letters: int
    quarter: float
    whole: float
    growth: float
    per_megabyte: float
    waited: float

    @property
    def is_fine(self) -> bool:
        """Whether it is within the bounds."""
        return (
            self.growth <= MOST_GROWTH
            and self.per_megabyte <= MOST_PER_MEGABYTE
            and self.waited <= MOST_WAITING
        )


class Heartbeat:
    """A thread that wakes every 50 ms, as another user's turn would."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._stop.is_set():
            time.sleep(BEAT)
            now = time.monotonic()
            self.worst = max(self.worst, now - last - BEAT)
            last = now


def measured(letters: int, only: str) -> Iterator[Read]:
    for alphabet, write in ALPHABETS.items():
        text = write(letters)
        quarter = write(letters // 4)
        for reader, read in READERS.items():
            if only not in f"{reader} {alphabet}":
                continue
            short = min(_cpu(read, quarter) for _ in range(RUNS))
            with Heartbeat() as heart:
                long = min(_cpu(read, text) for _ in range(RUNS))
            yield Read(
                reader,
                alphabet,
                len(text),
                short,
                long,
                long / short if short > LEAST else 0.0,
                long / len(text.encode("utf-8", "surrogatepass")) * 1e6,
                heart.worst,
            )


def _caches_of_words() -> Iterator[Any]:
    for one in gc.get_objects():
        if isinstance(one, _CACHED) and (one.cache_parameters()["maxsize"] or 0) >= _MANY:
            yield one


def _cpu(read: Callable[[str], object], text: str) -> float:
    # Of a short text all words would be known from the run before, of a long one few.
    for known in _CACHES:
        known.cache_clear()
    start = time.thread_time()
    read(text)
    return time.thread_time() - start


# --- folds ------------------------------------------------------------------------------------

FOLDED = ("prose", "code", "JSON", "log")


class Timed:
    """An embedder that tells its CPU apart."""

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner
        self.cpu = 0.0
        self.model_id = inner.model_id
        self.dimension = inner.dimension

    def embed(self, texts: Sequence[str]) -> Any:
        start = time.process_time()
        try:
            return self.inner.embed(texts)
        finally:
            self.cpu += time.process_time() - start


def folded(kind: str, embedder: Embedder) -> dict[str, float]:
    """CPU seconds of folding, and of embedding, 1,000 tokens of some kind."""
    text = ALPHABETS[kind](40_000)
    pieces = [text[at : at + 2_000] for at in range(0, len(text), 2_000)]
    history: list[Any] = []
    for piece in pieces:
        history += [
            {"role": "user", "content": f"Read this, please.\n{piece}"},
            {"role": "assistant", "content": "I have read it, and it says what you think."},
        ]
    items = [
        {"kind": "fact", "text": "The user had a text read.", "turns": [turn], "supersedes": []}
        for turn in range(1, len(pieces))
    ]
    note = json.dumps({"items": items})
    cpu = {}
    for name, policy in (
        ("kept", Policy(fold_at=1_000_000_000, recall_tokens=0, background="off")),
        ("folded", Policy(fold_at=2_000, keep_tokens=500, recall_tokens=0, background="off")),
    ):
        timed = Timed(embedder)
        client = Memory("memory:", policy=policy, embedder=timed).wrap(
            FakeClaude("Fine.", summary=note).client(), user_id="u", conversation=kind
        )
        start = time.process_time()
        _ask(client, [*history, {"role": "user", "content": "And?"}])
        cpu[name] = time.process_time() - start - timed.cpu
        cpu[f"embedding {name}"] = timed.cpu
    tokens = estimate_text(text) / 1_000
    besides = (cpu["folded"] - cpu["kept"]) / tokens
    embedding = cpu["embedding folded"] / tokens
    return {"besides": besides, "embedding": embedding, "ratio": besides / embedding}


def _ask(client: anthropic.Anthropic, messages: list[Any]) -> None:
    client.messages.create(model=MODEL, max_tokens=50, messages=messages)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="readers and alphabets with this in their name")
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    # A collection of garbage looks through all that was imported, too, at places of its own choice.
    gc.collect()
    _CACHES.extend(_caches_of_words())
    gc.freeze()
    if arguments.folds:
        from turnfold.embedders import FastEmbedder

        embedder = FastEmbedder()
        embedder.embed(["warm"])
        figures: Any = {kind: folded(kind, embedder) for kind in FOLDED}
        for kind, one in figures.items():
            print(f"{kind:8}" + "".join(f" {name} {value:.4f}" for name, value in one.items()))
    else:
        rows = []
        print(f"{'reader':14}{'alphabet':26}{'n/4 s':>8}{'n s':>8}{'x':>6}{'s/MB':>7}{'late s':>8}")
        for row in measured(arguments.letters, arguments.only):
            rows.append(row)
            if not row.is_fine or arguments.only:
                print(
                    f"{row.reader:14}{row.alphabet:26}{row.quarter:8.3f}{row.whole:8.3f}"
                    f"{row.growth:6.1f}{row.per_megabyte:7.2f}{row.waited:8.2f}"
                    f"{'' if row.is_fine else '  <'}",
                    flush=True,
                )
        fine = sum(row.is_fine for row in rows)
        print(f"{fine} of {len(rows)} within the bounds")
        figures = [row._asdict() for row in rows]
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
