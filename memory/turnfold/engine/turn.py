"""A turn, step by step: the whole idea in one file.

    begin         read the caller's messages as exchanges and store those that are closed; find
                  what was planned for this opening, or step, or decide what to fold
    preparation   a fold to have written: one that is wanted before the request can go out, or one
                  that is prepared while it is on its way, so that nobody waits for it
    settle        take the summaries that are written; the oldest exchanges, or steps of the open
                  one, move into memory
    body          recall what bears on the opening, write the plan once and read it back, and
                  build the request: summary, recalled passages, newest exchanges verbatim
    recover_from  the API refused it for a reason memory can mend: change the plan, send once more
    answered      usage, proofs for thinking, the receipt

Nothing here calls a model: `preparation` hands out the work, a `FoldPreparation`, and its worker
asks. What is decided is written to the ledger before it is acted on, so that a retry, another
process or a restart meets the same plan and sends the same bytes.

A request may stand amid an exchange, in the middle of an agent's work: what is then folded of its
steps is `TurnSteps`' to say.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from turnfold.accounting.answer import Answer
from turnfold.accounting.receipt import Outlook, Receipt, Tokens
from turnfold.accounting.tokens import count_fixed
from turnfold.archive.measures import Measures
from turnfold.archive.passages import RecalledPassage
from turnfold.archive.plans import Fold, Plan
from turnfold.engine.cut_history import Course
from turnfold.engine.turn_answer import TurnAnswer
from turnfold.engine.turn_plans import Known, TurnPlans
from turnfold.engine.turn_recall import TurnRecall
from turnfold.engine.turn_steps import TurnSteps
from turnfold.errors import failure
from turnfold.folding.epoch import Epoch
from turnfold.folding.folds_in_force import fold_in_force, left_out
from turnfold.folding.planner import FoldPlanner, Workers
from turnfold.folding.preparation import FoldPreparation, take_back
from turnfold.folding.read_request import ReadRequest
from turnfold.folding.rule import nears_first_fold
from turnfold.folding.summary_budget import SummaryBudget
from turnfold.folding.turn_folds import TurnFolds
from turnfold.history.citations import Citations, LeftOut
from turnfold.history.exchanges import Exchange
from turnfold.history.steps import steps_of
from turnfold.recall.candidates import MessageCache
from turnfold.request.cache_diagnosis import asking
from turnfold.request.carried_state import protected_head
from turnfold.request.refusals import Refusal
from turnfold.request.rewrite import Sent, build
from turnfold.request.thinking import binds_thinking
from turnfold.turn_context import TurnContext


class Turn:
    """One request on its way through memory, driven alike by the sync and the async shell."""

    def __init__(
        self,
        context: TurnContext,
        body: Mapping[str, Any],
        course: Course,
        *,
        known: MessageCache,
        workers: Workers,
    ) -> None:
        """Args:
        context: the ledger, the settings, the account.
        body: the request; never changed.
        course: its messages as exchanges, and how they go on from what memory knows.
        known: messages of the past that this process has read already.
        workers: who may write summaries.
        """
        self._context = context
        self._policy = context.policy
        self._archive = archive = context.archive
        self._body = body
        self._course = course
        self._transcript = transcript = course.transcript
        self._exchanges = transcript.exchanges
        self._count = context.count
        self.account = context.account
        self._revision = 0
        self._amid = False  # whether exchanges are folded amid the steps of another
        self._strip = False  # all thinking goes: the API refused some of it
        self._found: Sequence[RecalledPassage] | None = None
        self._sent: Sent | None = None
        self._tokens = Tokens()

        self._head = protected_head(transcript, context.policy.keep_first)
        self._citations = Citations(transcript, self._left_out)
        self._fixed = count_fixed(body, self._count)
        self._request = ReadRequest(body, transcript, self._citations, self._fixed, self._head)
        self._before = self._exchanges[-2] if len(self._exchanges) > 1 else None
        openings = [transcript.open, *([self._before] if self._before else [])]
        plans = archive.plans(openings)
        self._plan = plans.get(transcript.open.opening_id)
        before = plans.get(self._before.opening_id) if self._before else None
        previous = self._newest_of(self._before, before) or course.plan
        steps = TurnSteps(context, self._request, self._plan, previous, workers)
        self._steps, self._plan = steps, steps.plan
        self._is_first = len(self._exchanges) == 1 and not transcript.open.replies
        self._is_known = bool(
            archive.scope.conversation
            or transcript.open.replies
            or (self._before and self._before.opening_id in plans)
        )
        if self._plan is None:
            self._previous = previous
            self._measures = self._measured(self._previous)
            fold = fold_in_force(
                archive,
                transcript,
                self._citations,
                head=self._head,
                previous=previous if before is not None else None,
            )
        else:
            self._previous = self._plan
            self._request = replace(self._request, carried=self._count(self._plan.recalled))
            self._measures = self._plan.measures
            fold = self._fold_of(self._plan)
        self._measures = steps.measured(self._measures)
        count = fold.count if fold is not None else 0
        steps.view.read_folds(range(min(self._head, count), count))
        self._recall = TurnRecall(context, self._request, known, root=self._root)
        self._planner = FoldPlanner(context, self._request, self._measures, workers)
        self._plans = TurnPlans(
            context,
            self._request,
            course=course,
            recall=self._recall,
            planner=self._planner,
            steps=steps,
            known=Known(self._previous, self._measures, self._root),
        )
        spending = SummaryBudget(context, transcript, self._root)
        epoch = self._epoch_under(fold)
        self._folds = TurnFolds(context, self._planner, transcript, epoch, spending)

    def begin(self) -> None:
        """Go by what was planned for this opening, or step, or decide what to fold."""
        if self._steps.are_crowded(self._epoch, self._planner):
            self._plan, self._amid = None, True  # exchanges go before steps do
        if self._plan is None:
            self._folds.begin()
        if self._plan is None or self._steps.newest:
            self._begin_loading()
        if not self._folds.is_awaited:
            self._begin_steps()
        if self.folds:
            self._archive.flush()  # nothing is held back while summaries are waited for

    def _begin_steps(self) -> None:
        self._steps.begin(self._measures, self._epoch, self._plan, self._root)
        if not self._steps.is_awaited:
            self._reach_back()

    def _reach_back(self) -> None:
        """Fold exchanges amid another one, where all that is folded of its steps is not enough.

        Where there are none left, what was recalled at the opening gives way.
        """
        if (
            self._steps.newest
            and not self._steps.is_planned
            and (self._plan is not None or self._amid)
            and self._planner.is_past_limit(self._epoch)
            and (
                self._epoch.start < len(self._transcript.closed)
                or (self._plan is not None and self._plan.recalled)
            )
        ):
            self._plan, self._amid = None, True
            self._folds.epoch = self._epoch  # with the steps as they are shown now
            self._folds.begin()

    def _newest_of(self, exchange: Exchange | None, plan: Plan | None) -> Plan | None:
        """The newest plan of a closed exchange: amid its steps, if there is one."""
        steps = steps_of(exchange) if exchange is not None and exchange.replies > 1 else None
        if exchange is None or steps is None or plan is None:
            return plan
        return self._archive.step_plans(exchange, steps.closed)[1] or plan

    @property
    def _left_out(self) -> LeftOut:
        return partial(left_out, self._archive, self._transcript, head=self._head)

    @property
    def _root(self) -> str:
        """What names the history, although its first exchange may since have been deleted."""
        named = self._previous.root if self._previous is not None else ""
        return named or self._exchanges[0].opening_id

    @property
    def _epoch(self) -> Epoch:
        return self._folds.epoch.showing(self._steps.view.shown)

    def _epoch_under(self, fold: Fold | None) -> Epoch:
        shown = self._steps.view.shown
        anew = self._previous.anew if self._previous is not None else None
        transcript, head = self._transcript, self._head
        return Epoch.under(fold, self._context, transcript, head=head, shown=shown, anew=anew)

    def _fold_of(self, plan: Plan) -> Fold | None:
        return self._archive.fold_of(plan, self._transcript.closed)

    @property
    def _is_within_first(self) -> bool:
        """Whether this is a later request of the first exchange, amid the calls of a tool."""
        return len(self._exchanges) == 1 and bool(self._transcript.open.replies)

    def _measured(self, previous: Plan | None) -> Measures:
        """What the turns before this one have shown."""
        if previous is None or self._before is None:
            return Measures()
        rows = self._archive.answered_requests(self._before)
        return previous.measures.after(rows, fold=previous.fold, cached=previous.cached)

    def _begin_loading(self) -> None:
        """Have the embedding model loaded by the time that something is to be recalled."""
        wanted = self._policy.scope == "user" or nears_first_fold(
            sum(one.size for one in self._exchanges), self._fixed, self._policy
        )
        if self._context.embedder is not None and self._policy.recall_tokens and wanted:
            self._context.embedder.begin()

    # --- folding ------------------------------------------------------------------------------

    def preparation(self) -> FoldPreparation | None:
        """A fold to have written: before the request goes out where it is urgent, or meanwhile."""
        if self._steps.is_awaited and not self._folds.is_awaited:
            return self._steps.pending
        return self._folds.pending or self._steps.pending

    @property
    def folds(self) -> bool:
        """Whether a fold is wanted before the request can go out; asks no store."""
        return self._folds.is_awaited or self._steps.is_awaited

    def is_waiting(self) -> bool:
        """Whether someone else is writing the summaries that this turn cannot do without."""
        return self._folds.is_waiting() or self._steps.is_waiting()

    def settle(self) -> bool:
        """Take what was written of an urgent fold, and fold as far as it reaches.

        Returns:
            Whether another one is wanted before the request can go out.
        """
        with self._timed("fold"):
            if self._folds.is_awaited:
                if not self._folds.settle() and not self._steps.is_begun:
                    self._begin_steps()
            elif not self._steps.settle():
                self._reach_back()
            return self.folds

    # --- the request --------------------------------------------------------------------------

    def body(self) -> Mapping[str, Any]:
        """The request to send. The caller's body is not changed."""
        with self._timed("recall"):
            if self._plan is None:
                self._plan = self._planned()
                take_back(self._archive, self._policy)
            self._plan = self._planned_amid(self._plan)
            self._archive.flush()
        with self._timed("build"):
            epoch, shown = self._epoch, self._steps.view.shown
            citations = self._citations
            if shown is not self._transcript:
                stands = self._steps.view.stands
                citations = Citations(self._transcript, self._left_out, stands=stands)
            self._sent = build(
                self._body,
                shown,
                head=self._head,
                folded=epoch.in_memory,
                injections=epoch.injections(self._plan),
                summary=len(epoch.blocks_of(self._plan)),
                carried=epoch.carried(),
                citations=citations,
                proofs=self._archive.proofs(epoch.thinking()),
                thinking_from=self._thinking_from(),
                cache=self._planner.is_cached if self._is_within_first else self._plan.cached,
                marks_end=self._is_known,
                noted=self._steps.view.noted,
                unbound_from=None if binds_thinking(self._request.model) else shown.starts[-2],
            )
            self._tell_of_limit()
        if self._policy.diagnose_cache:
            return asking(self._sent.body, self._archive.last_message(self._exchanges))
        return self._sent.body

    def _thinking_from(self) -> int:
        """Index of the first message whose thinking may stay; what came before was refused."""
        if self._strip:
            return len(self._transcript.messages)
        floor = self._recall.floor(self._epoch)
        return self._steps.view.place(floor) if floor else 0

    def _tell_of_limit(self) -> None:
        """Say so where the prompt is over the most it may have."""
        self._tokens = self._epoch.tokens(self._plan, fixed=self._fixed)
        sent = self._tokens.sent
        if sent > self._planner.limit:
            newest = self._epoch.sizes[-1]
            self.account.note(
                f"limit: this prompt of about {sent} tokens is over the most it may have, "
                f"{self._planner.limit}; the newest exchange has {newest}, system and tools "
                f"{self._fixed}"
            )

    def _planned(self) -> Plan:
        """Decide the rest, write it down, and go by what then holds."""
        plan, found = self._plans.of_opening(self._epoch, self._revision, amid=self._amid)
        self._found = None if self._amid else found
        holds = self._archive.store_plan(plan)
        if holds != plan:  # someone else planned this opening first
            self._found = None
            self._steps.go_by(holds)
            self._folds.epoch = self._epoch_under(self._fold_of(holds))
        return holds

    def _planned_amid(self, plan: Plan) -> Plan:
        """The plan of this very request, where it stands amid an exchange that may be folded."""
        of_step, found = self._plans.of_step(plan, self._epoch, self._revision)
        if of_step is plan:
            return plan
        if found:
            self._found = [*self._hits(), *found]
        plan = self._archive.store_plan(of_step)
        take_back(self._archive, self._policy)
        if plan != of_step:  # someone else planned this request first
            self._steps.go_by(plan)
        return plan

    @property
    def turns(self) -> int:
        """Number of the exchange that is open."""
        return len(self._exchanges)

    @property
    def outlook(self) -> Outlook:
        """What memory did for this request, once `body` was built; asks no store."""
        shown = self._plan.shown if self._plan is not None else ()
        return self.account.outlook(self._tokens, recalled=len(shown))

    # --- the answer ---------------------------------------------------------------------------

    def recover_from(self, refusal: Refusal) -> bool:
        """Change what the API refused; True if it is worth sending once more.

        Two refusals are known: thinking bound to another prefix, or not whole any more, goes,
        all of it; a prompt that is too long is folded down to the newest exchange.
        """
        if refusal.kind == "thinking" and not self._strip:
            self._strip = True
            try:
                self._archive.refuse_thinking(self._transcript.open)
            except BaseException as wrong:  # noqa: BLE001 - a store may raise anything
                self._context.degrade("thinking", failure(wrong))
            self.account.degraded.append("thinking: the API refused some; all of it was left out")
            return True
        if refusal.kind == "too_long" and not self._revision:
            self._revision = 1
            sent = self._epoch.tokens(self._plan, fixed=self._fixed).sent
            if self._steps.open_all():
                self._begin_steps()
            newest = "step" if self._steps.fold_all(refusal, sent=sent) else "exchange"
            if self._folds.fold_all(refusal, sent=sent):
                self._plan, self._amid = None, bool(self._steps.newest)
            elif newest != "step":
                return False
            self.account.fold_reason = "the API found the prompt too long"
            self.account.degraded.append(
                f"window: the prompt was too long; all but the newest {newest} was folded"
            )
            return True
        return False

    def answered(self, came: Answer) -> Receipt:
        """Write what the answer tells and give the account of the request.

        Args:
            came: the answer, as far as it came.
        """
        with self._timed("finish"):
            answer = TurnAnswer(self._context, self._request, came)
            tokens = self._epoch.tokens(self._plan, fixed=self._fixed)
            if self._sent is not None:
                answer.store(self._sent, sent=tokens.sent)
        return answer.receipt(self._plan, tokens, self._epoch.in_memory, self._hits)

    def _hits(self) -> Sequence[RecalledPassage]:
        if self._found is None and self._plan is not None:
            try:
                self._found = self._archive.recalled_passages(self._plan.shown)
            except BaseException as wrong:  # noqa: BLE001 - a store may raise anything
                self._context.degrade("receipt", failure(wrong))
        return self._found or ()

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.account.seconds
            seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - start
