"""What a turn did goes in, bit by bit; its receipt comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from turnfold.passages import Found
from turnfold.pricing import Price, Usage, cost, price_of
from turnfold.receipt import Recalled, Receipt, Tokens
from turnfold.scope import Scope


@dataclass(slots=True)
class Account:
    """The running account of a turn.

    Attributes:
        prices: what models cost, where it is not the list price.
    """

    prices: Mapping[str, Price] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)
    folded: int = 0
    fold_reason: str = ""
    summary_usage: Usage = field(default_factory=Usage)
    summary_cost: float | None = 0.0
    closed: bool = False

    def spent_on_summary(self, model: str, usage: Usage) -> None:
        """Count one summary. A model without a known price makes the cost unknown."""
        self.summary_usage += usage
        price = price_of(model, self.prices)
        if usage == Usage():
            return  # written without a model
        if price is None or self.summary_cost is None:
            self.summary_cost = None
        else:
            self.summary_cost += cost(usage, price)

    def take_over(self, other: Account) -> None:
        """Count what was spent, and what failed, apart from any turn."""
        self.degraded += other.degraded
        self.summary_usage += other.summary_usage
        if self.summary_cost is None or other.summary_cost is None:
            self.summary_cost = None
        else:
            self.summary_cost += other.summary_cost

    def receipt(
        self,
        *,
        model: str,
        scope: Scope,
        turn: int,
        in_memory: int,
        cache_missed: int = 0,
        tokens: Tokens,
        usage: Usage,
        hits: Sequence[Found],
    ) -> Receipt:
        """Close the account of one request."""
        self.closed = True
        price = price_of(model, self.prices)
        spent = full = None
        if price is not None and self.summary_cost is not None:
            spent = cost(usage, price) + self.summary_cost
            # The API's own count corrects the estimate of what full history would have been.
            rate = usage.prompt_tokens / tokens.sent if usage.prompt_tokens else 1.0
            whole = Usage(int(tokens.full * rate), output_tokens=usage.output_tokens)
            full = cost(whole, price)
        return Receipt(
            model=model,
            user_id=scope.user_id,
            conversation=scope.conversation,
            turn=turn,
            tokens=tokens,
            usage=usage,
            folded=self.folded,
            fold_reason=self.fold_reason if self.folded else "",
            cache_missed=cache_missed,
            in_memory=in_memory,
            hits=tuple(
                Recalled(one.turn, one.passage.source, one.passage.text, one.score) for one in hits
            ),
            summary_usage=self.summary_usage,
            cost=spent,
            full_cost=full,
            seconds=dict(self.seconds),
            degraded=tuple(self.degraded),
            stayed=tuple(self.stayed),
        )
