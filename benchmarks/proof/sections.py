"""One part of the results goes in; its blocks of the page come out, none where it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from proof.blocks import Block, Charts, Code, Column, Heading, Points, Table, Text
from proof.charts import Axis, Line, lines
from proof.results import Group, Json

_SHARE = "{:.0%}".format


def peers(found: Sequence[Json] | None) -> Iterator[Block]:
    """Whatever was measured of other libraries; where one cannot do a thing, its cell is blank."""
    if not found:
        return
    yield Heading("Other libraries")
    yield Text(
        "The real ones, each in an environment of its own, by their own public interface; what "
        "they find and cost stands with the budgets above. Vectors and the sentences of summaries "
        "are given to all, and a second of theirs is without the wait for either. Tokens and calls "
        "of a model are those of prompts of at most 4,000 tokens. A blank: it cannot, or was not "
        "tried."
    )
    yield Code("make bench-peers")
    # What limits each, and what went wrong, are sentences, too long for a cell.
    long = ("library", "limit", "why_refused", "cannot")
    yield _any_table([{name: row[name] for name in row if name not in long} for row in found])
    told = [(row.get("way", row["library"]), " ".join(_of_peer(row))) for row in found]
    yield Points([f"{way}: {said}" for way, said in told if said])


def _of_peer(row: Json) -> Iterator[str]:
    if row.get("limit"):
        yield row["limit"]
    if row.get("why_refused"):
        yield f"Refused with tools: {row['why_refused']}."
    if row.get("cannot"):
        yield f"Not measured: {row['cannot']}."


def live(found: Json | None) -> Iterator[Block]:
    """What the real API answered, where somebody asked it."""
    if not found:
        return
    first, second = found["judges"]
    same, kappa = found["same_verdict"], found["kappa"]
    yield Heading("Asked of the real API")
    yield Text(
        f"Answers by {found['answers_by']}, summaries by {found['summaries_by']}, each answer "
        f"judged by {first} and {second} with one documented prompt. Right: both say so, with the "
        "95% interval of so many questions beside it. The last turns were held so that each "
        "continues the one before; what of them was read from the cache is the API's own count, "
        "and so is why it could not serve the rest. Only questions that every strategy was asked "
        "count."
    )
    yield Code("make bench LIVE=1 MAX_USD=5")
    # What the cache missed, and what failed, are sentences, too long for a cell.
    long = ("cache_missed_because", "degraded")
    yield _any_table([{k: row[k] for k in row if k not in long} for row in found["rows"]])
    agree = [] if same is None else [f"the same verdict on {same:.1%}"]
    agree += [] if kappa is None else [f"Cohen's kappa {kappa:.2f}"]
    of_them = f"The judges read {found['judged']} answers"
    told = [
        f"{of_them}: {', '.join(agree)}." if agree else f"{of_them}.",
        *([f"{found['unreadable']} had no verdict."] if found["unreadable"] else []),
        f"${found['dollars']:.2f} were spent of ${found['most']:.2f} at most.",
        *([f"It ended early: {found['stopped']}."] if found["stopped"] else []),
        *([f"{found['not_answered']} were not answered."] if found["not_answered"] else []),
        *(
            f"{row['strategy']}: of the turn before, the cache missed: {why}."
            for row in found["rows"]
            if (why := row["cache_missed_because"]) and why != "nothing missed"
        ),
        *(f"{row['strategy']}: {row['degraded']}." for row in found["rows"] if row["degraded"]),
    ]
    yield Points(told)


def timing(found: Json | None) -> Iterator[Block]:
    """What memory adds to a turn, and how that grows with what is in memory."""
    if not found:
        return
    yield Heading("Time a turn, and scaling")
    yield Text(
        "The real SDK against a transport that answers at once, so what is left is memory's own. "
        "These figures are of this machine and change a little from run to run."
    )
    overhead, scale = found.get("overhead") or [], found.get("scale") or []
    drawings = []
    if scale:
        places = [row["exchanges"] for row in scale]
        across = Axis("exchanges in memory, logarithmic", "{:,.0f}".format, log=True)
        drawn = [
            Line("95th percentile", 5, [row["added_p95_ms"] for row in scale], places),
            Line("median", 11, [row["added_p50_ms"] for row in scale], places, strong=True),
            Line("one embedding", 0, [row["embedding_p50_ms"] for row in scale], places),
        ]
        up = Axis("milliseconds", "{:.0f}".format, least=0)
        drawings.append(lines("Milliseconds added, with recall", across, up, drawn))
    if overhead:
        places = [row["messages"] for row in overhead]
        across = Axis("messages in the request, logarithmic", "{:,.0f}".format, log=True)
        up = Axis("milliseconds", "{:.0f}".format, least=0)
        drawn = [
            Line("next turn", 11, [row["hit_added_ms"] for row in overhead], places, strong=True),
            Line("after a restart", 5, [row["restart_added_ms"] for row in overhead], places),
            Line("bare call", 0, [row["bare_ms"] for row in overhead], places),
        ]
        drawings.append(lines("Milliseconds added, without recall", across, up, drawn))
    yield Charts(
        drawings,
        [
            ("", 11, "median of a turn"),
            ("", 5, "95th percentile; a turn after a restart"),
            ("", 0, "one embedding; the bare call"),
        ],
    )
    if scale:
        yield _any_table(scale, caption="Each turn embeds what it asks and searches its past")
    if overhead:
        yield _any_table(
            overhead, caption="The same call with memory and without, nothing recalled"
        )


def quality(found: Json | None) -> Iterator[Block]:
    """Updates, dates, contradictions, and what summaries say with the gate and without."""
    if not found:
        return
    yield Heading("Quality beyond evidence")
    for part in found.values():
        yield Heading(part["title"], 3)
        yield Text(part["how"])
        yield _any_table(part["rows"])


def sessions(found: Json | None) -> Iterator[Block]:
    """Session recall, where there are transcripts with sessions."""
    if not found:
        return
    yield Heading("Session recall")
    yield Text(found["how"])
    yield _any_table(found["rows"])


def better_searches(found: Json | None) -> Iterator[str]:
    """Where another way to search finds more sessions than turnfold's, one sentence each."""
    rows: Sequence[Json] = found["rows"] if found else ()
    for ours in (row for row in rows if row["ours"]):
        for row in rows:
            same = row["transcripts"] == ours["transcripts"]
            if same and row["R@5"] > ours["R@5"] and row["NDCG@10"] > ours["NDCG@10"]:
                yield (
                    f"Sessions of {ours['transcripts']}: {row['search']} finds more than turnfold "
                    f"(R@5 {row['R@5']:.1%} against {ours['R@5']:.1%}, NDCG@10 "
                    f"{row['NDCG@10']:.3f} against {ours['NDCG@10']:.3f})."
                )


def measured_how(about: Json, groups: Sequence[Group]) -> Iterator[Block]:
    """Command, machine, versions, seeds and commit."""
    yield Heading("How it was measured")
    yield Text("All of it is made by one command; a rerun gives the same tokens and evidence.")
    yield Code("make bench                    # what comes with turnfold")
    yield Code("make bench DATA='FILE ...'    # and transcripts or trajectories of your own")
    sources = [
        f"{group.name}: {', '.join(run['conversation'] for run in group.runs)}" for group in groups
    ]
    machine = about.get("machine", {})
    told = [
        *sources,
        f"commit {about.get('commit', 'unknown')}, {about.get('date', 'no date')}",
        ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in machine.items()),
        ", ".join(f"{name} {value}" for name, value in about.get("versions", {}).items()),
        "seeds: " + ", ".join(f"{one}: {value}" for one, value in about.get("seeds", {}).items()),
    ]
    yield Points([one for one in told if one])


def _any_table(rows: Sequence[Json], caption: str = "") -> Table:
    """Columns as the rows name them: numbers by what their names end with."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "ours"))
    columns = [_column(name, [row.get(name) for row in rows]) for name in names]
    strong = [n for n, row in enumerate(rows) if row.get("ours")]
    return Table(columns, [[row.get(name) for name in names] for row in rows], strong, caption)


def _column(name: str, values: Sequence[Any]) -> Column:
    title = name.replace("_", " ")
    told = [one for one in values if one is not None]
    if not all(isinstance(one, int | float) for one in told):
        return Column(title, numeric=False)
    if all(isinstance(one, int) for one in told):
        return Column(title, "{:,}".format)
    if name.startswith("dollars"):
        return Column(title, "{:.4f}".format)
    if name.endswith(("_ms", "_ratio")):
        return Column(title, "{:,.2f}".format)
    if all(0 <= one <= 1 for one in told):
        return Column(title, "{:.1%}".format)
    return Column(title, "{:,.2f}".format)
