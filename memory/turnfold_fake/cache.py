"""The prompt cache: what a request reads from it, and what it leaves behind.

A prefix is tools, system and messages up to a block. A request writes the prefix of each
breakpoint; it reads the longest one an earlier request wrote, looking back from each breakpoint
over 20 positions, the breakpoint's own counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from types import MappingProxyType

from turnfold_fake.prompt import Piece

LOOK_BACK = 20
_SECONDS = MappingProxyType({"5m": 300.0, "1h": 3600.0})
_SWEEP = 100_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What the cache did for one request, in tokens, and what it will remember of it.

    Attributes:
        read: Taken from the cache.
        written_5m: Written for five minutes.
        written_1h: Written for one hour.
        uncached: Neither read nor written.
        keys: The prefixes to write or refresh, each with its lifetime.
    """

    read: int
    written_5m: int
    written_1h: int
    uncached: int
    keys: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    ttl: str
    expires: float


class PromptCache:
    """Prefixes that were written and have not expired. Not thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def look(self, model: str, pieces: Sequence[Piece], least: int, now: float) -> Reading:
        """What a request would read and write; nothing is remembered yet.

        Args:
            model: Prefixes are apart for each model.
            pieces: The prompt's blocks in order.
            least: A prefix of fewer tokens is not cached.
            now: The time, in seconds.
        """
        marks = [place for place, piece in enumerate(pieces) if piece.ttl is not None]
        total = sum(piece.tokens for piece in pieces)
        if not marks:
            return Reading(0, 0, 0, total)
        upto = list(accumulate(piece.tokens for piece in pieces))
        keys = _chain(model, pieces[: marks[-1] + 1])
        best = self._longest(keys, marks, now)
        read = upto[best] if best >= 0 else 0
        kept = [] if best < 0 else [(keys[best], self._entries[keys[best]].ttl)]
        end_1h = end = read
        for place in marks:
            if upto[place] < least:
                continue
            kept.append((keys[place], pieces[place].ttl or "5m"))
            end = max(end, upto[place])
            if pieces[place].ttl == "1h":
                end_1h = max(end_1h, upto[place])
        return Reading(read, end - end_1h, end_1h - read, total - end, tuple(kept))

    def keep(self, reading: Reading, now: float) -> None:
        """Remember what a request wrote, and refresh what it read.

        Args:
            reading: From `look`.
            now: The time, in seconds.
        """
        for key, ttl in reading.keys:
            old = self._entries.get(key)
            if old is not None and old.expires > now:
                ttl = old.ttl  # noqa: PLW2901 - a refresh keeps the lifetime that was paid for
            self._entries[key] = _Entry(ttl, now + _SECONDS[ttl])
        if len(self._entries) > _SWEEP:
            self._entries = {k: e for k, e in self._entries.items() if e.expires > now}

    def _longest(self, keys: Sequence[bytes], marks: Sequence[int], now: float) -> int:
        # The first hit from the last breakpoint is the longest: it saw every place after it.
        for mark in reversed(marks):
            for place in range(mark, max(mark - LOOK_BACK, -1), -1):
                entry = self._entries.get(keys[place])
                if entry is not None and entry.expires > now:
                    return place
        return -1


def _chain(model: str, pieces: Sequence[Piece]) -> list[bytes]:
    keys, last = [], model.encode()
    for piece in pieces:
        last = blake2b(last + piece.digest, digest_size=16).digest()
        keys.append(last)
    return keys
