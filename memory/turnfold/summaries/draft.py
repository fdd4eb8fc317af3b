"""One node on its way: jobs go out, their answers pass the gate, what is refused goes back once.

Turns that are too much for one request are asked about in pieces. Good items are kept at once.
Only those refused are asked for again, with only the turns they cite; what is refused again is
replaced by sentences of those turns, and the node says so. What only tells what happened is not
worth a request and goes.

A piece that could not be had whole is asked for in smaller ones, and in the end its own
sentences stand for it: each step is cheaper than the one before, and there is a last one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from turnfold.accounting.tokens import CountText
from turnfold.history.exchanges import digest
from turnfold.summaries.gate import Gate, Refused, add_missed_instructions
from turnfold.summaries.job_pieces import Reads, pieces_of
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summaries.sentences import extract

logger = logging.getLogger("turnfold")

# Tokens of extracted sentences for each item that was refused twice.
_IN_ITS_PLACE = 80
# A piece that is too long is cut into so many, so many times.
_CUT_INTO = 4
_MOST_CUTS = 2
# Where not even sentences can be picked, so many characters of what opened each turn.
_OPENING = 300


@dataclass(eq=False, slots=True)
class Piece:
    """A part of a node's turns that is asked about by itself.

    Attributes:
        job: the question about all of it.
        due: what to ask next; None where there is nothing to ask.
        items: what it came to so far; None before the first answer.
        cuts: how often what it is a part of was too long.
    """

    job: SummaryJob
    due: SummaryJob | None
    items: tuple[Item, ...] | None = None
    cuts: int = 0

    @property
    def is_done(self) -> bool:
        """Whether its items are there."""
        return self.due is None and self.items is not None

    @property
    def name(self) -> str:
        """Names what it is about, whoever asks."""
        said = [(one.source, one.text) for exchange in self.job.exchanges for one in exchange]
        return digest(str(self.job.first), *chain.from_iterable(said))[:16]


class NodeDraft:
    """From a job to the items of its node."""

    def __init__(
        self,
        job: SummaryJob,
        count: CountText,
        reads: Reads,
        *,
        asked: SummaryJob | None = None,
        noted: Sequence[Item] = (),
    ) -> None:
        """Args:
        job: on all turns of the node.
        count: counts the tokens of a text.
        reads: what one request may hold.
        asked: the same without what is summarized already; None for all of it.
        noted: the items on that.
        """
        self.job = job
        self.model = ""
        self.degraded = ""
        self._count = count
        self._gate: Gate | None = None
        self._noted = noted
        self.pieces: list[Piece] = []
        self._put(0, [Piece(one, one) for one in pieces_of(asked or job, reads, count)])

    @property
    def due(self) -> tuple[SummaryJob, ...]:
        """What to ask a summarizer next; none once there is nothing to ask.

        Of several pieces the first goes ahead: where it is refused, it is the only one that was.
        """
        due = tuple(one.due for one in self.pieces if one.due is not None)
        proven = any(one.items is not None for one in self.pieces)
        return due if proven else due[:1]

    @property
    def is_done(self) -> bool:
        """Whether all of its items are there."""
        return all(one.is_done for one in self.pieces)

    @property
    def items(self) -> tuple[Item, ...]:
        """What the node will say, once it is done."""
        found = [*self._noted, *(item for one in self.pieces for item in one.items or ())]
        return _completed(self.job, _distinct(found))

    @property
    def has_failed(self) -> bool:
        """Whether the summarizer gave nothing for one of the pieces."""
        return any(one.due is None and one.items is None for one in self.pieces)

    def piece(self, job: SummaryJob) -> Piece | None:
        """The piece that a job of `due` is about; None for a job that is of another draft."""
        return next((one for one in self.pieces if one.due is job), None)

    def recall(self, piece: Piece, items: Sequence[Item]) -> None:
        """Take the items that a piece was known to come to before."""
        piece.due, piece.items = None, tuple(items)

    def take(self, piece: Piece, draft: SummaryDraft) -> bool | None:
        """Take an answer to what is due of a piece.

        Returns:
            Whether anything it says is kept; None where an earlier answer had been of use, and
            where it is first told what was wrong: whoever is refused twice has had a say.

        Raises:
            SummaryError: it says nothing. Nothing more is due of the piece then.
            Exception: whatever an odd answer may raise, likewise.
        """
        job, piece.due = piece.due or piece.job, None
        items = [_within(item, job) for item in draft.items]
        if self._gate is None:
            self._gate = Gate(self.job)
        verdict = self._gate.judge(items)
        again, had = piece.items is not None, bool(piece.items)
        piece.items = _distinct((*(piece.items or ()), *verdict.items))
        self.model = self.model or draft.model
        refused = tuple(one for one in verdict.refused if one.item.kind != "narrative")
        if not piece.items:
            refused = verdict.refused
        if refused and not again:
            piece.due = _asked_again(piece.job, refused)
        elif refused:
            self._quote(piece, refused)
        return bool(verdict.items) or (None if had or piece.due is not None else False)

    def cut(self, piece: Piece, reads: Reads) -> bool:
        """Ask about a piece in smaller ones, since it was too long; False where that is no use."""
        if piece.cuts >= _MOST_CUTS or piece.items is not None:
            return False
        smaller = pieces_of(piece.job, reads, self._count)
        if len(smaller) == 1:
            smaller = pieces_of(piece.job, reads.smaller(_CUT_INTO), self._count)
        at = self.pieces.index(piece)
        del self.pieces[at]
        self._put(at, [Piece(one, one, cuts=piece.cuts + 1) for one in smaller])
        return len(smaller) > 1

    def _put(self, at: int, pieces: Sequence[Piece]) -> None:
        """Put in pieces, but for what a turn repeats word for word: a file that was read again."""
        names = {one.name for one in self.pieces}
        new = {one.name: one for one in reversed(pieces) if one.name not in names}
        self.pieces[at:at] = reversed(new.values())

    def fail(self, piece: Piece) -> None:
        """The summarizer failed at a piece. What was good before that is not lost."""
        job, piece.due = piece.due, None
        if piece.items is not None and job is not None and job.complaints:
            self.degraded = f"extractive: turns {job.first}-{job.last} were summarized in part"
            room = _IN_ITS_PLACE * len(job.complaints)
            more = extracted(replace(job, max_tokens=room), self._count)
            piece.items = _distinct((*piece.items, *more))

    def extract(self, why: str) -> None:
        """Do without a summarizer for what it has not given."""
        for one in self.pieces:
            if not one.is_done:
                more = extracted(one.job, self._count)
                one.due, one.items = None, _distinct((*(one.items or ()), *more))
        self.model = self.model or "extractive"
        self.degraded = f"extractive: {why}"

    def _quote(self, piece: Piece, refused: tuple[Refused, ...]) -> None:
        turns = sorted({turn for one in refused for turn in one.item.turns})
        room = _IN_ITS_PLACE * len(refused)
        part = replace(_part(piece.job, turns), max_tokens=room)
        cited = [item for item in extracted(part, self._count) if item.turns[0] in turns]
        piece.items = _distinct((*(piece.items or ()), *cited))
        self.degraded = (
            f"extractive: turns {turns[0]}-{turns[-1]} are quoted, since twice a summary said of "
            f"them what they do not say"
        )


def cut_off(job: SummaryJob, answer: SummaryDraft) -> str:
    """What a receipt says of an answer that ran out of room."""
    return (
        f"summary: of turns {job.first}-{job.last} {answer.model or 'the summarizer'} wrote only "
        f"what max_tokens left room for: notes may be missing"
    )


def extracted(job: SummaryJob, count: CountText) -> list[Item]:
    """Sentences of the turns; where those cannot be picked, how each turn began."""
    try:
        return extract(job, count=count)
    except Exception:
        logger.warning("no sentences could be picked of some turns", exc_info=True)
    return [
        Item("fact", f"{exchange[0].source}: {exchange[0].text[:_OPENING]}", (turn,))
        for turn, exchange in enumerate(job.exchanges, job.first)
        if exchange
    ]


def _completed(job: SummaryJob, items: Sequence[Item]) -> tuple[Item, ...]:
    """The items, with what the gate adds to them, and nothing that cannot be written down."""
    try:
        items = add_missed_instructions(job, items)
    except Exception:
        logger.warning("the wishes in some turns could not be looked for", exc_info=True)
    return tuple(replace(one, text=_writable(one.text)) for one in items)


def _writable(text: str) -> str:
    """A text that has a UTF-8 form: the halves of a character that is cut in two go."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple({(one.kind, one.text): one for one in reversed([*items])}.values())[::-1]


def _within(item: Item, job: SummaryJob) -> Item:
    """An item that cites no turns but those it was asked about: all of them, if no other."""
    turns = tuple(turn for turn in item.turns if job.first <= turn <= job.last)
    return replace(item, turns=turns or tuple(range(job.first, job.last + 1)))


def _part(job: SummaryJob, turns: Sequence[int]) -> SummaryJob:
    """A job about no more of its turns than these."""
    inside = [turn for turn in turns if job.first <= turn <= job.last] or [job.first, job.last]
    return job.part(inside[0], inside[-1])


def _asked_again(job: SummaryJob, refused: tuple[Refused, ...]) -> SummaryJob:
    """The job of writing the refused items again, about no more turns than they cite."""
    turns = sorted({turn for one in refused for turn in one.item.turns})
    return replace(_part(job, turns), complaints=tuple(map(str, refused)))
