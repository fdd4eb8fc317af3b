"""The SDK hook: a request comes in, the rewritten one goes on; two thin shells over a Turn."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, Middleware

from turnfold.account import Account
from turnfold.admission import other_than_turn, sends_messages
from turnfold.background import AsyncDesk, Background, Desk
from turnfold.engine import Turn
from turnfold.errors import TurnfoldError, clean
from turnfold.folding import Outcome
from turnfold.pricing import Usage
from turnfold.process import Process
from turnfold.receipt import Receipt, Tokens
from turnfold.reconciling import AsyncReconciler, Reconciler, compare, compare_async
from turnfold.refusals import Refusal, read_refusal
from turnfold.report import current_span, report
from turnfold.scope import LOCAL_USER, Scope, scope_of
from turnfold.side_by_side import SIDE_BY_SIDE, side_by_side
from turnfold.summary import SummaryDraft, SummaryJob
from turnfold.thinking import strip_thinking
from turnfold.tokens import count_fixed, count_message, estimate_text
from turnfold.wire import AsyncTee, Tee, message_of_json

logger = logging.getLogger("turnfold")

# Seconds between two looks whether someone else's summary is there.
_POLL = 0.05

Summarize = Callable[[SummaryJob], SummaryDraft]
SummarizeAsync = Callable[[SummaryJob], Awaitable[SummaryDraft]]
OnReceipt = Callable[[Receipt], None]
_T = TypeVar("_T")


class MemoryMiddleware(Middleware):
    """Gives the requests of one client memory. Made by `Memory.wrap`."""

    def __init__(
        self,
        process: Process,
        background: Background,
        *,
        user_id: str | None,
        conversation: str,
        summarize: Summarize | None,
        summarize_async: SummarizeAsync | None,
        on_receipt: Sequence[OnReceipt],
        memory: object,
        zone: tzinfo | None = None,
    ) -> None:
        """Args:
        process: begins the turns.
        background: where folds are prepared.
        user_id: whose memory; None reads the body's `metadata.user_id`.
        conversation: which conversation of theirs; "" for all there is.
        summarize: writes summaries for a sync client.
        summarize_async: writes summaries for an async client.
        on_receipt: called with the receipt of every answered request.
        memory: the Memory this belongs to.
        zone: by whose days time is told; None for the policy's.
        """
        self.memory = memory
        self._process = process
        self._background = background
        self.user_id = user_id
        self._conversation = conversation
        self._summarize = summarize
        self._summarize_async = summarize_async
        self._on_receipt = on_receipt
        self._zone = zone
        self._advised: set[str] = set()  # fields that were warned of

    # --- sync ---------------------------------------------------------------------------------

    def handle(
        self, request: APIRequest, call_next: Callable[[APIRequest], APIResponse[Any]]
    ) -> APIResponse[Any]:
        """One HTTP attempt of a sync client."""
        body = self._applicable(request)
        if body is None:
            return call_next(request)
        limit = Deadline(self._process.policy.deadline)
        turn, rewritten = self._bounded(limit, lambda: self._prepare(body, limit)) or (None, body)
        response = call_next(as_sent(request, rewritten))
        if turn is None:
            refusal = _refusal_in(response, response.http_response.read)
            if refusal is not None and refusal.kind == "thinking":
                response.http_response.close()
                response = call_next(as_sent(request, _thoughtless(body)))
            return self._tap(response, self._bypass(body, limit)) if limit.reason else response
        if refusal := _refusal_in(response, response.http_response.read):
            mended = self._bounded(limit, lambda: self._mend(turn, refusal))
            if mended is not None:
                response.http_response.close()
                response = call_next(as_sent(request, mended))
        return self._tap(response, turn)

    def _prepare(
        self, body: Mapping[str, Any], limit: Deadline
    ) -> tuple[Turn, Mapping[str, Any]] | None:
        turn = self._begin(body, limit, background=self._has_background)
        if turn is None:
            return None
        while turn.waits():
            time.sleep(_POLL)
        while jobs := turn.due():
            turn.accept(self._run(jobs))
        rewritten = turn.body()
        if (chore := turn.ahead()) is not None:
            self._background.start(chore, self._desk)
        return turn, rewritten

    def _mend(self, turn: Turn, refusal: Refusal) -> Mapping[str, Any] | None:
        if not turn.mend(refusal):
            return None
        folded = -1
        while jobs := turn.due():
            folded = turn.accept(self._run(jobs))
        return turn.body() if folded else None

    def _run(self, jobs: Sequence[SummaryJob]) -> list[Outcome]:
        if len(jobs) == 1:
            return [self._attempt(jobs[0])]
        return side_by_side(self._attempt, jobs, name="turnfold-summary")

    def _attempt(self, job: SummaryJob) -> Outcome:
        assert self._summarize is not None
        try:
            return self._summarize(job)
        except Exception as wrong:  # noqa: BLE001 - nothing of a summarizer reaches the user
            return wrong

    def _bounded(self, limit: Deadline, step: Callable[[], _T | None]) -> _T | None:
        """Run a guarded step within the deadline, in a thread that is left behind if it hangs.

        What such a thread still writes does no harm: plans, nodes and folds are written once,
        whoever writes them.
        """
        done = threading.Event()
        outcome: list[_T | None] = []
        raised: list[BaseException] = []

        def work() -> None:
            try:
                outcome.append(self._guarded(step, limit))
            except BaseException as wrong:  # noqa: BLE001 - carried over to the caller's thread
                raised.append(wrong)
            finally:
                done.set()

        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(work,), name="turnfold-turn", daemon=True
        ).start()
        if not done.wait(limit.left):
            self._too_late(limit)
            return None
        if raised:
            raise raised[0]
        return outcome[0]

    def _tap(self, response: APIResponse[Any], turn: Turn | Bypass) -> APIResponse[Any]:
        raw = response.http_response
        if not raw.is_success:
            return response
        done = self._telling(turn)
        if raw.is_closed:
            done(message_of_json(raw))
        else:
            raw.stream = Tee(raw, done)
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
        limit = Deadline(self._process.policy.deadline)
        prepared = await self._bounded_async(limit, lambda: self._prepare_async(body, limit))
        turn, rewritten = prepared or (None, body)
        response = await call_next(as_sent(request, rewritten))
        if not response.http_response.is_success:
            await response.http_response.aread()
        if turn is None:
            refusal = _refusal_in(response)
            if refusal is not None and refusal.kind == "thinking":
                response = await call_next(as_sent(request, _thoughtless(body)))
            if not limit.reason:
                return response
            return await self._tap_async(response, self._bypass(body, limit))
        if refusal := _refusal_in(response):
            mended = await self._bounded_async(limit, lambda: self._mend_async(turn, refusal))
            if mended is not None:
                response = await call_next(as_sent(request, mended))
        return await self._tap_async(response, turn)

    async def _prepare_async(
        self, body: Mapping[str, Any], limit: Deadline
    ) -> tuple[Turn, Mapping[str, Any]] | None:
        background = self._has_background and _on_asyncio()
        turn = await _in_thread(lambda: self._begin(body, limit, background=background))
        if turn is None:
            return None
        while await _in_thread(turn.waits):  # noqa: ASYNC110 - what changes is in the ledger
            await anyio.sleep(_POLL)
        while jobs := await _in_thread(turn.due):
            outcomes = await self._run_async(jobs)
            await _in_thread(partial(turn.accept, outcomes))
        rewritten = await _in_thread(turn.body)
        if (chore := turn.ahead()) is not None:
            self._background.start_on_loop(chore, self._async_desk)
        return turn, rewritten

    async def _mend_async(self, turn: Turn, refusal: Refusal) -> Mapping[str, Any] | None:
        if not await _in_thread(lambda: turn.mend(refusal)):
            return None
        folded = -1
        while jobs := await _in_thread(turn.due):
            outcomes = await self._run_async(jobs)
            folded = await _in_thread(partial(turn.accept, outcomes))
        return await _in_thread(turn.body) if folded else None

    async def _run_async(self, jobs: Sequence[SummaryJob]) -> list[Outcome]:
        outcomes: list[Outcome] = [TurnfoldError("not run")] * len(jobs)
        free = anyio.Semaphore(SIDE_BY_SIDE)

        async def attempt(index: int, job: SummaryJob) -> None:
            async with free:
                outcomes[index] = await self._attempt_async(job)

        async with anyio.create_task_group() as group:
            for index, job in enumerate(jobs):
                group.start_soon(attempt, index, job)
        return outcomes

    async def _attempt_async(self, job: SummaryJob) -> Outcome:
        try:
            if self._summarize_async is not None:
                return await self._summarize_async(job)
            return await _in_thread(lambda: self._attempt(job))
        except Exception as wrong:  # noqa: BLE001 - nothing of a summarizer reaches the user
            return wrong

    async def _bounded_async(
        self, limit: Deadline, step: Callable[[], Awaitable[_T | None]]
    ) -> _T | None:
        """Run a step within the deadline; None where it failed or came too late."""
        wrong: Exception | None = None
        with anyio.move_on_after(limit.left) as watch:
            try:
                return await step()
            except Exception as caught:  # noqa: BLE001 - must not fail the user
                wrong = caught
        if wrong is not None:
            self._without_memory(wrong, limit)
        elif watch.cancelled_caught:
            self._too_late(limit)
        return None

    async def _tap_async(
        self, response: AsyncAPIResponse[Any], turn: Turn | Bypass
    ) -> AsyncAPIResponse[Any]:
        raw = response.http_response
        if not raw.is_success:
            return response
        done = self._telling(turn)
        if raw.is_closed:
            await _in_thread(lambda: done(message_of_json(raw)))
        else:
            raw.stream = AsyncTee(raw, done)
        return response

    # --- both ---------------------------------------------------------------------------------

    def _applicable(self, request: APIRequest) -> Mapping[str, Any] | None:
        """The body, if it is one that memory may touch."""
        body = request.json
        if not sends_messages(request.method, request.url, body):
            return None
        assert isinstance(body, Mapping)
        if (other := other_than_turn(body)) is not None:
            if other.advice and other.field not in self._advised:
                self._advised.add(other.field)
                logger.warning("%s", other.advice)
            return None
        return body

    @property
    def _desk(self) -> Desk:
        asked = self._summarize
        if not isinstance(asked, Reconciler):
            return Desk(self._attempt)
        return Desk(self._attempt, partial(compare, asked))

    @property
    def _async_desk(self) -> AsyncDesk:
        asked = self._summarize_async
        if not isinstance(asked, AsyncReconciler):
            return AsyncDesk(self._attempt_async)
        return AsyncDesk(self._attempt_async, partial(compare_async, asked))

    @property
    def _has_background(self) -> bool:
        policy, background = self._process.policy, self._background
        patient = policy.background == "on"
        return policy.prepares and background.is_open and (patient or background.keeps_up)

    def _scope(self, body: Mapping[str, Any]) -> Scope:
        return scope_of(body, self.user_id, self._conversation)

    def _begin(self, body: Mapping[str, Any], limit: Deadline, *, background: bool) -> Turn | None:
        scope = self._scope(body)
        turn = self._process.begin(body, scope, background=background, zone=self._zone)
        if turn is not None:
            limit.on_giving_up(partial(self._process.leave, turn, scope))
        return turn

    def _bypass(self, body: Mapping[str, Any], limit: Deadline) -> Bypass:
        try:
            scope = self._scope(body)
        except TurnfoldError:  # that is why it goes without
            scope = Scope(self.user_id or LOCAL_USER, self._conversation)
        return Bypass(body, scope, limit.reason)

    def _telling(self, turn: Turn | Bypass) -> Callable[[Mapping[str, Any] | None], None]:
        """What to do with the answer to a turn."""
        span = current_span()

        def tell(receipt: Receipt) -> None:
            report(receipt, span)
            for each in self._on_receipt:
                each(receipt)

        def guarded(message: Mapping[str, Any] | None) -> None:
            limit = Deadline(self._process.policy.deadline)
            receipt = self._bounded(limit, lambda: turn.answered(message))
            if receipt is not None:
                self._guarded(lambda: tell(receipt))

        return guarded

    def _guarded(self, step: Callable[[], _T], limit: Deadline | None = None) -> _T | None:
        """Run a step; None where it failed and the user is to be answered all the same."""
        wrong: Exception
        try:
            return step()
        except Exception as caught:  # noqa: BLE001 - a failing memory must not fail the user
            wrong = caught
        self._without_memory(wrong, limit)
        return None

    def _without_memory(self, wrong: Exception, limit: Deadline | None = None) -> None:
        """Say that memory failed; raise it, as an error of ours, where that is wanted."""
        reason = f"{type(wrong).__name__}: {wrong}".partition("\n")[0]
        if limit is not None:
            limit.give_up(f"memory: {reason}")
        logger.warning("this request goes without memory: %s", reason)
        if self._process.policy.on_error == "raise":
            raise clean(wrong, "memory failed")

    def _too_late(self, limit: Deadline) -> None:
        wrong = TurnfoldError(f"memory was not ready within its deadline of {limit.seconds:g} s")
        self._without_memory(wrong, limit)


class Bypass:
    """Stands in for the turn of a request that went without memory."""

    def __init__(self, body: Mapping[str, Any], scope: Scope, reason: str) -> None:
        self._body = body
        self._scope = scope
        self._reason = reason

    def answered(self, message: Mapping[str, Any] | None) -> Receipt:
        """The receipt, which says why."""
        usage = Usage.from_api(message.get("usage") if message else None)
        sizes = [count_message(one, estimate_text) for one in self._body["messages"]]
        fixed = count_fixed(self._body, estimate_text)
        tokens = Tokens(fixed=fixed, window=sum(sizes), full=fixed + sum(sizes))
        account = Account(degraded=[self._reason])
        return account.receipt(
            model=str(self._body.get("model", "")),
            scope=self._scope,
            turn=0,
            in_memory=0,
            tokens=tokens,
            usage=usage,
            hits=(),
        )


class Deadline:
    """What is left of the time one turn may take, and why memory gave up, if it did."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.reason = ""
        self._ends = time.monotonic() + seconds
        self._leave: Callable[[], None] | None = None

    def on_giving_up(self, leave: Callable[[], None]) -> None:
        """What to do when memory gives up; done at once, if it has. It may be done twice."""
        self._leave = leave
        if self.reason:
            leave()

    def give_up(self, reason: str) -> None:
        """Memory failed, or came too late."""
        self.reason = reason
        if self._leave is not None:
            self._leave()

    @property
    def left(self) -> float:
        """Seconds; not below 0."""
        return max(0.0, self._ends - time.monotonic())


def _on_asyncio() -> bool:
    """Whether tasks can be left on the running event loop; on trio they cannot."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _thoughtless(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without thinking that was made behind memory, for a turn that goes without."""
    return {**body, "messages": strip_thinking(body["messages"])}


def _refusal_in(
    response: APIResponse[Any] | AsyncAPIResponse[Any],
    load: Callable[[], object] = lambda: None,
) -> Refusal | None:
    """The refusal in an error response, once its body is loaded."""
    if response.http_response.is_success:
        return None
    load()
    return read_refusal(response.status_code, response.http_response.content)


async def _in_thread(step: Callable[[], _T]) -> _T:
    return await anyio.to_thread.run_sync(step, abandon_on_cancel=True)


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
