"""A value that is worked out when it is first asked for, and kept with its object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

_Value = TypeVar("_Value")


class cached_property(Generic[_Value]):  # noqa: N801 - it is what it is called everywhere
    """As `functools.cached_property` is from Python 3.12 on: without a lock.

    In Python 3.11 that holds one lock for all objects of a class while one of them works its value
    out. Where that asks a store, one that hangs stops everyone, and so it does in a child that
    was forked meanwhile. Without a lock two threads may work the same value out twice.
    """

    def __init__(self, work_out: Callable[[Any], _Value]) -> None:
        self._work_out = work_out
        self.__doc__ = work_out.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, one: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, one: object, owner: type | None = None) -> _Value: ...
    def __get__(self, one: object | None, owner: type | None = None) -> _Value | Self:
        if one is None:
            return self
        # Found there, it is not asked of this class again.
        value: _Value = one.__dict__.setdefault(self._name, self._work_out(one))
        return value
