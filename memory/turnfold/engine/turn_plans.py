"""An epoch goes in; the plan of a request comes out: what is recalled, and what else is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from turnfold.archive.measures import Measures
from turnfold.archive.passages import RecalledPassage
from turnfold.archive.plans import Plan, RecalledRef, plan_id
from turnfold.archive.tombstones import opening_name, turn_name
from turnfold.engine.cut_history import Course
from turnfold.engine.turn_recall import BREAKS, TurnRecall
from turnfold.engine.turn_steps import TurnSteps
from turnfold.folding.epoch import Epoch
from turnfold.folding.planner import FoldPlanner
from turnfold.folding.read_request import ReadRequest
from turnfold.folding.rule import APPENDED, TO_GROW
from turnfold.recall.recalled_block import recall_block
from turnfold.request.rewrite import sources_block
from turnfold.summaries.summary_block import narrowed
from turnfold.turn_context import TurnContext

# The part of a budget that what is recalled for a step may take.
_OF_BUDGET = 10


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a history before a turn.

    Attributes:
        previous: the newest plan before; None for none.
        measures: what the turns before have shown.
        root: names the history.
    """

    previous: Plan | None
    measures: Measures
    root: str


class TurnPlans:
    """The plans of one turn. Nothing is written here."""

    def __init__(
        self,
        context: TurnContext,
        request: ReadRequest,
        *,
        course: Course,
        recall: TurnRecall,
        planner: FoldPlanner,
        steps: TurnSteps,
        known: Known,
    ) -> None:
        """Args:
        context: the ledger, the settings, the account.
        request: what was asked.
        course: how the history goes on.
        recall: looks up what bears on the opening.
        planner: knows the limits.
        steps: what is folded of steps.
        known: of the history before.
        """
        self._context = context
        self._archive = context.archive
        self._request = request
        self._transcript = request.transcript
        self._course = course
        self._recall = recall
        self._planner = planner
        self._steps = steps
        self._known = known

    def of_opening(
        self, epoch: Epoch, revision: int, *, amid: bool
    ) -> tuple[Plan, Sequence[RecalledPassage]]:
        """The plan of an opening.

        Args:
            epoch: the one in force.
            revision: which plan of this request it is to be.
            amid: whether exchanges are folded amid the open one: then it hangs on the newest step,
                and what was recalled when the opening was new stays as far as it fits.

        Returns:
            The plan, and what it recalls.
        """
        count, open_ = self._context.count, self._transcript.open
        is_first = len(self._transcript.exchanges) == 1 and not open_.replies
        cached = self._planner.is_cached
        appends = self._recall.appends(epoch, cached=cached)
        purse = self._planner.recall_budget(epoch)
        sources = self._sources(epoch)
        limit, rate = self._planner.limit, self._planner.rate
        room = self._recall.room(epoch, limit=limit, rate=rate, sources=sources)
        if appends and self._context.policy.budget is not None:
            room = min(room, int(APPENDED * self._context.policy.budget / max(rate, 1.0)))
        past, most = self._steps.view.past(epoch.folded), room
        if appends:  # it stays, and what is to come needs room, too
            most = min(most, self._free(epoch, None) // TO_GROW)
        budget = min(purse.allows, most)
        credit = min(purse.allows + purse.on_credit, most) - budget
        found: Sequence[RecalledPassage] = ()
        if not amid:
            found = self._recall.passages(
                epoch, past, appends=appends, budget=budget, credit=credit, rate=rate
            )
        recalled = recall_block(found)
        shown = tuple(RecalledRef(one.passage.id, one.turn, one.score) for one in found)
        spent = purse.spend(count(recalled))
        before = self._known.previous
        if amid and before is not None and before.is_of(open_) and count(before.recalled) <= room:
            recalled, shown = before.recalled, before.shown
        whole = epoch.fold.blocks if epoch.fold else ()
        blocks = self._shortened(epoch, count(recalled))
        left, until = self._left()
        exchanges = self._transcript.exchanges
        closed = exchanges[-2] if len(exchanges) > 1 else None
        name = plan_id(open_, revision, step=self._steps.newest if amid else "")
        plan = Plan(
            id=name,
            parent=self._archive.end_of(self._transcript),
            root=self._known.root,
            fold=epoch.fold_id,
            appends=appends,
            # Nothing is written to the cache for a one-shot, which never reads it: a conversation
            # is marked from its second request on.
            cached=cached and not is_first,
            recalled=recalled,
            shown=shown,
            measures=replace(self._known.measures, purse=spent, owed=round(purse.owed, 1)),
            words=opening_name(open_, self._archive.seed),
            sources=sources,
            summary=None if blocks == whole else blocks,
            missing=self._course.missing,
            left=left,
            until=until,
            number=len(exchanges),
            turn=turn_name(open_, closed, self._archive.seed),
            anew=self._anew(epoch, {open_.opening_id: name} if amid else {}),
        )
        return self._steps.written_in(plan, epoch.folded), found

    def of_step(
        self, plan: Plan, epoch: Epoch, revision: int
    ) -> tuple[Plan, Sequence[RecalledPassage]]:
        """The plan of a request amid an exchange.

        Args:
            plan: the newest one of the exchange.
            epoch: the one in force.
            revision: see `of_opening`.

        Returns:
            The plan, and what it recalls; the very same where the request has no plan of its own.
        """
        step = self._steps.newest
        name = plan_id(self._transcript.open, revision, step=step)
        if not step or plan.id == name or (self._steps.is_planned and not revision):
            return plan, ()
        found: Sequence[RecalledPassage] = ()
        if doing := self._steps.cut():
            epoch, policy = epoch.showing(self._steps.view.shown), self._context.policy
            of_all = policy.budget // _OF_BUDGET if policy.budget else policy.recall_tokens
            found = self._recall.passages(
                epoch,
                self._steps.view.past(epoch.folded),
                appends=plan.appends,
                budget=min(of_all, self._free(epoch, plan) // TO_GROW),
                doing=doing,
                plan=plan,
            )
            self._steps.view.bring(recall_block(found))
        return self._steps.written_in(replace(plan, id=name), epoch.folded), found

    def _free(self, epoch: Epoch, plan: Plan | None) -> int:
        """Tokens that the limit leaves besides what is sent."""
        sent = epoch.tokens(plan, fixed=self._request.fixed).sent
        return max(0, self._planner.limit - sent - BREAKS)

    def _anew(self, epoch: Epoch, now: dict[str, str]) -> dict[str, str]:
        """Which openings in view were planned anew, with those that are now."""
        before = self._known.previous.anew if self._known.previous is not None else {}
        live = {one.opening_id for one in self._transcript.exchanges[epoch.in_memory :]}
        return {one: name for one, name in before.items() if one in live} | now

    def _sources(self, epoch: Epoch) -> str:
        """Names what is cited in view and folded; what this epoch began with goes on."""
        if epoch.earlier:
            return next(iter(epoch.earlier.values())).sources
        head = min(self._request.head, epoch.in_memory)
        return sources_block(self._request.citations.lost(head, epoch.in_memory))

    def _shortened(self, epoch: Epoch, recalled: int) -> tuple[str, ...]:
        """The summary, or as much of it as the limit of the prompt leaves room for."""
        tokens = epoch.tokens(None, fixed=self._request.fixed)
        room = self._planner.limit - tokens.sent + tokens.summary - recalled - BREAKS
        if epoch.fold is None or tokens.summary <= room:
            return epoch.blocks
        nodes = self._archive.nodes(epoch.fold.nodes)
        ordered = [nodes[name] for name in epoch.fold.nodes if name in nodes]
        self._context.account.note("limit: the summary was shortened, so that the prompt fits")
        return narrowed(
            ordered,
            self._transcript.exchanges,
            is_forgotten=self._archive.is_forgotten,
            last=epoch.fold.count,
            room=room,
            count=self._context.count,
        )

    def _left(self) -> tuple[str, int]:
        """The path this history left, as long as that may have been a cut; see `Plan.left`."""
        said = self._course if self._course.plan is not None else self._known.previous
        if said is None or not said.left or len(self._transcript.closed) > said.until:
            return "", 0
        return said.left, said.until
