"""Results go in; tables for a terminal, plain text or JSON come out. No command knows rich."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from turnfold_cli.harmless import HarmlessConsole, harmless, harmless_json
from turnfold_cli.replay_results import MODEL, Result, by_strategy, ratio

# Wide enough for every table with room to spare; a pipe has no width of its own.
ROOMY = 110


def console_for(stream: TextIO, *, plain: bool = False) -> Console:
    """A console that writes plain text of a fixed width where there is no terminal."""
    if plain or not stream.isatty():
        return HarmlessConsole(file=stream, width=ROOMY, color_system=None, force_terminal=False)
    return HarmlessConsole(file=stream, highlight=False)


def print_json(value: Any) -> None:
    """JSON on standard output, and nothing else."""
    sys.stdout.write(harmless_json(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def complain(message: str) -> None:
    """One clear line on standard error."""
    sys.stderr.write(f"turnfold: {harmless(message)}\n")


def remark(message: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{harmless(message)}\n")


class Step(Protocol):
    """Told of each thing done."""

    def __call__(self, what: str, /) -> None:
        """Say what was done."""
        ...


@contextmanager
def progress(total: int | None) -> Iterator[Step]:
    """A progress bar on standard error where that is a terminal; else nothing at all.

    Args:
        total: how many steps there are; None where nobody knows.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=HarmlessConsole(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=total)

        def step(what: str) -> None:
            bars.update(task, advance=1, description=what)

        yield step


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress told as so many of so many: a bar on a terminal, else a line for each tenth."""
    if not sys.stderr.isatty():
        yield _Tenths(what)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=HarmlessConsole(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class _Tenths:
    """Writes a line to standard error whenever another tenth is done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if tenth != self._told:
            self._told = tenth
            sys.stderr.write(f"{self._what}: {done:,} of {total:,}\n")
            sys.stderr.flush()


def replay_as_json(name: str, results: Sequence[Result]) -> dict[str, Any]:
    """Everything that was measured, by strategy and by conversation."""
    grouped = by_strategy(results)
    full = {one.conversation: one for one in grouped.get("full", ())}
    all_full = Result.joined(list(full.values()), "all") if full else None
    return {
        "transcript": name,
        "model": MODEL,
        "conversations": len({one.conversation for one in results}),
        "strategies": [Result.joined(group, "all").as_json(all_full) for group in grouped.values()],
        "by_conversation": [one.as_json(full.get(one.conversation)) for one in results],
    }


def print_replay(console: Console, name: str, results: Sequence[Result]) -> None:
    """The table of strategies, what turnfold did with each conversation, where tokens went."""
    grouped = by_strategy(results)
    joined = {key: Result.joined(group, "all") for key, group in grouped.items()}
    conversations = len({one.conversation for one in results})
    turns = len(next(iter(joined.values())).turns)
    console.print(f"{name}: {_count(conversations, 'conversation')}, {_count(turns, 'turn')}")
    console.print()
    console.print(strategy_table(console, list(joined.values()), joined.get("full")))
    mine = grouped.get("turnfold", [])
    if len(mine) > 1:
        full = {one.conversation: one for one in grouped.get("full", ())}
        table = plain_table(console, "turnfold, by conversation", *_COLUMNS)
        for one in mine:
            table.add_row(*_row(one.conversation, one, full.get(one.conversation)))
        console.print()
        console.print(table)
    print_parts(console, list(joined.values()))
    print_remarks(console, list(joined.values()))


# A terminal of 80 columns has room for just these.
_COLUMNS = (
    "strategy",
    "refused",
    "input\ntokens",
    "a turn",
    "of\nfull",
    "$ not\ncached",
    "$\ncached",
    "found",
    "prompt",
)


def strategy_table(console: Console, results: Sequence[Result], full: Result | None) -> Table:
    """One row a strategy."""
    table = plain_table(console, "", *_COLUMNS)
    for one in results:
        table.add_row(*_row(one.title, one, full))
    return table


def print_parts(console: Console, results: Sequence[Result]) -> None:
    """Where the input tokens of strategies with memory went."""
    table = plain_table(
        console,
        "where the input tokens went",
        *("strategy", "system", "summary", "recalled", "window", "summarizer", "in all"),
    )
    with_shares = console.width >= ROOMY
    for one in results:
        if (parts := one.parts) is not None:
            whole = max(one.input_tokens, 1)
            cells = [
                f"{n:,} ({n / whole:.0%})" if with_shares else f"{n:,}"
                for n in parts.as_json().values()
            ]
            table.add_row(one.title, *cells, f"{one.input_tokens:,}")
    if table.row_count:
        console.print()
        console.print(table)


def print_remarks(console: Console, results: Sequence[Result]) -> None:
    """How to read the tables, what the store held already, and what did not work."""
    console.print()
    console.print(
        "refused: requests the API would not take. input tokens: all that was sent, cached or "
        "not, the summarizer's included; of full: in parts of full history. $: list prices of "
        f"{MODEL} and of the summarizer; questions are not part of it. found: how much of what "
        "the questions need stood in the prompt; prompt: its mean size at four characters a "
        "token. Answers and summaries come from a stand-in for the API that only copies sentences."
    )
    for one in results:
        if one.strategy == "turnfold":
            console.print(
                f"summaries: {one.summaries_written} written in this run, "
                f"{one.summaries_found} found in the store"
            )
        for reason in one.refusals:
            console.print(f"{one.title}: refused: {reason}")
        for reason in one.degraded:
            console.print(f"{one.title}: degraded: {reason}")


def _row(name: str, one: Result, full: Result | None) -> Sequence[str]:
    part = ratio(one, full)
    found, size = one.evidence, one.evidence_tokens
    return (
        name,
        f"{one.refused:,} of {one.requests:,}",
        f"{one.input_tokens:,}",
        f"{one.tokens_per_turn:,.0f}",
        "" if part is None else f"{part:.3f}",
        f"{one.dollars(cached=False):.2f}",
        f"{one.dollars():.2f}",
        "" if found is None else f"{found:.1%}",
        "" if size is None else f"{size:,.0f}",
    )


def plain_table(console: Console, title: str, first: str, *others: str) -> Table:
    """An empty table: its first column to the left, the others to the right."""
    table = Table(
        title=title or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0) if console.width >= ROOMY else 0,
    )
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
