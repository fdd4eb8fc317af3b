"""A history and its plan go in; what of the steps of its long exchanges is folded comes out.

An agent makes hundreds of calls in answer to one opening. The oldest closed steps of such an
exchange are folded as exchanges are, by the same rule, reckoned by the call, and by the same
workers: `folding` is given the steps in the place of exchanges, and takes all else in the prompt
for fixed. Their notes stand at the end of the opening. They stay there when the exchange is
closed, until it is folded as a whole: then its notes go into its leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from turnfold.accounting.context_windows import context_window
from turnfold.archive.measures import AnsweredRequest, Measures
from turnfold.archive.plans import Fold, Plan, usage_id
from turnfold.engine.steps_in_view import StepsInView
from turnfold.folding.epoch import Epoch
from turnfold.folding.planner import TRUSTED, FoldPlanner, Workers
from turnfold.folding.preparation import FoldPreparation
from turnfold.folding.read_request import ReadRequest
from turnfold.folding.rule import FEW, SHARE_OF_LIMIT, TO_GROW, nears_first_fold
from turnfold.folding.summary_budget import SummaryBudget
from turnfold.folding.turn_folds import TurnFolds
from turnfold.history.citations import Source
from turnfold.history.exchanges import Transcript
from turnfold.history.steps import Steps, steps_of
from turnfold.history.utterances import utterances
from turnfold.policy import Policy
from turnfold.request.refusals import Refusal
from turnfold.turn_context import TurnContext

# Characters of what an assistant said and called by which the past is searched for a step.
_MOST_DOING = 1_500
# The part of `fold_at` that steps may grow by from one fold to the next, at the least.
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class _Uncited:
    """How far steps can be folded: up to the first that holds what may be cited."""

    least: int
    number: int

    def until(self, head: int, until: int) -> tuple[int, str]:
        if self.least >= until:
            return until, ""
        return max(head, self.least), (
            f"step {self.least + 1} of exchange {self.number} holds a source that may be cited"
        )

    def lost(self, _head: int, _folded: int) -> list[Source]:
        return []  # citations of what is folded all the same go: see `Citations.rewritten`


class TurnSteps:
    """The steps of one turn's exchanges, as far as they are in view.

    Attributes:
        plan: the newest plan of the open exchange: of its opening, or of a step; None for none.
        is_planned: whether that plan is the one for this very request.
    """

    def __init__(
        self,
        context: TurnContext,
        request: ReadRequest,
        plan: Plan | None,
        previous: Plan | None,
        workers: Workers,
    ) -> None:
        """Args:
        context: the ledger, the settings, the account.
        request: what was asked.
        plan: of its opening; None where there is none yet.
        previous: the newest plan of the exchange before.
        workers: who may write summaries.
        """
        self._context = context
        self._archive = context.archive
        self._policy = context.policy
        self._request = request
        self._transcript = request.transcript
        self._workers = workers
        self._number = len(request.transcript.exchanges)
        self.plan = plan
        self.is_planned = plan is not None
        self._view = StepsInView(context, request.transcript, plan or previous)
        self._folds: TurnFolds | None = None
        self._row: AnsweredRequest | None = None
        self._open = steps_of(self._transcript.open) if self._may_fold else None
        if self._open is not None and plan is not None:
            index, newest = self._archive.step_plans(self._transcript.open, self._open.closed)
            self.plan = newest or plan
            self.is_planned = index == len(self._open.closed) - 1
            self._view.take_over(self.plan)
            self._view.show_open(self._open, self._view.fold_in_force(self._open))

    # --- what is in force ---------------------------------------------------------------------

    @property
    def _may_fold(self) -> bool:
        """Whether the prompt nears a size at which anything would be folded."""
        transcript, policy, fixed = self._transcript, self._policy, self._request.fixed
        said = sum(one.size for one in transcript.exchanges)
        if not self._may_ever_fold:
            return False
        model, windows = self._request.model, self._context.learned.windows
        most = policy.max_prompt_tokens or windows.get(model, context_window(model))
        return nears_first_fold(said, fixed, policy) or 2 * (said + fixed) > most

    @property
    def _may_ever_fold(self) -> bool:
        open_ = self._transcript.open
        return bool(open_.replies) and not (open_.compacted or self._archive.open_is_forgotten)

    @property
    def _fold(self) -> Fold | None:
        """The fold of the open exchange's steps that is in force."""
        return self._folds.epoch.fold if self._folds is not None else None

    @property
    def view(self) -> StepsInView:
        """What is folded of steps, and how their exchanges are shown."""
        if self._open is not None and self._folds is not None:
            self._view.show_open(self._open, self._fold)
        return self._view

    def cut(self) -> str:
        """Cut results behind a fold that has come into force at this request.

        Returns:
            What the assistant is at, what it last said and called; "" where there is no such fold.
        """
        steps, fold = self._open, self._fold
        if steps is None or fold is None or self.is_planned:
            return ""
        if self._view.within.get(steps.exchange.opening_id) == fold.id:
            return ""
        self._view.cut_behind(steps, fold, self._policy.result_tokens or 0)
        self._archive.store_steps(steps.exchange, steps.closed)
        newest = self._archive.storable(steps.closed[-1:])[0]
        said = [one for one in newest.messages if one.get("role") == "assistant"]
        return "\n".join(one.text for one in utterances(said))[-_MOST_DOING:]

    def written_in(self, plan: Plan, folded: range) -> Plan:
        """A plan with what is in force of steps.

        Args:
            plan: the plan.
            folded: indexes of the exchanges that are not in view.
        """
        return self.view.written_in(plan, folded, self._fold)

    # --- folding ------------------------------------------------------------------------------

    def measured(self, measures: Measures) -> Measures:
        """What is measured, with what the request before this one has shown of its estimate."""
        open_ = self._transcript.open
        name = usage_id(open_, open_.replies - 1)
        self._row = self._archive.answered_request(name) if self._open is not None else None
        if self._row is None:
            return measures
        return replace(measures, rates=measures.after([self._row], fold="", cached=True).rates)

    def are_crowded(self, epoch: Epoch, planner: FoldPlanner) -> bool:
        """Whether the prompt is over its limit, and closed exchanges leave room for few steps.

        Steps alone would then be folded at every few calls for as long as the exchange goes on,
        where to fold those, as far as nothing in view cites them, frees more than that leaves.

        Args:
            epoch: of the exchanges.
            planner: of these, which knows the limit.
        """
        steps = self._open
        if steps is None or self.plan is None or self.is_planned:
            return False
        if not planner.is_past_limit(epoch):
            return False
        until, _ = planner.leaving_cited(epoch, len(self._transcript.closed))
        freed = int(TRUSTED * sum(epoch.sizes[epoch.start : until]))
        sent = epoch.tokens(self.plan, fixed=self._request.fixed).sent
        least = sent - epoch.sizes[-1] + steps.exchange.size - steps.size + steps.closed[-1].size
        room = planner.limit - least
        room -= min(self._policy.summary_tokens, max(0, room) // SHARE_OF_LIMIT)
        few = room * len(steps.closed) < FEW * steps.size
        return few and freed > max(room // TO_GROW, sent - planner.limit)

    def begin(self, measures: Measures, epoch: Epoch, plan: Plan | None, root: str) -> None:
        """Fold steps at this request, or leave a fold to be prepared.

        Args:
            measures: what the turns before have shown.
            epoch: of the exchanges.
            plan: of the opening, as far as it was made.
            root: names the history.
        """
        steps = self._open
        if steps is None:
            return
        fold = self._view.fold_in_force(steps)
        if not self.is_planned:
            fold = self._archive.fold_of_steps(steps.closed, known=fold)
        open_ = steps.exchange
        rest = epoch.tokens(plan, fixed=self._request.fixed).sent - epoch.sizes[-1]
        rest += open_.size - steps.size
        if plan is None and self.plan is not None:  # what was recalled at the opening stays
            rest += self._context.count(self.plan.recalled)
        if fold is not None:
            rest += self._context.count("\n".join(self._view.behind_notes(steps, fold)))
        request = ReadRequest(
            self._request.body,
            steps.transcript,
            _Uncited(steps.first_citable, self._number),
            rest,
            head=0,
            within=self._number,
            asked=utterances(self._archive.storable([open_])[0].messages[: open_.opening]),
            most=self._most(measures),
        )
        context = replace(self._context, policy=self._policy_of_steps(rest))
        # Within an exchange the cache is warm, unless the request before was long ago.
        calls = Measures(rates=measures.rates)
        if self._row is not None:
            calls = calls.after([self._row], fold="", cached=True)
        planner = FoldPlanner(context, request, calls, self._workers)
        under = self._epoch_of(steps, fold)
        spending = SummaryBudget(self._context, self._transcript, root)
        self._folds = TurnFolds(context, planner, steps.transcript, under, spending)
        if not self.is_planned:
            self._folds.begin()
            if self._folds.pending is not None or self._folds.is_awaited:
                self._archive.store_steps(open_, steps.closed)

    def _policy_of_steps(self, rest: int) -> Policy:
        """The settings for steps.

        Beside what a fold leaves they have room to grow, so that not every call folds where the
        rest of the prompt is large.
        """
        policy = replace(self._policy, budget=None)
        if policy.fold_at != "auto":
            left = policy.summary_tokens + policy.keep_tokens + policy.fold_at // _GROWTH
            policy = replace(policy, fold_at=max(policy.fold_at, rest + left))
        return policy

    def _most(self, measures: Measures) -> int | None:
        """What the prompt may have where there is a budget: that, and what it is not about."""
        if self._policy.budget is None:
            return None
        open_ = self._transcript.open
        most = self._request.fixed + sum(open_.sizes[: open_.opening]) + self._policy.budget
        # A budget is of tokens as they are estimated, a limit of those that the API counts.
        return most if self._policy.count_tokens else int(most * measures.rate(self._request.model))

    @property
    def is_begun(self) -> bool:
        """Whether it was decided about folding steps."""
        return self._folds is not None

    @property
    def pending(self) -> FoldPreparation | None:
        """A fold of steps to be written; None for none."""
        return self._folds.pending if self._folds is not None else None

    @property
    def is_awaited(self) -> bool:
        """Whether the request goes by a fold of steps that is not adopted yet."""
        return self._folds is not None and self._folds.is_awaited

    def is_waiting(self) -> bool:
        """Whether someone else is writing the summaries of it, and not too long."""
        return self._folds is not None and self._folds.is_waiting()

    def settle(self) -> bool:
        """Take what was written of it; whether there is more to be folded, and to wait for."""
        if self._folds is None:
            return False
        more = self._folds.settle()
        if more and self._open is not None:
            self._archive.store_steps(self._open.exchange, self._open.closed)
        return more

    def open_all(self) -> bool:
        """Look at the steps although the prompt is not near any limit known; whether it is new."""
        if self._open is None and self._may_ever_fold:
            self._open = steps_of(self._transcript.open)
            return self._open is not None
        return False

    def fold_all(self, refusal: Refusal, *, sent: int) -> bool:
        """Fold down to the newest step, since the API takes no more; False if it cannot be."""
        if self._folds is None or self._open is None:
            return False
        self._archive.store_steps(self._open.exchange, self._open.closed)
        return self._folds.fold_all(refusal, sent=sent)

    # --- the plan -----------------------------------------------------------------------------

    @property
    def newest(self) -> str:
        """Id of the newest closed step, on which the plan of this request hangs; "" for none."""
        return self._open.newest if self._open is not None else ""

    def go_by(self, plan: Plan) -> None:
        """Go by a plan that someone else wrote first."""
        self.is_planned = True
        self._view.take_over(plan)
        if self._open is None or self._folds is None:
            return
        fold = self._view.fold_in_force(self._open)
        if (fold.id if fold else "") != self._folds.epoch.fold_id:
            self._folds.epoch = self._epoch_of(self._open, fold)

    def _epoch_of(self, steps: Steps, fold: Fold | None) -> Epoch:
        cut = self._view.cut_results(steps, fold) if fold is not None else {}
        shown = [cut.get(index, one) for index, one in enumerate(steps.closed)]
        return Epoch(
            steps.transcript,
            fold,
            {},
            head=0,
            count=self._context.count,
            shown=Transcript.of(shown) if cut else None,
        )
