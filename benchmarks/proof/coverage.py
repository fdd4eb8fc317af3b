"""Notes on turns, some of them wrong, go in; what a summary says of them, with the gate and
without, comes out.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench_drift import HashedWords
from bench_gate import CASES
from turnfold import Memory, Policy
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_fake import FakeClaude

from proof.strategies import PATIENCE

Kept = tuple[Sequence[int], str]
"""A note of a summary: the turns it was taken from, and what it says."""

SLIPS = 0.3
_SEED = 5
_USER, _CHAT = "ada", "coverage"
_ROOMY = Policy(
    fold_at=1_000,
    keep_tokens=0,
    keep_exchanges=0,
    summary_tokens=60_000,
    leaf_tokens=1_000,
    deadline=PATIENCE,
    clock=lambda: 1e9,
)

HOW = (
    "A hundred turns, each with notes on it; the summarizer gets three notes in ten wrong by one "
    "number, date or name, and half of those again when it is asked once more. Covered: "
    "the words that tell stand in the summary. Mistold: the wrong ones do."
)


@dataclass(frozen=True, slots=True)
class Telling:
    """One note on a turn: what it should say, and how it may go wrong."""

    turn: int
    text: str
    right: str
    wrong: str


def measured() -> list[dict[str, Any]]:
    """A row with the gate, one without."""
    turns = list(_turns())
    writer = Slipping([tellings for _, tellings in turns])
    messages = [message for said, _ in turns for message in said]
    closing = [{"role": "user", "content": "So."}, {"role": "assistant", "content": "Yes."}]
    fake = FakeClaude()
    with Memory(policy=_ROOMY, summarizer=writer, embedder=HashedWords()) as memory:
        memory.backfill(
            [*messages, *closing],
            client=fake.client(),
            user_id=_USER,
            conversation=_CHAT,
        )
        notes = memory.notes(user_id=_USER, conversation=_CHAT)
        kept = [(note.turns, note.text) for note in notes if note.holds]
    every = [one for _, tellings in turns for one in tellings]
    return [
        {"summary": "without the gate", **_shares(every, writer.first), "ours": False},
        {"summary": "with the gate", **_shares(every, kept), "ours": True},
    ]


class Slipping:
    """Writes the notes of each turn; some wrong, and half of those wrong again.

    Attributes:
        first: every note as it was written at first, with its turns: the summary that there is
            without a gate.
    """

    def __init__(self, turns: Sequence[Sequence[Telling]]) -> None:
        self._turns = turns
        self.first: list[Kept] = []

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        items = []
        for number in range(job.first, job.last + 1):
            told = self._turns[number - 1] if number <= len(self._turns) else ()
            for place, one in enumerate(told):
                text = _written(one, f"{_SEED} {number} {place}", again=bool(job.complaints))
                items.append(Item("fact", text, (number,)))
        if not job.complaints:
            self.first += [(item.turns, item.text) for item in items]
        return SummaryDraft(items or [Item("narrative", "So.", (job.first,))])


def _written(one: Telling, seed: str, *, again: bool) -> str:
    chance = random.Random(seed)
    slips = chance.random() < SLIPS
    if slips and (not again or chance.random() < 0.5):
        return one.text.replace(one.right, one.wrong, 1)
    return one.text


def _turns() -> Iterator[tuple[list[dict[str, str]], list[Telling]]]:
    """Each turn of the cases, and for each of its notes one way to get it wrong."""
    for turn, line in enumerate(CASES.read_text(encoding="utf-8").splitlines(), 1):
        case: Mapping[str, Any] = json.loads(line)
        said = [
            {"role": "user", "content": case["user"]},
            {"role": "assistant", "content": case["assistant"]},
        ]
        yield said, list(_tellings(case, turn))


def _tellings(case: Mapping[str, Any], turn: int) -> Iterator[Telling]:
    for text in case["notes"]:
        # A denial has no word of its own to look for.
        ways = [
            (right, wrong)
            for kind, right, wrong in case["wrong"]
            if kind != "negation" and right in text
        ]
        if ways:
            yield Telling(turn, text, *ways[0])


def _shares(every: Sequence[Telling], notes: Sequence[Kept]) -> dict[str, Any]:
    told: dict[int, list[str]] = defaultdict(list)
    for turns, text in notes:
        for turn in turns:
            told[turn].append(text)
    covered = sum(any(one.right.strip(" ,.") in text for text in told[one.turn]) for one in every)
    mistold = sum(one.text.replace(one.right, one.wrong, 1) in told[one.turn] for one in every)
    return {
        "facts": len(every),
        "covered": covered / len(every),
        "mistold": mistold / len(every),
    }
