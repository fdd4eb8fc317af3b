"""What the provider itself offers against a full window, simulated by its documented rules.

The stand-in for the API does neither. Both are reckoned as kindly as the documents allow: what
was cleared stays cleared, so that the cache is rewritten only when something is; and a compaction
keeps the newest step beside the summary. Summaries are sentences that are copied, as those of
every strategy are here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from turnfold.accounting.tokens import estimate_text
from turnfold_fake.sentences import read_sentences

from turnfold_cli.strategies import FULL, TURNFOLD, Api, Message, Strategy, plain_message

# `clear_tool_uses_20250919`: from so many tokens on, all results but the newest three.
CLEAR_FROM = 100_000
CLEAR_KEEPS = 3
CLEARED = "[Old tool result content cleared]"
# `compact_20260112`: from so many tokens on; less than 50,000 is refused.
COMPACT_FROM = 150_000
COMPACT_LEAST = 50_000
# What a summary of a whole window is taken to have.
SUMMARY_TOKENS = 3_000

SIMULATED = (
    "* What the provider does itself, simulated by its documented rules: clear_tool_uses_20250919 "
    "and compact_20260112, from the sizes told on."
)

_ASK_SUMMARY = (
    "Write a summary of all of this, with which the work can go on: what was asked, what was "
    "done, what was found, what is to be done next."
)
_GIVE_SUMMARY = "The conversation until here, in short:"


class Clearing:
    """Clears the results of old tool calls once the prompt is over a size; they are lost."""

    def __init__(self, api: Api, trigger: int = CLEAR_FROM, keep: int = CLEAR_KEEPS) -> None:
        """Args:
        api: counts.
        trigger: tokens of the prompt from which on results are cleared.
        keep: the newest that are not.
        """
        self._api = api
        self._trigger = trigger
        self._keep = keep
        self._cleared: set[str] = set()

    def __call__(self, history: list[Message]) -> list[Message]:
        """The history as Claude is shown it."""
        shown = self._shown(history)
        if self._api.count(shown) > self._trigger:
            results = [one["tool_use_id"] for one in _results(history)]
            self._cleared.update(results[: -self._keep])
            shown = self._shown(history)
        return shown

    def _shown(self, history: Sequence[Message]) -> list[Message]:
        if not self._cleared:
            return list(history)
        return [_changed(message, self._without) for message in history]

    def _without(self, block: Any) -> Any:
        if isinstance(block, Mapping) and block.get("tool_use_id") in self._cleared:
            return {**block, "content": CLEARED}
        return block


class Compaction:
    """Has the model itself summarize all of the prompt once it is over a size."""

    def __init__(self, api: Api, trigger: int = COMPACT_FROM) -> None:
        """Args:
        api: counts and summarizes.
        trigger: tokens of the prompt from which on it does.
        """
        self._api = api
        self._trigger = trigger
        self._summary = ""
        self._from = 0

    def __call__(self, history: list[Message]) -> list[Message]:
        """The summary, and what came after it."""
        shown = self._shown(history)
        if self._api.count(shown) > self._trigger:
            newest = max(
                (n for n, message in enumerate(history) if message["role"] == "assistant"),
                default=0,
            )
            if newest > self._from:
                self._summary = self._api.summarize(shown)
                self._from = newest
                shown = self._shown(history)
        return shown

    def _shown(self, history: Sequence[Message]) -> list[Message]:
        if not self._summary:
            return list(history)
        told = {"role": "user", "content": f"{_GIVE_SUMMARY}\n\n{self._summary}"}
        return [told, *history[self._from :]]


def stand_in_summary(messages: Sequence[Message]) -> str:
    """Sentences out of messages, evenly spread, as many as a summary has room for."""
    sentences = [
        one.text for one in read_sentences({"messages": [plain_message(m) for m in messages]})
    ]
    ends = list(itertools.accumulate(map(estimate_text, sentences)))
    share = min(1.0, SUMMARY_TOKENS / max(1, ends[-1] if ends else 1))
    picked, given = [], 0
    for text, end in zip(sentences, ends, strict=True):
        if given < end * share:
            picked.append(text)
            given += estimate_text(text)
    return "\n".join(picked) or "Nothing was said."


def asking_for_summary(messages: Sequence[Message]) -> list[Message]:
    """Messages with a request for their summary at the end, as the API makes it."""
    ask = {"type": "text", "text": _ASK_SUMMARY}
    if messages[-1]["role"] != "user":
        return [*messages, {"role": "user", "content": [ask]}]
    return [*messages[:-1], {"role": "user", "content": [*said_in(messages[-1]), ask]}]


def said_in(message: Message) -> list[Any]:
    """The blocks of a message; a text is one."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _changed(message: Message, change: Callable[[Any], Any]) -> Message:
    if isinstance(message["content"], str):
        return message
    return {**message, "content": [change(block) for block in message["content"]]}


def _results(history: Sequence[Message]) -> Iterator[Mapping[str, Any]]:
    for message in history:
        for block in said_in(message):
            if isinstance(block, Mapping) and block.get("type") == "tool_result":
                yield block


def clearing(trigger: int = CLEAR_FROM) -> Strategy:
    """Clearing of old tool results from a size on."""
    title = f"clearing from {trigger // 1000}k*"
    cutter = partial(Clearing, trigger=trigger)
    return Strategy(f"clear-{trigger // 1000}k", title, cutter=cutter)


def compaction(trigger: int = COMPACT_FROM) -> Strategy:
    """Compaction by the provider from a size on."""
    title = f"compaction from {trigger // 1000}k*"
    cutter = partial(Compaction, trigger=trigger)
    return Strategy(f"compact-{trigger // 1000}k", title, cutter=cutter)


AGENT_STRATEGIES: Sequence[Strategy] = (
    FULL,
    clearing(),
    clearing(30_000),
    compaction(),
    compaction(COMPACT_LEAST),
    TURNFOLD,
)
"""What is shown beside turnfold. A star: simulated by the provider's documented rules."""
