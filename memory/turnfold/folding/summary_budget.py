"""What summaries have cost goes into the ledger; what they may still cost is read from it.

So every worker comes to the same answer. Summaries that are being written while another one is
asked for are not in it yet: by so much a cap may be overrun.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import uuid4

from turnfold.accounting.prices import Usage, cost, dearest, price_of
from turnfold.history.exchanges import Transcript
from turnfold.policy import Cap, Spent
from turnfold.request.least_thinking import room_to_think
from turnfold.summaries.notes import SummaryJob
from turnfold.turn_context import TurnContext

# Tokens of turns that may be summarized in any conversation, however short it is.
LEAST_ROUNDS = 30_000
# Tokens of a request for a summary besides the turns and the notes: what the model is told.
_INSTRUCTIONS = 600


class SummaryBudget:
    """What the summaries of one turn and of its conversation have cost, and may."""

    def __init__(
        self,
        context: TurnContext,
        transcript: Transcript,
        root: str = "",
    ) -> None:
        """Args:
        context: where it is written, and what may be spent.
        transcript: the whole conversation.
        root: names the history, which tells those without a name apart; "" for by its first
            exchange.
        """
        policy = context.policy
        self._archive = context.archive
        self._turn = "" if context.work == "backfill" else transcript.open.opening_id
        self._of_turn: Cap | None = policy.turn_cap if self._turn else None
        self._of_conversation = policy.conversation_cap
        self._rounds = rounds = policy.summary_rounds
        said = sum(one.size for one in transcript.exchanges)
        self._most_about = math.inf if rounds is None else LEAST_ROUNDS + rounds * said
        self._root = root or transcript.exchanges[0].opening_id
        self.model = context.summary_model
        self._prices = policy.prices
        self._count = context.count

    def refusals(self, jobs: Sequence[SummaryJob]) -> list[str]:
        """Why each of some jobs may not be paid for any more; "" where it may."""
        unbounded = self._of_turn is None and self._of_conversation is None
        if not jobs or (unbounded and self._rounds is None):
            return [""] * len(jobs)
        turn, conversation, about = self._spent()
        refused: list[str] = []
        for job in jobs:
            more, turns = self._estimated(job), self._about(job)
            why = ""
            if self._of_turn is not None and self._of_turn.refuses(turn, more):
                why = f"the cap of a turn, {self._of_turn}, is reached"
            elif self._of_conversation is not None and self._of_conversation.refuses(
                conversation, more
            ):
                why = f"the cap of this conversation, {self._of_conversation}, is reached"
            elif about + turns > self._most_about:
                why = (
                    f"what was said in this conversation was given to the summarizer "
                    f"{self._rounds:g} times over"
                )
            else:
                turn, conversation, about = turn + more, conversation + more, about + turns
            refused.append(why)
        return refused

    def paid(self, model: str, usage: Usage, job: SummaryJob | None = None) -> None:
        """Write down what one summary took. One that took no tokens is not worth a line.

        Args:
            model: who wrote it.
            usage: what the API counted.
            job: on which turns it is; None for none.
        """
        if usage == Usage():
            return
        tokens = usage.prompt_tokens + usage.output_tokens
        body = {
            "turn": self._turn,
            "root": self._root,
            "tokens": tokens,
            "about": min(tokens, self._about(job)) if job is not None else 0,
            "dollars": cost(usage, price_of(model, self._prices) or dearest()),
        }
        self._archive.store_spending(f"spend:{uuid4().hex}", body)

    def _spent(self) -> tuple[Spent, Spent, int]:
        """By this turn, and by its conversation; and tokens of the turns that were asked about."""
        of_turn = of_all = Spent()
        about = 0
        for turn, root, one, turns in self._archive.spending():
            if self._archive.scope.conversation or root == self._root:
                of_all += one
                of_turn += one if turn == self._turn else Spent()
                about += turns
        return of_turn, of_all, about

    def _about(self, job: SummaryJob) -> int:
        """Tokens of the turns that a job is about."""
        return sum(self._count(one.text) for exchange in job.exchanges for one in exchange)

    def _estimated(self, job: SummaryJob) -> Spent:
        if not self.model:
            return Spent()
        said = [one.text for exchange in (*job.exchanges, job.before) for one in exchange]
        texts = [*said, *(item.text for item in job.known)]
        read = _INSTRUCTIONS + sum(map(self._count, texts))
        price = price_of(self.model, self._prices) or dearest()
        written = job.max_tokens + room_to_think(self.model)
        usage = Usage(input_tokens=read, output_tokens=written)
        return Spent(read + written, cost(usage, price))
