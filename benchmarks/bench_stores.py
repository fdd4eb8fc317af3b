"""What a store costs: inserts a second, and milliseconds to search, beside the bare client.

    python benchmarks/bench_stores.py [--stores NAME ...] [--sizes N ...] [--queries N] [--json]

Random unit vectors of 384 numbers, written in batches, searched for the 32 nearest (what recall
reads first). One user has all of them, another has 1% as many beside them. Every step is taken
by turnfold's index and by the engine's own client in turns, so both meet the same machine; the
ratio is that of the first quartiles, since whatever else the machine does makes only the slow
ones slower. `put_vectors` is what a fold calls: ledger and index.

The stores are those of `tests/support/stores.py`; servers are started on loopback.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from turnfold_stores import Entry, Store, open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bare_clients import CLIENTS, DIMENSION, Client, Vectors
from support.stores import STORES, Servers

SIZES = (1_000, 10_000, 100_000)
# Milvus Lite filters row by row in Python: for tests and small files, as its authors say.
MOST = {"milvus": 10_000}
BATCH = 500
NEAREST = 32
WARM = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One store at one size. Milliseconds, inserts a second, and turnfold over bare.

    Attributes:
        store: its name in the table.
        passages: how many vectors one user has; the other has 1% as many.
        puts: inserts a second by `Index.put`.
        put_ratio: turnfold's first quartile over the bare client's.
        put_vectors: inserts a second by `Store.put_vectors`, ledger included.
        all_p50: milliseconds to search the user with all.
        all_p95: the same, 95th percentile.
        all_ratio: of the first quartiles.
        few_p50: milliseconds to search the user with 1%.
        few_p95: the same, 95th percentile.
        few_ratio: of the first quartiles.
    """

    store: str
    passages: int
    puts: float
    put_ratio: float
    put_vectors: float
    all_p50: float
    all_p95: float
    all_ratio: float
    few_p50: float
    few_p95: float
    few_ratio: float


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    measured = []
    with tempfile.TemporaryDirectory() as base:
        servers = Servers(Path(base, "servers"))
        try:
            for name in arguments.stores:
                for size in arguments.sizes:
                    if size <= MOST.get(name, size):
                        folder = Path(base, f"{name}-{size}")
                        folder.mkdir()
                        measured.append(_measure(name, size, folder, servers, arguments.queries))
                        if not arguments.json:
                            _print(measured[-1], first=len(measured) == 1)
        finally:
            servers.close()
    if arguments.json:
        print(json.dumps([asdict(one) for one in measured], indent=2))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stores", nargs="+", choices=list(CLIENTS), default=list(CLIENTS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def _measure(name: str, size: int, folder: Path, servers: Servers, queries: int) -> Measured:
    bare = CLIENTS[name](folder, servers)
    try:
        with open_store(STORES[name].url(folder, servers)) as store:
            ours, theirs = _fill(store, bare, size)
            everything = _search(store, bare, "all", queries)
            few = _search(store, bare, "few", queries)
            whole = _put_vectors(store)
    finally:
        bare.close()
    return Measured(
        name,
        size,
        round(BATCH / statistics.median(ours)),
        _ratio(ours, theirs),
        round(whole),
        *everything,
        *few,
    )


def _vectors(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _entries(user: str, start: int, rows: Vectors) -> list[Entry]:
    return [Entry(f"{user}{start + n}", "c", row) for n, row in enumerate(rows)]


def _fill(store: Store, bare: Client, size: int) -> tuple[list[float], list[float]]:
    """Seconds of each full batch of the large user: turnfold's and bare."""
    ours: list[float] = []
    theirs: list[float] = []
    for user, count in (("few", max(size // 100, 1)), ("all", size)):
        for start in range(0, count, BATCH):
            rows = _vectors(min(BATCH, count - start), seed=start)
            entries = _entries(user, start, rows)
            ids = [entry.id for entry in entries]
            took = _both(
                lambda user=user, entries=entries: store.index.put(user, entries),
                lambda user=user, ids=ids, rows=rows: bare.put(user, ids, rows),
                first=start // BATCH % 2 == 0,
            )
            if start == 0:
                # Nobody writes all and then reads: with the first search Chroma makes its graph.
                list(islice(store.index.nearest(user, rows[0]), 1))
                bare.nearest(user, rows[0], 1)
            elif user == "all":
                ours.append(took[0])
                theirs.append(took[1])
    return ours, theirs


def _search(store: Store, bare: Client, user: str, queries: int) -> tuple[float, float, float]:
    """p50 and p95 of turnfold in milliseconds, and the ratio to the bare client."""
    ours: list[float] = []
    theirs: list[float] = []
    for number, query in enumerate(_vectors(queries + WARM, seed=10**9)):
        mine, its = _both(
            lambda query=query: list(islice(store.index.nearest(user, query), NEAREST)),
            lambda query=query: bare.nearest(user, query, NEAREST),
            first=number % 2 == 0,
        )
        if number >= WARM:
            ours.append(mine * 1_000)
            theirs.append(its * 1_000)
    middle = statistics.median(ours)
    return (
        round(middle, 2),
        round(sorted(ours)[int(len(ours) * 0.95)], 2),
        _ratio(ours, theirs),
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return round(_quartile(ours) / _quartile(theirs), 2)


def _quartile(values: list[float]) -> float:
    return sorted(values)[len(values) // 4]


def _both(
    ours: Callable[[], Any], theirs: Callable[[], Any], *, first: bool
) -> tuple[float, float]:
    """Seconds of each, the one before the other by turns."""
    gc.collect()
    took = [0.0, 0.0]
    for which in (0, 1) if first else (1, 0):
        start = time.perf_counter()
        (ours, theirs)[which]()
        took[which] = time.perf_counter() - start
    return took[0], took[1]


def _put_vectors(store: Store) -> float:
    """Inserts a second, for a user of one's own, ledger included."""
    took = []
    for start in range(0, 4 * BATCH, BATCH):
        entries = _entries("new", start, _vectors(BATCH, seed=start))
        begun = time.perf_counter()
        store.put_vectors("new", entries, model="random")
        took.append(time.perf_counter() - begun)
    return BATCH / statistics.median(took)


def _print(one: Measured, *, first: bool) -> None:
    if first:
        print(f"{'':25}{'inserts a second':>26}{'one user with all, ms':>30}{'1%, ms':>24}")
        print(
            f"{'store':15}{'passages':>10}{'index':>9}{'ratio':>7}{'+ ledger':>10}"
            f"{'p50':>10}{'p95':>10}{'ratio':>10}{'p50':>8}{'p95':>8}{'ratio':>8}"
        )
    print(
        f"{one.store:15}{one.passages:>10,}{one.puts:>9,.0f}{one.put_ratio:>7.2f}"
        f"{one.put_vectors:>10,.0f}{one.all_p50:>10.2f}{one.all_p95:>10.2f}{one.all_ratio:>10.2f}"
        f"{one.few_p50:>8.2f}{one.few_p95:>8.2f}{one.few_ratio:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
