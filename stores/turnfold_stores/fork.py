"""What an object does when its process forks."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


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
        os.register_at_fork(
            before=_weak(before), after_in_parent=_weak(in_parent), after_in_child=_weak(in_child)
        )


def _weak(method: Callable[[], None]) -> Callable[[], None]:
    if method is _nothing:
        return _nothing
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (alive := reference()) is not None:
            alive()

    return call
