"""A receipt goes in; a line in the log and attributes on the current trace span come out."""

from __future__ import annotations

import logging
import sys
from typing import Any

from turnfold.accounting.receipt import Receipt

logger = logging.getLogger("turnfold.receipt")


def current_span() -> Any:
    """The trace span of the request, where the program traces with OpenTelemetry; else None.

    Inside a middleware that is the SDK's own span of the API call.
    """
    trace = sys.modules.get("opentelemetry.trace")  # a program that traces has loaded it
    return None if trace is None else trace.get_current_span()


def report(receipt: Receipt, span: Any) -> None:
    """Tell of a receipt, at INFO; what went wrong has been warned of where it did.

    The span gets the figures as `turnfold.*` attributes. No text of the conversation leaves
    this way.
    """
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            "turn %d: sent %d of %d tokens, %d exchanges in memory, %d folded, %d recalled%s",
            receipt.turn,
            receipt.tokens.sent,
            receipt.tokens.full,
            receipt.in_memory,
            receipt.folded,
            len(receipt.hits),
            "; degraded: " + "; ".join(receipt.degraded) if receipt.degraded else "",
        )
    if span is not None and span.is_recording():
        for name, value in _attributes(receipt).items():
            span.set_attribute(name, value)


def _attributes(receipt: Receipt) -> dict[str, int | float | str | list[str]]:
    attributes: dict[str, int | float | str | list[str]] = {
        "turnfold.turn": receipt.turn,
        "turnfold.conversation": receipt.conversation,
        "turnfold.in_memory": receipt.in_memory,
        "turnfold.folded": receipt.folded,
        "turnfold.fold_reason": receipt.fold_reason,
        "turnfold.hits": len(receipt.hits),
        "turnfold.tokens.sent": receipt.tokens.sent,
        "turnfold.tokens.full": receipt.tokens.full,
        "turnfold.tokens.fixed": receipt.tokens.fixed,
        "turnfold.tokens.summary": receipt.tokens.summary,
        "turnfold.tokens.recalled": receipt.tokens.recalled,
        "turnfold.tokens.window": receipt.tokens.window,
        "turnfold.cache.read": receipt.usage.cache_read,
        "turnfold.cache.written": receipt.usage.cache_write_5m + receipt.usage.cache_write_1h,
        "turnfold.cache.missed": receipt.cache_missed,
        "turnfold.degraded": list(receipt.degraded),
    }
    if receipt.cost is not None:
        attributes["turnfold.cost"] = receipt.cost
    if receipt.saved is not None:
        attributes["turnfold.saved"] = receipt.saved
    if receipt.estimate_error is not None:
        attributes["turnfold.estimate_error"] = receipt.estimate_error
    for step, seconds in receipt.seconds.items():
        attributes[f"turnfold.seconds.{step}"] = seconds
    return attributes
