"""Results go in; the blocks of the page come out. No figure stands here: all are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from proof.blocks import Block, Charts, Code, Column, Heading, Points, Table, Text
from proof.charts import COLOURS, Axis, Line, Mark, lines, marks
from proof.frontier import OURS, Comparison, Point, frontier, verdicts
from proof.results import Group, Json, Results
from proof.sections import (
    better_searches,
    live,
    measured_how,
    peers,
    quality,
    sessions,
    timing,
)

TITLE = "turnfold beside what people use instead"
_LEAST_HALF = 20  # turns from which on a growth can be told
_EVIDENCE = (
    "Evidence is the share of what late questions need that stood word for word in the prompt; "
    "what a model makes of a prompt of that length is not measured here. Cost is of all input and "
    "of all that summaries cost, with the prompt cache, at list prices. The API is a stand-in that "
    "counts tokens and keeps a prompt cache; its summaries are sentences it was shown. A star: "
    "what the provider does itself, simulated by its documented rules and price."
)


def blocks(results: Results, *, model: str, listed: float) -> Iterator[Block]:
    """The whole page.

    Args:
        results: what was measured.
        model: whose prices the headline is at.
        listed: its price of a cached token, in parts of an input token's.
    """
    groups = list(results.groups())
    compared = list(comparisons(groups, listed))
    searched = results.parts.get("sessions")
    short = [*_overrun(groups, listed), *better_searches(searched)]
    lost = bool(short) or any(one.better() for one in compared)
    yield Text(
        f"What it costs, what it forgets, what it adds to a turn. Prices of {model}; a token read "
        f"from the cache costs {listed:g} of an input token there."
    )
    yield Heading("Where something else is the better choice" if lost else "Verdict")
    yield Points([*verdicts(compared), *short], loud=True)
    yield from _in_short(groups, listed)
    yield Text(_EVIDENCE)
    yield from live(results.parts.get("live"))
    for group in groups:
        yield from _group(group, listed)
    if any(group.budgets() for group in groups):
        yield from _budgets(groups, listed)
    yield from peers(results.parts.get("peers"))
    yield from timing(results.parts.get("timing"))
    yield from quality(results.parts.get("quality"))
    yield from sessions(searched)
    yield from measured_how(results.about, groups)


def _in_short(groups: Sequence[Group], listed: float) -> Iterator[Block]:
    """For each group what full history costs, what turnfold does, and what else that money buys."""
    columns = [
        Column("at today's price", numeric=False),
        Column("full history", "${:.2f}".format),
        Column("turnfold", "${:.2f}".format),
        Column("of full", "{:.0%}".format),
        Column("finds", "{:.0%}".format),
        Column("the best of all that costs no more", numeric=False),
        Column("finds", "{:.0%}".format),
    ]
    cells = []
    for group in groups:
        rows = group.rows(read=listed)
        points = {one.name: one for one in _points(rows)}
        ours, full = points.get(OURS), points.get("full")
        if ours is None or full is None:
            continue
        own = {row["strategy"] for row in rows if row.get("ours")} | {OURS}
        rest = [one for one in points.values() if one.name not in own and one.cost <= ours.cost]
        best = max(rest, key=lambda one: one.found, default=None)
        cells.append(
            (
                group.name,
                full.cost,
                ours.cost,
                ours.cost / full.cost,
                ours.found,
                best.title if best else "nothing costs less",
                best.found if best else None,
            )
        )
    if cells:
        yield Table(columns, cells)


def _overrun(groups: Sequence[Group], listed: float) -> Iterator[str]:
    """Where turnfold itself does not keep to a budget: that is a promise broken."""
    for group in groups:
        for budget in group.budgets():
            for row in group.rows(read=listed, budget=budget):
                if row.get("ours") and row.get("over_budget"):
                    yield (
                        f"{group.name}: {row['title']} sent more than {budget:,} tokens in "
                        f"{row['over_budget']} of {group.questions} prompts, which count as "
                        f"nothing found."
                    )


def comparisons(groups: Sequence[Group], listed: float) -> Iterator[Comparison]:
    """Every set of strategies that did the same work: the real price first, then budgets, then
    other prices.
    """
    reads = {read for group in groups for read in group.reads()}
    for group in groups:
        yield _comparison(group, listed)
    for group in groups:
        for budget in group.budgets():
            yield _comparison(group, listed, budget)
    for read in sorted(reads - {listed}, reverse=True):
        for group in groups:
            yield _comparison(group, read)


def _comparison(group: Group, read: float, budget: int | None = None) -> Comparison:
    where = f"{group.name}, cached reads at {read:g}"
    if budget:
        where = f"{group.name}, prompts of at most {budget:,} tokens"
    return Comparison(where, _points(group.rows(read=read, budget=budget)))


def _points(rows: Sequence[Json]) -> list[Point]:
    return [
        Point(row["strategy"], row["title"], row["spend"], row["evidence"])
        for row in rows
        if row.get("evidence") is not None and row.get("spend") is not None
    ]


# --- one group of conversations -------------------------------------------------------------------


def _group(group: Group, listed: float) -> Iterator[Block]:
    rows = group.rows(read=listed)
    if not rows:
        return
    unit = "calls" if group.is_agent else "turns"
    many = f"{len(group.runs)} conversations, " if len(group.runs) > 1 else ""
    yield Heading(f"{group.name}: {many}{group.turns:,} {unit}, {group.questions} questions")
    number = {row["strategy"]: n for n, row in enumerate(rows)}
    # What never acted would hide full history, whose line it is.
    acted = [row for row in rows if not _is_full(row, rows)]
    one = unit.removesuffix("s")
    across = Axis(one, "{:,.0f}".format, least=0)
    by_turn = [row for row in acted if "tokens_by_turn" in row]
    of_first = f", {group.runs[0]['conversation']}" if len(group.runs) > 1 else ""
    yield Charts(
        [
            lines(
                f"Tokens a {one}{of_first}",
                across,
                Axis("tokens", _thousands, least=0),
                [_line(row, number, row["tokens_by_turn"]) for row in by_turn],
            ),
            lines(
                f"Dollars so far{of_first}",
                across,
                Axis("dollars", "${:.2f}".format, least=0),
                [_line(row, number, list(accumulate(row["spend_by_turn"]))) for row in by_turn],
            ),
            _frontier("Evidence against cost", acted, number),
        ],
        [
            (str(number[row["strategy"]] + 1), _colour(number[row["strategy"]], row), row["title"])
            for row in acted
        ],
    )
    yield _table(rows, listed)
    yield Points([f"{row['title']}: {_limit(row, rows)}" for row in rows])
    yield _prices(group, listed)


def _line(row: Json, number: dict[str, int], values: Sequence[float]) -> Line:
    name = row["strategy"]
    return Line(row["title"], _colour(number[name], row), values, strong=name == OURS)


def _colour(number: int, row: Json) -> int:
    """Turnfold's is always the same one."""
    return COLOURS - 1 if row["strategy"] == OURS else number % (COLOURS - 1)


def _frontier(title: str, rows: Sequence[Json], number: dict[str, int]) -> str:
    points = {point.name: point for point in _points(rows)}
    best = {point.name for point in frontier(list(points.values()))}
    return marks(
        title,
        Axis("dollars, logarithmic", "${:g}".format, log=True),
        Axis("evidence found", "{:.0%}".format, least=0, most=1),
        [
            Mark(
                f"{row['title']}: ${row['spend']:.3f}, {row['evidence']:.1%}",
                _colour(number[row["strategy"]], row),
                str(number[row["strategy"]] + 1),
                row["spend"],
                row["evidence"],
                strong=row["strategy"] == OURS,
                best=row["strategy"] in best,
            )
            for row in rows
            if row["strategy"] in points
        ],
    )


def _table(rows: Sequence[Json], listed: float) -> Table:
    full = next((row for row in rows if row["strategy"] == "full"), None)
    shown: list[tuple[int | None, Json, float]] = [
        (n, row, row["spend"]) for n, row in enumerate(rows, 1)
    ]
    if full is not None:
        uncached = {**full, "title": "full history, not cached"}
        shown.insert(0, (None, uncached, full["spend_uncached"]))
    columns = [
        Column("#", "{:d}".format),
        Column("strategy", numeric=False),
        Column("dollars", "{:.3f}".format),
        Column("of full, cached", "{:.2f}".format),
        Column("input tokens", "{:,.0f}".format),
        Column("growth, power of turns", "{:.2f}".format),
        Column("largest prompt", "{:,.0f}".format),
        Column("evidence", "{:.1%}".format),
        Column("with a look-up", "{:.1%}".format),
        Column("summaries", "{:,.0f}".format),
        Column("refused", "{:,.0f}".format),
    ]
    cells = [
        (
            n,
            row["title"],
            spend,
            spend / full["spend"] if full else None,
            row.get("input_tokens"),
            _power(row.get("tokens_by_turn") or ()),
            row.get("largest"),
            row.get("evidence"),
            row.get("evidence_with_tool"),
            row.get("summaries"),
            row.get("refused"),
        )
        for n, row, spend in shown
    ]
    strong = [at for at, (n, row, _) in enumerate(shown) if n and row["strategy"] == OURS]
    return Table(columns, cells, strong, f"Cached reads at {listed:g} of an input token")


def _power(by_turn: Sequence[int]) -> float | None:
    """The power of the number of turns with which tokens so far grow, over the last half."""
    sums = list(accumulate(by_turn))
    half = len(sums) // 2
    if half < _LEAST_HALF:
        return None
    return math.log(sums[-1] / sums[half - 1]) / math.log(len(sums) / half)


def _is_full(row: Json, rows: Sequence[Json]) -> bool:
    """Whether a strategy sent all there was, so that it is full history by another name."""
    full = next((one for one in rows if one["strategy"] == "full"), row)
    same = all(row.get(key) == full.get(key) for key in ("input_tokens", "evidence"))
    return row is not full and same


def _limit(row: Json, rows: Sequence[Json]) -> str:
    """What limits a strategy; where it never acted, that it did not."""
    told = [str(row.get("limit", ""))]
    if _is_full(row, rows):
        told.insert(0, "It never acted here: the same as full history.")
    if row.get("degraded"):
        told.append(f"Degraded: {'; '.join(row['degraded'])}.")
    if row.get("refusals"):
        told.append(f"Refused: {'; '.join(row['refusals'])}.")
    return " ".join(filter(None, told))


def _prices(group: Group, listed: float) -> Table:
    """What each strategy spends in parts of full history's, at each price of a cached token."""
    reads = group.reads()
    by_read = {read: {row["strategy"]: row for row in group.rows(read=read)} for read in reads}
    names = [
        row for row in group.rows(read=listed) if all(row["strategy"] in by_read[r] for r in reads)
    ]
    columns = [Column("strategy", numeric=False)]
    for read in reads:
        columns += [
            Column(f"of full, reads at {read:g}", "{:.2f}".format),
            Column(f"evidence at {read:g}", "{:.1%}".format),
        ]
    rows = []
    for one in names:
        cells: list[object] = [one["title"]]
        for read in reads:
            row, full = by_read[read][one["strategy"]], by_read[read].get("full")
            cells += [row["spend"] / full["spend"] if full else None, row["evidence"]]
        rows.append(cells)
    strong = [n for n, one in enumerate(names) if one["strategy"] == OURS]
    caption = "Spend in parts of cached full history's, at three prices of a token read"
    return Table(columns, rows, strong, caption)


# --- budgets --------------------------------------------------------------------------------------


def _budgets(groups: Sequence[Group], listed: float) -> Iterator[Block]:
    yield Heading("Evidence where a prompt may have so many tokens")
    yield Text(
        "ER@B is the evidence found in prompts of at most B tokens, at four characters a token, "
        "system, tools and the question aside; a longer prompt counts as nothing found. Each was "
        "held turn by turn, so that what it costs stands beside."
    )
    for group in groups:
        budgets = group.budgets()
        if not budgets:
            continue
        yield Heading(group.name, 3)
        rows = {budget: group.rows(read=listed, budget=budget) for budget in budgets}
        titles = {row["strategy"]: row for budget in budgets for row in rows[budget]}
        number = {name: n for n, name in enumerate(titles)}
        yield Charts(
            [_frontier(f"At most {budget:,} tokens", rows[budget], number) for budget in budgets],
            [
                (str(number[name] + 1), _colour(number[name], row), _plain(row))
                for name, row in titles.items()
            ],
        )
        yield _budget_table(titles, rows)
        yield Points(
            [f"{_plain(row)}: {_within_limit(row, group, rows)}" for row in titles.values()]
        )


def _budget_table(titles: dict[str, Json], rows: dict[int, list[Json]]) -> Table:
    columns = [Column("strategy", numeric=False)]
    for budget in rows:
        columns += [
            Column(f"ER@{budget // 1000}k", "{:.1%}".format),
            Column(f"dollars at {budget // 1000}k", "{:.3f}".format),
        ]
    cells = []
    for name, title in titles.items():
        found: list[object] = [_plain(title)]
        for some in rows.values():
            row = next((one for one in some if one["strategy"] == name), {})
            found += [row.get("evidence"), row.get("spend")]
        cells.append(found)
    return Table(columns, cells, [n for n, name in enumerate(titles) if name == OURS])


def _within_limit(title: Json, group: Group, rows: dict[int, list[Json]]) -> str:
    """What limits a strategy; where it did not keep to its budget, how often."""
    told = [str(title.get("limit", ""))]
    for budget, some in rows.items():
        over = sum(
            row.get("over_budget", 0) for row in some if row["strategy"] == title["strategy"]
        )
        if over:
            told.append(f"{over} of {group.questions} prompts had more than {budget:,} tokens.")
    return " ".join(filter(None, told))


def _plain(row: Json) -> str:
    """A title without its size, which differs from budget to budget."""
    title = str(row["title"])
    return title.partition(", ")[0] if row["strategy"] == "retrieval" else title


def _thousands(value: float) -> str:
    return f"{value / 1000:,.0f}k" if value >= 1000 else f"{value:,.0f}"


__all__ = ["TITLE", "Code", "blocks", "comparisons"]
