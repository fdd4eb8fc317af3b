"""Exchanges to be folded go in as jobs; when their summaries are written, a fold comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from turnfold.account import Account
from turnfold.archive import Archive
from turnfold.embedders import Embedder
from turnfold.embedders.start import ModelNotReady
from turnfold.errors import SummaryError
from turnfold.plans import Fold, fold_id, node_id
from turnfold.policy import Policy
from turnfold.prompt import summary_block
from turnfold.speech import utterances
from turnfold.spending import Spending
from turnfold.summary import (
    Item,
    Node,
    SummaryDraft,
    SummaryJob,
    accept_draft,
    coverage,
    erased,
    fit,
    render,
)
from turnfold.tokens import CountText, estimate_text
from turnfold.transcript import Exchange
from turnfold.window import runs

Outcome = SummaryDraft | Exception
Degrade = Callable[[str, Exception], None]


def summary_of(
    nodes: Sequence[Node],
    *,
    first: int,
    last: int,
    missing: Iterable[int] = (),
    policy: Policy,
) -> str:
    """The rendered summary of some nodes: one block, within its budget.

    Args:
        nodes: oldest first.
        first: number of the first exchange it stands for, from 1.
        last: number of the last one.
        missing: numbers of those of them that were forgotten.
        policy: its budget, and what counts tokens.
    """
    count = policy.count_tokens or estimate_text
    fitting = fit(nodes, budget=policy.summary_tokens, count=count)
    parts = (render(fitting), coverage(first, last), erased(missing))
    return summary_block("\n".join(filter(None, parts)))


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
        self._jobs: dict[str, SummaryJob] = {}  # by node id
        self.wrote: list[str] = []
        self._waiting: dict[str, SummaryJob] = {}  # those of them that no one has written yet

    def want(
        self, base: Fold | None, start: int, until: int, *, head: int, sizes: Sequence[int]
    ) -> bool:
        """Make a job of every run of exchanges from `start` up to `until`.

        Args:
            base: the fold in force.
            start: the first exchange that is not in memory.
            until: where to stop.
            head: how many of the oldest exchanges are never folded.
            sizes: tokens of each exchange.

        Returns:
            Whether there is anything to fold.
        """
        self._base, self._start, self._head, self._jobs = base, start, head, {}
        if until <= start:
            return False
        fitting = self._fitting(base.nodes) if base else []
        known: list[Item] = [item for node in fitting for item in node.items]
        for first, last in runs(sizes, start, until, self._policy.leaf_tokens):
            part = self._exchanges[first:last]
            said = [utterances(one.messages) for one in part]
            if not any(said):  # forgotten: there is nothing to ask a summarizer about
                silent = node_id(part[0], part[-1])
                self._archive.keep_node(silent, Node(first + 1, last, ()), model="")
            self._jobs[node_id(part[0], part[-1])] = SummaryJob(
                first=first + 1,
                exchanges=said,
                before=utterances(self._exchanges[first - 1].messages) if first else (),
                known=known,
                max_tokens=max(256, self._policy.summary_tokens // 2),
            )
        return True

    @property
    def is_ready(self) -> bool:
        """Whether all that was wanted is written."""
        return self._jobs.keys() <= self._archive.nodes(self._jobs).keys()

    @property
    def reached(self) -> int:
        """Up to which exchange all that was wanted is written."""
        written = self._archive.nodes(self._jobs)
        until = self._start
        for name, job in self._jobs.items():
            if name not in written:
                break
            until = job.last
        return until

    def due(self) -> list[SummaryJob]:
        """The jobs that no one has done yet and that may be paid for."""
        written = self._archive.nodes(self._jobs)
        self._waiting = {name: job for name, job in self._jobs.items() if name not in written}
        refused = self._spending.refusals(list(self._waiting.values()))
        for name, why in zip(list(self._waiting), refused, strict=True):
            if why:
                del self._waiting[name]
                self._degrade("summary", SummaryError(why))
        return list(self._waiting.values())

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Write the nodes that the answers to the jobs of `due` make, in order."""
        for job, outcome in zip(list(self._waiting.values()), outcomes, strict=True):
            self.answer(job, outcome)

    def answer(self, job: SummaryJob, outcome: Outcome) -> None:
        """Write the node that the answer to one of the jobs of `due` makes."""
        name = next(name for name, one in self._waiting.items() if one is job)
        if isinstance(outcome, Exception):
            self._degrade("summary", outcome)
            return
        self._account.spent_on_summary(outcome.model, outcome.usage)
        self._spending.paid(outcome.model, outcome.usage)
        try:
            node = accept_draft(job, outcome)
        except SummaryError as empty:
            self._degrade("summary", empty)
        else:
            if self._archive.keep_node(name, node, model=outcome.model):
                self.wrote.append(name)

    def fold(self) -> Fold | None:
        """Fold as far as the exchanges are summarized; None where nothing is.

        A run whose summary failed folds nothing, and neither does anything after it.
        """
        written = self._archive.nodes(self._jobs)
        reached: list[str] = []
        until = self._start
        for name, job in self._jobs.items():
            if name not in written:
                break
            reached.append(name)
            until = job.last
        self._jobs = {}
        if not reached:
            return None
        part = self._exchanges[self._start : until]
        self._archive.keep_passages(part, first=self._start + 1)
        if self._embedder is not None:
            try:
                self._archive.embed_owed(self._embedder)
            except ModelNotReady:
                pass  # the vectors are owed, and it is recall that goes without them
            except Exception as wrong:  # noqa: BLE001 - an embedder may raise anything
                self._degrade("index", wrong)
        nodes = (*(self._base.nodes if self._base else ()), *reached)
        fold = Fold(
            id=fold_id(part[-1]),
            count=until,
            nodes=nodes,
            summary=summary_of(
                self._written(nodes),
                first=self._head + 1,
                last=until,
                missing=self._forgotten(until),
                policy=self._policy,
            ),
            contents=tuple(one.content_id for one in part if not self._archive.forgot(one)),
            previous=self._base.id if self._base else "",
        )
        self._account.folded += len(part)
        return self._archive.keep_fold(fold)

    def _forgotten(self, until: int) -> list[int]:
        """Numbers of the exchanges up to there that were forgotten."""
        folded = self._exchanges[self._head : until]
        return [n for n, one in enumerate(folded, self._head + 1) if self._archive.forgot(one)]

    def _written(self, ids: Sequence[str]) -> list[Node]:
        """These nodes, as far as they exist."""
        written = self._archive.nodes(ids)
        return [written[name] for name in ids if name in written]

    def _fitting(self, ids: Sequence[str]) -> list[Node]:
        """What the summary of these nodes has room for."""
        return fit(self._written(ids), budget=self._policy.summary_tokens, count=self._count)
