"""Notes on conversations in sixteen languages: which the gate refuses, and which it catches.

`languages/notes/` holds, for each, conversations written for the purpose with the notes a
summarizer may make of them: fifty or more that are true, in other words than the turns, and some
twenty-five that are wrong by one figure, date, code or name. English has its own set of true notes
as a strong model writes them from the product's prompt. The conversations that are `held_out` were
not looked at while the rules were made; decision 0034 says what was mended since.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from turnfold import Memory, Policy
from turnfold.history.utterances import Utterance
from turnfold.summaries.gate import Gate
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_fake import FakeClaude, Reply

NOTES = Path(__file__).with_name("languages") / "notes"
WRONG = ("figure", "date", "code", "name")
MODEL = "claude-sonnet-5-5"
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
    """What a fold takes against one in English, for as many turns; the best of a few."""
    del show
    return {"fold, times English": f"{_fold(language) / _fold('en'):.2f}"}


def _fold(language: str) -> float:
    """Seconds of CPU that folding all conversations of a language takes, for a byte of them."""
    best = float("inf")
    history = [
        {"role": role, "content": text}
        for talk in talks(language)
        for turn in talk["turns"]
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    size = sum(len(one["content"].encode()) for one in history)
    items = [item for talk in talks(language) for kind, item in notes_of(talk) if kind == "true"]

    def written(job: SummaryJob) -> SummaryDraft:
        return SummaryDraft([Item(one.kind, one.text, (job.first,)) for one in items])

    for _ in range(_TIMES):
        fake = FakeClaude(lambda _body: Reply("OK.", thinking=False))
        policy = Policy(fold_at=1_000, keep_tokens=200, background="off")
        memory = Memory("memory:", policy=policy, summarizer=written)
        client = memory.wrap(fake.client(), user_id="u", conversation="c")
        start = time.process_time()
        client.messages.create(
            model=MODEL,
            max_tokens=50,
            messages=[*history, {"role": "user", "content": json.dumps(language)}],
        )
        best = min(best, time.process_time() - start)
    return best / size
