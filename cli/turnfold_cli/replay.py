"""A conversation is held again under a strategy, and what is sent is measured.

The real SDK talks to a stand-in of the API, which gives the answers of the transcript, counts
tokens, keeps a prompt cache and refuses what the API refuses.
"""

from __future__ import annotations

import itertools
import logging
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from anthropic import APIStatusError
from turnfold import Embedder, Memory, Policy, Receipt
from turnfold.accounting.prices import Usage
from turnfold.embedders import Vectors, default_embedder
from turnfold.errors import MissingDependency
from turnfold.request.least_thinking import with_least_thinking
from turnfold_fake import Call, FakeClaude
from turnfold_stores import Store

from turnfold_cli.agents.summarizing import (
    as_text,
    asking_for_summary,
    said_in,
    stand_in_summary,
)
from turnfold_cli.evidence import Prompt
from turnfold_cli.replay_results import (
    MODEL,
    SUMMARY_MODEL,
    Asked,
    Parts,
    Result,
    TurnFigures,
)
from turnfold_cli.strategies import Api, Strategy, plain_message
from turnfold_cli.transcripts import Conversation, Question, Turn

USER = "replay"
_SECONDS_BETWEEN_TURNS = 60
_PAUSE = 600
# More than any answer of a transcript has, and below where the SDK insists on streaming.
_MAX_TOKENS = 16_000
_MAX_TOKENS_OF_ANSWER = 64


class SharedEmbedder:
    """Embeds each text once, however many strategies ask for it."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[str, Any] = {}

    @property
    def model(self) -> str:
        """The inner model's name."""
        return self._inner.model

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._inner.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def ready_embedder() -> SharedEmbedder:
    """The default embedder, loaded, so that a missing part is told before anything is run.

    Raises:
        MissingDependency: sentence-transformers is not installed.
        EmbedderError: the model is nowhere to be found.
    """
    inner = default_embedder()
    if inner is None:
        raise MissingDependency(
            "sentence-transformers", extra="embeddings", feature="Recall by meaning"
        )
    embedder = SharedEmbedder(inner)
    embedder.embed(["ready"])
    return embedder


class _LastWarning(logging.Handler):
    """Keeps what memory last warned of: where it fails altogether there is no receipt."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which a conversation is held.

    Attributes:
        pauses: share of turns that come after a pause in which the cache runs out, 0 to 1; the
            same turns under every strategy.
        cached: whether the prompt cache is used.
        seconds: from one turn to the next, where there is no pause.
        window: the context window in tokens; None for the model's.
        max_tokens: what each request asks for.
    """

    pauses: float = 0.0
    cached: bool = True
    seconds: float = _SECONDS_BETWEEN_TURNS
    window: int | None = None
    max_tokens: int = _MAX_TOKENS


AT_WORK = Conditions(seconds=5, max_tokens=8_000)
"""An agent's calls follow each other within seconds."""


class Replay:
    """One strategy on one conversation, turn by turn."""

    def __init__(
        self,
        strategy: Strategy,
        conversation: Conversation,
        *,
        policy: Policy | None = None,
        embedder: Embedder | None = None,
        store: Store | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        """Args:
        strategy: how the history is sent.
        conversation: what is said and asked.
        policy: for strategies with memory.
        embedder: likewise.
        store: likewise; stays open. None for one that ends with the replay.
        conditions: turns a minute apart, with the cache, by default.
        """
        conditions = conditions or Conditions()
        self.strategy = strategy
        self.conversation = conversation
        # Ids of answers follow from the seed: in one store no two conversations may share them.
        self.fake = FakeClaude(
            lambda _body: self._says,
            seed=zlib.crc32(conversation.id.encode()),
            window=conditions.window,
        )
        self._says: Sequence[Any] | None = None
        self._max_tokens = conditions.max_tokens
        api = Api(self._count, self._summarized, self._digested, self._answered)
        self._cut = strategy.cutter(api) if strategy.cutter else strategy.cut
        chance = random.Random(conversation.id)
        self._waits = (
            _PAUSE if chance.random() < conditions.pauses else conditions.seconds
            for _ in itertools.count()
        )
        self._history: list[dict[str, Any]] = []
        self._turns: list[TurnFigures] = []
        self._asked: list[Asked] = []
        self._receipts: list[Receipt] = []
        self._degraded: dict[str, None] = {}
        self._refusals: list[str] = []
        self._found = 0
        self._log = _LastWarning()
        self._memory: Memory | None = None
        self._client = self.fake.client(max_retries=0)
        self._extra: dict[str, Any] = {}
        if conversation.system:
            self._extra["system"] = conversation.system
        if conversation.tools:
            self._extra["tools"] = list(conversation.tools)
        if strategy.memory is None:
            if conditions.cached:
                self._extra["cache_control"] = {"type": "ephemeral"}
            return
        logging.getLogger("turnfold").addHandler(self._log)
        settled = replace(
            strategy.memory.policy(policy or Policy()), clock=self.fake.clock, time_zone="UTC"
        )
        if not conditions.cached:
            settled = replace(settled, cache="off")
        self._memory = Memory(
            store if store is not None else "memory:",
            policy=settled,
            embedder=embedder,
            summarizer=strategy.memory.summarizer,
            on_receipt=self._receipts.append,
        )
        self._client = self._memory.wrap(self._client, user_id=USER, conversation=conversation.id)
        nodes = self._memory.store.ledger.scan(USER, kind="node", conversation=conversation.id)
        self._found = sum(not node.body["children"] for node in nodes)  # merging costs nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store, unless it was handed in."""
        logging.getLogger("turnfold").removeHandler(self._log)
        if self._memory is not None:
            self._memory.close()

    def play(self) -> Iterator[TurnFigures]:
        """Hold the conversation; the figures of each turn as it is answered."""
        for turn in self.conversation.turns():
            figures = self._take(turn)
            self._turns.append(figures)
            yield figures

    def ask(self) -> Iterator[Asked]:
        """Ask each question that can be scored on a copy of the history as it stands."""
        for question in self.conversation.questions:
            if question.is_scored:
                asked = self._put(question)
                self._asked.append(asked)
                yield asked

    def result(self) -> Result:
        """What was measured so far."""
        calls = self.fake.calls
        return Result(
            self.strategy.name,
            self.strategy.title,
            self.conversation.id,
            tuple(self._turns),
            tuple(self._asked),
            requests=len(calls),
            refused=sum(call.status != 200 for call in calls),
            refusals=tuple(dict.fromkeys(self._refusals)),
            summaries_written=sum(_is_summary(call) and call.status == 200 for call in calls),
            summaries_found=self._found,
            degraded=tuple(self._degraded),
        )

    def _take(self, turn: Turn) -> TurnFigures:
        self._history += turn.said
        self._says = [block for message in turn.answered for block in said_in(message)] or None
        answer, calls = self._send(self._history, self._max_tokens)
        self._says = None
        if answer is not None:
            self._history.append({"role": "assistant", "content": answer.content})
        else:
            self._history += turn.answered
        self.fake.clock.advance(next(self._waits))
        return replace(self._figures(calls), answered=answer is not None)

    def _summarized(self, messages: list[Any]) -> str:
        """A summary of messages by the model asked, which has all of them to read for it."""
        asked = asking_for_summary(messages)
        return self._told(stand_in_summary(messages), asked, self._to_model(self._max_tokens))

    def _digested(self, messages: list[Any], tokens: int) -> str:
        """A summary of messages by the summarizer's model, which is sent them as a text."""
        return self._told(stand_in_summary(messages, tokens), as_text(messages))

    def _answered(self, messages: list[Any], says: str) -> str:
        """What the summarizer's model is to say to a prompt that somebody else made."""
        return self._told(says, messages)

    def _to_model(self, max_tokens: int) -> dict[str, Any]:
        """What stands in each request to the model that chats, besides its messages."""
        return {**with_least_thinking({"model": MODEL, "max_tokens": max_tokens}), **self._extra}

    def _told(self, summary: str, asked: Any, to: dict[str, Any] | None = None) -> str:
        to = to or {"model": SUMMARY_MODEL, "max_tokens": self._max_tokens}
        says, self._says = self._says, [{"type": "text", "text": summary}]
        try:
            self._client.messages.create(messages=asked, **to)
        finally:
            self._says = says
        return summary

    def _count(self, messages: list[Any]) -> int:
        plain = {"messages": [plain_message(one) for one in messages]}
        return self.fake.count_tokens({"model": MODEL, **self._extra, **plain})

    def _send(self, history: list[Any], max_tokens: int) -> tuple[Any, Sequence[Call]]:
        before, told = len(self.fake.calls), len(self._receipts)
        answer = None
        try:
            messages: Any = self._cut(history)
            answer = self._client.messages.create(messages=messages, **self._to_model(max_tokens))
        except APIStatusError as refused:
            self._refusals.append(refused.message)
        if self._memory is not None and answer is not None and len(self._receipts) == told:
            self._degraded[self._log.last or "a request went without memory"] = None
        for receipt in self._receipts[told:]:
            self._degraded.update(dict.fromkeys(receipt.degraded))
        return answer, self.fake.calls[before:]

    def _figures(self, calls: Sequence[Call]) -> TurnFigures:
        usage = sum(_usages(call for call in calls if not _is_summary(call)), Usage())
        written = [call for call in calls if _is_summary(call)]
        summaries = tuple(_usages(written))
        receipt = self._receipts.pop() if self._receipts else None
        self._receipts.clear()
        return TurnFigures(
            usage,
            summaries,
            next((call.body["model"] for call in written), ""),
            None if self._memory is None else _parts_of(usage, sum(summaries, Usage()), receipt),
            receipt.folded + receipt.folded_steps if receipt else 0,
            sum(receipt.seconds.values()) if receipt else 0.0,
        )

    def _put(self, question: Question) -> Asked:
        history = [*self._history, {"role": "user", "content": question.text}]
        answer, calls = self._send(history, _MAX_TOKENS_OF_ANSWER)
        if answer is None:  # then nothing was in the prompt
            return Asked(question.id, question.kind, question.text, 0.0, 0)
        # Notes written beside the turn may have been asked for behind it.
        sent = next(call for call in reversed(calls) if not _is_summary(call))
        prompt = Prompt(sent.body, question.text)
        return Asked(
            question.id,
            question.kind,
            question.text,
            _share(prompt, question),
            prompt.tokens,
            with_tool=self._looked_up(question),
        )

    def _looked_up(self, question: Question) -> float:
        """How much of what a question needs Claude finds by one look-up with its very words."""
        if self._memory is None:
            return 0.0
        tool = self._memory.tool(user_id=USER, conversation=self.conversation.id)
        call = {"id": "toolu_look", "input": {"query": question.text}}
        told = [dict(tool.tool_result(call))]
        prompt = Prompt({"messages": [{"role": "user", "content": told}]}, "")
        return _share(prompt, question)


def _share(prompt: Prompt, question: Question) -> float:
    if question.words:
        return float(prompt.has_words(question.words))
    return prompt.share_of(question.evidence)


def replay(
    conversations: Sequence[Conversation],
    strategies: Sequence[Strategy],
    *,
    policy: Policy | None = None,
    embedder: Embedder | None = None,
    store: Store | None = None,
    questions: bool = True,
    conditions: Conditions | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Hold every conversation under every strategy.

    Args:
        conversations: what was said.
        strategies: how to send it.
        policy: for strategies with memory.
        embedder: likewise.
        store: for the strategy `turnfold`; the others' memory ends with the replay.
        questions: whether to ask the questions.
        conditions: see `Replay`.
        on_step: called with a line of text as each turn or question is done.
    """
    results = []
    for conversation in conversations:
        for strategy in strategies:
            kept = store if strategy.name == "turnfold" else None
            with Replay(
                strategy,
                conversation,
                policy=policy,
                embedder=embedder,
                store=kept,
                conditions=conditions,
            ) as one:
                for _ in one.play():
                    on_step(f"{conversation.id}: {strategy.title}")
                for _ in one.ask() if questions else ():
                    on_step(f"{conversation.id}: {strategy.title}, questions")
                results.append(one.result())
    return results


def steps_of(conversation: Conversation, *, questions: bool) -> int:
    """How many times `on_step` is called for a conversation, per strategy."""
    asked = sum(one.is_scored for one in conversation.questions) if questions else 0
    return sum(1 for _ in conversation.turns()) + asked


def _is_summary(call: Call) -> bool:
    return call.kind == "summary" or call.body["model"] != MODEL


def _usages(calls: Iterable[Call]) -> Iterator[Usage]:
    return (
        Usage.from_api(call.usage) for call in calls if call.kind != "count_tokens" and call.usage
    )


def _parts_of(usage: Usage, summaries: Usage, receipt: Receipt | None) -> Parts:
    """The receipt's shares of what the API counted."""
    whole = usage.prompt_tokens
    if receipt is None or not receipt.tokens.sent:
        return Parts(window=whole, summarizer=summaries.prompt_tokens)
    rate = whole / receipt.tokens.sent
    system = round(receipt.tokens.fixed * rate)
    summary = round(receipt.tokens.summary * rate)
    recalled = round(receipt.tokens.recalled * rate)
    rest = whole - system - summary - recalled
    return Parts(system, summary, recalled, rest, summaries.prompt_tokens)
