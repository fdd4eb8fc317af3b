"""What turns decided and what was answered: plans, folds, preparations, usage, proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from turnfold_stores import Record
from turnfold_stores.records.fields import DamagedError, Fields

from turnfold.archive.measures import AnsweredRequest
from turnfold.archive.paths import LOOK_BACK
from turnfold.archive.plans import (
    Fold,
    Plan,
    Preparation,
    floor_id,
    fold_body,
    fold_id,
    plan_body,
    plan_id,
    preparation_body,
    preparation_id,
    read_fold,
    read_preparation,
    usage_id,
)
from turnfold.archive.record_access import RecordAccess
from turnfold.history.exchanges import Exchange, Transcript

# Steps whose plans are looked for first.
_FEW = 2


class PlanRecords(RecordAccess):
    """The plans and folds of a conversation, and what its requests took."""

    def plans(
        self, openings: Iterable[Exchange], anew: Mapping[str, str] | None = None
    ) -> dict[str, Plan]:
        """The plans that hold for these openings, by opening id.

        Args:
            openings: the exchanges.
            anew: see `Plan.anew`.
        """
        names: dict[str, str] = {}
        for one in openings:
            held = (anew or {}).get(one.opening_id)
            for name in [held] if held else [plan_id(one), plan_id(one, 1)]:
                names[name] = one.opening_id
        plans = self._read(names, self._plans.read)
        return {opening: plans[name] for name, opening in names.items() if name in plans}

    def step_plans(self, opening: Exchange, steps: Sequence[Exchange]) -> tuple[int, Plan | None]:
        """The newest plan amid an exchange, and which of its newest steps it hangs on.

        Args:
            opening: the exchange.
            steps: its closed steps, oldest first.

        Returns:
            Index of the step, and its plan; (-1, None) where there is none.
        """
        # Nearly always it is the one before the newest that has it.
        ends = [len(steps), *range(len(steps) - _FEW, 0, -LOOK_BACK), 0]
        for end, first in pairwise(ends):
            names = {
                plan_id(opening, revision, step=steps[index].exchange_id): index
                for index in range(max(0, first), end)
                for revision in (0, 1)
            }
            plans = self._read(names, self._plans.read)
            for name in reversed(names):
                if name in plans:
                    return names[name], plans[name]
        return -1, None

    def store_plan(self, plan: Plan) -> Plan:
        """Write a plan and read back the one that holds: the first ever written."""
        self._stored[plan.id + self.mark] = None
        return self._keep(self._record(plan.id, "plan", plan_body(plan)), self._plans.read, plan)

    def is_planned(self, exchange: Exchange) -> bool:
        """Whether there was a plan for the opening of this exchange, on this very path."""
        name = plan_id(exchange) + self.mark
        if name not in self._stored and self.plans([exchange]):
            self._stored[name] = None
        return name in self._stored

    def fold(self, name: str) -> Fold | None:
        """A fold by its id."""
        return self.paths.fold(name)

    def fold_of(self, plan: Plan, exchanges: Sequence[Exchange]) -> Fold | None:
        """The fold a plan goes by, if it stands for the oldest of these exchanges."""
        fold = self.fold(plan.fold) if plan.fold else None
        if fold is None:
            return None
        return fold if is_on(fold, exchanges) else None

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

    def fold_of_steps(self, steps: Sequence[Exchange], *, known: Fold | None = None) -> Fold | None:
        """The newest fold of the steps of an exchange.

        Args:
            steps: its closed steps, oldest first.
            known: one that holds unless there is a newer one; None for none.
        """
        least = known.count if known is not None else 0
        places = [(one.exchange_id, n) for n, one in enumerate(steps[least:], least + 1)]
        return self.paths.newest_fold(places) or known

    def store_fold(self, fold: Fold) -> Fold:
        """Write a fold and read back the one that holds."""

        def fitting(record: Record) -> Fold:
            held = read_fold(record)
            if held.count != fold.count:
                raise DamagedError(f"it ends at {held.count}, not at {fold.count}")
            return held

        return self._keep(self._record(fold.id, "fold", fold_body(fold)), fitting, fold)

    def store_preparation(self, preparation: Preparation) -> None:
        """Write how far a fold is being prepared."""
        record = self._record(preparation.id, "ahead", preparation_body(preparation))
        self._put([record])

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

    def proofs(self, names: Iterable[str]) -> dict[str, str]:
        """The digest of the prefix each thinking block was made under, where known."""
        return self._read(names, lambda record: Fields(record.body).text("prefix"))

    def store_answer(
        self, name: str, row: AnsweredRequest, thoughts: Iterable[str], prefix: str
    ) -> None:
        """Write what an answer tells: its usage, and what its thinking is bound to."""
        records = [
            self._record(thought, "thought", {"prefix": prefix}, at=row.at)
            for thought in dict.fromkeys(thoughts)
        ]
        records.append(self._record(name, "usage", row.to_json(), at=row.at))
        self._put(records)

    def answered_request(self, name: str) -> AnsweredRequest | None:
        """One answered request, by the id of its row; None where there is none."""
        read = self._read([name], lambda record: AnsweredRequest.from_json(record.body, record.at))
        return read.get(name)

    def answered_requests(self, exchange: Exchange) -> list[AnsweredRequest]:
        """The answered requests of an exchange, in order."""
        names = [usage_id(exchange, number) for number in range(exchange.replies + 1)]
        rows = self._read(names, lambda record: AnsweredRequest.from_json(record.body, record.at))
        return [rows[name] for name in names if name in rows]

    def last_message(self, exchanges: Sequence[Exchange]) -> str:
        """The id of the newest answer that is known of the last of these; "" for none."""
        for exchange in reversed(exchanges[-2:]):
            if rows := self.answered_requests(exchange):
                return rows[-1].message
        return ""

    def thinking_refused_until(self, transcript: Transcript, *, first: int) -> int:
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

    def refuse_thinking(self, exchange: Exchange) -> None:
        """Write that all thinking up to the end of this open exchange was refused."""
        body = {"messages": len(exchange.messages)}
        name = floor_id(exchange, exchange.replies)
        self._put([self._record(name, "floor", body)])


def is_on(fold: Fold, exchanges: Sequence[Exchange]) -> bool:
    """Whether a fold stands for the oldest of these exchanges, or steps."""
    last = exchanges[fold.count - 1] if fold.count <= len(exchanges) else None
    return last is not None and fold.id == fold_id(last)
