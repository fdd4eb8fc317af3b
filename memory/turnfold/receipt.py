"""What one answered request sent, saved, recalled, cost and took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from turnfold.pricing import Usage


@dataclass(frozen=True, slots=True)
class Recalled:
    """One passage brought back.

    Attributes:
        turn: number of its exchange in the conversation, from 1; 0 if in another one.
        role: who said it: "user", "assistant", "tool" or "document".
        text: the passage as injected.
        score: cosine similarity with the opening.
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
class Receipt:
    """The account of one request.

    Attributes:
        model: the model asked.
        turn: number of the open exchange, from 1; 0 where memory never got to read the request.
        tokens: estimated tokens by part.
        usage: what the API counted; zeros where it told nothing.
        folded: exchanges this turn moved into memory.
        in_memory: exchanges in memory at this turn, out of `turn` - 1 closed ones.
        hits: what was recalled for this turn.
        summary_usage: tokens spent on writing summaries in this turn.
        cost: list-price dollars of the request and its summaries; None for unknown models.
        full_cost: list-price dollars had the full history been sent uncached; None likewise.
        seconds: time by step ("begin", "summarize", "finish").
        degraded: what did not work, in words; empty when all did.
        stayed: why exchanges could not be folded, in words.
    """

    model: str
    turn: int
    tokens: Tokens
    usage: Usage = field(default_factory=Usage)
    folded: int = 0
    in_memory: int = 0
    hits: tuple[Recalled, ...] = ()
    summary_usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    full_cost: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()

    @property
    def saved_tokens(self) -> int:
        """Estimated tokens that full history would have sent on top of this request."""
        return self.tokens.full - self.tokens.sent
