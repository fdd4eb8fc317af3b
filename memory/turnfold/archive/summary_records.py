"""What summaries are made of: nodes, corrections, failures, and what was spent on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from turnfold_stores import Record
from turnfold_stores.records.fields import Fields

from turnfold.archive.record_access import RecordAccess
from turnfold.history.exchanges import Exchange, digest
from turnfold.policy import Spent
from turnfold.summaries.layers import Correction
from turnfold.summaries.notes import Node


class SummaryRecords(RecordAccess):
    """The nodes of a conversation."""

    def nodes(self, ids: Iterable[str]) -> dict[str, Node]:
        """The nodes that exist, by id."""
        return self._read(ids, lambda record: Node.from_json(record.body))

    def store_node(self, name: str, node: Node, *, model: str) -> bool:
        """Write a node; one that is there already stays. Whether it is new."""
        record = self._record(name, "node", {**node.to_json(), "model": model})
        if name in self.reading.damaged:  # what stands there is left out by everybody
            self.store.replace(self.scope.user_id, [], [record])
            return True
        return bool(self._put([record]))

    def store_failure(self, first: Exchange) -> bool:
        """Write that a summarizer failed at turns from this one on; whether it is the first time.

        By the first of them, since how many they are changes with each turn that is added.
        """
        failure = self._record(f"failed:{first.exchange_id}", "failed", {})
        return bool(self._put([failure]))

    def failures(self, firsts: Iterable[Exchange]) -> set[str]:
        """The ids of those exchanges from which on a summarizer has failed before."""
        failed = {f"failed:{one.exchange_id}": one.exchange_id for one in firsts}
        return {failed[name] for name in self.records(failed)}

    def store_spending(self, name: str, body: Mapping[str, Any]) -> None:
        """Write what a summary cost."""
        self._put([self._record(name, "spend", dict(body))])

    def spending(self) -> Iterator[tuple[str, str, Spent, int]]:
        """What summaries of the conversation have cost, one by one.

        Yields:
            For which turn, in which history, what, and tokens of the turns it was asked about.
        """
        scan = self.store.ledger.scan(
            self.scope.user_id, kind="spend", conversation=self.scope.conversation
        )
        for _, one in self.reading.all(scan, _read_spending):
            yield one

    def corrections(self) -> dict[str, Correction]:
        """What was said of items and nodes later on, by their id; the newest word counts."""
        scan = self.store.ledger.scan(
            self.scope.user_id, kind="correction", conversation=self.scope.conversation
        )
        found = self.reading.all(scan, lambda record: Correction.from_json(record.body))
        return {one.target: one for _, one in found}

    def store_correction(self, correction: Correction) -> None:
        """Write a correction; what it is about stays in the ledger as it was."""
        body = {"target": correction.target, "text": correction.text, "kind": correction.kind}
        at = self.clock()
        name = f"correction:{digest(correction.target, correction.text, str(at))}"
        self._put([self._record(name, "correction", body, at=at)])

    def store_reconciled(self, name: str, gone: Mapping[str, str]) -> None:
        """Write that the items of a fold were compared, and which of them no longer hold.

        Args:
            name: id of the preparation of the fold.
            gone: ids of these items, each with that of the one which replaces it.
        """
        at = self.clock()
        records = [self._record(f"reconciled:{name}", "reconciled", dict(gone), at=at)]
        for target, later in gone.items():
            body = {"target": target, "text": "", "kind": ""}
            named = f"correction:{digest(target, later)}"
            records.append(self._record(named, "correction", body, at=at))
        self._put(records)

    def is_reconciled(self, name: str) -> bool:
        """Whether the items of a fold were compared."""
        return bool(self.records([f"reconciled:{name}"]))


def _read_spending(record: Record) -> tuple[str, str, Spent, int]:
    fields = Fields(record.body)
    spent = Spent(fields.whole("tokens"), fields.number("dollars"))
    about = fields.whole("about", spent.tokens)
    return fields.text("turn"), fields.text("root"), spent, about
