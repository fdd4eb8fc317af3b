"""A store goes in; what is in it, what is owed and what hangs loose comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from turnfold_stores import Record, Store, Unreadable
from turnfold_stores.protocols import ChecksItself
from turnfold_stores.records.fields import Reading
from turnfold_stores.upkeep.checkup import Indexed, damaged_marks, indexed, mend_marks, users_of

from turnfold.archive.kinds import KINDS, Kind

FindingKind = Literal[
    "broken file",
    "damaged",
    "missing vectors",
    "orphaned vectors",
    "stray vectors",
    "unfit vectors",
    "unpaid",
    "dangling",
]
_TOLD = 5  # ids named in a finding


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: what sort of thing. "missing vectors": the ledger keeps them, the index lacks
            them. "orphaned vectors": the index has them, the ledger does not know them. "stray
            vectors": of passages that are no more. "unfit vectors": the ledger keeps them damaged,
            or of another model; they are removed, and owed from then on. "unpaid": passages
            without a vector that nothing says is owed. "dangling": a record names one that is
            not there. "damaged": a record that cannot be read and is left out; where it is
            mended, one that is made of others, which memory will make again, is deleted, and one
            whose id says all is written anew, as is what the store's vectors tell of it.
        user_id: whose; "" for the store's.
        count: how many.
        detail: some of them, or what is wrong, in words.
        mended: whether it was put right.
        lost: whether it is something that was said, which nothing can bring back.
    """

    kind: FindingKind
    user_id: str
    count: int
    detail: str
    mended: bool = False
    lost: bool = False

    @property
    def mendable(self) -> bool:
        """Whether `mend` can put it right: what is derived can be derived again."""
        return self.kind not in {"broken file", "dangling"} and not self.lost


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a store holds and what was found.

    Attributes:
        users: how many users.
        records: how many records, by kind.
        owed: passages whose vectors are to be made when their conversation next folds or
            recalls; that is as it should be.
        findings: what is not as it should be.
    """

    users: int
    records: dict[str, int]
    owed: int
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is left that is not as it should be."""
        return all(finding.mended for finding in self.findings)


def check(store: Store, *, mend: bool = False) -> Checkup:
    """Look through a store, and put right what can be derived anew; nothing is embedded.

    Reads every record. Others may use the store meanwhile; what they are just writing may be
    found to hang loose.

    Raises:
        StoreError: the store cannot be read, or not be written where something is to be mended.
    """
    records: Counter[str] = Counter()
    findings: list[Finding] = []
    if isinstance(store.ledger, ChecksItself) and (wrong := store.ledger.check()):
        findings.append(Finding("broken file", "", len(wrong), "; ".join(wrong[:_TOLD])))
    if marks := damaged_marks(store):
        if mend:
            mend_marks(store)
        findings.append(Finding("damaged", "", len(marks), ", ".join(marks), mended=mend))
    owed = 0
    users = users_of(store)
    for user_id in users:
        state = _State(store, user_id)
        records.update(state.kinds)
        owed += len(state.owed)
        found = list(state.findings())
        if mend:
            state.mend()
            found = [replace(one, mended=one.mendable) for one in found]
        findings += found
    return Checkup(len(users), dict(records), owed, tuple(findings))


class _State:
    """One user's records, by what they name and what names them."""

    def __init__(self, store: Store, user_id: str) -> None:
        self._store = store
        self._user_id = user_id
        self._indexed: Indexed = indexed(store, user_id)
        self.kinds: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._passages: dict[str, str] = {}  # the conversation of each
        self._named: dict[str, str] = {}  # what has to be there, and what names it
        self._damaged: set[str] = set()  # records that can be made again
        self._bare: dict[str, Record] = {}  # those whose id says all, as they are to be
        self._lost: set[str] = set()  # those that cannot
        debts: set[str] = set()
        reading = Reading()
        for record in store.ledger.scan(user_id):
            self.kinds[record.kind] += 1
            kind = KINDS.get(record.kind)
            if kind is None and isinstance(record.body, Unreadable):
                self._lost.add(record.id)
            if kind is None or kind.fate == "vector":
                continue
            self._ids.add(record.id)
            needs = reading.one(record, partial(_needs, kind))
            if needs is None and kind.is_bare and not _misses_its_name(record):
                self._bare[record.id] = replace(record, body=None)
                continue
            if needs is None:
                (self._damaged if kind.derived else self._lost).add(record.id)
                continue
            if kind.fate == "piece":
                self._passages[record.id] = record.conversation
            elif kind.fate == "owed":
                debts.update(record.body)
            self._named.update(dict.fromkeys(needs, record.id))
        self.owed = debts & self._passages.keys() - self._indexed.vectors
        self._strays = self._indexed.vectors - self._passages.keys()
        self._unpaid = self._passages.keys() - self._indexed.vectors - debts

    def findings(self) -> Iterator[Finding]:
        """What is not as it should be."""
        vectors = self._indexed
        dangling = {name: by for name, by in self._named.items() if name not in self._ids}
        loose = [f"{by} names {name}" for name, by in sorted(dangling.items())]
        yield from self._finding("damaged", self._lost, lost=True)
        yield from self._finding("damaged", self._damaged | self._bare.keys())
        yield from self._finding("missing vectors", vectors.missing - self._strays)
        yield from self._finding("orphaned vectors", vectors.orphaned)
        yield from self._finding("stray vectors", self._strays)
        yield from self._finding("unfit vectors", vectors.unfit)
        yield from self._finding("unpaid", self._unpaid - vectors.unfit)
        yield from self._finding("dangling", loose)

    def mend(self) -> None:
        """Put right what can be."""
        self._store.replace(self._user_id, self._damaged, self._bare.values())
        self._store.delete_vectors(self._user_id, self._strays | self._indexed.unfit)
        if self._indexed.missing or self._indexed.orphaned:
            self._store.mend_user(self._user_id)
        for conversation in {self._passages[name] for name in self._unpaid}:
            names = sorted(n for n in self._unpaid if self._passages[n] == conversation)
            owed = Record(f"owed:{names[0]}", "owed", conversation, names)
            self._store.ledger.put(self._user_id, [owed])

    def _finding(
        self, kind: FindingKind, what: Collection[str], *, lost: bool = False
    ) -> Iterator[Finding]:
        if what:
            more = ", …" if len(what) > _TOLD else ""
            detail = ", ".join(sorted(what)[:_TOLD]) + more
            yield Finding(kind, self._user_id, len(what), detail, lost=lost)


def _misses_its_name(record: Record) -> bool:
    """Whether it cannot be told which record it was, or of which conversation."""
    wrong = record.body.columns if isinstance(record.body, Unreadable) else ()
    return not {"id", "kind", "conversation"}.isdisjoint(wrong)


def _needs(kind: Kind, record: Record) -> list[str]:
    """Ids of the records that this one cannot do without; raises where it cannot be read."""
    kind.read(record)
    return list(kind.needs(record))
