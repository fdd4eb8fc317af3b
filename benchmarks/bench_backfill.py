"""What it takes to take in a long history: requests, tokens, dollars and time.

    python benchmarks/bench_backfill.py [--exchanges N] [--seconds S] [--speed X] [--json]

A made-up history goes through `Memory.backfill` with the stand-in for the API, whose answers to
requests for summaries take some seconds, which pass `--speed` times faster. It is told
how long that would take with summaries one after the other, side by side, and what one that is
killed half-way pays in all. The cold start of a chat is measured, too: the first turns of a client
who comes with this history, and how long memory keeps each of them waiting.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from turnfold import Memory, Policy
from turnfold.accounting.prices import cost, price_of
from turnfold.conversation import DEFAULT_MODEL as MODEL
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summarizers.claude import ClaudeSummarizer
from turnfold.summarizers.reconciling import Supersessions
from turnfold.summarizers.summary_model import DEFAULT_MODEL as SUMMARY_MODEL
from turnfold.summarizers.summary_model import summary_model
from turnfold_fake import FakeClaude, Reply

WORDS = (
    *("harbour", "tide", "ferry", "pilot", "beacon", "chart", "anchor", "mooring", "lantern"),
    *("timetable", "passenger", "cargo", "crane", "permit", "invoice", "dredging", "survey"),
    *("depth", "channel", "buoy", "storm", "repair"),
)
WHOSE = {"user_id": "ada", "conversation": "harbour"}


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    report = {
        "exchanges": arguments.exchanges,
        "seconds_per_summary": arguments.seconds,
        "backfill": _backfill(arguments),
        "killed_and_resumed": _killed(arguments),
        "cold_start": _cold_start(arguments),
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--exchanges", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0, help="that one summary takes")
    parser.add_argument("--speed", type=float, default=100.0, help="how much faster they pass")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def _history(exchanges: int) -> list[dict[str, Any]]:
    """Some 230 tokens an exchange, as in a long chat; each says something of its own."""
    messages: list[dict[str, Any]] = []
    for number in range(exchanges):
        said = [WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(70)]
        asked = f"Question {number}: what of berth {number * 3 + 1}? " + " ".join(said[:45])
        told = f"Berth {number * 3 + 1} was booked for {number + 10} tons. " + " ".join(said)
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": told})
    return messages


class HashedWords:
    """Bags of words: what a model would add to the time is for another benchmark."""

    model = "hashed-words-64"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One vector a text."""
        vectors = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % 64] += 1.0
        unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


class Slow:
    """Asks the stand-in, and takes its time; counts, and stops when told to."""

    def __init__(self, fake: FakeClaude, seconds: float, stop_after: int | None = None) -> None:
        self._ask = _summarizer(fake)
        self._seconds = seconds
        self._stop_after = stop_after
        self._lock = threading.Lock()
        self.calls = 0

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job."""
        with self._lock:
            self.calls += 1
            if self._stop_after is not None and self.calls > self._stop_after:
                raise _Killed
        time.sleep(self._seconds)
        return self._ask(job)

    def reconcile(self, items: Sequence[Item]) -> Supersessions:
        """Compare items."""
        with self._lock:
            self.calls += 1
        time.sleep(self._seconds)
        return self._ask.reconcile(items)


class _Killed(BaseException):
    """The process ends here."""


def _summarizer(fake: FakeClaude) -> ClaudeSummarizer:
    client = fake.client(max_retries=0)
    return ClaudeSummarizer(client, summary_model(client, SUMMARY_MODEL))


def _fake() -> FakeClaude:
    return FakeClaude(lambda _: Reply("All right.", thinking=False))


def _backfill(arguments: argparse.Namespace) -> dict[str, Any]:
    fake = _fake()
    slow = Slow(fake, arguments.seconds / arguments.speed)
    with Memory("memory:", policy=Policy(), embedder=HashedWords(), summarizer=slow) as memory:
        report = memory.backfill(_history(arguments.exchanges), client=fake.client(), **WHOSE)
    price = price_of(SUMMARY_MODEL)
    assert price is not None
    # Then the items of all leaves are compared.
    waited = (_rounds(report.leaves) + report.calls - report.leaves) * arguments.seconds
    return {
        "folded": report.folded,
        "leaves": report.leaves,
        "calls": report.calls,
        "tokens_read": report.usage.prompt_tokens,
        "tokens_written": report.usage.output_tokens,
        "dollars": round(cost(report.usage, price), 4),
        "seconds_besides_the_model": round(report.seconds - waited / arguments.speed, 1),
        "model_seconds_side_by_side": waited,
        "model_seconds_one_by_one": report.calls * arguments.seconds,
        "degraded": list(report.degraded),
    }


def _rounds(leaves: int) -> int:
    from turnfold.summarizers.in_parallel import SIDE_BY_SIDE

    return -(-leaves // SIDE_BY_SIDE)


def _killed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Killed at a middle leaf, and begun again on the same store; in leaves of 5,000 tokens."""
    messages, fake = _history(arguments.exchanges), _fake()
    policy = Policy(leaf_tokens=5_000)
    whole = Slow(fake, 0.0)
    with Memory(policy=policy, embedder=HashedWords(), summarizer=whole) as memory:
        leaves = memory.backfill(messages, client=fake.client(), **WHOSE).leaves
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:{Path(folder) / 'memory.db'}"
        first, second = (
            Slow(fake, arguments.seconds / arguments.speed, leaves // 2),
            Slow(fake, 0.0),
        )
        memory = Memory(url, policy=policy, embedder=HashedWords(), summarizer=first)
        with memory, contextlib.suppress(_Killed):
            memory.backfill(messages, client=fake.client(), **WHOSE)
        with Memory(url, policy=policy, embedder=HashedWords(), summarizer=second) as memory:
            report = memory.backfill(messages, client=fake.client(), **WHOSE)
    begun = min(first.calls, leaves // 2)
    return {
        "leaves": leaves,
        "begun_before": begun,
        "asked_after": report.leaves,
        "paid_twice": begun + report.leaves - leaves,
        "folded": report.folded,
    }


def _cold_start(arguments: argparse.Namespace) -> dict[str, Any]:
    """Turns of a chat that memory first meets with its whole history."""
    messages, fake = _history(arguments.exchanges), _fake()
    slow, receipts = Slow(fake, arguments.seconds / arguments.speed), []
    turns: list[dict[str, Any]] = []
    with Memory(
        "memory:",
        policy=Policy(),
        embedder=HashedWords(),
        summarizer=slow,
        on_receipt=receipts.append,
    ) as memory:
        client = memory.wrap(fake.client(), **WHOSE)
        for _ in range(8):
            messages = [*messages, {"role": "user", "content": "And what of the next berth?"}]
            start = time.perf_counter()
            client.messages.create(model=MODEL, max_tokens=64, messages=messages)  # type: ignore[arg-type]
            waited = time.perf_counter() - start
            messages.append({"role": "assistant", "content": "All right."})
            turns.append(
                {
                    "seconds": round(waited, 3),
                    "in_memory": receipts[-1].in_memory,
                    "tokens_sent": receipts[-1].tokens.sent,
                }
            )
            time.sleep(2 * arguments.seconds / arguments.speed)  # ten seconds until they say more
    return {"turns": turns, "summaries": slow.calls}


def _print(report: dict[str, Any]) -> None:
    whole, killed, cold = (
        report[name] for name in ("backfill", "killed_and_resumed", "cold_start")
    )
    print(f"{report['exchanges']} exchanges; a summary takes {report['seconds_per_summary']:g} s")
    print(
        f"backfill    {whole['calls']} calls, {whole['tokens_read']:,} tokens read, "
        f"{whole['tokens_written']:,} written, ${whole['dollars']}; "
        f"{whole['model_seconds_side_by_side']:g} s side by side "
        f"({whole['model_seconds_one_by_one']:g} s one by one), "
        f"and {whole['seconds_besides_the_model']} s of our own"
    )
    print(
        f"killed      {killed['begun_before']} begun, {killed['asked_after']} asked when resumed, "
        f"{killed['paid_twice']} of {killed['leaves']} paid twice"
    )
    for number, turn in enumerate(cold["turns"], 1):
        print(
            f"cold turn {number} {turn['seconds']:7.3f} s, {turn['tokens_sent']:7,} tokens sent, "
            f"{turn['in_memory']} exchanges in memory"
        )


if __name__ == "__main__":
    sys.exit(main())
