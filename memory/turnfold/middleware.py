"""The SDK hook: a request comes in, the rewritten one goes on; two thin shells over a Turn."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread
import httpx2
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, Middleware

from turnfold.archive import Scope
from turnfold.engine import Engine, Outcome, Turn
from turnfold.errors import TurnfoldError
from turnfold.receipt import Receipt
from turnfold.summary import SummaryDraft, SummaryJob
from turnfold.wire import message_of_events

logger = logging.getLogger("turnfold")

# Summaries asked for at once. They share the caller's rate limit.
_SIDE_BY_SIDE = 4

Summarize = Callable[[SummaryJob], SummaryDraft]
SummarizeAsync = Callable[[SummaryJob], Awaitable[SummaryDraft]]
OnReceipt = Callable[[Receipt], None]
_T = TypeVar("_T")


class MemoryMiddleware(Middleware):
    """Gives the requests of one client memory. Made by `Memory.wrap`."""

    def __init__(
        self,
        engine: Engine,
        *,
        user_id: str | None,
        conversation: str,
        summarize: Summarize | None,
        summarize_async: SummarizeAsync | None,
        on_receipt: Sequence[OnReceipt],
        memory: object,
    ) -> None:
        """Args:
        engine: does the work.
        user_id: whose memory; None reads the body's `metadata.user_id`.
        conversation: which conversation of theirs; "" for all there is.
        summarize: writes summaries for a sync client.
        summarize_async: writes summaries for an async client.
        on_receipt: called with the receipt of every answered request.
        memory: the Memory this belongs to.
        """
        self.memory = memory
        self._engine = engine
        self._user_id = user_id
        self._conversation = conversation
        self._summarize = summarize
        self._summarize_async = summarize_async
        self._on_receipt = on_receipt
        self._warned_of_threads = False

    # --- sync ---------------------------------------------------------------------------------

    def handle(
        self, request: APIRequest, call_next: Callable[[APIRequest], APIResponse[Any]]
    ) -> APIResponse[Any]:
        """One HTTP attempt of a sync client."""
        body = self._applicable(request)
        if body is None:
            return call_next(request)
        turn, rewritten = self._guarded(lambda: self._prepare(body)) or (None, body)
        response = call_next(as_sent(request, rewritten))
        return response if turn is None else self._tap(response, turn)

    def _prepare(self, body: Mapping[str, Any]) -> tuple[Turn, Mapping[str, Any]]:
        turn = self._engine.begin(body, self._scope(body))
        if jobs := turn.due():
            turn.accept(self._run(jobs))
        return turn, turn.body()

    def _run(self, jobs: Sequence[SummaryJob]) -> list[Outcome]:
        if len(jobs) == 1:
            return [self._attempt(jobs[0])]
        with ThreadPoolExecutor(min(len(jobs), _SIDE_BY_SIDE), "turnfold-summary") as pool:
            return list(pool.map(self._attempt, jobs))

    def _attempt(self, job: SummaryJob) -> Outcome:
        assert self._summarize is not None
        try:
            return self._summarize(job)
        except Exception as wrong:  # noqa: BLE001 - nothing of a summarizer reaches the user
            return wrong

    def _tap(self, response: APIResponse[Any], turn: Turn) -> APIResponse[Any]:
        raw = response.http_response
        if not raw.is_success:
            return response
        done = functools.partial(self._answered, turn)
        if raw.is_closed:
            self._guarded(lambda: done(_message_of_json(raw)))
        else:
            raw.stream = _Tee(raw, lambda: self._guarded(lambda: done(_message_of_stream(raw))))
        return response

    # --- async --------------------------------------------------------------------------------

    async def handle_async(
        self,
        request: APIRequest,
        call_next: Callable[[APIRequest], Awaitable[AsyncAPIResponse[Any]]],
    ) -> AsyncAPIResponse[Any]:
        """One HTTP attempt of an async client; stores and embedder run in threads."""
        body = self._applicable(request)
        if body is None:
            return await call_next(request)
        turn, rewritten = await self._prepare_async(body)
        response = await call_next(as_sent(request, rewritten))
        return response if turn is None else await self._tap_async(response, turn)

    async def _prepare_async(
        self, body: Mapping[str, Any]
    ) -> tuple[Turn | None, Mapping[str, Any]]:
        turn = await _in_thread(
            lambda: self._guarded(lambda: self._engine.begin(body, self._scope(body)))
        )
        jobs = await _in_thread(lambda: self._guarded(turn.due)) if turn else None
        if turn is None or jobs is None:
            return None, body
        if jobs:
            outcomes = await self._run_async(jobs)
            accepted = await _in_thread(lambda: self._guarded(lambda: turn.accept(outcomes)))
            if accepted is None:
                return None, body
        rewritten = await _in_thread(lambda: self._guarded(turn.body))
        return (None, body) if rewritten is None else (turn, rewritten)

    async def _run_async(self, jobs: Sequence[SummaryJob]) -> list[Outcome]:
        outcomes: list[Outcome] = [TurnfoldError("not run")] * len(jobs)
        free = anyio.Semaphore(_SIDE_BY_SIDE)

        async def attempt(index: int, job: SummaryJob) -> None:
            async with free:
                try:
                    if self._summarize_async is not None:
                        outcomes[index] = await self._summarize_async(job)
                    else:
                        outcomes[index] = await _in_thread(lambda: self._attempt(job))
                except Exception as wrong:  # noqa: BLE001 - nothing of it reaches the user
                    outcomes[index] = wrong

        async with anyio.create_task_group() as group:
            for index, job in enumerate(jobs):
                group.start_soon(attempt, index, job)
        return outcomes

    async def _tap_async(
        self, response: AsyncAPIResponse[Any], turn: Turn
    ) -> AsyncAPIResponse[Any]:
        raw = response.http_response
        if not raw.is_success:
            return response
        done = functools.partial(self._answered, turn)
        if raw.is_closed:
            await _in_thread(lambda: self._guarded(lambda: done(_message_of_json(raw))))
        else:
            raw.stream = _AsyncTee(
                raw, lambda: self._guarded(lambda: done(_message_of_stream(raw)))
            )
        return response

    # --- both ---------------------------------------------------------------------------------

    def _applicable(self, request: APIRequest) -> Mapping[str, Any] | None:
        """The body, if it is one that memory may touch."""
        body = request.json
        if (
            request.method.lower() != "post"
            or request.url.partition("?")[0].rstrip("/") != "/v1/messages"
            or not isinstance(body, Mapping)
            or not isinstance(body.get("messages"), list)
        ):
            return None
        if body.get("thread") is not None:
            if not self._warned_of_threads:
                self._warned_of_threads = True
                logger.warning(
                    "a request carries `thread`, so its history is kept by the API and passes "
                    "without memory; tool_runner(thread=False) sends the history and has memory"
                )
            return None
        return body

    def _scope(self, body: Mapping[str, Any]) -> Scope:
        user_id = self._user_id
        if user_id is None:
            metadata = body.get("metadata")
            named = metadata.get("user_id") if isinstance(metadata, Mapping) else None
            user_id = named if isinstance(named, str) and named else "local"
        return Scope(user_id, self._conversation)

    def _answered(self, turn: Turn, message: Mapping[str, Any] | None) -> None:
        receipt = turn.answered(message)
        logger.debug("turn %d sent %d tokens", receipt.turn, receipt.tokens.sent)
        for tell in self._on_receipt:
            tell(receipt)

    def _guarded(self, step: Callable[[], _T]) -> _T | None:
        """Run a step; None where it failed and the user is to be answered all the same."""
        wrong: Exception
        try:
            return step()
        except Exception as caught:  # noqa: BLE001 - a failing memory must not fail the user
            wrong = caught
        reason = f"{type(wrong).__name__}: {wrong}".partition("\n")[0]
        logger.warning("this request goes without memory: %s", reason)
        if self._engine.policy.on_error == "raise":
            raise wrong if isinstance(wrong, TurnfoldError) else TurnfoldError(reason)
        return None


async def _in_thread(step: Callable[[], _T]) -> _T:
    return await anyio.to_thread.run_sync(step)


def as_sent(request: APIRequest, body: Mapping[str, Any]) -> APIRequest:
    """The request with another body. Unlike `APIRequest.copy` it does not copy the old one."""
    if body is request.json:
        return request
    options = request.options.model_copy()
    options.json_data = dict(body)
    return APIRequest(
        options=options,
        cast_to=request.cast_to,
        stream=request.stream,
        stream_cls=request.stream_cls,
        retries_taken=request.retries_taken,
    )


# --- reading what the caller reads ------------------------------------------------------------


def _message_of_json(raw: httpx2.Response) -> Mapping[str, Any] | None:
    try:
        message = json.loads(raw.content)
    except ValueError:
        return None
    return message if isinstance(message, Mapping) else None


def _message_of_stream(raw: httpx2.Response) -> Mapping[str, Any] | None:
    tee = cast("_Tee | _AsyncTee", raw.stream)
    headers = {
        name: value
        for name, value in raw.headers.items()
        if name.lower() in {"content-encoding", "content-type"}
    }
    try:
        copied = httpx2.Response(200, headers=headers, content=b"".join(tee.seen)).content
    except httpx2.HTTPError:  # compressed, and broken off
        return None
    if "event-stream" in headers.get("content-type", ""):
        return message_of_events(copied)
    try:
        message = json.loads(copied)
    except ValueError:
        return None
    return message if isinstance(message, Mapping) else None


class _Tee(httpx2.SyncByteStream):
    """Passes bytes on as they come and keeps them until the stream closes."""

    def __init__(self, raw: httpx2.Response, done: Callable[[], object]) -> None:
        self._inner = cast("httpx2.SyncByteStream", raw.stream)
        self._done = done
        self._open = True
        self.seen: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self.seen.append(chunk)
            yield chunk

    def close(self) -> None:
        self._inner.close()
        if self._open:
            self._open = False
            self._done()


class _AsyncTee(httpx2.AsyncByteStream):
    """The same for an async client."""

    def __init__(self, raw: httpx2.Response, done: Callable[[], object]) -> None:
        self._inner = cast("httpx2.AsyncByteStream", raw.stream)
        self._done = done
        self._open = True
        self.seen: list[bytes] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self.seen.append(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
        if self._open:
            self._open = False
            with anyio.CancelScope(shield=True):
                await _in_thread(self._done)
