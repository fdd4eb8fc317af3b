"""A request that went without memory goes in; the receipt that says why comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnfold.accounting.account import Account
from turnfold.accounting.answer import Answer
from turnfold.accounting.prices import Price
from turnfold.accounting.receipt import Receipt, Tokens
from turnfold.accounting.tokens import count_fixed, count_message, estimate_text
from turnfold.history.plain import model_in
from turnfold.scope import Scope


class TurnWithoutMemory:
    """Stands in for the turn of such a request."""

    def __init__(
        self,
        body: Mapping[str, Any],
        scope: Scope,
        reason: str,
        prices: Mapping[str, Price] | None = None,
    ) -> None:
        """Args:
        body: the request.
        scope: whose memory it would have been.
        reason: why it went without.
        prices: what models cost, where it is not the list price.
        """
        self._body = body
        self._scope = scope
        self._reason = reason
        self._prices = prices

    def answered(self, answer: Answer) -> Receipt:
        """The receipt. Asks nothing of any part of memory."""
        sizes = [count_message(one, estimate_text) for one in self._body["messages"]]
        fixed = count_fixed(self._body, estimate_text)
        tokens = Tokens(fixed=fixed, window=sum(sizes), full=fixed + sum(sizes))
        account = Account(self._prices, degraded=[self._reason], remarks=[*answer.remarks])
        return account.receipt(
            model=model_in(self._body),
            user_id=self._scope.user_id,
            conversation=self._scope.conversation,
            turn=0,
            in_memory=0,
            tokens=tokens,
            usage=answer.usage,
            hits=(),
        )
