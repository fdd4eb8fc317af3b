"""What each way to send a long history spends, and what of it can still be answered.

    python benchmarks/bench_savings.py [--data FILE ...] [--out DIR] [--limit N]

Without `--data` the conversation that comes with turnfold is used. Every strategy goes through
the real SDK to a stand-in for the API, which counts tokens and keeps a prompt cache; see
`turnfold_cli.replay`. Turns are a minute apart. Spend is the price of all input, with all that
memory itself costs; turnfold runs with the default policy and is told the prices of each table.
Writes the figures as JSON, the table and the picture of the README, and prints:

    warm     all strategies, with the questions and the time memory added to a turn
    prices   reads at 0.1, 0.05 and 0.025 of an input token, two prices of the summarizer
    cold     10% and 30% of turns after a pause in which the cache ran out; no cache at all
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnfold import Embedder, Policy
from turnfold.accounting.prices import price_of
from turnfold_cli.replay import Conditions, ready_embedder, replay
from turnfold_cli.replay_results import MODEL, Result, by_strategy, ratio
from turnfold_cli.strategies import FULL, STRATEGIES, TURNFOLD, Strategy, strategies_named
from turnfold_cli.transcripts import Conversation, packaged_demo, read_transcript

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.models import OTHER_SUMMARY, SUMMARY

READS = (0.1, 0.05, 0.025)
"""Prices of a token read from the cache, in parts of an input token's. A write costs 1.25."""
LISTED = 0.05
"""That of the model the chats are held with."""
SUMMARIZERS = (SUMMARY, OTHER_SUMMARY)

# Okabe and Ito's palette, which the colour-blind can tell apart; no two lines share a dash.
LINES = {
    "full": ("#000000", "-"),
    "window-turns": ("#E69F00", "--"),
    "window-tokens": ("#56B4E9", "-."),
    "summary": ("#CC79A7", ":"),
    "rolling": ("#009E73", (0, (1, 1))),
    "retrieval": ("#0072B2", (0, (5, 1, 1, 1, 1, 1))),
    "turnfold": ("#D55E00", "-"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """Prices and conditions of a run.

    Attributes:
        read: price of a token read from the cache, in parts of an input token's.
        summarizer: the model that writes summaries.
        conditions: how turns follow each other.
    """

    read: float = LISTED
    summarizer: str = SUMMARIZERS[0]
    conditions: Conditions = field(default_factory=Conditions)

    @property
    def policy(self) -> Policy:
        """The default policy, told these prices."""
        chat = price_of(MODEL)
        assert chat is not None, f"the price of {MODEL} is listed"
        return Policy(prices={MODEL: chat.with_read(self.read)}, summary_model=self.summarizer)


@dataclass(frozen=True, slots=True)
class Spent:
    """One setting: what turnfold spent beside what others did.

    Attributes:
        name: of the setting.
        to_full: turnfold's spend in parts of full history's, all conversations together.
        mean: mean of that over the conversations.
        worst: largest of them.
        to_window: in parts of a sliding window's of 20 messages.
        to_summary: in parts of its own without recall.
        raw: input tokens in parts of full history's.
        to_floor: in parts of writing every new token once.
    """

    name: str
    to_full: float
    mean: float
    worst: float
    to_window: float
    to_summary: float
    raw: float
    to_floor: float

    @classmethod
    def of(cls, name: str, results: Mapping[str, Sequence[Result]], read: float) -> Spent:
        """The figures of the results of one setting."""
        spend = {key: [one.spend(read=read) for one in group] for key, group in results.items()}
        full, ours = results["full"], results["turnfold"]
        shares = [mine / all_ for mine, all_ in zip(spend["turnfold"], spend["full"], strict=True)]
        total = sum(spend["turnfold"])
        return cls(
            name,
            to_full=total / sum(spend["full"]),
            mean=statistics.fmean(shares),
            worst=max(shares),
            to_window=total / sum(spend["window-turns"]),
            to_summary=total / sum(spend["summary"]),
            raw=sum(one.input_tokens for one in ours) / sum(one.input_tokens for one in full),
            to_floor=total / sum(one.floor() for one in full),
        )

    def as_json(self) -> dict[str, Any]:
        """By name, rounded."""
        names = ("to_full", "mean", "worst", "to_window", "to_summary", "raw", "to_floor")
        return {"name": self.name, **{one: round(getattr(self, one), 4) for one in names}}


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    conversations = _conversations(arguments.data)[: arguments.limit]
    embedder = ready_embedder()
    results = by_strategy(list(_warm(conversations, embedder)))
    joined = {name: Result.joined(group, "all") for name, group in results.items()}
    spent = list(_spent(conversations, results, embedder))
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = {
        "model": MODEL,
        "conversations": [one.id for one in conversations],
        "strategies": [_as_json(one, joined["full"]) for one in joined.values()],
        "settings": [one.as_json() for one in spent],
        "by_conversation": [one.as_json() for group in results.values() for one in group],
    }
    (arguments.out / "savings.json").write_text(json.dumps(measured, indent=2) + "\n")
    tables = f"{strategies_table(joined)}\n{settings_table(spent)}"
    (arguments.out / "savings.md").write_text(tables)
    draw(results, arguments.out)
    print(tables)
    print(f"written to {arguments.out}: savings.json, savings.md, savings.svg, savings.png")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
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


def _warm(conversations: Sequence[Conversation], embedder: Embedder) -> Iterator[Result]:
    for number, one in enumerate(conversations, 1):
        print(f"{number} of {len(conversations)}: {one.id}", file=sys.stderr)
        yield from replay([one], STRATEGIES, policy=Setting().policy, embedder=embedder)


def _spent(
    conversations: Sequence[Conversation],
    warm: Mapping[str, list[Result]],
    embedder: Embedder,
) -> Iterator[Spent]:
    """Every setting; the caller's own cuts send the same whatever the prices."""

    def run(setting: Setting, strategies: Sequence[Strategy]) -> dict[str, list[Result]]:
        return by_strategy(
            replay(
                conversations,
                strategies,
                policy=setting.policy,
                embedder=embedder,
                questions=False,
                conditions=setting.conditions,
            )
        )

    memories = (TURNFOLD, *strategies_named(["summary"]))
    for summarizer in SUMMARIZERS:
        for read in READS:
            name = f"reads at {read:g}, summaries by {summarizer}"
            print(name, file=sys.stderr)
            setting = Setting(read, summarizer)
            ours = warm if setting == Setting() else run(setting, memories)
            yield Spent.of(name, {**warm, **ours}, read)
    others = (FULL, *strategies_named(["window-turns"]))
    for name, conditions in (
        ("10% of turns cold", Conditions(pauses=0.1)),
        ("30% of turns cold", Conditions(pauses=0.3)),
        ("no cache", Conditions(cached=False)),
    ):
        print(name, file=sys.stderr)
        setting = Setting(conditions=conditions)
        yield Spent.of(name, run(setting, [*others, *memories]), setting.read)


def _as_json(one: Result, full: Result) -> dict[str, Any]:
    return {
        **one.as_json(full),
        "spend_by_read_price": {str(read): one.spend(read=read) for read in READS},
        "seconds_added": _added(one),
        "tokens_by_turn": [turn.input_tokens for turn in one.turns],
    }


def _added(one: Result) -> list[float]:
    """Median and 95th percentile of the seconds memory added to a turn."""
    seconds = sorted(turn.seconds for turn in one.turns)
    return [round(seconds[int(share * (len(seconds) - 1))], 4) for share in (0.5, 0.95)]


def strategies_table(joined: Mapping[str, Result]) -> str:
    """All strategies, warm, at list prices."""
    full = joined["full"]
    rows = [
        (
            "strategy",
            "input tokens",
            "of full history",
            "input $, cached",
            "of full history",
            "input $, not cached",
            "evidence found",
            "added ms p50 / p95",
        ),
        ("---", *["---:"] * 7),
    ]
    for one in joined.values():
        found = one.evidence
        half, most = (1000 * second for second in _added(one))
        rows.append(
            (
                f"**{one.title}**" if one.strategy == "turnfold" else one.title,
                f"{one.input_tokens:,}",
                f"{ratio(one, full):.3f}",
                f"{one.spend():.2f}",
                f"{one.spend() / full.spend():.3f}",
                f"{one.spend(cached=False):.2f}",
                "" if found is None else f"{found:.0%} of {len(one.asked)}",
                f"{half:.0f} / {most:.0f}" if most else "",
            )
        )
    return _markdown(rows)


def settings_table(spent: Sequence[Spent]) -> str:
    """What turnfold spends in every setting, in parts of what others do."""
    rows = [
        (
            "turnfold's spend with",
            "of full history",
            "mean of conversations",
            "worst",
            "of 20 messages",
            "of no recall",
            "input tokens of full history",
            "of the floor",
        ),
        ("---", *["---:"] * 7),
    ]
    rows += [
        (
            one.name,
            f"{one.to_full:.3f}",
            f"{one.mean:.3f}",
            f"{one.worst:.3f}",
            f"{one.to_window:.3f}",
            f"{one.to_summary:.3f}",
            f"{one.raw:.3f}",
            f"{one.to_floor:.2f}",
        )
        for one in spent
    ]
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


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
        spent = itertools.accumulate(turn.spend() for turn in one.turns)
        dollars.plot(turns, list(spent), **style)
    tokens.set(title="input tokens of each turn, the summarizer's included", xlabel="turn")
    tokens.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    dollars.set(title=f"input dollars so far, cached, at list prices of {MODEL}", xlabel="turn")
    dollars.yaxis.set_major_formatter(lambda value, _: f"${value:.2f}")
    for axes in (tokens, dollars):
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=1)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(out / "savings.svg", metadata={"Date": None})
    figure.savefig(out / "savings.png", dpi=150, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
