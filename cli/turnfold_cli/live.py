"""The demo as it runs: redrawn in a terminal, told line by line elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from turnfold_cli.agents.provider import SIMULATED
from turnfold_cli.demo import Answered, Frame, estimate_dollars, real_questions
from turnfold_cli.rendering import ROOMY, plain_table, print_parts, print_remarks, strategy_table
from turnfold_cli.replay_results import Result
from turnfold_cli.transcripts import Conversation

_BARS = " ▁▂▃▄▅▆▇█"
_SPARK = 48
_BESIDE = 46  # what stands beside the sparkline
_NEWS = 6
_ASKED = "are the words the answer needs in the prompt?"
_TOLD_EVERY = 20


class Show(Protocol):
    """Shown each frame."""

    def __call__(self, frame: Frame, /) -> None:
        """Show it."""
        ...


def print_opening(console: Console, conversation: Conversation) -> None:
    """What is about to be shown, and with what."""
    turns = sum(1 for _ in conversation.turns())
    told = f"{conversation.title}: {turns} {conversation.unit}s"
    console.print(told, style="bold")
    console.print(
        "The real Anthropic SDK, a real store and real embeddings; no key and no network. "
        "Answers come from the transcript. Summaries come from a stand-in that only copies "
        "sentences: with Claude they are better."
    )
    if conversation.is_agent:
        console.print(SIMULATED)
    console.print()


@contextmanager
def shown(console: Console, *, quiet: bool = False) -> Iterator[Show]:
    """Where frames are shown.

    Args:
        console: a terminal is redrawn in place; anything else gets a line now and then.
        quiet: show nothing.
    """
    if quiet:
        yield lambda _: None
        return
    if not console.is_terminal:
        yield lambda frame: _tell(console, frame)
        return
    news: deque[str] = deque(maxlen=_NEWS)
    with Live(console=console, refresh_per_second=12, transient=False) as live:

        def show(frame: Frame) -> None:
            if frame.news:
                news.append(frame.news)
            live.update(_drawn(frame, news, min(_SPARK, console.width - _BESIDE)))

        yield show


def _tell(console: Console, frame: Frame) -> None:
    if frame.asked:
        return
    if frame.news:
        console.print(frame.news)
    if frame.turn % _TOLD_EVERY == 0 or frame.turn == frame.turns:
        sent = ", ".join(f"{name} {n[-1]:,}" for name, n in frame.sent.items())
        console.print(f"{frame.unit} {frame.turn} of {frame.turns}, tokens sent: {sent}")


def _drawn(frame: Frame, news: Sequence[str], width: int) -> RenderableType:
    most = max(max(sizes, default=0) for sizes in frame.sent.values()) or 1
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("tokens sent", no_wrap=True)
    table.add_column("", no_wrap=True, width=width)
    table.add_column(f"this {frame.unit}", justify="right")
    table.add_column("in all", justify="right")
    for name, sizes in frame.sent.items():
        style = "bold green" if name == "turnfold" else ""
        table.add_row(
            name,
            Text(sparkline(sizes, frame.turns, most, width), style=style or "cyan"),
            f"{sizes[-1]:,}",
            f"{sum(sizes):,}",
            style=style,
        )
    where = f"{frame.unit} {frame.turn} of {frame.turns}"
    if frame.asked:
        where += f", question {frame.asked}"
    bar = ProgressBar(total=frame.turns, completed=frame.turn, width=width)
    return Group(Text(where), bar, Text(), table, Text(), *(Text(one, "dim") for one in news))


def sparkline(sizes: Sequence[int], turns: int, most: int, width: int) -> str:
    """Sizes as a line of bars, `width` wide once all turns are there.

    Args:
        sizes: of the turns so far.
        turns: how many there will be.
        most: the size of a full bar.
        width: in characters.
    """
    bars = []
    for column in range(min(width, turns)):
        start = column * turns // min(width, turns)
        end = max(start + 1, (column + 1) * turns // min(width, turns))
        part = sizes[start:end]
        if not part:
            break
        mean = sum(part) / len(part)
        bars.append(_BARS[max(1, round(mean / most * (len(_BARS) - 1)))])
    return "".join(bars)


def print_questions(console: Console, results: Sequence[Result]) -> None:
    """One row a question: whether the words its answer needs were in the prompt."""
    if not results[0].asked:
        return
    names = [one.title.replace(" ", "\n") for one in results]
    table = plain_table(
        console, "are the words the answer needs in the prompt?", "question", *names
    )
    for column in table.columns[1:]:
        column.justify = "center"
    # What is left beside the marks, each as wide as the longest word above it.
    gap = 2 if console.width >= ROOMY else 1
    room = console.width - sum(max(map(len, name.split("\n"))) + gap for name in names) - gap
    for row in zip(*(one.asked for one in results), strict=True):
        marks = [Text("✓", "green") if asked.share == 1 else Text("✗", "red") for asked in row]
        table.add_row(shorten(row[0].text, room), *marks)
    counts = [f"{sum(asked.share == 1 for asked in one.asked)}" for one in results]
    table.add_section()
    table.add_row(f"of {len(results[0].asked)} questions", *counts, style="bold")
    console.print()
    console.print(table)


def shorten(text: str, most: int) -> str:
    """The text, or its beginning where it has more than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def print_bill(console: Console, results: Sequence[Result]) -> None:
    """What each strategy sent and cost, and where it went."""
    full = next((one for one in results if one.strategy == "full"), None)
    console.print()
    console.print(strategy_table(console, results, full))
    print_parts(console, results)
    print_remarks(console, results)


def print_answer(console: Console, one: Answered) -> None:
    """What Claude said, beside what was expected."""
    console.print(Text(one.question, "bold"))
    console.print(f"  expected: {one.expected}")
    console.print(f"  Claude:   {one.answer}")


def offer(conversation: Conversation, mine: Result) -> str:
    """What asking Claude would be, and about what it would cost."""
    return (
        f"{real_questions(conversation)} of these questions can be put to Claude, with memory of "
        f"the whole conversation, for about ${estimate_dollars(conversation, mine):.2f} at list "
        "prices."
    )
