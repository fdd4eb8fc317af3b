"""A step of work by hand goes in; it has a thread of its own, whatever else is slow or hangs."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import anyio
import anyio.to_thread

from turnfold.resilience.signals import signal
from turnfold.resilience.worker_threads import NoThread

_Done = TypeVar("_Done")


async def to_its_end(step: Callable[[], _Done]) -> _Done:
    """Take a step that changes memory, while the event loop goes on.

    It begins at once, and is not given up with who waits for it; nor does it take one of the
    threads that the application has.
    """
    return await anyio.to_thread.run_sync(step, limiter=anyio.CapacityLimiter(1))


async def in_own_thread(step: Callable[[], _Done]) -> _Done:
    """Take a step that may hang, while the event loop goes on. Who is cancelled leaves it behind.

    The thread is a daemon: it holds up no interpreter that exits.

    Raises:
        NoThread: none could be made.
        BaseException: whatever it raised.
    """
    there, wake = signal()
    outcome: Future[_Done] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.set_result(context.run(step))
        except BaseException as wrong:  # noqa: BLE001 - carried over to whoever waits
            outcome.set_exception(wrong)
        wake()

    try:
        threading.Thread(target=work, name="turnfold-step", daemon=True).start()
    except RuntimeError as wrong:  # too many threads, or the interpreter is about to exit
        raise NoThread(f"no thread could be had: {wrong}") from None
    await there()
    return outcome.result()
