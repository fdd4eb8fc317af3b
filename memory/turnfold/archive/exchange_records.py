"""Exchanges as memory stores them, and what of them it may store at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from turnfold_stores import Record

from turnfold.archive.paths import STEP_PLACE_KIND
from turnfold.archive.record_access import RecordAccess
from turnfold.history.exchanges import Exchange, Transcript, seed_of
from turnfold.history.redaction import RedactedExchanges, clean


class ExchangeRecords(RecordAccess):
    """The exchanges of a conversation."""

    def store_exchanges(
        self,
        transcript: Transcript,
        times: Sequence[float | None] | None = None,
        *,
        held: bool = False,
    ) -> None:
        """Store every closed exchange when it is first seen, and no forgotten one again.

        Args:
            transcript: the path.
            times: when each of its messages was said, in seconds since the epoch, where known;
                an exchange is dated by the first time known of it, else by when it is first
                seen.
            held: whether they may wait to be written with the next record there is, so that a
                turn takes one transaction; `flush` ends the wait.

        Raises:
            StoreError: the ledger could not be written.
        """
        closed = transcript.closed
        # Each was written together with all that came before it on its path.
        known = next(
            (n for n in range(len(closed), 0, -1) if self._name(closed[n - 1]) in self._stored), 0
        )
        if all(self.is_forgotten(one) for one in closed[known:]):
            return
        kept = self.storable(closed)
        now, conversation = self.clock(), self.scope.conversation
        parent = closed[known - 1].exchange_id if known else ""
        records: dict[str, list[Record]] = {}
        for index in range(known, len(closed)):
            one = closed[index]
            if self.is_forgotten(one):
                continue  # the path leads past what is not there
            link: dict[str, Any] = {
                "parent": parent,
                "content": one.content_id,
                "number": index + 1,
                "opening": one.opening_id,
            }
            start = transcript.starts[index]
            dated = list(times[start : start + len(one.messages)]) if times else []
            at = next((when for when in dated if when is not None), now)
            if at != now:
                link["times"] = dated
            said = {"messages": list(kept[index].messages)}
            records[self._name(one)] = [
                Record(one.content_id, "content", conversation, said, at=at),
                Record(one.exchange_id, "exchange", conversation, link, at=at),
            ]
            parent = one.exchange_id
        self._held |= records
        if not held:
            self.flush()

    def store_steps(self, opening: Exchange, steps: Sequence[Exchange]) -> None:
        """Store closed steps of an open exchange, before any of them leaves the request.

        Args:
            opening: the exchange.
            steps: all of its closed steps so far, oldest first.

        Raises:
            StoreError: the ledger could not be written.
        """
        known = next(
            (n for n in range(len(steps), 0, -1) if self._name(steps[n - 1]) in self._stored), 0
        )
        if known == len(steps):
            return
        kept = self.storable(steps)
        parent = steps[known - 1].exchange_id if known else ""
        records: list[Record] = []
        for index in range(known, len(steps)):
            one = steps[index]
            place = {
                "parent": parent,
                "content": one.content_id,
                "number": index + 1,
                "opening": opening.opening_id,
            }
            said = {"messages": list(kept[index].messages)}
            records.append(self._record(one.content_id, "content", said))
            records.append(self._record(one.exchange_id, STEP_PLACE_KIND, place))
            parent = one.exchange_id
        self._put(records)
        self._stored.update((self._name(one), None) for one in steps[known:])

    def is_stored(self, exchange: Exchange) -> bool:
        """Whether this exchange was seen before, on this very path."""
        name = self._name(exchange)
        if self.is_forgotten(exchange) or name in self._stored:
            return True
        found = bool(self.records([exchange.exchange_id]))
        if found and not self.mark:
            self._stored[name] = None
        return found

    def stored_ids(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that are stored."""
        return set(self.records(ids))

    def is_forgotten(self, exchange: Exchange) -> bool:
        """Whether this exchange was forgotten: it may be sent and is never written."""
        return bool(self.forgotten) and exchange.content_id in self.forgotten

    def end_of(self, transcript: Transcript) -> str:
        """Exchange id of the newest closed exchange that is not forgotten; "" for none."""
        kept = (one for one in reversed(transcript.closed) if not self.is_forgotten(one))
        return next((one.exchange_id for one in kept), "")

    def redacted_text(self, text: str) -> str:
        """A text as it may be shown to others than the model asked."""
        return text if self.redact is None else clean(text, self.redact)

    def storable(self, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
        """Exchanges as they may be stored, summarized and indexed."""
        if not self.forgotten and self.redact is None:
            return exchanges
        return RedactedExchanges(exchanges, forgotten=self.forgotten, redact=self.redact)

    @property
    def seed(self) -> str:
        """What the paths of this conversation start from."""
        return seed_of(self.scope.user_id, self.scope.conversation)

    def _name(self, exchange: Exchange) -> str:
        """What `stored` knows an exchange by: nothing is known for sure after a forgetting."""
        return exchange.exchange_id + self.mark
