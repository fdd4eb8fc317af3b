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

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal
from uuid import uuid4

from turnfold_stores import Ledger, Record
from turnfold_stores.records.fields import Fields, Reading

LEASE_KIND = "lease"
State = Literal["free", "running", "lost", "failing", "hopeless"]
# Claims looked up at a time.
_BATCH = 8
# How often workers may be lost at the same thing before no more are counted on.
_MOST_LOST = 2


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim that is held.

    Attributes:
        name: what is claimed.
        number: which claim on it this is, from 0.
        until: when its time is up, in seconds since the epoch.
        tries: how many claims before it ran out of time without a word of their holders.
    """

    name: str
    number: int
    until: float
    tries: int = 0


class Claims:
    """The claims that a memory's own workers hold at this moment, whatever the ledger says.

    So that one whose holder could not say in the ledger that it gave up is free at once, too.
    """

    def __init__(self) -> None:
        self._name = uuid4().hex
        self._held: set[str] = set()

    @property
    def holder(self) -> str:
        """Names this memory in this process; another one in a child made by fork."""
        return f"{self._name}:{os.getpid()}"

    def add(self, name: str) -> None:
        """It is held, or about to be."""
        self._held.add(name)

    def discard(self, names: Iterable[str]) -> None:
        """They are held no more."""
        self._held.difference_update(names)

    def lacks(self, holder: str, name: str) -> bool:
        """Whether it is said to be held here, and is not."""
        return holder == self.holder and name not in self._held


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
        claims: Claims | None = None,
    ) -> None:
        """Args:
        ledger: where claims are written.
        user_id: whose they are.
        conversation: in which conversation of theirs.
        seconds: how long a claim runs; longer than the work takes between two renewals.
        clock: tells the time, in seconds since the epoch.
        claims: those that this memory holds; None where it is not known.
        """
        self._claims = claims or Claims()
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
        if last is None:
            return self._claim(name, 0, 0)
        return self._claim(name, last.number + 1, last.tries + self._has_run_out(last))

    def renew(self, lease: Lease) -> Lease | None:
        """Hold a claim for another while; None where it was over and someone else has it."""
        renewed = self._claim(lease.name, lease.number + 1, lease.tries)
        self._claims.discard([_id(lease.name, lease.number)])
        return renewed

    def give_up(self, lease: Lease, *, lost: bool) -> None:
        """Say that the work was not done and is no longer being done.

        Args:
            lease: the claim.
            lost: whether there was no time to do it, rather than that it failed.
        """
        self._claims.discard([_id(lease.name, lease.number)])
        name = f"{_id(lease.name, lease.number)}:over"
        self._ledger.put(
            self._user_id, [Record(name, LEASE_KIND, self._conversation, {"lost": lost})]
        )

    def clear(self, name: str) -> None:
        """Delete all claims on something that is in the ledger now."""
        last = self._last(name)
        if last is not None:
            ids = [_id(name, number) for number in range(last.number + 1)]
            self._claims.discard(ids)
            self._ledger.delete(self._user_id, [*ids, *(f"{one}:over" for one in ids)])

    def state(self, name: str) -> State:
        """Whether someone is at it, or was and did not come back to say how it went.

        "failing" where it was given up more than once, because it failed; "hopeless" where it
        was lost time and again.
        """
        last = self._last(name)
        return "free" if last is None else self._state_of(last)

    def age(self, name: str) -> float:
        """For how many seconds someone has been at it; 0 where nobody is."""
        last = self._last(name)
        if last is None or self._state_of(last) != "running":
            return 0.0
        return max(0.0, self._clock() - last.since)

    def _claim(self, name: str, number: int, tries: int) -> Lease | None:
        until = self._clock() + self._seconds
        body = {
            "until": until,
            "process": this_process(),
            "holder": self._claims.holder,
            "tries": tries,
        }
        record = Record(_id(name, number), LEASE_KIND, self._conversation, body, at=self._clock())
        lease = Lease(name, number, until, tries)
        self._claims.add(record.id)
        try:
            new = self._ledger.put(self._user_id, [record])
        except BaseException:
            with contextlib.suppress(Exception):  # it may be written all the same
                self.give_up(lease, lost=True)
            raise
        if record.id in new:
            return lease
        self._claims.discard([record.id])
        return None

    def _last(self, name: str) -> _Claim | None:
        last: _Claim | None = None
        failures = losses = 0
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
                    losses += lost
                    ended = "lost" if lost else "free"
                    ended = "failing" if failures > 1 and ended == "free" else ended
                    ended = "hopeless" if losses > _MOST_LOST and lost else ended
                # A damaged claim is over, as far as anyone can tell.
                claimed = self._reading.one(found[one], _read_claim) or _Claimed(0.0, "", "", 0)
                last = _Claim(
                    number,
                    claimed.until,
                    claimed.process,
                    ended,
                    found[one].at,
                    claimed.tries,
                    self._claims.lacks(claimed.holder, one),
                )
        return last

    def _state_of(self, claim: _Claim) -> State:
        if claim.ended is not None:
            return claim.ended
        now = self._clock()
        if claim.dropped or claim.until <= now or is_gone(claim.process):
            return "lost"
        # Elsewhere, by a clock so far ahead, nobody could tell when its holder is gone.
        is_ahead = claim.since - now > claim.until - claim.since
        return "lost" if is_ahead and not _is_of_here(claim.process) else "running"

    def _has_run_out(self, claim: _Claim) -> bool:
        """Whether its holder had time enough, and did not come back to say how it went."""
        return claim.ended is None and not claim.dropped and claim.until <= self._clock()


@dataclass(frozen=True, slots=True)
class _Claim:
    number: int
    until: float
    process: str
    ended: State | None
    since: float
    tries: int
    dropped: bool


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What the record of a claim tells."""

    until: float
    process: str
    holder: str
    tries: int


def _read_claim(record: Record) -> _Claimed:
    fields = Fields(record.body)
    return _Claimed(
        fields.number("until"),
        fields.text("process"),
        fields.text("holder"),
        fields.whole("tries"),
    )


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
    pid = os.getpid()
    if pid not in _NAMES:
        machine, started = _machine(), _started(pid)
        if not started or not machine:
            return ""
        _NAMES[pid] = f"{machine}:{pid}:{started}"
    return _NAMES[pid]


# Of this process, by its number: a fork has another one.
_NAMES: dict[int, str] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_NAMES.clear)


def _is_of_here(process: str) -> bool:
    """Whether a process so named is of this machine, so that `is_gone` can tell."""
    machine, _, _ = process.partition(":")
    return sys.platform == "linux" and bool(machine) and machine == _machine()


def is_gone(process: str) -> bool:
    """Whether a process so named has surely ended; False where that cannot be told."""
    if not _is_of_here(process):
        return False
    pid, _, started = process.partition(":")[2].partition(":")
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
