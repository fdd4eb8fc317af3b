"""What a proxy is told when it starts; checked here, before anything is opened."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

import httpx2

from turnfold.errors import TurnfoldError

Wall = Literal["name", "key"]

CLOUDS: Mapping[str, str] = {
    "aws": "AsyncAnthropicAWS",
    "bedrock": "AsyncAnthropicBedrock",
    "bedrock-mantle": "AsyncAnthropicBedrockMantle",
    "foundry": "AsyncAnthropicFoundry",
    "google-cloud": "AsyncAnthropicGoogleCloud",
    "vertex": "AsyncAnthropicVertex",
}
"""Upstreams that are no URL, and the SDK's clients for them."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SUMMARY_KEY = "TURNFOLD_SUMMARY_KEY"  # of the environment
_LEAST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How a proxy listens, whom it asks, and whom it answers.

    Attributes:
        upstream: base URL of the server that answers, such as "https://api.anthropic.com"; or
            one of `CLOUDS`, which is asked with the account the proxy's own environment names.
        host: the address to listen at. One that is not loopback needs a token.
        port: 0 to 65535; 0 for any that is free.
        token: what every request must bring in `x-turnfold-token`, and programs that read or
            delete memory in any case; "" for none: then those are not served.
        names: host names by which the proxy may be called, besides loopback's. None given, and
            a token: any name.
        wall: "name": users are told apart by their names alone, as `Memory.wrap` does, and who
            may ask at all is trusted with them. "key": each API key has users of its own.
        keep_first: exchanges at the beginning that are never folded for coding agents, whose
            first message carries standing reminders; 0 or more.
        most_requests: requests at once; more are told to come again.
        summary_key: API key that summaries are written with: by default TURNFOLD_SUMMARY_KEY of
            the environment; "" for that of the caller.

    Raises:
        TurnfoldError: a value does not fit; says which and why.
    """

    upstream: str = "https://api.anthropic.com"
    host: str = "127.0.0.1"
    port: int = 8484
    token: str = field(default="", repr=False)
    names: tuple[str, ...] = ()
    wall: Wall = "name"
    keep_first: int = 1
    most_requests: int = 1_000
    summary_key: str = field(repr=False, default_factory=lambda: os.environ.get(SUMMARY_KEY, ""))

    def __post_init__(self) -> None:
        parts = _parts_of(self.upstream)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and not parts.query
        if not is_url and self.upstream not in CLOUDS:
            raise TurnfoldError(
                f"upstream={self.upstream!r} must be a URL such as https://api.anthropic.com, or "
                f"a cloud: {', '.join(CLOUDS)}"
            )
        if parts.path.rstrip("/").endswith(("/v1", "/v1/messages")):
            raise TurnfoldError(
                f"upstream={self.upstream!r} must be a base URL, which ends before /v1: requests "
                "bring that along"
            )
        if not self.is_loopback and not self.token:
            raise TurnfoldError(
                f"host={self.host!r} can be reached from other machines: give a token as well, "
                "in TURNFOLD_TOKEN"
            )
        if self.token and (len(self.token) < _LEAST_TOKEN or not self.token.isascii()):
            raise TurnfoldError(f"a token must have at least {_LEAST_TOKEN} ASCII characters")
        if self.wall not in get_args(Wall):
            raise TurnfoldError(f"wall={self.wall!r} is not known; choose 'name' or 'key'")
        for name, least, most in (("port", 0, 65_535), ("keep_first", 0, None)):
            self._whole(name, least, most)
        self._whole("most_requests", 1, None)

    def _whole(self, name: str, least: int, most: int | None) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or value < least or (most is not None and value > most):
            upper = "" if most is None else f" and at most {most}"
            raise TurnfoldError(
                f"{name}={value!r} must be a whole number of at least {least}{upper}"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach the proxy."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def _parts_of(url: str) -> SplitResult:
    """The parts of a URL; those of none where it cannot be read."""
    try:
        httpx2.URL(url)
        return urlsplit(url)
    except (ValueError, httpx2.InvalidURL):
        return urlsplit("")
