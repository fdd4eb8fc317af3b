"""Notes on conversations in sixteen languages: which the gate refuses, and which it catches.

`languages/notes/` holds, for each, conversations written for the purpose with the notes a
summarizer may make of them: fifty or more that are true, in other words than the turns, and some
twenty-five that are wrong by one figure, date, code or name. English has its own set of true notes
as a strong model writes them from the product's prompt. The conversations that are `held_out` were
not looked at while the rules were made; decision 0034 says what was mended since.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from turnfold.history.utterances import Utterance
from turnfold.summaries.gate import Gate
from turnfold.summaries.notes import Item, SummaryJob

NOTES = Path(__file__).with_name("languages") / "notes"
WRONG = ("figure", "date", "code", "name")
_TIMES = 5


def talks(language: str) -> list[dict[str, Any]]:
    """The conversations in a language."""
    return list(tomllib.loads((NOTES / f"{language}.toml").read_text("utf-8"))["talk"])


def notes_of(talk: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    """The notes on a conversation: each "true", or what is wrong with it."""
    items = [Item(kind, text, tuple(turns)) for kind, turns, text in talk["notes"]]
    yield from (("true", item) for item in items)
    for kind, old, new in talk["wrong"]:
        right = next(item for item in items if old in item.text)
        yield kind, Item(right.kind, right.text.replace(old, new, 1), right.turns)


def job_of(talk: Mapping[str, Any]) -> SummaryJob:
    """A conversation as it is summarized."""
    exchanges = [
        [Utterance("user", user), Utterance("assistant", assistant)]
        for user, assistant in talk["turns"]
    ]
    return SummaryJob(1, exchanges)


def notes(language: str, *, show: bool) -> dict[str, str]:
    """The columns of the gate: how many notes it refuses, of those it may look at and of others."""
    refused: Counter[tuple[str, bool]] = Counter()
    all_of: Counter[tuple[str, bool]] = Counter()
    for talk in talks(language):
        gate, held_out = Gate(job_of(talk)), bool(talk.get("held_out"))
        for kind, item in notes_of(talk):
            verdict = gate.judge([item])
            all_of[kind, held_out] += 1
            refused[kind, held_out] += bool(verdict.refused)
            if show and bool(verdict.refused) == (kind == "true"):
                why = "; ".join(verdict.refused[0].complaints) if verdict.refused else "passes"
                print(f"    {kind}{', held out' * held_out}: {item.text}\n        {why}")
    row = {
        f"true notes refused{', held out' * held_out}": (
            f"{refused['true', held_out]}/{all_of['true', held_out]}"
        )
        for held_out in (False, True)
    }
    for kind in WRONG:
        caught = refused[kind, False] + refused[kind, True]
        row[f"wrong {kind}s caught"] = f"{caught}/{all_of[kind, False] + all_of[kind, True]}"
    return row


def instructions(language: str, *, show: bool) -> dict[str, str]:
    """How many of the standing instructions are kept as such."""
    kept = wished = 0
    for talk in talks(language):
        gate = Gate(job_of(talk))
        for kind, item in notes_of(talk):
            if kind == "true" and item.kind == "instruction":
                items = gate.judge([item]).items
                is_kept = bool(items) and items[0].kind == "instruction"
                wished, kept = wished + 1, kept + is_kept
                if show and not is_kept:
                    print(f"    not taken for an instruction: {item.text}")
    return {"instructions kept": f"{kept}/{wished}"}


def fold_time(language: str, *, show: bool) -> dict[str, str]:
    """What checking a fold's notes takes against English, for as many bytes; the best of a few."""
    del show
    return {"notes checked, times English": f"{_checking(language) / _checking('en'):.2f}"}


def _checking(language: str) -> float:
    """Seconds of CPU to read the turns and check the true notes, for each byte of both."""
    found = talks(language)
    items = [[item for kind, item in notes_of(talk) if kind == "true"] for talk in found]
    size = sum(len(text.encode()) for talk in found for turn in talk["turns"] for text in turn)
    size += sum(len(item.text.encode()) for those in items for item in those)
    best = float("inf")
    for _ in range(_TIMES):
        start = time.process_time()
        for talk, those in zip(found, items, strict=True):
            Gate(job_of(talk)).judge(those)
        best = min(best, time.process_time() - start)
    return best / size
