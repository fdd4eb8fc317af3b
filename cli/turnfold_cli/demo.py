"""A long conversation under all strategies side by side, turn by turn, then its questions.

No key, no network: the real SDK, a stand-in for the API, a real store, real embeddings. Where a
key is at hand the same questions can be put to Claude itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from anthropic import Anthropic, omit
from turnfold import Embedder, Memory
from turnfold.accounting.prices import Price, price_of
from turnfold.request.least_thinking import with_least_thinking
from turnfold_stores import Store

from turnfold_cli.replay import Conditions, Replay
from turnfold_cli.replay_results import MODEL, SUMMARY_MODEL, Result
from turnfold_cli.strategies import STRATEGIES, Strategy
from turnfold_cli.transcripts import Conversation

_MOST_REAL_QUESTIONS = 12
_MAX_REAL_TOKENS = 300


@dataclass(frozen=True, slots=True)
class Frame:
    """How far the demo has come.

    Attributes:
        turn: turns held so far.
        turns: turns there are.
        sent: input tokens of each turn so far, the summarizer's included, by strategy title.
        news: what memory did in this turn; "" for nothing.
        asked: questions asked so far.
        unit: what a turn is called here.
    """

    turn: int
    turns: int
    sent: Mapping[str, Sequence[int]]
    news: str = ""
    asked: int = 0
    unit: str = "turn"


def run_demo(
    conversation: Conversation,
    *,
    embedder: Embedder,
    store: Store,
    on_frame: Callable[[Frame], None],
    strategies: Sequence[Strategy] = STRATEGIES,
    conditions: Conditions | None = None,
) -> list[Result]:
    """Hold the conversation under all strategies at once.

    Args:
        conversation: what is said and asked.
        embedder: for strategies with memory.
        store: where `turnfold` remembers; the others' memory ends with the demo.
        on_frame: called after each turn and each question.
        strategies: which to compare.
        conditions: see `Replay`.
    """
    turns = sum(1 for _ in conversation.turns())
    with ExitStack() as opened:
        runs = [
            opened.enter_context(
                Replay(
                    one,
                    conversation,
                    embedder=embedder,
                    store=store if one.name == "turnfold" else None,
                    conditions=conditions,
                )
            )
            for one in strategies
        ]
        sent: dict[str, list[int]] = {one.title: [] for one in strategies}
        for turn, figures in enumerate(zip_longest(*(run.play() for run in runs)), 1):
            news = ""
            for run, one in zip(runs, figures, strict=True):
                sent[run.strategy.title].append(one.input_tokens)
                if one.folded and run.strategy.name == "turnfold":
                    what = "steps" if conversation.is_agent else "exchanges"
                    news = f"{conversation.unit} {turn}: {one.folded} {what} moved into memory"
            on_frame(Frame(turn, turns, sent, news, unit=conversation.unit))
        for asked, _ in enumerate(zip_longest(*(run.ask() for run in runs)), 1):
            on_frame(Frame(turns, turns, sent, asked=asked, unit=conversation.unit))
        return [run.result() for run in runs]


@dataclass(frozen=True, slots=True)
class Answered:
    """A question put to Claude.

    Attributes:
        question: the question.
        expected: what a good answer says.
        answer: what Claude said.
    """

    question: str
    expected: str
    answer: str


def real_questions(conversation: Conversation) -> int:
    """How many questions are put to Claude where that is asked for."""
    return min(len(conversation.questions), _MOST_REAL_QUESTIONS)


def estimate_dollars(conversation: Conversation, result: Result) -> float:
    """What putting the questions to Claude will cost at list prices, rather too much.

    Args:
        conversation: what was said; the summarizer reads all of it once.
        result: what turnfold measured with the stand-in.
    """
    most = max((one.prompt_tokens for one in result.asked), default=0)
    said = sum(len(str(message["content"])) for message in conversation.messages) // 3
    chat = _price(MODEL)
    summarizer = _price(SUMMARY_MODEL)
    count = real_questions(conversation)
    return (
        count * (1.5 * most * chat.write_5m + _MAX_REAL_TOKENS * chat.output)
        + 1.5 * said * summarizer.input
        + 0.2 * said * summarizer.output
    ) / 1e6


def ask_claude(
    conversation: Conversation, client: Anthropic, *, embedder: Embedder
) -> Iterator[Answered]:
    """Put some of the questions to Claude, with memory of the whole conversation.

    Raises:
        anthropic.APIError: as without memory.
    """
    step = max(1, len(conversation.questions) // _MOST_REAL_QUESTIONS)
    chosen = conversation.questions[::step][:_MOST_REAL_QUESTIONS]
    with Memory(embedder=embedder) as memory:
        remembering = memory.wrap(client, user_id="demo", conversation=conversation.id)
        for one in chosen:
            messages: list[Any] = [*conversation.messages, {"role": "user", "content": one.text}]
            asked = {"model": MODEL, "max_tokens": _MAX_REAL_TOKENS, "messages": messages}
            answer = remembering.messages.create(
                system=conversation.system or "",
                tools=list(conversation.tools) or omit,
                **with_least_thinking(asked),
            )
            text = "".join(block.text for block in answer.content if block.type == "text")
            yield Answered(one.text, one.answer, text)


def _price(model: str) -> Price:
    price = price_of(model)
    assert price is not None, f"the price of {model} is listed"
    return price
