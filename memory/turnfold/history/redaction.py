"""A message goes in; what of its texts memory may keep comes out.

A redaction is applied where messages are named, and before anything is stored or shown to a
summarizer. Ids are digests of the redacted text: a digest of the text as it was would let
whoever holds the store try out what stood there. So the same text must always be redacted
alike, and what was redacted must stay as it is when it is redacted again: then a history read
back from the store is the same history.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from turnfold.errors import PolicyError, failure
from turnfold.history.exchanges import Exchange

Redact = Callable[[str], str]

# What holds a message together and says nothing that a person wrote.
_STRUCTURE = frozenset(
    {
        "role",
        "type",
        "id",
        "name",
        "tool_use_id",
        "file_id",
        "signature",
        "media_type",
        "cache_control",
        "encrypted_content",
        "encrypted_index",
    }
)
# A picture, a file, sealed thinking: `data` is not text, and broken after a change.
_BINARY = frozenset({"base64", "redacted_thinking"})


def clean(text: str, redact: Redact) -> str:
    """A text redacted.

    Raises:
        PolicyError: the redaction failed, or gives something that is no text.
    """
    try:
        said = redact(text)
    except BaseException as caught:  # noqa: BLE001 - it may raise anything
        wrong = failure(caught)
        raise PolicyError(f"redact failed for a text: {type(wrong).__name__}: {wrong}") from wrong
    if not isinstance(said, str):
        raise PolicyError(f"redact must give a text for a text, not {type(said).__name__}")
    return said


def redacted(message: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    """A copy of a message with every text redacted: those of tool calls and results, too.

    Raises:
        PolicyError: as `clean`.
    """
    copy = _redacted(message, redact, _STRUCTURE)
    assert isinstance(copy, dict)
    return copy


def _redacted(value: Any, redact: Redact, as_it_is: frozenset[str]) -> Any:
    if isinstance(value, str):
        return clean(value, redact)
    if isinstance(value, Mapping):
        binary = as_it_is and value.get("type") in _BINARY
        kept = as_it_is | {"data"} if binary else as_it_is
        return {
            # What a tool is given is free: an "id" in it may be anything.
            name: inner
            if name in kept
            else _redacted(inner, redact, frozenset() if name == "input" else as_it_is)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(inner, redact, as_it_is) for inner in value]
    return value


class RedactedExchanges(Sequence[Exchange]):
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
