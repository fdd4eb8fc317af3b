"""What the turns of one process know already, so that they need not ask the ledger again."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Sequence

from turnfold_stores.bounded import BoundedDict

from turnfold.accounting.account import Account
from turnfold.accounting.tokens import CountText
from turnfold.archive.leases import Claims
from turnfold.archive.plans import KnownPlans
from turnfold.history.exchanges import Exchange
from turnfold.history.reader import Reader
from turnfold.policy import Policy
from turnfold.recall.candidates import MessageCache
from turnfold.scope import Scope

logger = logging.getLogger("turnfold")

# Exchanges remembered as stored, so that a turn writes only what is new.
_MOST_STORED = 200_000
_MOST_PATHS = 64
_MOST_ACCOUNTS = 256
_MOST_USERS = 10_000
_DAY = 86_400.0  # seconds
_MOST_APART = 1_000


class ProcessCache:
    """Ids known to be stored, the last path of each conversation, warnings given.

    All of it can be lost without harm: it is read again from the ledger.
    """

    def __init__(self, count: CountText, policy: Policy) -> None:
        self.stored: BoundedDict[str, None] = BoundedDict(_MOST_STORED)
        self.claims = Claims()
        self.reader = Reader(count, policy.redact)
        self._forgotten: BoundedDict[Scope, set[str]] = BoundedDict(_MOST_PATHS)
        self._marks: BoundedDict[str, str] = BoundedDict(_MOST_USERS)
        self._retained: BoundedDict[str, float] = BoundedDict(_MOST_USERS)
        self.known = MessageCache()
        self.plans = KnownPlans()
        self._paths: BoundedDict[Scope, Sequence[Exchange]] = BoundedDict(_MOST_PATHS)
        self._fronts: BoundedDict[tuple[Scope, str], tuple[str, ...]] = BoundedDict(_MOST_PATHS)
        self._accounts: BoundedDict[tuple[Scope, str], Account] = BoundedDict(_MOST_ACCOUNTS)
        self._apart: deque[tuple[Scope, Account]] = deque(maxlen=_MOST_APART)
        self._warned: set[str] = set()
        self._prices = policy.prices

    def path(self, scope: Scope) -> Sequence[Exchange]:
        """The closed exchanges this conversation was joined to when it was last seen here."""
        return self._paths.get(scope, ())

    def keep_path(self, scope: Scope, closed: Sequence[Exchange]) -> None:
        """Remember the path that a cut history was joined to; () for one that came whole."""
        self._paths.pop(scope, None)
        if closed:
            self._paths[scope] = closed

    def front_of(self, scope: Scope, newest: str) -> tuple[str, ...] | None:
        """The front of a history that passed as it was when this exchange was its newest."""
        return self._fronts.get((scope, newest))

    def keep_front(self, scope: Scope, newest: str, front: tuple[str, ...]) -> None:
        """Remember how a history begins that passed as it was."""
        self._fronts[scope, newest] = front

    def drop_if_forgotten(self, user_id: str, mark: str) -> bool:
        """Let go of what is known of a user, if something was forgotten since; True if so."""
        if self._marks.get(user_id, "") == mark:
            return False
        self._marks[user_id] = mark
        self.plans.clear()
        for scope in [one for one in self._paths if one.user_id == user_id]:
            del self._paths[scope]
        return True

    def forgotten(self, scope: Scope) -> set[str]:
        """Content ids of a conversation known to be forgotten: what is forgotten remains so."""
        known = self._forgotten.setdefault(scope, set())
        self._forgotten.move_to_end(scope)
        return known

    def retention_due(self, user_id: str, now: float) -> bool:
        """Whether a day has passed since this was asked for this user."""
        if now - self._retained.get(user_id, -math.inf) < _DAY:
            return False
        self._retained[user_id] = now
        return True

    def account(self, scope: Scope, opening_id: str) -> Account:
        """The running account of an opening; an attempt that failed has spent, too.

        It is handed out again until a receipt was made of it, or it was left to the next turn.
        """
        key = (scope, opening_id)
        account = self._accounts.pop(key, None)
        if account is None or account.closed:
            account = Account(self._prices)
        self._accounts[key] = account
        return account

    def spent_apart(self, scope: Scope, account: Account) -> None:
        """Leave an account that belongs to no turn to the next turn of its conversation."""
        self._apart.append((scope, account))

    def settle(self, scope: Scope, account: Account) -> None:
        """Count in the account of a turn what was left to it. Safe while others leave more."""
        for _ in range(len(self._apart)):
            try:
                whose, other = self._apart.popleft()
            except IndexError:  # another turn was quicker
                return
            if whose == scope:
                account.take_over(other)
            else:
                self._apart.append((whose, other))

    def warn_once(self, text: str) -> None:
        """Log a warning the first time."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)
