"""What memory keeps in a store: exchanges, passages, nodes, folds, plans, proofs, usage.

Everything is written once under an id that says what it is, so writing again changes nothing
and whoever comes second reads what the first one wrote.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from turnfold_stores import Entry, Record, Store
from turnfold_stores.records.fields import DamagedError, Fields, Reading, texts_in

from turnfold.archive.leases import Claims
from turnfold.archive.measures import Row
from turnfold.archive.passages import Found, Passage, passages_of, place_of
from turnfold.archive.paths import LOOK_BACK, Paths
from turnfold.archive.plans import (
    Fold,
    Plan,
    Preparation,
    Shown,
    floor_id,
    fold_body,
    fold_id,
    plan_body,
    plan_id,
    preparation_body,
    preparation_id,
    read_fold,
    read_plan,
    read_preparation,
    usage_id,
)
from turnfold.embedders import Embedder
from turnfold.history.exchanges import Exchange, Transcript, digest, seed_of
from turnfold.history.redaction import Memorable, Redact
from turnfold.history.utterances import utterances
from turnfold.policy import Spent
from turnfold.scope import Scope
from turnfold.summaries.layers import Correction
from turnfold.summaries.notes import Node

_T = TypeVar("_T")

# Exchanges remembered as stored, so that a turn writes only what is new.
_MOST_REMEMBERED = 200_000
# Passages embedded at a time. An embedder serves one caller at a time: a turn that has a query
# to embed should not wait for the whole of a long history.
_EMBEDDED_AT_ONCE = 64
_EMBEDDED_IN_HASTE = 16


class Archive:
    """The ledger and index in memory's own words, for one user and conversation.

    Attributes:
        paths: the paths of the user's conversations.
        reading: reads records; knows which of them are damaged.
    """

    def __init__(
        self,
        store: Store,
        scope: Scope,
        stored: OrderedDict[str, None],
        clock: Callable[[], float] = time.time,
        *,
        forgotten: Collection[str] = (),
        mark: str = "",
        redact: Redact | None = None,
        claims: Claims | None = None,
    ) -> None:
        """Args:
        store: where it is kept.
        scope: whose it is.
        stored: ids of exchanges known to be stored, shared by the turns of a process.
        clock: tells the time, in seconds since the epoch.
        forgotten: content ids of exchanges that were forgotten and are sent again.
        mark: what `Tombstones.mark` said when they were looked up.
        redact: what is done to texts before they are stored.
        claims: on folds, held by the workers of this process.
        """
        self.store = store
        self.scope = scope
        self.clock = clock
        self.mark = mark
        self.forgotten = forgotten
        self._stored = stored
        self.redact = redact
        self.reading = Reading()
        self.paths = Paths(store, scope.user_id, self.reading)
        self.claims = claims

    def remember(self, transcript: Transcript, times: Sequence[float | None] | None = None) -> None:
        """Store every closed exchange when it is first seen, and no forgotten one again.

        Args:
            transcript: the path.
            times: when each of its messages was said, in seconds since the epoch, where known;
                an exchange is dated by the first time known of it, else by when it is first
                seen.

        Raises:
            StoreError: the ledger could not be written.
        """
        closed = transcript.closed
        # Each was written together with all that came before it on its path.
        known = next(
            (n for n in range(len(closed), 0, -1) if self._name(closed[n - 1]) in self._stored), 0
        )
        new = [one for one in closed[known:] if not self.forgot(one)]
        if not new:
            return
        kept = self.memorable(closed)
        now, conversation = self.clock(), self.scope.conversation
        parent = closed[known - 1].exchange_id if known else ""
        records: list[Record] = []
        for index in range(known, len(closed)):
            one = closed[index]
            if self.forgot(one):
                parent = ""  # no path leads through what is not there
                continue
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
            records.append(Record(one.content_id, "content", conversation, said, at=at))
            records.append(Record(one.exchange_id, "exchange", conversation, link, at=at))
            parent = one.exchange_id
        self.store.ledger.put(self.scope.user_id, records)
        self._stored.update((self._name(one), None) for one in new)
        while len(self._stored) > _MOST_REMEMBERED:
            self._stored.popitem(last=False)

    def keep_passages(self, exchanges: Sequence[Exchange], *, first: int) -> None:
        """Store the passages of exchanges, and that their vectors are owed.

        A passage is dated as its exchange is.

        Args:
            exchanges: a run of a path.
            first: number of the first of them on the path, from 1.

        Raises:
            StoreError: the ledger could not be written; nothing was.
        """
        exchanges = list(exchanges)
        passages = {
            one.id: one
            for turn, exchange in enumerate(exchanges, first)
            for one in passages_of(exchange, turn)
        }
        if not passages:
            return
        now = self.clock()
        times = self._times(exchanges)
        records = [
            one.to_record(self.scope.conversation, times.get(one.content_id, now))
            for one in passages.values()
        ]
        owed = self._record(f"owed:{next(iter(passages))}", "owed", list(passages), at=now)
        self.store.ledger.put(self.scope.user_id, [*records, owed])

    def keep_indexed(self, name: str) -> None:
        """Write that the passages of a fold that is being prepared are stored, and indexed."""
        self.store.ledger.put(self.scope.user_id, [self._record(f"indexed:{name}", "indexed", {})])

    def is_indexed(self, name: str) -> bool:
        """Whether the passages of a fold that was prepared are stored, and indexed or owed."""
        return bool(self.records([f"indexed:{name}"]))

    def _times(self, exchanges: Sequence[Exchange]) -> dict[str, float]:
        """When exchanges were said, by content id, where known.

        A closed exchange is first seen with the opening after it, maybe days later, so the plan
        of its own opening tells better; a time that was told is earlier than both.
        """
        plans = {plan_id(one): one.content_id for one in exchanges}
        records = self.records([*plans, *plans.values()])
        times: dict[str, float] = {}
        for name, record in records.items():
            content = plans.get(name, name)
            times[content] = min(record.at, times.get(content, record.at))
        return times

    def embed_owed(
        self,
        embedder: Embedder,
        told: Callable[[int, int], None] = lambda _done, _of: None,
        *,
        seconds: float = math.inf,
    ) -> int:
        """Give their vectors to all passages of the conversation that have none yet.

        They are embedded and written so many at a time: what is written is not embedded again.

        Those of a fold are owed from the moment they are stored; what an embedder or an index
        failed at, or a crash left, is made up for when the conversation next folds or recalls.

        Args:
            embedder: makes the vectors.
            told: called with how many passages have theirs, and of how many.
            seconds: begin no more after so many; the rest stays owed.

        Returns:
            How many passages are still without one.

        Raises:
            StoreError: the store could not be read or written.
            SchemaMismatch: the store has been re-indexed with another model.
            EmbedderError: or whatever the embedder raises; what is owed stays owed.
        """
        self.store.check_model(embedder.model)
        user_id, conversation = self.scope.user_id, self.scope.conversation
        scan = self.store.ledger.scan(user_id, kind="owed", conversation=conversation)
        debts = {
            record.id: names
            for record, names in self.reading.all(scan, lambda record: texts_in(record.body))
        }
        if not debts:
            return 0
        ends = time.monotonic() + seconds
        at_once = _EMBEDDED_AT_ONCE if seconds == math.inf else _EMBEDDED_IN_HASTE
        names = dict.fromkeys(name for body in debts.values() for name in body)
        have = self.store.index_again(user_id, names)
        stored = self.records(name for name in names if name not in have)
        todo = [name for name in names if name in stored]
        for start in range(0, len(todo), at_once):
            if start and time.monotonic() > ends:
                return len(todo) - start
            batch = todo[start : start + at_once]
            vectors = embedder.embed([stored[name].text for name in batch])
            entries = [
                Entry(name, conversation, vector)
                for name, vector in zip(batch, vectors, strict=True)
            ]
            self.store.put_vectors(user_id, entries, model=embedder.model)
            told(start + len(batch), len(todo))
        self.store.ledger.delete(user_id, debts)
        return 0

    # --- plans and folds --------------------------------------------------------------------

    def plans(self, openings: Iterable[Exchange]) -> dict[str, Plan]:
        """The plans that hold for these openings, by opening id."""
        names: dict[str, str] = {}
        for one in openings:
            names[plan_id(one)] = one.opening_id
            names[plan_id(one, 1)] = one.opening_id
        plans = self._read(names, read_plan)
        return {opening: plans[name] for name, opening in names.items() if name in plans}

    def keep_plan(self, plan: Plan) -> Plan:
        """Write a plan and read back the one that holds: the first ever written."""
        return self._keep(self._record(plan.id, "plan", plan_body(plan)), read_plan, plan)

    def fold(self, name: str) -> Fold | None:
        """A fold by its id."""
        return self.paths.fold(name)

    def fold_of(self, plan: Plan, exchanges: Sequence[Exchange]) -> Fold | None:
        """The fold a plan goes by, if it stands for the oldest of these exchanges."""
        fold = self.fold(plan.fold) if plan.fold else None
        if fold is None:
            return None
        last = exchanges[fold.count - 1] if fold.count <= len(exchanges) else None
        return fold if last is not None and fold.id == fold_id(last) else None

    def fold_in_force(self, exchanges: Sequence[Exchange], *, previous: Plan | None) -> Fold | None:
        """The newest fold on a path.

        Args:
            exchanges: its closed exchanges.
            previous: the plan of the last of them. What it went by holds, unless someone has
                folded since; without it all of the path is looked at.
        """
        known = self.fold_of(previous, exchanges) if previous is not None else None
        least = known.count if known is not None else 0
        if previous is not None:
            least = max(least, len(exchanges) - LOOK_BACK)
        for end in range(len(exchanges), least, -LOOK_BACK):
            first = max(least, end - LOOK_BACK)
            part = enumerate(exchanges[first:end], first + 1)
            fold = self.paths.newest_fold([(one.exchange_id, number) for number, one in part])
            if fold is not None:
                return fold
        return known

    def keep_fold(self, fold: Fold) -> Fold:
        """Write a fold and read back the one that holds."""

        def fitting(record: Record) -> Fold:
            held = read_fold(record)
            if held.count != fold.count:
                raise DamagedError(f"it ends at {held.count}, not at {fold.count}")
            return held

        return self._keep(self._record(fold.id, "fold", fold_body(fold)), fitting, fold)

    def take_back(self, names: Sequence[str]) -> None:
        """Delete records that were written too late: what they stand on was forgotten."""
        self.store.ledger.delete(self.scope.user_id, names)

    def keep_preparation(self, preparation: Preparation) -> None:
        """Write how far a fold is being prepared."""
        record = self._record(preparation.id, "ahead", preparation_body(preparation))
        self.store.ledger.put(self.scope.user_id, [record])

    def preparations(
        self, exchanges: Sequence[Exchange], *, base: str, start: int
    ) -> list[Preparation]:
        """The folds that are or were being prepared on a path, the furthest first.

        Args:
            exchanges: its closed exchanges.
            base: the fold they have to grow from.
            start: the first exchange that is not in memory.
        """
        names = [preparation_id(one) for one in reversed(exchanges[start:])]
        records = self._read(names, read_preparation)
        found = (records[name] for name in names if name in records)
        return [
            one
            for one in found
            if (one.base, one.start) == (base, start) and one.until <= len(exchanges)
        ]

    def nodes(self, ids: Iterable[str]) -> dict[str, Node]:
        """The nodes that exist, by id."""
        return self._read(ids, lambda record: Node.from_json(record.body))

    def keep_node(self, name: str, node: Node, *, model: str) -> bool:
        """Write a node; one that is there already stays. Whether it is new."""
        record = self._record(name, "node", {**node.to_json(), "model": model})
        if name in self.reading.damaged:  # what stands there is left out by everybody
            self.store.replace(self.scope.user_id, [], [record])
            return True
        return bool(self.store.ledger.put(self.scope.user_id, [record]))

    def keep_failure(self, first: Exchange) -> bool:
        """Write that a summarizer failed at turns from this one on; whether it is the first time.

        By the first of them, since how many they are changes with each turn that is added.
        """
        failure = self._record(f"failed:{first.exchange_id}", "failed", {})
        return bool(self.store.ledger.put(self.scope.user_id, [failure]))

    def failures(self, firsts: Iterable[Exchange]) -> set[str]:
        """The ids of those exchanges from which on a summarizer has failed before."""
        failed = {f"failed:{one.exchange_id}": one.exchange_id for one in firsts}
        return {failed[name] for name in self.records(failed)}

    def keep_spending(self, name: str, body: Mapping[str, Any]) -> None:
        """Write what a summary cost."""
        self.store.ledger.put(self.scope.user_id, [self._record(name, "spend", dict(body))])

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

    def keep_correction(self, correction: Correction) -> None:
        """Write a correction; what it is about stays in the ledger as it was."""
        body = {"target": correction.target, "text": correction.text, "kind": correction.kind}
        at = self.clock()
        name = f"correction:{digest(correction.target, correction.text, str(at))}"
        self.store.ledger.put(self.scope.user_id, [self._record(name, "correction", body, at=at)])

    def keep_reconciled(self, name: str, gone: Mapping[str, str]) -> None:
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
        self.store.ledger.put(self.scope.user_id, records)

    def is_reconciled(self, name: str) -> bool:
        """Whether the items of a fold were compared."""
        return bool(self.records([f"reconciled:{name}"]))

    # --- proofs, usage, passages --------------------------------------------------------------

    def proofs(self, names: Iterable[str]) -> dict[str, str]:
        """The digest of the prefix each thinking block was made under, where known."""
        return self._read(names, lambda record: Fields(record.body).text("prefix"))

    def keep_answer(self, name: str, row: Row, thoughts: Iterable[str], prefix: str) -> None:
        """Write what an answer tells: its usage, and what its thinking is bound to."""
        records = [
            self._record(thought, "thought", {"prefix": prefix}, at=row.at)
            for thought in dict.fromkeys(thoughts)
        ]
        records.append(self._record(name, "usage", row.to_json(), at=row.at))
        self.store.ledger.put(self.scope.user_id, records)

    def rows(self, exchange: Exchange) -> list[Row]:
        """The answered requests of an exchange, in order."""
        names = [usage_id(exchange, number) for number in range(exchange.replies + 1)]
        rows = self._read(names, lambda record: Row.from_json(record.body, record.at))
        return [rows[name] for name in names if name in rows]

    def floor(self, transcript: Transcript, *, first: int) -> int:
        """Index in the transcript before which thinking was refused; 0 for none.

        Args:
            transcript: the whole path.
            first: the first exchange whose thinking matters. It may have been refused at any
                request from then on, whether or not that was answered with thinking.
        """
        paths = zip(transcript.exchanges[first:], transcript.starts[first:], strict=False)
        named = {
            floor_id(one, number): start
            for one, start in paths
            for number in range(one.replies + 1)
        }
        floors = self._read(named, lambda record: Fields(record.body).whole("messages"))
        return max((named[name] + floor for name, floor in floors.items()), default=0)

    def keep_floor(self, exchange: Exchange) -> None:
        """Write that all thinking up to the end of this open exchange was refused."""
        body = {"messages": len(exchange.messages)}
        name = floor_id(exchange, exchange.replies)
        self.store.ledger.put(self.scope.user_id, [self._record(name, "floor", body)])

    def found(self, shown: Iterable[Shown]) -> list[Found]:
        """The passages of a plan."""
        shown = list(shown)
        places = {one.id: place_of(one.id) for one in shown}
        pieces = [name for name, (_, _, piece) in places.items() if piece is not None]
        passages = self._read(pieces, Passage.from_record)
        whole = [content for name, (content, _, _) in places.items() if name not in passages]
        messages = self.paths.messages(whole)
        found: list[Found] = []
        for one in shown:
            content_id, number, _ = places[one.id]
            said = utterances(messages.get(content_id, ()))[number : number + 1]
            if one.id in passages:
                found.append(Found(passages[one.id], one.turn, one.score))
            elif said:
                passage = Passage(one.id, content_id, said[0].source, said[0].text, one.turn)
                found.append(Found(passage, one.turn, one.score))
        return found

    def records(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Records of the user as they are stored, by id."""
        ids = list(ids)
        return self.store.ledger.get(self.scope.user_id, ids) if ids else {}

    # --- paths --------------------------------------------------------------------------------

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that are stored."""
        return set(self.records(ids))

    def is_stored(self, exchange: Exchange) -> bool:
        """Whether this exchange was seen before, on this very path."""
        name = self._name(exchange)
        if self.forgot(exchange) or name in self._stored:
            return True
        found = bool(self.records([exchange.exchange_id]))
        if found and not self.mark:
            self._stored[name] = None
        return found

    @property
    def seed(self) -> str:
        """What the paths of this conversation start from."""
        return seed_of(self.scope.user_id, self.scope.conversation)

    def forgot(self, exchange: Exchange) -> bool:
        """Whether this exchange was forgotten: it may be sent and is never written."""
        return bool(self.forgotten) and exchange.content_id in self.forgotten

    def discreet(self, text: str) -> str:
        """A text as it may be shown to others than the model asked."""
        return text if self.redact is None else self.redact(text)

    def memorable(self, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
        """Exchanges as they may be stored, summarized and indexed."""
        if not self.forgotten and self.redact is None:
            return exchanges
        return Memorable(exchanges, forgotten=self.forgotten, redact=self.redact)

    def _name(self, exchange: Exchange) -> str:
        """What `stored` knows an exchange by: nothing is known for sure after a forgetting."""
        return exchange.exchange_id + self.mark

    # --- rows ---------------------------------------------------------------------------------

    def _record(self, name: str, kind: str, body: Any, at: float | None = None) -> Record:
        return Record(
            name, kind, self.scope.conversation, body, at=self.clock() if at is None else at
        )

    def _read(self, ids: Iterable[str], read: Callable[[Record], _T]) -> dict[str, _T]:
        """What the records of these ids tell; without those that are damaged."""
        records = self.records(ids).values()
        return {record.id: told for record, told in self.reading.all(records, read)}

    def _keep(self, record: Record, read: Callable[[Record], _T], new: _T) -> _T:
        """Write a record; what then holds. One that is damaged holds nothing."""
        if record.id in self.store.ledger.put(self.scope.user_id, [record]):
            return new
        holds = self._read([record.id], read).get(record.id)
        if holds is None:
            self.store.replace(self.scope.user_id, [], [record])
            return new
        return holds


def _read_spending(record: Record) -> tuple[str, str, Spent, int]:
    fields = Fields(record.body)
    spent = Spent(fields.whole("tokens"), fields.number("dollars"))
    about = fields.whole("about", spent.tokens)
    return fields.text("turn"), fields.text("root"), spent, about
