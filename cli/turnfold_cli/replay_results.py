"""What a replay measured, and what follows from it by arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from turnfold.accounting.prices import Usage, cost, price_of

MODEL = "claude-sonnet-5-5"
"""The model whose prices a replay is accounted at; the summarizer has its own."""
SUMMARY_MODEL = "claude-haiku-5-5"
"""The model that writes summaries, where nothing else is asked for."""
JUDGE_MODEL = "claude-opus-5-5"
"""The model that judges answers of the real API, beside `MODEL`, where no other is named."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the tokens of requests went. They add up to all that was sent."""

    system: int = 0
    summary: int = 0
    recalled: int = 0
    window: int = 0
    summarizer: int = 0

    def __add__(self, other: Parts) -> Parts:
        return Parts(
            self.system + other.system,
            self.summary + other.summary,
            self.recalled + other.recalled,
            self.window + other.window,
            self.summarizer + other.summarizer,
        )

    def as_json(self) -> dict[str, int]:
        """By name."""
        return {
            "system": self.system,
            "summary": self.summary,
            "recalled": self.recalled,
            "window": self.window,
            "summarizer": self.summarizer,
        }


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """One turn.

    Attributes:
        usage: what the API counted for the request.
        summaries: and for each of the summaries written in this turn.
        summary_model: who wrote them.
        parts: where the input tokens went; None without memory.
        folded: exchanges, or steps of an open one, that moved into memory.
        seconds: what memory added to the time of the turn.
        answered: whether the API took the request in the end.
    """

    usage: Usage
    summaries: tuple[Usage, ...] = ()
    summary_model: str = ""
    parts: Parts | None = None
    folded: int = 0
    seconds: float = 0.0
    answered: bool = True

    @property
    def summary_usage(self) -> Usage:
        """What the API counted for all summaries written in this turn."""
        return sum(self.summaries, Usage())

    @property
    def input_tokens(self) -> int:
        """All input tokens of the turn, cached or not, the summarizer's included."""
        return self.usage.prompt_tokens + self.summary_usage.prompt_tokens

    def dollars(self, *, cached: bool = True, read: float | None = None) -> float:
        """What the turn costs at list prices, the summarizer's work included.

        Args:
            cached: whether the prompt cache is used; else all input is at the full price.
            read: price of a token read from the cache, in parts of an input token's; None for
                the list price.
        """
        total = 0.0
        spent = ((self.usage, MODEL), *((one, self.summary_model) for one in self.summaries))
        for usage, model in spent:
            price = price_of(model)
            if price is None:
                continue
            if not cached:
                usage = Usage(usage.prompt_tokens, output_tokens=usage.output_tokens)  # noqa: PLW2901
            if read is not None:
                price = price.with_read(read)
            total += cost(usage, price)
        return total

    def spend(self, *, cached: bool = True, read: float | None = None) -> float:
        """Dollars for the input of the turn, and for all that memory's own work cost.

        What the answer costs is the same under every strategy and left out; see `dollars`.
        """
        chat = replace(self, usage=replace(self.usage, output_tokens=0))
        return chat.dollars(cached=cached, read=read)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and how much of what it needs stood in the prompt.

    Attributes:
        id: its name.
        kind: what sort of question it is.
        text: the question.
        share: of its words (all or nothing) or of its gold turns, 0 to 1.
        prompt_tokens: size of the prompt but `system`, `tools` and the question, at four
            characters a token.
        with_tool: the share where what one look-up with the recall tool brings counts as well.
    """

    id: str
    kind: str
    text: str
    share: float
    prompt_tokens: int
    with_tool: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """What one strategy did with one conversation, or with several.

    Attributes:
        strategy: its name.
        title: its name in a table.
        conversation: which conversation.
        turns: one each.
        asked: one for each scored question.
        requests: sent in all, for questions and summaries too.
        refused: of them, those the API did not take.
        refusals: why not, in its words.
        summaries_written: by the summarizer in this run.
        summaries_found: in the store when it began.
        degraded: what of the memory did not work, each once.
    """

    strategy: str
    title: str
    conversation: str
    turns: Sequence[TurnFigures]
    asked: Sequence[Asked] = ()
    requests: int = 0
    refused: int = 0
    refusals: Sequence[str] = ()
    summaries_written: int = 0
    summaries_found: int = 0
    degraded: Sequence[str] = ()

    @classmethod
    def joined(cls, results: Sequence[Self], conversation: str) -> Self:
        """Several conversations of one strategy as if they were one."""
        return cls(
            results[0].strategy,
            results[0].title,
            conversation,
            [turn for one in results for turn in one.turns],
            [asked for one in results for asked in one.asked],
            sum(one.requests for one in results),
            sum(one.refused for one in results),
            _once(text for one in results for text in one.refusals),
            sum(one.summaries_written for one in results),
            sum(one.summaries_found for one in results),
            _once(text for one in results for text in one.degraded),
        )

    @property
    def input_tokens(self) -> int:
        """All input tokens, the summarizer's included."""
        return sum(turn.input_tokens for turn in self.turns)

    @property
    def summary_tokens(self) -> int:
        """The summarizer's input tokens."""
        return sum(turn.summary_usage.prompt_tokens for turn in self.turns)

    @property
    def unanswered(self) -> int:
        """Turns that the API refused, for good."""
        return sum(not turn.answered for turn in self.turns)

    @property
    def tokens_per_turn(self) -> float:
        """Mean input tokens of a turn."""
        return self.input_tokens / len(self.turns) if self.turns else 0.0

    @property
    def parts(self) -> Parts | None:
        """Where the input tokens went; None without memory."""
        known = [turn.parts for turn in self.turns if turn.parts is not None]
        return sum(known, Parts()) if known else None

    @property
    def evidence(self) -> float | None:
        """Mean share of what the questions need that stood in the prompt; None unasked."""
        return _mean([one.share for one in self.asked])

    @property
    def evidence_with_tool(self) -> float | None:
        """The same, where what one look-up with the recall tool brings counts as well."""
        return _mean([max(one.share, one.with_tool) for one in self.asked])

    @property
    def evidence_tokens(self) -> float | None:
        """Mean size of the prompts the questions were asked with."""
        return _mean([one.prompt_tokens for one in self.asked])

    def dollars(self, *, cached: bool = True, read: float | None = None) -> float:
        """What all turns cost; see `TurnFigures.dollars`. Questions are not part of it."""
        return sum(turn.dollars(cached=cached, read=read) for turn in self.turns)

    def spend(self, *, cached: bool = True, read: float | None = None) -> float:
        """Dollars for the input of all turns; see `TurnFigures.spend`."""
        return sum(turn.spend(cached=cached, read=read) for turn in self.turns)

    def floor(self) -> float:
        """Dollars for writing every token of the conversation once, which no memory can avoid."""
        price = price_of(MODEL)
        assert price is not None, f"the price of {MODEL} is listed"
        last = max(turn.usage.prompt_tokens for turn in self.turns)
        return last * price.write_5m / 1e6

    def as_json(self, full: Result | None = None) -> dict[str, Any]:
        """The figures by name.

        Args:
            full: the same turns with full history, to compare with.
        """
        parts = self.parts
        return {
            "strategy": self.strategy,
            "conversation": self.conversation,
            "turns": len(self.turns),
            "requests": self.requests,
            "refused": self.refused,
            "refusals": list(self.refusals),
            "input_tokens": self.input_tokens,
            "input_tokens_per_turn": round(self.tokens_per_turn, 1),
            "ratio_to_full": ratio(self, full),
            "summarizer_input_tokens": self.summary_tokens,
            "where_tokens_went": parts.as_json() if parts else None,
            "dollars_uncached": round(self.dollars(cached=False), 6),
            "dollars_cached": round(self.dollars(), 6),
            "questions": len(self.asked),
            "evidence_found": _rounded(self.evidence),
            "evidence_found_with_tool": _rounded(self.evidence_with_tool),
            "question_prompt_tokens": _rounded(self.evidence_tokens, 0),
            "summaries_written": self.summaries_written,
            "summaries_found": self.summaries_found,
            "degraded": list(self.degraded),
        }


def ratio(result: Result, full: Result | None) -> float | None:
    """Input tokens in parts of full history's; None where that was not run."""
    if full is None or not full.input_tokens:
        return None
    return round(result.input_tokens / full.input_tokens, 4)


def by_strategy(results: Sequence[Result]) -> Mapping[str, list[Result]]:
    """The results of each strategy, in the order they came."""
    found: dict[str, list[Result]] = {}
    for one in results:
        found.setdefault(one.strategy, []).append(one)
    return found


def _once(texts: Iterable[str]) -> Sequence[str]:
    return tuple(dict.fromkeys(texts))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
