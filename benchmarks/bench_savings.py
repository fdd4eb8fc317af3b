"""What each strategy sends, costs and still knows: the numbers and the picture of the README.

    python benchmarks/bench_savings.py [--data FILE ...] [--out DIR] [--limit N]

Without `--data` the conversation that comes with turnfold is used. Every strategy goes through
the real SDK to a stand-in for the API, which counts tokens and keeps a prompt cache; see
`turnfold_cli.replay`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turnfold_cli.figures import MODEL, Result, by_strategy, ratio
from turnfold_cli.replay import ready_embedder, replay
from turnfold_cli.strategies import STRATEGIES
from turnfold_cli.transcripts import Conversation, packaged_demo, read_transcript

READS = (0.1, 0.05, 0.025)
"""Prices of a token read from the cache, in parts of an input token's. A write costs 1.25."""

# Okabe and Ito's palette, which the colour-blind can tell apart; no two lines share a dash.
LINES = {
    "full": ("#000000", "-"),
    "window-turns": ("#E69F00", "--"),
    "window-tokens": ("#56B4E9", "-."),
    "summary": ("#CC79A7", ":"),
    "retrieval": ("#0072B2", (0, (5, 1, 1, 1, 1, 1))),
    "turnfold": ("#D55E00", "-"),
}


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    conversations = _conversations(arguments.data)[: arguments.limit]
    embedder = ready_embedder()
    results: list[Result] = []
    for number, one in enumerate(conversations, 1):
        print(f"{number} of {len(conversations)}: {one.id}", file=sys.stderr)
        results += replay([one], STRATEGIES, embedder=embedder)
    joined = {name: Result.joined(group, "all") for name, group in by_strategy(results).items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = {
        "model": MODEL,
        "conversations": [one.id for one in conversations],
        "strategies": [_as_json(one, joined["full"]) for one in joined.values()],
        "by_conversation": [one.as_json() for one in results],
    }
    (arguments.out / "savings.json").write_text(json.dumps(measured, indent=2) + "\n")
    table = markdown(joined)
    (arguments.out / "savings.md").write_text(table)
    draw(by_strategy(results), arguments.out)
    print(table)
    print(f"written to {arguments.out}: savings.json, savings.md, savings.svg, savings.png")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="transcripts")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results", help="a folder"
    )
    parser.add_argument("--limit", type=int, default=None, help="only so many conversations")
    return parser.parse_args()


def _conversations(files: Sequence[Path]) -> list[Conversation]:
    if not files:
        return [packaged_demo()]
    return [one for file in files for one in read_transcript(file)]


def _as_json(one: Result, full: Result) -> dict[str, Any]:
    return {
        **one.as_json(full),
        "dollars_cached_by_read_price": {str(read): one.dollars(read=read) for read in READS},
        "tokens_by_turn": [turn.input_tokens for turn in one.turns],
    }


def markdown(joined: Mapping[str, Result]) -> str:
    """The table of the README."""
    head = [
        "strategy",
        "input tokens",
        "a turn",
        "of full history",
        "$ not cached",
        *(f"$ cached, reads {read:g}x" for read in READS),
        "questions whose words were in the prompt",
    ]
    lines = [" | ".join(head), " | ".join(["---", *["---:"] * (len(head) - 1)])]
    for one in joined.values():
        found = one.evidence
        cells = [
            f"**{one.title}**" if one.strategy == "turnfold" else one.title,
            f"{one.input_tokens:,}",
            f"{one.tokens_per_turn:,.0f}",
            f"{ratio(one, joined['full']):.3f}",
            f"{one.dollars(cached=False):.2f}",
            *(f"{one.dollars(read=read):.2f}" for read in READS),
            "" if found is None else f"{found:.0%} of {len(one.asked)}",
        ]
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def draw(results: Mapping[str, Sequence[Result]], out: Path) -> None:
    """Tokens turn by turn and the bill as it grows, of the first conversation."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "turnfold"  # the same numbers make the same file
    mpl.rcParams["axes.titlesize"] = "medium"
    import matplotlib.pyplot as plt

    figure, (tokens, dollars) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for name, group in results.items():
        one = group[0]
        colour, dash = LINES[name]
        style = {
            "color": colour,
            "linestyle": dash,
            "linewidth": 2.4 if name == "turnfold" else 1.2,
            "zorder": 3 if name == "turnfold" else 2,
        }
        turns = range(1, len(one.turns) + 1)
        tokens.plot(turns, [turn.input_tokens for turn in one.turns], label=one.title, **style)
        dollars.plot(turns, _summed([turn.dollars() for turn in one.turns]), **style)
    tokens.set(title="input tokens of each turn, the summarizer's included", xlabel="turn")
    tokens.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    dollars.set(title=f"dollars so far, cached, at list prices of {MODEL}", xlabel="turn")
    dollars.yaxis.set_major_formatter(lambda value, _: f"${value:.2f}")
    for axes in (tokens, dollars):
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=1)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(results), frameon=False)
    figure.savefig(out / "savings.svg", metadata={"Date": None})
    figure.savefig(out / "savings.png", dpi=150, metadata={"Software": None})
    plt.close(figure)


def _summed(values: Sequence[float]) -> list[float]:
    total, sums = 0.0, []
    for value in values:
        total += value
        sums.append(total)
    return sums


if __name__ == "__main__":
    sys.exit(main())
