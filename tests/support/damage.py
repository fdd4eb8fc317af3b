"""Damage at random places of a store's files, and what using the store comes to then.

Run as `python -m support.damage KIND SOURCE SCRATCH FIRST LAST`: of a store in SOURCE a copy is
made for each number, damaged as the number says, and used; a line of JSON tells what came of it. In
a process of its own, since damage may crash or hang whoever meets it.
"""

import json
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from turnfold_stores import Entry, Record, StoreCorrupt, StoreUnavailable, open_store
from turnfold_stores.protocols import ChecksItself

VECTORS = np.random.default_rng(5).normal(size=(60, 16)).astype(np.float32)
USERS = ("ada", "bob")


def fill(url: str):
    """A small store, open."""
    store = open_store(url)
    for user_id in USERS:
        store.ledger.put(
            user_id,
            [
                Record(f"r{n}", "passage", f"c{n % 3}", {"n": n, "said": "x" * 300}, f"boat {n}")
                for n in range(60)
            ],
        )
        entries = [Entry(f"r{n}", f"c{n % 3}", row) for n, row in enumerate(VECTORS)]
        store.put_vectors(user_id, entries, model="m")
        store.delete_vectors(user_id, ["r7"])
    return store


def _flip(file: Path, chance: random.Random, bits: int) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(bits if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def _smear(file: Path, chance: random.Random, what: Callable[[int], bytes]) -> None:
    """Overwrite a page, or what there is of one."""
    content = bytearray(file.read_bytes())
    start = chance.randrange(max(1, len(content) // 512)) * 512
    size = min(4096, len(content) - start)
    content[start : start + size] = what(size)
    file.write_bytes(content)


def _shorten(file: Path, chance: random.Random) -> None:
    os.truncate(file, chance.randrange(file.stat().st_size or 1))


def _folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


KINDS: dict[str, Callable[[Path, random.Random], object]] = {
    "a bit": lambda file, chance: _flip(file, chance, 1),
    "some bits": lambda file, chance: _flip(file, chance, 40),
    "a head": lambda file, chance: file.write_bytes(
        chance.randbytes(100) + file.read_bytes()[100:]
    ),
    "a page of zeros": lambda file, chance: _smear(file, chance, bytes),
    "a page of noise": lambda file, chance: _smear(file, chance, chance.randbytes),
    "cut short": _shorten,
    "emptied": lambda file, _: os.truncate(file, 0),
    "noise": lambda file, chance: file.write_bytes(chance.randbytes(file.stat().st_size)),
    "removed": lambda file, _: file.unlink(),
    "a folder instead": lambda file, _: _folder_instead(file),
    "closed to us": lambda file, _: file.chmod(0),
}


def damage(place: Path, number: int) -> str:
    """Damage one file of the store; what was done, in words."""
    chance = random.Random(number)
    files = sorted(file for file in place.rglob("*") if file.is_file())
    # Small files would seldom be met by a choice of bytes, so a file is chosen first.
    file = files[number % len(files)]
    kind = chance.choice(list(KINDS))
    KINDS[kind](file, chance)
    return f"{file.relative_to(place)}: {kind}"


def use(url: str) -> str:
    """Open, read and write; "used", or the kind of the error that said why not."""
    query = VECTORS[0]
    try:
        with open_store(url) as store:
            for user_id in [*store.users(), *USERS]:
                records = list(store.ledger.scan(user_id))
                store.ledger.get(user_id, [record.id for record in records])
                list(store.ledger.match(user_id, "boat", conversation="c1"))
                list(store.ledger.match(user_id, "boat"))
                list(store.index.nearest(user_id, query, conversation="c1"))
                list(store.index.nearest(user_id, query))
            for user_id in USERS:
                store.ledger.put(user_id, [Record("new", "passage", "c1", {}, "a new boat")])
                store.put_vectors(user_id, [Entry("new", "c1", query)], model="m")
                store.delete_vectors(user_id, ["r1", "r2"])
                store.ledger.delete(user_id, ["r3"])
            if isinstance(store.ledger, ChecksItself):
                store.ledger.check()
            store.purge("ada")
            store.mend()
            for user_id in USERS:
                vectors = {r.id for r in store.ledger.scan(user_id, kind="vector")}
                assert {f"vector:{name}" for name in store.index.ids(user_id)} == vectors
    except (StoreCorrupt, StoreUnavailable) as error:
        return f"{type(error).__name__}: {error}"
    return "used"


def main(kind: str, source: str, scratch: str, first: int, last: int) -> None:
    for number in range(first, last):
        place = Path(scratch, str(number))
        shutil.copytree(source, place)
        done = damage(place, number)
        url = f"sqlite:{place}/store.db" if kind == "sqlite" else f"{place}/store"
        began = time.monotonic()
        outcomes = []
        for _ in range(2):
            try:
                outcomes.append(use(url))
            except BaseException as error:  # noqa: BLE001 - a panic is one
                outcomes.append(f"WRONG {type(error).__name__}: {error}")
                traceback.print_exc()
        told = {"number": number, "done": done, "outcomes": outcomes}
        print(json.dumps({**told, "took": round(time.monotonic() - began, 2)}), flush=True)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
