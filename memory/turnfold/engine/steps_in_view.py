"""A plan and a history go in; the history as it is sent comes out, with notes in place of steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from turnfold.archive.plan_records import is_on
from turnfold.archive.plans import Fold, Plan, ResultCut
from turnfold.history.exchanges import Exchange, Transcript
from turnfold.history.results import with_cut_results
from turnfold.history.steps import Shown, Steps, shown_without, steps_of, transcript_with
from turnfold.history.task_lists import task_lists
from turnfold.recall.candidates import Past
from turnfold.request.carried_state import carried_from
from turnfold.summaries.summary_block import list_block
from turnfold.turn_context import TurnContext


class StepsInView:
    """What is folded of the steps of exchanges in view, and how these exchanges are shown.

    Attributes:
        within: the folds of steps in force, by opening id of their exchange.
        brought: what was recalled when they were made, likewise.
        cuts: how results are cut behind them, likewise.
        shown: the transcript as it is sent.
    """

    def __init__(self, context: TurnContext, transcript: Transcript, plan: Plan | None) -> None:
        """Args:
        context: the ledger, the settings.
        transcript: the messages as exchanges.
        plan: the newest one there is; None for none.
        """
        self._context = context
        self._archive = context.archive
        self._transcript = transcript
        self._newest = len(transcript.exchanges) - 1
        self.within: Mapping[str, str] = {}
        self.brought: dict[str, str] = {}
        self.cuts: dict[str, ResultCut] = {}
        self.shown = transcript
        self._shown: dict[int, Shown] = {}
        self._under: tuple[str, str, ResultCut | None] | None = None
        if plan is not None:
            self.take_over(plan)

    def take_over(self, plan: Plan) -> None:
        """Go by what a plan says."""
        self.within, self.brought, self.cuts = plan.within, dict(plan.brought), dict(plan.cuts)

    def show_open(self, steps: Steps, fold: Fold | None) -> None:
        """Show the open exchange under a fold of its steps; None for all of it.

        Args:
            steps: its steps.
            fold: which one.
        """
        under = None
        if fold is not None:
            under = fold.id, self._brought_under(steps, fold), self._cut_under(steps, fold)
        if under == self._under:
            return
        self._under = under
        self._shown.pop(self._newest, None)
        if fold is not None:
            self._shown[self._newest] = self._shown_under(steps, fold)
        self.shown = transcript_with(self._transcript, self._shown)

    @property
    def noted(self) -> list[int]:
        """Indexes of the exchanges whose openings end with notes on steps."""
        return sorted(self._shown)

    def place(self, index: int) -> int:
        """Where a message of the transcript stands in what is shown of it."""
        starts = self._transcript.starts
        number = bisect_right(starts, index) - 1
        if number > self._newest:
            return len(self.shown.messages)
        within = index - starts[number]
        shown = self._shown.get(number)
        return self.shown.starts[number] + (within if shown is None else shown.place(within))

    def stands(self, index: int) -> int | None:
        """The same; None for a message of a step that is left out."""
        number = bisect_right(self._transcript.starts, index) - 1
        shown, within = self._shown.get(number), index - self._transcript.starts[number]
        if shown is not None and shown.start <= within < shown.end:
            return None
        return self.place(index)

    def read_folds(self, folded: range) -> None:
        """Read the folds that are in force.

        Args:
            folded: indexes of the closed exchanges that are not in view.
        """
        for index in range(self._newest if self.within else 0):
            if index in folded:
                continue
            one = self._transcript.exchanges[index]
            steps = steps_of(one) if one.opening_id in self.within else None
            fold = self.fold_in_force(steps) if steps is not None else None
            if steps is not None and fold is not None and not self._archive.is_forgotten(one):
                self._shown[index] = self._shown_under(steps, fold)
        self.shown = transcript_with(self._transcript, self._shown)

    def fold_in_force(self, steps: Steps) -> Fold | None:
        """The fold of the steps of an exchange that the plan goes by."""
        name = self.within.get(steps.exchange.opening_id, "")
        fold = self._archive.fold(name) if name else None
        return fold if fold is not None and is_on(fold, steps.closed) else None

    def _shown_under(self, steps: Steps, fold: Fold) -> Shown:
        carried, count = carried_from(steps.closed[: fold.count]), self._context.count
        notes = [*fold.blocks, *self.behind_notes(steps, fold)]
        return shown_without(
            steps,
            fold.count,
            notes,
            size=count("\n".join(notes)) + carried.size(count),
            uploads=carried.uploads,
            system=carried.system,
            cut=self.cut_results(steps, fold),
        )

    def cut_results(self, steps: Steps, fold: Fold) -> dict[int, Exchange]:
        """The steps behind a fold whose results are cut, by index."""
        cut = self._cut_under(steps, fold)
        if cut is None or not cut.tokens:
            return {}
        until, count = min(cut.until, len(steps.closed) - 1), self._context.count
        return with_cut_results(steps.closed, fold.count, until, tokens=cut.tokens, count=count)

    def _cut_under(self, steps: Steps, fold: Fold) -> ResultCut | None:
        name = steps.exchange.opening_id
        return self.cuts.get(name) if self.within.get(name) == fold.id else None

    def behind_notes(self, steps: Steps, fold: Fold) -> list[str]:
        """What stands behind the notes: lists of what is to do, and what was recalled."""
        cut = self._cut_under(steps, fold)
        known = cut.until + 1 if cut is not None else len(steps.closed)
        lists = task_lists(steps.closed, fold.count, known).items()
        brought = self._brought_under(steps, fold)
        return [*(list_block(name, text) for name, text in lists), *filter(None, [brought])]

    def _brought_under(self, steps: Steps, fold: Fold) -> str:
        """What was recalled when this fold was made: with another one it goes."""
        name = steps.exchange.opening_id
        return self.brought.get(name, "") if self.within.get(name) == fold.id else ""

    def past(self, folded: range) -> Past:
        """The path as recall sees it.

        Args:
            folded: indexes of the exchanges that are not in view.
        """
        parts: list[Exchange] = []
        numbers: list[int] = []
        gone: list[int] = []
        seen = self.shown.exchanges
        for index, one in enumerate(self._transcript.exchanges):
            shown = self._shown.get(index) if index not in folded else None
            steps = steps_of(one) if shown is not None else None
            left_out = steps.closed[: steps.starts.index(shown.end)] if steps and shown else ()
            gone += range(len(parts), len(parts) + len(left_out) + (index in folded))
            parts += [*left_out, one if index in folded else seen[index]]
            numbers += [index + 1] * (len(left_out) + 1)
        return Past(parts, numbers, frozenset(gone))

    def in_force(self, folded: range, fold: Fold | None) -> dict[str, str]:
        """The folds of steps in force, by opening id of their exchange.

        Args:
            folded: indexes of the exchanges that are not in view.
            fold: of the open exchange; None for none.
        """
        exchanges = self._transcript.exchanges
        seen = {exchanges[index].opening_id for index in self._shown if index not in folded}
        within = {key: fold for key, fold in self.within.items() if key in seen}
        return {**within, self._transcript.open.opening_id: fold.id} if fold else within

    def written_in(self, plan: Plan, folded: range, fold: Fold | None) -> Plan:
        """A plan with what is in force of steps; for the arguments see `in_force`."""
        within = self.in_force(folded, fold)
        holds = {key for key, fold in within.items() if self.within.get(key) == fold}
        brought = {key: text for key, text in self.brought.items() if text and key in holds}
        cuts = {key: cut for key, cut in self.cuts.items() if key in holds}
        return replace(plan, within=within, brought=brought, cuts=cuts)

    def cut_behind(self, steps: Steps, fold: Fold, tokens: int) -> None:
        """Cut results behind a fold of the open exchange that has come into force now.

        Args:
            steps: its steps.
            fold: which one.
            tokens: what a result may have; 0 cuts nothing.
        """
        name = steps.exchange.opening_id
        self.within = {**self.within, name: fold.id}
        self.brought.pop(name, None)
        self.cuts[name] = ResultCut(steps.newest, len(steps.closed) - 1, tokens)

    def bring(self, recalled: str) -> None:
        """Let what was recalled for this step stand behind the notes that are new with it."""
        self.brought[self._transcript.open.opening_id] = recalled
