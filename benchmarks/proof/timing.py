"""Nothing goes in; what memory adds to the time of a turn, and how it grows, comes out.

By the two benchmarks that measure it, `bench_overhead` and `bench_scale`, at fewer sizes.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench_overhead
import bench_scale
from answered_at_once import bare_client

from proof.embedding import fast_embedder

MESSAGES = (100, 1_000, 5_000)
EXCHANGES = (100, 1_000, 10_000)
_REPEATS = 9
_TURNS = 30


def measured(
    messages: Sequence[int] = MESSAGES, exchanges: Sequence[int] = EXCHANGES
) -> dict[str, Any]:
    """Both, as rows.

    Args:
        messages: sizes of a history with which nothing is recalled.
        exchanges: sizes of a past, in SQLite, of which each turn recalls.
    """
    return {"overhead": [_overhead(size) for size in messages], "scale": _scale(exchanges)}


def _overhead(size: int) -> dict[str, Any]:
    history = bench_overhead.history_of(size)
    times = bench_overhead.measured(bare_client(), history, _REPEATS)
    turns = bench_overhead.report_of(times, messages=size, size=0)["turns"]
    print(f"time of a turn, {size:,} messages", file=sys.stderr, flush=True)
    row: dict[str, Any] = {"messages": size, "bare_ms": turns["bare"]["p50_ms"]}
    for name in ("hit", "restart", "first"):
        row[f"{name}_added_ms"] = turns[name]["added_p50_ms"]
    return row | {"hit_ratio": turns["hit"]["ratio_p50"]}


def _scale(exchanges: Sequence[int]) -> list[dict[str, Any]]:
    told = Namespace(exchanges=exchanges, scopes=("user",), turns=_TURNS, cpu=False, profile=False)
    rows = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for row in bench_scale.measured("sqlite", Path(folder), fast_embedder(), told):
            print(f"scaling, {row['exchanges']:,} exchanges", file=sys.stderr, flush=True)
            rows.append(
                {
                    "exchanges": row["exchanges"],
                    "passages": row["passages"],
                    "embedding_p50_ms": row["embedding_p50_ms"],
                    "added_p50_ms": row["added_p50_ms"],
                    "added_p95_ms": row["added_p95_ms"],
                    "p50_in_embeddings_ratio": row["p50"],
                    "p95_in_embeddings_ratio": row["p95"],
                }
            )
    return rows
