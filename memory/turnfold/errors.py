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
]


class PolicyError(TurnfoldError, ValueError):
    """A setting is out of range or contradicts another."""


class TranscriptError(TurnfoldError, ValueError):
    """A message list cannot be read."""


class SummaryError(TurnfoldError):
    """The summarizer gave nothing that may stand for the turns it was shown."""


class EmbedderError(TurnfoldError):
    """Texts could not be turned into vectors."""
