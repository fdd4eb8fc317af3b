"""Ids of passages go in; what was said there, and around it, comes out in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from turnfold_stores import Hit, Record

from turnfold.archive import Archive
from turnfold.eligible import Eligible
from turnfold.passages import place_of
from turnfold.ranking import Message
from turnfold.speech import Utterance, utterances
from turnfold.tokens import estimate_text
from turnfold.transcript import Transcript

# Exchanges looked at on either side of one that was found.
_AROUND = 2
_BATCH = 64


class Past:
    """The exchanges that may be recalled: those folded on this path, and of other conversations.

    What was folded on this path is read from the transcript, without the ledger.
    """

    def __init__(
        self, archive: Archive, transcript: Transcript, folded: range, *, closed: bool
    ) -> None:
        """Args:
        archive: the ledger.
        transcript: the whole path.
        folded: indexes of the exchanges that are in memory.
        closed: whether nothing but this path may be recalled.
        """
        self._archive = archive
        exchanges = transcript.exchanges
        self._kept = archive.memorable(exchanges)
        self._sent = exchanges
        self._folded = folded
        self._closed = closed
        live = {one.content_id for n, one in enumerate(exchanges) if n not in folded}
        self._indexes = {
            exchanges[index].content_id: index
            for index in folded
            if exchanges[index].content_id not in live and not archive.forgot(exchanges[index])
        }
        self._eligible = Eligible(
            archive,
            turns={content: index + 1 for content, index in self._indexes.items()},
            live=live,
            root=exchanges[0].opening_id,
        )

    def living(self, hits: Iterator[Hit], most: int) -> Iterator[str]:
        """Ids of the passages among hits that may be recalled, out of the first `most`."""
        hits = islice(hits, most)
        if self._closed:
            for hit in hits:
                if place_of(hit.id)[0] in self._indexes:
                    yield hit.id
            return
        while batch := list(islice(hits, _BATCH)):
            strange = [hit.id for hit in batch if place_of(hit.id)[0] not in self._indexes]
            records = self._archive.records(strange)
            for hit in batch:
                record = records.get(hit.id)
                known = place_of(hit.id)[0] in self._indexes
                if known or (record is not None and self._eligible(record) is not None):
                    yield hit.id

    def messages(self, passage_ids: Iterable[str]) -> list[Message]:
        """What was said in and around the exchanges of these passages, in order.

        Other conversations come first, without what stands around.
        """
        contents = dict.fromkeys(place_of(name)[0] for name in passage_ids)
        found: list[Message] = []
        run = 0
        strange = [content for content in contents if content not in self._indexes]
        for content, record in self._archive.records(strange).items():
            run += 1
            found += _messages(content, utterances(record.body["messages"]), turn=0, run=run)
        wanted = {
            near
            for content in contents
            if content in self._indexes
            for near in range(
                self._indexes[content] - _AROUND, self._indexes[content] + _AROUND + 1
            )
            if near in self._folded
        }
        before = -1
        for index in sorted(wanted):
            run += index != before + 1
            before = index
            exchange = self._kept[index]
            if self._indexes.get(exchange.content_id) == index:
                said = utterances(exchange.messages)
                found += _messages(exchange.content_id, said, turn=index + 1, run=run)
        return found

    def in_view(self, summary: str) -> str:
        """All text that stands in the request verbatim, white space squeezed."""
        live = (one for n, one in enumerate(self._sent) if n not in self._folded)
        texts = [said.text for one in live for said in utterances(one.messages)]
        return " ".join(" ".join([summary, *texts]).split())

    def times(self, passage_ids: Sequence[str]) -> dict[str, float]:
        """When passages were said, in seconds since the epoch, by id; where known."""
        records: Mapping[str, Record] = self._archive.records(passage_ids)
        return {name: record.at for name, record in records.items()}


def _messages(content: str, said: Sequence[Utterance], *, turn: int, run: int) -> list[Message]:
    return [
        Message(content, number, one.source, one.text, turn, estimate_text(one.text), run)
        for number, one in enumerate(said)
    ]
