"""What the API answered goes in; it is written down, and the receipt comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from turnfold.accounting.answer import Answer
from turnfold.accounting.receipt import Recalled, Receipt, Tokens
from turnfold.archive.measures import AnsweredRequest
from turnfold.archive.passages import RecalledPassage
from turnfold.archive.plans import Plan, usage_id
from turnfold.errors import failure
from turnfold.folding.read_request import ReadRequest
from turnfold.request.cache_diagnosis import FIELD, reason_in
from turnfold.request.rewrite import Sent
from turnfold.request.thinking import thinking_ids
from turnfold.turn_context import TurnContext


class TurnAnswer:
    """The answer to one request."""

    def __init__(self, context: TurnContext, request: ReadRequest, answer: Answer) -> None:
        """Args:
        context: the ledger, the settings, the account.
        request: as it came.
        answer: as far as it came. From one that broke off nothing is learned.
        """
        self._context = context
        self._archive = context.archive
        self._request = request
        self._answer = answer
        self._message = answer.message
        self._usage = answer.usage

    def store(self, request: Sent, *, sent: int) -> None:
        """Write down its usage, and what its thinking is bound to.

        Args:
            request: as it was sent.
            sent: its tokens, as they were estimated.
        """
        if request.lost:
            turns = ", ".join(str(n + 1) for n in sorted({one.exchange for one in request.lost}))
            self._context.account.degraded.append(
                f"citations: answers in view go without those of sources of turns {turns}, which "
                f"are folded; the memory block names those of whole turns"
            )
        if self._message is None:
            return
        row = AnsweredRequest(
            self._request.model,
            self._usage,
            sent,
            self._archive.clock(),
            str(self._message.get("id") or ""),
        )
        opening = self._request.transcript.open
        try:
            self._archive.store_answer(
                usage_id(opening, opening.replies), row, thinking_ids(self._message), request.prefix
            )
        except BaseException as wrong:  # noqa: BLE001 - a store may raise anything
            self._context.degrade("finish", failure(wrong))

    def receipt(
        self,
        plan: Plan | None,
        tokens: Tokens,
        folded: int,
        hits: Callable[[], Sequence[RecalledPassage]],
    ) -> Receipt:
        """The account of the request.

        Args:
            plan: what was decided.
            tokens: of the prompt, by what they are for.
            folded: before which exchange the live ones begin.
            hits: gives what was recalled.
        """
        account, scope = self._context.account, self._archive.scope
        for name, what in self._archive.reading.damaged.items():
            account.degraded.append(f"ledger: a damaged record is left out: {name}: {what}")
        account.remarks += self._answer.remarks
        receipt = account.receipt(
            model=self._request.model,
            user_id=scope.user_id,
            conversation=scope.conversation,
            turn=len(self._request.transcript.exchanges),
            in_memory=max(0, folded - self._request.head),
            tokens=tokens,
            usage=self._usage,
            cache_missed=self._missed(plan),
            cache_miss_reason=reason_in(self._message) if self._asks else None,
            hits=[
                Recalled(one.turn, one.passage.source, one.passage.text, one.score)
                for one in hits()
            ],
        )
        self._context.learned.tell_unpriced(receipt.unpriced)
        return receipt

    @property
    def _asks(self) -> bool:
        """Whether the API was asked why the cache could not serve the request."""
        return self._context.policy.diagnose_cache or self._request.body.get(FIELD) is not None

    def _missed(self, plan: Plan | None) -> int:
        """Tokens this request had in common with the one before and did not find in the cache."""
        if (
            plan is None
            or not (plan.cached and plan.measures.cached)
            or plan.fold != plan.measures.fold
        ):
            return 0
        if self._request.transcript.open.replies or not self._usage.prompt_tokens:
            return 0  # within an exchange the request before is not in the measures
        return max(0, plan.measures.prompt - self._usage.cache_read)
