"""What a turn did goes in, bit by bit; its receipt comes out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from turnfold.accounting.prices import Price, Usage, cost, price_of
from turnfold.accounting.receipt import Outlook, Recalled, Receipt, Tokens


@dataclass(slots=True)
class Account:
    """The running account of a turn.

    Attributes:
        prices: what models cost, where it is not the list price.
        unpriced: models that wrote summaries and have no known price.
        closed: whether a receipt was made of it, or none ever will be.
    """

    prices: Mapping[str, Price] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    folded: int = 0
    folded_steps: int = 0
    fold_reason: str = ""
    summary_usage: Usage = field(default_factory=Usage)
    summary_cost: float | None = 0.0
    unpriced: list[str] = field(default_factory=list)
    closed: bool = False
    _apart: Callable[[Account], None] | None = field(default=None, init=False, repr=False)
    _later: Callable[[Account], None] | None = field(default=None, init=False, repr=False)
    # A turn that was left behind goes on spending, in its own thread.
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def spent_on_summary(self, model: str, usage: Usage) -> None:
        """Count one summary. A model without a known price makes the cost unknown."""
        if usage == Usage():
            return  # written without a model
        price = price_of(model, self.prices)
        if price is None:
            self._count(usage, None, unpriced=[model])
        else:
            self._count(usage, cost(usage, price))

    def take_over(self, other: Account) -> None:
        """Count what was spent, and what failed, apart from any turn."""
        self._count(other.summary_usage, other.summary_cost, other.degraded, other.unpriced)

    def note(self, why: str) -> None:
        """Say what did not work."""
        with self._lock:
            self.degraded.append(why)
        self._pass_on()

    def aside(self) -> Account:
        """An account of work beside this one: once closed, it is left to the same next turn."""
        beside = Account(self.prices)
        beside._later = self._later
        return beside

    def close(self) -> None:
        """Leave what was spent, and what failed, to the next turn; and what is yet to come."""
        self.closed = True
        self._pass_on()

    def leave_to(self, apart: Callable[[Account], None]) -> None:
        """Whom to tell what is spent once a receipt has told the rest.

        Args:
            apart: given it in an account of its own, as it comes.
        """
        self._later = apart

    def abandon(self, apart: Callable[[Account], None]) -> None:
        """Leave to others what no receipt has told, and whatever is spent from now on.

        Args:
            apart: given it in an account of its own, as it comes. Nothing is given twice.
        """
        self.closed = True
        self._apart = apart
        self._pass_on()

    def _count(
        self,
        usage: Usage,
        dollars: float | None,
        degraded: Sequence[str] = (),
        unpriced: Sequence[str] = (),
    ) -> None:
        with self._lock:
            self.degraded += degraded
            self.unpriced += unpriced
            self.summary_usage += usage
            if self.summary_cost is None or dollars is None:
                self.summary_cost = None
            else:
                self.summary_cost += dollars
        self._pass_on()

    def _pass_on(self) -> None:
        apart = self._apart or (self._later if self.closed else None)
        if apart is not None:
            rest = self._take_out()
            if rest.degraded or rest.summary_usage != Usage():
                apart(rest)

    def _take_out(self) -> Account:
        """What was spent, and what failed; it is not in this account any more."""
        with self._lock:
            taken = Account(
                self.prices,
                degraded=self.degraded,
                summary_usage=self.summary_usage,
                summary_cost=self.summary_cost,
                unpriced=self.unpriced,
            )
            self.degraded, self.summary_usage, self.summary_cost = [], Usage(), 0.0
            self.unpriced = []
        return taken

    def outlook(self, tokens: Tokens, *, recalled: int) -> Outlook:
        """What was done so far, for a request of these sizes."""
        saved = tokens.full - tokens.sent
        return Outlook(saved, recalled, self.folded, tuple(self.degraded))

    def receipt(
        self,
        *,
        model: str,
        user_id: str,
        conversation: str,
        turn: int,
        in_memory: int,
        cache_missed: int = 0,
        cache_miss_reason: str | None = None,
        tokens: Tokens,
        usage: Usage,
        hits: Sequence[Recalled],
    ) -> Receipt:
        """Close the account of one request. What its receipt tells no other one does."""
        told = self._take_out()
        self.closed = True
        self._pass_on()  # what came in between
        price = price_of(model, self.prices)
        unpriced = [model] if price is None else []
        spent = full = None
        if price is not None and told.summary_cost is not None:
            spent = cost(usage, price) + told.summary_cost
            # The API's own count corrects the estimate of what full history would have been.
            rate = usage.prompt_tokens / tokens.sent if usage.prompt_tokens else 1.0
            whole = Usage(int(tokens.full * rate), output_tokens=usage.output_tokens)
            full = cost(whole, price)
        return Receipt(
            model=model,
            user_id=user_id,
            conversation=conversation,
            turn=turn,
            tokens=tokens,
            usage=usage,
            folded=self.folded,
            folded_steps=self.folded_steps,
            fold_reason=self.fold_reason if self.folded or self.folded_steps else "",
            cache_missed=cache_missed,
            cache_miss_reason=cache_miss_reason,
            in_memory=in_memory,
            hits=tuple(hits),
            summary_usage=told.summary_usage,
            cost=spent,
            full_cost=full,
            unpriced=tuple(dict.fromkeys([*unpriced, *told.unpriced])),
            seconds=dict(self.seconds),
            degraded=tuple(told.degraded),
            stayed=tuple(self.stayed),
            remarks=tuple(self.remarks),
        )
