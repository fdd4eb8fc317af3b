"""Who may ask at all: a request goes in, and passes, or is told why not."""

from __future__ import annotations

import hmac
from urllib.parse import SplitResult, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from turnfold.serve.headers import bearer_in, names_of
from turnfold.serve.settings import LOOPBACK_NAMES, ServeSettings
from turnfold.serve.wire import Outgoing, Refused

TOKEN = "x-turnfold-token"  # noqa: S105 - the name of a header
HEALTH = "/healthz"
OWN = "/turnfold"
# Ours, and says nothing of anyone.
_OPEN = frozenset({f"{OWN}/openapi.json", f"{OWN}/docs"})


class Gate:
    """Checks the Host, the Origin and the token, and how many ask at once."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, *, own: str = OWN) -> None:
        """Args:
        app: what is behind it.
        settings: names, token and how many.
        own: the path below which memory is read and changed: never without a token, and the
            token may come as a bearer's.
        """
        self._app = app
        self._settings = settings
        self._own = own
        self._names = frozenset(one.lower() for one in (*LOOPBACK_NAMES, *settings.names))
        self._any_name = bool(settings.token) and not settings.names and not settings.is_loopback
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or say why not (ASGI)."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await Outgoing(send).refuse(refused)
            return
        self._requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1

    def _refusal(self, scope: Scope) -> Refused | None:
        headers = names_of(scope["headers"])
        path: str = scope["path"]
        if not self._is_called(headers.get("host", "")):
            return Refused(421, "invalid_request_error", "this proxy has another host name")
        if not self._is_own_page(headers):
            return Refused(403, "permission_error", "pages of other origins are not answered")
        if path == HEALTH or path in _OPEN:
            return None
        if (wrong := self._token_refusal(path, headers)) is not None:
            return wrong
        if self._requests >= self._settings.most_requests:
            wait = [(b"retry-after", b"1")]
            return Refused(529, "overloaded_error", "too many requests at once", wait)
        return None

    def _is_called(self, host: str) -> bool:
        """Whether a Host is one of ours: one that a page made its own name lead here is not."""
        return self._any_name or _name_of(f"//{host}") in self._names

    def _is_own_page(self, headers: dict[str, str]) -> bool:
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            # A page of another origin; Node's own fetch says "cross-site" nowhere.
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        parts = _parts_of(origin)
        return parts is not None and parts.netloc.lower() == headers.get("host", "").lower()

    def _token_refusal(self, path: str, headers: dict[str, str]) -> Refused | None:
        token = self._settings.token
        is_own = path == self._own or path.startswith(f"{self._own}/")
        if not token:
            if is_own:
                return Refused(
                    403,
                    "permission_error",
                    "memory is read and deleted only where the proxy was started with a token, "
                    "in TURNFOLD_TOKEN",
                )
            return None
        shown = [headers.get(TOKEN, "")]
        if is_own:
            shown.append(bearer_in(headers).strip() or headers.get("authorization", ""))
        if any(hmac.compare_digest(one.encode(), token.encode()) for one in shown):
            return None
        return Refused(401, "authentication_error", f"the header {TOKEN} has no valid token")


def is_ours(path: str) -> bool:
    """Whether a path is never sent on, whoever asks for it."""
    return path in {HEALTH, OWN} or path.startswith(f"{OWN}/")


def _name_of(url: str) -> str:
    parts = _parts_of(url)
    return "" if parts is None else (parts.hostname or "").lower()


def _parts_of(url: str) -> SplitResult | None:
    """None where it cannot be read, as one with half an IPv6 address."""
    try:
        return urlsplit(url)
    except ValueError:
        return None
