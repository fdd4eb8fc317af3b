"""A request of the Messages API goes in; what a cloud answers to it comes out, as the API's.

Bedrock, Vertex and their like have paths, signatures and streams of their own, all of which the
SDK knows: what comes out of here is what the API itself would have answered.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anthropic
import httpx2
from anthropic import APIConnectionError, APIStatusError, APITimeoutError, AsyncAnthropic

from turnfold.errors import MissingDependency, TurnfoldError
from turnfold.serve.headers import Pairs, names_of
from turnfold.serve.settings import CLOUDS
from turnfold.serve.upstream import READ, SILENCE

_NEEDS = {"botocore": "bedrock", "boto3": "bedrock", "google": "vertex"}
_PATHS = ("/v1/messages", "/v1/messages/count_tokens")
_AS_IT_COMES = {"X-Stainless-Raw-Response": "stream", "accept-encoding": "identity"}
_EVENTS_OF_AWS = "application/vnd.amazon.eventstream"
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class Cloud:
    """One cloud, asked with the account of whoever runs the proxy."""

    def __init__(self, client: Any) -> None:
        """Args:
        client: as `cloud_client` makes it: any asynchronous client of the SDK.
        """
        self._client = client

    async def send(
        self, method: str, target: bytes, headers: Pairs, content: bytes | AsyncIterator[bytes]
    ) -> httpx2.Response:
        """Ask the cloud; the response is not read yet, and must be closed. As `Server.send`."""
        path = target.decode("latin-1")
        request = httpx2.Request(method, self._client.base_url)
        if method != "POST" or path.partition("?")[0] not in _PATHS:
            return _said(404, f"the upstream has no {method} {path.partition('?')[0]}", request)
        raw = content if isinstance(content, bytes) else b"".join([one async for one in content])
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return _said(400, "the body is not a JSON object", request)
        if not isinstance(body.get("model"), str):  # some clouds have it in the path
            return _said(400, "model: it has to name the model that is asked", request)
        betas = names_of(headers).get("anthropic-beta")
        asked = {**_AS_IT_COMES, **({"anthropic-beta": betas} if betas else {})}
        try:
            response: httpx2.Response = await self._client.post(
                path,
                cast_to=httpx2.Response,
                body=body,
                options={"headers": asked},
                stream=body.get("stream") is True,
                stream_cls=anthropic.AsyncStream[Any],
            )
        except APIStatusError as wrong:
            return _as_the_api(wrong.response)
        except APITimeoutError as wrong:
            raise httpx2.ReadTimeout(str(wrong)) from wrong
        except APIConnectionError as wrong:
            raise httpx2.ConnectError(str(wrong)) from wrong
        except ModuleNotFoundError as missing:
            return _said(500, str(_missing(missing, type(self._client).__name__)), request)
        except Exception as wrong:  # noqa: BLE001 - a model's name, credentials, a signature
            return _said(400, f"the upstream was not asked: {wrong}", request)
        return self._read(response)

    def _read(self, response: httpx2.Response) -> httpx2.Response:
        if not response.headers.get("content-type", "").startswith(_EVENTS_OF_AWS):
            return response
        kept = [(n, v) for n, v in response.headers.raw if n.lower() not in _OF_BYTES]
        return httpx2.Response(
            response.status_code,
            headers=[*kept, (b"content-type", b"text/event-stream; charset=utf-8")],
            stream=_ServerSent(response, self._client),
            request=response.request,
        )

    def client_of(self, _headers: Mapping[str, str]) -> AsyncAnthropic:
        """The client that writes summaries: the proxy's own, whoever asks."""
        client: AsyncAnthropic = self._client
        return client

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


def cloud_client(name: str) -> Any:
    """The SDK's client for a cloud.

    Args:
        name: one of `CLOUDS`; region, project and credentials are looked for where the SDK does.

    Raises:
        TurnfoldError: what the SDK needs to know is not in the environment, or it knows no such
            cloud.
        MissingDependency: what the SDK needs for it is not installed.
    """
    kind = getattr(anthropic, CLOUDS[name], None)
    if kind is None:
        raise TurnfoldError(
            f"upstream={name!r} needs a newer SDK than anthropic {anthropic.__version__}"
        )
    try:
        return kind(max_retries=0, timeout=SILENCE)
    except ModuleNotFoundError as missing:
        raise _missing(missing, name) from None
    except Exception as wrong:  # noqa: BLE001 - each cloud says in its own way what it misses
        raise TurnfoldError(f"upstream={name!r}: {wrong}") from None


# What is said of bytes that are not passed on as they are.
_OF_BYTES = frozenset({b"content-type", b"content-length", b"content-encoding"})


class _ServerSent(httpx2.AsyncByteStream):
    """Events as AWS frames them, framed as the API does."""

    def __init__(self, response: httpx2.Response, client: Any) -> None:
        self._response = response
        self._decoder = client._make_sse_decoder()  # noqa: SLF001 - the SDK's, of this very client

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for event in self._decoder.aiter_bytes(self._response.aiter_bytes()):
                yield f"event: {event.event}\ndata: {event.data}\n\n".encode()
        except httpx2.TransportError:
            raise
        except Exception as wrong:
            raise httpx2.ReadError(f"the events of the upstream cannot be read: {wrong}") from wrong

    async def aclose(self) -> None:
        await self._response.aclose()


def _as_the_api(response: httpx2.Response) -> httpx2.Response:
    """A refusal that the SDK has read, in the shape of the API's."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and body.get("type") == "error":
        kept = [(n, v) for n, v in response.headers.raw if n.lower() not in _OF_BYTES]
        read = response.content
        return _response(response.status_code, read, kept, response.request)
    told = body if isinstance(body, dict) else {}
    nested = told.get("error")
    nested = nested if isinstance(nested, dict) else {}
    why = told.get("message") or told.get("Message") or nested.get("message") or response.text
    kept = [(n, v) for n, v in response.headers.raw if n.lower() == b"retry-after"]
    return _said(response.status_code, str(why), response.request, kept)


def _said(
    status: int, why: str, request: httpx2.Request, headers: Pairs | None = None
) -> httpx2.Response:
    error = {"type": _KINDS.get(status, "api_error"), "message": why}
    raw = json.dumps({"type": "error", "error": error}).encode()
    return _response(status, raw, headers or [], request)


def _response(status: int, raw: bytes, headers: Pairs, request: httpx2.Request) -> httpx2.Response:
    length = str(len(raw)).encode()
    shown = [*headers, (b"content-type", b"application/json"), (b"content-length", length)]
    return httpx2.Response(
        status,
        headers=shown,
        stream=httpx2.ByteStream(raw),
        request=request,
        extensions={READ: raw},
    )


def _missing(missing: ModuleNotFoundError, name: str) -> MissingDependency | ModuleNotFoundError:
    package = (missing.name or "").partition(".")[0]
    if package not in _NEEDS:
        return missing
    return MissingDependency(package, extra=_NEEDS[package], feature=f"turnfold serve at {name}")
