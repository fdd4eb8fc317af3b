"""Every error turnfold raises on purpose descends from `TurnfoldError`."""

from __future__ import annotations


class TurnfoldError(Exception):
    """The base of all errors raised by turnfold."""


class MissingDependency(TurnfoldError, ImportError):  # noqa: N818 - the name is public
    """A feature needs a package that is not installed."""

    def __init__(self, package: str, *, extra: str, feature: str) -> None:
        """Args:
        package: the package that could not be imported.
        extra: the extra of turnfold that brings it.
        feature: what needs it, as the subject of a sentence.
        """
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'turnfold[{extra}]'"
        )
        self.package = package
        self.extra = extra


class StoreError(TurnfoldError):
    """A store could not do what it was asked."""


class InvalidValue(StoreError, ValueError):  # noqa: N818 - as the others
    """A store was given what none can keep; nothing is wrong with the store."""


class StoreUnavailable(StoreError):  # noqa: N818 - the name is public
    """A store cannot be opened or reached now; nothing is wrong with what it holds."""


class StoreCorrupt(StoreError):  # noqa: N818 - the name is public
    """What a store holds cannot be read."""


def is_failure(error: BaseException) -> bool:
    """Whether it says that something failed, and not that somebody wishes to stop.

    A panic of Rust code comes as a BaseException of a class that each extension has of its own.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


class SchemaMismatch(StoreError):  # noqa: N818 - the name is public
    """A store was made with another layout or another embedding model."""
