"""Numbers go in; SVG comes out, drawn in the colours of the page that it stands in.

Colours are CSS variables (`--s0` to `--s11`, `--ink`, `--faint`), so that one drawing serves light
and dark. A drawing is 440 units wide: two fit beside each other, one fits a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 40
_MOST_POINTS = 160
COLOURS = 12

Form = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """Values over 1, 2, 3, ..., or over places of its own.

    Attributes:
        title: told where the pointer rests.
        colour: 0 to 11.
        values: the heights.
        places: where each stands; None for 1, 2, 3, ...
        strong: whether it is drawn thicker, in front.
    """

    title: str
    colour: int
    values: Sequence[float]
    places: Sequence[float] | None = None
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A numbered point; `best` ones are joined by a line."""

    title: str
    colour: int
    label: str
    x: float
    y: float
    strong: bool = False
    best: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale: what it says, how its numbers are written, and whether it is logarithmic."""

    title: str
    form: Form
    log: bool = False
    least: float | None = None
    most: float | None = None


def lines(title: str, across: Axis, up: Axis, drawn: Sequence[Line]) -> str:
    """A line for each series."""
    thinned = [_thinned(one) for one in drawn]
    xs = [x for one in thinned for x, _ in one]
    ys = [y for one in thinned for _, y in one]
    if not xs:
        return ""
    plot = _Plot(title, across, up, xs, ys)
    order = sorted(range(len(drawn)), key=lambda n: drawn[n].strong)
    paths = []
    for n in order:
        one = drawn[n]
        points = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in thinned[n])
        width = 2.6 if one.strong else 1.4
        paths.append(
            f'<polyline points="{points}" fill="none" stroke="var(--s{one.colour % COLOURS})" '
            f'stroke-width="{width}" stroke-linejoin="round"><title>{escape(one.title)}</title>'
            "</polyline>"
        )
    return plot.drawn("".join(paths))


def marks(title: str, across: Axis, up: Axis, drawn: Sequence[Mark]) -> str:
    """A numbered point for each strategy, the best joined."""
    if not drawn:
        return ""
    plot = _Plot(title, across, up, [one.x for one in drawn], [one.y for one in drawn])
    best = sorted((one.x, one.y) for one in drawn if one.best)
    path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in best)
    parts = [f'<polyline points="{path}" class="best"/>'] if len(best) > 1 else []
    for one in sorted(drawn, key=lambda one: one.strong):
        x, y = plot.x(one.x), plot.y(one.y)
        radius = 10 if one.strong else 8
        parts.append(
            f'<g><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" '
            f'fill="var(--s{one.colour % COLOURS})" class="mark"/>'
            f'<text x="{x:.1f}" y="{y + 3.5:.1f}" class="number">{escape(one.label)}</text>'
            f"<title>{escape(one.title)}</title></g>"
        )
    return plot.drawn("".join(parts))


class _Plot:
    """Where numbers stand on the drawing, with its axes."""

    def __init__(
        self, title: str, across: Axis, up: Axis, xs: Sequence[float], ys: Sequence[float]
    ) -> None:
        self._title = title
        self._axes = across, up
        self._x = _Scale(across, xs, _LEFT, WIDTH - _RIGHT)
        self._y = _Scale(up, ys, HEIGHT - _BOTTOM, _TOP)

    def x(self, value: float) -> float:
        return self._x.at(value)

    def y(self, value: float) -> float:
        return self._y.at(value)

    def drawn(self, inside: str) -> str:
        across, up = self._axes
        parts = [f'<text x="{_LEFT}" y="14" class="title">{escape(self._title)}</text>']
        for tick in self._y.ticks:
            y = self._y.at(tick)
            parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            text = escape(up.form(tick))
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{text}</text>')
        for tick in self._x.ticks:
            x = self._x.at(tick)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
            text = escape(across.form(tick))
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 24}" class="middle">{text}</text>')
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(
            f'<text x="{middle}" y="{HEIGHT - 6}" class="middle axis">{escape(across.title)}</text>'
        )
        label = escape(f"{self._title}: {up.title} by {across.title}")
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
            f"{''.join(parts)}{inside}</svg>"
        )


class _Scale:
    """Numbers of an axis to places on the drawing."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        self._log = axis.log
        least = min(values) if axis.least is None else axis.least
        most = max(values) if axis.most is None else axis.most
        if axis.log:
            least, most = max(least, 1e-9) / 1.15, max(most, 1e-9) * 1.15
        elif most <= least:
            most = least + 1
        self.ticks = _decades(least, most) if axis.log else _steps(least, most)
        if not axis.log:
            most = max(most, self.ticks[-1])
        self._least, self._most = self._of(least), self._of(most)
        self._start, self._end = start, end

    def _of(self, value: float) -> float:
        return math.log(max(value, 1e-12)) if self._log else value

    def at(self, value: float) -> float:
        share = (self._of(value) - self._least) / (self._most - self._least)
        return self._start + share * (self._end - self._start)


def _steps(least: float, most: float) -> list[float]:
    """Round numbers, some four or five, from the least to at least the most."""
    raw = (most - least) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= raw * 0.999)
    first = math.ceil(least / step - 1e-9)
    last = math.floor(most / step + 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _decades(least: float, most: float) -> list[float]:
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [n * 10.0**power for power in powers for n in steps]
        found = [one for one in found if least <= one <= most]
        if len(found) >= 3:
            return found if len(found) <= 7 else found[:: math.ceil(len(found) / 7)]
    return found or [least, most]


def _thinned(one: Line) -> list[tuple[float, float]]:
    places = one.places or range(1, len(one.values) + 1)
    pairs = [(float(x), float(y)) for x, y in zip(places, one.values, strict=True)]
    every = max(1, len(pairs) // _MOST_POINTS)
    kept = pairs[::every]
    return kept if not pairs or kept[-1] == pairs[-1] else [*kept, pairs[-1]]
