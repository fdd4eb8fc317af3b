"""A history that was held without memory goes in; it is stored, summarized, indexed and folded.

A conversation that grows turn by turn is summarized leaf by leaf, each leaf in the light of
those before it. Here all leaves are written side by side, and one pass over their items then
finds what a later one supersedes. Every leaf, and every batch of vectors, is written when it is
there: whoever begins again pays for what was in flight and for nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal

from turnfold.accounting.prices import Usage
from turnfold.archive.leases import Lease
from turnfold.archive.measures import Measures
from turnfold.archive.plans import Fold, Plan, plan_id, preparation_id
from turnfold.archive.tombstones import opening_name, turn_name
from turnfold.errors import TurnfoldError, failure, shown
from turnfold.folding.fold_builder import FoldBuilder
from turnfold.folding.fold_range import FoldRange
from turnfold.folding.preparation import is_outdated, leases_of, take_back
from turnfold.folding.rule import window_start
from turnfold.folding.summary_budget import SummaryBudget
from turnfold.history.citations import Citations
from turnfold.history.exchanges import Transcript
from turnfold.language.days import seconds_of
from turnfold.request.carried_state import protected_head
from turnfold.summaries.notes import Item, Outcome, SummaryJob
from turnfold.summarizers.reconciling import Supersessions
from turnfold.turn_context import TurnContext

Step = Literal["summaries", "items", "vectors"]
Progress = Callable[[Step, int, int], None]


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What one backfill did.

    Attributes:
        exchanges: closed exchanges of the history; all of them are stored.
        folded: those of them that are in memory now; the newest stay in the window.
        leaves: runs of exchanges that were summarized by this call.
        calls: requests for summaries, those that failed included.
        usage: tokens the API counted for them.
        cost: their dollars; None where the model's price is not known.
        seconds: how long it took.
        degraded: what did not work, in words. Called again, it is made up for.
    """

    exchanges: int
    folded: int
    leaves: int = 0
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    seconds: float = 0.0
    degraded: tuple[str, ...] = ()


class Backfill:
    """One backfill, step by step; the shells of `Memory` ask the model.

    begin     store the exchanges, decide what to fold, claim the work
    advance   the summaries that are to be written, side by side
    accept    one of them, as it comes
    items     what all of them say, where it is to be compared once more
    compared  what no longer holds
    end       vectors, the fold, the report
    """

    def __init__(
        self,
        context: TurnContext,
        transcript: Transcript,
        times: Sequence[float | None] | None,
        progress: Progress,
    ) -> None:
        """Args:
        context: the ledger, the settings, the account.
        transcript: the history.
        times: of its messages, as `times_of` gives them.
        progress: called with a step, how much of it is done, and of how much.
        """
        self._began = time.perf_counter()
        self._context = context
        self._archive = context.archive
        self._transcript = transcript
        self._times = times
        self._policy = context.policy
        self._progress = progress
        self._account = context.account
        self._leases = leases_of(context.archive, context.policy)
        self._lease: Lease | None = None
        self._name = ""
        self._accepting = threading.Lock()
        self._tried: list[SummaryJob] = []
        self._leaves = self._of = self._calls = 0
        self._head = protected_head(transcript, self._policy.keep_first)
        self._start = self._until = 0
        self._exchanges = self._archive.storable(transcript.exchanges)
        self._folding: FoldBuilder | None = None

    def begin(self) -> bool:
        """Store the history and claim its folding; False while another worker is folding it.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        closed, exchanges = self._transcript.closed, self._transcript.exchanges
        self._archive.store_exchanges(self._transcript, self._times)
        base = self._archive.fold_in_force(closed, previous=None)
        self._start = max(base.count if base else 0, self._head)
        sizes = [one.size for one in exchanges]
        until = window_start(sizes, self._start, self._policy)
        citations = Citations(self._transcript)
        self._until, why = citations.until(self._start, max(until, self._start))
        if why:
            self._account.stayed.append(why)
        if self._until == self._start:
            return True
        self._name = preparation_id(exchanges[self._until - 1])
        self._lease = self._leases.take(self._name)
        if self._lease is None:
            return False
        wanted = FoldRange.cut(
            exchanges,
            base,
            self._start,
            self._until,
            head=self._head,
            leaf_tokens=self._policy.leaf_tokens,
        )
        spending = SummaryBudget(self._context, self._transcript)
        self._folding = FoldBuilder(self._context, self._exchanges, wanted, spending)
        return True

    def advance(self) -> list[SummaryJob]:
        """Go on to the summaries to be written next; none where all are, or the rest failed.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        if self._lease is None or self._folding is None:
            return []
        if is_outdated(self._archive):
            self._context.degrade("forgetting", TurnfoldError("something was forgotten meanwhile"))
            self.let_go()
            return []
        wanted = self._folding.advance()
        jobs = [job for job in wanted if not any(job is tried for tried in self._tried)]
        self._tried += jobs
        self._calls += len(jobs)
        self._of = max(self._of, len(jobs))
        return jobs

    def accept(self, job: SummaryJob, outcome: Outcome) -> bool | None:
        """Write what the answer to one of the jobs of `advance` makes.

        Returns:
            Whether it was of use; see `FoldBuilder.take`.

        Raises:
            StoreError: the ledger could not be written.
        """
        assert self._folding is not None
        with self._accepting:  # no worker goes on to the next before its own is written
            before = len(self._folding.wrote)
            of_use = self._folding.take(job, outcome)
            self._leaves = len(self._folding.wrote)
            if is_outdated(self._archive):
                self._archive.take_back(self._folding.wrote)
            if self._leaves > before:
                self._progress("summaries", self._leaves, self._of)
            if self._lease is not None:
                self._lease = self._leases.renew(self._lease) or self._lease
        return of_use

    def items(self) -> list[Item]:
        """The items to be compared; none where that was done, or there is only one leaf.

        Raises:
            StoreError: the ledger could not be read.
        """
        if self._lease is None or self._folding is None:
            return []
        return self._folding.to_compare(self._name)

    def compared(self, items: Sequence[Item], outcome: Supersessions | Exception) -> None:
        """Take the answer about the `items`: what is superseded goes from the summary.

        Raises:
            StoreError: the ledger could not be written.
        """
        self._calls += 1
        if self._folding is not None and not is_outdated(self._archive):
            self._folding.compared(self._name, items, outcome)
            self._progress("items", len(items), len(items))

    def end(self) -> BackfillReport:
        """Embed what is summarized, fold it, and tell.

        Raises:
            StoreError: the store could not be read or written.
        """
        folding = self._folding if self._lease is not None else None
        if folding is not None:
            part = self._exchanges[self._start : folding.reached]
            self._archive.store_passages(part, first=self._start + 1)
        self._embed()
        if folding is not None:
            folding.build(indexed=True)
            self._leases.clear(self._name)
            self._lease = None
        in_force = self._archive.fold_in_force(self._transcript.closed, previous=None)
        if not is_outdated(self._archive):
            self._archive.store_plan(self._plan(in_force))
        take_back(self._archive, self._policy)
        return BackfillReport(
            exchanges=len(self._transcript.closed),
            folded=max(0, (in_force.count if in_force else 0) - self._head),
            leaves=self._leaves,
            calls=self._calls,
            usage=self._account.summary_usage,
            cost=self._account.summary_cost,
            seconds=time.perf_counter() - self._began,
            degraded=tuple(self._account.degraded),
        )

    def let_go(self) -> None:
        """Leave the rest to whoever calls again."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._leases.give_up(lease, lost=True)

    def _plan(self, fold: Fold | None) -> Plan:
        """What makes this the living history of its conversation, as an answered turn does.

        It is the plan of the newest opening, which nobody will ask about again: what is in
        memory is found from now on, and a history cut at its front is joined to this one.
        """
        exchanges = self._transcript.exchanges
        newest, before = exchanges[-1], exchanges[-2] if len(exchanges) > 1 else None
        return Plan(
            id=plan_id(newest),
            parent=self._archive.end_of(self._transcript),
            root=exchanges[0].opening_id,
            fold=fold.id if fold else "",
            appends=self._policy.placement != "before_window",
            cached=self._policy.cache != "off",
            recalled="",
            shown=(),
            measures=Measures(),
            words=opening_name(newest, self._archive.seed),
            number=len(exchanges),
            turn=turn_name(newest, before, self._archive.seed),
        )

    def _embed(self) -> None:
        if self._context.embedder is not None:
            try:
                self._archive.embed_owed(
                    self._context.embedder, lambda done, of: self._progress("vectors", done, of)
                )
            except BaseException as wrong:  # noqa: BLE001 - an embedder may raise anything
                self._context.degrade("index", failure(wrong))


def no_progress(_step: Step, _done: int, _of: int) -> None:
    """Tells no one."""


def times_of(
    times: Sequence[float | datetime | None] | None,
    messages: Sequence[Mapping[str, Any]],
    zone: tzinfo | None = None,
) -> list[float | None] | None:
    """Times as seconds since the epoch, one a message.

    Args:
        times: seconds, or datetimes, or None where not known.
        messages: what they are the times of.
        zone: of datetimes without a time zone; None for the machine's.

    Raises:
        TurnfoldError: there are not as many times as messages, or one is no time.
    """
    if times is None:
        return None
    if isinstance(times, str) or not isinstance(times, Collection):
        raise TurnfoldError(f"times={shown(times)} must be a list, of a time for each message")
    if len(times) != len(messages):
        raise TurnfoldError(
            f"times holds {len(times)} entries for {len(messages)} messages: give one for each, "
            f"None where a time is not known"
        )
    return [
        None if one is None else seconds_of(one, zone, what=f"times[{number}]")
        for number, one in enumerate(times)
    ]
