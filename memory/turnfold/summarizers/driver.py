"""A script goes in, which says step by step what it waits for; it is played, sync or on a loop.

So what memory does stands once, as a generator without `await`, for sync and for async clients
alike: a player waits for each effect in its own way and sends back what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio

from turnfold.errors import failure
from turnfold.summaries.notes import Item, Outcome, SummaryDraft, SummaryJob
from turnfold.summarizers.in_parallel import (
    InThread,
    Judged,
    Several,
    Work,
    ask,
    ask_async,
)
from turnfold.summarizers.reconciling import AsyncReconciler, Reconciler, Supersessions

_T = TypeVar("_T")
Script = Generator[Any, Any, _T]
SummarizeAsync = Callable[[SummaryJob], Awaitable[SummaryDraft]]
Watching = Callable[[], AbstractContextManager[None]]


# --- what a script may wait for -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Do:
    """A step that blocks: it reads or writes a store, or embeds. Sends what it returns."""

    step: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Sleep:
    """Some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Some summaries, several at once; each is handed to the work as it comes."""

    work: Work
    jobs: Sequence[SummaryJob]


@dataclass(frozen=True, slots=True)
class Compare:
    """Which of some items no longer hold. Sends the answer, or the error that came instead."""

    items: Sequence[Item]


def once(effect: object) -> Script[Any]:
    """The script that waits for one effect, and returns what came of it."""
    return (yield effect)


# --- players ------------------------------------------------------------------------------------


def play(script: Script[_T], perform: Callable[[Any], Any]) -> _T:
    """Play a script in this thread.

    Args:
        script: what it raises is raised here.
        perform: waits for one effect; what it raises is raised in the script.
    """
    go_on = partial(script.send, None)
    while True:
        try:
            effect = go_on()
        except StopIteration as end:
            result: _T = end.value
            return result
        try:
            go_on = partial(script.send, perform(effect))
        except BaseException as error:  # noqa: BLE001 - it is the script's to deal with
            go_on = partial(script.throw, error)


async def play_on_loop(script: Script[_T], perform: Callable[[Any], Awaitable[Any]]) -> _T:
    """The same on an event loop; a cancellation is raised in the script, too."""
    go_on = partial(script.send, None)
    while True:
        try:
            effect = go_on()
        except StopIteration as end:
            result: _T = end.value
            return result
        try:
            go_on = partial(script.send, await perform(effect))
        except BaseException as error:  # noqa: BLE001 - as above
            go_on = partial(script.throw, error)


class Player:
    """Plays scripts that ask for summaries, in the thread it is called in."""

    def __init__(
        self,
        summarize: Callable[[SummaryJob], SummaryDraft],
        several: Several | None = None,
        *,
        watching: Watching = nullcontext,
        judged: Judged = bool,
    ) -> None:
        """Args:
        summarize: asked for summaries; what it raises is an answer, too.
        several: takes some steps at once; None for one after the other.
        watching: entered while it is asked for one.
        judged: told what each answer was worth.
        """
        self._watching = watching
        self._judged = judged
        self._summarize = summarize
        self._several = several

    @property
    def compares(self) -> bool:
        """Whether the summarizer can compare items."""
        return isinstance(self._summarize, Reconciler)

    def play(self, script: Script[_T]) -> _T:
        """Play a script; what it raises is raised here."""
        return play(script, self.perform)

    def perform(self, effect: object) -> Any:
        """Wait for an effect; what came of it."""
        match effect:
            case Do(step):
                return step()
            case Sleep(seconds):
                return time.sleep(seconds)
            case Ask(work, jobs):
                return ask(work, jobs, self._outcome, judged=self._judged, several=self._several)
            case Compare(items):
                return self._compared(items)
        raise TypeError(f"no effect: {effect!r}")

    def _outcome(self, job: SummaryJob) -> Outcome:
        try:
            with self._watching():
                return self._summarize(job)
        except BaseException as wrong:  # noqa: BLE001 - nothing of a summarizer reaches the user
            return failure(wrong)

    def _compared(self, items: Sequence[Item]) -> Supersessions | Exception:
        try:
            assert isinstance(self._summarize, Reconciler)
            return self._summarize.reconcile(items)
        except BaseException as wrong:  # noqa: BLE001 - as above
            return failure(wrong)


class LoopPlayer:
    """The same on an event loop; steps that block are taken in threads."""

    def __init__(
        self,
        summarize: SummarizeAsync,
        in_thread: InThread,
        *,
        watching: Watching = nullcontext,
        judged: Judged = bool,
    ) -> None:
        """Args:
        summarize: asked for summaries; what it raises is an answer, too.
        in_thread: takes a step that blocks.
        watching: entered while it is asked for one.
        judged: told what each answer was worth.
        """
        self._watching = watching
        self._judged = judged
        self._summarize = summarize
        self._in_thread = in_thread

    @property
    def compares(self) -> bool:
        """Whether the summarizer can compare items."""
        return isinstance(self._summarize, AsyncReconciler)

    async def play(self, script: Script[_T]) -> _T:
        """Play a script; what it raises is raised here."""
        return await play_on_loop(script, self.perform)

    async def perform(self, effect: object) -> Any:
        """Wait for an effect; what came of it."""
        match effect:
            case Do(step):
                return await self._in_thread(step)
            case Sleep(seconds):
                return await anyio.sleep(seconds)
            case Ask(work, jobs):
                return await ask_async(
                    work, jobs, self._outcome, self._in_thread, judged=self._judged
                )
            case Compare(items):
                return await self._compared(items)
        raise TypeError(f"no effect: {effect!r}")

    async def _outcome(self, job: SummaryJob) -> Outcome:
        try:
            with self._watching():
                return await self._summarize(job)
        except BaseException as wrong:  # noqa: BLE001 - as above
            return failure(wrong)

    async def _compared(self, items: Sequence[Item]) -> Supersessions | Exception:
        try:
            assert isinstance(self._summarize, AsyncReconciler)
            return await self._summarize.reconcile(items)
        except BaseException as wrong:  # noqa: BLE001 - as above
            return failure(wrong)
