"""An epoch and what was measured go in; whether, when and how far to fold comes out.

Nothing is written here, and nobody is asked: `turn_folds` goes by what is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from turnfold.accounting.context_windows import context_window
from turnfold.accounting.prices import NEUTRAL, price_of
from turnfold.archive.measures import FIVE_MINUTES, ONE_HOUR, Measures
from turnfold.archive.plans import Preparation
from turnfold.folding.epoch import Epoch
from turnfold.folding.fold_range import FoldRange, written
from turnfold.folding.preparation import Readiness, Step, leases_of, next_step, prepared, projected
from turnfold.folding.read_request import ReadRequest
from turnfold.folding.recall_budget import RecallBudget, most_recalled
from turnfold.folding.rule import (
    SHARE_OF_LIMIT,
    PromptSizes,
    Rates,
    counted,
    fold_until,
    notes_pay,
    notes_wait,
)
from turnfold.history.exchanges import Exchange
from turnfold.request.cache_breakpoints import has_marks, lasts_an_hour
from turnfold.request.refusals import Refusal
from turnfold.summaries.summary_block import FRAME
from turnfold.turn_context import TurnContext

Workers = Literal["none", "turn", "background"]
"""Who may write summaries: nobody, a worker the turn waits for, or one beside it, too."""

TRUSTED = 0.9
"""How far an estimate is trusted where two sizes are compared."""
# What a fold leaves out in all, in tokens, at the least: a summary and what frames it.
_LEAST_FOLD = 2 * FRAME
# The least a summary has under a limit, in tokens.
_LEAST_SUMMARY = 60
# What a refusal says of a prompt corrects the estimate by this much at the most.
_MOST_RATE = 3.0
# Where a refusal does not tell of the window, it is taken to be this part of what was refused, and
# so many tokens at the least.
_SOMEWHAT_LESS = 0.9
_LEAST_WINDOW = 2_000


@dataclass(frozen=True, slots=True)
class FoldDecision:
    """What to do about folding at an opening.

    Attributes:
        step: what to do.
        preparation: the fold to go by, or to have prepared; None where there is none.
        readiness: how far that has come; "none" where nobody has begun it.
        reason: why the rule folds here, in words; "" where it does not.
        excess: tokens that the prompt is over what it may have; not above 0 for none.
        over: whether the turn cannot do without a fold.
        stayed: why less is folded than the rule says; "" where it is not.
        leaves: up to which exchange the window lets go, whether or not there are notes on it; 0
            for as far as the preparation reaches.
    """

    step: Step = "go on"
    preparation: Preparation | None = None
    readiness: Readiness = "none"
    reason: str = ""
    excess: int = 0
    over: bool = False
    stayed: str = ""
    leaves: int = 0


def _folded(epoch: Epoch, until: int) -> int:
    """Tokens of what is left out once all up to there is folded."""
    return epoch.left_out + sum(epoch.sizes[epoch.start : until])


class FoldPlanner:
    """Decides about the folds of one turn."""

    def __init__(
        self,
        context: TurnContext,
        request: ReadRequest,
        measures: Measures,
        workers: Workers,
    ) -> None:
        """Args:
        context: the ledger and the settings.
        request: what was asked.
        measures: what the turns before have shown.
        workers: who may write summaries.
        """
        self._context = context
        self._request = request
        self._policy = context.policy
        self._transcript = request.transcript
        self._exchanges = request.transcript.exchanges
        # As they may be stored.
        self.kept: Sequence[Exchange] = context.archive.storable(self._exchanges)
        self._measures = measures
        self.workers = workers
        self._rate_found = 0.0  # by a refusal in this turn

    # --- the decision -------------------------------------------------------------------------

    def decide(self, epoch: Epoch) -> FoldDecision:
        """Fold at this opening, or have a fold prepared (see `folding.preparation`), or neither."""
        if self._policy.budget is not None:
            return self._decide_within_budget(epoch)
        start = epoch.start
        standing = self._standing(epoch)
        until, reason = self._until(epoch, standing)
        over, excess = self._excess(standing)
        due = until > start
        if not due and self.workers != "background":
            return FoldDecision(reason=reason, over=over, excess=excess)
        seen = standing if due else projected(standing)
        aim = until if due else self._rule(seen)[0]
        aim, why = self.leaving_cited(epoch, aim, excess=excess if over else None)
        stayed = why if due else ""
        if aim == start:
            return FoldDecision(reason=reason, over=over, excess=excess, stayed=stayed)
        found, readiness = self.preparation_of(epoch, excess=excess if over else None)
        if found is not None and found.until <= start and readiness != "ready":
            found, readiness = None, "none"  # it left the window before there were notes on it
        step = self._step(readiness, due=due, over=over)
        waiting = epoch.sizes[epoch.noted : aim]
        if (
            seen.prompt > seen.ceiling
            and (epoch.base or not due)
            and readiness != "ready"
            and notes_wait(waiting, context=epoch.summary)
        ):
            leaves = aim if due else 0
            return FoldDecision("go on", None, readiness, reason, excess, over, stayed, leaves)
        preparation = found or self.preparation_until(epoch, aim)
        short = preparation.until < aim if over else preparation.until <= start
        leaves = aim if step == "adopt" and short else 0
        return FoldDecision(step, preparation, readiness, reason, excess, over, stayed, leaves)

    def _decide_within_budget(self, epoch: Epoch) -> FoldDecision:
        """What leaves the window, and, apart from that, whether it is time to take notes.

        The window shrinks at once, without a model: what leaves it is found again word for word.
        Notes on it are taken when as much has gathered as is worth a call.
        """
        start, excess = epoch.start, epoch.closed - self._policy.keep_tokens
        until, reason = self._until(epoch, self._standing(epoch))
        until, why = self.leaving_cited(epoch, until, excess=excess)
        found, readiness = self.preparation_of(epoch, excess=excess)
        due = until > start
        decision = FoldDecision(
            preparation=found,
            readiness=readiness,
            reason=reason,
            excess=excess,
            stayed=why,
            leaves=until,
        )
        if readiness == "ready":
            return replace(decision, step="adopt" if due else "go on")
        waiting = epoch.sizes[epoch.noted : until]
        context = min(epoch.summary, self._policy.summary_tokens)
        if self.workers == "none" or not (
            found or notes_pay(waiting, context=context, most=self._policy.leaf_tokens)
        ):
            return decision
        return replace(
            decision,
            step=self._step(readiness, due=due, over=False),
            preparation=found or self.preparation_until(epoch, until),
        )

    def _until(self, epoch: Epoch, standing: PromptSizes) -> tuple[int, str]:
        """Up to which exchange it is worth folding, and why."""
        until, reason = self._rule(standing)
        if _folded(epoch, until) < _LEAST_FOLD and not self.is_past_limit(epoch):
            until = epoch.start  # what would stand for it is as long
        return until, reason

    def _step(self, readiness: Readiness, *, due: bool, over: bool) -> Step:
        return next_step(
            due=due,
            over=over,
            readiness=readiness,
            lasting=self._policy.background == "on",
            alone=self.workers != "background",
        )

    def _rule(self, standing: PromptSizes) -> tuple[int, str]:
        """Up to which exchange the fold rule folds, and why."""
        until, reason = fold_until(standing, self._policy, self._rates(standing.prompt))
        return min(until, len(self._transcript.closed)), reason

    def _standing(self, epoch: Epoch) -> PromptSizes:
        measures, rate = self._measures, self.rate
        lifetime = ONE_HOUR if lasts_an_hour(self._request.body) else FIVE_MINUTES
        head = epoch.head_size if epoch.in_memory > epoch.head else 0
        fixed = self._request.fixed + self._request.carried + epoch.carried_size + head
        window = epoch.start if epoch.in_memory else 0
        return PromptSizes(
            sizes=[*counted(epoch.sizes[:window], rate), *counted(epoch.sizes[window:], rate)],
            requests=[one.replies or 1 for one in self._exchanges],
            window=window,
            first=epoch.start,
            fixed=ceil(fixed * rate),
            summary=ceil(epoch.summary * rate),
            recalled=counted(epoch.recalled, rate),
            ceiling=self._ceiling,
            cold=measures.is_cold(self._context.archive.clock(), lifetime=lifetime),
            cold_share=measures.cold_share,
        )

    @staticmethod
    def _excess(standing: PromptSizes) -> tuple[bool, int]:
        """Whether the prompt is over what it may have, and by how much."""
        return standing.prompt > standing.ceiling, standing.prompt - standing.ceiling

    def leaving_cited(
        self, epoch: Epoch, until: int, *, excess: int | None = None, must: bool = False
    ) -> tuple[int, str]:
        """How far to fold, so that what is cited in view stays in view, and why not further.

        Args:
            epoch: the one in force.
            until: how far it would be folded else.
            excess: tokens that have to go: where the prompt would still be over what it may have,
                the limit holds: what is cited goes, and the citations with it. None for none.
            must: fold so far in any case.
        """
        start = epoch.start
        until = max(start, until)
        kept, why = self._request.citations.until(start, until)
        if must or (excess is not None and sum(epoch.sizes[start:kept]) < excess):
            return until, ""
        return kept, why

    # --- what is prepared ---------------------------------------------------------------------

    def range_until(self, epoch: Epoch, until: int, *, leaves: int = 0) -> FoldRange:
        """The exchanges of a fold, cut into runs.

        Args:
            epoch: the one in force.
            until: up to which exchange there are to be notes.
            leaves: up to which exchange the window lets go, whatever is written.
        """
        wanted = FoldRange.cut(
            self._exchanges,
            epoch.fold,
            epoch.start,
            until,
            head=epoch.head,
            leaf_tokens=self._policy.leaf_tokens,
            room=self._summary_room(epoch, max(until, leaves)),
            leaves=leaves,
        )
        return replace(wanted, within=self._request.within, asked=self._request.asked)

    def preparation_until(self, epoch: Epoch, until: int) -> Preparation:
        """The preparation of a fold up to there."""
        return prepared(self._exchanges, base=epoch.base, start=epoch.noted, until=until)

    def preparation_of(
        self, epoch: Epoch, *, excess: int | None = None
    ) -> tuple[Preparation | None, Readiness]:
        """The preparation to go by, and how far it has come."""
        archive = self._context.archive
        best: tuple[Preparation | None, Readiness] = (None, "none")
        closed = self._transcript.closed
        for one in archive.preparations(closed, base=epoch.base, start=epoch.noted):
            if self.leaving_cited(epoch, one.until, excess=excess)[0] < one.until:
                continue
            wanted = self.range_until(epoch, one.until).runs
            # To index a long history takes as long as to summarize it.
            if wanted.keys() <= written(archive, self.kept, wanted).keys() and (
                self.workers != "background" or archive.is_indexed(one.id)
            ):
                return one, "ready"
            if best[0] is None:
                state = leases_of(archive, self._policy).state(one.id)
                best = one, "idle" if state == "free" else state
        return best

    # --- limits and prices --------------------------------------------------------------------

    @property
    def is_cached(self) -> bool:
        """Whether the request is to carry cache breakpoints of ours."""
        if self._policy.cache == "auto":
            return self._measures.cold_share <= 0.5
        return self._policy.cache == "on"

    def _rates(self, prompt: int) -> Rates:
        """What tokens cost in a prompt of this size, if it is sent as it is."""
        body, prices = self._request.body, self._policy.prices
        chat = price_of(self._request.model, prices) or NEUTRAL
        writer = self._context.summary_model
        return Rates.of(
            chat,
            # One whose price is unknown is no dearer, we take it, than the model it writes for.
            price_of(writer, prices) or chat if writer else None,
            cached=self.is_cached or has_marks(body),
            an_hour=lasts_an_hour(body),
            prompt=prompt,
        )

    def learn(self, refusal: Refusal, *, sent: int) -> None:
        """Take in what the API said of a prompt that was too long.

        Args:
            refusal: what it said.
            sent: tokens we had estimated.
        """
        windows, model = self._context.learned.windows, self._request.model
        if refusal.window is not None:
            windows[model] = refusal.window
        elif refusal.of_tokens:
            # It does not say how much it takes: somewhat less than this.
            counted = refusal.counted or int(sent * self.rate)
            known = windows.get(model, context_window(model))
            windows[model] = min(known, max(_LEAST_WINDOW, int(counted * _SOMEWHAT_LESS)))
        if refusal.counted is not None and sent:
            self._rate_found = min(refusal.counted / sent, _MOST_RATE)
            self._context.learned.rates[model] = self._rate_found

    @property
    def rate(self) -> float:
        """Tokens the API counts for one that is estimated."""
        model = self._request.model
        if self._policy.count_tokens:
            return max(1.0, self._rate_found)
        rate = self._measures.rates.get(model, self._context.learned.rates.get(model, 1.0))
        return max(rate, self._rate_found)

    @property
    def _ceiling(self) -> int:
        """The most tokens the prompt may have."""
        answer, model = self._request.body.get("max_tokens"), self._request.model
        window = self._context.learned.windows.get(model, context_window(model))
        room = window - min(answer if isinstance(answer, int) else 0, window // 2)
        limits = (self._policy.max_prompt_tokens, self._request.most)
        return min([room, *(one for one in limits if one is not None)])

    @property
    def limit(self) -> int:
        """The same, as we estimate tokens."""
        return int(self._ceiling / self.rate)

    def is_past_limit(self, epoch: Epoch) -> bool:
        """Whether the prompt is over the most it may have, as long as nothing is folded."""
        held = epoch.head_in_memory + epoch.summary + sum(epoch.recalled) + epoch.closed
        held += self._request.carried
        if self._policy.budget is not None and held > self._policy.budget:
            return True
        return self._request.fixed + held + epoch.carried_size + epoch.sizes[-1] > self.limit

    def _summary_room(self, epoch: Epoch, until: int) -> int:
        """Tokens of a summary that leave the window room to grow under the limit.

        And that are no more than what it stands for: to fold must not make a prompt longer.
        """
        room = (self.limit - self._request.fixed - epoch.head_size) // SHARE_OF_LIMIT
        room = min(room - FRAME // 2, int(TRUSTED * _folded(epoch, until)) - FRAME)
        return max(_LEAST_SUMMARY, room)

    def recall_budget(self, epoch: Epoch) -> RecallBudget:
        """What this turn's recall may spend."""
        measures = self._measures
        rates = self._rates(measures.prompt)
        purse = RecallBudget(
            measures.purse,
            measures.owed,
            self._policy,
            rates,
            most=most_recalled(self._policy, self._request.transcript.exchanges),
            cold_share=measures.cold_share,
            counted=self.rate,
        )
        if epoch.fold is None:
            return purse
        if epoch.fold_id != measures.fold:
            purse.pay_fold(epoch.summary + epoch.closed, measures.prompt)
        purse.earn(epoch.left_out - epoch.summary - sum(epoch.recalled))
        return purse
