"""How much of each request the prompt cache had already, while nothing is folded.

    python benchmarks/bench_cache.py [--data FILE ...] [--limit N] [--turns N] [--json]

Conversations go through memory to a stand-in for the API that keeps a prompt cache by the API's
rules. Within an epoch, the requests between two folds, each continues the one before, so it can
read all of that from the cache; the ratio is what it read of it, in tokens. Two talks are made
up: one whose turns call 30 tools at once, one of plain questions. `--data` adds conversations, a
JSON object a line: {"conv_id", "turns": [{"role", "text"}]}.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from turnfold import Memory, Policy, Receipt
from turnfold.conversation import DEFAULT_MODEL as MODEL
from turnfold_fake import FakeClaude, Reply

PARALLEL = 30
TOOLS = [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]


class HashedWords:
    """Bags of words, hashed to 256 numbers: near enough to recall something, and quick."""

    model = "hashed-words-256"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors of the texts."""
        vectors = np.full((len(texts), 256), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % 256] += 1.0
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass
class Ratio:
    """Tokens read from the cache, of those that could have been.

    Attributes:
        read: tokens read.
        could: prompt tokens of the requests before.
        requests: requests that continued another.
        epochs: runs of requests between folds.
        least: the lowest ratio of one request.
        read_of_all: tokens read by all requests, those that begin an epoch included.
        all: prompt tokens of all requests.
    """

    read: int = 0
    could: int = 0
    requests: int = 0
    epochs: int = 1
    least: float = 1.0
    read_of_all: int = 0
    all: int = 0

    @property
    def value(self) -> float:
        """0 to 1."""
        return self.read / self.could if self.could else 0.0

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        return {
            "ratio": round(self.value, 4),
            "least": round(self.least, 4),
            "of_all_prompt_tokens": round(self.read_of_all / max(self.all, 1), 4),
            "requests": self.requests,
            "epochs": self.epochs,
        }


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    results = {
        f"{PARALLEL} tools at once": _played(_tool_turns(arguments.turns)),
        "plain questions": _played(_plain_turns(arguments.turns * 4)),
    }
    for name, turns in _conversations(arguments.data, arguments.limit):
        results[name] = _played(turns)
        if not arguments.json:
            print(f"{name}: {results[name].value:.3f}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({name: one.as_json() for name, one in results.items()}, indent=2))
        return 0
    for name, one in results.items():
        print(
            f"{name:24} {one.value:.3f} (least {one.least:.3f}) over {one.requests:4} requests in "
            f"{one.epochs} epochs; {one.read_of_all / max(one.all, 1):.3f} of all prompt tokens"
        )
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="conversations")
    parser.add_argument("--limit", type=int, default=None, help="only so many of a file")
    parser.add_argument("--turns", type=int, default=25, help="of the talk with tools")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


Turn = list[Any]
"""What is said in one exchange: the opening, then replies and tool results in turn."""


def _words(seed: int, count: int) -> str:
    return " ".join(f"word{(seed * 31 + n * 17) % 997}" for n in range(count))


def _plain_turns(count: int) -> Iterator[Turn]:
    for number in range(count):
        yield [
            f"Question {number}: {_words(number, 60)}?",
            f"Answer {number}: {_words(-number, 120)}.",
        ]


def _tool_turns(count: int) -> Iterator[Turn]:
    for number in range(count):
        turn: Turn = [f"Look up {_words(number, 20)}."]
        for round_ in range(2):
            uses = [
                {"type": "tool_use", "id": f"toolu_{number}_{round_}_{n}", "name": "look",
                 "input": {"n": n}}
                for n in range(PARALLEL)
            ]  # fmt: skip
            results = [
                {"type": "tool_result", "tool_use_id": use["id"], "content": _words(n, 12)}
                for n, use in enumerate(uses)
            ]
            turn += [uses, results]
        yield [*turn, f"Found {_words(number, 40)}."]


def _conversations(
    files: Iterable[Path], limit: int | None
) -> Iterator[tuple[str, Iterator[Turn]]]:
    for file in files:
        for line in file.read_text().splitlines()[:limit]:
            conversation = json.loads(line)
            name = f"{file.stem} {conversation['conv_id']}"
            yield name, _exchanges(conversation["turns"])


def _exchanges(turns: Sequence[dict[str, Any]]) -> Iterator[Turn]:
    """Openings and their answers; what one says in several turns is said at once."""
    said: list[tuple[str, str]] = []
    for turn in turns:
        if said and said[-1][0] == turn["role"]:
            said[-1] = (turn["role"], f"{said[-1][1]}\n\n{turn['text']}")
        else:
            said.append((turn["role"], turn["text"]))
    if said and said[0][0] != "user":
        del said[0]
    for (_, asked), (_, answered) in zip(said[::2], said[1::2], strict=False):
        yield [asked or "…", answered or "…"]


def _played(turns: Iterable[Turn]) -> Ratio:
    """Have the conversation, through memory."""
    upcoming: list[Any] = []
    fake = FakeClaude(lambda _: Reply(upcoming.pop(0)))
    receipts: list[Receipt] = []
    ratio = Ratio()
    history: list[Any] = []
    with Memory(
        "memory:", policy=Policy(), embedder=HashedWords(), on_receipt=receipts.append
    ) as memory:
        client = memory.wrap(fake.client(max_retries=0), user_id="bench", conversation="c")
        for opening, *rest in turns:
            history.append({"role": "user", "content": opening})
            for reply, results in zip(rest[::2], [*rest[1::2], None], strict=True):
                upcoming[:] = [reply]
                answer = client.messages.create(
                    model=MODEL,
                    max_tokens=4_096,
                    system="You are brief.",
                    tools=TOOLS,  # type: ignore[arg-type]
                    messages=history,
                )
                content = [block.model_dump(exclude_none=True) for block in answer.content]
                history.append({"role": "assistant", "content": content})
                if results is not None:
                    history.append({"role": "user", "content": results})
                _count(ratio, receipts)
    return ratio


def _count(ratio: Ratio, receipts: Sequence[Receipt]) -> None:
    ratio.read_of_all += receipts[-1].usage.cache_read
    ratio.all += receipts[-1].usage.prompt_tokens
    if len(receipts) < 2:
        return
    if receipts[-1].folded:
        ratio.epochs += 1
        return
    before, read = receipts[-2].usage.prompt_tokens, receipts[-1].usage.cache_read
    if before < 1_024:  # less than the model's least cacheable length
        return
    ratio.read += read
    ratio.could += before
    ratio.requests += 1
    ratio.least = min(ratio.least, read / before)


if __name__ == "__main__":
    sys.exit(main())
