"""The places of exchanges go in; the living paths of a conversation come out.

Every exchange names the one before it, so a path is read from its end. The newest plan of a
history says where its living path ends; what other paths there are is dead: edited away,
regenerated, or left when something was deleted from the history.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnfold_stores import Record, Store, latest_ids, latest_record
from turnfold_stores.records.fields import Fields, Reading, messages_in

from turnfold.archive.conversations import alive_of, is_alive
from turnfold.archive.plans import (
    Fold,
    Plan,
    exchange_in,
    fold_name,
    opening_in,
    read_fold,
    read_plan,
)
from turnfold.archive.tombstones import Tombstones
from turnfold.history.utterances import Utterance, utterances

STEP_PLACE_KIND = "step"
"""The kind of record that says where a step of an exchange stands: see `store_steps`."""
# Content ids kept of what other conversations have in memory.
_MOST_CONTENTS = 300_000
LOOK_BACK = 200
"""Folds are looked for from the newest exchange back, this many at a time."""


@dataclass(frozen=True, slots=True)
class ExchangePlace:
    """The place of an exchange on a path, as stored.

    Attributes:
        id: its exchange id.
        parent: that of the exchange before it; "" for none.
        content: its content id.
        number: its number on the path, from 1.
        opening: its opening id; of a step that of its exchange.
        conversation: in which conversation.
        at: when it was first said there, in seconds since the epoch.
        is_step: whether it is a step, whose number and parent are within its exchange.
    """

    id: str
    parent: str
    content: str
    number: int
    opening: str
    conversation: str
    at: float
    is_step: bool = False


def read_place(record: Record) -> ExchangePlace:
    """The place that a record of the ledger tells.

    Raises:
        DamagedError: it tells none.
    """
    fields = Fields(record.body)
    return ExchangePlace(
        record.id,
        fields.text("parent"),
        fields.text("content"),
        fields.whole("number", 1, least=1),
        fields.text("opening"),
        record.conversation,
        record.at,
        record.kind == STEP_PLACE_KIND,
    )


def has_times(record: Record) -> bool:
    """Whether the place of an exchange tells when its messages were said."""
    return isinstance(record.body, Mapping) and "times" in record.body


@dataclass(frozen=True, slots=True)
class Trodden:
    """A path that memory knows.

    Attributes:
        plan: its newest plan.
        links: its closed exchanges, oldest first.
        conversation: which one it is of.
    """

    plan: Plan
    links: tuple[ExchangePlace, ...]
    conversation: str = ""

    @property
    def number(self) -> int:
        """The number of its newest turn, which may be open."""
        return self.plan.number or (self.links[-1].number if self.links else 0) + 1

    @property
    def turns(self) -> list[tuple[int, str]]:
        """Number and opening id of each of its turns, the newest of which may be open."""
        newest = (self.number, opening_in(self.plan.id))
        return [*((one.number, one.opening) for one in self.links), newest]

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of its turns, by opening id."""
        return {opening: number for number, opening in reversed(self.turns)}


@dataclass(frozen=True, slots=True)
class TurnPlace:
    """Where a turn stands on a path.

    Attributes:
        number: its number in the conversation, from 1.
        at: when it was said, or first seen, in seconds since the epoch.
        contents: content ids of what is stored of it, in order: of all of it, or of the steps
            so far where it is open.
        steps: of one that is closed, content ids of the steps folded while it was open.
    """

    number: int
    at: float
    contents: tuple[str, ...]
    steps: frozenset[str] = frozenset()


class FoldedContents:
    """What plans tell is in memory, by their ids, so that no turn need read it again.

    A plan never changes, nor do the folds it goes by, as long as nothing is forgotten.
    """

    def __init__(self, most: int = _MOST_CONTENTS) -> None:
        """Args:
        most: content ids that are kept; about 150 bytes each.
        """
        self._most = most
        self._held = 0
        self._by_plan: dict[tuple[str, str, str], tuple[str, frozenset[str]]] = {}

    def get(self, user_id: str, mark: str, plan: str) -> tuple[str, frozenset[str]] | None:
        """The root of a plan and the content ids that it says are in memory.

        Args:
            user_id: whose plan.
            mark: see `Tombstones.mark`.
            plan: its id.
        """
        return self._by_plan.get((user_id, mark, plan))

    def keep(self, user_id: str, mark: str, plan: Plan, contents: frozenset[str]) -> None:
        """Keep what a plan tells; all else is let go where that is too much."""
        self._held += len(contents) + 1
        if self._held > self._most:
            self._by_plan, self._held = {}, len(contents) + 1
        self._by_plan[user_id, mark, plan.id] = plan.root, contents


class Paths:
    """The paths of a user's conversations."""

    def __init__(self, store: Store, user_id: str, reading: Reading | None = None) -> None:
        """Args:
        store: where they are kept.
        user_id: whose they are.
        reading: told of records that are damaged.
        """
        self._store = store
        self._ledger = store.ledger
        self._user_id = user_id
        self._reading = reading if reading is not None else Reading()

    # --- where exchanges stand ----------------------------------------------------------------

    def links(self, conversation: str) -> dict[str, ExchangePlace]:
        """The places of all exchanges of a conversation, by exchange id."""
        scan = self._ledger.scan(self._user_id, kind="exchange", conversation=conversation)
        return {record.id: link for record, link in self._reading.all(scan, read_place)}

    def steps(self, conversation: str) -> dict[str, ExchangePlace]:
        """The places of the steps that were stored of its exchanges, by id."""
        scan = self._ledger.scan(self._user_id, kind=STEP_PLACE_KIND, conversation=conversation)
        return {record.id: link for record, link in self._reading.all(scan, read_place)}

    def steps_in_view(self, path: Trodden) -> dict[str, list[ExchangePlace]]:
        """The stored steps of the exchanges that are shown with notes on them, by opening id.

        The newest exchange is the last; each step has the number of its own.
        """
        plan, numbers = path.plan, path.numbers
        steps = self.steps(path.conversation) if plan.within else {}
        found: dict[str, list[ExchangePlace]] = {}
        for opening in sorted(plan.within.keys() & numbers.keys(), key=lambda one: numbers[one]):
            cut, fold = plan.cuts.get(opening), exchange_in(plan.within[opening])
            places = path_to(cut.step if cut is not None else fold, steps)
            if places:
                found[opening] = [replace(one, number=numbers[opening]) for one in places]
        return found

    def turn_places(self, path: Trodden) -> list[TurnPlace]:
        """The turns of a path of which something is stored, the open one last."""
        steps = self.steps_in_view(path)
        within = {opening: [one.content for one in places] for opening, places in steps.items()}
        places = [
            TurnPlace(one.number, one.at, (one.content,), frozenset(within.get(one.opening, ())))
            for one in path.links
        ]
        open_ = opening_in(path.plan.id)
        if open_ in steps and all(one.opening != open_ for one in path.links):
            contents = tuple(within[open_])
            places.append(TurnPlace(path.number, steps[open_][0].at, contents))
        return places

    def trodden(self, conversation: str) -> list[Trodden]:
        """The living path of each history of a conversation, the newest last."""
        plans = self.newest_plans(conversation)
        links = self.links(conversation) if plans else {}
        return [Trodden(plan, tuple(path_to(plan.parent, links)), conversation) for plan in plans]

    def path_to(self, exchange_id: str, conversation: str) -> list[ExchangePlace]:
        """The path from its beginning to this exchange; [] where it is not known."""
        return path_to(exchange_id, self.links(conversation))

    def messages(self, contents: Iterable[str]) -> dict[str, list[Mapping[str, Any]]]:
        """What exchanges say, by content id, where it is known."""
        names = list(contents)
        found = self._ledger.get(self._user_id, names) if names else {}
        return {
            record.id: told
            for record, told in self._reading.all(
                found.values(), lambda record: messages_in(record.body)
            )
        }

    def said(self, turns: Sequence[TurnPlace]) -> list[tuple[Utterance, ...]]:
        """What is stored of turns, utterance by utterance; () where none of it is known."""
        told = self.messages(name for one in turns for name in one.contents)
        return [
            tuple(said for name in one.contents for said in utterances(told.get(name, ())))
            for one in turns
        ]

    # --- plans and folds ----------------------------------------------------------------------

    def newest_plans(self, conversation: str) -> list[Plan]:
        """The newest plan of each history of a conversation, the newest last.

        A conversation with a name has one history that is alive; without a name there may be
        several, told apart by their roots.
        """
        ledger, user_id = self._ledger, self._user_id
        if conversation:
            last = latest_record(ledger, user_id, kind="plan", conversation=conversation)
            plan = self._reading.one(last, read_plan)
            if last is None or plan is not None:
                return [] if plan is None else [plan]
        newest: dict[str, Plan] = {}
        scan = ledger.scan(user_id, kind="plan", conversation=conversation)
        for _, plan in self._reading.all(scan, read_plan):
            newest.pop(plan.root, None)
            newest[plan.root] = plan
        return list(newest.values())[-1:] if conversation else list(newest.values())

    def fold(self, name: str) -> Fold | None:
        """A fold by its id."""
        return self._reading.one(self._ledger.get(self._user_id, [name]).get(name), read_fold)

    def newest_fold(self, places: Sequence[tuple[str, int]]) -> Fold | None:
        """The newest fold on a path, out of those that end somewhere in a part of it.

        Args:
            places: exchange id and number of each exchange of the part, oldest first.
        """
        for end in range(len(places), 0, -LOOK_BACK):
            numbers = {
                fold_name(name): number
                for name, number in reversed(places[max(0, end - LOOK_BACK) : end])
            }
            records = self._ledger.get(self._user_id, numbers)
            for name, number in numbers.items():
                fold = self._reading.one(records.get(name), read_fold)
                if fold is not None and fold.count == number:
                    return fold
                # Where something was forgotten, its turns may have been counted.
                if fold is not None and not Tombstones(self._ledger, self._user_id).mark:
                    self._reading.tell(records[name], f"it ends at {fold.count}, not at {number}")
        return None

    def chain(
        self, fold: Fold | None, read: Callable[[str], Fold | None] | None = None
    ) -> Iterator[Fold]:
        """A fold and those it grew from, the newest first. Each reaches less far than the next.

        Args:
            fold: the newest; None for none.
            read: gives a fold by its id; None to read it from the ledger.
        """
        read = read or self.fold
        while fold is not None:
            yield fold
            previous = read(fold.previous) if fold.previous else None
            fold = previous if previous is not None and previous.count < fold.count else None

    def folded(self, conversation: str, *, but: str = "") -> list[list[str]]:
        """Content ids in memory on each living path of a conversation, oldest first.

        Args:
            conversation: which one; a generation that was reset has none.
            but: root of a history to leave out.
        """
        if not is_alive(self._store, self._user_id, conversation):
            return []
        paths: list[list[str]] = []
        for plan in self.newest_plans(conversation):
            in_force = self.fold(plan.fold) if plan.fold and plan.root != but else None
            path: list[str] = []
            for fold in self.chain(in_force):
                path[:0] = fold.contents
            for name in plan.within.values() if plan.root != but else ():
                steps: list[str] = []
                for fold in self.chain(self.fold(name)):
                    steps[:0] = fold.contents
                path += steps
            paths.append(path)
        return paths

    def folded_in(
        self, conversations: Collection[str], known: FoldedContents, *, mark: str, but: str
    ) -> dict[str, Collection[str]]:
        """`folded` of many conversations at once: in each the content ids of all living paths.

        Args:
            conversations: which ones.
            known: what was read before; more is added.
            mark: see `Tombstones.mark`.
            but: root of a history to leave out.
        """
        user_id = self._user_id
        found: dict[str, Collection[str]] = dict.fromkeys(conversations, ())
        named = alive_of(self._store, user_id, filter(None, conversations))
        newest = latest_ids(self._ledger, user_id, kind="plan", conversations=named)
        lacking = [name for name in newest.values() if known.get(user_id, mark, name) is None]
        records = self._ledger.get(user_id, lacking) if lacking else {}
        plans = [plan for _, plan in self._reading.all(records.values(), read_plan)]
        for plan, contents in self._contents_of(plans):
            known.keep(user_id, mark, plan, contents)
        for conversation, name in newest.items():
            told = known.get(user_id, mark, name)
            if told is None:  # a damaged plan
                found[conversation] = self._all_folded(conversation, but)
            elif told[0] != but:
                found[conversation] = told[1]
        if "" in found:
            found[""] = self._all_folded("", but)
        return found

    def _all_folded(self, conversation: str, but: str) -> set[str]:
        return {one for path in self.folded(conversation, but=but) for one in path}

    def _contents_of(self, plans: Sequence[Plan]) -> Iterator[tuple[Plan, frozenset[str]]]:
        """What each plan says is in memory, all their folds read link by link of their chains."""
        wanted = {name for plan in plans for name in (plan.fold, *plan.within.values()) if name}
        folds: dict[str, Fold] = {}
        while wanted:
            records = self._ledger.get(self._user_id, wanted)
            told = self._reading.all(records.values(), read_fold)
            read = {record.id: fold for record, fold in told}
            folds |= read
            wanted = {fold.previous for fold in read.values() if fold.previous} - folds.keys()
        for plan in plans:
            contents: set[str] = set()
            for name in filter(None, (plan.fold, *plan.within.values())):
                for fold in self.chain(folds.get(name), folds.get):
                    contents.update(fold.contents)
            yield plan, frozenset(contents)


def path_to(exchange_id: str, links: Mapping[str, ExchangePlace]) -> list[ExchangePlace]:
    """The links from the beginning of a path to this exchange; [] where one is missing."""
    path: dict[str, ExchangePlace] = {}
    while exchange_id and exchange_id not in path:
        if exchange_id not in links:
            return []
        path[exchange_id] = links[exchange_id]
        exchange_id = links[exchange_id].parent
    return list(path.values())[::-1]
