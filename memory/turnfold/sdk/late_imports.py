"""What the SDK imports at its first request is imported before that, where no fork can cut it."""

import sys
from contextlib import suppress

from turnfold_stores.process.fork import importing


def import_propagators() -> None:
    """Import what writes a trace's headers, if OpenTelemetry is there.

    The SDK does so amid its first request. A process forked just then has a child in which every
    request waits for good, for an import that went on in a thread of its parent.
    """
    if "opentelemetry.trace" not in sys.modules:
        return
    # The SDK passes over whatever is wrong with them, and says so.
    with importing, suppress(Exception):
        import opentelemetry.propagate  # noqa: F401
