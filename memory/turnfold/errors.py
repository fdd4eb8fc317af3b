"""The errors a caller may meet. Those of the stores are raised one floor below."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from turnfold_stores.errors import (
    InvalidValue,
    MissingDependency,
    SchemaMismatch,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TurnfoldError,
)

from turnfold.accounting.prices import Usage

__all__ = [
    "EmbedderError",
    "InvalidValue",
    "MissingDependency",
    "PolicyError",
    "SchemaMismatch",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "SummaryError",
    "TranscriptError",
    "TurnfoldError",
    "as_turnfold_error",
    "failure",
    "is_of_a_value",
    "shown",
]

# Characters of a value that an error shows: whoever gave it knows it, a model pays for it.
_SHOWN = 120

# Loops and workers that stop their tasks with a BaseException of their own, where they are used.
_STOPS_OF = {
    "trio": ("Cancelled",),
    "greenlet": ("GreenletExit",),
    "gevent": ("Timeout",),
    "eventlet": ("Timeout",),
}
_STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


class PolicyError(TurnfoldError, ValueError):
    """A setting is out of range or contradicts another."""


class TranscriptError(TurnfoldError, ValueError):
    """A message list cannot be read."""


class SummaryError(TurnfoldError):
    """The summarizer gave nothing that may stand for the turns it was shown.

    Attributes:
        usage: what its answer cost all the same, an `accounting.prices.Usage`; None for unknown.
        model: the model that answered; "" for unknown.
    """

    usage: Usage | None = None
    model: str = ""

    @classmethod
    def about(cls, message: Mapping[str, Any], wrong: str) -> SummaryError:
        """What is wrong with a Messages API response, which was paid for."""
        error = cls(wrong)
        error.usage = Usage.from_api(message.get("usage"))
        error.model = str(message.get("model", ""))
        return error


class EmbedderError(TurnfoldError):
    """Texts could not be turned into vectors."""


def as_turnfold_error(wrong: Exception, what: str) -> TurnfoldError:
    """An error of ours with no other behind it.

    An error of the SDK that leaves a middleware makes the SDK send the request again, as the
    cause of another error too.
    """
    ours = wrong if isinstance(wrong, TurnfoldError) else None
    if ours is None:
        ours = TurnfoldError(f"{what}: {type(wrong).__name__}: {wrong}")
    ours.__cause__ = ours.__context__ = None
    return ours


def failure(wrong: BaseException) -> Exception:
    """What a part of memory raised, as an error. The one place that says what is a failing part.

    A library in Rust or C++ that panics raises what is no Exception, and is a failing part like
    any other. What asks the program, or the task, to stop is none: it is raised again.

    Args:
        wrong: what was caught.

    Raises:
        BaseException: `wrong` itself, where it asks to stop.
    """
    if isinstance(wrong, Exception):
        return wrong
    if _is_stop(wrong):
        raise wrong
    return TurnfoldError(f"{type(wrong).__name__}: {wrong}")


# Raised for a value that is as it should not be. Some errors of the wire are also ones of a value.
_OF_A_VALUE = (
    *(ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, AssertionError, RecursionError),
)


def is_of_a_value(wrong: Exception) -> bool:
    """Whether an error tells of whoever brought a value, and not of the part that was given it."""
    return isinstance(wrong, _OF_A_VALUE) and not isinstance(wrong, OSError)


def shown(value: object) -> str:
    """A value as an error shows it: what is long is cut."""
    text = repr(value)
    more = len(text) - _SHOWN
    return text if more <= 0 else f"{text[:_SHOWN]}… ({more:,} more characters)"


def _is_stop(wrong: BaseException) -> bool:
    if isinstance(wrong, BaseExceptionGroup):
        return any(map(_is_stop, wrong.exceptions))
    if isinstance(wrong, _STOPS):
        return True
    found = (
        getattr(sys.modules.get(name), stop, None)
        for name, stops in _STOPS_OF.items()
        for stop in stops
    )
    return isinstance(wrong, tuple(one for one in found if isinstance(one, type)))
