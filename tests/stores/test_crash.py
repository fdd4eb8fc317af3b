"""Kill -9 in the middle of writes: what was acknowledged is there, and the store opens."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from turnfold_stores import open_store

# Writes batches of odd sizes without end; says after each which numbers are safe.
WRITER = """
import sys
from turnfold_stores import Entry, Record, open_store
import numpy as np

url, start, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(seed)
store = open_store(url)
print("open", flush=True)
while True:
    numbers = range(start, start + int(random.choice([1, 3, 40, 400, 1200])))
    user_id = f"u{start % 2}"
    store.ledger.put(user_id, [Record(f"r{n}", "passage", "c", n, f"number {n}") for n in numbers])
    vectors = [np.random.default_rng(n).normal(size=24) for n in numbers]
    entries = [Entry(str(n), "c", vector) for n, vector in zip(numbers, vectors)]
    store.put_vectors(user_id, entries, model="m")
    print(user_id, numbers.start, numbers.stop, flush=True)
    start = numbers.stop
"""


def kill_while_writing(url, start, seed):
    """The acknowledged numbers by user."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(start), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        chance = random.Random(seed)
        # At a random moment of a random batch, however fast the machine is.
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 8))]
        time.sleep(chance.uniform(0, 0.3))
        writer.kill()
        lines += writer.stdout.read().splitlines(keepends=True)
    safe = {}
    for line in lines[1:]:
        if line.endswith("\n"):
            user_id, first, behind = line.split()
            safe.setdefault(user_id, set()).update(range(int(first), int(behind)))
    return safe


def kill_and_check(url, rounds, first=0):
    safe = {"u0": set(), "u1": set()}
    for seed in range(first, first + rounds):
        start = 100_000 * seed
        for user_id, numbers in kill_while_writing(url, start, seed).items():
            safe[user_id] |= numbers
        with open_store(url) as store:
            for user_id, numbers in safe.items():
                check(store, user_id, numbers, seed)
    # Else nothing was proved.
    assert any(safe.values())


def check(store, user_id, numbers, seed):
    records = {record.body for record in store.ledger.scan(user_id, kind="passage")}
    assert numbers <= records
    ids = store.index.ids(user_id)
    assert {str(number) for number in numbers} <= ids
    assert {f"vector:{entry_id}" for entry_id in ids} == {
        record.id for record in store.ledger.scan(user_id, kind="vector")
    }
    for number in random.Random(seed).sample(sorted(numbers), min(20, len(numbers))):
        hit = next(store.index.nearest(user_id, np.random.default_rng(number).normal(size=24)))
        assert hit.id == str(number)
        assert next(store.ledger.match(user_id, str(number))).id == f"r{number}"


def test_a_few_kills(durable_url):
    kill_and_check(durable_url, 1)


@pytest.mark.soak
@pytest.mark.parametrize("series", range(10))
def test_a_hundred_kills(durable_url, series):
    # Ten stores of ten kills each: a store that grew through all hundred takes long to check.
    kill_and_check(durable_url, 10, first=1000 + 10 * series)


REBUILDER = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from turnfold_stores import open_store
open_store(sys.argv[1])
"""


def test_a_kill_while_the_index_is_rebuilt(folder_url):
    numbers = kill_while_writing(folder_url, 0, 7)
    assert numbers
    for attempt in range(2):
        (Path(folder_url) / "chroma" / "chroma.sqlite3").write_bytes(b"broken")
        with subprocess.Popen(
            [sys.executable, "-u", "-c", REBUILDER, folder_url], stdout=subprocess.PIPE, text=True
        ) as opening:
            assert any("is rebuilt from the ledger" in line for line in opening.stdout)
            time.sleep(attempt / 10)
            opening.kill()
    with open_store(folder_url) as store:
        for user_id, expected in numbers.items():
            check(store, user_id, expected, 0)
