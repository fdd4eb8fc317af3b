"""A JSON value goes in, however deep; another of the same shape comes out. Nothing recurses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

_LEAVES = frozenset({str, int, float, bool, type(None)})

Entries = Callable[[Mapping[Any, Any], bool], Iterable[tuple[str, Any, bool]]]


def copied(value: Any, leaf: Callable[[Any], Any] = lambda one: one) -> Any:
    """A copy that no change to the value reaches.

    Args:
        value: of objects, lists and leaves.
        leaf: given what is neither object nor list, what stands for it.
    """
    return rebuilt(value, _all_of, leaf)


def rebuilt(value: Any, entries: Entries, leaf: Callable[[Any], Any], *, flag: bool = False) -> Any:
    """A value made anew.

    Args:
        value: of objects, lists and leaves.
        entries: given an object and its flag, what it has then: name, value and flag of each.
        leaf: given what is neither object nor list, what stands for it.
        flag: of the value itself; items of a list have the flag of the list.
    """
    made: Any
    top: list[Any] = [None]
    todo: list[tuple[Any, bool, Any, Any]] = [(value, flag, top, 0)]
    while todo:
        one, flagged, where, place = todo.pop()
        if type(one) in _LEAVES:  # nearly all there is, and quickly told
            made = leaf(one)
        elif isinstance(one, Mapping):
            made = {}
            # Names first: what is taken from the end would turn their order round.
            for name, inner, inner_flag in entries(one, flagged):
                made[name] = None
                todo.append((inner, inner_flag, made, name))
        elif isinstance(one, list | tuple):
            made = [None] * len(one)
            todo += [(inner, flagged, made, index) for index, inner in enumerate(one)]
        else:
            made = leaf(one)
        where[place] = made
    return top[0]


def _all_of(value: Mapping[Any, Any], flag: bool) -> Iterable[tuple[Any, Any, bool]]:
    return ((name, inner, flag) for name, inner in value.items())
