"""An embedder goes in; every strategy there is, with what limits it, comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from turnfold import Embedder, Policy
from turnfold.accounting.prices import price_of
from turnfold.history.block_text import words_of
from turnfold_cli.agents.provider import (
    COMPACT_FROM,
    COMPACT_LEAST,
    clearing,
    compaction,
    compaction_on_demand,
)
from turnfold_cli.agents.summarizing import rolling_summary, summary_and_window
from turnfold_cli.replay_results import MODEL
from turnfold_cli.strategies import (
    FULL,
    TURNFOLD,
    MemorySetup,
    Message,
    Strategy,
    plain_message,
    strategies_named,
    within_tokens,
)

from proof.searching import Nearest

BUDGETS = (2_000, 4_000, 8_000)
READS = (0.1, 0.05, 0.025)
"""Prices of a token read from the cache, in parts of an input token's."""

PATIENCE = 3_600.0
"""Seconds memory may take, so that a slow machine measures the same as a quick one."""

_CHARS_PER_TOKEN = 4
_NEAREST_TOKENS = 4_000


@dataclass(frozen=True, slots=True)
class Contender:
    """A strategy on the page.

    Attributes:
        strategy: how a history is sent.
        limit: in one sentence, what limits it.
        ours: whether it is turnfold.
        knows_prices: whether what it sends depends on prices.
    """

    strategy: Strategy
    limit: str
    ours: bool = False
    knows_prices: bool = False


def listed_read() -> float:
    """The default model's real price of a token read, in parts of an input token's."""
    price = price_of(MODEL)
    assert price is not None, f"the price of {MODEL} is listed"
    return round(price.read / price.input, 4)


def policy_at(read: float) -> Policy:
    """The default policy, told what a token read costs."""
    price = price_of(MODEL)
    assert price is not None, f"the price of {MODEL} is listed"
    return Policy(prices={MODEL: price.with_read(read)}, deadline=PATIENCE)


def contenders(embedder: Embedder, *, agent: bool) -> Sequence[Contender]:
    """All that is compared, at sizes that are usual for each.

    Args:
        embedder: for retrieval without memory.
        agent: whether the conversation is an agent's job, where no call of a tool may be parted
            from its result.
    """
    turns, tokens = strategies_named(["window-turns", "window-tokens"])
    both = [
        Contender(FULL, "Grows until the window is full; each turn reads all of it."),
        Contender(tokens, "What slid out is gone; each cut moves the prefix, so little is cached."),
        Contender(
            rolling_summary(),
            "One text rewritten each turn: what a rewriting leaves out is gone.",
        ),
        Contender(
            summary_and_window(),
            "One text rewritten whenever the window overflows: what it leaves out is gone.",
        ),
        Contender(clearing(), "Results but the newest three are lost; talk is never shortened."),
        Contender(compaction(COMPACT_FROM), "Nothing happens below 150,000 tokens."),
        Contender(compaction(COMPACT_LEAST), "What its one summary leaves out is gone."),
        Contender(
            compaction_on_demand(), "What its one summary leaves out is gone; the caller says when."
        ),
        Contender(
            Strategy("before-window", "turnfold, before_window", memory=_before_window()),
            "The block of memory changes each turn, so the window behind it is read at full price.",
            ours=True,
            knows_prices=True,
        ),
        Contender(
            TURNFOLD,
            "What neither summary, window nor recall brings is only found by a look-up.",
            ours=True,
            knows_prices=True,
        ),
    ]
    if agent:
        return both
    window = Contender(turns, "What slid out is gone; the cache never holds.")
    nearest = Contender(
        _nearest(embedder, _NEAREST_TOKENS),
        "Sees no turn unless it resembles the question; nothing is cached.",
    )
    return [both[0], window, both[1], *both[2:4], nearest, *both[4:]]


def within(budget: int, embedder: Embedder) -> Sequence[Contender]:
    """Those that can hold a prompt to a budget, counted at four characters a token."""
    return [
        Contender(
            Strategy(
                "window-tokens", "window", cut=partial(within_tokens, most=budget, count=_count)
            ),
            "What slid out is gone.",
        ),
        Contender(
            replace(
                summary_and_window(
                    budget - _room(budget), budget // 2, tokens=budget // 10, size=size
                ),
                title="summary + window",
            ),
            "What its one summary leaves out is gone.",
        ),
        Contender(_nearest(embedder, budget), "Sees no turn unless it resembles the question."),
        Contender(
            Strategy("append", "turnfold, append", memory=MemorySetup(_budgeted(budget, "append"))),
            "What was recalled stays until the next fold and takes room.",
            ours=True,
        ),
        Contender(
            Strategy(
                "turnfold",
                "turnfold, for_budget",
                memory=MemorySetup(_budgeted(budget, "before_window")),
            ),
            "Recall is chosen anew each turn, so the cache holds little of a prompt.",
            ours=True,
        ),
    ]


def size(messages: Sequence[Message]) -> int:
    """Tokens of messages by the measure's own rule."""
    return sum(_count(words_of(plain_message(one)["content"])) for one in messages)


def _count(text: str) -> int:
    return -(-len(text) // _CHARS_PER_TOKEN)


def _room(budget: int) -> int:
    """What a turn may add before the next one is asked."""
    return budget // 4


def _before_window() -> MemorySetup:
    return MemorySetup(lambda policy: replace(policy, placement="before_window"))


def _budgeted(budget: int, placement: str) -> Callable[[Policy], Policy]:
    def changed(policy: Policy) -> Policy:
        return Policy.for_budget(
            budget,
            placement=placement,
            count_tokens=_count,
            deadline=policy.deadline,
            prices=policy.prices,
        )

    return changed


def _nearest(embedder: Embedder, tokens: int) -> Strategy:
    return Strategy(
        "retrieval",
        f"retrieval only, {tokens // 1000}k",
        cutter=lambda _: Nearest(embedder, tokens),
    )
