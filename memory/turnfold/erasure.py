"""One user's forgetting, step by step: what is to go, what hangs on it, what remains."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice

from turnfold_stores import Record, Store

from turnfold.plans import Plan, plan_body, read_plan
from turnfold.policy import Policy
from turnfold.reader import read
from turnfold.rebuilding import Link, Path, rebuilt
from turnfold.tombstones import KINDS, Tombstones
from turnfold.transcript import seed_of

_BATCH = 500
# What stays where all of a conversation goes. A reset says how often it began anew, nothing else;
# without it an old generation would be the present one again.
_STAYS = KINDS | {"reset"}
# What a turn decided or measured; its ids name the opening of the turn.
_OF_TURNS = ("plan", "usage", "floor")
# Other accounts and proofs, which say nothing: they go by their age, or by the turn they name.
_BY_AGE = ("thought", "spend", "lease", "ahead", "failed")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a forgetting did, in numbers.

    Attributes:
        exchanges: exchanges deleted; one that was said twice counts once.
        passages: passages deleted.
        vectors: vectors deleted.
        plans: plans deleted, or written anew without what they had recalled.
        receipts: accounts of answered requests deleted.
        summaries: nodes and folds deleted.
        rebuilt: nodes and folds written anew from what remains.
        others: other records deleted: messages kept for resuming, links, proofs, debts.
        purged: whether files were purged; False where the store leaves that to a server or has
            none.
    """

    exchanges: int = 0
    passages: int = 0
    vectors: int = 0
    plans: int = 0
    receipts: int = 0
    summaries: int = 0
    rebuilt: int = 0
    others: int = 0
    purged: bool = False

    def __add__(self, other: Forgotten) -> Forgotten:
        """Both together."""
        sums = {
            one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        }
        return Forgotten(**{**sums, "purged": self.purged or other.purged})

    def __bool__(self) -> bool:
        """Whether there was anything to forget."""
        return any(getattr(self, one.name) for one in fields(self) if one.name != "purged")


@dataclass(frozen=True, slots=True)
class _Extent:
    """What is to go.

    Attributes:
        contents: content ids of exchanges.
        openings: opening ids of turns.
        places: all places of exchanges in the conversations concerned, by exchange id.
        touched: the conversations that contents go from.
        before: what turns decided and measured before then goes, too, in seconds since the
            epoch; infinity where all of the conversations goes.
        names: the conversations concerned; None for all.
    """

    contents: frozenset[str]
    openings: frozenset[str]
    places: Mapping[str, Link]
    touched: frozenset[str]
    before: float
    names: Collection[str] | None

    @property
    def whole(self) -> bool:
        """Whether nothing of the conversations concerned remains."""
        return self.before == math.inf


class Erasure:
    """Takes exchanges of one user, and all that hangs on them, from a store."""

    def __init__(self, store: Store, policy: Policy, user_id: str) -> None:
        """Args:
        store: where they are.
        policy: how the summaries that are rebuilt are fitted.
        user_id: whose they are.
        """
        self._store = store
        self._ledger = store.ledger
        self._policy = policy
        self._user_id = user_id
        self._tombstones = Tombstones(store.ledger, user_id)

    def older_than(self, before: float, names: Collection[str] | None) -> Forgotten:
        """Erase what was first said before then, in these conversations or in all."""
        places = self._places(names)
        # A history that is edited or cut has new places, at a later time, for what was said.
        first: dict[str, float] = {}
        for one in places.values():
            first[one.content] = min(first.get(one.content, math.inf), one.at)
        contents = frozenset(content for content, at in first.items() if at < before)
        closed = {one.opening for one in places.values()}
        # The newest exchange of each history has no place yet: only what it opened with is known.
        words = {
            read_plan(one).words
            for one in self._scan("plan", names)
            if one.at < before and _opening(one) not in closed
        }
        self._bury(contents | words)
        openings = frozenset(one.opening for one in places.values() if one.content in contents)
        touched = frozenset(one.conversation for one in places.values() if one.content in contents)
        return self._erase(_Extent(contents, openings, places, touched, before, names))

    def buried(self) -> Forgotten:
        """Erase what has a tombstone."""
        places = self._places(None)
        where = {(one.content, one.conversation) for one in places.values()}
        # Who was at work may have written what is derived, of exchanges that have no place.
        where |= {(one.id, one.conversation) for one in self._scan("content", None)}
        where |= {(one.body["content"], one.conversation) for one in self._scan("passage", None)}
        contents = frozenset(self._tombstones.among({content for content, _ in where}))
        touched = frozenset(name for content, name in where if content in contents)
        words = {read_plan(one).words: _opening(one) for one in self._scan("plan", None)}
        openings = {words[name] for name in self._tombstones.among(words.keys() - {""})}
        openings |= {one.opening for one in places.values() if one.content in contents}
        if not contents and not openings:
            return Forgotten()
        return self._erase(_Extent(contents, frozenset(openings), places, touched, -math.inf, None))

    def _bury(self, what: Iterable[str]) -> None:
        names = sorted(name for name in what if name)
        if names:
            self._tombstones.put(names)
            self._tombstones.renew()

    def _erase(self, extent: _Extent) -> Forgotten:
        """Erase it: what is derived first, what was said and where it stands last."""
        done = self._passages(extent)
        for name in extent.touched:
            done += self._summaries(name, extent)
        done += self._turns(extent)
        done += self._shown(extent)
        done += self._resumable(extent)
        return done + self._exchanges(extent)

    # --- what is derived ----------------------------------------------------------------------

    def _passages(self, extent: _Extent) -> Forgotten:
        """Passages, their vectors, and that vectors are owed."""
        gone = extent.contents
        passages = [
            record.id
            for record in self._scan("passage", extent.names)
            if extent.whole or record.body["content"] in gone
        ]
        vectors = set(passages)
        indexed = self._store.index.ids(self._user_id)
        if extent.whole:  # also those that nothing leads to any more
            vectors |= {one.id.partition(":")[2] for one in self._scan("vector", extent.names)}
            vectors |= indexed if extent.names is None else set()
        for batch in _batches(sorted(vectors)):
            self._store.delete_vectors(self._user_id, batch)
        self._delete(passages)
        debts: list[str] = []
        smaller: list[Record] = []
        for record in self._scan("owed", extent.names):
            left = [n for n in record.body if not extent.whole and _content(n) not in gone]
            if not left:
                debts.append(record.id)
            elif left != record.body:
                smaller.append(replace(record, body=left))
        self._store.replace(self._user_id, debts, smaller)
        return Forgotten(passages=len(passages), vectors=len(vectors & indexed), others=len(debts))

    def _summaries(self, name: str, extent: _Extent) -> Forgotten:
        """Nodes and folds of a conversation: rebuilt from what remains, or deleted."""
        here = {key: one for key, one in extent.places.items() if one.conversation == name}
        folds = list(self._scan("fold", [name]))
        new = rebuilt(
            folds=folds,
            nodes=list(self._scan("node", [name])),
            corrections=self._scan("correction", [name]),
            contents=self._scan("content", [name]),
            path=Path(here, extent.contents),
            policy=self._policy,
        )
        remaining = {"", *(one.id for one in folds)} - set(new.deleted)

        def without(plan: Plan) -> Plan:
            return plan if plan.fold in remaining else replace(plan, fold="")

        self._rewrite_plans([name], without)
        self._store.replace(self._user_id, new.deleted, new.records)
        return Forgotten(summaries=len(new.deleted), rebuilt=len(new.records))

    def _turns(self, extent: _Extent) -> Forgotten:
        """Plans, accounts, proofs: they go with their exchange, or by their age."""
        counts = {}
        for kind in _OF_TURNS:
            scan = self._scan(kind, extent.names)
            old = [
                one.id for one in scan if one.at < extent.before or _opening(one) in extent.openings
            ]
            self._delete(old)
            counts[kind] = len(old)
        others = [
            one.id
            for kind in _BY_AGE
            for one in self._scan(kind, extent.names)
            if one.at < extent.before
            or (isinstance(one.body, dict) and one.body.get("turn") in extent.openings)
        ]
        self._delete(others)
        return Forgotten(
            plans=counts["plan"],
            receipts=counts["usage"],
            others=counts["floor"] + len(others),
        )

    def _shown(self, extent: _Extent) -> Forgotten:
        """Plans of any conversation that had recalled what goes: they go on without it."""
        gone = extent.contents

        def bare(plan: Plan) -> Plan:
            recalled = any(_content(shown.id) in gone for shown in plan.shown)
            return replace(plan, recalled="", shown=()) if recalled else plan

        return Forgotten(plans=self._rewrite_plans(None, bare))

    def _rewrite_plans(self, names: Collection[str] | None, change: Callable[[Plan], Plan]) -> int:
        """Change plans. Those after them are written again, too: the newest is the last one."""
        again: dict[str, list[Record]] = {}
        count = 0
        for record in self._scan("plan", names):
            plan = read_plan(record)
            changed = change(plan)
            if changed != plan:
                again.setdefault(record.conversation, [])
                count += 1
            if record.conversation in again:
                again[record.conversation].append(replace(record, body=plan_body(changed)))
        for records in again.values():
            self._store.replace(self._user_id, (), records)
        return count

    # --- what was said ------------------------------------------------------------------------

    def _resumable(self, extent: _Extent) -> Forgotten:
        """What is kept for resuming a conversation."""
        said = [
            record.id
            for record in self._scan("said", extent.names)
            if extent.whole or self._content_said(record) in extent.contents
        ]
        self._delete(said)
        return Forgotten(others=len(said))

    def _content_said(self, record: Record) -> str:
        seed = seed_of(self._user_id, record.conversation)
        messages = record.body["messages"]
        return read(messages, seed=seed, redact=self._policy.redact).open.content_id

    def _exchanges(self, extent: _Extent) -> Forgotten:
        """The exchanges and their places; what follows on them begins a path of its own."""
        self._delete(extent.contents)
        dead = {key for key, one in extent.places.items() if one.content in extent.contents}
        alive = extent.places.keys() - dead
        known = {"", *alive}
        orphans = sorted(key for key in alive if extent.places[key].parent not in known)
        for batch in _batches(orphans):
            heads = self._ledger.get(self._user_id, batch).values()
            new = [replace(one, body={**one.body, "parent": ""}) for one in heads]
            self._store.replace(self._user_id, (), new)
        self._delete(dead)
        rest: list[str] = []
        if extent.whole:  # of whatever kind
            scan = self._scan(None, extent.names)
            stays = KINDS if extent.names is None else _STAYS
            rest = [one.id for one in scan if one.kind not in stays]
            self._delete(rest)
        return Forgotten(exchanges=len(extent.contents), others=len(dead) + len(rest))

    # --- rows ---------------------------------------------------------------------------------

    def _places(self, names: Collection[str] | None) -> dict[str, Link]:
        return {record.id: Link.of(record) for record in self._scan("exchange", names)}

    def _scan(self, kind: str | None, names: Collection[str] | None) -> Iterator[Record]:
        for name in [None] if names is None else names:
            yield from self._ledger.scan(self._user_id, kind=kind, conversation=name)

    def _delete(self, ids: Iterable[str]) -> None:
        for batch in _batches(ids):
            self._ledger.delete(self._user_id, batch)


def _opening(record: Record) -> str:
    """The opening id that a record of a turn hangs on."""
    return record.id.split(":")[1].partition("~")[0]


def _content(passage_id: str) -> str:
    return passage_id.rpartition(":")[0]


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, _BATCH)):
        yield batch
