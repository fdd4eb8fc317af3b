"""A receipt goes in; a line in the log and attributes on the trace span of the call come out."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any

from turnfold.accounting.receipt import Receipt

logger = logging.getLogger("turnfold.receipt")


def span_of(response: object) -> Any:
    """The trace span of the API call that a response answers, which is the current one; else None.

    The SDK makes one unless the client's `open_telemetry`, or the environment, says not to. Then
    nothing of OpenTelemetry is called here either. What is not of the SDK does not say, so it has
    none. A tracer that fails costs the span, and nothing else.
    """
    options = getattr(getattr(response, "_client", None), "open_telemetry", None)
    trace = sys.modules.get("opentelemetry.trace")  # a program that traces has loaded it
    with suppress(Exception):
        if trace is not None and options is not None and options["traces"]["enabled"]:
            return trace.get_current_span()
    return None


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
    if span is not None:
        with suppress(Exception):  # a tracer that fails costs the figures on its span
            if span.is_recording():
                span.set_attributes(_attributes(receipt))


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
