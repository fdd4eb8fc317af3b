"""A task of an event loop waits; a thread, or another task, says that it may go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio


def signal() -> tuple[Callable[[], Awaitable[object]], Callable[[], None]]:
    """What is waited for on the running event loop, and what says, in any thread, that it is there.

    It may be waited for again by who gave up waiting for it: nothing of that is left on the loop.
    """
    if on_asyncio():
        loop = asyncio.get_running_loop()
        there: asyncio.Future[None] = loop.create_future()

        def come() -> None:
            if not there.done():
                there.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(come)

        # Whoever is cancelled cancels the future that they wait for.
        return partial(asyncio.shield, there), wake
    import trio

    event, token = trio.Event(), trio.lowlevel.current_trio_token()

    def wake_trio() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(event.set)

    return event.wait, wake_trio


async def wait_and_look(
    there: Callable[[], Awaitable[object]], every: float, look: Callable[[], None]
) -> None:
    """Wait for what `signal` gives to wait for, and see after something meanwhile.

    Args:
        there: what is waited for.
        every: seconds from one look to the next.
        look: what it raises is raised here.
    """
    while True:
        with anyio.move_on_after(every):
            await there()
            return
        look()


def on_asyncio() -> bool:
    """Whether the running event loop is asyncio's; tasks can be left on it, on trio they cannot."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
