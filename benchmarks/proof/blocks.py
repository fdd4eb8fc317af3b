"""Tables, charts and text go in; a page of HTML, and one of Markdown, come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Heading:
    """A title within the page."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences in a list; `loud` ones stand out."""

    sentences: Sequence[str]
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """A command."""

    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: at its head.
        form: how a value is written; what is None is left blank.
        numeric: whether it stands right and sorts by number.
    """

    title: str
    form: Callable[[Any], str] = str
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Attributes:
        columns: what they are.
        rows: a value for each column.
        strong: numbers of the rows that stand out.
        caption: what it shows.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    strong: Sequence[int] = ()
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Charts:
    """Drawings beside each other, and what their colours stand for."""

    drawings: Sequence[str]
    legend: Sequence[tuple[str, int, str]] = field(default=())


Block = Heading | Text | Points | Code | Table | Charts


def as_html(title: str, blocks: Sequence[Block]) -> str:
    """One page that needs nothing but itself."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    body = "\n".join(map(_html, blocks))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def as_markdown(title: str, blocks: Sequence[Block]) -> str:
    """The same without drawings."""
    parts = [f"# {title}", *(text for one in blocks if (text := _markdown(one)))]
    return "\n\n".join(parts) + "\n"


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text):
            return f"<p>{escape(text)}</p>"
        case Points(sentences, loud):
            items = "".join(f"<li>{escape(one)}</li>" for one in sentences)
            return f'<ul class="{"loud" if loud else "plain"}">{items}</ul>'
        case Code(text):
            return f"<pre><code>{escape(text)}</code></pre>"
        case Charts():
            return _html_charts(block)
        case Table():
            return _html_table(block)


def _html_charts(block: Charts) -> str:
    figures = "".join(f"<figure>{one}</figure>" for one in block.drawings if one)
    keys = "".join(
        f'<li><span class="key" style="background:var(--s{colour})">{escape(label)}</span>'
        f"{escape(title)}</li>"
        for label, colour, title in block.legend
    )
    legend = f'<ul class="legend">{keys}</ul>' if keys else ""
    return f'<div class="charts">{figures}</div>{legend}'


def _html_table(block: Table) -> str:
    heads = "".join(
        f'<th scope="col"{_side(column)}><button type="button">{escape(column.title)}</button></th>'
        for column in block.columns
    )
    rows = []
    for number, row in enumerate(block.rows):
        cells = []
        for column, value in zip(block.columns, row, strict=True):
            sort = "" if value is None or not column.numeric else f' data-v="{value}"'
            cells.append(f"<td{_side(column)}{sort}>{escape(_written(column, value))}</td>")
        strong = ' class="strong"' if number in block.strong else ""
        rows.append(f"<tr{strong}>{''.join(cells)}</tr>")
    caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
    return (
        f'<div class="table"><table>{caption}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _side(column: Column) -> str:
    return ' class="n"' if column.numeric else ""


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Points(sentences):
            return "\n".join(f"- {one}" for one in sentences)
        case Code(text):
            return f"    {text}"
        case Charts():
            return ""
        case Table():
            return _markdown_table(block)


def _markdown_table(block: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(one.replace('|', '/') for one in cells)} |"

    rows = []
    for number, row in enumerate(block.rows):
        cells = [_written(c, value) for c, value in zip(block.columns, row, strict=True)]
        strong = number in block.strong
        rows.append(line([f"**{one}**" if strong and one else one for one in cells]))
    head = line([column.title for column in block.columns])
    rule = line(["---:" if column.numeric else "---" for column in block.columns])
    caption = [block.caption, ""] if block.caption else []
    return "\n".join([*caption, head, rule, *rows])


def _written(column: Column, value: Any) -> str:
    return "" if value is None else column.form(value)
