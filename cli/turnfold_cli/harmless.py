"""Text that somebody else wrote goes in; text that steers no terminal comes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_C1 = range(0x7F, 0xA0)  # DEL, and what an escape and a letter stand for elsewhere
_STEERING = dict.fromkeys(one for one in (*range(0x20), *_C1) if one not in b"\t\n")
_IN_JSON = {one: f"\\u{one:04x}" for one in _C1}


def harmless(text: str) -> str:
    """The text without control characters, but for line ends and tabs."""
    return text.translate(_STEERING)


def harmless_json(text: str) -> str:
    """JSON that says the same without a control character: it escapes the first 32 itself."""
    return text.translate(_IN_JSON)


class HarmlessConsole(Console):
    """A console that shows all text without markup, and without what steers a terminal."""

    def __init__(self, **options: Any) -> None:
        """Args:
        **options: of rich's console.
        """
        super().__init__(markup=False, emoji=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What is written; rich's own steering is marked as such."""
        for one in super().render(renderable, options):
            yield one if one.control else one._replace(text=harmless(one.text))
