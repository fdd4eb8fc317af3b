"""A bound on CPU time, for what would otherwise take hours: a test that fails instead of hanging.

Work inside `re` is no call of Python's and cannot be counted; it looks for signals now and then.
"""

import signal
from contextlib import contextmanager


@contextmanager
def at_most(seconds):
    """Raises AssertionError in the main thread once the process has used so much CPU time."""

    def stop(*_):
        raise AssertionError(f"not done in {seconds} seconds of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
