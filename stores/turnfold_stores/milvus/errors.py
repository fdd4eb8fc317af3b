"""What Milvus raises as ours, and without what pymilvus prints of it."""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Iterator

from turnfold_stores.errors import StoreCorrupt, StoreError, StoreUnavailable
from turnfold_stores.masking import errors_as
from turnfold_stores.milvus.address import TOKEN, MilvusAddress

_UNAVAILABLE = 2

_QUIET: contextvars.ContextVar[bool] = contextvars.ContextVar("turnfold-milvus", default=False)


@contextlib.contextmanager
def errors_as_ours(address: MilvusAddress) -> Iterator[None]:
    """Turn what fails inside into `StoreError`s that say what to do, without the token."""
    _silence_logger()
    quiet = _QUIET.set(True)
    try:
        with errors_as(lambda error, said: _ours(error, address, said), secret=address.token):
            yield
    finally:
        _QUIET.reset(quiet)


def _ours(error: BaseException, address: MilvusAddress, said: str) -> StoreError:
    code = getattr(error, "code", None)
    if callable(code) or code == _UNAVAILABLE:
        return StoreUnavailable(f"the Milvus server at {address} does not answer ({said})")
    if "auth" in said.lower():
        return StoreUnavailable(
            f"the Milvus server at {address} does not accept the token ({said}): set {TOKEN}, or "
            "write 'user:password@' before the host"
        )
    if address.file is not None:
        return StoreCorrupt(
            f"Milvus failed at {address} ({said}). The ledger is not affected: close the "
            "store and open it again, and the index is rebuilt from the ledger"
        )
    return StoreError(f"Milvus failed at {address} ({said})")


def _silence_logger() -> None:
    """Keep pymilvus from printing, with a traceback, the errors that are raised as ours."""
    for name, logger in list(logging.getLogger().manager.loggerDict.items()):
        theirs = name.partition(".")[0] in ("pymilvus", "milvus_lite")
        if theirs and isinstance(logger, logging.Logger) and _unless_quiet not in logger.filters:
            logger.addFilter(_unless_quiet)


def _unless_quiet(_record: logging.LogRecord) -> bool:
    return not _QUIET.get()
