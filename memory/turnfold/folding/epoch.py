"""The fold in force and a transcript go in; what the request then holds comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from turnfold.accounting.receipt import Tokens
from turnfold.accounting.tokens import CountText
from turnfold.archive.plans import Fold, Plan, fold_id
from turnfold.history.exchanges import Transcript
from turnfold.request.carried_state import Carried, carried_from
from turnfold.request.thinking import thinking_ids
from turnfold.turn_context import TurnContext


class Epoch:
    """What stands in a request under one fold. Made anew when another comes into force.

    Attributes:
        fold: the fold in force; None before the first.
        earlier: plans of the live exchanges before the newest that were made under it, by
            exchange index: what they recalled still stands where it stood.
        sizes: tokens of each exchange, the open one last.
        head: how many of the oldest exchanges are never folded.
    """

    def __init__(
        self,
        transcript: Transcript,
        fold: Fold | None,
        earlier: Mapping[int, Plan],
        *,
        head: int,
        count: CountText,
        shown: Transcript | None = None,
    ) -> None:
        """Args:
        transcript: the messages as exchanges.
        fold: see above.
        earlier: see above.
        head: see above.
        count: counts the tokens of a text.
        shown: the same with notes in place of steps that are folded; None where none are.
        """
        self.fold = fold
        self.earlier = earlier
        self.head = head
        self._transcript = transcript
        self._shown = shown or transcript
        self._exchanges = self._shown.exchanges
        self.sizes = [one.size for one in self._exchanges]
        self._count = count
        self._recalled: list[int] | None = None
        self._carried: Carried | None = None

    @classmethod
    def under(
        cls,
        fold: Fold | None,
        context: TurnContext,
        transcript: Transcript,
        *,
        head: int,
        shown: Transcript | None = None,
        anew: Mapping[str, str] | None = None,
    ) -> Epoch:
        """The epoch as far as it has come, with the plans that were made in it.

        Args:
            fold: the one in force; None for none.
            context: the ledger, the settings.
            transcript: the history.
            head: how many of the oldest exchanges are never folded.
            shown: the history as it is sent, once steps have been folded.
            anew: which openings were planned anew; see `turnfold.archive.plans.Plan`.
        """
        count = context.count
        nothing = fold is None and (shown is None or shown is transcript)
        if nothing and context.policy.scope == "conversation":
            # Nothing was folded, so nothing could be recalled.
            return cls(transcript, fold, {}, head=head, count=count)
        in_memory, name = (fold.count, fold.id) if fold else (0, "")
        live = transcript.exchanges[in_memory:-1]
        plans = context.archive.plans(live, anew)
        earlier = {
            index: plans[one.opening_id]
            for index, one in enumerate(live, in_memory)
            if one.opening_id in plans and plans[one.opening_id].fold == name
        }
        return cls(transcript, fold, earlier, head=head, count=count, shown=shown)

    def after(self, fold: Fold) -> Epoch:
        """The epoch that a new fold begins."""
        return self._with(fold, {}, self._shown)

    def showing(self, shown: Transcript) -> Epoch:
        """The same once steps have been folded."""
        return self if shown is self._shown else self._with(self.fold, self.earlier, shown)

    def _with(self, fold: Fold | None, earlier: Mapping[int, Plan], shown: Transcript) -> Epoch:
        transcript, head, count = self._transcript, self.head, self._count
        return Epoch(transcript, fold, earlier, head=head, count=count, shown=shown)

    @property
    def fold_id(self) -> str:
        """The id of the fold; "" for none."""
        return self.fold.id if self.fold else ""

    @property
    def in_memory(self) -> int:
        """Up to which exchange the path is folded."""
        return self.fold.count if self.fold else 0

    @property
    def start(self) -> int:
        """The first exchange that may be folded."""
        return max(self.in_memory, self.head)

    @property
    def noted(self) -> int:
        """The first exchange on which there are no notes: `start`, but within a budget."""
        noted = self.fold.noted if self.fold else None
        return self.start if noted is None else min(max(noted, self.head), self.start)

    @property
    def base(self) -> str:
        """Names where the notes end, whatever has left the window since; "" for no notes."""
        if self.fold is None or self.fold.noted is None:
            return self.fold_id
        return fold_id(self._transcript.exchanges[self.noted - 1]) if self.fold.notes else ""

    @property
    def folded(self) -> range:
        """Indexes of the exchanges that are left out."""
        return range(min(self.head, self.in_memory), self.in_memory)

    # --- sizes, in tokens ---------------------------------------------------------------------

    @property
    def head_size(self) -> int:
        """The exchanges that are never folded."""
        return sum(self.sizes[: self.head])

    @property
    def head_in_memory(self) -> int:
        """Those of them that stand before what is folded."""
        return sum(self.sizes[: min(self.head, self.in_memory)])

    @property
    def left_out(self) -> int:
        """What is folded."""
        return sum(self.sizes[self.head : self.in_memory])

    @property
    def closed(self) -> int:
        """The closed exchanges of the window."""
        return sum(self.sizes[self.in_memory : -1])

    @property
    def blocks(self) -> tuple[str, ...]:
        """The summary: what a limit has left of it in this epoch so far."""
        newest = self.earlier[max(self.earlier)] if self.earlier else None
        if newest is not None and newest.summary is not None:
            return newest.summary
        return self.fold.blocks if self.fold else ()

    @property
    def summary(self) -> int:
        """The summary."""
        return self._count("\n".join(self.blocks)) if self.fold else 0

    @property
    def recalled(self) -> list[int]:
        """What earlier turns recalled and the request still holds, one by one."""
        if self._recalled is None:  # asked for again and again
            appended = (plan.recalled for plan in self.earlier.values() if plan.appends)
            self._recalled = [self._count(text) for text in appended]
        return self._recalled

    @property
    def carried_size(self) -> int:
        """State of what is left out that goes on."""
        return self.carried().size(self._count)

    def tokens(self, plan: Plan | None, *, fixed: int) -> Tokens:
        """What a request holds, part by part.

        Args:
            plan: of its opening; None where it was not made.
            fixed: system and tools.
        """
        recalled = sum(self.recalled) + (self._count(plan.recalled) if plan else 0)
        sources = self._count(plan.sources) if plan and plan.sources else 0
        head = self.sizes[: min(self.head, self.in_memory)]
        blocks = self.blocks_of(plan) if plan else self.blocks
        return Tokens(
            fixed=fixed,
            summary=(self._count("\n".join(blocks)) if blocks else 0) + sources,
            recalled=recalled,
            window=sum(self.sizes[self.in_memory :]) + sum(head) + self.carried_size,
            full=fixed + sum(one.size for one in self._transcript.exchanges),
        )

    def blocks_of(self, plan: Plan) -> tuple[str, ...]:
        """The summary as a plan sends it."""
        if plan.summary is not None:
            return plan.summary
        return self.fold.blocks if self.fold else ()

    # --- what is sent -------------------------------------------------------------------------

    def injections(self, plan: Plan) -> dict[int, list[str]]:
        """What memory puts at the head of openings, by exchange index."""
        newest = len(self._exchanges) - 1
        head = self.in_memory if self.fold else newest
        texts: dict[int, list[str]] = {}
        if self.fold:
            texts.setdefault(head, []).extend([*self.blocks_of(plan), plan.sources])
        for index, earlier in sorted(self.earlier.items()):
            if earlier.appends:
                texts.setdefault(index, []).append(earlier.recalled)
        texts.setdefault(newest if plan.appends else head, []).append(plan.recalled)
        return {index: some for index, some in texts.items() if self._exchanges[index].opening}

    def carried(self) -> Carried:
        """State of what is left out that goes on."""
        if self._carried is None:  # asked for again and again
            self._carried = carried_from(self._transcript.exchanges[self.head : self.in_memory])
        return self._carried

    @property
    def special(self) -> Iterator[int]:
        """Where those of the exchanges stand that are sent verbatim and are not plain."""
        return (index for index in self._shown.special if index not in self.folded)

    def thinking(self) -> list[str]:
        """Names of all thinking blocks that may be sent."""
        return [
            name
            for index in self.special
            for position in self._exchanges[index].thoughtful
            for name in thinking_ids(self._exchanges[index].messages[position])
        ]
