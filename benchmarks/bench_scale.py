"""What memory adds to a turn as its user's past grows, in multiples of embedding one query.

    python benchmarks/bench_scale.py [--stores sqlite folder] [--exchanges N ...]
        [--scopes conversation user] [--turns N] [--embedder NAME] [--cpu] [--json] [--profile]

One user has so many exchanges in memory, in conversations of 200, and holds one more, of which
the older part is folded, which goes on. Each turn goes through the real SDK to a transport that
answers at once; what is added is its time less that of the bare call. The past is written
directly: texts of random words, vectors of random directions. Every turn asks something new, so
every query is embedded; what one embedding takes is measured between the turns.

p50 should be at most 1.5 embeddings and p95 at most 3, and 100,000 exchanges should cost at most
1.5 times what 100 cost.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import logging
import pstats
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from answered_at_once import ANSWER, MODEL, bare_client, profiled
from turnfold import Embedder, Memory, Policy, open_store
from turnfold.archive.archive import Archive
from turnfold.archive.measures import Measures
from turnfold.archive.plans import Fold, Plan, fold_id, plan_id
from turnfold.embedders import default_embedder, named_embedder
from turnfold.history.exchanges import seed_of
from turnfold.history.reader import read
from turnfold.scope import Scope
from turnfold_stores import STOP_WORDS, Entry, Store

USER = "ada"
HERE = "here"
SIZES = (100, 1_000, 10_000, 100_000)
OF_A_CONVERSATION = 200
LIVE = 10
VOCABULARY = 20_000
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
WARM_UP = 3
PROFILED = 25
STORES = {
    "sqlite": lambda folder: f"sqlite:{folder / 'memory.db'}",
    "folder": lambda folder: str(folder / "memory"),
}


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    embedder = default_embedder() if arguments.embedder is None else None
    embedder = embedder or named_embedder(arguments.embedder or "fast")
    embedder.embed(["ready"])
    rows = []
    for store in arguments.stores:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            for row in measured(store, Path(folder), embedder, arguments):
                rows.append(row)
                if not arguments.json:
                    _print(row)
    if arguments.json:
        print(json.dumps(rows, indent=2))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--exchanges", nargs="+", type=int, default=list(SIZES))
    parser.add_argument(
        "--scopes",
        nargs="+",
        choices=("conversation", "user"),
        default=("conversation", "user"),
    )
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--embedder", help="fast, sentence-transformers, a model's name or folder")
    parser.add_argument(
        "--cpu", action="store_true", help="count processor time, which a busy machine bends less"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    return parser.parse_args()


# --- the past -----------------------------------------------------------------------------------


class Words:
    """Texts of random words, some much more frequent than others, as in speech."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)
        syllables = self._random.integers(0, len(SYLLABLES), (VOCABULARY, 4))
        lengths = self._random.integers(1, 5, VOCABULARY)
        # The most frequent are words that search leaves out, as in any language.
        self._words = [*sorted(STOP_WORDS)] + [
            "".join(SYLLABLES[one] for one in row[:length])
            for row, length in zip(syllables, lengths, strict=True)
        ]
        del self._words[VOCABULARY:]
        frequency = 1 / np.arange(1, VOCABULARY + 1)
        self._cumulated = np.cumsum(frequency / frequency.sum())

    def text(self, count: int) -> str:
        """So many words."""
        chosen = np.searchsorted(self._cumulated, self._random.random(count))
        return " ".join(self._words[min(one, VOCABULARY - 1)] for one in chosen) + "."

    def exchange(self) -> list[dict[str, Any]]:
        """Someone asks in some 30 words and is told in some 90."""
        asked, told = self._random.integers(15, 45), self._random.integers(40, 140)
        return [
            {"role": "user", "content": self.text(int(asked))},
            {"role": "assistant", "content": self.text(int(told))},
        ]

    def directions(self, count: int, dimension: int) -> Any:
        """Unit vectors, shape (count, dimension)."""
        rows = self._random.normal(size=(count, dimension)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _fold_in(
    store: Store, conversation: str, messages: Sequence[Any], words: Words, embedder: Embedder
) -> None:
    """Write a conversation as one whose exchanges are all in memory."""
    archive = Archive(store, Scope(USER, conversation), OrderedDict())
    opening = {"role": "user", "content": "And now?"}
    transcript = read([*messages, opening], seed=seed_of(USER, conversation))
    closed = transcript.closed
    archive.store_exchanges(transcript)
    archive.store_passages(closed, first=1)
    [owed] = list(store.ledger.scan(USER, kind="owed", conversation=conversation))
    vectors = words.directions(len(owed.body), embedder.embed(["a"]).shape[1])
    entries = [
        Entry(name, conversation, vector) for name, vector in zip(owed.body, vectors, strict=True)
    ]
    store.put_vectors(USER, entries, model=embedder.model)
    store.ledger.delete(USER, [owed.id])
    fold = archive.store_fold(
        Fold(
            id=fold_id(closed[-1]),
            count=len(closed),
            nodes=(),
            blocks=("<conversation_memory>They talked.</conversation_memory>",),
            contents=tuple(one.content_id for one in closed),
            previous="",
        )
    )
    archive.store_plan(
        Plan(
            id=plan_id(transcript.open),
            parent=closed[-1].exchange_id,
            root=transcript.exchanges[0].opening_id,
            fold=fold.id,
            appends=True,
            cached=True,
            recalled="",
            shown=(),
            measures=Measures(),
        )
    )


# --- the turns ----------------------------------------------------------------------------------


def measured(
    store: str, folder: Path, embedder: Embedder, arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """One row for each number of exchanges and scope, the store growing from one to the next."""
    words, stored = Words(), 0
    url = STORES[store](folder)
    for exchanges in sorted(arguments.exchanges):
        with open_store(url) as opened:
            while stored < exchanges:
                count = min(OF_A_CONVERSATION, exchanges - stored)
                messages = [one for _ in range(count) for one in words.exchange()]
                _fold_in(opened, f"c{stored}", messages, words, embedder)
                stored += count
            for scope in arguments.scopes:
                here = f"{HERE} {exchanges} {scope}"
                messages = [one for _ in range(OF_A_CONVERSATION) for one in words.exchange()]
                _fold_in(opened, here, messages, words, embedder)
                stored += OF_A_CONVERSATION
                row = _turns(opened, here, scope, messages, words, embedder, arguments)
                yield {"store": store, "exchanges": exchanges, "scope": scope, **row}


def _turns(  # noqa: PLR0917 - called once
    store: Store,
    here: str,
    scope: Any,
    history: list[Any],
    words: Words,
    embedder: Embedder,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    degraded: list[str] = []
    hits: list[int] = []
    policy = Policy(fold_at=1_000_000_000, scope=scope, recall_floor=-1.0, cache="on")
    memory = Memory(
        store,
        policy=policy,
        embedder=embedder,
        on_receipt=lambda receipt: (
            degraded.extend(receipt.degraded),
            hits.append(len(receipt.hits)),
        )[0],
    )
    bare = bare_client()
    wrapped = memory.wrap(bare, user_id=USER, conversation=here)
    added, embedded = [], []
    profile = cProfile.Profile(time.thread_time)  # other programs are none of its business
    for number in range(WARM_UP + arguments.turns):
        opening: Any = {"role": "user", "content": "Do you remember " + words.text(16)}
        body = {"model": MODEL, "max_tokens": 64, "messages": [*history, opening]}
        history = [*history, opening, {"role": "assistant", "content": ANSWER["content"]}]
        gc.collect()
        clock = time.process_time if arguments.cpu else time.perf_counter
        took = [_seconds(clock, lambda: bare.messages.create(**body))]  # noqa: B023 - called at once
        if arguments.profile and number >= WARM_UP:
            with profiled(profile):
                wrapped.messages.create(**body)
            continue
        took.append(_seconds(clock, lambda: wrapped.messages.create(**body)))  # noqa: B023
        query = "Do you remember " + words.text(16)
        took.append(_seconds(clock, lambda: embedder.embed([query])))  # noqa: B023
        if number >= WARM_UP:
            added.append(took[1] - took[0])
            embedded.append(took[2])
    if degraded:
        raise SystemExit(f"memory was degraded: {degraded[0]}")
    if arguments.profile:
        print(f"\n{here}:")
        pstats.Stats(profile).sort_stats("tottime").print_stats(PROFILED)
        return {}
    one = float(np.median(embedded))
    p50, p95 = np.percentile(added, [50, 95])
    return {
        "passages": sum(1 for _ in store.index.ids(USER)),
        "recalled": float(np.mean(hits)),
        "embedding_p50_ms": round(one * 1_000, 2),
        "added_p50_ms": round(p50 * 1_000, 2),
        "added_p95_ms": round(p95 * 1_000, 2),
        "p50": round(p50 / one, 2),
        "p95": round(p95 / one, 2),
    }


def _seconds(clock: Callable[[], float], step: Callable[[], object]) -> float:
    start = clock()
    step()
    return clock() - start


def _print(row: dict[str, Any]) -> None:
    if "p50" in row:
        print(
            f"{row['store']:7} {row['exchanges']:7,} exchanges, recall from the {row['scope']:12} "
            f"added p50 {row['p50']:5.2f} p95 {row['p95']:5.2f} embeddings of "
            f"{row['embedding_p50_ms']:.1f} ms; {row['recalled']:.1f} passages recalled",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
