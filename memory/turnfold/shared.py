"""What the turns of one process know already, so that they need not ask the ledger again."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from turnfold.account import Account
from turnfold.pricing import Price
from turnfold.scope import Scope
from turnfold.tokens import CountText
from turnfold.transcript import Exchange, Reader

logger = logging.getLogger("turnfold")

_MOST_PATHS = 64
_MOST_ACCOUNTS = 256


class Shared:
    """Ids known to be stored, the last path of each conversation, warnings given.

    All of it can be lost without harm: it is read again from the ledger.
    """

    def __init__(self, count: CountText, prices: Mapping[str, Price] | None = None) -> None:
        self.stored: OrderedDict[str, None] = OrderedDict()
        self.reader = Reader(count)
        self._paths: OrderedDict[Scope, Sequence[Exchange]] = OrderedDict()
        self._accounts: OrderedDict[tuple[Scope, str], Account] = OrderedDict()
        self._warned: set[str] = set()
        self._prices = prices

    def path(self, scope: Scope) -> Sequence[Exchange]:
        """The closed exchanges this conversation had when it was last seen here."""
        return self._paths.get(scope, ())

    def keep_path(self, scope: Scope, closed: Sequence[Exchange]) -> None:
        """Remember the path of a conversation that has a name."""
        if scope.conversation:
            self._paths[scope] = closed
            self._paths.move_to_end(scope)
            while len(self._paths) > _MOST_PATHS:
                self._paths.popitem(last=False)

    def account(self, scope: Scope, opening_id: str) -> Account:
        """The running account of an opening; an attempt that failed has spent, too.

        It is handed out again until a receipt was made of it.
        """
        key = (scope, opening_id)
        account = self._accounts.pop(key, None)
        if account is None or account.closed:
            account = Account(self._prices)
        self._accounts[key] = account
        while len(self._accounts) > _MOST_ACCOUNTS:
            self._accounts.popitem(last=False)
        return account

    def warn_once(self, text: str) -> None:
        """Log a warning the first time."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)
