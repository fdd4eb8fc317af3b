"""A fold is made ready before it is wanted, so that nobody waits for it.

    seen        an opening finds the prompt near the size at which it will fold
    prepared    away from the turn, the summaries of that fold are written under the ids of its
                nodes, and its passages are embedded
    adopted     at a later opening, where the fold rule says so, it folds exactly as far as was
                prepared, and asks no model

How far a fold reaches decides which runs of exchanges its nodes are about. So that is settled
when the preparation begins and written down (`Preparation`); later openings go by it, whoever
wrote it. One worker at a time works on a preparation, under a lease.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from turnfold.archive.archive import Archive
from turnfold.archive.leases import Lease, Leases
from turnfold.archive.plans import Preparation, preparation_id
from turnfold.errors import failure
from turnfold.folding.fold_builder import FoldBuilder
from turnfold.folding.fold_range import FoldRange
from turnfold.folding.rule import PromptSizes
from turnfold.folding.summary_budget import SummaryBudget
from turnfold.forgetting.forget import forget_again, mark_of
from turnfold.history.exchanges import Exchange
from turnfold.policy import Policy
from turnfold.summaries.notes import Item, Outcome, SummaryJob
from turnfold.summarizers.driver import Ask, Compare, Do, Script
from turnfold.summarizers.reconciling import Supersessions
from turnfold.turn_context import TurnContext

Readiness = Literal["none", "ready", "running", "lost", "hopeless", "idle", "failing"]

# A claim runs for so many times what a turn may take, and so many seconds at the least; a
# summary has to be done within that.
_DEADLINES = 2
_LEAST_CLAIM = 60.0
# Prepare a fold at this share of the prompt at which it is made.
_EARLY = 0.7
_MOST_TO_COME = 1_000


Step = Literal["go on", "adopt", "fold now", "prepare"]


def next_step(
    *, due: bool, over: bool, readiness: Readiness, lasting: bool, alone: bool = False
) -> Step:
    """What to do at an opening at which the fold rule folds, or will fold soon.

    Args:
        due: the rule folds at this opening; else soon.
        over: the prompt is over the ceiling, so the history no longer fits.
        readiness: of the preparation there is: "none", "ready", someone is at it ("running"),
            whoever was at it is gone ("lost") as others were before ("hopeless"), it failed
            once ("idle") or more often ("failing").
        lasting: whether to count on workers although one was lost, or failed more than once:
            its client may have been closed after its turn.
        alone: there are no workers; the turn that is due folds by itself.

    Returns:
        "adopt" what was prepared; "fold now", and let the user wait; leave it to a worker to
        "prepare"; or "go on" with the history as it is.
    """
    if due and readiness == "ready":
        return "adopt"
    lost = readiness == "hopeless" or (readiness == "lost" and not lasting)
    gone = lost or (readiness == "failing" and not lasting)
    if due and (over or alone or gone):
        return "fold now"
    if alone or readiness in {"running", "ready"} or lost:
        return "go on"  # where one worker was lost, the next would be, too
    return "prepare"


def projected(standing: PromptSizes) -> PromptSizes:
    """The request as it may be when its prompt has grown by what is left to the threshold.

    So the fold rule, asked about it, says where it will fold when `_EARLY` of its threshold is
    reached now. Turns to come are taken to be like those there were.
    """
    growth = int(standing.prompt * (1 / _EARLY - 1)) + 1
    usual = max(1, sum(standing.sizes) // len(standing.sizes))
    more = min(max(1, round(growth / usual)), _MOST_TO_COME)
    return replace(
        standing,
        sizes=[*standing.sizes, *[growth // more + 1] * more],
        requests=[*standing.requests, *[1] * more],
        cold=False,
    )


def prepared(exchanges: Sequence[Exchange], *, base: str, start: int, until: int) -> Preparation:
    """The preparation of the fold of exchanges from `start` up to `until`."""
    return Preparation(preparation_id(exchanges[until - 1]), base, start, until)


class FoldPreparation:
    """The writing of one fold's summaries, driven by a worker apart from any turn.

    `begin` claims it, `advance` and `accept` go through its summaries, `end` embeds what will be
    folded and lets go; `let_go` is for whoever has to stop before.

    A turn that cannot do without the fold starts one and waits for it, as long as it may. What
    comes after that is written all the same, and the next turn finds it.

    Attributes:
        name: of its preparation.
        urgent: whether a turn waits for it.
        finished: set once nobody works on it any more.
        raised: what a turn that waits is to be told, where failures are to be raised.
    """

    def __init__(
        self,
        context: TurnContext,
        exchanges: Sequence[Exchange],
        preparation: Preparation,
        wanted: FoldRange,
        spending: SummaryBudget,
        *,
        urgent: bool = False,
    ) -> None:
        """Args:
        context: of the turn that has it written.
        exchanges: the path, at least as far as the preparation reaches, as it may be stored.
        preparation: how far it reaches.
        wanted: the same, cut into runs.
        spending: held against the caps.
        urgent: whether the turn waits for it.
        """
        self.name = preparation.id
        self.urgent = urgent
        self.finished = threading.Event()
        self.raised: Exception | None = None
        self._context = context.awaited() if urgent else context.aside()
        self._archive = context.archive
        self._exchanges = exchanges[: preparation.until]
        self._preparation = preparation
        self._policy = context.policy
        self._leases = leases_of(context.archive, context.policy)
        self._lease: Lease | None = None
        self._begun = False
        self._gone = False  # whether those who worked on it have left
        self._is_under_way = False
        self._lock = threading.Lock()
        self._accepting = threading.Lock()
        self._folding = FoldBuilder(self._context, self._exchanges, wanted, spending)

    def begin(self) -> bool:
        """Claim the work; False where it is done, or someone is at it.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        self._begun = self._hold(self._leases.take(self.name)) is not None
        return self._begun

    def _hold(self, lease: Lease | None) -> Lease | None:
        """Hold a claim that was just made, unless those it was made for have left meanwhile."""
        with self._lock:
            if not self._gone:
                self._lease = lease
                return lease
        if lease is not None:
            self._leases.give_up(lease, lost=True)
        return None

    def advance(self) -> list[SummaryJob]:
        """Go on to the summaries to be written next; none where none is left, or one could not be.

        Several may be asked for at once where a turn waits; else it is one. None, too, once
        something was forgotten meanwhile: later turns know what.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        lease = self._lease
        if lease is None or is_outdated(self._archive):
            return []
        self._folding.tries = lease.tries
        if self._is_under_way:
            self._hold(self._leases.renew(lease))
        self._is_under_way = True
        jobs = self._folding.advance()
        if self._lease is None or (self._folding.has_failed and not self.urgent):
            return []
        return jobs if self.urgent else jobs[:1]

    def accept(self, job: SummaryJob, outcome: Outcome) -> bool | None:
        """Take the answer to a job of `advance`. Several may be taken at a time.

        Returns:
            Whether it was of use; see `FoldBuilder.take`.

        Raises:
            StoreError: the ledger could not be written.
        """
        with self._accepting:
            written, late = len(self._folding.wrote), self._folding.came_late
            of_use = self._folding.take(job, outcome)
            if self._folding.came_late > late:
                self._context.learned.patience.answered(of_use=False)
            elif len(self._folding.wrote) > written:
                self._context.learned.patience.answered(of_use=True)
            if is_outdated(self._archive):
                self._archive.take_back([self.name, *self._folding.wrote])
        return of_use

    def items(self) -> list[Item]:
        """The items to be compared, where several leaves were written; see `reconciling`.

        Raises:
            StoreError: the ledger could not be read.
        """
        if self._lease is None or self.urgent or is_outdated(self._archive):
            return []
        return self._folding.to_compare(self.name)

    def compared(self, items: Sequence[Item], outcome: Supersessions | Exception) -> None:
        """Take the answer about the `items`.

        Raises:
            StoreError: the ledger could not be written.
        """
        if not is_outdated(self._archive):
            self._folding.compared(self.name, items, outcome)

    def end(self) -> None:
        """Embed what will be folded, if its summaries are there, and let go.

        Whoever waits for it embeds by itself.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        try:
            if (
                self._lease is not None
                and self._folding.is_ready
                and not is_outdated(self._archive)
            ):
                if not self.urgent:
                    self._index()
                    self._archive.store_indexed(self.name)
                take_back(self._archive, self._policy)
                self._leases.clear(self.name)
                self._lease = None
        finally:
            self.let_go(lost=False)

    def let_go(self, *, lost: bool) -> None:
        """Leave the rest to others. Twice is harmless.

        Args:
            lost: there was no time to end the work.
        """
        with self._lock:
            self._gone = True
            lease, self._lease = self._lease, None
            begun, self._begun = self._begun, False
        if lease is not None:
            with contextlib.suppress(Exception):  # its time will be up
                self._leases.give_up(lease, lost=lost)
        if begun and not self.urgent:
            self._context.account.close()
        self.finished.set()

    def failed(self, wrong: Exception) -> None:
        """Something other than a summary went wrong: say so, now or later."""
        if not self.urgent:
            self._context.degrade("background", wrong)
        elif self._policy.on_error == "raise":
            self.raised = wrong
        else:
            self._context.degrade("fold", wrong)

    def _index(self) -> None:
        self._folding.store_passages()
        if self._context.embedder is not None:
            try:
                self._archive.embed_owed(self._context.embedder)
            except BaseException as wrong:  # noqa: BLE001 - an embedder may raise anything
                self._context.degrade("index", failure(wrong))


def written(
    preparation: FoldPreparation, *, compares: bool, stopping: Callable[[], bool] = lambda: False
) -> Script[None]:
    """The script of a preparation; nothing that goes wrong is raised.

    Args:
        preparation: what is to be done.
        compares: whether the summarizer can compare items.
        stopping: tells, each time that something was done, whether to leave the rest.
    """
    try:
        if (yield Do(preparation.begin)):
            yield from _gone_through(preparation, compares=compares, stopping=stopping)
        preparation.let_go(lost=True)  # if it was stopped, or someone else is at it
    except GeneratorExit:
        # It is collected, after its loop was closed over it: in the middle of whatever this
        # thread is at, under whatever lock that holds. To wait for one here would be for ever.
        with contextlib.suppress(RuntimeError):  # the interpreter is about to exit
            threading.Thread(target=preparation.let_go, kwargs={"lost": True}, daemon=True).start()
        raise
    except BaseException as caught:  # noqa: BLE001 - nothing of a worker reaches anyone
        try:
            wrong = failure(caught)
        except BaseException:  # a cancellation, an interrupt: it stays what it is
            preparation.let_go(lost=True)
            raise
        if not stopping():
            preparation.failed(wrong)
        with contextlib.suppress(Exception):
            preparation.let_go(lost=stopping())


def _gone_through(
    preparation: FoldPreparation, *, compares: bool, stopping: Callable[[], bool]
) -> Script[None]:
    while not stopping() and (jobs := (yield Do(preparation.advance))):
        yield Ask(preparation, jobs)
    if not stopping() and compares and (items := (yield Do(preparation.items))):
        outcome = yield Compare(items)
        yield Do(partial(preparation.compared, items, outcome))
    if not stopping():
        yield Do(preparation.end)


def is_outdated(archive: Archive) -> bool:
    """Whether something was forgotten since this work began."""
    return mark_of(archive.store, archive.scope.user_id) != archive.mark


def take_back(archive: Archive, policy: Policy) -> None:
    """Undo what was written of exchanges that were forgotten since this work began."""
    if is_outdated(archive):
        forget_again(archive.store, policy, archive.scope.user_id)


def leases_of(archive: Archive, policy: Policy) -> Leases:
    """The leases of a conversation."""
    return Leases(
        archive.store.ledger,
        archive.scope.user_id,
        archive.scope.conversation,
        seconds=max(_DEADLINES * policy.deadline, _LEAST_CLAIM),
        clock=archive.clock,
        claims=archive.claims,
    )
