"""What the fast embedder gains over sentence-transformers, and what it loses.

    python benchmarks/bench_embedders.py [--data FILE ...] [--texts N] [--rounds N] [--cpu]
        [--conversations N] [--json]

On the same passages, in one run and taking turns:

    speed         passages a second and milliseconds for one question, and the ratio of the two
    vectors       cosine with sentence-transformers, and how many of the eight nearest agree
    batches       how far a text's vector is from itself when it is embedded with others
    start         seconds in a new process until turnfold is imported, until a first turn is
                  answered, until the model is loaded
    ER@2k         with --data: share of the turns that hold the answers among the passages
                  nearest to the question, 2,000 tokens of them at four characters each

Without --data the passages are of the packaged demo conversation.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from turnfold import Embedder
from turnfold.archive.passages import split
from turnfold.embedders import FastEmbedder, SentenceTransformerEmbedder
from turnfold_cli.evidence import Prompt
from turnfold_cli.transcripts import Conversation, packaged_demo, read_transcript

BUDGET = 2_000
CHARS_PER_TOKEN = 4
NEAREST = 8
QUESTION = "What did we say about the trip to the coast, and who wanted to come along?"
# Labels of no use to recall: what they ask for is an order, or is not there.
UNSCORED = ("event_ordering", "abstention")
START = """
import time; began = time.perf_counter()
import logging; logging.disable()
from turnfold import Memory
imported = time.perf_counter()
from turnfold.conversation import DEFAULT_MODEL
from turnfold_fake import FakeClaude
memory = Memory(embedder={name!r})
client = memory.wrap(FakeClaude().client(), conversation="c")
made = time.perf_counter()
messages = [{{"role": "user", "content": "Hello. " * 2000}}]
client.messages.create(model=DEFAULT_MODEL, max_tokens=64, messages=messages)
answered = time.perf_counter()
memory.load()
loaded = time.perf_counter()
print(imported - began, answered - made, loaded - made)
"""


def main() -> int:
    arguments = _arguments()
    conversations = [one for path in arguments.data for one in read_transcript(path)]
    random.seed(1)
    passages = [text for one in conversations or [packaged_demo()] for text in passages_of(one)]
    texts = random.sample(passages, min(arguments.texts, len(passages)))
    slow, fast = SentenceTransformerEmbedder(), FastEmbedder()
    for one in (slow, fast):
        one.embed(["ready"])
    clock = time.process_time if arguments.cpu else time.perf_counter
    report: dict[str, Any] = {
        "texts": len(texts),
        "characters": round(statistics.mean(map(len, texts))),
        "speed": speed(slow, fast, texts, rounds=arguments.rounds, clock=clock),
        "vectors": agreement(slow, fast, texts),
        "batches": {"slow": drift(slow, texts), "fast": drift(fast, texts)},
        "start": start(arguments.rounds),
    }
    if conversations:
        chosen = conversations[: arguments.conversations]
        report["er_2k"] = {
            "conversations": len(chosen),
            "slow": evidence_recall(slow, chosen),
            "fast": evidence_recall(fast, chosen),
        }
    print(json.dumps(report, indent=2) if arguments.json else told(report))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--texts", type=int, default=128, help="passages to embed a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--conversations", type=int, help="so many of them for ER@2k")
    parser.add_argument(
        "--cpu", action="store_true", help="count processor time, which a busy machine bends less"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def passages_of(conversation: Conversation) -> Iterator[str]:
    """What was said, cut as memory cuts it."""
    for message in conversation.messages:
        content = message["content"]
        blocks = [{"text": content}] if isinstance(content, str) else content
        for block in blocks:
            yield from split(block.get("text") or "")


def speed(
    slow: Embedder,
    fast: Embedder,
    texts: Sequence[str],
    *,
    rounds: int,
    clock: Callable[[], float],
) -> dict[str, Any]:
    """Medians of rounds in which both take their turn."""
    took: dict[str, list[float]] = {}
    for number in range(rounds):
        for name, one in (("slow", slow), ("fast", fast)):
            for what, asked in (("all", texts), ("one", [f"{QUESTION} {number}"])):
                began = clock()
                one.embed(asked)
                took.setdefault(f"{name} {what}", []).append(clock() - began)
    middle = {name: statistics.median(times) for name, times in took.items()}
    return {
        "slow_per_second": round(len(texts) / middle["slow all"], 1),
        "fast_per_second": round(len(texts) / middle["fast all"], 1),
        "ratio": round(middle["slow all"] / middle["fast all"], 2),
        "slow_question_ms": round(middle["slow one"] * 1_000, 1),
        "fast_question_ms": round(middle["fast one"] * 1_000, 1),
        "question_ratio": round(middle["slow one"] / middle["fast one"], 2),
    }


def agreement(slow: Embedder, fast: Embedder, texts: Sequence[str]) -> dict[str, float]:
    """How near the vectors of both are, and what each finds nearest."""
    ours, theirs = fast.embed(texts), slow.embed(texts)
    cosines = np.sum(ours * theirs, axis=1)
    near = [
        _nearest(one, theirs) & _nearest(other, ours)
        for one, other in zip(theirs, ours, strict=True)
    ]
    return {
        "cosine_mean": round(float(cosines.mean()), 6),
        "cosine_least": round(float(cosines.min()), 6),
        "nearest_alike": round(statistics.mean(map(len, near)) / NEAREST, 3),
    }


def _nearest(vector: Any, among: Any) -> set[int]:
    return set(np.argsort(-(among @ vector))[:NEAREST].tolist())


def drift(embedder: Embedder, texts: Sequence[str]) -> float:
    """The most any number of a vector changes when the text is embedded alone."""
    together = embedder.embed(texts)
    alone = np.vstack([embedder.embed([text]) for text in texts])
    return float(np.abs(together - alone).max())


def start(rounds: int) -> dict[str, Any]:
    """Medians of seconds in new processes that take turns."""
    names = ("sentence-transformers", "fast")
    told: dict[str, list[list[float]]] = {name: [] for name in names}
    imports: list[float] = []
    for _ in range(rounds):
        for name in names:
            told[name].append(_fresh(START.format(name=name)))
        ratio = [
            _fresh(
                f"import time; b = time.perf_counter(); import {one}; "
                f"print(time.perf_counter() - b)"
            )[0]
            for one in ("anthropic", "turnfold")
        ]
        imports.append(ratio[1] / ratio[0])
    middle = {
        name: [round(statistics.median(row[part] for row in rows), 2) for part in range(3)]
        for name, rows in told.items()
    }
    return {
        "import_ratio": round(min(imports), 2),
        "seconds": {
            name: dict(zip(("import", "first_turn", "model_loaded"), row, strict=True))
            for name, row in middle.items()
        },
    }


def _fresh(program: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()]


def evidence_recall(embedder: Embedder, conversations: Sequence[Conversation]) -> float:
    """The mean over questions, in percent."""
    shares = []
    for one in conversations:
        passages = list(passages_of(one))
        vectors = embedder.embed(passages)
        questions = [each for each in one.questions if each.evidence and each.kind not in UNSCORED]
        asked = embedder.embed([each.text for each in questions])
        for question, vector in zip(questions, asked, strict=True):
            left = BUDGET * CHARS_PER_TOKEN
            taken = []
            for place in np.argsort(-(vectors @ vector)):
                if len(passages[place]) < left:
                    left -= len(passages[place]) + 1
                    taken.append(int(place))
            blocks = [{"type": "text", "text": passages[place]} for place in sorted(taken)]
            prompt = Prompt({"messages": [{"content": blocks}]}, question.text)
            shares.append(prompt.share_of(question.evidence))
    return round(100 * statistics.mean(shares), 1)


def told(report: dict[str, Any]) -> str:
    """The report in lines."""
    speeds, vectors, begun = report["speed"], report["vectors"], report["start"]
    of_both = f"{speeds['fast_per_second']} and {speeds['slow_per_second']} passages a second"
    asked = f"{speeds['fast_question_ms']} and {speeds['slow_question_ms']} ms"
    cosines = f"{vectors['cosine_mean']:.6f}, at least {vectors['cosine_least']:.6f}"
    alike = f"{vectors['nearest_alike']:.1%}"
    drifts = [f"{report['batches'][name]:.1e}" for name in ("fast", "slow")]
    lines = [
        f"{report['texts']} passages of {report['characters']} characters on average",
        f"speed    {speeds['ratio']} times sentence-transformers: {of_both}",
        f"         a question {speeds['question_ratio']} times: {asked}",
        f"vectors  cosine {cosines}; of the {NEAREST} nearest {alike} are the same",
        f"batches  a vector changes by {drifts[0]}, with sentence-transformers by {drifts[1]}",
        f"start    import turnfold takes {begun['import_ratio']} of import anthropic",
    ]
    for name, row in begun["seconds"].items():
        both = f"first turn after {row['first_turn']} s, model loaded after {row['model_loaded']} s"
        lines.append(f"         {name}: {both}")
    if "er_2k" in report:
        found = report["er_2k"]
        lines.append(
            f"ER@2k    {found['fast']}, with sentence-transformers {found['slow']}, over "
            f"{found['conversations']} conversations"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
