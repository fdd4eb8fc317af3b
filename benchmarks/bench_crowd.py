"""How many turns a second 1, 2, 4 and 8 processes make on one store, beside one process.

    python benchmarks/bench_crowd.py [--conversations N] [--turns N] [--json] [--store NAME ...]

Whole conversations go through the real Memory to a stand-in for the API in each process; every
few turns one folds, embeds (hashed words: no model) and recalls. The work is the same for any
number of processes, four threads each. It is done twice: all conversations of one user, whose
writers take turns, and each conversation of a user of its own. More processes than cores cannot
be faster; what is shown is what the store adds when many use it. PostgreSQL runs as its tests
run it, on a unix socket and without waiting for the disk; SQLite waits for it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import postgres
from support.crowd import Job, Worker

PROCESSES = (1, 2, 4, 8)
THREADS = 4
USERS = ("one user", "a user each")


@dataclass(frozen=True, slots=True)
class Result:
    """What some processes did.

    Attributes:
        turns_a_second: of all processes together.
        ratio: to one process.
        cpu: milliseconds of CPU that one turn took, the server's aside. Other than the rate, it
            means something on a busy machine too.
    """

    store: str
    users: str
    processes: int
    turns_a_second: float
    ratio: float
    cpu: float


def main() -> int:
    arguments = _arguments()
    with ExitStack() as stack:
        makers = {name: stack.enter_context(STORES[name]()) for name in arguments.store}
        results = [
            result
            for name, make in makers.items()
            for users in USERS
            for result in _measured(name, make, users, arguments.conversations, arguments.turns)
        ]
    if arguments.json:
        print(json.dumps({"cores": os.cpu_count(), "results": [asdict(r) for r in results]}))
    else:
        _print(results)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--conversations", type=int, default=16)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--store", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


@contextmanager
def _sqlite() -> Iterator[Callable[[], str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: f"sqlite:{tempfile.mkdtemp(dir=folder)}/store.db"


@contextmanager
def _postgres() -> Iterator[Callable[[], str]]:
    with postgres.running() as server:
        yield server.url


STORES = {"sqlite": _sqlite, "postgres": _postgres}


def _measured(
    store: str, make: Callable[[], str], users: str, conversations: int, turns: int
) -> Iterator[Result]:
    jobs = [
        Job(f"talk{number}", (1, turns + 1), "ada" if users == "one user" else f"user{number}")
        for number in range(conversations)
    ]
    alone = 0.0
    for processes in PROCESSES:
        seconds, cpu = _seconds(make(), jobs, processes)
        rate = len(jobs) * turns / seconds
        alone = alone or rate
        each = 1_000 * cpu / (len(jobs) * turns)
        yield Result(
            store, users, processes, round(rate, 1), round(rate / alone, 2), round(each, 1)
        )


def _seconds(url: str, jobs: list[Job], processes: int) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    with ExitStack() as stack:
        crew = [Worker(url, THREADS) for _ in range(processes)]
        for worker in crew:
            stack.callback(worker.close)
        # Nobody's first turn counts: it loads code, and opens connections.
        warm = [(w, w.give(Job(f"warm{n}", (1, 9), f"warm{n}"))) for n, w in enumerate(crew)]
        for worker, number in warm:
            worker.result(number)
        started, before = time.perf_counter(), sum(worker.cpu for worker in crew)
        given = [(crew[n % processes], crew[n % processes].give(job)) for n, job in enumerate(jobs)]
        done = [worker.result(number) for worker, number in given]
        seconds = time.perf_counter() - started
        cpu = sum(worker.cpu for worker in crew) - before
    wrong = [one.error or one.degraded for one in done if one.error or one.degraded]
    if wrong:
        sys.exit(f"a turn went wrong: {wrong[0]}")
    return seconds, cpu


def _print(results: list[Result]) -> None:
    print(f"{os.cpu_count()} cores, {THREADS} threads a process\n")
    print(
        f"{'store':10} {'users':12} {'processes':>9} {'turns/s':>8} {'ratio':>6} "
        f"{'CPU ms/turn':>12}"
    )
    for one in results:
        print(
            f"{one.store:10} {one.users:12} {one.processes:9} {one.turns_a_second:8.1f} "
            f"{one.ratio:6.2f} {one.cpu:12.1f}"
        )


if __name__ == "__main__":
    sys.exit(main())
