"""What memory adds to the time of a turn, as milliseconds and as a ratio to the bare SDK call.

    python benchmarks/bench_overhead.py [--messages N] [--repeats N] [--json] [--profile]

A long history goes through the real SDK to a transport that answers at once. Nothing is folded,
embedded or recalled. The time the store takes (a dict) is told apart, so what is added is what
memory does itself. Three turns are measured against the bare call of the same request:

    hit      the next turn of a chat: the history of the turn before and one exchange more
    restart  the same with a new Memory on a store that knows the turn before
    first    a new Memory on a new store, which is given the whole history to keep

The least of all repeats is told beside the median: on a machine that has other work, what is
added to it is the steadier figure.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import logging
import pstats
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import anthropic
from answered_at_once import MODEL, bare_client, profiled
from turnfold import Memory, Policy, open_store
from turnfold_stores import Store

CHARACTERS = 640
"""Of a message; 5,000 of them make a body of 3.3 MB."""
NEVER = Policy(fold_at=1_000_000_000, recall_tokens=0, background="off")
PROFILED = 25


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    bare = bare_client()
    messages = history_of(arguments.messages)
    times = measured(bare, messages, arguments.repeats)
    size = len(json.dumps(messages))
    report = report_of(times, messages=len(messages), size=size)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    if arguments.profile:
        _profile(bare, messages)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    return parser.parse_args()


def _exchange(number: int) -> list[dict[str, Any]]:
    said = f"Turn {number}: " + f"word{number % 97} and so on, " * 60
    return [
        {"role": "user", "content": said[:CHARACTERS]},
        {"role": "assistant", "content": [{"type": "text", "text": said[:CHARACTERS][::-1]}]},
    ]


def history_of(messages: int) -> list[dict[str, Any]]:
    """A chat of so many messages."""
    return [one for number in range(messages // 2) for one in _exchange(number)]


def _ask(client: anthropic.Anthropic, messages: Sequence[Any]) -> None:
    client.messages.create(model=MODEL, max_tokens=64, messages=messages)


def _memory(store: Store) -> Memory:
    return Memory(store, policy=NEVER)


def measured(
    bare: anthropic.Anthropic, messages: list[dict[str, Any]], repeats: int
) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each kind of turn, all of it and in the store.

    The kinds are taken in turns, so that all meet the same machine.
    """
    times: dict[str, list[tuple[float, float]]] = {
        name: [] for name in ("bare", "hit", "restart", "first")
    }
    clock = [0.0]
    known = _clocked_store(clock)
    opening, answer = _exchange(1_000_000)
    history = [*messages, opening]

    def take(name: str, client: anthropic.Anthropic) -> None:
        gc.collect()
        clock[0] = 0.0
        start = time.perf_counter()
        _ask(client, history)
        times[name].append(((time.perf_counter() - start) * 1_000, clock[0] * 1_000))

    with _memory(_clocked_store(clock)) as warm:
        hit = warm.wrap(bare, conversation="c")
        with _memory(known) as memory:
            for client in (bare, hit, memory.wrap(bare, conversation="c")):
                _ask(client, history)
        for number in range(1, repeats + 1):
            opening, next_answer = _exchange(1_000_000 + number)
            history = [*history, answer, opening]
            answer = next_answer
            take("bare", bare)
            take("hit", hit)
            with _memory(known) as memory:
                take("restart", memory.wrap(bare, conversation="c"))
            with _clocked_store(clock) as new, _memory(new) as memory:
                take("first", memory.wrap(bare, conversation="c"))
    return times


def report_of(
    times: dict[str, list[tuple[float, float]]], *, messages: int, size: int
) -> dict[str, Any]:
    """What each turn took, and what memory added to it."""
    turns: dict[str, dict[str, float]] = {}
    for name, taken in times.items():
        turns[name] = {}
        for figure, of in (("p50", statistics.median), ("min", min)):
            bare = of([whole for whole, _ in times["bare"]])
            own = of([whole - store for whole, store in taken])
            turns[name] |= {
                f"{figure}_ms": round(of([whole for whole, _ in taken]), 2),
                f"store_{figure}_ms": round(of([store for _, store in taken]), 2),
                f"added_{figure}_ms": round(own - bare, 2),
                f"ratio_{figure}": round(own / bare, 2),
            }
    return {"messages": messages, "bytes": size, "repeats": len(times["bare"]), "turns": turns}


def _print(report: dict[str, Any]) -> None:
    print(f"{report['messages']:,} messages, {report['bytes'] / 1e6:.1f} MB")
    for name, turn in report["turns"].items():
        for figure in ("p50", "min"):
            print(
                f"{name:8} {figure} {turn[f'{figure}_ms']:6.1f} ms, "
                f"{turn[f'store_{figure}_ms']:6.1f} ms in the store; added "
                f"{turn[f'added_{figure}_ms']:+6.1f} ms, "
                f"{turn[f'ratio_{figure}']:.2f} of the bare call"
            )


def _profile(bare: anthropic.Anthropic, messages: list[dict[str, Any]]) -> None:
    store = open_store("memory:")
    client = Memory(store, policy=NEVER).wrap(bare, conversation="c")
    (opening, answer), (then, _) = _exchange(1_000_000), _exchange(1_000_001)
    _ask(client, [*messages, opening])
    grown = [*messages, opening, answer, then]
    again = Memory(store, policy=NEVER).wrap(bare, conversation="c")
    for title, asked in (("restart", again), ("hit", client)):
        profile = cProfile.Profile()
        # What memory does runs in a thread of its own, which only a threading profile sees.
        with profiled(profile):
            _ask(asked, grown)
        print(f"\n{title}:", file=sys.stdout)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(PROFILED)


class _Clocked:
    """A ledger or index that counts the seconds it takes."""

    def __init__(self, inner: Any, clock: list[float]) -> None:
        self._inner = inner
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        def clocked(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                done = call(*args, **options)
                return iter(list(done)) if name in {"scan", "nearest", "users"} else done
            finally:
                self._clock[0] += time.perf_counter() - start

        return clocked


def _clocked_store(clock: list[float]) -> Store:
    inner = open_store("memory:")
    return Store(
        _Clocked(inner.ledger, clock), _Clocked(inner.index, clock), after_close=inner.close
    )


if __name__ == "__main__":
    sys.exit(main())
