"""What one answered request sent, saved, recalled, cost and took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from turnfold.accounting.prices import Usage


@dataclass(frozen=True, slots=True)
class Recalled:
    """One passage brought back.

    Attributes:
        turn: number of its exchange in the conversation, from 1; 0 if in another one.
        role: who said it: "user", "assistant", "tool" or "document".
        text: the passage as injected.
        score: how much it bears on the opening, for its size; see `ranking.value`. No cosine, and
            comparable within one turn only.
    """

    turn: int
    role: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """Estimated tokens of a request by part, and of what full history would have sent."""

    fixed: int = 0
    summary: int = 0
    recalled: int = 0
    window: int = 0
    full: int = 0

    @property
    def sent(self) -> int:
        """What this request sent."""
        return self.fixed + self.summary + self.recalled + self.window


@dataclass(frozen=True, slots=True)
class Outlook:
    """What memory did for a request, as it is known when the answer begins.

    Attributes:
        saved_tokens: estimated tokens that full history would have sent on top.
        recalled: passages recalled for this turn.
        folded: exchanges this turn moved into memory.
        degraded: what did not work, in words.
    """

    saved_tokens: int = 0
    recalled: int = 0
    folded: int = 0
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """The account of one request.

    Attributes:
        model: the model asked.
        user_id: whose memory it was.
        conversation: in which conversation; "" for one without a name.
        turn: number of the open exchange, from 1; 0 where memory never got to read the request.
        tokens: estimated tokens by part.
        usage: what the API counted; zeros where it told nothing. Of an answer that broke off, what
            it had told by then: `remarks` say so.
        folded: exchanges this turn moved into memory.
        folded_steps: steps of the open exchange, calls of tools with their results, that this
            request moved into memory.
        fold_reason: why it did, in words; "" if it did not.
        in_memory: exchanges in memory at this turn, out of `turn` - 1 closed ones.
        cache_missed: tokens of the request before that this one continues and that were not read
            from the cache, counted by the API.
        cache_miss_reason: where the API was asked (`Policy(diagnose_cache=True)`, or `diagnostics`
            in the request): why the cache could not serve all of the request before, in its own
            word; "" where it found nothing; None where it was not asked, or has not said.
        hits: what was recalled for this turn.
        summary_usage: tokens spent on writing summaries in this turn, and before it in the
            background or for turns that went without memory.
        cost: list-price dollars of the request and its summaries, each at the tier its prompt is
            in; None where a model's price is unknown.
        full_cost: list-price dollars had the full history been sent uncached; None likewise.
        unpriced: models whose price is unknown, so that `cost` is None; folds then go by the usual
            ratios, reads at 0.1 of an input token and writes at 1.25. `Policy(prices=...)` names
            a price.
        seconds: time by step ("begin", "fold", "recall", "build", "finish"); the waiting for
            summaries is not in it.
        degraded: what did not work, in words; empty when all did.
        stayed: why exchanges could not be folded, in words.
        remarks: what else is to be known: of this request, or, said once, of its client.
    """

    model: str
    turn: int
    tokens: Tokens
    usage: Usage = field(default_factory=Usage)
    user_id: str = ""
    conversation: str = ""
    folded: int = 0
    folded_steps: int = 0
    fold_reason: str = ""
    in_memory: int = 0
    cache_missed: int = 0
    cache_miss_reason: str | None = None
    hits: tuple[Recalled, ...] = ()
    summary_usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    full_cost: float | None = None
    unpriced: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def saved_tokens(self) -> int:
        """Estimated tokens that full history would have sent on top of this request."""
        return self.tokens.full - self.tokens.sent

    @property
    def saved(self) -> float | None:
        """Dollars that full history, sent uncached, would have cost on top; None if unknown."""
        if self.cost is None or self.full_cost is None:
            return None
        return self.full_cost - self.cost

    @property
    def estimate_error(self) -> float | None:
        """How far the estimate of the prompt was off: 0.1 is 10% too high; None if unknown."""
        if not self.usage.prompt_tokens:
            return None
        return self.tokens.sent / self.usage.prompt_tokens - 1
