"""A mapping that holds so many entries, and lets go of those that were set longest ago."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class BoundedDict(OrderedDict[_Key, _Value]):
    """A dict for what is known and may be forgotten. Safe in threads: it may be a little over.

    To set an entry again makes it the newest; to read one changes nothing.
    """

    def __init__(self, most: int) -> None:
        """Args:
        most: how many entries it holds.
        """
        super().__init__()
        self._most = most

    def __setitem__(self, key: _Key, value: _Value) -> None:
        super().__setitem__(key, value)
        with suppress(KeyError):  # another thread was quicker
            self.move_to_end(key)
            while len(self) > self._most:
                self.popitem(last=False)
