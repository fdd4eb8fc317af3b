"""How a command ends when something is wrong: one clear line, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from turnfold import TurnfoldError
from turnfold.errors import EmbedderError, MissingDependency

from turnfold_cli import rendering

FAILED = 1
BAD_INPUT = 2


@contextmanager
def told() -> Iterator[None]:
    """Errors of ours end the command with one clear line and an exit code."""
    try:
        yield
    except (MissingDependency, EmbedderError) as wrong:
        rendering.complain(str(wrong))
        raise typer.Exit(FAILED) from None
    except TurnfoldError as wrong:
        rendering.complain(str(wrong))
        raise typer.Exit(BAD_INPUT) from None
