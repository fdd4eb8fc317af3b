"""The SDK hook: a request comes in, the rewritten one goes on; two thin shells over a Turn."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import httpx2
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, Middleware

from turnfold.engine.runtime import Process
from turnfold.engine.turn import Turn
from turnfold.errors import failure
from turnfold.request.refusals import read_refusal
from turnfold.resilience.worker_threads import on_asyncio
from turnfold.sdk.attempt import Attempt, OnReceipt, as_sent
from turnfold.sdk.background import AsyncDesk, Background, Desk
from turnfold.sdk.bounds import Bounds
from turnfold.sdk.response_tap import (
    AsyncTee,
    Message,
    Tee,
    aload,
    content_of,
    load,
    message_in,
    raw_response,
)
from turnfold.sdk.turn_requests import other_than_turn, sends_messages
from turnfold.summaries.notes import Outcome, SummaryDraft, SummaryJob
from turnfold.summarizers.reconciling import AsyncReconciler, Reconciler, compare, compare_async

logger = logging.getLogger("turnfold")

# Seconds between two looks whether someone else's summary is there.
_POLL = 0.05
# Times the deadline of a turn that a summary in the background may take.
_PATIENCE = 2
_LEAST_PATIENCE = 60.0

Summarize = Callable[[SummaryJob], SummaryDraft]
SummarizeAsync = Callable[[SummaryJob], Awaitable[SummaryDraft]]
_T = TypeVar("_T")


class MemoryMiddleware(Middleware):
    """Gives the requests of one client memory. Made by `Memory.wrap`."""

    def __init__(
        self,
        process: Process,
        background: Background,
        bounds: Bounds,
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
        bounds: the threads that steps run in.
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
        self._bounds = bounds
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
        attempt = self._attempt_at(request)
        if attempt is None:
            return call_next(request)
        attempt.guard(lambda: self._prepare(attempt))
        response = call_next(as_sent(request, attempt.sends))
        if (refused := _refused(response)) is not None:
            load(refused)
            mended = attempt.guard(lambda: self._mended(attempt, refused))
            if mended is not None:
                refused.close()
                response = call_next(as_sent(request, mended))
        attempt.guard(lambda: self._tap(attempt, response), blames=False)
        return response

    def _prepare(self, attempt: Attempt) -> None:
        self._bounds.store.admit()
        background = self._has_background
        turn = self._step(attempt, lambda: attempt.begin(background=background))
        if turn is None:
            return
        self._fold(attempt, turn)
        attempt.made(turn, self._step(attempt, turn.body))
        if (chore := turn.ahead()) is not None:
            self._background.start(chore, self._desk)

    def _mended(self, attempt: Attempt, refused: httpx2.Response) -> Mapping[str, Any] | None:
        turn = attempt.turn
        refusal = read_refusal(refused.status_code, content_of(refused))
        if turn is None or refusal is None:
            return attempt.without_thinking(refusal)
        if not self._step(attempt, partial(turn.mend, refusal)):
            return None
        self._fold(attempt, turn)
        return self._step(attempt, turn.body)

    def _fold(self, attempt: Attempt, turn: Turn) -> None:
        """Have the summaries written that the turn cannot do without, and wait as long as it may.

        What comes too late is written all the same: a later turn takes it.
        """
        more = turn.folds
        while more:
            seconds = self._process.learned.patience.within(attempt.left)
            ends = time.monotonic() + seconds
            if (chore := turn.ahead()) is not None and chore.urgent:
                self._background.work_for(chore, self._desk, seconds)
            while time.monotonic() < ends and self._step(attempt, turn.waits):
                time.sleep(_POLL)
            more = self._step(attempt, turn.settle)

    def _ask(self, job: SummaryJob) -> Outcome:
        assert self._summarize is not None
        try:
            with self._bounds.summarizer.watching():
                return self._summarize(job)
        except BaseException as wrong:  # noqa: BLE001 - nothing of a summarizer reaches the user
            return failure(wrong)

    def _step(self, attempt: Attempt, step: Callable[[], _T]) -> _T:
        """Take a step in a thread that is left behind if it hangs.

        What such a thread still writes does no harm: plans, nodes and folds are written once,
        whoever writes them.
        """
        return self._bounds.turns.do(step, attempt.left)

    def _tap(self, attempt: Attempt, response: object) -> None:
        raw = raw_response(response)
        if not _has_answer(attempt, raw):
            return

        def done(message: Message) -> None:
            turn, receipt = attempt.begin_to_finish(), None
            if turn is not None:
                told = partial(turn.answered, message)
                receipt = attempt.guard(lambda: self._step(attempt, told))
            attempt.guard(lambda: attempt.tell(receipt, message), blames=False)

        attempt.expect_answer()
        if raw is None or raw.is_closed:
            done(message_in(raw))
        else:
            raw.stream = Tee(raw, done)

    # --- async --------------------------------------------------------------------------------

    async def handle_async(
        self,
        request: APIRequest,
        call_next: Callable[[APIRequest], Awaitable[AsyncAPIResponse[Any]]],
    ) -> AsyncAPIResponse[Any]:
        """One HTTP attempt of an async client; stores and embedder run in threads."""
        attempt = self._attempt_at(request)
        if attempt is None:
            return await call_next(request)
        await attempt.guard_async(lambda: self._prepare_async(attempt))
        response = await call_next(as_sent(request, attempt.sends))
        if (refused := _refused(response)) is not None:
            await aload(refused)
            mended = await attempt.guard_async(lambda: self._mended_async(attempt, refused))
            if mended is not None:
                await refused.aclose()
                response = await call_next(as_sent(request, mended))
        await attempt.guard_async(lambda: self._tap_async(attempt, response), blames=False)
        return response

    async def _prepare_async(self, attempt: Attempt) -> None:
        self._bounds.store.admit()
        background = self._has_background and on_asyncio()
        turn = await self._step_async(attempt, lambda: attempt.begin(background=background))
        if turn is None:
            return
        await self._fold_async(attempt, turn)
        attempt.made(turn, await self._step_async(attempt, turn.body))
        if (chore := turn.ahead()) is not None:
            self._background.start_on_loop(chore, self._async_desk)

    async def _mended_async(
        self, attempt: Attempt, refused: httpx2.Response
    ) -> Mapping[str, Any] | None:
        turn = attempt.turn
        refusal = read_refusal(refused.status_code, content_of(refused))
        if turn is None or refusal is None:
            return attempt.without_thinking(refusal)
        if not await self._step_async(attempt, partial(turn.mend, refusal)):
            return None
        await self._fold_async(attempt, turn)
        return await self._step_async(attempt, turn.body)

    async def _fold_async(self, attempt: Attempt, turn: Turn) -> None:
        more = turn.folds
        while more:
            seconds = self._process.learned.patience.within(attempt.left)
            ends = time.monotonic() + seconds
            if (chore := turn.ahead()) is not None and chore.urgent:
                await self._background.work_for_on_loop(chore, self._async_desk, seconds)
            while (  # noqa: ASYNC110 - what changes is in the ledger
                time.monotonic() < ends and await self._step_async(attempt, turn.waits)
            ):
                await anyio.sleep(_POLL)
            more = await self._step_async(attempt, turn.settle)

    async def _ask_async(self, job: SummaryJob) -> Outcome:
        try:
            if self._summarize_async is None:
                seconds = max(_LEAST_PATIENCE, _PATIENCE * self._process.policy.deadline)
                return await self._bounds.summaries.do_async(partial(self._ask, job), seconds)
            with self._bounds.summarizer.watching():
                return await self._summarize_async(job)
        except BaseException as wrong:  # noqa: BLE001 - nothing of a summarizer reaches the user
            return failure(wrong)

    async def _step_async(self, attempt: Attempt, step: Callable[[], _T]) -> _T:
        return await self._bounds.turns.do_async(step, attempt.left)

    async def _tap_async(self, attempt: Attempt, response: object) -> None:
        raw = raw_response(response)
        if not _has_answer(attempt, raw):
            return

        async def done(message: Message) -> None:
            turn, receipt = attempt.begin_to_finish(), None
            if turn is not None:
                told = partial(turn.answered, message)
                receipt = await attempt.guard_async(lambda: self._step_async(attempt, told))
            tell = partial(anyio.to_thread.run_sync, attempt.tell, receipt, message)
            await attempt.guard_async(tell, blames=False)

        attempt.expect_answer()
        if raw is None or raw.is_closed:
            await done(message_in(raw))
        else:
            raw.stream = AsyncTee(raw, done)

    # --- both ---------------------------------------------------------------------------------

    def _attempt_at(self, request: APIRequest) -> Attempt | None:
        """What memory does about a request; None for one that it may not touch."""
        body = request.json
        if not sends_messages(request.method, request.url, body):
            return None
        assert isinstance(body, Mapping)
        if (other := other_than_turn(body)) is not None:
            if other.advice and other.field not in self._advised:
                self._advised.add(other.field)
                logger.warning("%s", other.advice)
            return None
        return Attempt(
            body,
            process=self._process,
            bounds=self._bounds,
            user_id=self.user_id,
            conversation=self._conversation,
            zone=self._zone,
            on_receipt=self._on_receipt,
        )

    @property
    def _desk(self) -> Desk:
        asked = self._summarize
        if not isinstance(asked, Reconciler):
            return Desk(self._ask)
        return Desk(self._ask, partial(compare, asked))

    @property
    def _async_desk(self) -> AsyncDesk:
        asked = self._summarize_async
        if not isinstance(asked, AsyncReconciler):
            return AsyncDesk(self._ask_async)
        return AsyncDesk(self._ask_async, partial(compare_async, asked))

    @property
    def _has_background(self) -> bool:
        policy, background = self._process.policy, self._background
        patient = policy.background == "on"
        return policy.prepares and background.is_open and (patient or background.keeps_up)


def _refused(response: object) -> httpx2.Response | None:
    """The response, if the API refused the request for what stands in it."""
    raw = raw_response(response)
    return raw if raw is not None and raw.status_code == httpx2.codes.BAD_REQUEST else None


def _has_answer(attempt: Attempt, raw: httpx2.Response | None) -> bool:
    """Whether there is something to be told: an answer, and a receipt of it."""
    return attempt.is_told and (raw is None or raw.is_success)
