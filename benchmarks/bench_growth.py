"""How the bill grows with the length of a conversation: a picture from 10 to 2,000 turns.

    python benchmarks/bench_growth.py [--turns N] [--out DIR]

The conversation that comes with turnfold is gone through again and again until there are enough
turns, each round marked as such. Full history and turnfold go through the real SDK to a stand-in
for the API that counts tokens and keeps a prompt cache. Each turn sends all before it, so full
history grows with the square of the turns; turnfold's prompt stays the same, so it grows with
the turns. The exponents printed are those of the last half of the curve.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from turnfold_cli.replay import ready_embedder, replay
from turnfold_cli.replay_results import MODEL, Result
from turnfold_cli.strategies import FULL, TURNFOLD
from turnfold_cli.transcripts import Conversation, packaged_demo

POINTS = (10, 20, 50, 100, 200, 500, 1_000, 2_000)
STYLES: Mapping[str, Mapping[str, Any]] = {
    "full": {"color": "#000000", "linestyle": "--"},
    "turnfold": {"color": "#D55E00", "linestyle": "-", "linewidth": 2.4},
}


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    conversation = _long(packaged_demo(), arguments.turns)
    results = replay([conversation], [FULL, TURNFOLD], embedder=ready_embedder(), questions=False)
    tokens = {one.strategy: _summed([turn.input_tokens for turn in one.turns]) for one in results}
    dollars = {one.strategy: _summed([turn.spend() for turn in one.turns]) for one in results}
    measured = {
        "model": MODEL,
        "refused": sum(one.refused for one in results),
        "turns": [n for n in POINTS if n <= arguments.turns],
        "tokens": {name: _at(sums) for name, sums in tokens.items()},
        "dollars": {name: _at(sums) for name, sums in dollars.items()},
        "exponents": {name: round(_exponent(sums), 2) for name, sums in tokens.items()},
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "growth.json").write_text(json.dumps(measured, indent=2) + "\n")
    draw(results, tokens, dollars, arguments.out)
    print(json.dumps(measured, indent=2))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=POINTS[-1])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results", help="a folder"
    )
    return parser.parse_args()


def _long(conversation: Conversation, turns: int) -> Conversation:
    """The conversation again and again, until a person has spoken so many times."""
    messages: list[Any] = []
    spoken = 0
    for number in itertools.count(1):
        for message in conversation.messages:
            if message["role"] == "user":
                if spoken == turns:
                    return replace(conversation, messages=messages, questions=())
                spoken += 1
            messages.append({**message, "content": _marked(message["content"], number)})
    raise AssertionError


def _marked(content: Any, number: int) -> Any:
    mark = f"(Round {number}.) "
    if isinstance(content, str):
        return mark + content
    return [
        {**block, "text": mark + block["text"]} if block["type"] == "text" else block
        for block in content
    ]


def _summed(values: Sequence[float]) -> list[float]:
    return list(itertools.accumulate(values))


def _at(sums: Sequence[float]) -> list[float]:
    return [round(sums[n - 1], 4) for n in POINTS if n <= len(sums)]


def _exponent(sums: Sequence[float]) -> float:
    """The power of the number of turns with which a sum grows, over its last half."""
    half, all_ = len(sums) // 2, len(sums)
    return math.log(sums[-1] / sums[half - 1]) / math.log(all_ / half)


def draw(
    results: Sequence[Result],
    tokens: Mapping[str, Sequence[float]],
    dollars: Mapping[str, Sequence[float]],
    out: Path,
) -> None:
    """Sums over turns on logarithmic axes, where a power is a straight line."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "turnfold"  # the same numbers make the same file
    mpl.rcParams["axes.titlesize"] = "medium"
    import matplotlib.pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for axes, sums, title in (
        (both[0], tokens, "input tokens so far, the summarizer's included"),
        (both[1], dollars, f"input dollars so far, cached, at list prices of {MODEL}"),
    ):
        for one in results:
            values = sums[one.strategy]
            axes.plot(
                range(10, len(values) + 1), values[9:], label=one.title, **STYLES[one.strategy]
            )
        axes.set(xscale="log", yscale="log", title=title, xlabel="turn")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    both[0].legend(frameon=False)
    figure.savefig(out / "growth.svg", metadata={"Date": None})
    figure.savefig(out / "growth.png", dpi=150, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
