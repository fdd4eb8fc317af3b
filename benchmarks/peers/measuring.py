"""Conversations go in; what every way to use a library gave on them comes out, as plain JSON."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proof.replays import Chosen, played, row_of
from proof.strategies import BUDGETS, listed_read, within
from turnfold_cli.replay import SharedEmbedder
from turnfold_cli.replay_results import Result

from peers.catalogue import Way, pins, ways
from peers.contenders import contender
from peers.process import PeerError, PeerProcess
from peers.tools import parallel_tools

TOOLS_BUDGET = 4_000
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one library gave.

    Attributes:
        runs: rows for each conversation, as a result file has them.
        peers: one row for each way to use it.
    """

    runs: Sequence[Json]
    peers: Sequence[Json]


def measured(
    library: str,
    environment: Path,
    conversations: Sequence[Chosen],
    embedder: SharedEmbedder,
    *,
    timed: bool = True,
) -> Measured:
    """Every way to use a library, on every conversation, at every budget.

    Args:
        library: the name of its adapter.
        environment: where it is installed.
        conversations: groups and conversations, chats all of them.
        embedder: gives it vectors.
        timed: whether the machine has nothing else to do, so that times are told.
    """
    of_library = {
        "library": library.replace("_", " "),
        "version": version_of(library, environment),
        "installed_mb": _size(environment),
    }
    runs = {one.id: _run(group, one) for group, one in conversations}
    peers = []
    for way in ways(library):
        figures: Json = {}
        with tempfile.TemporaryDirectory() as home:
            try:
                with PeerProcess(
                    environment / "bin" / "python", library, embedder, Path(home)
                ) as process:
                    figures = _way(way, process, conversations, runs)
            except PeerError as failed:
                figures = {"cannot": str(failed)}
        if not timed:
            figures = {name: one for name, one in figures.items() if not name.endswith("_ms")}
        peers.append({"way": way.title, **of_library, **figures, "limit": way.limit})
    return Measured([run for run in runs.values() if run["rows"]], peers)


def _run(group: str, conversation: Any) -> Json:
    return {
        "group": group,
        "conversation": conversation.id,
        "kind": "chat",
        "turns": sum(1 for _ in conversation.turns()),
        "questions": sum(one.is_scored for one in conversation.questions),
        "rows": [],
    }


def _way(
    way: Way, process: PeerProcess, conversations: Sequence[Chosen], runs: dict[str, Json]
) -> Json:
    """Adds to the rows of each run; gives what is told of the way as a whole."""
    asked, rows = 0, []
    for _, conversation in conversations:
        for budget in BUDGETS:
            one = contender(way, process, budget, conversation)
            result = played(one, conversation, process.embedder, listed_read())
            row = row_of(one, result, listed_read(), budget=budget)
            asked += len(result.turns) + len(result.asked)
            rows.append(row)
            runs[conversation.id]["rows"].append(row)
    usage = process.ask({"usage": True})
    middle = [row for row in rows if row["budget"] == TOOLS_BUDGET]
    return {
        "input_tokens": sum(row["input_tokens"] for row in middle),
        "model_calls": sum(row["summaries"] for row in middle),
        "tokens_they_read": sum(row["summary_tokens"] for row in middle),
        "refused_in_chat": sum(row["refused"] for row in middle),
        **(_with_tools(way, process) if way.tools else {}),
        "time_a_turn_ms": round(1000 * usage["seconds"] / asked, 3),
        "peak_mb": round(usage["peak_mb"]),
        "import_ms": round(1000 * usage["import_seconds"], 1),
    }


def _with_tools(way: Way, process: PeerProcess) -> Json:
    """How many requests were refused on a history with parallel calls of tools, and of how many."""
    conversation = parallel_tools()
    one = contender(way, process, TOOLS_BUDGET, conversation)
    return _refused(played(one, conversation, process.embedder, listed_read()))


def ours(embedder: SharedEmbedder) -> Json:
    """The row of turnfold, held to the same budget on the same calls of tools."""
    *_, one = within(TOOLS_BUDGET, embedder)
    result = played(one, parallel_tools(), embedder, listed_read())
    return {"way": one.strategy.title, "library": "turnfold", "ours": True, **_refused(result)}


def _refused(result: Result) -> Json:
    return {
        "refused_with_tools": result.unanswered,
        "of_requests": len(result.turns),
        **({"why_refused": _said(result.refusals[0])} if result.refusals else {}),
    }


def _said(refusal: str) -> str:
    """The API's own word, to its first full stop."""
    said = re.search(r"'message': (['\"])(.*?)\1[,}]", refusal)
    return (said[2] if said else refusal).partition(". ")[0]


def version_of(library: str, environment: Path) -> str:
    """The release that is installed, of the package that is named first."""
    name = pins(library)[0].partition("==")[0].partition("[")[0]
    asked = f"from importlib.metadata import version; print(version({name!r}))"
    command = [str(environment / "bin" / "python"), "-c", asked]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _size(environment: Path) -> int:
    """Megabytes that its packages take on disk, pip and setuptools aside."""
    own = ("pip", "setuptools", "_distutils_hack", "pkg_resources")
    packages = [
        one
        for folder in environment.glob("lib/python*/site-packages")
        for one in folder.iterdir()
        if one.name.partition("-")[0] not in own
    ]
    files = (file for one in packages for file in (one, *one.rglob("*")) if file.is_file())
    return round(sum(file.stat().st_size for file in files) / 1e6)


def joined(before: Json, found: Measured, library: str) -> Json:
    """What stood in a result file, with this library's figures in the place of its older ones."""
    name = library.replace("_", " ")
    runs: dict[tuple[str, str], Json] = {}
    for run in (*before.get("runs", ()), *found.runs):
        key = run["group"], run["conversation"]
        fresh = run in found.runs
        rows = [
            row for row in run["rows"] if fresh or not row["strategy"].startswith(f"{library}-")
        ]
        old = runs[key]["rows"] if key in runs else []
        runs[key] = {**run, "rows": [*old, *rows]}
    kept = [row for row in before.get("peers", ()) if row["library"] != name]
    return {"runs": list(runs.values()), "peers": [*kept, *found.peers]}
