"""What an agent's long job spends under each strategy, and what of its early steps stays findable.

    python benchmarks/bench_agents.py [--data FILE ...] [--chain N] [--out DIR]

Without `--data` the job that comes with turnfold is used; a file holds trajectories in the shape
of the Messages API or of chat completions, and `--chain 12` makes one job of each dozen of them.
Every strategy goes through the real SDK to a stand-in for the API, which counts tokens and keeps
a prompt cache; calls are five seconds apart. What the provider does itself is simulated by its
documented rules (`turnfold_cli.agents.provider`), and marked with a star. In one run:

    40k      the job up to where full history has 40,000 tokens
    whole    all of it, to where 150,000 are reached, if they are
    window   all of it where the model has a window of 30,000 tokens: calls that were refused

Spend is the price of all input, at list prices with the cache, with all that memory itself costs.
Found is the share of questions about early steps whose answer stood in the prompt, or was found
by one look-up with `Memory.tool`; where a file has no questions, they are made of its results.
Writes JSON, the tables, and the picture of the README.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from turnfold import Embedder
from turnfold_cli.agents.provider import AGENT_STRATEGIES, SIMULATED
from turnfold_cli.agents.trajectories import asked_about, chained, read_trajectories
from turnfold_cli.replay import AT_WORK, Conditions, ready_embedder, replay
from turnfold_cli.replay_results import MODEL, Result, by_strategy, ratio
from turnfold_cli.strategies import FULL, TURNFOLD
from turnfold_cli.transcripts import Conversation, packaged_job
from turnfold_fake import FakeClaude

SHORT = 40_000
LONG = 150_000
WINDOW = 30_000
QUESTIONS = 20

# Okabe and Ito's palette, which the colour-blind can tell apart; no two lines share a dash.
LINES = {
    "full": ("#000000", "-"),
    "clear-100k": ("#E69F00", "--"),
    "clear-30k": ("#56B4E9", "-."),
    "compact-150k": ("#CC79A7", ":"),
    "compact-50k": ("#009E73", (0, (1, 1))),
    "turnfold": ("#D55E00", "-"),
}


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    jobs = _jobs(arguments.data, arguments.chain)[: arguments.limit]
    embedder = ready_embedder()
    short = [up_to(one, SHORT) for one in jobs]
    long = [up_to(one, LONG) for one in jobs]
    runs = {
        f"{SHORT // 1000}k": _run(short, embedder, AT_WORK),
        "whole": _run(long, embedder, AT_WORK),
    }
    small = replace(AT_WORK, window=WINDOW, max_tokens=4_000)
    refused = by_strategy(replay(long, [FULL, TURNFOLD], embedder=embedder, conditions=small))
    tables = [_table(name, results) for name, results in runs.items()]
    tables.append(_window_table({name: Result.joined(all_, "") for name, all_ in refused.items()}))
    text = "\n".join([*tables, SIMULATED, ""])
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = {
        "model": MODEL,
        "jobs": [{"id": one.id, "calls": sum(1 for _ in one.turns())} for one in long],
        **{name: _as_json(results) for name, results in runs.items()},
        "window": {name: [one.unanswered for one in all_] for name, all_ in refused.items()},
    }
    (arguments.out / "agents.json").write_text(json.dumps(measured, indent=2) + "\n")
    (arguments.out / "agents.md").write_text(text)
    draw(runs["whole"], arguments.out)
    print(text)
    print(f"written to {arguments.out}: agents.json, agents.md, agents.svg")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="trajectories")
    parser.add_argument("--chain", type=int, default=1, help="make one job of so many of them")
    parser.add_argument("--limit", type=int, default=None, help="only so many jobs")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results", help="a folder"
    )
    return parser.parse_args()


def _jobs(files: Sequence[Path], chain: int) -> list[Conversation]:
    if not files:
        return [packaged_job()]
    read = [one for file in files for one in read_trajectories(file)]
    if chain > 1:
        groups = (read[n : n + chain] for n in range(0, len(read), chain))
        read = [chained(group, f"{group[0].id}+{len(group) - 1}") for group in groups]
    return [one if one.questions else asked_about(one, QUESTIONS) for one in read]


def up_to(job: Conversation, tokens: int) -> Conversation:
    """The job until full history has so many tokens; all of it where it never has."""
    counter = FakeClaude()
    said: list[Any] = []
    fixed = {"model": MODEL, "system": job.system or "", "tools": list(job.tools)}
    for calls, turn in enumerate(job.turns()):
        said += turn.said
        if counter.count_tokens({**fixed, "messages": said}) > tokens:
            return job.first(max(1, calls))
        said += turn.answered
    return job


def _run(
    jobs: Sequence[Conversation], embedder: Embedder, conditions: Conditions
) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for one in AGENT_STRATEGIES:
        print(f"{one.title}: {len(jobs)} jobs", file=sys.stderr)
        found[one.name] = replay(jobs, [one], embedder=embedder, conditions=conditions)
    return found


def _as_json(results: dict[str, list[Result]]) -> list[dict[str, Any]]:
    joined = {name: Result.joined(group, name) for name, group in results.items()}
    full = joined["full"]
    return [
        {
            **one.as_json(full),
            "spend": round(one.spend(), 6),
            "spend_to_full": round(one.spend() / full.spend(), 4),
            "unanswered": one.unanswered,
        }
        for one in joined.values()
    ]


def _table(name: str, results: dict[str, list[Result]]) -> str:
    joined = {key: Result.joined(group, "") for key, group in results.items()}
    full = joined["full"]
    most = max(turn.usage.prompt_tokens for turn in full.turns)
    head = f"{name}: {len(full.turns)} calls, full history up to {most:,} tokens"
    rows = [
        (
            "strategy",
            "input tokens",
            "of full",
            "largest",
            "$ cached",
            "of full",
            "found",
            "or looked up",
        ),
        ("---", *["---:"] * 7),
    ]
    for one in joined.values():
        found = one.evidence
        rows.append(
            (
                f"**{one.title}**" if one.strategy == "turnfold" else one.title,
                f"{one.input_tokens:,}",
                f"{ratio(one, full):.3f}",
                f"{max(turn.usage.prompt_tokens for turn in one.turns):,}",
                f"{one.spend():.3f}",
                f"{one.spend() / full.spend():.3f}",
                "" if found is None else f"{found:.0%} of {len(one.asked)}",
                f"{one.evidence_with_tool:.0%}" if one.strategy == "turnfold" and found else "",
            )
        )
    return f"{head}\n\n{_markdown(rows)}"


def _window_table(joined: dict[str, Result]) -> str:
    rows = [("strategy", "calls", "refused", "input tokens"), ("---", *["---:"] * 3)]
    for one in joined.values():
        row = (one.title, f"{len(one.turns)}", f"{one.unanswered}", f"{one.input_tokens:,}")
        rows.append(row)
    return f"with a window of {WINDOW:,} tokens\n\n{_markdown(rows)}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw(results: dict[str, list[Result]], out: Path) -> None:
    """Tokens of each call, of the first job."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "turnfold"  # the same numbers make the same file
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for name, group in results.items():
        one = group[0]
        colour, dash = LINES[name]
        calls = range(1, len(one.turns) + 1)
        axes.plot(
            calls,
            [turn.usage.prompt_tokens for turn in one.turns],
            label=one.title,
            color=colour,
            linestyle=dash,
            linewidth=2.4 if name == "turnfold" else 1.2,
            zorder=3 if name == "turnfold" else 2,
        )
    axes.set_title("tokens of each call of one long job", fontsize="medium")
    axes.set(xlabel="call")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=1)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(out / "agents.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
