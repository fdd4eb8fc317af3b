"""One user's forgetting, step by step: what is to go, what hangs on it, what remains."""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

from turnfold_stores import Record, Store, StoreError
from turnfold_stores.records.fields import Reading, messages_in, texts_in

from turnfold.archive.kinds import KINDS, Kind, kinds_with
from turnfold.archive.passages import content_of
from turnfold.archive.paths import STEP_PLACE_KIND, ExchangePlace, read_place
from turnfold.archive.plans import Plan, exchange_in, opening_in, plan_body, read_fold, read_plan
from turnfold.archive.tombstones import Tombstones, turn_name
from turnfold.forgetting.erasure_scope import ErasureScope, Forgotten, erasure_scope, steps_in
from turnfold.forgetting.file_erasure import FileErasure
from turnfold.forgetting.rebuild import ConversationPath, rebuilt
from turnfold.forgetting.unread_records import is_strange, may_hold_anything, mentions
from turnfold.history.exchanges import Exchange, seed_of
from turnfold.history.reader import read
from turnfold.policy import Policy
from turnfold.request.thinking import thinking_ids

_BATCH = 500
# What stays where all of a conversation goes. A reset says how often it began anew, nothing else;
# without it an old generation would be the present one again.
_STAYS = kinds_with("stays", "for good")
_FOR_GOOD = kinds_with("for good")


class Erasure:
    """Takes exchanges of one user, and all that hangs on them, from a store.

    A record that cannot be read goes where it is old, or where it names something that goes: it
    stops no forgetting.
    """

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
        self._reading = Reading()
        self._tombstones = Tombstones(store.ledger, user_id)
        self._files = FileErasure(store, user_id, self._tombstones, policy.now)

    def older_than(self, before: float, names: Collection[str] | None) -> Forgotten:
        """Erase what was first said before then, in these conversations or in all."""
        places = self._places(names)
        exchanges = [one for one in places.values() if not one.is_step]
        # A history that is edited or cut has new places, at a later time, for what was said.
        first: dict[str, float] = {}
        for one in exchanges:
            first[one.content] = min(first.get(one.content, math.inf), one.at)
        contents = frozenset(content for content, at in first.items() if at < before)
        if self._reading.damaged:  # what stood at a place that cannot be read is known by its age
            placed = {one.content for one in places.values()}
            scan = self._scan("content", names)
            contents |= {one.id for one in scan if one.id not in placed and one.at < before}
        closed = {one.opening for one in exchanges}
        # The newest exchange of each history has no place yet: only what it opened with is known.
        open_ = {
            opening_in(plan.id): _name_of(plan)
            for record, plan in self._plans(names)
            if record.at < before and opening_in(plan.id) not in closed
        }
        # Steps go with their exchange, and not without it.
        gone = open_.keys() | {one.opening for one in exchanges if one.content in contents}
        contents |= steps_in(places, gone)
        self._bury(contents | set(open_.values()))
        return self._erase(erasure_scope(contents, (), places, before, names))

    def turns(self, openings: Collection[str], name: str) -> Forgotten:
        """Erase single turns of a conversation, with every answer they had.

        Args:
            openings: their opening ids; none that is there finishes what broke off before.
            name: of the conversation in the store.
        """
        names = [name]
        places = self._places(names)
        contents = {one.content for one in places.values() if one.opening in openings}
        plans = [plan for _, plan in self._plans(names) if opening_in(plan.id) in openings]
        if not contents and not plans:
            return self.buried()
        self._bury({*contents, *map(_name_of, plans)})
        return self._erase(erasure_scope(contents, openings, places, -math.inf, names))

    def buried(self) -> Forgotten:
        """Erase what has a tombstone."""
        places = self._places(None)
        plans = [plan for _, plan in self._plans(None)]
        where = self._standing(places, plans)
        contents = frozenset(self._tombstones.among({content for content, _ in where}))
        touched = frozenset(
            name for content, name in where if content in contents and name is not None
        )
        names = [(name, opening_in(one.id)) for one in plans for name in (one.words, one.turn)]
        known = self._tombstones.among({name for name, _ in names} - {""})
        openings = {opening for name, opening in names if name in known}
        openings |= {one.opening for one in places.values() if one.content in contents}
        contents |= steps_in(places, openings)
        extent = ErasureScope(contents, frozenset(openings), places, touched, -math.inf, None)
        done = self._files.buried()
        if not contents and not openings:
            return done + self._resumed(extent)
        return done + self._erase(extent)

    def _standing(
        self, places: Mapping[str, ExchangePlace], plans: Iterable[Plan]
    ) -> set[tuple[str, str | None]]:
        """Content ids of all that anything stands of, each with the conversation it concerns.

        Who was at work may have written what is derived, of exchanges that have no place.
        """
        where: set[tuple[str, str | None]] = set()
        where |= {(one.content, one.conversation) for one in places.values()}
        where |= {(one.id, one.conversation) for one in self._scan("content", None)}
        where |= {(content_of(one.id), one.conversation) for one in self._scan("passage", None)}
        with contextlib.suppress(StoreError):  # an index that is away costs nobody the turn
            where |= {(content_of(name), None) for name in self._store.index.ids(self._user_id)}
        where |= {(content_of(shown.id), None) for plan in plans for shown in plan.shown}
        folds = self._reading.all(self._scan("fold", None), read_fold)
        where |= {(name, record.conversation) for record, one in folds for name in one.contents}
        return where

    def _bury(self, what: Iterable[str]) -> None:
        names = sorted(name for name in what if name)
        if names:
            self._tombstones.put(names)
            self._tombstones.renew()

    def _erase(self, extent: ErasureScope) -> Forgotten:
        """Erase it: what is derived first, what was said and where it stands last."""
        done = self._pieces(extent)
        for name in extent.touched:
            done += self._summaries(name, extent)
        done += self._turns(extent)
        done += self._shown(extent)
        done += self._resumed(extent)
        done += self._files.within(extent)
        if not extent.whole:
            done += self._strange(extent)
        return done + self._said(extent)

    # --- what is derived ----------------------------------------------------------------------

    def _pieces(self, extent: ErasureScope) -> Forgotten:
        """Passages, their vectors, and that vectors are owed."""
        gone = extent.contents
        passages = [
            record.id
            for record in self._scan("passage", extent.names)
            if extent.whole or content_of(record.id) in gone
        ]
        indexed = self._store.index.ids(self._user_id)
        vectors = {*passages, *(one for one in indexed if content_of(one) in gone)}
        if extent.whole:  # also those that nothing leads to any more
            vectors |= {one.id.partition(":")[2] for one in self._scan("vector", extent.names)}
            vectors |= indexed if extent.names is None else set()
        for batch in _batches(sorted(vectors)):
            self._store.delete_vectors(self._user_id, batch)
        self._delete(passages)
        debts: list[str] = []
        smaller: list[Record] = []
        owed = self._reading.all(self._scan("owed", extent.names), lambda one: texts_in(one.body))
        for record, names in owed:
            left = [one for one in names if not extent.whole and content_of(one) not in gone]
            if not left:
                debts.append(record.id)
            elif left != names:
                smaller.append(replace(record, body=left))
        self._store.replace(self._user_id, debts, smaller)
        return Forgotten(passages=len(passages), vectors=len(vectors & indexed), others=len(debts))

    def _summaries(self, name: str, extent: ErasureScope) -> Forgotten:
        """Nodes and folds of a conversation: rebuilt from what remains, or deleted."""
        here = {key: one for key, one in extent.places.items() if one.conversation == name}
        folds = list(self._scan("fold", [name]))
        new = rebuilt(
            folds=folds,
            nodes=list(self._scan("node", [name])),
            corrections=self._scan("correction", [name]),
            contents=partial(self._scan, "content", [name]),
            path=ConversationPath(here, extent.contents),
            policy=self._policy,
        )
        remaining = {"", *(one.id for one in folds)} - set(new.deleted)

        def without(plan: Plan) -> Plan:
            within = {key: fold for key, fold in plan.within.items() if fold in remaining}
            plan = plan if len(within) == len(plan.within) else replace(plan, within=within)
            plan = plan if plan.fold in remaining else replace(plan, fold="")
            return plan if plan.summary is None else replace(plan, summary=None)

        self._rewrite_plans([name], without)
        self._store.replace(self._user_id, new.deleted, new.records)
        return Forgotten(summaries=len(new.deleted), rebuilt=len(new.records))

    def _turns(self, extent: ErasureScope) -> Forgotten:
        """Plans, accounts, proofs, work in progress: with their exchange, or by their age."""
        thoughts = set(self._thoughts(extent.contents)) if not extent.whole else set()

        def goes(record: Record, kind: Kind) -> bool:
            if record.at < extent.before:
                return True
            if kind.fate == "turn":
                return opening_in(record.id) in extent.openings
            if kind.fate == "account":
                return isinstance(record.body, dict) and record.body.get("turn") in extent.openings
            if kind.fate == "thought":
                return record.id in thoughts
            return record.conversation in extent.touched

        counts = {}
        for name in sorted(kinds_with("turn", "account", "thought", "work")):
            scan = self._scan(name, extent.names)
            old = [one.id for one in scan if goes(one, KINDS[name])]
            self._delete(old)
            counts[name] = len(old)
        plans, receipts = counts.pop("plan"), counts.pop("usage")
        return Forgotten(plans=plans, receipts=receipts, others=sum(counts.values()))

    def _thoughts(self, contents: Iterable[str]) -> Iterator[str]:
        """Names of the thinking in exchanges."""
        for batch in _batches(contents):
            records = self._ledger.get(self._user_id, batch).values()
            for _, messages in self._reading.all(records, lambda one: messages_in(one.body)):
                for message in messages:
                    yield from thinking_ids(message)

    def _shown(self, extent: ErasureScope) -> Forgotten:
        """Plans that name what goes: they go on without it.

        Those of any conversation may have recalled it. Those of its own follow on it; a history
        that began with it gets another name.
        """
        gone = extent.contents
        names: dict[str, str] = {}

        def renamed(root: str) -> str:
            return names.setdefault(root, f"erased:{secrets.token_hex(8)}")

        def bare(plan: Plan) -> Plan:
            plan = _without_recalled(plan, gone)
            if extent.goes(plan.parent):
                plan = replace(plan, parent=extent.heir(plan.parent))
            if extent.goes(exchange_in(plan.measures.fold)):
                plan = replace(plan, measures=replace(plan.measures, fold=""))
            if plan.root in extent.openings:
                plan = replace(plan, root=renamed(plan.root))
            return plan

        done = Forgotten(plans=self._rewrite_plans(None, bare))
        accounts: list[Record] = []
        for name in kinds_with("account"):
            for record in self._scan(name, extent.names):
                root = record.body.get("root") if isinstance(record.body, dict) else None
                if root in extent.openings:
                    accounts.append(replace(record, body={**record.body, "root": renamed(root)}))
        self._store.replace(self._user_id, (), accounts)
        return done

    def _rewrite_plans(self, names: Collection[str] | None, change: Callable[[Plan], Plan]) -> int:
        """Change plans. Those after them are written again, too: the newest is the last one."""
        again: dict[str, list[Record]] = {}
        count = 0
        for record, plan in self._plans(names):
            changed = change(plan)
            if changed != plan:
                again.setdefault(record.conversation, [])
                count += 1
            if record.conversation in again:
                # What a newer version wrote stays; a summary that the plan has no more does not.
                body = {name: value for name, value in record.body.items() if name != "summary"}
                again[record.conversation].append(
                    replace(record, body={**body, **plan_body(changed)})
                )
        for records in again.values():
            self._store.replace(self._user_id, (), records)
        return count

    def _strange(self, extent: ErasureScope) -> Forgotten:
        """What cannot be read, or is of a newer version: it goes with what it names, or by age."""
        names = {*extent.contents, *extent.openings}
        names |= {key for key, one in extent.places.items() if one.content in extent.contents}
        old = {
            record.id
            for record in self._scan(None, extent.names)
            if is_strange(record, self._reading)
            and record.kind not in _STAYS
            and (
                record.at < extent.before
                or mentions(record.id, names)
                or mentions(record.body, names)
                or (record.conversation in extent.touched and may_hold_anything(record))
            )
        }
        # A plan of any conversation may have recalled it.
        elsewhere = self._ledger.get(self._user_id, self._reading.damaged).values()
        old |= {one.id for one in elsewhere if one.kind not in _STAYS and mentions(one.body, names)}
        self._delete(old)
        return Forgotten(others=len(old))

    # --- what was said ------------------------------------------------------------------------

    def _resumed(self, extent: ErasureScope) -> Forgotten:
        """What is kept for resuming a conversation."""
        kept = [
            record for kind in kinds_with("resumed") for record in self._scan(kind, extent.names)
        ]
        if extent.whole:
            gone = [record.id for record in kept]
        else:
            names = {record.id: found for record, found in self._names_in(kept)}
            buried = self._tombstones.among(set().union(*names.values()))
            gone = [name for name, found in names.items() if not buried.isdisjoint(found)]
        self._delete(gone)
        return Forgotten(others=len(gone))

    def _names_in(self, kept: Iterable[Record]) -> Iterator[tuple[Record, set[str]]]:
        """By what names the exchanges that records of messages hold may have been forgotten."""
        newest: dict[str, Exchange] = {}  # by conversation
        for record in kept:
            seed = seed_of(self._user_id, record.conversation)
            messages = self._reading.one(record, lambda one: messages_in(one.body))
            names: set[str] = set()
            if messages:
                for one in read(messages, seed=seed, redact=self._policy.redact).exchanges:
                    before = newest.get(record.conversation)
                    names |= {one.content_id, turn_name(one, before, seed)}
                    newest[record.conversation] = one
            yield record, names

    def _said(self, extent: ErasureScope) -> Forgotten:
        """The exchanges and their places; what follows on them follows on what was before."""
        self._delete(extent.contents)
        dead = {key for key, one in extent.places.items() if one.content in extent.contents}
        alive = extent.places.keys() - dead
        known = {"", *alive}
        orphans = sorted(key for key in alive if extent.places[key].parent not in known)
        for batch in _batches(orphans):
            heads = self._ledger.get(self._user_id, batch).values()
            new = [
                replace(one, body={**one.body, "parent": extent.heir(extent.places[one.id].parent)})
                for one in heads
            ]
            self._store.replace(self._user_id, (), new)
        self._delete(dead)
        rest: list[str] = []
        if extent.whole:  # of whatever kind
            scan = self._scan(None, extent.names)
            stays = _FOR_GOOD if extent.names is None else _STAYS
            rest = [one.id for one in scan if one.kind not in stays]
            self._delete(rest)
        steps = {one.content for one in extent.places.values() if one.is_step}
        said = len(extent.contents - steps) + len(extent.under_way)
        return Forgotten(exchanges=said, others=len(dead) + len(rest))

    # --- rows ---------------------------------------------------------------------------------

    def _places(self, names: Collection[str] | None) -> dict[str, ExchangePlace]:
        return {
            record.id: link
            for kind in ("exchange", STEP_PLACE_KIND)
            for record, link in self._reading.all(self._scan(kind, names), read_place)
        }

    def _plans(self, names: Collection[str] | None) -> Iterator[tuple[Record, Plan]]:
        return self._reading.all(self._scan("plan", names), read_plan)

    def _scan(self, kind: str | None, names: Collection[str] | None) -> Iterator[Record]:
        for name in [None] if names is None else names:
            yield from self._ledger.scan(self._user_id, kind=kind, conversation=name)

    def _delete(self, ids: Iterable[str]) -> None:
        for batch in _batches(ids):
            self._ledger.delete(self._user_id, batch)


def _without_recalled(plan: Plan, gone: Collection[str]) -> Plan:
    """A plan without what it recalled of some contents."""
    if any(content_of(shown.id) in gone for shown in plan.shown):
        plan = replace(plan, recalled="", shown=())
    # What was brought for a step goes whatever it holds: it does not say where it is from.
    return replace(plan, brought={}) if gone and plan.brought else plan


def _name_of(plan: Plan) -> str:
    """By what a turn is known again, whatever answers it; an older version knows its words."""
    return plan.turn or plan.words


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, _BATCH)):
        yield batch
