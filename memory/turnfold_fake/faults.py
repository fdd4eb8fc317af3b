"""Faults on demand: what goes wrong, for which requests, how often."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from turnfold_fake.errors import Refusal

Kind: TypeAlias = Literal["chat", "summary", "count_tokens"]
FaultKind: TypeAlias = Literal[
    "rate_limit",
    "server_error",
    "overloaded",
    "timeout",
    "connection",
    "cut_stream",
    "stream_error",
    "prompt_too_long",
    "too_large",
    "bad_signature",
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "empty",
    "truncated",
    "refused",
    "not_json",
]

SPOILED = frozenset({"empty", "truncated", "refused", "not_json"})
"""Faults of the answer's content, where the request succeeds."""
_REFUSED = MappingProxyType(
    {
        "too_large": ("Request exceeds the maximum size", "request_too_large"),
        "bad_request": ("output_config: not supported here", "invalid_request_error"),
        "unauthorized": ("invalid x-api-key", "authentication_error"),
        "forbidden": ("Your key may not use this model", "permission_error"),
        "not_found": ("model: claude-haiku-5-5", "not_found_error"),
    }
)
DROPPED = frozenset({"timeout", "connection"})
"""Faults where no answer comes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        kind: What. `rate_limit` (429), `server_error` (500), `overloaded` (529), `timeout`,
            `connection`; `cut_stream` (the stream ends in mid-block; a connection error where
            nothing is streamed), `stream_error` (an `error` event in mid-stream; a 529 where
            nothing is streamed); `prompt_too_long`, `bad_signature` and `bad_request` (400),
            `too_large` (413), `unauthorized` (401), `forbidden` (403), `not_found` (404: no such
            model); and of the answer's content: `empty`, `truncated` (`max_tokens`, cut in the
            middle), `refused`, `not_json`.
        on: For which requests. None: summaries for faults of the content, else any.
        times: How many requests it hits.
        retry_after: Seconds, sent with a `rate_limit` as the header `retry-after`.
        message: What the error says instead, as other servers do. "" for the API's own words.
    """

    kind: FaultKind
    on: Literal["chat", "summary", "any"] | None = None
    times: int = 1
    retry_after: float | None = None
    message: str = ""

    def hits(self, kind: Kind) -> bool:
        """Whether it is meant for a request of this kind."""
        on = self.on or ("summary" if self.kind in SPOILED else "any")
        return kind != "count_tokens" and on in (kind, "any")

    def refusal(self) -> Refusal | None:
        """The error it answers with, for those that do."""
        refusal = self._refusal()
        if refusal is not None and self.message:
            return Refusal(self.message, refusal.kind, refusal.headers)
        return refusal

    def _refusal(self) -> Refusal | None:
        if self.kind == "rate_limit":
            after = {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}
            message = "This request would exceed your organization's rate limit."
            return Refusal(message, "rate_limit_error", after)
        if self.kind == "server_error":
            return Refusal("Internal server error", "api_error")
        if self.kind == "overloaded":
            return Refusal("Overloaded", "overloaded_error")
        if self.kind == "prompt_too_long":
            return Refusal("prompt is too long: 1000001 tokens > 1000000 maximum")
        if self.kind == "bad_signature":
            return Refusal(
                "messages.1.content.0: Invalid `signature` in `thinking` block. "
                "The block is bound to a different conversation"
            )
        if self.kind in _REFUSED:
            return Refusal(*_REFUSED[self.kind])
        return None


FaultSource: TypeAlias = Iterable[Fault] | Callable[[dict[str, Any], int], Fault | None]


class Faults:
    """The faults still to come. Not thread-safe.

    Args:
        source: Faults in the order they happen, or a function of the request and its number
            among those for messages, counted from 1.
    """

    def __init__(self, source: FaultSource = ()) -> None:
        self._choose = source if callable(source) else None
        self._queue: list[Fault] = [] if callable(source) else list(source)

    def add(self, fault: Fault) -> None:
        """Let a fault happen next, before those already waiting."""
        self._queue.insert(0, fault)

    def take(self, body: dict[str, Any], kind: Kind, number: int) -> Fault | None:
        """The fault that hits this request, if any; it is used up by one."""
        for place, fault in enumerate(self._queue):
            if not fault.hits(kind):
                continue
            if fault.times > 1:
                self._queue[place] = replace(fault, times=fault.times - 1)
            else:
                del self._queue[place]
            return fault
        chosen = self._choose(body, number) if self._choose else None
        return chosen if chosen and chosen.hits(kind) else None
