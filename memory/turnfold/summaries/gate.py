"""A draft goes in; the items that may be kept come out, and of the others what is wrong.

An item may be kept if every number, date, time, identifier, link, quotation and name in it
occurs in the turns it cites, in whatever format, and if it does not deny what they affirm or
affirm what they deny. An instruction is kept as one only where its words stand in text that the
user wrote; anything else that calls itself so is a fact about what was said. What only a tool,
a document or a text that was passed on says, says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from turnfold.errors import SummaryError
from turnfold.language.which_language import languages_of
from turnfold.summaries.attribution import Speakers, as_said, is_attributed
from turnfold.summaries.evidence import Evidence
from turnfold.summaries.notes import KINDS, Item, SummaryDraft, SummaryJob
from turnfold.summaries.readings import Reading
from turnfold.summaries.standing_instructions import Wishes, standing_instructions

logger = logging.getLogger("turnfold")


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that may not be kept, and why."""

    item: Item
    complaints: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.item.text!r}: {'; '.join(self.complaints)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate lets through of a draft, in order, and what it does not."""

    items: tuple[Item, ...]
    refused: tuple[Refused, ...] = ()


def judge(job: SummaryJob, draft: SummaryDraft) -> Verdict:
    """Check a draft against the turns it is about.

    Raises:
        SummaryError: the draft says nothing.
    """
    return Gate(job).judge(draft.items)


def add_missed_instructions(job: SummaryJob, items: Iterable[Item]) -> tuple[Item, ...]:
    """The items, with the user's standing instructions that were overlooked.

    Only what plainly asks for something from then on is added, in the user's words.
    """
    items = tuple(items)
    instructions = [one_line(item.text) for item in items if item.kind == "instruction"]
    missing = [
        Item("instruction", words, (turn,))
        for turn, words in standing_instructions(job)
        if not any(words in kept or kept in words for kept in instructions)
    ]
    return (*items, *missing)


class Gate:
    """The checks of one job; what the turns say is read once."""

    def __init__(self, job: SummaryJob) -> None:
        self._job = job
        self._known = {item.id: item for item in job.known if item.id}
        self._wishes = Wishes(job.exchanges, job.first)
        self._readings: dict[str, Reading] = {}
        said = [one for exchange in job.exchanges for one in exchange]
        texts = [one.text for one in said]
        self._languages = languages_of(*texts)
        before = [as_said(one) for one in job.before]
        known = "\n".join([*before, *(item.text for item in job.known)])
        self._speakers = Speakers(job, self._reading)
        # What is known may be too short to tell its language, or nothing.
        earlier = Reading(known, languages_of(known, *texts))
        self._names = Evidence([earlier, *(self._reading(as_said(one)) for one in said)])

    def judge(self, items: Iterable[Item]) -> Verdict:
        """Check some items.

        Raises:
            SummaryError: they say nothing.
        """
        kept: dict[tuple[str, str], Item] = {}
        refused: list[Refused] = []
        for item in items:
            text = item.text.strip()
            if not text:
                continue
            try:
                read = self.read(replace(item, text=text))
                complaints = self.complaints(read)
                read = read if complaints else self.attributed(read)
            except Exception:
                # Whatever a text makes the checks raise costs this item alone.
                logger.warning("an item of a summary could not be checked", exc_info=True)
                continue
            if complaints:
                refused.append(Refused(read, tuple(complaints)))
            else:
                kept.setdefault((read.kind, read.text), read)
        if not kept and not refused:
            job = self._job
            raise SummaryError(
                f"the summary of turns {job.first}-{job.last} is empty, so these turns stay in the "
                f"window"
            )
        return Verdict(tuple(kept.values()), tuple(refused))

    def read(self, item: Item) -> Item:
        """An item with what it claims of itself set right."""
        job = self._job
        kind = item.kind if item.kind in KINDS else "fact"
        turns = sorted({turn for turn in item.turns if job.first <= turn <= job.last})
        if kind == "instruction":
            wished = self._wishes.turns_of(item.text)
            kind, turns = ("instruction", list(wished)) if wished else ("fact", turns)
        supersedes = [
            name
            for name in dict.fromkeys(item.supersedes)
            # What the user asked for holds until they ask for something else.
            if name in self._known
            and (kind == "instruction" or self._known[name].kind != "instruction")
        ]
        return Item(
            kind, item.text, tuple(turns or range(job.first, job.last + 1)), tuple(supersedes)
        )

    def attributed(self, item: Item) -> Item:
        """An item with who said it, where that was not the user.

        What others say takes nothing away from what the user is known to have said.
        """
        item = self._speakers.attributed(item)
        if item.kind == "instruction" or not is_attributed(item.text):
            return item
        others = (name for name in item.supersedes if is_attributed(self._known[name].text))
        return replace(item, supersedes=tuple(others))

    def complaints(self, item: Item) -> list[str]:
        """What is wrong with an item, in words; [] for nothing."""
        if item.kind == "instruction":
            return []  # word for word the user's
        old = tuple(self._known[name].text for name in item.supersedes)
        said = [
            as_said(one)
            for turn in item.turns
            for one in self._job.exchanges[turn - self._job.first]
        ]
        days = [self._job.days[turn] for turn in item.turns if turn in self._job.days]
        evidence = Evidence([self._reading(text) for text in (*said, *old)], days)
        return evidence.complaints(item.text, names=self._names)

    def _reading(self, text: str) -> Reading:
        if text not in self._readings:
            self._readings[text] = Reading(text, self._languages)
        return self._readings[text]


def one_line(text: str) -> str:
    """A text on one line."""
    return re.sub(r"\s+", " ", text).strip()
