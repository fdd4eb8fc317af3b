"""The server that answers: requests go on to it, and its responses come back unread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
from anthropic import AsyncAnthropic, omit

from turnfold.serve.headers import Pairs, bearer_in

# Seconds until a connection stands, and without a byte on one that does: the API sends pings.
_CONNECT = 15.0
SILENCE = 3_600.0
# Where a response that was read to see what it says has its bytes as they came.
READ = "turnfold_read"
# Idle connections that are kept, and for so many seconds.
_KEPT = 100
_KEPT_FOR = 5.0
# What a summary needs of the caller's betas: that a token of this kind is taken at all.
_ACCESS_BETA = "oauth-"


class Upstream:
    """One server, with the connections to it."""

    def __init__(
        self,
        url: str,
        *,
        summary_key: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Args:
        url: its base URL.
        summary_key: the key summaries are asked for with; "" for the caller's.
        transport: carries the requests instead of the network.
        """
        self._url = httpx2.URL(url)
        self._prefix = self._url.raw_path.partition(b"?")[0].rstrip(b"/")
        self._summary_key = summary_key
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(SILENCE, connect=_CONNECT, pool=None),
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=_KEPT, keepalive_expiry=_KEPT_FOR
            ),
            # What one caller is given to keep is not for the next one.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            transport=transport,
        )

    async def send(
        self, method: str, target: bytes, headers: Pairs, content: bytes | AsyncIterator[bytes]
    ) -> httpx2.Response:
        """Send a request on; the response is not read yet, and must be closed.

        Args:
            method: of HTTP.
            target: path and query, as they came.
            headers: all of them but the host.
            content: the body, whole or as it comes.

        Raises:
            httpx2.TransportError: it cannot be reached, or did not answer.
        """
        url = self._url.copy_with(raw_path=self._prefix + target)
        request = httpx2.Request(method, url, headers=headers, content=content or None)
        return await self._http.send(request, stream=True)

    def client_of(self, headers: Mapping[str, str]) -> AsyncAnthropic:
        """The client that writes summaries for a caller: with their key, or that of the proxy."""
        betas = [one.strip() for one in headers.get("anthropic-beta", "").split(",")]
        access = ",".join(one for one in betas if one.startswith(_ACCESS_BETA))
        shown: dict[str, Any] = {"anthropic-beta": access} if access else {}
        key = headers.get("x-api-key")
        token = bearer_in(headers)
        # A key is always given: none is to be looked for in the environment of the proxy.
        if self._summary_key:
            auth: dict[str, Any] = {"api_key": self._summary_key}
            shown = {}
        elif key:
            auth, shown = {"api_key": key}, {**shown, "x-api-key": key, "Authorization": omit}
        elif token:
            auth = {"auth_token": token}
        else:
            auth = {"api_key": "none"}
        return AsyncAnthropic(
            **auth, base_url=str(self._url), default_headers=shown, http_client=self._http
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
