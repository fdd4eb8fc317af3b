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
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from turnfold.account import Account
from turnfold.archive import Archive
from turnfold.embedders import Embedder
from turnfold.errors import failure
from turnfold.folding import Folding, Outcome
from turnfold.forgetting import forget_again, mark_of
from turnfold.lease import Lease, Leases
from turnfold.plans import Fold, Preparation, preparation_id
from turnfold.policy import Policy
from turnfold.reconciling import Reconciled
from turnfold.spending import Spending
from turnfold.summary import Item, SummaryJob
from turnfold.tokens import CountText
from turnfold.transcript import Exchange
from turnfold.window import Standing

logger = logging.getLogger("turnfold")

Readiness = Literal["none", "ready", "running", "lost", "idle", "failing"]

# A claim runs for so many times what a turn may take; a summary has to be done within that.
_DEADLINES = 2
# Prepare a fold at this share of the prompt at which it is made.
_EARLY = 0.7
_MOST_TO_COME = 1_000


Step = Literal["go on", "adopt", "fold now", "prepare"]


def next_step(*, due: bool, over: bool, readiness: Readiness, lasting: bool) -> Step:
    """What to do at an opening at which the fold rule folds, or will fold soon.

    Args:
        due: the rule folds at this opening; else soon.
        over: the prompt is over the ceiling, so the history no longer fits.
        readiness: of the preparation there is: "none", "ready", someone is at it ("running"),
            whoever was at it is gone ("lost"), it failed once ("idle") or more often
            ("failing").
        lasting: whether to count on workers although one was lost, or failed more than once:
            its client may have been closed after its turn.

    Returns:
        "adopt" what was prepared; "fold now", and let the user wait; leave it to a worker to
        "prepare"; or "go on" with the history as it is.
    """
    if due and readiness == "ready":
        return "adopt"
    if due and (over or (readiness in {"lost", "failing"} and not lasting)):
        return "fold now"
    return "go on" if readiness in {"running", "ready"} else "prepare"


def soon(standing: Standing) -> Standing:
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


class Chore:
    """The preparation of one fold, driven by a worker apart from any turn.

    `begin` claims it, `next` and `accept` go through its summaries one at a time, `end` embeds
    what will be folded and lets go; `let_go` is for whoever has to stop before.
    """

    def __init__(
        self,
        archive: Archive,
        exchanges: Sequence[Exchange],
        preparation: Preparation,
        *,
        base: Fold | None,
        head: int,
        policy: Policy,
        embedder: Embedder | None,
        count: CountText,
        spending: Spending,
        sizes: Sequence[int],
        done: Callable[[Account], None],
    ) -> None:
        """Args:
        archive: the ledger and index.
        exchanges: the path, at least as far as the preparation reaches, as it may be stored.
        preparation: how far it reaches.
        base: the fold it grows from.
        head: how many of the oldest exchanges are never folded.
        policy: sizes and limits.
        embedder: makes the vectors; None for none.
        count: counts tokens.
        spending: held against the caps.
        sizes: tokens of each exchange.
        done: given the account of what was spent and what failed, once it is over.
        """
        self.name = preparation.id
        self._archive = archive
        self._exchanges = exchanges[: preparation.until]
        self._preparation = preparation
        self._policy = policy
        self._sizes = sizes
        self._embedder = embedder
        self._done = done
        self._account = Account(prices=policy.prices)
        self._leases = leases_of(archive, policy)
        self._lease: Lease | None = None
        self._begun = False
        self._job: SummaryJob | None = None
        self._folding = Folding(
            archive,
            self._exchanges,
            policy=policy,
            embedder=embedder,
            count=count,
            account=self._account,
            degrade=self._degrade,
            spending=spending,
        )
        self._base = base
        self._head = head

    def begin(self) -> bool:
        """Claim the work; False where it is done, or someone is at it.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        self._lease = self._leases.take(self.name)
        self._begun = self._lease is not None
        return self._begun

    def next(self) -> SummaryJob | None:
        """The next summary to be written; None where none is left, or one could not be.

        None, too, once something was forgotten meanwhile: later turns know what.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        if self._lease is None or is_stale(self._archive):
            return None
        if self._job is None:
            self._want()
        jobs = self._folding.due()
        if not jobs or self._folding.has_failed:
            return None
        if self._job is not None:
            self._lease = self._leases.renew(self._lease)
        self._job = jobs[0]
        return self._job if self._lease is not None else None

    def accept(self, outcome: Outcome) -> None:
        """Take the answer to the job of `next`.

        Raises:
            StoreError: the ledger could not be written.
        """
        assert self._job is not None
        self._folding.answer(self._job, outcome)
        if is_stale(self._archive):
            self._archive.take_back([self.name, *self._folding.wrote])

    def items(self) -> list[Item]:
        """The items to be compared, where several leaves were written; see `reconciling`.

        Raises:
            StoreError: the ledger could not be read.
        """
        if self._lease is None or is_stale(self._archive):
            return []
        return self._folding.to_compare(self.name)

    def compared(self, items: Sequence[Item], outcome: Reconciled | Exception) -> None:
        """Take the answer about the `items`.

        Raises:
            StoreError: the ledger could not be written.
        """
        if not is_stale(self._archive):
            self._folding.compared(self.name, items, outcome)

    def end(self) -> None:
        """Embed what will be folded, if its summaries are there, and let go.

        Raises:
            StoreError: the ledger could not be read or written.
        """
        try:
            self._want()
            if self._lease is not None and self._folding.is_ready and not is_stale(self._archive):
                self._index()
                self._archive.keep_indexed(self.name)
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
        lease, self._lease = self._lease, None
        begun, self._begun = self._begun, False
        if begun:
            self._done(self._account)
        if lease is not None:
            with contextlib.suppress(Exception):  # its time will be up
                self._leases.give_up(lease, lost=lost)

    def failed(self, wrong: BaseException) -> None:
        """Something other than a summary went wrong: say so later."""
        self._degrade("background", wrong)

    def _want(self) -> None:
        start, until = self._preparation.start, self._preparation.until
        self._folding.want(self._base, start, until, head=self._head, sizes=self._sizes)

    def _index(self) -> None:
        start = self._preparation.start
        self._archive.keep_passages(self._exchanges[start:], first=start + 1)
        if self._embedder is not None:
            try:
                self._archive.embed_owed(self._embedder)
            except BaseException as wrong:  # noqa: BLE001 - an embedder may raise anything
                self._degrade("index", failure(wrong))

    def _degrade(self, step: str, wrong: BaseException) -> None:
        reason = str(wrong).partition("\n")[0] or type(wrong).__name__
        self._account.degraded.append(f"{step}: {reason} (while preparing a fold)")
        logger.warning("memory could not prepare a fold, %s: %s", step, reason)


def is_stale(archive: Archive) -> bool:
    """Whether something was forgotten since this work began."""
    return mark_of(archive.store, archive.scope.user_id) != archive.mark


def take_back(archive: Archive, policy: Policy) -> None:
    """Undo what was written of exchanges that were forgotten since this work began."""
    if is_stale(archive):
        forget_again(archive.store, policy, archive.scope.user_id)


def leases_of(archive: Archive, policy: Policy) -> Leases:
    """The leases of a conversation."""
    return Leases(
        archive.store.ledger,
        archive.scope.user_id,
        archive.scope.conversation,
        seconds=_DEADLINES * policy.deadline,
        clock=archive.clock,
    )
