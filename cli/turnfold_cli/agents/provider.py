"""What the provider itself offers against a full window, simulated by its documented rules.

The stand-in for the API does neither. Both are reckoned as kindly as the documents allow: what
was cleared stays cleared, so that the cache is rewritten only when something is; and a compaction
keeps the newest step beside the summary. Summaries are sentences that are copied, as those of
every strategy are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from turnfold_cli.agents.summarizing import Summarized, said_in
from turnfold_cli.strategies import FULL, TURNFOLD, Api, Message, Strategy

# `clear_tool_uses_20250919`: from so many tokens on, all results but the newest three.
CLEAR_FROM = 100_000
CLEAR_KEEPS = 3
CLEARED = "[Old tool result content cleared]"
# `compact_20260112`: from so many tokens on; less than 50,000 is refused.
COMPACT_FROM = 150_000
COMPACT_LEAST = 50_000
# On demand: the caller chooses when, and how much of what is newest stays beside the summary.
ON_DEMAND_FROM = 20_000
ON_DEMAND_KEEPS = 4_000

SIMULATED = (
    "* What the provider does itself, simulated by its documented rules: clear_tool_uses_20250919 "
    "and compact_20260112, from the sizes told on."
)


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
    """Compaction by the provider from a size on: the model itself reads all and sums it up."""
    return Strategy(
        f"compact-{trigger // 1000}k",
        f"compaction from {trigger // 1000}k*",
        cutter=lambda api: Summarized(api.summarize, api.count, trigger=trigger, whole=True),
    )


def compaction_on_demand(trigger: int = ON_DEMAND_FROM, keep: int = ON_DEMAND_KEEPS) -> Strategy:
    """Compaction that the caller asks for: of what is older, at a size of the caller's choice."""
    return Strategy(
        "compact-on-demand",
        f"compaction on demand at {trigger // 1000}k*",
        cutter=lambda api: Summarized(api.summarize, api.count, trigger=trigger, keep=keep),
    )


AGENT_STRATEGIES: Sequence[Strategy] = (
    FULL,
    clearing(),
    clearing(30_000),
    compaction(),
    compaction(COMPACT_LEAST),
    TURNFOLD,
)
"""What is shown beside turnfold. A star: simulated by the provider's documented rules."""
