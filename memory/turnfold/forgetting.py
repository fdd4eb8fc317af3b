"""A user, a conversation or an age goes in; it is forgotten, and what was done comes out.

The order is what makes it hold. First tombstones are set, so that nothing comes back. Then a
mark tells all turns at work that something was forgotten: each looks once more when it has
written, and takes back what it should not have (`forget_again`). Then all that hangs on the
forgotten exchanges goes, their text and their places last, so that whoever is killed on the way
can begin anew and finds the rest. At the end the store purges its files.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import islice

from turnfold_stores import Record, Store

from turnfold.errors import TurnfoldError
from turnfold.history import generations
from turnfold.plans import plan_body, read_plan
from turnfold.policy import Policy
from turnfold.reader import read
from turnfold.rebuilding import Link, Path, rebuilt
from turnfold.tombstones import Tombstones
from turnfold.transcript import seed_of

_BATCH = 500
_DAY = 86_400.0  # seconds
# Says how often a conversation was reset, nothing else; without it old generations would be the
# present one again.
_RESET = "reset"
# What a turn decided or measured goes by its age; what is derived from exchanges goes with them.
_OF_TURNS = ("plan", "usage", "thought", "floor")


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


def seconds_of(before: float | datetime) -> float:
    """A moment in seconds since the epoch; a datetime without a time zone is local time.

    Raises:
        TurnfoldError: it is neither a number nor a datetime.
    """
    if isinstance(before, datetime):
        return before.timestamp()
    if isinstance(before, bool) or not isinstance(before, int | float) or math.isnan(before):
        raise TurnfoldError(
            f"before={before!r} must be seconds since the epoch or a datetime, or None for all"
        )
    return float(before)


def forget(
    store: Store,
    policy: Policy,
    user_id: str,
    *,
    conversation: str | None = None,
    before: float = math.inf,
    purge: bool = True,
) -> Forgotten:
    """Forget exchanges of a user.

    Args:
        store: where they are.
        policy: how the summaries that are rebuilt are fitted.
        user_id: whose.
        conversation: only in this one, in all its generations; None for all of theirs.
        before: only what was last said before then, in seconds since the epoch.
        purge: whether to purge the store's files at the end.

    Raises:
        StoreError: the store cannot be read or written. What was not forgotten then is
            forgotten by the next call.
    """
    names = None if conversation is None else generations(store, user_id, conversation)
    done = _Forgetting(store, policy, user_id).older_than(before, names)
    if purge and store.purge(user_id):
        done = replace(done, purged=True)
    return done


def retain(store: Store, policy: Policy, user_id: str, now: float) -> Forgotten:
    """Forget what is older than the policy retains; files are left to be purged another time."""
    assert policy.retain_days is not None
    return forget(store, policy, user_id, before=now - policy.retain_days * _DAY, purge=False)


def forget_again(store: Store, policy: Policy, user_id: str) -> Forgotten:
    """Forget what has a tombstone and stands in the store all the same.

    A turn that was at work meanwhile may have written it, or an import brought it.

    Raises:
        StoreError: the store cannot be read or written.
    """
    return _Forgetting(store, policy, user_id).buried()


def mark_of(store: Store, user_id: str) -> str:
    """Another text after each time that something of this user was forgotten."""
    return Tombstones(store.ledger, user_id).mark()


class _Forgetting:
    """One user's forgetting."""

    def __init__(self, store: Store, policy: Policy, user_id: str) -> None:
        self._store = store
        self._ledger = store.ledger
        self._policy = policy
        self._user_id = user_id
        self._tombstones = Tombstones(store.ledger, user_id)
        self._gone_records: set[str] = set()  # nodes and folds

    def older_than(self, before: float, names: Collection[str] | None) -> Forgotten:
        """Forget what was last said before then, in these conversations or in all."""
        links = self._links(names)
        last: dict[str, float] = {}
        for link in links.values():
            last[link.content] = max(last.get(link.content, -math.inf), link.at)
        gone = {content for content, at in last.items() if at < before}
        answered = {link.opening for link in links.values()}
        # The newest exchange of each history has no place yet: only what it opened with is known.
        openings = {
            read_plan(record).words
            for record in self._scan("plan", names)
            if record.at < before and record.id.partition(":")[2].partition("~")[0] not in answered
        }
        self._bury(gone | openings)
        touched = {link.conversation for link in links.values() if link.content in gone}
        return self._erase(gone, links, touched, before, names)

    def buried(self) -> Forgotten:
        """Forget what has a tombstone."""
        links = self._links(None)
        where = {(link.content, link.conversation) for link in links.values()}
        # Who was at work may have written what is derived, of exchanges that have no place.
        where |= {(one.id, one.conversation) for one in self._scan("content", None)}
        where |= {(one.body["content"], one.conversation) for one in self._scan("passage", None)}
        gone = self._tombstones.among({content for content, _ in where})
        touched = {name for content, name in where if content in gone}
        return self._erase(gone, links, touched, -math.inf, None) if gone else Forgotten()

    def _links(self, names: Collection[str] | None) -> dict[str, Link]:
        return {record.id: Link.of(record) for record in self._scan("exchange", names)}

    def _bury(self, what: set[str]) -> None:
        named = sorted(what - {""})
        if named:
            self._tombstones.put(named)
            self._tombstones.renew()

    def _erase(
        self,
        gone: set[str],
        links: Mapping[str, Link],
        touched: Collection[str],
        before: float,
        names: Collection[str] | None,
    ) -> Forgotten:
        """Delete these contents and all that hangs on them.

        Args:
            gone: content ids.
            links: the places of exchanges in the conversations concerned.
            touched: the conversations something goes from.
            before: what turns decided and measured before then goes, too.
            names: the conversations concerned; None for all.
        """
        done = self._derived(gone, before, names)
        for name in touched:
            path = Path({key: one for key, one in links.items() if one.conversation == name}, gone)
            done += self._summaries(name, path)
        done += self._turns(before, names)
        done += self._shown_elsewhere(gone)
        done += self._said(gone, before, names)
        return done + self._exchanges(gone, links, before, names)

    # --- what is derived ----------------------------------------------------------------------

    def _derived(
        self, gone: Collection[str], before: float, names: Collection[str] | None
    ) -> Forgotten:
        """Passages, their vectors, and that vectors are owed."""
        whole = before == math.inf
        passages = [
            record.id
            for record in self._scan("passage", names)
            if whole or record.body["content"] in gone
        ]
        vectors = set(passages)
        if whole:  # also those that nothing leads to any more
            vectors |= {r.id.partition(":")[2] for r in self._scan("vector", names)}
        indexed = self._store.index.ids(self._user_id)
        if whole and names is None:
            vectors |= indexed
        for batch in _batches(sorted(vectors)):
            self._store.delete_vectors(self._user_id, batch)
        self._delete(passages)
        debts: list[str] = []
        smaller: list[Record] = []
        for record in self._scan("owed", names):
            left = [] if whole else [n for n in record.body if _content(n) not in gone]
            if not left:
                debts.append(record.id)
            elif left != record.body:
                smaller.append(replace(record, body=left))
        self._store.replace(self._user_id, debts, smaller)
        return Forgotten(passages=len(passages), vectors=len(vectors & indexed), others=len(debts))

    def _summaries(self, name: str, path: Path) -> Forgotten:
        """Nodes and folds of a conversation: rebuilt from what remains, or deleted."""
        new = rebuilt(
            folds=list(self._scan("fold", [name])),
            nodes=list(self._scan("node", [name])),
            contents=self._scan("content", [name]),
            path=path,
            policy=self._policy,
        )
        self._store.replace(self._user_id, new.deleted, new.records)
        self._gone_records.update(new.deleted)
        about = {*new.dropped, *new.deleted}
        stale = [r.id for r in self._scan("correction", [name]) if r.body["target"] in about]
        self._delete(stale)
        return Forgotten(summaries=len(new.deleted), rebuilt=len(new.records), others=len(stale))

    def _turns(self, before: float, names: Collection[str] | None) -> Forgotten:
        """Plans, accounts, proofs: they go by their age."""
        counts = {}
        for kind in _OF_TURNS:
            old = [record.id for record in self._scan(kind, names) if record.at < before]
            self._delete(old)
            counts[kind] = len(old)
        return Forgotten(
            plans=counts["plan"],
            receipts=counts["usage"],
            others=counts["thought"] + counts["floor"],
        )

    def _shown_elsewhere(self, gone: Collection[str]) -> Forgotten:
        """Plans of any conversation that had recalled what is gone go on without it.

        And without a fold that is gone.

        Those after them are written again, too: the newest plan is the one written last.
        """
        again: dict[str, list[Record]] = {}
        count = 0
        for record in self._scan("plan", None):
            plan = read_plan(record)
            bare = plan
            if any(_content(shown.id) in gone for shown in plan.shown):
                bare = replace(plan, recalled="", shown=())
            if plan.fold in self._gone_records:
                bare = replace(bare, fold="")
            if bare != plan:
                rewritten = replace(record, body=plan_body(bare))
                again.setdefault(record.conversation, []).append(rewritten)
                count += 1
            elif record.conversation in again:
                again[record.conversation].append(record)
        for records in again.values():
            self._store.replace(self._user_id, (), records)
        return Forgotten(plans=count)

    # --- what was said ------------------------------------------------------------------------

    def _said(
        self, gone: Collection[str], before: float, names: Collection[str] | None
    ) -> Forgotten:
        """What is kept for resuming a conversation."""
        said = [
            record.id
            for record in self._scan("said", names)
            if before == math.inf or self._content_said(record) in gone
        ]
        self._delete(said)
        return Forgotten(others=len(said))

    def _content_said(self, record: Record) -> str:
        seed = seed_of(self._user_id, record.conversation)
        return read(record.body["messages"], seed=seed).open.content_id

    def _exchanges(
        self,
        gone: Collection[str],
        links: Mapping[str, Link],
        before: float,
        names: Collection[str] | None,
    ) -> Forgotten:
        """The exchanges and their places; what follows on them begins a path of its own."""
        self._delete(gone)
        dead = {key for key, link in links.items() if link.content in gone}
        orphans = [key for key, link in links.items() if key not in dead and link.parent in dead]
        heads = [
            replace(record, body={**record.body, "parent": ""})
            for batch in _batches(orphans)
            for record in self._ledger.get(self._user_id, batch).values()
        ]
        self._store.replace(self._user_id, (), heads)
        self._delete(dead)
        others = 0
        if before == math.inf:  # of whatever kind: nothing of these conversations remains
            rest = [r.id for r in self._scan(None, names) if names is None or r.kind != _RESET]
            self._delete(rest)
            others = len(rest)
        return Forgotten(exchanges=len(gone), others=len(dead) + others)

    # --- rows ---------------------------------------------------------------------------------

    def _scan(self, kind: str | None, names: Collection[str] | None) -> Iterator[Record]:
        for name in [None] if names is None else names:
            yield from self._ledger.scan(self._user_id, kind=kind, conversation=name)

    def _delete(self, ids: Iterable[str]) -> None:
        for batch in _batches(ids):
            self._ledger.delete(self._user_id, batch)


def _content(passage_id: str) -> str:
    return passage_id.rpartition(":")[0]


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, _BATCH)):
        yield batch
