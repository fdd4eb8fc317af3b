"""What the contracts write, and how they run it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from turnfold_stores.protocols import Hit, Ledger, Record, Vector
from turnfold_stores.records.model_binding import STORE_USER

ODD_TEXTS = [
    "",
    "a\0b",
    "grüße",
    "cafe\u0301",
    "日本語",
    "🧵\u200d🪡",
    "'; DROP TABLE x; --",
    "%_*",
    "\r\n",
]
ODD_NAMES = [text for text in ODD_TEXTS if text] + ["A", "a", " a", "a ", "x" * 3000]
BODIES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**70,
    0.1 + 0.2,
    1e300,
    -0.0,
    *ODD_TEXTS,
    [],
    {},
    [[], {}, [None]],
    {"": {"b": 1, "a": [1, 1.0, "1", True]}, "\0": "\0"},
]

UNFIT_RECORDS = {
    "empty id": Record("", "k", "c"),
    "numbers as keys": Record("x", "k", "c", {1: 2}),
    "a tuple": Record("x", "k", "c", (1, 2)),
    "bytes": Record("x", "k", "c", b"x"),
    "NaN": Record("x", "k", "c", float("nan")),
    "infinity": Record("x", "k", "c", [float("inf")]),
    "lone surrogate in the body": Record("x", "k", "c", ["\ud800"]),
    "lone surrogate in a key": Record("x", "k", "c", {"\ud800": 1}),
    "lone surrogate in the id": Record("x\ud800", "k", "c"),
    "lone surrogate in the kind": Record("x", "k\ud800", "c"),
    "lone surrogate in the conversation": Record("x", "k", "c\ud800"),
    "lone surrogate in the text": Record("x", "k", "c", None, "\ud800"),
    "a time that is none": Record("x", "k", "c", None, "", float("nan")),
}


def plain(record_id: str, *, body: Any = None) -> Record:
    """A record without text."""
    return Record(record_id, "kind", "conversation", body)


def said(record_id: str, text: str) -> Record:
    """A record that lexical search reads."""
    return Record(record_id, "kind", "conversation", None, text)


def users_of(ledger: Ledger) -> list[str]:
    """Every user; what a store keeps for itself is nobody's."""
    return [user_id for user_id in ledger.users() if user_id != STORE_USER]


def random_vectors(count: int, dimension: int, *, seed: int = 0) -> Vector:
    """Random unit vectors, float32, shape (count, dimension)."""
    random = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(random / np.linalg.norm(random, axis=1, keepdims=True), dtype=np.float32)


def assert_falling(hits: list[Hit]) -> None:
    """Best first."""
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def together(work: Callable[[str], None], threads: int) -> None:
    """Run `work(name)` in threads at once; the first error of any is raised here."""
    errors: list[BaseException] = []
    start = threading.Barrier(threads)

    def run(name: str) -> None:
        start.wait()
        try:
            work(name)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    running = [threading.Thread(target=run, args=(f"t{number}-",)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]
