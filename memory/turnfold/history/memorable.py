"""Exchanges go in as they were sent; they come out as memory may keep them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import overload

from turnfold.history.exchanges import Exchange
from turnfold.history.redaction import Redact, redacted


class Memorable(Sequence[Exchange]):
    """Exchanges as memory may keep them, made when asked for.

    One that was forgotten says nothing; the texts of the others are redacted.
    """

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        *,
        forgotten: Container[str] = (),
        redact: Redact | None = None,
    ) -> None:
        """Args:
        exchanges: as they were sent.
        forgotten: content ids of those that were forgotten.
        redact: what to do to each text; None for nothing.
        """
        self._exchanges = exchanges
        self._forgotten = forgotten
        self._redact = redact

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | list[Exchange]:
        if isinstance(index, slice):
            return [self._kept(one) for one in self._exchanges[index]]
        return self._kept(self._exchanges[index])

    def __len__(self) -> int:
        return len(self._exchanges)

    def _kept(self, exchange: Exchange) -> Exchange:
        if exchange.content_id in self._forgotten:
            return replace(exchange, messages=())
        if self._redact is None:
            return exchange
        return replace(exchange, messages=[redacted(m, self._redact) for m in exchange.messages])
