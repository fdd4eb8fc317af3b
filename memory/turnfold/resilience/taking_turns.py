"""Those who go on with one thing come in, threads or tasks; each is let in when its turn comes.

Nobody is waited for who cannot come back: a generator that is collected has left, a child made by
fork knows nothing of its parent's turns, and who holds up itself is let in or told so. Whom a
thread or a task waits for amid a stream nobody can tell: who reads on no more while another waits
is overtaken after some seconds.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from turnfold.errors import TurnfoldError
from turnfold.resilience.signals import signal, wait_and_look

# Seconds that a stream may go unread where somebody waits, and how often that is looked at.
_PATIENCE = 2.0
_LOOK = 0.25


class Turn:
    """One turn, which is waited for and then held.

    Attributes:
        is_overtaken: whether whoever held it has begun another one while it was at rest.
    """

    def __init__(self, turns: TakingTurns) -> None:
        self.who: object = None
        self._identify: Callable[[], object] = threading.get_ident
        self.wake: Callable[[], None] = lambda: None
        self.is_resting = False
        self.since = 0.0
        self.is_overtaken = False
        self.is_over = False
        self._turns = turns

    def wait(self) -> None:
        """Wait in this thread until it has come.

        Raises:
            TurnfoldError: this thread is in the middle of another one.
        """
        # No event: whoever ends a turn may be a generator that is collected while this waits.
        gate = threading.Lock()
        gate.acquire()
        self._enter(threading.get_ident, gate.release)
        while not gate.acquire(timeout=_LOOK):
            self._turns.overtake()

    async def wait_async(self) -> None:
        """Wait in this task until it has come.

        Raises:
            TurnfoldError: this task is in the middle of another one.
        """
        there, wake = signal()
        if not self._enter(lambda: anyio.get_current_task().id, wake):
            await wait_and_look(there, _LOOK, self._turns.overtake)

    def _enter(self, identify: Callable[[], object], wake: Callable[[], None]) -> bool:
        self._identify = identify
        return self._turns.enter(self, identify(), wake)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While a generator that holds it has given something out; whoever reads on holds it."""
        self.is_resting, self.since = True, time.monotonic()
        yield
        self.who, self.is_resting = self._identify(), False


class TakingTurns:
    """The turns of one thing, first come, first served."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        # What is collected leaves in any thread, at any time.
        self._lock = threading.RLock()
        self._waiting: deque[Turn] = deque()
        self._present: Turn | None = None
        self._pid = os.getpid()

    @contextmanager
    def one(self) -> Iterator[Turn]:
        """A turn, to be waited for in the block; it is over at the end of it."""
        turn = Turn(self)
        try:
            yield turn
        finally:
            self._leave(turn)

    def enter(self, turn: Turn, who: object, wake: Callable[[], None]) -> bool:
        """Wait for a turn, or have it at once; see `Turn.wait`.

        Args:
            turn: which one.
            who: the thread or the task that waits.
            wake: called when it has come.

        Returns:
            Whether it has come.
        """
        self._own()
        turn.who, turn.wake = who, wake
        with self._lock:
            ahead = self._present
            if ahead is None or ahead.who != who:
                self._waiting.append(turn)
                self._let_in()
            elif ahead.is_resting:  # waiting for it would be waiting for ever
                ahead.is_overtaken = True
                self._present = turn
                wake()
            else:
                raise TurnfoldError(
                    "this conversation waits for an answer: what is called meanwhile, in the same "
                    "thread or task, cannot say anything in it"
                )
            return self._present is turn

    def overtake(self) -> None:
        """Let in who waits, where the turn that is held has gone unread for some seconds."""
        with self._lock:
            ahead = self._present
            if ahead is None or not (self._waiting and ahead.is_resting):
                return
            if time.monotonic() - ahead.since > _PATIENCE:
                ahead.is_overtaken = True
                self._present = None
                self._let_in()

    def _leave(self, turn: Turn) -> None:
        self._own()
        with self._lock:
            turn.is_over = True
            if self._present is turn:
                self._present = None
                self._let_in()

    def _let_in(self) -> None:
        while self._present is None and self._waiting:
            turn = self._waiting.popleft()
            if not turn.is_over:
                self._present = turn
                turn.wake()

    def _own(self) -> None:
        """A child made by fork lacks the threads that held or awaited a turn, or the lock."""
        if self._pid != os.getpid():
            self._begin_anew()
