"""What a turn recalls, within which room, and from where on thinking may stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from turnfold_stores.cached_value import cached_property

from turnfold.accounting.tokens import count_message
from turnfold.archive.passages import RecalledPassage
from turnfold.archive.plans import Plan
from turnfold.errors import failure
from turnfold.folding.epoch import Epoch
from turnfold.folding.planner import TRUSTED
from turnfold.folding.read_request import ReadRequest
from turnfold.folding.recall_budget import most_recalled
from turnfold.recall.candidates import MessageCache, Past
from turnfold.recall.recall import look_up
from turnfold.recall.recalled_block import recall_block
from turnfold.request.cache_breakpoints import has_marks
from turnfold.turn_context import TurnContext

BREAKS = 4
"""Tokens that the breaks between the texts of a request may take of a budget."""

# Of thinking between tool calls there may be none; what there was is seen.
_NO_THINKING = frozenset({"disabled", "between_tools"})


class TurnRecall:
    """The recall of one turn."""

    def __init__(
        self, context: TurnContext, request: ReadRequest, known: MessageCache, *, root: str
    ) -> None:
        """Args:
        context: the ledger and index, the settings.
        request: what was asked.
        known: messages of the past that this process has read already.
        root: names the history.
        """
        self._context = context
        self._request = request
        self._transcript = request.transcript
        self._policy = context.policy
        self._known = known
        self._root = root

    def appends(self, epoch: Epoch, *, cached: bool) -> bool:
        """Whether to append what is recalled; what this epoch began with goes on."""
        if self._policy.placement != "auto":
            return self._policy.placement == "append"
        if epoch.earlier:
            return next(iter(epoch.earlier.values())).appends
        thinking = self._request.body.get("thinking")
        thinks = isinstance(thinking, Mapping) and thinking.get("type") not in _NO_THINKING
        return cached or has_marks(self._request.body) or thinks or bool(epoch.thinking())

    def passages(
        self,
        epoch: Epoch,
        past: Past,
        *,
        appends: bool,
        budget: int,
        credit: int = 0,
        doing: str = "",
        plan: Plan | None = None,
        rate: float = 1.0,
    ) -> Sequence[RecalledPassage]:
        """What bears on the opening; nothing where that fails.

        Args:
            epoch: the one in force.
            past: the path, with what of it is in memory.
            appends: whether what was recalled for openings before stays where it stood.
            budget: tokens to spend.
            credit: how many more an opening may spend that surely asks.
            doing: what the assistant is at amid the exchange, to look for that instead.
            plan: of the opening, where that was made already.
            rate: tokens that the API counts for one that is estimated.
        """
        appended = [plan for plan in epoch.earlier.values() if appends and plan.appends]
        appended += [plan] if plan is not None else []
        try:
            looked_up = look_up(
                self._context,
                self._transcript,
                past=past,
                shown={shown.id for plan in appended for shown in plan.shown},
                summary=epoch.fold.summary if epoch.fold else "",
                known=self._known,
                root=self._root,
                budget=budget,
                credit=credit,
                doing=doing,
            )
        except BaseException as wrong:  # noqa: BLE001 - a store may raise anything
            self._context.degrade("recall", failure(wrong))
            return []
        if looked_up.wrong is not None:
            self._context.degrade("recall", looked_up.wrong)
        found = list(looked_up.found)
        budget += credit
        limited = budget < self._most(rate) or self._policy.budget is not None
        while limited and found and self._context.count(recall_block(found)) > budget:
            found.remove(min(found, key=lambda one: one.score))
        return found

    def room(self, epoch: Epoch, *, limit: int, rate: float, sources: str) -> int:
        """Tokens that limits of the whole prompt leave to what is recalled.

        Args:
            epoch: the one in force.
            limit: the most tokens the prompt may have, as we estimate them.
            rate: tokens that the API counts for one that is estimated.
            sources: the block that names what is cited and folded.
        """
        tokens = epoch.tokens(None, fixed=self._request.fixed)
        room = min(self._most(rate), limit - tokens.sent - BREAKS)
        if self._policy.scope == "conversation":
            # What stands for the folded turns is no more than they were, as far as estimates can
            # be trusted: memory never sends more than the full history.
            left_out = tokens.full - tokens.fixed - tokens.window
            stands = tokens.summary + tokens.recalled
            room = min(room, int(TRUSTED * left_out) - stands - BREAKS)
        room = max(0, room)
        if self._policy.budget is None:
            return room
        opening = self._transcript.open.messages[: self._transcript.open.opening]
        earlier = sum(count_message(one, self._context.count) for one in opening[:-1])
        first = epoch.head_in_memory
        taken = (
            first
            + self._context.count(sources)
            + epoch.summary
            + sum(epoch.recalled)
            + epoch.closed
            + earlier
        )
        # Folds go by the budget as it is: only what is recalled gives way.
        return min(room, int(self._policy.budget / max(rate, 1.0)) - taken - BREAKS)

    def _most(self, rate: float) -> int:
        """Tokens that may be recalled at the most, as we estimate them."""
        return int(self._most_recalled / max(rate, 1.0))

    @cached_property
    def _most_recalled(self) -> int:
        return most_recalled(self._policy, self._transcript.exchanges)

    def floor(self, epoch: Epoch) -> int:
        """Index of the first message whose thinking may stay; what came before was refused."""
        first = next((n for n in epoch.special if self._transcript.exchanges[n].thoughtful), None)
        floor = (
            0
            if first is None
            else self._context.archive.thinking_refused_until(self._transcript, first=first)
        )
        return max(floor, self._forgotten_until())

    def _forgotten_until(self) -> int:
        """Index of the message before which thinking goes: what it was made under is forgotten."""
        if not self._context.archive.forgotten:
            return 0
        ends = zip(self._transcript.exchanges, self._transcript.starts[1:], strict=False)
        return max((end for one, end in ends if self._context.archive.is_forgotten(one)), default=0)
