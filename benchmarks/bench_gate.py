"""What the gate catches and what it refuses, on notes about turns written for the purpose.

    python benchmarks/bench_gate.py [--out DIR] [--show]

`gate_cases.jsonl` has a hundred turns. Of each there are two faithful notes in other words, and
one or more of these with a single change: a number, a date, a name, or a "not" put in or taken
out. A wrong note is caught if the gate refuses it; a faithful one should pass.

`verbatim` passes every sentence of every turn as its own note; none may be refused.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from turnfold.gate import judge
from turnfold.speech import Utterance
from turnfold.summary import Item, SummaryDraft, SummaryJob
from turnfold.words import sentences

CASES = Path(__file__).with_name("gate_cases.jsonl")
KINDS = ("number", "date", "name", "negation")


class Note(NamedTuple):
    """A note on a turn: `kind` is "faithful" or what is wrong with it."""

    kind: str
    turn: tuple[str, str]
    text: str


def notes() -> Iterator[Note]:
    """All notes, faithful and wrong."""
    for line in CASES.read_text().splitlines():
        case = json.loads(line)
        turn = (case["user"], case["assistant"])
        for text in case["notes"]:
            yield Note("faithful", turn, text)
        for kind, old, new in case["wrong"]:
            right = next(text for text in case["notes"] if old in text)
            yield Note(kind, turn, right.replace(old, new, 1))


def is_refused(note: Note) -> tuple[str, ...]:
    """What the gate says of a note; () where it passes."""
    user, assistant = note.turn
    job = SummaryJob(1, [[Utterance("user", user), Utterance("assistant", assistant)]])
    verdict = judge(job, SummaryDraft([Item("fact", note.text, (1,))]))
    return verdict.refused[0].complaints if verdict.refused else ()


def sampled(wanted: int) -> list[Note]:
    """So many wrong notes, of each kind as many as there are up to a quarter."""
    by_kind = {kind: [one for one in notes() if one.kind == kind] for kind in KINDS}
    chance = random.Random(7)
    return [
        one
        for kind in KINDS
        for one in chance.sample(by_kind[kind], min(wanted // len(KINDS), len(by_kind[kind])))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--show", action="store_true", help="the notes the gate is wrong about")
    arguments = parser.parse_args()
    faithful = [one for one in notes() if one.kind == "faithful"]
    everything = [one for one in notes() if one.kind != "faithful"]
    caught = Counter(one.kind for one in everything if is_refused(one))
    given = Counter(one.kind for one in everything)
    sample = sampled(200)
    refused = [(one, why) for one in faithful if (why := is_refused(one))]
    verbatim = [
        Note("verbatim", one.turn, sentence)
        for one in faithful[::2]
        for text in one.turn
        for sentence in sentences(text)
    ]
    measured = {
        "mutations": {"notes": len(sample), "caught": sum(bool(is_refused(one)) for one in sample)},
        "all_mutations": {k: {"notes": given[k], "caught": caught[k]} for k in KINDS},
        "paraphrases": {"notes": len(faithful), "refused": len(refused)},
        "verbatim": {"notes": len(verbatim), "refused": sum(bool(is_refused(v)) for v in verbatim)},
    }
    if arguments.show:
        for one in everything:
            if not is_refused(one):
                print(f"passed, {one.kind}: {one.text}\n    {' | '.join(one.turn)}")
        for one, why in refused:
            print(f"refused: {one.text}\n    {'; '.join(why)}\n    {' | '.join(one.turn)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gate.json").write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps(measured, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
