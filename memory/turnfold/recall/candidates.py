"""Ids of passages go in; what was said there, and around it, comes out in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import partial
from itertools import islice

from turnfold_stores import Hit, Record
from turnfold_stores.bounded import BoundedDict

from turnfold.archive.archive import Archive
from turnfold.archive.passages import content_of
from turnfold.archive.paths import FoldedContents
from turnfold.history.exchanges import Exchange
from turnfold.history.utterances import utterances
from turnfold.language.days import known_day
from turnfold.language.time_spans import TimeSpan
from turnfold.recall.ranking import Candidate, messages_of

# Exchanges looked at on either side of one that was found.
_AROUND = 2
_BATCH = 512


class MessageCache(BoundedDict[str, tuple[Candidate, ...]]):
    """Messages by the content id of their exchange, so that no turn need make them again.

    Attributes:
        folded: what the plans of other conversations say is in memory.
    """

    def __init__(self, most: int = 20_000) -> None:
        super().__init__(most)
        self.folded = FoldedContents()  # of other conversations


class RecallFilter:
    """What may be recalled: exchanges in memory on a living path, and not in view.

    Args:
        archive: the ledger.
        known: what was read before of other conversations; more is added.
        turns: exchange number by content id, for what is folded on this path.
        live: content ids that stand verbatim in the request.
        root: opening id of the first exchange of this path.
    """

    def __init__(
        self,
        archive: Archive,
        known: FoldedContents,
        *,
        turns: Mapping[str, int],
        live: Collection[str],
        root: str,
    ) -> None:
        self._archive = archive
        self._known = known
        self._turns = turns
        self._live = live
        self._root = root
        self._elsewhere: dict[str, Collection[str]] = {}  # by conversation; read when first met

    def meet(self, passages: Mapping[str, str]) -> None:
        """Read at once what is in memory of the conversations that passages are of, by their ids.

        To be called before the filter is asked of them.
        """
        here = self._archive.scope.conversation
        met = {of for name, of in passages.items() if content_of(name) not in self._live}
        if strange := met - self._elsewhere.keys() - ({here} if here else set()):
            self._elsewhere |= self._archive.paths.folded_in(
                strange, self._known, mark=self._archive.mark, but=self._root
            )

    def __call__(self, passage: str, conversation: str) -> int | None:
        """The exchange number; 0 for another conversation; None if it may not be recalled."""
        content = content_of(passage)
        if content in self._live:
            return None
        here = self._archive.scope.conversation
        if conversation == here and (content in self._turns or here):
            return self._turns.get(content)
        return 0 if content in self._elsewhere[conversation] else None


@dataclass(frozen=True, slots=True)
class Past:
    """A path as recall sees it: exchanges, and in the place of one in view its folded steps.

    Attributes:
        parts: in order; of an exchange whose steps are folded these, and last what is in view.
        numbers: number on the path of the exchange that each of them is, or is a step of.
        folded: indexes of those that are in memory.
    """

    parts: Sequence[Exchange]
    numbers: Sequence[int]
    folded: Collection[int]


class Candidates:
    """The exchanges that may be recalled: those folded on this path, and of other conversations.

    What was folded on this path is read from the transcript, without the ledger.
    """

    def __init__(
        self,
        archive: Archive,
        past: Past,
        *,
        closed: bool,
        known: MessageCache,
        root: str,
    ) -> None:
        """Args:
        archive: the ledger.
        past: the whole path.
        closed: whether nothing but this path may be recalled.
        known: messages that were made of exchanges before.
        root: names the history of this path.
        """
        self._archive = archive
        exchanges, folded = past.parts, past.folded
        self._numbers = past.numbers
        self._kept = archive.storable(exchanges)
        self._sent = exchanges
        self._folded = folded
        self._closed = closed
        self._known = known
        live = {one.content_id for n, one in enumerate(exchanges) if n not in folded}
        self._indexes = {
            exchanges[index].content_id: index
            for index in folded
            if exchanges[index].content_id not in live
            and not archive.is_forgotten(exchanges[index])
        }
        self._eligible = RecallFilter(
            archive,
            known.folded,
            turns={one: self._numbers[index] for one, index in self._indexes.items()},
            live=live,
            root=root,
        )

    def alive(self, hits: Iterator[Hit], most: int) -> Iterator[str]:
        """Ids of the passages among hits that may be recalled, out of the first `most`."""
        hits = islice(hits, most)
        if self._closed:
            for hit in hits:
                if content_of(hit.id) in self._indexes:
                    yield hit.id
            return
        while batch := list(islice(hits, _BATCH)):
            strange = [hit for hit in batch if content_of(hit.id) not in self._indexes]
            said_in = self._archive.conversations(
                hit.id for hit in strange if hit.conversation is None
            )
            said_in |= {hit.id: hit.conversation for hit in strange if hit.conversation is not None}
            self._eligible.meet(said_in)
            for hit in batch:
                known = content_of(hit.id) in self._indexes
                where = said_in.get(hit.id)
                if known or (where is not None and self._eligible(hit.id, where) is not None):
                    yield hit.id

    def with_neighbours(
        self, passage_ids: Iterable[str], *, elsewhere: int
    ) -> tuple[list[Candidate], list[int]]:
        """What was said in and around the exchanges of passages, in order.

        Other conversations come first, without what stands around.

        Args:
            passage_ids: the most wanted first.
            elsewhere: how many exchanges of other conversations are read at most.

        Returns:
            The messages, and for each the number of its run: those of one run were said one
            after the other.
        """
        contents = dict.fromkeys(map(content_of, passage_ids))
        messages: list[Candidate] = []
        runs: list[int] = []
        run = 0
        strange = (content for content in contents if content not in self._indexes)
        others = self._of_others(islice(strange, elsewhere))
        for content in sorted(others):  # in one order, whatever the ledger's
            run += 1
            messages += others[content]
            runs += [run] * (len(messages) - len(runs))
        wanted = {
            near
            for content in contents
            if (index := self._indexes.get(content)) is not None
            for near in range(index - _AROUND, index + _AROUND + 1)
            if near in self._folded
        }
        before = -1
        for index in sorted(wanted):
            run += index != before + 1
            before = index
            messages += self._said(index)
            runs += [run] * (len(messages) - len(runs))
        return messages, runs

    def read(self, passage_ids: Iterable[str]) -> None:
        """Read what was said in the exchanges of passages, so that it is there when asked for.

        Those of other conversations are read when it is known which of them are wanted most.
        """
        for content in dict.fromkeys(map(content_of, passage_ids)):
            if content in self._indexes:
                self._said(self._indexes[content])

    def _of_others(self, contents: Iterable[str]) -> dict[str, tuple[Candidate, ...]]:
        """What was said in exchanges that are not on this path, by content id, where known."""
        found = {one: self._known.get(one) for one in contents}
        lacking = [content for content, messages in found.items() if messages is None]
        for content, said in self._archive.paths.messages(lacking).items():
            found[content] = self._known[content] = messages_of(content, utterances(said))
        return {content: messages for content, messages in found.items() if messages is not None}

    def turn(self, content_id: str) -> int:
        """The number of an exchange on this path, from 1; 0 for one of another."""
        index = self._indexes.get(content_id)
        return 0 if index is None else self._numbers[index]

    def _said(self, index: int) -> tuple[Candidate, ...]:
        content = self._sent[index].content_id
        if self._indexes.get(content) != index:
            return ()  # in view, forgotten, or said again later
        if content not in self._known:
            self._known[content] = messages_of(content, utterances(self._kept[index].messages))
        return self._known[content]

    def said_in(self, span: TimeSpan, most: int) -> list[str]:
        """Ids of passages of this path that were said in a span of time, in order, one a message.

        Args:
            span: the days.
            most: ids at most; of more, some from all over the span.
        """
        folded = sorted(self._indexes.values())
        # What is said later stands later, so few times are looked up.
        first = bisect_left(folded, span.first, key=partial(self._day, zone=span.zone))
        last = bisect_right(folded, span.last, key=partial(self._day, zone=span.zone))
        found = [f"{one.id}.0" for index in folded[first:last] for one in self._said(index)]
        return found[:: -(-len(found) // most) or 1]

    def _day(self, index: int, zone: tzinfo | None) -> date:
        """The day of an exchange; the first there ever was, where that is not known."""
        name = next((f"{one.id}.0" for one in self._said(index)), "")
        return known_day(self.times([name]).get(name, 0.0), zone) or date.min

    def in_view(self) -> str:
        """All text of the window, white space squeezed."""
        live = (one for n, one in enumerate(self._sent) if n not in self._folded)
        texts = [said.text for one in live for said in utterances(one.messages)]
        return " ".join(" ".join(texts).split())

    def times(self, passage_ids: Sequence[str]) -> dict[str, float]:
        """When passages were said, in seconds since the epoch, by id; where known."""
        records: Mapping[str, Record] = self._archive.records(passage_ids)
        return {name: record.at for name, record in records.items()}
