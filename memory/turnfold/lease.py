"""Who is at work on what, so that two workers do not pay for the same summaries.

A ledger knows no compare-and-swap; it knows that the first write of an id wins. So the claims
on one thing are numbered: `lease:<name>:0`, then 1, and so on. Whoever wants it looks at the
claim with the highest number. While that one runs, the thing is taken. When it is over, the
next number may be written, and of all who try, the one whose write is the first holds it.

A claim is over when its holder has said so, when its time is up, or, where the system tells,
when the process that made it is gone; so what a killed process held is free at once. The
holder of a claim that runs prolongs it by writing the next number.

What a lease is for is written once whoever writes it. So a claim that is taken over too early
(clocks that differ by more than its length, a worker that was asleep) costs a summary and
nothing else. Once the work is in the ledger its claims are deleted: whoever gets a claim looks
again whether there is still work to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from turnfold_stores import Ledger, Record

from turnfold.stored import Fields, Reading

LEASE_KIND = "lease"
State = Literal["free", "running", "lost", "failing"]
# Claims looked up at a time.
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim that is held.

    Attributes:
        name: what is claimed.
        number: which claim on it this is, from 0.
        until: when its time is up, in seconds since the epoch.
    """

    name: str
    number: int
    until: float


class Leases:
    """The claims of one user's conversation."""

    def __init__(
        self,
        ledger: Ledger,
        user_id: str,
        conversation: str,
        *,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        """Args:
        ledger: where claims are written.
        user_id: whose they are.
        conversation: in which conversation of theirs.
        seconds: how long a claim runs; longer than the work takes between two renewals.
        clock: tells the time, in seconds since the epoch.
        """
        self._ledger = ledger
        self._user_id = user_id
        self._conversation = conversation
        self._seconds = seconds
        self._clock = clock
        self._reading = Reading()

    def take(self, name: str) -> Lease | None:
        """Claim something; None where someone is at it.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        last = self._last(name)
        if last is not None and self._state_of(last) == "running":
            return None
        return self._claim(name, 0 if last is None else last.number + 1)

    def renew(self, lease: Lease) -> Lease | None:
        """Hold a claim for another while; None where it was over and someone else has it."""
        return self._claim(lease.name, lease.number + 1)

    def give_up(self, lease: Lease, *, lost: bool) -> None:
        """Say that the work was not done and is no longer being done.

        Args:
            lease: the claim.
            lost: whether there was no time to do it, rather than that it failed.
        """
        name = f"{_id(lease.name, lease.number)}:over"
        self._ledger.put(
            self._user_id, [Record(name, LEASE_KIND, self._conversation, {"lost": lost})]
        )

    def clear(self, name: str) -> None:
        """Delete all claims on something that is in the ledger now."""
        last = self._last(name)
        if last is not None:
            ids = [_id(name, number) for number in range(last.number + 1)]
            self._ledger.delete(self._user_id, [*ids, *(f"{one}:over" for one in ids)])

    def state(self, name: str) -> State:
        """Whether someone is at it, or was and did not come back to say how it went.

        "failing" where it was given up more than once, because it failed.
        """
        last = self._last(name)
        return "free" if last is None else self._state_of(last)

    def _claim(self, name: str, number: int) -> Lease | None:
        until = self._clock() + self._seconds
        body = {"until": until, "process": this_process()}
        record = Record(_id(name, number), LEASE_KIND, self._conversation, body, at=self._clock())
        new = self._ledger.put(self._user_id, [record])
        return Lease(name, number, until) if record.id in new else None

    def _last(self, name: str) -> _Claim | None:
        last: _Claim | None = None
        failures = 0
        for start in count(0, _BATCH):
            ids = {_id(name, start + offset): start + offset for offset in range(_BATCH)}
            found = self._ledger.get(self._user_id, [*ids, *(f"{one}:over" for one in ids)])
            for one, number in ids.items():
                if one not in found:
                    return last
                over = found.get(f"{one}:over")
                ended: State | None = None
                if over is not None:
                    lost = self._reading.one(over, _was_lost) is not False
                    failures += not lost
                    ended = "lost" if lost else "free"
                    ended = "failing" if failures > 1 and ended == "free" else ended
                # A damaged claim is over, as far as anyone can tell.
                until, process = self._reading.one(found[one], _read_claim) or (0.0, "")
                last = _Claim(number, until, process, ended)
        return last

    def _state_of(self, claim: _Claim) -> State:
        if claim.ended is not None:
            return claim.ended
        if claim.until <= self._clock() or is_gone(claim.process):
            return "lost"
        return "running"


@dataclass(frozen=True, slots=True)
class _Claim:
    number: int
    until: float
    process: str
    ended: State | None


def _read_claim(record: Record) -> tuple[float, str]:
    fields = Fields(record.body)
    return fields.number("until"), fields.text("process")


def _was_lost(record: Record) -> bool:
    return Fields(record.body).flag("lost", default=True)


def _id(name: str, number: int) -> str:
    return f"lease:{name}:{number}"


def this_process() -> str:
    """Names this process among all that ever ran on this machine.

    "" where the system does not tell: anywhere but on Linux.
    """
    if sys.platform != "linux":
        return ""
    started = _started(os.getpid())
    return f"{_machine()}:{os.getpid()}:{started}" if started and _machine() else ""


def is_gone(process: str) -> bool:
    """Whether a process so named has surely ended; False where that cannot be told."""
    machine, _, rest = process.partition(":")
    if sys.platform != "linux" or not machine or machine != _machine():
        return False
    pid, _, started = rest.partition(":")
    if not pid.isdecimal():
        return False
    now = _started(int(pid))
    if now is not None:
        return now != started
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there, and hidden from us
    return False


def _machine() -> str:
    """The run of the kernel and the namespace in which process ids mean something; or ""."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process started, in ticks since boot; "" if it has ended; None if hidden or gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in "ZX" else fields[19]
