"""Every kind of record that memory writes: who writes it, what it names, and how it is forgotten.

Forgetting (`forgetting.erasure`) and the check-up (`upkeep.checkup`) go by this table; a test
holds it to what a long run writes. A kind that is not in it was written by a newer version: it
stays where it is, and goes with what it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from turnfold_stores import Record
from turnfold_stores.records.fields import Fields, messages_in, texts_in
from turnfold_stores.records.vectors import STAGED_KIND, VECTOR_KIND

from turnfold.archive.conversations import RESET_KIND, SAID_KIND
from turnfold.archive.leases import LEASE_KIND
from turnfold.archive.measures import AnsweredRequest
from turnfold.archive.passages import Passage, place_of
from turnfold.archive.paths import STEP_PLACE_KIND, read_place
from turnfold.archive.plans import read_fold, read_plan, read_preparation
from turnfold.archive.tombstones import KEY_KIND, MARK_KIND, TOMBSTONE_KIND
from turnfold.files.stored_files import (
    ROOT_KIND,
    STEP_KIND,
    TEXT_KIND,
    TREE_KIND,
    read_root,
    read_step,
    read_text,
    read_tree,
)
from turnfold.summaries.layers import Correction
from turnfold.summaries.notes import Node

Fate = Literal[
    "said",  # with the exchange itself: what it says and where it stands, at the very end
    "piece",  # with the exchange it is a piece of
    "owed",  # shrinks to what remains
    "vector",  # with its passage
    "summary",  # rebuilt from what remains, or deleted
    "turn",  # with the exchange whose opening its id names, or when it is old
    "account",  # with the turn its body names, or when it is old
    "thought",  # with the exchange that holds the thinking, or when it is old
    "work",  # with anything of its conversation: work in progress is begun again
    "resumed",  # with the exchange it holds
    "file",  # with all of its user, or the file when it is old or a conversation that wrote it goes
    "stays",  # unless all of its user goes
    "for good",  # for ever: it says what was forgotten
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record.

    Attributes:
        name: as it stands in the record.
        writer: the module that writes it.
        fate: what forgetting does with it.
        read: reads one; raises where it is damaged.
        needs: ids of the records that one cannot do without.
        derived: whether it is made of other records, so that a damaged one may go.
        is_bare: whether its id and place say all, so that a damaged one can be written anew.
    """

    name: str
    writer: str
    fate: Fate
    read: Callable[[Record], object]
    needs: Callable[[Record], Iterable[str]] = lambda _record: ()
    derived: bool = True
    is_bare: bool = False


def _anything(record: Record) -> Any:
    return record.body


def _object(record: Record) -> Fields:
    return Fields(record.body)


def _needs_of_place(record: Record) -> Iterable[str]:
    link = read_place(record)
    return filter(None, (link.content, link.parent))


def _needs_of_fold(record: Record) -> Iterable[str]:
    fold = read_fold(record)
    return (*fold.nodes, *fold.contents, *filter(None, [fold.previous]))


def _needs_of_plan(record: Record) -> Iterable[str]:
    plan = read_plan(record)
    places = {shown.id: place_of(shown.id) for shown in plan.shown}
    shown = [content if piece is None else name for name, (content, _, piece) in places.items()]
    return (*shown, *filter(None, [plan.fold]), *plan.within.values())


_ALL = (
    Kind("content", "exchange_records", "said", lambda one: messages_in(one.body), derived=False),
    Kind("exchange", "exchange_records", "said", read_place, _needs_of_place, derived=False),
    Kind(STEP_PLACE_KIND, "exchange_records", "said", read_place, _needs_of_place, derived=False),
    Kind(
        "passage",
        "passage_records",
        "piece",
        Passage.from_record,
        lambda one: [Passage.from_record(one).content_id],
    ),
    Kind("owed", "passage_records", "owed", lambda one: texts_in(one.body)),
    Kind("indexed", "passage_records", "work", _object),
    Kind("plan", "plan_records", "turn", read_plan, _needs_of_plan),
    Kind("usage", "plan_records", "turn", lambda one: AnsweredRequest.from_json(one.body, one.at)),
    Kind("floor", "plan_records", "turn", lambda one: Fields(one.body).whole("messages")),
    Kind("thought", "plan_records", "thought", lambda one: Fields(one.body).text("prefix")),
    Kind("node", "summary_records", "summary", lambda one: Node.from_json(one.body)),
    Kind("fold", "plan_records", "summary", read_fold, _needs_of_fold),
    Kind("correction", "summary_records", "summary", lambda one: Correction.from_json(one.body)),
    Kind("reconciled", "summary_records", "work", _object),
    Kind("ahead", "plan_records", "work", read_preparation),
    Kind("failed", "summary_records", "work", _object),
    Kind("spend", "summary_records", "account", _object),
    Kind(LEASE_KIND, "leases", "work", _object),
    Kind(SAID_KIND, "conversations", "resumed", lambda one: messages_in(one.body), derived=False),
    Kind(RESET_KIND, "conversations", "stays", _anything, derived=False, is_bare=True),
    Kind(ROOT_KIND, "files.stored_files", "file", read_root, derived=False),
    Kind(STEP_KIND, "files.stored_files", "file", read_step, derived=False),
    Kind(
        TREE_KIND,
        "files.stored_files",
        "file",
        read_tree,
        lambda one: [file.text for file in read_tree(one).files.values()],
        derived=False,
    ),
    Kind(TEXT_KIND, "files.stored_files", "file", read_text, derived=False),
    Kind(KEY_KIND, "tombstones", "for good", _object, derived=False),
    Kind(TOMBSTONE_KIND, "tombstones", "for good", _anything, derived=False, is_bare=True),
    Kind(MARK_KIND, "tombstones", "for good", _anything, derived=False, is_bare=True),
    Kind(VECTOR_KIND, "turnfold_stores.store", "vector", _anything, derived=False),
    Kind(STAGED_KIND, "turnfold_stores.upkeep.reindexing", "vector", _anything, derived=False),
)
KINDS: Mapping[str, Kind] = {one.name: one for one in _ALL}
"""By name, all kinds that this version knows."""


def kinds_with(*fates: Fate) -> frozenset[str]:
    """Names of the kinds that forgetting does one of these things with."""
    return frozenset(one.name for one in _ALL if one.fate in fates)
