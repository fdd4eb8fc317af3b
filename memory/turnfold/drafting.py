"""One node on its way: a job goes out, its answer passes the gate, what is refused goes back once.

Good items are kept at once. Only those refused are asked for again, with only the turns they
cite; what is refused again is replaced by sentences of those turns, and the node says so. What
only tells what happened is not worth a request and goes.
"""

from __future__ import annotations

from dataclasses import replace

from turnfold.extractive import extract
from turnfold.gate import Refused, complete, judge
from turnfold.summary import Item, SummaryDraft, SummaryJob
from turnfold.tokens import CountText

# Tokens of extracted sentences for each item that was refused twice.
_IN_ITS_PLACE = 80


class Drafting:
    """From a job to the items of its node."""

    def __init__(self, job: SummaryJob, count: CountText) -> None:
        self.job = job
        self.model = ""
        self.degraded = ""
        self._count = count
        self._items: tuple[Item, ...] | None = None
        self._due: SummaryJob | None = job

    @property
    def due(self) -> SummaryJob | None:
        """What to ask a summarizer next; None once there is nothing to ask."""
        return self._due

    @property
    def items(self) -> tuple[Item, ...] | None:
        """What the node will say; None where the summarizer failed."""
        return None if self._due is not None else self._items

    def take(self, draft: SummaryDraft) -> None:
        """Take an answer to the job that is due.

        Raises:
            SummaryError: it says nothing. Nothing more is due then.
        """
        job, self._due = self._due or self.job, None
        verdict = judge(job, draft)
        again = self._items is not None
        self._items = _distinct(*(self._items or ()), *verdict.items)
        self.model = self.model or draft.model
        refused = tuple(one for one in verdict.refused if one.item.kind != "narrative")
        if not self._items:
            refused = verdict.refused
        if refused and not again:
            self._due = _asked_again(self.job, refused)
        elif refused:
            self._quote(refused)
        if self._due is None:
            self._items = complete(self.job, self._items or ())

    def fail(self) -> None:
        """The summarizer failed. What was good before that is not lost."""
        retried = self._due is not None and bool(self._due.complaints)
        job, self._due = self._due, None
        if retried and job is not None:
            self.degraded = f"extractive: turns {job.first}-{job.last} were summarized in part"
            self._items = complete(
                self.job,
                (
                    *(self._items or ()),
                    *extract(
                        replace(job, max_tokens=_IN_ITS_PLACE * len(job.complaints)),
                        count=self._count,
                    ),
                ),
            )

    def extract(self, why: str) -> None:
        """Do without a summarizer."""
        self._due = None
        self._items = complete(self.job, extract(self.job, count=self._count))
        self.model = self.model or "extractive"
        self.degraded = f"extractive: {why}"

    def _quote(self, refused: tuple[Refused, ...]) -> None:
        turns = sorted({turn for one in refused for turn in one.item.turns})
        room = _IN_ITS_PLACE * len(refused)
        part = replace(self.job.part(turns[0], turns[-1]), max_tokens=room)
        cited = [item for item in extract(part, count=self._count) if item.turns[0] in turns]
        self._items = (*(self._items or ()), *cited)
        self.degraded = (
            f"extractive: turns {turns[0]}-{turns[-1]} are quoted, since twice a summary said of "
            f"them what they do not say"
        )


def _distinct(*items: Item) -> tuple[Item, ...]:
    return tuple({(item.kind, item.text): item for item in reversed(items)}.values())[::-1]


def _asked_again(job: SummaryJob, refused: tuple[Refused, ...]) -> SummaryJob:
    """The job of writing the refused items again, about no more turns than they cite."""
    turns = sorted({turn for one in refused for turn in one.item.turns})
    part = job.part(turns[0], turns[-1])
    return replace(part, complaints=tuple(map(str, refused)))
