"""Whether SQLite's log still holds all that was acknowledged, asked before SQLite reads it.

After a crash SQLite reads the log up to the first frame whose checksum is wrong, and takes what
follows for a write that was never finished. Where a byte of the log has changed, acknowledged
writes would vanish without a word. But beside the log lies its index, which survives a process and
tells how many frames were committed. Formats: https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from turnfold_stores.errors import StoreCorrupt
from turnfold_stores.lazy_numpy import np
from turnfold_stores.process.open_files import is_open_here

# Version, change counter, is it made, big-endian checksums, size of a page, frames, pages, checksum
# of the last frame, salts, checksum; then all of it again, and how many frames were copied back.
_INDEX = struct.Struct("=II4xBBHII8s8sII")
_BACKFILLED_AT = 2 * 48
_INDEX_VERSION = 3_007_000
_LOG = struct.Struct(">IIII8sII")
_MAGIC = 0x377F0682
_FRAME = struct.Struct(">II8sII")
_WORD = 2**32
# Frames whose checksums are computed at once, and bytes of a log beyond which nobody waits for it.
_BATCH = 2_048
_MOST_BYTES = 2**28


@dataclass(frozen=True, slots=True)
class _Witness:
    """What the index of a log says.

    Attributes:
        raw: its head, to notice that it has changed since.
        frames: how many were committed.
        waiting: whether some of them are in the log alone.
        salts: what tells this log from the one before in the same file.
    """

    raw: bytes
    frames: int
    waiting: bool
    salts: bytes


def check_log(path: Path) -> None:
    """Make sure that the log of a SQLite file holds what its index says. Nothing is written.

    Others may have the file open. Nothing is read where this process has it open already: then
    SQLite has read the log before, and who closes a file lets go of the locks that SQLite holds.

    Raises:
        StoreCorrupt: acknowledged writes are lost.
    """
    log, index = Path(f"{path}-wal"), Path(f"{path}-shm")
    if is_open_here(index):
        return
    witness = _witness(index)
    while witness is not None and witness.waiting and not _holds(log, witness):
        again = _witness(index)
        if again is not None and again.raw == witness.raw:
            raise StoreCorrupt(
                f"what was written last to {str(path)!r} stands in {str(log)!r}, which is damaged. "
                f"Nothing was changed. Restore both from a backup, or remove {str(index)!r} to go "
                "on with what can still be read"
            )
        # Somebody was beginning the log anew, or closed the file.
        witness = again


def _witness(index: Path) -> _Witness | None:
    """What the index says; None where it is none, or is being written."""
    try:
        with index.open("rb") as opened:
            raw = opened.read(_BACKFILLED_AT + 4)
    except OSError:
        return None
    size = _INDEX.size
    if len(raw) < _BACKFILLED_AT + 4 or raw[:size] != raw[size : 2 * size]:
        return None
    version, _, made, _, _, frames, _, _, salts, first, second = _INDEX.unpack(raw[:size])
    words = struct.unpack("=10I", raw[:40])
    if version != _INDEX_VERSION or not made or _summed(words) != (first, second):
        return None
    (copied,) = struct.unpack("=I", raw[_BACKFILLED_AT:])
    return _Witness(raw, frames, copied < frames, salts)


def _holds(log: Path, witness: _Witness) -> bool:
    """Whether the log has all committed frames, or is another log."""
    try:
        with log.open("rb") as opened:
            head = opened.read(_LOG.size)
            if len(head) < _LOG.size:
                return False
            magic, _, page, _, salts, first, second = _LOG.unpack(head)
            order = {_MAGIC: "<", _MAGIC + 1: ">"}.get(magic)
            if order is None or _summed(struct.unpack(f"{order}6I", head[:24])) != (first, second):
                return False
            if salts != witness.salts or witness.frames * (page + _FRAME.size) > _MOST_BYTES:
                return True
            return _has_frames(opened, witness, order, page, (first, second))
    except OSError:
        return False


def _has_frames(
    log: BinaryIO, witness: _Witness, order: str, page: int, state: tuple[int, int]
) -> bool:
    """Whether so many frames follow, each with the checksum of all before it."""
    whole = page + _FRAME.size
    step = _powers((page + 8) // 8)
    left = witness.frames
    while left:
        packed = log.read(min(left, _BATCH) * whole)
        count = len(packed) // whole
        if not count:
            return False
        rows = np.frombuffer(packed[: count * whole], np.uint8).reshape(count, whole)
        # Of its head the checksum is over the first 8 bytes: the page's number, and whether
        # the frame ends a write.
        summed = np.concatenate([rows[:, :8], rows[:, _FRAME.size :]], axis=1)
        words = np.ascontiguousarray(summed).view(f"{order}u4").astype(np.uint32).T.copy()
        ones, twos = np.zeros(count, np.uint32), np.zeros(count, np.uint32)
        for at in range(0, len(words), 2):
            ones += words[at] + twos
            twos += words[at + 1] + ones
        for row, one, two in zip(rows, ones.tolist(), twos.tolist(), strict=True):
            _, _, salts, first, second = _FRAME.unpack(row[: _FRAME.size].tobytes())
            state = (
                (step[0] * state[0] + step[1] * state[1] + one) % _WORD,
                (step[1] * state[0] + step[2] * state[1] + two) % _WORD,
            )
            if salts != witness.salts or state != (first, second):
                return False
        left -= count
    return True


def _summed(words: tuple[int, ...]) -> tuple[int, int]:
    """SQLite's checksum of pairs of words."""
    one = two = 0
    for at in range(0, len(words), 2):
        one = (one + words[at] + two) % _WORD
        two = (two + words[at + 1] + one) % _WORD
    return one, two


def _powers(pairs: int) -> tuple[int, int, int]:
    """What a checksum does to the one it goes on from, over so many pairs: a, b; b, c."""
    a, b, c = 1, 0, 1
    for _ in range(pairs):
        a, b, c = (a + b) % _WORD, (b + c) % _WORD, (b + 2 * c) % _WORD
    return a, b, c
