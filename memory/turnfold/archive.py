"""What memory keeps in a store: exchanges, passages, nodes, folds, plans, proofs, usage.

Everything is written once under an id that says what it is, so writing again changes nothing
and whoever comes second reads what the first one wrote.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnfold_stores import Entry, Record, Store

from turnfold.embedders import Embedder
from turnfold.recall import Found, Passage, passages_of
from turnfold.summary import Node
from turnfold.transcript import Exchange, Transcript, digest

# Exchanges remembered as stored, so that a turn writes only what is new.
_MOST_REMEMBERED = 200_000
# Folds are looked for from the newest exchange back, this many at a time.
_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory, and of which conversation."""

    user_id: str
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Fold:
    """What stands for the oldest exchanges of a path.

    Attributes:
        id: hangs on the last folded exchange, not on the turn that asked for the fold.
        count: how many exchanges are folded.
        nodes: ids of the nodes written about them, oldest first.
        summary: the rendered block, sent byte for byte.
    """

    id: str
    count: int
    nodes: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A recalled passage in a plan: its id, its exchange number (0: elsewhere), its score."""

    id: str
    turn: int
    score: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided for one opening, for good.

    Attributes:
        id: hangs on the opening.
        fold: id of the fold in force; "" for none.
        recalled: the rendered block of recalled passages; "" for none.
        shown: what the block holds.
    """

    id: str
    fold: str
    recalled: str
    shown: tuple[Shown, ...]


def plan_id(opening: Exchange) -> str:
    """The id of the plan of an opening."""
    return "plan:" + opening.opening_id


def fold_id(last: Exchange) -> str:
    """The id of the fold that ends with this exchange."""
    return "fold:" + last.exchange_id


def node_id(first: Exchange, last: Exchange) -> str:
    """The id of the node about this run of exchanges, whoever writes it."""
    return "node:" + digest(first.exchange_id, last.exchange_id)


class Archive:
    """The ledger and index in memory's own words, for one user and conversation."""

    def __init__(self, store: Store, scope: Scope, stored: OrderedDict[str, None]) -> None:
        """Args:
        store: where it is kept.
        scope: whose it is.
        stored: ids of exchanges known to be stored, shared by the turns of a process.
        """
        self.store = store
        self.scope = scope
        self._stored = stored

    def remember(self, transcript: Transcript) -> None:
        """Store every closed exchange when it is first seen.

        Raises:
            StoreError: the ledger could not be written.
        """
        now = time.time()
        records: list[Record] = []
        new: list[str] = []
        parent = ""
        for number, one in enumerate(transcript.closed, 1):
            if one.exchange_id not in self._stored:
                link = {"parent": parent, "content": one.content_id, "number": number}
                said = {"messages": [dict(message) for message in one.messages]}
                records.append(self._record(one.content_id, "content", said, at=now))
                records.append(self._record(one.exchange_id, "exchange", link, at=now))
                new.append(one.exchange_id)
            parent = one.exchange_id
        if not records:
            return
        self.store.ledger.put(self.scope.user_id, records)
        self._stored.update(dict.fromkeys(new))
        while len(self._stored) > _MOST_REMEMBERED:
            self._stored.popitem(last=False)

    def index(self, exchanges: Iterable[Exchange], embedder: Embedder | None) -> None:
        """Store the passages of exchanges, then their vectors.

        Raises:
            StoreError: the store could not be written.
            EmbedderError: or whatever the embedder raises; the passages are stored by then.
        """
        passages = {one.id: one for exchange in exchanges for one in passages_of(exchange)}
        now = time.time()
        records = [one.to_record(self.scope.conversation, now) for one in passages.values()]
        self.store.ledger.put(self.scope.user_id, records)
        if embedder is None:
            return
        have = self.store.index.ids(self.scope.user_id)
        todo = [one for one in passages.values() if one.id not in have]
        if not todo:
            return
        vectors = embedder.embed([one.text for one in todo])
        entries = [
            Entry(one.id, self.scope.conversation, vector)
            for one, vector in zip(todo, vectors, strict=True)
        ]
        self.store.put_vectors(self.scope.user_id, entries, model=embedder.model)

    # --- plans and folds --------------------------------------------------------------------

    def plans(self, openings: Iterable[Exchange]) -> dict[str, Plan]:
        """The plans that exist for these openings, by opening id."""
        ids = {plan_id(one): one.opening_id for one in openings}
        return {ids[name]: _plan(record) for name, record in self._get(ids).items()}

    def keep_plan(self, plan: Plan) -> Plan:
        """Write a plan and read back the one that holds: the first ever written."""
        body = {
            "fold": plan.fold,
            "recalled": plan.recalled,
            "shown": [[one.id, one.turn, one.score] for one in plan.shown],
        }
        return _plan(self._keep(self._record(plan.id, "plan", body)))

    def fold(self, name: str) -> Fold | None:
        """A fold by its id."""
        record = self._get([name]).get(name)
        return _fold(record) if record else None

    def fold_in_force(self, exchanges: Sequence[Exchange]) -> Fold | None:
        """The newest fold on a path of closed exchanges."""
        for end in range(len(exchanges), 0, -_LOOK_BACK):
            chunk = exchanges[max(0, end - _LOOK_BACK) : end]
            ids = [fold_id(one) for one in reversed(chunk)]
            records = self._get(ids)
            for name in ids:
                if name in records:
                    return _fold(records[name])
        return None

    def keep_fold(self, fold: Fold) -> Fold:
        """Write a fold and read back the one that holds."""
        body = {"count": fold.count, "nodes": list(fold.nodes), "summary": fold.summary}
        return _fold(self._keep(self._record(fold.id, "fold", body)))

    def nodes(self, ids: Iterable[str]) -> dict[str, Node]:
        """The nodes that exist, by id."""
        return {name: Node.from_json(record.body) for name, record in self._get(ids).items()}

    def keep_node(self, name: str, node: Node, *, model: str) -> None:
        """Write a node; one that is there already stays."""
        body = {**node.to_json(), "model": model}
        self.store.ledger.put(self.scope.user_id, [self._record(name, "node", body)])

    # --- proofs, usage, passages --------------------------------------------------------------

    def proofs(self, names: Iterable[str]) -> dict[str, str]:
        """The digest of the prefix each thinking block was made under, where known."""
        return {name: record.body["prefix"] for name, record in self._get(names).items()}

    def keep_answer(
        self, *, request: str, thoughts: Iterable[str], prefix: str, usage: Mapping[str, Any]
    ) -> None:
        """Write what an answer tells: its usage, and what its thinking is bound to."""
        now = time.time()
        records = [
            self._record(name, "thought", {"prefix": prefix}, at=now)
            for name in dict.fromkeys(thoughts)
        ]
        records.append(self._record(request, "usage", dict(usage), at=now))
        self.store.ledger.put(self.scope.user_id, records)

    def found(self, shown: Iterable[Shown]) -> list[Found]:
        """The passages of a plan."""
        shown = list(shown)
        records = self._get(one.id for one in shown)
        return [
            Found(Passage.from_record(records[one.id]), one.turn, one.score)
            for one in shown
            if one.id in records
        ]

    # --- rows ---------------------------------------------------------------------------------

    def _record(self, name: str, kind: str, body: Any, at: float | None = None) -> Record:
        return Record(
            name, kind, self.scope.conversation, body, at=time.time() if at is None else at
        )

    def _get(self, ids: Iterable[str]) -> Mapping[str, Record]:
        ids = list(ids)
        return self.store.ledger.get(self.scope.user_id, ids) if ids else {}

    def _keep(self, record: Record) -> Record:
        new = self.store.ledger.put(self.scope.user_id, [record])
        return record if record.id in new else self._get([record.id])[record.id]


def _plan(record: Record) -> Plan:
    body = record.body
    shown = tuple(Shown(name, turn, score) for name, turn, score in body["shown"])
    return Plan(record.id, body["fold"], body["recalled"], shown)


def _fold(record: Record) -> Fold:
    body = record.body
    return Fold(record.id, body["count"], tuple(body["nodes"]), body["summary"])
