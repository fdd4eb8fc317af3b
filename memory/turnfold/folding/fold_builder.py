"""Exchanges to be folded go in as jobs; when their summaries are written, a fold comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from turnfold.accounting.prices import Usage
from turnfold.archive.paths import has_times
from turnfold.archive.plans import Fold, fold_id
from turnfold.embedders.background_loading import ModelNotReady
from turnfold.errors import SummaryError, failure
from turnfold.folding.fold_range import FoldRange, written
from turnfold.folding.fold_rendering import FoldRendering, nodes_in_order
from turnfold.folding.step_notes import notes_on_steps
from turnfold.folding.summary_budget import SummaryBudget
from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import utterances
from turnfold.language.days import known_day
from turnfold.request.refusals import failure_of
from turnfold.summaries.draft import NodeDraft, Piece, cut_off
from turnfold.summaries.job_pieces import COMPARED_BYTES, Reads, newest
from turnfold.summaries.layers import correct, live_items, render
from turnfold.summaries.notes import Item, Node, Outcome, SummaryJob
from turnfold.summarizers.reconciling import Supersessions, answer_tokens, superseded
from turnfold.turn_context import TurnContext

# Where there was no answer in time, so many times less is asked for at once; and so often.
_LESS = 4
_MOST_TRIES = 2
# The part of a turn's deadline that may go by while what it folds is embedded.
_INDEXING = 0.25


class FoldBuilder:
    """The way of some exchanges into memory.

    Attributes:
        wrote: ids of the nodes that answers have made, and nobody had made before.
        came_late: answers to whose turns there was a node already.
        tries: how often nobody had an answer to these turns in time.
    """

    def __init__(
        self,
        context: TurnContext,
        exchanges: Sequence[Exchange],
        wanted: FoldRange,
        spending: SummaryBudget,
    ) -> None:
        """Args:
        context: the ledger, the settings, the account.
        exchanges: the path, as it may be stored.
        wanted: what is to be folded.
        spending: held against the caps.
        """
        self._context = context
        self._archive = context.archive
        self._exchanges = exchanges
        self._policy = context.policy
        self._count = context.count
        self._spending = spending
        self._windows = context.learned.windows
        self._base = wanted.base
        self._start = wanted.start
        self._noted = wanted.noted
        self._leaves = wanted.leaves
        self._within = wanted.within
        self._asked = wanted.asked
        self._runs = wanted.runs
        self._rendering = FoldRendering(context, exchanges, wanted)
        self.wrote: list[str] = []
        self.came_late = 0
        self.tries = 0
        self._known: list[Item] | None = None
        self._drafts: dict[str, NodeDraft] = {}  # of those that were not written
        self._waiting: dict[str, NodeDraft] = {}  # of those, the ones that wait for an answer

    def _written(self) -> dict[str, Node]:
        return written(self._archive, self._exchanges, self._runs)

    @property
    def is_ready(self) -> bool:
        """Whether all that was wanted is written."""
        return self._runs.keys() <= self._written().keys()

    @property
    def has_failed(self) -> bool:
        """Whether the summarizer failed at something that was wanted."""
        return any(draft.has_failed for draft in self._drafts.values())

    def to_compare(self, name: str) -> list[Item]:
        """The items of leaves that did not know of one another, oldest first.

        Args:
            name: id of the preparation of the fold.

        Returns:
            Nothing where there is one leaf, or not all are written, or they were compared before.
        """
        if len(self._runs) == 1 or not self.is_ready or self._archive.is_reconciled(name):
            return []
        items = live_items(nodes_in_order(self._archive, list(self._runs)).values())
        items = list(newest(items, self._count, size=COMPARED_BYTES))
        job = SummaryJob(1, (), known=items, max_tokens=answer_tokens(items))
        (refusal,) = self._spending.refusals([job])
        if refusal:
            self._context.degrade("items", SummaryError(f"{refusal}: they were not compared"))
        return [] if refusal else items

    def compared(
        self, name: str, items: Sequence[Item], outcome: Supersessions | Exception
    ) -> None:
        """Take the answer about the items of `to_compare`: what is superseded goes."""
        self._pay(None, outcome)
        if isinstance(outcome, Exception):
            self._context.degrade("items", outcome)
            return
        self._archive.store_reconciled(name, superseded(items, outcome.pairs))

    @property
    def reached(self) -> int:
        """Up to which exchange all that was wanted is written."""
        there = self._written()
        until = self._noted
        for name, (_, last) in self._runs.items():
            if name not in there:
                break
            until = last
        return until

    @property
    def lets_go(self) -> bool:
        """Whether exchanges leave the window whether or not there are notes on them."""
        return self._leaves > self._start

    def advance(self) -> list[SummaryJob]:
        """Go on as far as no answer is wanted; what a summarizer is then to be asked.

        What is written already is not asked for, nor what the summarizer failed at. What may
        not be paid for, or was asked for in vain too often, is made of the turns' own sentences.
        """
        there = self._written()
        lacking = [name for name in self._runs if name not in there]
        failed = self._archive.failures(map(self._first_of, lacking))
        self._waiting = {}
        for name in lacking:
            if name not in self._drafts:
                self._drafts[name] = self._draft(name)
            draft = self._drafts[name]
            if draft.is_done:  # of pieces that were written one by one
                self._write(name, draft)
            elif draft.due:
                self._waiting[name] = draft
            if self._first_of(name).exchange_id in failed:
                break  # nothing behind it can be folded, so nothing behind it is paid for
        if self.tries >= _MOST_TRIES:
            self._extract(f"there was no answer in time, {self.tries} times over")
        self._afford()
        return [job for draft in self._waiting.values() for job in draft.due]

    def _afford(self) -> None:
        """Do without a summarizer for what may not be paid for any more."""
        asked = [(name, job) for name, draft in self._waiting.items() for job in draft.due]
        refusals = self._spending.refusals([job for _, job in asked])
        refused = {name: why for (name, _), why in zip(asked, refusals, strict=True) if why}
        for name, why in refused.items():
            draft = self._waiting.pop(name)
            draft.extract(why)
            self._write(name, draft)

    def _extract(self, why: str) -> None:
        for name, draft in self._waiting.items():
            draft.extract(why)
            self._write(name, draft)
        self._waiting = {}

    def make_do(self, why: str) -> None:
        """Make what is still lacking of the turns' own sentences: it cannot be waited for."""
        there = self._written()
        for name in self._runs:
            if name not in there:
                draft = self._drafts.get(name) or self._draft(name)
                draft.extract(why)
                self._write(name, draft)

    def _first_of(self, name: str) -> Exchange:
        """The first exchange of a run."""
        return self._exchanges[self._runs[name][0]]

    def _draft(self, name: str) -> NodeDraft:
        if self._known is None:
            nodes = nodes_in_order(self._archive, self._base.notes) if self._base else {}
            holding, _ = correct(nodes, self._archive.corrections() if nodes else {})
            self._known = live_items(holding.values())
        first, last = self._runs[name]
        before = utterances(self._exchanges[first - 1].messages) if first else ()
        job = SummaryJob(
            first=first + 1,
            exchanges=[utterances(one.messages) for one in self._exchanges[first:last]],
            before=self._asked or before,
            known=self._known,
            max_tokens=max(256, self._policy.summary_tokens // 2),
            of_steps=bool(self._within),
            days=self._days(first, last),
        )
        draft = self._draft_of(job, first, last)
        if len(draft.pieces) > 1:
            kept = {_piece_id(name, one): one for one in draft.pieces}
            for piece_name, node in self._archive.nodes(kept).items():
                draft.recall(kept[piece_name], node.items)
        return draft

    def _days(self, first: int, last: int) -> dict[int, date]:
        """The user's day of each exchange of a run, by its number, where it is known.

        What was first seen together with others came later than it was said.
        """
        if self._within:
            return {}
        names = [one.exchange_id for one in self._exchanges[first:last]]
        seen = self._archive.records(names)
        together = Counter(one.at for one in seen.values())
        days: dict[int, date] = {}
        for number, name in enumerate(names, first + 1):
            one = seen.get(name)
            if one and (has_times(one) or together[one.at] == 1):
                day = known_day(one.at, self._policy.zone)
                days |= {number: day} if day else {}
        return days

    def _draft_of(self, job: SummaryJob, first: int, last: int) -> NodeDraft:
        """The draft of a job; of steps that are summarized already their notes are taken over."""
        noted: list[Item] = []
        rest = list(job.exchanges)
        for index in range(first, last) if not self._within else ():
            notes = notes_on_steps(self._archive, self._exchanges[index])
            if notes is None:
                continue
            noted += [
                replace(item, turns=(index + 1,), supersedes=(), id="") for item in notes.items
            ]
            rest[index - first] = utterances(notes.left)
        return NodeDraft(
            job, self._count, self._reads, asked=replace(job, exchanges=rest), noted=noted
        )

    @property
    def _reads(self) -> Reads:
        """What one request may hold: less, where there was no answer in time."""
        window = self._windows.get(self._spending.model)
        reads = Reads.within(self._policy.leaf_tokens, window)
        return reads.smaller(_LESS**self.tries) if self.tries else reads

    def take(self, job: SummaryJob, outcome: Outcome) -> bool | None:
        """Take the answer to one of the jobs of `advance`; write the node, if it completes one.

        Nothing that an answer holds raises: one that cannot be taken is one that failed.

        Returns:
            Whether it was of use; None where nothing was answered, or that says nothing of who
            answered.
        """
        self._pay(job, outcome)
        found = next(((n, d, p) for n, d in self._waiting.items() if (p := d.piece(job))), None)
        if found is None:  # it was asked for beside others, and the summarizer was given up
            return None
        name, draft, piece = found
        wrong: Exception | None = None
        of_use: bool | None = None
        if isinstance(outcome, Exception):
            wrong = outcome
        else:
            if outcome.is_cut:
                self._context.account.note(cut_off(job, outcome))
            try:
                of_use = draft.take(piece, outcome)
            except SummaryError as empty:
                wrong = empty
            except Exception as odd:  # noqa: BLE001 - whatever a text makes our code raise
                wrong = SummaryError(f"an answer of no use: {type(odd).__name__}: {odd}")
        if wrong is not None:
            was_answered = isinstance(wrong, SummaryError)
            of_use = False if was_answered and failure_of(wrong).kind == "unusable" else None
            self._failed(name, draft, piece, wrong)
        if draft.is_done:
            self._write(name, draft)
        elif len(draft.pieces) > 1 and piece.is_done:
            of = Node(piece.job.first, piece.job.last, piece.items or ())
            self._archive.store_node(_piece_id(name, piece), of, model=draft.model)
        return of_use

    def _failed(self, name: str, draft: NodeDraft, piece: Piece, wrong: Exception) -> None:
        """Take the next step, which costs less: smaller pieces, or the turns' own sentences.

        A summarizer that cannot be reached is asked again by the next turn. One that answers
        twice with what cannot be used is not: it would be paid for as long as the talk goes on.
        One that does so whatever it is shown is not asked at all.
        """
        failure = failure_of(wrong)
        if failure.window is not None:
            self._windows[self._spending.model] = failure.window
        if failure.kind == "too_long" and draft.cut(piece, self._reads):
            return
        draft.fail(piece)
        self._context.degrade("summary", wrong)
        if piece.items is not None or failure.kind == "resting":
            return
        if failure.kind == "useless":
            draft.extract("the summarizer writes nothing that can be used")
            return
        again = not self._archive.store_failure(self._first_of(name))
        if failure.kind == "too_long":
            draft.extract(f"these turns are more than the summarizer can read: {wrong}")
        elif failure.kind == "unusable" and again:
            # What it answered is about these turns, and stays out of what is kept of them.
            draft.extract("the summarizer has failed twice at these turns")

    def _pay(self, job: SummaryJob | None, outcome: Outcome | Supersessions) -> None:
        """Count what an answer cost, also one that is of no use."""
        if isinstance(outcome, Exception) and not isinstance(outcome, SummaryError):
            return
        usage = getattr(outcome, "usage", None)
        if isinstance(usage, Usage):
            model = str(getattr(outcome, "model", ""))
            self._context.account.spent_on_summary(model, usage)
            self._spending.paid(model, usage, job)

    def _write(self, name: str, draft: NodeDraft) -> None:
        job = draft.job
        named = {one.id: one for one in (item.named(name) for item in draft.items)}
        node = Node(
            job.first,
            job.last,
            tuple(named.values()),
            degraded=draft.degraded,
            of_steps=job.of_steps,
        )
        node = replace(node, text=render(node, {item.id: item.text for item in job.known}))
        if self._archive.store_node(name, node, model=draft.model):
            self.wrote.append(name)
        else:
            self.came_late += 1
        if len(draft.pieces) > 1:
            self._archive.take_back([_piece_id(name, one) for one in draft.pieces])
        if draft.degraded:
            self._context.degrade("summary", SummaryError(draft.degraded))

    def build(self, *, indexed: bool = False) -> Fold | None:
        """Fold as far as the exchanges are summarized, or are let go; None where none is.

        A run whose summary failed folds nothing, and neither does anything after it.

        Args:
            indexed: whether their passages are stored and indexed already.
        """
        there = self._written()
        reached: dict[str, Node] = {}
        until = self._noted
        for name, (_, last) in self._runs.items():
            if name not in there:
                break
            reached[name] = there[name]
            until = last
        count = max(until, self._leaves)
        if count <= self._start:
            return None
        for name, node in reached.items():
            if not node.items:  # all of it was forgotten: nobody was asked
                self._archive.store_node(name, node, model="")
        part = self._exchanges[self._start : count]
        if not indexed:
            self.store_passages(part)
            self._index()
        rendered = self._rendering.of(reached, until, count)
        self.wrote += rendered.wrote
        fold = Fold(
            id=fold_id(part[-1]),
            count=count,
            nodes=rendered.nodes,
            blocks=rendered.blocks,
            contents=tuple(one.content_id for one in part if not self._archive.is_forgotten(one)),
            previous=self._base.id if self._base else "",
            noted=until if until < count else None,
        )
        if self._within:
            self._context.account.folded_steps += len(part)
        else:
            self._context.account.folded += len(part)
        return self._archive.store_fold(fold)

    def store_passages(self, part: Sequence[Exchange] | None = None) -> None:
        """Store the passages of what is folded; those of steps under their exchange's number.

        Args:
            part: what leaves the window; None for all there is.
        """
        first = self._start + 1
        part = self._exchanges[self._start :] if part is None else part
        self._archive.store_passages(part, first=self._within or first, one=bool(self._within))

    def _index(self) -> None:
        if self._context.embedder is not None:
            try:
                seconds = _INDEXING * self._policy.deadline
                if owed := self._archive.embed_owed(self._context.embedder, seconds=seconds):
                    self._context.account.note(
                        f"index: {owed} passages are found by words alone for now"
                    )
            except ModelNotReady:
                pass  # the vectors are owed, and it is recall that goes without them
            except BaseException as wrong:  # noqa: BLE001 - an embedder may raise anything
                self._context.degrade("index", failure(wrong))


def _piece_id(name: str, piece: Piece) -> str:
    """The id under which the items of a part of a node are kept until all of it is there."""
    return f"{name}:{piece.name}"
