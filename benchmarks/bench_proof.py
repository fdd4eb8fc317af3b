"""One page: what turnfold costs, forgets and adds to a turn, beside what people use instead.

    python benchmarks/bench_proof.py [--data FILE]... [--only ID ...] [--limit N] [--jobs N]
        [--parts replays quality sessions timing] [--out DIR] [--page DIR]
    python benchmarks/bench_proof.py --live --max-usd N [--questions N] [--data FILE]...

`make bench` runs it. Without `--data` on the conversations that come with turnfold, a chat and an
agent's job; a file may hold transcripts as `turnfold replay` reads them, trajectories of agents,
or questions with sessions in the format of LongMemEval. Writes a result file for each part, and
the page of all result files there are, as HTML and Markdown; `--parts` with no name makes the
page anew from what was measured before. A rerun gives the same tokens and evidence; only the
part `timing` differs. `--live` puts the same questions to the real API instead, where there is a
key (docs/live.md): it says what that would cost, asks, and stops before the maximum.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from live import command
from proof import quality, replays, sessions, timing
from proof.blocks import as_html, as_markdown
from proof.embedding import fast_embedder
from proof.page import TITLE, blocks
from proof.provenance import provenance
from proof.results import Results
from proof.strategies import listed_read
from turnfold_cli.replay_results import MODEL

HERE = Path(__file__).parent
_NUMBERS = re.compile(r"\[\s+([-\d.e,\s]+?)\s+\]")
PARTS = ("replays", "quality", "sessions", "timing")


def main() -> int:
    arguments = _arguments()
    logging.getLogger("turnfold").addHandler(logging.NullHandler())
    started, about = time.perf_counter(), provenance()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.live:
        taken = replays.chosen(arguments.data, arguments.only, arguments.limit)
        live = command.run(arguments, taken, fast_embedder())
        if live is None:
            return 1
        write_result(arguments.out / "live.json", {"about": about, "live": live})
    for part in () if arguments.live else PARTS:
        if part in arguments.parts:
            # What is there so far is written at once: a run that is stopped is not lost.
            for found in _measured(part, arguments):
                write_result(arguments.out / f"{part}.json", {"about": about, **found})
    write_page(arguments.out, arguments.page)
    minutes = (time.perf_counter() - started) / 60
    print(f"written in {minutes:.1f} minutes: {arguments.page / 'report.html'}, and report.md")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, action="append", default=[], help="transcripts")
    parser.add_argument("--only", nargs="*", default=[], help="ids of the conversations to take")
    parser.add_argument("--limit", type=int, default=3, help="so many conversations of each file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=HERE / "results", help="for result files")
    parser.add_argument("--page", type=Path, default=HERE, help="where the page goes")
    command.add_arguments(parser)
    return parser.parse_args()


def _measured(part: str, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    files: Sequence[Path] = arguments.data
    haystacks = [file for file in files if sessions.is_haystack(file)]
    match part:
        case "replays":
            told = [file for file in files if file not in haystacks]
            chosen = replays.chosen(told, arguments.only, arguments.limit)
            for runs in replays.measured(chosen, jobs=arguments.jobs):
                yield {"runs": runs}
        case "quality":
            yield {"quality": quality.measured()}
        case "sessions":
            yield {"sessions": sessions.measured(files, haystacks, arguments.only, arguments.limit)}
        case _:
            yield {"timing": timing.measured()}


def write_result(file: Path, found: dict[str, Any]) -> None:
    """A result file: where its figures come from first, so that the rest can be compared."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    # The figures of all turns stand in one line.
    text = _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
    file.write_text(text + "\n", encoding="utf-8")


def write_page(results: Path, folder: Path) -> None:
    """The page of all result files of a folder."""
    page = list(blocks(Results.read(results), model=MODEL, listed=listed_read()))
    (folder / "report.html").write_text(as_html(TITLE, page), encoding="utf-8")
    (folder / "report.md").write_text(as_markdown(TITLE, page), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
