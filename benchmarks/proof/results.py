"""Result files go in; the rows of a group, summed over its conversations, come out.

A result file is any `*.json` of a folder that has "runs", as `proof.replays` makes them; more than
one may have rows of the same conversation, so peers measured elsewhere stand beside the rest:

    {"about": ..., "runs": [{"group", "conversation", "rows": [{"strategy", "title", "limit",
     "budget", "read", "spend", "evidence", ...}]}]}

Other parts of the page are read from "live", "quality", "sessions", "timing" and "peers" of any
file.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_PARTS = ("live", "quality", "sessions", "timing", "peers")
_SUMMED = (
    "input_tokens",
    "summary_tokens",
    "spend",
    "spend_uncached",
    "over_budget",
    "summaries",
    "refused",
)


@dataclass(frozen=True, slots=True)
class Results:
    """All result files of a folder.

    Attributes:
        about: of the first file that tells where its figures come from.
        runs: what each conversation gave, those of several files joined.
        parts: the other parts of the page, by name.
    """

    about: Json
    runs: Sequence[Json]
    parts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Read every result file of a folder by name, what was measured of peers last."""
        files = sorted(folder.glob("*.json"), key=lambda file: (file.stem == "peers", file.name))
        return cls.of([json.loads(file.read_text(encoding="utf-8")) for file in files])

    @classmethod
    def of(cls, files: Sequence[Any]) -> Results:
        """Join what stands in several files; what is none of the kind is left out."""
        known = [one for one in files if isinstance(one, Mapping)]
        joined: dict[tuple[str, str], Json] = {}
        for one in known:
            for run in one.get("runs", ()):
                key = run["group"], run["conversation"]
                rows = [*joined[key]["rows"], *run["rows"]] if key in joined else run["rows"]
                joined[key] = {**run, **joined.get(key, {}), "rows": rows}
        parts = {name: one[name] for one in known for name in _PARTS if name in one}
        about: Json = next(
            (one["about"] for one in known if "about" in one and one.get("runs")), {}
        )
        return cls(about, list(joined.values()), parts)

    def groups(self) -> Iterator[Group]:
        """Each group of conversations, in order."""
        names = dict.fromkeys(run["group"] for run in self.runs)
        for name in names:
            yield Group(name, [run for run in self.runs if run["group"] == name])


@dataclass(frozen=True, slots=True)
class Group:
    """Conversations that are told together.

    Attributes:
        name: its title.
        runs: one for each conversation.
    """

    name: str
    runs: Sequence[Json]

    @property
    def turns(self) -> int:
        """In all."""
        return sum(run["turns"] for run in self.runs)

    @property
    def questions(self) -> int:
        """In all."""
        return sum(run["questions"] for run in self.runs)

    @property
    def is_agent(self) -> bool:
        """Whether these are jobs of agents."""
        return all(run["kind"] == "agent" for run in self.runs)

    def reads(self) -> Sequence[float]:
        """The prices of a cached token that were reckoned with, dearest first."""
        return sorted({row["read"] for run in self.runs for row in run["rows"]}, reverse=True)

    def budgets(self) -> Sequence[int]:
        """Those that prompts were held to, smallest first."""
        found = {row["budget"] for run in self.runs for row in run["rows"]}
        return sorted(one for one in found if one)

    def rows(self, *, read: float, budget: int | None = None) -> list[Json]:
        """One row for each strategy that every conversation has, in the order of the first."""
        found: dict[str, list[tuple[Json, int]]] = defaultdict(list)
        for run in self.runs:
            for row in run["rows"]:
                if row["read"] == read and row.get("budget") == budget:
                    found[row["strategy"]].append((row, run["questions"]))
        whole = (some for some in found.values() if len(some) == len(self.runs))
        return [_joined(some) for some in whole]


def _joined(some: Sequence[tuple[Json, int]]) -> Json:
    """Several conversations' rows as one; of those turn by turn, the first's."""
    first, _ = some[0]
    rows = [row for row, _ in some]
    asked = sum(questions for _, questions in some)
    joined = {**first}
    joined |= {key: sum(row[key] for row in rows) for key in _SUMMED if key in first}
    if "largest" in first:
        joined["largest"] = max(row["largest"] for row in rows)
    for key in ("evidence", "evidence_with_tool", "prompt_tokens"):
        if first.get(key) is not None and asked:
            joined[key] = sum(row[key] * questions for row, questions in some) / asked
    for key in ("degraded", "refusals"):
        joined[key] = list(dict.fromkeys(text for row in rows for text in row.get(key, ())))
    return joined
