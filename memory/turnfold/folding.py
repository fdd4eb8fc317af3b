"""Exchanges to be folded go in as jobs; when their summaries are written, a fold comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from turnfold.account import Account
from turnfold.archive import Archive
from turnfold.drafting import Drafting
from turnfold.embedders import Embedder
from turnfold.embedders.start import ModelNotReady
from turnfold.errors import SummaryError, failure
from turnfold.layers import correct, coverage, erased, fit, live_items, render, settle, unseen
from turnfold.plans import Fold, fold_id, node_id
from turnfold.policy import Policy
from turnfold.prompt import summary_block
from turnfold.reconciling import Reconciled, answer_tokens, superseded
from turnfold.speech import unseen_in, utterances
from turnfold.spending import Spending
from turnfold.summary import Item, Node, SummaryDraft, SummaryJob
from turnfold.tokens import CountText, estimate_text
from turnfold.transcript import Exchange
from turnfold.window import runs

Outcome = SummaryDraft | Exception
Degrade = Callable[[str, Exception], None]

# Tokens a summary may have over its budget, for its marks and notes: each of its blocks has some.
_FRAME = 200


def summary_of(
    nodes: Sequence[Node],
    *,
    first: int,
    last: int,
    missing: Iterable[int] = (),
    policy: Policy,
) -> str:
    """The summary of some nodes rendered anew: one block, within its budget.

    Args:
        nodes: oldest first.
        first: number of the first exchange it stands for, from 1.
        last: number of the last one.
        missing: numbers of those of them that were forgotten.
        policy: its budget, and what counts tokens.
    """
    count = policy.count_tokens or estimate_text
    live = {item.id for item in live_items(nodes)}
    nodes = [replace(node, items=tuple(i for i in node.items if i.id in live)) for node in nodes]
    fitting = fit(nodes, budget=policy.summary_tokens, count=count)
    return _block(map(render, fitting), first, last, missing)


def _block(
    texts: Iterable[str],
    first: int,
    last: int,
    missing: Iterable[int],
    *,
    markers: Sequence[tuple[int, str]] = (),
    more: bool = False,
) -> str:
    parts = (*texts, unseen(markers), coverage(first, last), erased(missing))
    return summary_block("\n".join(filter(None, parts)), more=more)


class Folding:
    """The way of some exchanges into memory, within one turn.

    Attributes:
        wrote: ids of the nodes that answers have made, and nobody had made before.
    """

    def __init__(
        self,
        archive: Archive,
        exchanges: Sequence[Exchange],
        *,
        policy: Policy,
        embedder: Embedder | None,
        count: CountText,
        account: Account,
        degrade: Degrade,
        spending: Spending,
    ) -> None:
        self._archive = archive
        self._exchanges = exchanges
        self._policy = policy
        self._embedder = embedder
        self._count = count
        self._account = account
        self._degrade = degrade
        self._spending = spending
        self._base: Fold | None = None  # what the new fold grows from
        self._start = 0
        self._head = 0
        self.wrote: list[str] = []
        self._must = False
        self._known: list[Item] | None = None
        self._runs: dict[str, tuple[int, int]] = {}  # by node id: from which exchange to which
        self._drafts: dict[str, Drafting] = {}  # of those that were not written
        self._waiting: dict[str, Drafting] = {}  # of those, the ones that wait for an answer

    def want(
        self,
        base: Fold | None,
        start: int,
        until: int,
        *,
        head: int,
        sizes: Sequence[int],
        must: bool = False,
    ) -> bool:
        """Ask for a node about every run of exchanges from `start` up to `until`.

        Args:
            base: the fold in force.
            start: the first exchange that is not in memory.
            until: where to stop.
            head: how many of the oldest exchanges are never folded.
            sizes: tokens of each exchange.
            must: whether a run is folded by extraction where the summarizer fails.

        Returns:
            Whether there is anything to fold.
        """
        self._base, self._start, self._head, self._must = base, start, head, must
        self._runs, self._drafts, self._known = {}, {}, None
        if until <= start:
            return False
        for first, last in runs(sizes, start, until, self._policy.leaf_tokens):
            part = self._exchanges[first:last]
            name = node_id(part[0], part[-1])
            if not any(utterances(one.messages) for one in part):
                # Forgotten: there is nothing to ask a summarizer about.
                self._archive.keep_node(name, Node(first + 1, last, ()), model="")
            self._runs[name] = first, last
        return True

    @property
    def is_ready(self) -> bool:
        """Whether all that was wanted is written."""
        return self._runs.keys() <= self._archive.nodes(self._runs).keys()

    @property
    def has_failed(self) -> bool:
        """Whether the summarizer failed at something that was wanted."""
        return any(draft.due is None and draft.items is None for draft in self._drafts.values())

    def to_compare(self, name: str) -> list[Item]:
        """The items of leaves that did not know of one another, oldest first.

        Args:
            name: id of the preparation of the fold.

        Returns:
            Nothing where there is one leaf, or not all are written, or they were compared before.
        """
        if len(self._runs) == 1 or not self.is_ready or self._archive.is_reconciled(name):
            return []
        items = live_items(self._nodes(list(self._runs)).values())
        job = SummaryJob(1, (), known=items, max_tokens=answer_tokens(items))
        (refusal,) = self._spending.refusals([job])
        if refusal:
            self._degrade("items", SummaryError(f"{refusal}: they were not compared"))
        return [] if refusal else items

    def compared(self, name: str, items: Sequence[Item], outcome: Reconciled | Exception) -> None:
        """Take the answer about the items of `to_compare`: what is superseded goes."""
        self._pay(outcome)
        if isinstance(outcome, Exception):
            self._degrade("items", outcome)
            return
        self._archive.keep_reconciled(name, superseded(items, outcome.pairs))

    @property
    def reached(self) -> int:
        """Up to which exchange all that was wanted is written."""
        written = self._archive.nodes(self._runs)
        until = self._start
        for name, (_, last) in self._runs.items():
            if name not in written:
                break
            until = last
        return until

    def due(self) -> list[SummaryJob]:
        """What a summarizer is to be asked next, as far as it may be paid for.

        What is written already is not asked for, nor what the summarizer failed at. What may
        not be paid for is made of the turns' own sentences.
        """
        written = self._archive.nodes(self._runs)
        lacking = [name for name in self._runs if name not in written]
        failed = self._archive.failures(map(self._first_of, lacking))
        self._waiting = {}
        for name in lacking:
            if name not in self._drafts:
                self._drafts[name] = self._draft(name)
            if self._drafts[name].due is not None:
                self._waiting[name] = self._drafts[name]
            if self._first_of(name).exchange_id in failed:
                break  # nothing behind it can be folded, so nothing behind it is paid for
        jobs = [draft.due for draft in self._waiting.values() if draft.due is not None]
        for (name, draft), why in zip(
            list(self._waiting.items()), self._spending.refusals(jobs), strict=True
        ):
            if why:
                del self._waiting[name]
                draft.extract(why)
                self._write(name, draft)
        return [draft.due for draft in self._waiting.values() if draft.due is not None]

    def _first_of(self, name: str) -> Exchange:
        """The first exchange of a run."""
        return self._exchanges[self._runs[name][0]]

    def _draft(self, name: str) -> Drafting:
        if self._known is None:
            nodes = self._nodes(self._base.nodes) if self._base else {}
            holding, _ = correct(nodes, self._archive.corrections() if nodes else {})
            self._known = live_items(holding.values())
        first, last = self._runs[name]
        job = SummaryJob(
            first=first + 1,
            exchanges=[utterances(one.messages) for one in self._exchanges[first:last]],
            before=utterances(self._exchanges[first - 1].messages) if first else (),
            known=self._known,
            max_tokens=max(256, self._policy.summary_tokens // 2),
        )
        return Drafting(job, self._count)

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take the answers to the jobs of `due`, in order."""
        jobs = [draft.due for draft in self._waiting.values() if draft.due is not None]
        for job, outcome in zip(jobs, outcomes, strict=True):
            self.answer(job, outcome)

    def answer(self, job: SummaryJob, outcome: Outcome) -> None:
        """Take the answer to one of the jobs of `due`; write the node, if it completes one."""
        name, draft = next(one for one in self._waiting.items() if one[1].due is job)
        wrong: Exception | None = None
        self._pay(outcome)
        if isinstance(outcome, Exception):
            wrong = outcome
        else:
            try:
                draft.take(outcome)
            except SummaryError as empty:
                wrong = empty
        if wrong is not None:
            draft.fail()
            self._degrade("summary", wrong)
            if draft.items is None:
                self._do_without(name, draft, wrong)
        if draft.items is not None:
            self._write(name, draft)

    def _pay(self, outcome: Outcome | Reconciled) -> None:
        """Count what an answer cost, also one that is of no use."""
        if isinstance(outcome, Exception) and not isinstance(outcome, SummaryError):
            return
        if outcome.usage is not None:
            self._account.spent_on_summary(outcome.model, outcome.usage)
            self._spending.paid(outcome.model, outcome.usage)

    def _do_without(self, name: str, draft: Drafting, wrong: Exception) -> None:
        """Make a node of the turns' own sentences where asking again would only cost more.

        A summarizer that cannot be reached is asked again by the next turn. One that answers
        twice with what cannot be used is not: it would be paid for as long as the talk goes on.
        """
        again = not self._archive.keep_failure(self._first_of(name))
        if self._must:
            draft.extract("the summarizer failed, and the prompt was too long without it")
        elif again and isinstance(wrong, SummaryError):
            draft.extract(f"the summarizer has failed twice at these turns: {wrong}")

    def _write(self, name: str, draft: Drafting) -> None:
        job = draft.job
        named = {one.id: one for one in (item.named(name) for item in draft.items or ())}
        node = Node(job.first, job.last, tuple(named.values()), degraded=draft.degraded)
        node = replace(node, text=render(node, {item.id: item.text for item in job.known}))
        if self._archive.keep_node(name, node, model=draft.model):
            self.wrote.append(name)
        if draft.degraded:
            self._degrade("summary", SummaryError(draft.degraded))

    def fold(self, *, indexed: bool = False) -> Fold | None:
        """Fold as far as the exchanges are summarized; None where nothing is.

        A run whose summary failed folds nothing, and neither does anything after it.

        Args:
            indexed: whether their passages are stored and indexed already.
        """
        written = self._archive.nodes(self._runs)
        reached: dict[str, Node] = {}
        until = self._start
        for name, (_, last) in self._runs.items():
            if name not in written:
                break
            reached[name] = written[name]
            until = last
        self._runs, self._drafts = {}, {}
        if not reached:
            return None
        part = self._exchanges[self._start : until]
        if not indexed:
            self._index(part)
        nodes, blocks = self._rendered(reached, until)
        fold = Fold(
            id=fold_id(part[-1]),
            count=until,
            nodes=nodes,
            blocks=blocks,
            contents=tuple(one.content_id for one in part if not self._archive.forgot(one)),
            previous=self._base.id if self._base else "",
        )
        self._account.folded += len(part)
        return self._archive.keep_fold(fold)

    def _index(self, part: Sequence[Exchange]) -> None:
        self._archive.keep_passages(part, first=self._start + 1)
        if self._embedder is not None:
            try:
                self._archive.embed_owed(self._embedder)
            except ModelNotReady:
                pass  # the vectors are owed, and it is recall that goes without them
            except BaseException as wrong:  # noqa: BLE001 - an embedder may raise anything
                self._degrade("index", failure(wrong))

    def _rendered(
        self, new: Mapping[str, Node], until: int
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids of the nodes the summary then has, and its blocks.

        Where all fits, what was there stays as it was and the new nodes are one more block.
        """
        base = self._base
        nodes = {**(self._nodes(base.nodes) if base else {}), **new}
        settled = settle(
            nodes,
            budget=self._policy.summary_tokens,
            count=self._count,
            corrections=self._archive.corrections(),
        )
        if base and base.blocks and settled.keys() == nodes.keys():
            first, texts = self._start + 1, [node.text for node in new.values()]
            markers = self._unseen(first, until)
            gone = self._forgotten(first, until)
            more = _block(texts, first, until, gone, markers=markers, more=True)
            blocks = (*base.blocks, more)
            if self._count("\n".join(blocks)) <= self._policy.summary_tokens + _FRAME:
                return tuple(nodes), blocks
        for name, node in settled.items():
            # Whoever wrote it first, it says the same: its id tells what it is made of.
            if name not in nodes and self._archive.keep_node(name, node, model=""):
                self.wrote.append(name)
        first, texts = self._head + 1, [node.text for node in settled.values()]
        markers, gone = self._unseen(first, until), self._forgotten(first, until)
        return tuple(settled), (_block(texts, first, until, gone, markers=markers),)

    def _unseen(self, first: int, last: int) -> list[tuple[int, str]]:
        """The pictures and files of a run: number of the exchange and marker of each."""
        run = enumerate(self._exchanges[first - 1 : last], first)
        return [(number, marker) for number, one in run for marker in unseen_in(one.messages)]

    def _forgotten(self, first: int, last: int) -> list[int]:
        """Numbers of the exchanges in a run that were forgotten."""
        run = enumerate(self._exchanges[first - 1 : last], first)
        return [number for number, one in run if self._archive.forgot(one)]

    def _nodes(self, ids: Sequence[str]) -> dict[str, Node]:
        """The nodes of these ids, in order."""
        written = self._archive.nodes(ids)
        return {name: written[name] for name in ids if name in written}
