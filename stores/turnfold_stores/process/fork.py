"""What an object does when its process forks or ends."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Self


def _nothing() -> None:
    pass


def at_fork(
    *,
    before: Callable[[], None] = _nothing,
    in_parent: Callable[[], None] = _nothing,
    in_child: Callable[[], None] = _nothing,
) -> None:
    """Call these methods around each `os.fork`, as long as their object lives.

    Hooks cannot be taken back, so they hold their object weakly. Nothing happens where there is
    no fork, and `subprocess` calls none of them.

    Args:
        before: a bound method, called in the parent before it forks.
        in_parent: a bound method, called in the parent afterwards.
        in_child: a bound method, called in the child.
    """
    if hasattr(os, "register_at_fork"):
        # An object made while a fork is under way was not told of it before, nor is it after.
        told: list[bool] = []
        os.register_at_fork(
            before=_told_first(_weak(before), told),
            after_in_parent=_told_last(_weak(in_parent), told),
            after_in_child=_told_last(_weak(in_child), told),
        )


def _told_first(method: Callable[[], None], told: list[bool]) -> Callable[[], None]:
    def call() -> None:
        method()
        told.append(True)

    return call


def _told_last(method: Callable[[], None], told: list[bool]) -> Callable[[], None]:
    def call() -> None:
        if told:
            told.clear()
            method()

    return call


def at_exit(settle: Callable[[], None]) -> None:
    """Call this bound method when the interpreter is about to exit, if its object still lives.

    Daemon threads are still running then.
    """
    atexit.register(_weak(settle))


def _weak(method: Callable[[], None]) -> Callable[[], None]:
    if method is _nothing:
        return _nothing
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (alive := reference()) is not None:
            alive()

    return call


# Seconds a fork waits for native code under way in other threads, and an interpreter that exits:
# that may be waiting for code that hangs.
_BEFORE_FORK = 30.0
_BEFORE_EXIT = 10.0


class Undivided:
    """Native code, or an import, that neither a fork nor the end of the interpreter may cut in two.

    A child has none of its parent's other threads, but the locks they held: those of a library,
    and those of modules half imported, will never be released. And a daemon thread in C++ or Rust
    that wants to return to an interpreter that has ended aborts the process. So both wait for who
    is inside, for a time, and let nobody in meanwhile: `with undivided: ...`, by any number of
    threads at once.

    Attributes:
        is_cut: whether this process was forked all the same while another thread was inside.
    """

    def __init__(self, *, before_fork: float = _BEFORE_FORK) -> None:
        """Args:
        before_fork: seconds a fork waits at the most.
        """
        self._before_fork = before_fork
        self.is_cut = False
        self._begin_anew()
        at_fork(before=self._fork_comes, in_parent=self._open, in_child=self._open_in_child)
        at_exit(self._exit_comes)

    def _begin_anew(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._inside: Counter[int] = Counter()  # by thread, how often
        self._is_shut = False

    def __enter__(self) -> Self:
        me = threading.get_ident()
        with self._changed:
            # Whoever is inside may go further in. At the end of the interpreter only daemons are
            # held up: it is for the others that it waits.
            while self._is_shut and not self._inside[me] and threading.current_thread().daemon:
                self._changed.wait()
            self._inside[me] += 1
        return self

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._changed:
            self._inside[me] -= 1
            if self._inside[me] <= 0:
                del self._inside[me]
            self._changed.notify_all()

    def _fork_comes(self) -> None:
        self._shut(self._before_fork)

    def _exit_comes(self) -> None:
        self._shut(_BEFORE_EXIT)

    def _shut(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._changed:
            self._is_shut = True
            while self.is_busy and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    @property
    def is_busy(self) -> bool:
        """Whether a thread other than this one is inside."""
        return any(count for who, count in self._inside.items() if who != threading.get_ident())

    def _open(self) -> None:
        with self._changed:
            self._is_shut = False
            self._changed.notify_all()

    def _open_in_child(self) -> None:
        self.is_cut = self.is_cut or self.is_busy
        mine = self._inside[threading.get_ident()]
        self._begin_anew()
        if mine:
            self._inside[threading.get_ident()] = mine


importing = Undivided()
"""For imports on first use, which any thread may come to: `with importing: import ...`."""

multiplying = Undivided()
"""For products of matrices: a fork that finds NumPy's BLAS at work in another thread hangs, since
OpenBLAS ends its threads before it forks. Taken last, inside any lock: `with multiplying: a @ b`.
"""
