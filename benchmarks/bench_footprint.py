"""What one conversation leaves in a store, and what a turn asks of it: the figures of scale.md.

    python benchmarks/bench_footprint.py [--stores NAME ...] [--days N] [--peak X]
                                         [--gigabyte-month $] [--core-hour $] [--json]

The demo's conversation is held through memory, with the real embedder, a stand-in for the API and
a `sqlite:` store. Counted are the rows by kind, their bytes, and the calls of a turn. Then the
records are copied to the other stores, and what these take on disk is measured. From that follows
what many such conversations need; what cannot be measured (over how many days a conversation is
held, how much busier the busiest hour is, what a gigabyte and a core cost) is asked for.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from turnfold_cli.replay import Replay, ready_embedder
from turnfold_cli.strategies import TURNFOLD
from turnfold_cli.transcripts import packaged_demo
from turnfold_stores import STORE_USER, Record, Store, open_store
from turnfold_stores.records.validation import encode_body

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.stores import STORES, Servers

DURABLE = [name for name, kind in STORES.items() if kind.durable]
METHODS = ("put", "get", "scan", "delete", "users", "match", "nearest", "ids", "close")
# Copies with ids of their own, so that what an empty store takes is a small part of it.
COPIES = 5
CONVERSATIONS = (10_000, 1_000_000, 100_000_000)


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as base:
        figures, records = _held(Path(base))
        servers = Servers(Path(base, "servers"))
        try:
            figures["bytes on disk"] = {
                name: _copied(name, records, Path(base, name), servers) for name in arguments.stores
            }
        finally:
            servers.close()
    figures["scale"] = [_scaled(figures, many, arguments) for many in CONVERSATIONS]
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        _print(figures)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stores", nargs="+", choices=DURABLE, default=DURABLE)
    parser.add_argument("--days", type=float, default=90, help="a conversation is held over")
    parser.add_argument("--peak", type=float, default=4, help="busiest hour over the mean")
    parser.add_argument("--gigabyte-month", type=float, default=0.12, help="dollars, replicated")
    parser.add_argument("--core-hour", type=float, default=0.05, help="dollars")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def _held(base: Path) -> tuple[dict[str, Any], list[tuple[str, Record]]]:
    """Hold the conversation; the figures, and every record with its user_id."""
    calls: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    with open_store(f"sqlite:{base / 'held.db'}") as inner:
        counted = Store(
            _counted(inner.ledger, "ledger", calls, seconds),
            _counted(inner.index, "index", calls, seconds),
        )
        with Replay(TURNFOLD, packaged_demo(), embedder=ready_embedder(), store=counted) as replay:
            spent = [turn.spend() for turn in replay.play()]
        records = [
            (user_id, record)
            for user_id in inner.ledger.users()
            for record in inner.ledger.scan(user_id)
            if user_id != STORE_USER
        ]
    turns = len(spent)
    kinds: dict[str, dict[str, float]] = {}
    for _, record in records:
        kind = kinds.setdefault(record.kind, {"rows": 0, "bytes": 0})
        kind["rows"] += 1
        kind["bytes"] += _size(record)
    rows, size = (sum(kind[name] for kind in kinds.values()) for name in ("rows", "bytes"))
    figures = {
        "exchanges": turns,
        "dollars for input": round(sum(spent), 3),
        "rows": rows,
        "bytes": size,
        "rows an exchange": round(rows / turns, 1),
        "bytes an exchange": round(size / turns),
        "vectors an exchange": round(kinds.get("vector", {"rows": 0})["rows"] / turns, 2),
        "kinds": kinds,
        "calls a turn": {name: round(count / turns, 2) for name, count in calls.most_common()},
        "milliseconds a turn in the store": round(sum(seconds.values()) * 1_000 / turns, 2),
    }
    return figures, records


def _size(record: Record) -> int:
    """Bytes of what is in a record, without what an engine adds."""
    parts = (record.id, record.kind, record.conversation, encode_body(record), record.text)
    return sum(len(part.encode()) for part in parts) + 8


def _counted(inner: object, name: str, calls: Counter[str], seconds: Counter[str]) -> Any:
    """The same part, with each call counted and timed."""

    def method(called: str) -> Callable[..., Any]:
        def count(_self: object, *args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            done = getattr(inner, called)(*args, **options)
            if called in ("scan", "users", "match", "nearest"):
                done = iter(list(done))
            calls[f"{name}.{called}"] += 1
            seconds[f"{name}.{called}"] += time.perf_counter() - start
            return done

        return count

    own = {called: method(called) for called in METHODS if hasattr(inner, called)}
    return type("Counted", (), own)()


def _copied(name: str, records: list[tuple[str, Record]], folder: Path, servers: Servers) -> int:
    """Bytes on disk of one conversation in another store."""
    folder.mkdir()
    url = STORES[name].url(folder, servers)
    before = _on_disk(name, url, folder, servers)
    with open_store(url) as store:
        for copy in range(COPIES):
            for user_id in {user_id for user_id, _ in records}:
                own = [record for owner, record in records if owner == user_id]
                store.put_records(f"{user_id} {copy}", own)
    return round((_on_disk(name, url, folder, servers) - before) / COPIES)


def _scaled(
    figures: dict[str, Any], conversations: int, asked: argparse.Namespace
) -> dict[str, Any]:
    """What so many conversations like the measured one need."""
    turns = conversations * figures["exchanges"] / (asked.days * 86_400)
    calls = figures["calls a turn"]
    stored = conversations * max(figures["bytes on disk"].values()) / 1e9
    busy = turns * asked.peak * figures["milliseconds a turn in the store"] / 1_000
    months = asked.days / 30
    return {
        "conversations": conversations,
        "rows": conversations * figures["rows"],
        "vectors": conversations * figures["kinds"]["vector"]["rows"],
        "gigabytes": round(stored, 1),
        "turns a second": round(turns, 2),
        "turns a second at peak": round(turns * asked.peak, 1),
        "ledger calls a second at peak": round(
            turns * asked.peak * sum(n for name, n in calls.items() if name.startswith("ledger")), 1
        ),
        "searches a second at peak": round(turns * asked.peak * calls["index.nearest"], 1),
        "cores busy at peak": round(busy, 2),
        "dollars a month for disk": round(stored * asked.gigabyte_month),
        "dollars a month for cores": round(busy * asked.core_hour * 720),
        "dollars a month for input": round(conversations * figures["dollars for input"] / months),
    }


def _on_disk(name: str, url: str, folder: Path, servers: Servers) -> int:
    if name == "postgres":
        schema = url.rpartition("schema=")[2]
        with servers.postgres.connect() as connection:
            (size,) = connection.execute(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
                "JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = %s AND c.relkind = 'r'",
                (schema,),
            ).fetchone()
            return int(size)
    places = [folder, *([servers.folder] if name == "chroma-server" else [])]
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    # What is allocated: Chroma's files have holes.
    return sum(file.stat().st_blocks * 512 for file in files)


def _print(figures: dict[str, Any]) -> None:
    exchanges = figures["exchanges"]
    print(f"one conversation of {exchanges} exchanges: {figures['rows']:,.0f} rows")
    for kind, one in sorted(figures["kinds"].items(), key=lambda item: -item[1]["bytes"]):
        print(f"  {kind:12} {one['rows']:6,.0f} rows {one['bytes']:10,.0f} bytes")
    print(
        f"an exchange: {figures['rows an exchange']} rows, {figures['bytes an exchange']:,} "
        f"bytes, {figures['vectors an exchange']} vectors"
    )
    print("on disk, an exchange:")
    for name, size in figures["bytes on disk"].items():
        print(f"  {name:14} {size / exchanges:10,.0f} bytes")
    print(f"a turn: {figures['milliseconds a turn in the store']} ms in the store")
    for name, count in figures["calls a turn"].items():
        print(f"  {name:14} {count:6.2f} calls")
    for name in figures["scale"][0]:
        print(f"{name:32}" + "".join(f"{one[name]:>20,}" for one in figures["scale"]))


if __name__ == "__main__":
    sys.exit(main())
