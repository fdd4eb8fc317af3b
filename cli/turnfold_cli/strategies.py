"""How each strategy turns the history a caller keeps into what is sent.

All of them are asked the same way; what differs is the cut, or the memory behind the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnfold import Policy, Summarizer
from turnfold.accounting.tokens import count_message, estimate_text
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob

from turnfold_cli.transcripts import answers_tools

Message = dict[str, Any]
Cut = Callable[[list[Message]], list[Message]]


@dataclass(frozen=True, slots=True)
class Api:
    """What a cut may ask of the API, at its price.

    Attributes:
        count: tokens of a prompt with these messages, as the API counts them.
        summarize: has the model read messages and summarize them.
        digest: the same by the summarizer's cheaper model, in so many `tokens`.
        tell: has that model answer messages of the caller's own, with what it is to say.
    """

    count: Callable[[list[Message]], int]
    summarize: Callable[[list[Message]], str]
    digest: Callable[..., str]
    tell: Callable[[list[Message], str], str]


WINDOW_MESSAGES = 20
WINDOW_TOKENS = 8_000
ROLLING_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class MemorySetup:
    """What a strategy with memory changes of the policy it is given."""

    policy: Callable[[Policy], Policy] = lambda policy: policy
    summarizer: Summarizer | None = None


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to send a long history.

    Attributes:
        name: as written on the command line.
        title: as written in a table.
        cut: what of the history is sent.
        cutter: makes a cut that remembers what it did, anew for each replay. None where `cut`
            is all.
        memory: the memory behind the client; None for a bare client.
    """

    name: str
    title: str
    cut: Cut = lambda history: history
    cutter: Callable[[Api], Cut] | None = None
    memory: MemorySetup | None = None


def last_messages(history: list[Message]) -> list[Message]:
    """The last 20 messages, then down to the first user turn.

    `history[-20:]` starts with an assistant message, or amid a tool call, both of which the API
    refuses.
    """
    return _from_user_turn(history[-WINDOW_MESSAGES:], history)


def within_tokens(
    history: list[Message],
    *,
    most: int = WINDOW_TOKENS,
    count: Callable[[str], int] = estimate_text,
) -> list[Message]:
    """The first message and the newest ones: the oldest pairs go while it is over the budget.

    Args:
        history: all that was said.
        most: tokens.
        count: of a text.
    """
    sizes = [count_message(plain_message(message), count) for message in history]
    total, start = sum(sizes), 1
    while total > most and start + 2 < len(history):
        total -= sum(sizes[start : start + 2])
        start += 2
    # A pair may have been half of a tool call.
    while start < len(history) - 1 and answers_tools(history[start]):
        start += 1
    return [*history[:1], *history[start:]] if start > 1 else history


def _from_user_turn(part: list[Message], history: list[Message]) -> list[Message]:
    for start, message in enumerate(part):
        if message["role"] == "user" and not answers_tools(message):
            return part[start:]
    return history


def plain_message(message: Message) -> Message:
    """The message with the SDK's own blocks, as replies carry them, as plain objects."""
    if isinstance(message["content"], str):
        return message
    blocks = [
        block if isinstance(block, dict) else block.model_dump() for block in message["content"]
    ]
    return {**message, "content": blocks}


def _no_summary(job: SummaryJob) -> SummaryDraft:
    """As little as memory takes for a summary, so that only retrieval is left."""
    return SummaryDraft([Item("narrative", "—", (job.first,))])


def _rolling(policy: Policy) -> Policy:
    """What is usual: past a fixed size all but the newest messages is summarized."""
    return replace(policy, fold_at=ROLLING_TOKENS, recall_tokens=0)


FULL = Strategy("full", "full history")
TURNFOLD = Strategy("turnfold", "turnfold", memory=MemorySetup())
STRATEGIES: Sequence[Strategy] = (
    FULL,
    Strategy("window-turns", f"last {WINDOW_MESSAGES} messages", cut=last_messages),
    Strategy("window-tokens", f"last {WINDOW_TOKENS // 1000}k tokens", cut=within_tokens),
    Strategy(
        "summary",
        "turnfold, no recall",
        memory=MemorySetup(policy=lambda policy: replace(policy, recall_tokens=0)),
    ),
    Strategy(
        "rolling",
        f"summary past {ROLLING_TOKENS // 1000}k tokens",
        memory=MemorySetup(policy=_rolling),
    ),
    Strategy("retrieval", "retrieval only", memory=MemorySetup(summarizer=_no_summary)),
    TURNFOLD,
)


def strategies_named(
    names: Sequence[str], among: Sequence[Strategy] = STRATEGIES
) -> Sequence[Strategy]:
    """The strategies of these names, in the usual order; all for none.

    Raises:
        KeyError: one is not known.
    """
    known = {one.name for one in among}
    for name in names:
        if name not in known:
            raise KeyError(name)
    return [one for one in among if not names or one.name in names]
