"""What all steps of one piece of work go by: of a turn, of a fold's preparation, of a backfill."""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping, MutableSet
from dataclasses import dataclass, field, replace
from typing import Literal

from turnfold_stores.bounded import BoundedDict

from turnfold.accounting.account import Account
from turnfold.accounting.tokens import CountText
from turnfold.archive.archive import Archive
from turnfold.embedders.background_loading import ModelNotReady, ModelStart
from turnfold.errors import as_turnfold_error
from turnfold.policy import Policy
from turnfold.resilience.summary_wait import Patience

logger = logging.getLogger("turnfold")

# Servers of which it is remembered what their models take.
_MOST_SERVERS = 1_000

Work = Literal["turn", "backfill", "preparation", "awaited preparation"]

_TOLD_AS = {
    "turn": "memory is degraded at %s: %s",
    "awaited preparation": "memory is degraded at %s: %s",
    "backfill": "backfill is degraded at %s: %s",
}


@dataclass(frozen=True, slots=True)
class Learned:
    """What the turns of a process have found out about models. Shared by all of them.

    Attributes:
        patience: how long turns wait for summaries.
        windows: context windows that the models of one server have told of when they refused, by
            name; tokens.
        rates: what they counted then for one token that was estimated, by name.
        unpriced: models without a known price that the log has told of.
    """

    patience: Patience
    windows: MutableMapping[str, int] = field(default_factory=dict)
    rates: MutableMapping[str, float] = field(default_factory=dict)
    unpriced: MutableSet[str] = field(default_factory=set)
    _elsewhere: MutableMapping[str, Learned] = field(
        default_factory=lambda: BoundedDict(_MOST_SERVERS)
    )

    def at(self, server: str) -> Learned:
        """What is known of the models of one server: the same name may be another model there.

        Args:
            server: names it; "" for one that is not known.
        """
        there = replace(self, windows={}, rates={})
        return self._elsewhere.setdefault(server, there) if server else self

    def tell_unpriced(self, models: Iterable[str]) -> None:
        """Warn, once for each, that a model's price is unknown."""
        for model in models:
            if model not in self.unpriced:
                self.unpriced.add(model)
                logger.warning(
                    "the price of model %r is unknown: receipts tell no cost, and folds go by the "
                    "usual ratios, cache reads at 0.1 of an input token and writes at 1.25; "
                    "Policy(prices={...}) names a price",
                    model,
                )


@dataclass(frozen=True, slots=True)
class TurnContext:
    """The collaborators of one piece of work.

    Attributes:
        archive: the ledger and index, for one conversation.
        policy: the settings.
        embedder: makes vectors; None for no dense recall.
        account: what is done and spent.
        learned: what is known of models.
        summary_model: the model that writes summaries; "" where it costs nothing.
        work: what all of it is for.
    """

    archive: Archive
    policy: Policy
    embedder: ModelStart | None
    account: Account
    learned: Learned
    summary_model: str = ""
    work: Work = "turn"

    @property
    def count(self) -> CountText:
        """Counts the tokens of a text."""
        return self.policy.counter

    def aside(self) -> TurnContext:
        """The same for work that no turn waits for: its account goes to a later turn."""
        return replace(self, account=self.account.aside(), work="preparation")

    def awaited(self) -> TurnContext:
        """The same for work that a turn waits for, and may have to leave behind."""
        return replace(self, work="awaited preparation")

    def degrade(self, step: str, error: Exception) -> None:
        """Say that a step failed, in the receipt and in the log.

        Raises:
            Exception: the error, where the policy wants failures raised and somebody waits.
        """
        reason = str(error).partition("\n")[0] or type(error).__name__
        left_behind = self.work == "awaited preparation" and self.account.closed
        if self.work == "preparation" or left_behind:
            self.account.note(f"{step}: {reason} (while preparing a fold)")
            logger.warning("memory could not prepare a fold, %s: %s", step, reason)
            return
        self.account.degraded.append(f"{step}: {reason}")
        if not isinstance(error, ModelNotReady):  # which has warned, once
            logger.warning(_TOLD_AS[self.work], step, reason)
        if self.policy.on_error == "raise":
            raise as_turnfold_error(error, f"{step} failed")
