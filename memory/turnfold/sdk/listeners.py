"""Whoever wants receipts comes in; each is called by itself, and what it raises stays its own."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio

from turnfold.accounting.receipt import Receipt
from turnfold.errors import TurnfoldError, failure, shown
from turnfold.resilience.worker_threads import NoThread, WorkerThreads
from turnfold.sdk.attempt_effects import Tell
from turnfold.sdk.deadline import Deadline
from turnfold.summarizers.driver import Script

logger = logging.getLogger("turnfold")

OnReceipt = Callable[[Receipt], object]


def check_listener(listener: object, client: object = None) -> None:
    """Refuse what cannot be called with receipts.

    Args:
        listener: as `on_receipt` was given; None for nobody.
        client: whose receipts they are; None where that is not known yet.

    Raises:
        TurnfoldError: it cannot be called, or is awaited where nobody can.
    """
    if listener is None:
        return
    if not callable(listener):
        raise TurnfoldError(f"on_receipt={shown(listener)} must be a function of a Receipt")
    if client is not None and not hasattr(client, "__aenter__") and _is_async(listener):
        raise TurnfoldError(
            f"on_receipt={shown(listener)} is awaited, and the client is a sync one: give it a "
            "function that is not async, or take AsyncAnthropic"
        )


def tell(listener: OnReceipt, receipt: Receipt, limit: Deadline) -> Script[None]:
    """Tell one of them; it is code of the caller's, so nothing it raises is memory's fault."""
    try:
        yield Tell(partial(listener, receipt), limit)
    except BaseException as raised:
        wrong = failure(raised)
        name = getattr(listener, "__qualname__", type(listener).__name__)
        told = f"{type(wrong).__name__}: {wrong}".partition("\n")[0]
        logger.warning("on_receipt failed (%s): %s", name, told, exc_info=wrong)


def run(step: Callable[[], object]) -> object:
    """Run a step of the caller's in this thread.

    Raises:
        TurnfoldError: it wants to be awaited.
    """
    told = step()
    if inspect.isawaitable(told):
        if inspect.iscoroutine(told):
            told.close()
        raise TurnfoldError("it wants to be awaited, and the client is a sync one")
    return told


async def run_async(step: Callable[[], object], limit: Deadline, threads: WorkerThreads) -> object:
    """Run a step of the caller's: on the loop what is awaited, in a thread what may block.

    Raises:
        TurnfoldError: it did not come back in time, or no thread was free for it.
    """
    told = step() if _is_async(step) else await _in_thread(step, limit, threads)
    if inspect.isawaitable(told):
        told = await _in_time(told, limit)
    return told


async def _in_thread(step: Callable[[], object], limit: Deadline, threads: WorkerThreads) -> object:
    try:
        return await threads.do_async(step, limit.left)
    except NoThread as full:
        if full.hangs:
            raise
    return step()  # the process has as many threads as it may have


async def _in_time(told: Awaitable[Any], limit: Deadline) -> object:
    with anyio.move_on_after(limit.left) as scope:
        return await told
    assert scope.cancelled_caught
    raise TurnfoldError(f"it was not done within {limit.seconds:g} s")


def _is_async(listener: Any) -> bool:
    """Whether calling it makes a coroutine, and does nothing else."""
    while isinstance(listener, partial):
        listener = listener.func
    if inspect.iscoroutinefunction(listener):
        return True
    return callable(listener) and inspect.iscoroutinefunction(type(listener).__call__)
