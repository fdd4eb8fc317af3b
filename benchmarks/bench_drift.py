"""What of fifty things said early is still known after 10, 100 and 1,000 folds.

    python benchmarks/bench_drift.py [--folds N ...] [--slips SHARE] [--out DIR]

A chat begins with ten standing wishes, ten decisions and thirty facts, each with a word or number
of its own, and goes on with other things. Two ways to keep a summary read the same turns, in the
same portions, with the same summarizer and the same budget:

    layers    turnfold: a leaf for each fold, checked by the gate, settled in layers
    rolling   one text, written anew at each fold from the text before and the new turns

The summarizer is no model: it picks the turns' sentences (`turnfold.ExtractiveSummarizer`), and
retells a share of them with one digit or letter of a name changed, as models now and then do. So
this measures the bookkeeping, not how well a model writes. "Known" counts what stands in the
summary, or in what turnfold recalls when it is asked for; recall is the same for both. "Wrong" is
what a summary says with the changed digit.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from anthropic import Anthropic
from turnfold import ExtractiveSummarizer, Memory, Policy
from turnfold.accounting.tokens import estimate_text
from turnfold.conversation import DEFAULT_MODEL as MODEL
from turnfold.history.utterances import Utterance, utterances
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_fake import FakeClaude, Reply
from turnfold_stores import open_store

PORTION = 8  # exchanges between two requests, so that each folds once
POLICY = Policy(
    fold_at=1_000, keep_tokens=200, keep_exchanges=1, background="off", recall_floor=0.2, cache="on"
)
NAMES = (
    "Amira Bela Cosima Dario Edda Fenno Greta Hamid Ines Jonas Katja Liv Milan Nuria Okka Pelle "
    "Quinn Rosa Sven Talia Ulla Vito Wanda Xenia Yorick Zora Anselm Brit Carlo Dagny"
).split()
THINGS = (
    "locker bicycle piano garden boat passport telescope tent kettle violin ladder stove sewing "
    "drill camera radio freezer mower canoe clock compass lantern helmet scooter easel loom anvil "
    "globe saddle harp"
).split()
_FOR_GOOD = "From now on, "
PLACES = "harbour library station bakery quarry orchard museum mill chapel stadium".split()


@dataclass(frozen=True)
class Fact:
    """Something said early: in what words, how it is asked for, and what shows it is known."""

    kind: str
    said: str
    asked: str
    token: str


def facts() -> list[Fact]:
    """Ten wishes, ten decisions, thirty facts."""
    chance = random.Random(5)
    codes = chance.sample(range(1_000, 10_000), 50)
    wishes = [
        Fact(
            "wish",
            f"{_FOR_GOOD}sign what goes to the {place} with the number {code}.",
            f"Which number do I sign with, for the {place}?",
            str(code),
        )
        for place, code in zip(PLACES, codes, strict=False)
    ]
    decisions = [
        Fact(
            "decision",
            f"We decided that the {place} gets {code} chairs.",
            f"How many chairs does the {place} get?",
            str(code),
        )
        for place, code in zip(PLACES, codes[10:], strict=False)
    ]
    plain = [
        Fact(
            "fact",
            f"{name} keeps the {thing} under the number {code}.",
            f"Under which number does {name} keep the {thing}?",
            str(code),
        )
        for name, thing, code in zip(NAMES, THINGS, codes[20:], strict=False)
    ]
    return [*wishes, *decisions, *plain]


def chatter(number: int) -> str:
    """Something else, with a name and a number."""
    chance = random.Random(number)
    name, thing = chance.choice(NAMES), chance.choice(THINGS)
    return chance.choice(
        (
            f"Today {name} came by about the {thing} and stayed {chance.randint(2, 90)} minutes.",
            f"I paid {chance.randint(10, 999)}.{chance.randint(10, 99)} for a part of the {thing}.",
            f"We talked for a while, {name} and I, mostly about the weather in week {number % 53}.",
            f"Could you look up whether train {chance.randint(100, 9_999)} runs on day {number}?",
        )
    )


def exchanges(early: Sequence[Fact], count: int) -> list[list[dict[str, Any]]]:
    """The chat: the early things first, one to an exchange."""
    said = [one.said for one in early]
    said += [chatter(number) for number in range(count - len(said))]
    return [
        [
            {"role": "user", "content": f"{text} That is all there is to say about it just now."},
            {"role": "assistant", "content": "I see. I will keep that in mind, and we go on."},
        ]
        for text in said
    ]


class Retelling:
    """Picks sentences and knows a wish when it sees one; now and then it gets a sentence wrong.

    Not twice in a row.
    """

    def __init__(self, slips: float) -> None:
        self._slips = slips
        self._pick = ExtractiveSummarizer()

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        draft = self._pick(job)
        draft = replace(draft, items=[*map(_as_wished, draft.items)])
        items = draft.items if job.complaints else [self._told(item, job) for item in draft.items]
        return replace(draft, items=items)

    def _told(self, item: Item, job: SummaryJob) -> Item:
        digits = list(re.finditer(r"\d", item.text))
        seed = blake2b(f"{item.text}{job.first}".encode(), digest_size=8).digest()
        chance = random.Random(seed)
        if not digits or chance.random() >= self._slips:
            return item
        at = chance.choice(digits).start()
        other = str((int(item.text[at]) + 1) % 10)
        return replace(item, kind="fact", text=item.text[:at] + other + item.text[at + 1 :])


def _as_wished(item: Item) -> Item:
    """An item as a wish, where it is one: a model would tell, and the extractive summarizer only
    takes for one a message that says nothing else.
    """
    words = item.text.removeprefix("user: ")
    return replace(item, kind="instruction", text=words) if words.startswith(_FOR_GOOD) else item


class Rolling:
    """One text, written anew from the text before and the new turns."""

    def __init__(self, summarizer: Retelling, budget: int) -> None:
        self._summarizer = summarizer
        self._budget = budget
        self.text = ""

    def fold(self, first: int, part: Sequence[Sequence[dict[str, Any]]]) -> None:
        """Take in some exchanges; the text before is read like a turn."""
        said = [utterances(one) for one in part]
        before = [Utterance("user", line) for line in self.text.splitlines()]
        job = SummaryJob(first, [before, *said], max_tokens=self._budget)
        lines = [re.sub(r"^(?:user: )+", "", item.text) for item in self._summarizer(job).items]
        while sum(map(estimate_text, lines)) > self._budget:
            lines.pop(0)
        self.text = "\n".join(lines)


class HashedWords:
    """Vectors of word counts: texts that share words are near. No model to wait for."""

    model = "hashed-words"

    def embed(self, texts: Sequence[str]) -> Any:
        vectors = np.zeros((len(texts), 512), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                digest = blake2b(word.encode(), digest_size=2).digest()
                vectors[row, int.from_bytes(digest, "big") % 512] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(norms, 1e-9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folds", type=int, nargs="+", default=[10, 100, 1_000])
    parser.add_argument("--slips", type=float, default=0.02, help="share of sentences mistold")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    rows = measure(arguments.folds, arguments.slips)
    measured = {"slips": arguments.slips, "budget": POLICY.summary_tokens, "rows": rows}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "drift.json").write_text(json.dumps(measured, indent=2) + "\n")
    print(table(rows))
    return 0


def measure(marks: Sequence[int], slips: float) -> list[dict[str, Any]]:
    """What is known at each of these numbers of folds."""
    early = facts()
    talk = exchanges(early, 2 * PORTION * (max(marks) + 8) + len(early))
    receipts: list[Any] = []
    fake = FakeClaude(lambda _: Reply("So.", thinking=False))
    rows: list[dict[str, Any]] = []
    rolling = Rolling(Retelling(slips), POLICY.summary_tokens)
    folded = folds = 0
    store = open_store("memory:")
    shared = {"embedder": HashedWords(), "summarizer": Retelling(slips)}
    # Recall is only of use where something is asked; the rest of the talk goes without it.
    talking = Memory(
        store, policy=replace(POLICY, recall_tokens=0), on_receipt=receipts.append, **shared
    )
    asking = Memory(store, policy=POLICY, **shared)
    talker, asker = (
        one.wrap(fake.client(), user_id="ada", conversation="drift") for one in (talking, asking)
    )
    started = time.perf_counter()

    def ask(client: Anthropic, until: int, text: str) -> list[str]:
        history: list[Any] = [message for one in talk[:until] for message in one]
        opening = {"role": "user", "content": text}
        client.messages.create(model=MODEL, max_tokens=300, messages=[*history, opening])
        return injected(fake.asked()[-1].body)

    for until in range(PORTION, len(talk), PORTION):
        ask(talker, until, "And then?")
        if receipts[-1].in_memory > folded:
            rolling.fold(folded + 1, talk[folded : receipts[-1].in_memory])
            folded, folds = receipts[-1].in_memory, folds + 1
        fake.calls.clear()
        if folds in marks and receipts[-1].folded:
            seconds = time.perf_counter() - started
            print(f"{folds} folds, {seconds:.0f} s", file=sys.stderr, flush=True)
            shown = [ask(asker, until, one.asked) for one in early]
            rows += rows_of(folds, early, shown, rolling.text)
            print(table(rows[-2:]), file=sys.stderr, flush=True)
            fake.calls.clear()
        if folds >= max(marks):
            break
    return rows


def rows_of(
    folds: int, early: Sequence[Fact], shown: Sequence[Sequence[str]], rolling: str
) -> list[dict[str, Any]]:
    """One row for each way of keeping a summary, in shares of the early things of each kind."""
    rows = []
    for name in ("layers", "rolling"):
        row: dict[str, Any] = {"folds": folds, "summary": name}
        for kind in ("wish", "decision", "fact", "all"):
            held = known = count = 0
            for one, blocks in zip(early, shown, strict=True):
                if kind not in (one.kind, "all"):
                    continue
                *summary, recalled = blocks if len(blocks) > 1 else [*blocks, ""]
                text = "\n".join(summary) if name == "layers" else rolling
                count += 1
                held += holds(text, one)
                known += holds(text, one) or holds(recalled, one)
            row[kind] = {"in summary": held / count, "known": known / count}
        text = "\n".join(shown[0][:-1]) if name == "layers" else rolling
        row["wrong"] = sum(is_mistold(text, one) for one in early)
        rows.append(row)
    return rows


def holds(text: str, one: Fact) -> bool:
    """Whether a text says it."""
    return one.token in re.findall(r"\d+", text)


def is_mistold(text: str, one: Fact) -> bool:
    """Whether a text says it with another number."""
    pattern = re.escape(one.said).replace(one.token, r"(\d+)")
    return any(found != one.token for found in re.findall(pattern, text))


def injected(body: dict[str, Any]) -> list[str]:
    """What memory put into a request, the recalled passages last."""
    return [
        block["text"]
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block.get("text", "").startswith("<memory-")
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| folds | summary | wishes | decisions | facts | all | known when asked | mistold |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        held = [f"{row[kind]['in summary']:.0%}" for kind in ("wish", "decision", "fact", "all")]
        lines.append(
            f"| {row['folds']:,} | {row['summary']} | {' | '.join(held)} "
            f"| {row['all']['known']:.0%} | {row['wrong']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
