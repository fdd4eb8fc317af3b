"""What folding saves goes in; how much a turn may recall comes out.

Recalled text has to be written to the cache, turn after turn, and in a conversation of short
messages it can cost more than all that was folded away. So recall lives on what folding saves:
what a turn saves goes into a purse, and folds and recalled text are paid from it, whole. Memory
then costs no more than sending everything, but for two recalls on credit.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnfold.folding.rule import Rates
from turnfold.history.exchanges import Exchange
from turnfold.policy import Policy

# The part of what a turn saves that may be spent on folds and on writing recalled text. What they
# cost is estimated, and a conversation may end before a fold has paid.
_SHARE = 0.65
# Full recalls that may be had on credit.
_CREDIT = 2

# Where an opening leads to a long exchange, as in an agent's job, it may recall this part of what
# exchanges have on the average; at most so many times what the policy says.
_PART_OF_EXCHANGE = 16
_MOST_TIMES = 4


def most_recalled(policy: Policy, exchanges: Sequence[Exchange]) -> int:
    """What the newest opening may recall at the most, in tokens.

    Where dozens of calls follow each opening, recall comes once for all of them: a larger one is
    a small part of what they cost, and there is more to be found again.

    Args:
        policy: sizes.
        exchanges: of the history; the last one is open.
    """
    if policy.budget is not None or len(exchanges) < 2:
        return policy.recall_tokens
    mean = sum(one.size for one in exchanges[:-1]) // (len(exchanges) - 1)
    return max(
        policy.recall_tokens, min(mean // _PART_OF_EXCHANGE, _MOST_TIMES * policy.recall_tokens)
    )


class RecallBudget:
    """What recall may spend, in tokens of uncached input.

    It travels with the plans, as what was measured does. A policy that fixes when to fold, or
    how large the prompt may be, has decided what to spend; only `fold_at="auto"` keeps a purse.
    What a fold costs beyond what is there stays owed, and is paid first. Recalls may be had on
    credit, whatever is owed, by an opening that surely asks: what it asks for was said.
    """

    def __init__(
        self,
        before: float,
        owed: float,
        policy: Policy,
        rates: Rates,
        *,
        most: int,
        cold_share: float,
        counted: float = 1.0,
    ) -> None:
        """Args:
        before: what the turn before left in it; below 0 for what was recalled on credit.
        owed: what folds have cost that is not paid yet.
        policy: sizes.
        rates: what tokens cost.
        most: see `most_recalled`.
        cold_share: measured share of turns that come too late for the cache.
        counted: tokens that the API counts for one that is estimated.
        """
        self.most = int(most / max(counted, 1.0))
        """What one turn may recall at the most, by our estimate and by what the API counts."""
        self._holds, self.owed = before, owed
        self._policy = policy
        self._rates = rates
        self._credit = _CREDIT * self.most * rates.write
        self._held = rates.read + cold_share * (rates.write - rates.read)

    def earn(self, left_out: int) -> None:
        """Take in what a request saves that has so many tokens less than the full history."""
        saved = _SHARE * self._held * left_out
        paid = min(self.owed, saved)
        self.owed -= paid
        self._holds += saved - paid

    def pay_fold(self, rewritten: int, folded: int) -> None:
        """Pay for a fold.

        Args:
            rewritten: tokens that stand in another place than before.
            folded: tokens that were summarized.
        """
        rates = self._rates
        cost = (rates.write - rates.read) * rewritten + rates.summary * folded
        paid = min(cost, max(0.0, self._holds))
        self._holds -= paid
        self.owed += cost - paid

    @property
    def allows(self) -> int:
        """The most tokens that may be recalled now."""
        return self._within(self._holds)

    @property
    def on_credit(self) -> int:
        """How many tokens more an opening may recall that surely asks."""
        return self._within(self._holds + self._credit) - self.allows

    def _within(self, spent: float) -> int:
        most = self.most
        if self._policy.fold_at != "auto" or self._policy.budget is not None:
            return most
        return max(0, min(most, int(spent / self._rates.write)))

    def spend(self, recalled: int) -> float:
        """Pay for what is recalled; what is left, below 0 for what was had on credit."""
        self._holds -= self._rates.write * recalled
        return round(self._holds, 1)
