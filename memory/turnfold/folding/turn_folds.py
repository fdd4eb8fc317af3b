"""Decisions about folding go in; what they want written is written, and an epoch comes out."""

from __future__ import annotations

from turnfold.archive.plans import Preparation
from turnfold.errors import TurnfoldError
from turnfold.folding.epoch import Epoch
from turnfold.folding.fold_builder import FoldBuilder
from turnfold.folding.planner import FoldDecision, FoldPlanner
from turnfold.folding.preparation import FoldPreparation, Readiness, leases_of
from turnfold.folding.summary_budget import SummaryBudget
from turnfold.history.exchanges import Transcript
from turnfold.request.refusals import Refusal
from turnfold.turn_context import TurnContext


class TurnFolds:
    """The folds of one turn: which is in force, which is waited for, which is prepared.

    Attributes:
        epoch: the one in force; another once a fold is adopted.
        pending: a fold to be written: before the request can go out, or while it is on its way;
            None for none.
    """

    def __init__(
        self,
        context: TurnContext,
        planner: FoldPlanner,
        transcript: Transcript,
        epoch: Epoch,
        spending: SummaryBudget,
    ) -> None:
        """Args:
        context: the ledger, the settings, the account.
        planner: decides.
        transcript: the messages as exchanges.
        epoch: the one in force.
        spending: held against the caps.
        """
        self.epoch = epoch
        self.pending: FoldPreparation | None = None
        self._context = context
        self._planner = planner
        self._transcript = transcript
        self._patience = context.learned.patience
        self._spending = spending
        self._decision = FoldDecision()
        self._awaited: tuple[Preparation, FoldBuilder] | None = None
        self._waits = False  # whether the turn waits for summaries that it asked for
        self._must = False  # whether the API has said that it must be folded

    @property
    def _has_workers(self) -> bool:
        return self._planner.workers != "none"

    # --- at an opening ------------------------------------------------------------------------

    def begin(self) -> None:
        """Fold at this opening, or leave a fold to be prepared."""
        account = self._context.account
        while True:
            decision = self._decision = self._planner.decide(self.epoch)
            account.fold_reason = decision.reason or account.fold_reason
            if decision.stayed:
                account.stayed.append(decision.stayed)
            preparation = decision.preparation
            if decision.step in {"go on", "prepare"} and decision.leaves > self.epoch.start:
                self._let_go(decision.leaves)
                if self._context.policy.budget is None and self.is_past_limit:
                    continue
            if preparation is None or decision.step == "go on":
                return
            if decision.step != "adopt":
                break
            self._go_by(preparation)
            self.adopt()  # and see whether the rest is still too much
        if decision.step == "fold now":
            self._fold_now(self._settled(preparation, decision.readiness), decision.readiness)
        elif self._patience.asks:
            self.pending = self._preparing(self._settled(preparation, decision.readiness))

    def _settled(self, preparation: Preparation, readiness: Readiness) -> Preparation:
        """Write down how far the next fold will reach, before anyone begins.

        Whoever folds from here on goes by it, so that the same summaries are asked for.
        """
        if readiness == "none" and self._has_workers:
            self._context.archive.store_preparation(preparation)
        return preparation

    def _fold_now(self, preparation: Preparation, readiness: Readiness) -> None:
        """Go by a preparation in this turn, and have written what is lacking of it."""
        folding = self._go_by(preparation)
        if folding.is_ready or readiness == "running" or not self._has_workers:
            return
        waits = self._patience.seconds > 0 or not self.is_past_limit
        if not (waits and self._patience.asks):
            return  # an answer would come too late, and be paid for in vain
        self._waits = self._patience.seconds > 0
        self.pending = self._preparing(preparation, urgent=True)

    def _go_by(self, preparation: Preparation) -> FoldBuilder:
        folding = self._folding(preparation.until, leaves=self._decision.leaves)
        self._awaited = preparation, folding
        return folding

    def _folding(self, until: int, *, leaves: int) -> FoldBuilder:
        wanted = self._planner.range_until(self.epoch, until, leaves=leaves)
        return FoldBuilder(self._context, self._planner.kept, wanted, self._spending)

    def _let_go(self, until: int) -> None:
        """Let exchanges leave the window, though there are no notes on them yet."""
        fold = self._folding(self.epoch.noted, leaves=until).build()
        if fold is not None:
            self.epoch = self.epoch.after(fold)

    def _preparing(self, preparation: Preparation, *, urgent: bool = False) -> FoldPreparation:
        return FoldPreparation(
            self._context,
            self._planner.kept,
            preparation,
            self._planner.range_until(self.epoch, preparation.until),
            self._spending,
            urgent=urgent,
        )

    @property
    def is_past_limit(self) -> bool:
        """Whether the prompt is over the most it may have, as long as nothing is folded."""
        return self._planner.is_past_limit(self.epoch)

    # --- a fold that is waited for ------------------------------------------------------------

    @property
    def is_awaited(self) -> bool:
        """Whether the turn goes by a fold that is not adopted yet."""
        return self._awaited is not None

    def is_waiting(self) -> bool:
        """Whether someone else is writing the summaries of this turn's fold, and not too long."""
        mine = self.pending is not None and not self.pending.finished.is_set()
        if self._awaited is None or mine or self._awaited[1].is_ready:
            return False
        name = self._awaited[0].id
        leases = leases_of(self._context.archive, self._context.policy)
        if leases.state(name) != "running":
            return False
        return self._decision.over or leases.age(name) <= self._patience.seconds

    def settle(self) -> bool:
        """Take what was written of the fold that this turn waited for, and go by it.

        What is lacking is made of the turns' own sentences where the prompt may not do without
        the fold; else the turn goes on as it is, and a later one takes what comes.

        Returns:
            Whether there is more to be folded, and to wait for.

        Raises:
            Exception: what went wrong, where that is wanted.
        """
        pending = self.pending
        if self._awaited is None:
            return False
        preparation, folding = self._awaited
        if pending is not None and pending.urgent:
            self.pending = None
            if pending.raised is not None:
                raise pending.raised
        ready = folding.is_ready
        leases = leases_of(self._context.archive, self._context.policy)
        late = not ready and leases.state(preparation.id) == "running"
        if self._waits:
            self._patience.waited(in_vain=late)
            self._waits = False
        must = self._must or self.is_past_limit
        if not ready and folding.lets_go:
            if late:
                self._context.degrade("summary", TurnfoldError(self._patience.told))
        elif must and not ready:
            folding.make_do("the prompt is too long without these turns' summary")
        elif late:
            self._context.degrade("summary", TurnfoldError(self._patience.told))
            self._awaited = None
            return False
        before = self.epoch.start
        self.adopt()
        if self.epoch.start > before and self.is_past_limit:
            self.begin()
        return self.is_awaited

    def adopt(self) -> None:
        """Go by the new fold, if there is one: a new epoch begins."""
        awaited, self._awaited = self._awaited, None
        if awaited is None:
            return
        preparation, folding = awaited
        archive = self._context.archive
        whole = folding.is_ready
        if not whole and self._parts_cited(folding):
            return
        fold = folding.build(indexed=archive.is_indexed(preparation.id))
        if fold is not None:
            self.epoch = self.epoch.after(fold)
            self._must = False
        if whole and self._has_workers:
            leases_of(archive, self._context.policy).clear(preparation.id)

    def _parts_cited(self, folding: FoldBuilder) -> bool:
        """Whether a fold as far as it is written would part answers in view from what they cite.

        All of it would not; the next turn asks for what is lacking.
        """
        if folding.lets_go:
            return False
        reached = folding.reached
        return reached > self._planner.leaving_cited(self.epoch, reached)[0]

    def fold_all(self, refusal: Refusal, *, sent: int) -> bool:
        """Fold down to the newest exchange, since the API takes no more; False if it cannot be.

        What is prepared is taken first.

        Args:
            refusal: what the API said.
            sent: tokens we had estimated.
        """
        self._planner.learn(refusal, sent=sent)
        excess = self._decision.excess
        self._decision = FoldDecision(over=True, excess=excess)
        found, readiness = self._planner.preparation_of(self.epoch, excess=excess)
        if found is not None and readiness == "ready":
            self._go_by(found)
            self.adopt()
        start, closed = self.epoch.start, len(self._transcript.closed)
        aim, why = self._planner.leaving_cited(self.epoch, closed, must=True)
        if why:
            self._context.account.stayed.append(why)
        if aim > start and self._context.policy.budget is not None:
            self._let_go(aim)
        elif aim > start:
            self._must = True
            found, readiness = self._planner.preparation_of(self.epoch, excess=excess)
            if found is None or found.until != aim:
                found, readiness = self._planner.preparation_until(self.epoch, aim), "none"
            self._fold_now(self._settled(found, readiness), readiness)
        account = self._context.account
        return aim > start or account.folded + account.folded_steps > 0
