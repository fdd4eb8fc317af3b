"""The errors a caller may meet. Those of the stores are raised one floor below."""

from __future__ import annotations

from turnfold_stores.errors import (
    MissingDependency,
    SchemaMismatch,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TurnfoldError,
)

__all__ = [
    "EmbedderError",
    "MissingDependency",
    "PolicyError",
    "SchemaMismatch",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "SummaryError",
    "TranscriptError",
    "TurnfoldError",
    "clean",
]


class PolicyError(TurnfoldError, ValueError):
    """A setting is out of range or contradicts another."""


class TranscriptError(TurnfoldError, ValueError):
    """A message list cannot be read."""


class SummaryError(TurnfoldError):
    """The summarizer gave nothing that may stand for the turns it was shown."""


class EmbedderError(TurnfoldError):
    """Texts could not be turned into vectors."""


def clean(wrong: Exception, what: str) -> TurnfoldError:
    """An error of ours with no other behind it.

    An error of the SDK that leaves a middleware makes the SDK send the request again, as the
    cause of another error too.
    """
    ours = wrong if isinstance(wrong, TurnfoldError) else None
    if ours is None:
        ours = TurnfoldError(f"{what}: {type(wrong).__name__}: {wrong}")
    ours.__cause__ = ours.__context__ = None
    return ours
