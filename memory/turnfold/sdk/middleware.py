"""The SDK hook: a request comes in, the rewritten one goes on.

What is done at an attempt is one script, for sync and async clients alike; `handle` and
`handle_async` play it, each waiting for its effects in its own way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
import httpx2
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, Middleware

from turnfold.accounting.answer import Answer
from turnfold.engine.runtime import Runtime
from turnfold.engine.turn import Turn
from turnfold.history.plain import model_in, plain_body
from turnfold.policy import Policy
from turnfold.request.refusals import Refusal
from turnfold.resilience.signals import on_asyncio
from turnfold.scope import Whose
from turnfold.sdk.attempt import Attempt, as_sent
from turnfold.sdk.attempt_effects import Await, Prepare, Tap, Tell
from turnfold.sdk.background import Background
from turnfold.sdk.late_imports import import_propagators
from turnfold.sdk.listeners import OnReceipt, run, run_async
from turnfold.sdk.response_tap import AsyncTee, Tee, answer_in, raw_response
from turnfold.sdk.sending import (
    carry,
    carry_async,
    mended_without_memory,
    pass_on,
    pass_on_async,
    sent,
)
from turnfold.sdk.tool_runner import REMARK, asks_for_thread, with_history
from turnfold.sdk.turn_requests import counts_messages, other_than_turn, sends_messages
from turnfold.summaries.notes import SummaryDraft, SummaryJob
from turnfold.summarizers.driver import (
    Do,
    LoopPlayer,
    Player,
    Script,
    Sleep,
    once,
    play,
    play_on_loop,
)
from turnfold.summarizers.in_parallel import InThread
from turnfold.summarizers.writers import Writers

logger = logging.getLogger("turnfold")

# Seconds between two looks whether someone else's summary is there.
_POLL = 0.05
# Times the deadline of a turn that a summary in the background may take.
_PATIENCE = 2
_LEAST_PATIENCE = 60.0

# Where the HTTP response of a turn has its `Outlook`, among its extensions.
OUTLOOK = "turnfold"

_T = TypeVar("_T")


class MemoryMiddleware(Middleware):
    """Gives the requests of one client memory. Made by `Memory.wrap`."""

    def __init__(
        self,
        process: Runtime,
        background: Background,
        *,
        whose: Whose,
        writers: Writers,
        on_receipt: Sequence[OnReceipt],
        memory: object,
        policy: Policy | None = None,
    ) -> None:
        """Args:
        process: begins the turns.
        background: where folds are prepared, and the threads that steps run in.
        whose: memory, and which conversation of theirs.
        writers: who writes summaries for this client.
        on_receipt: each called with the receipt of every answered request.
        memory: the Memory this belongs to.
        policy: the settings of its turns; None for those of the process.
        """
        self.memory = memory
        self._process = process
        self._background = background
        self._bounds = background.bounds
        self.whose = whose
        self._writers = writers
        self._on_receipt = on_receipt
        self._policy = policy
        self._advised: set[str] = set()  # what was said once
        self._remark = ""  # what the next receipt says
        import_propagators()

    # --- what is done at an attempt -----------------------------------------------------------

    def _served(self, attempt: Attempt, *, background: bool) -> Script[Any]:
        """One HTTP attempt: what is sent, what is sent again, and who is told of the answer."""
        yield from attempt.guarded(self._prepared(attempt, background=background))
        mended = partial(self._mended, attempt)
        response = yield from sent(attempt.sends, lambda why: attempt.guarded(mended(why)))
        yield from attempt.guarded(self._tapped(attempt, response), blames=False)
        return response

    def _prepared(self, attempt: Attempt, *, background: bool) -> Script[None]:
        self._bounds.store.admit()
        try:
            turn = yield Do(lambda: attempt.begin(background=background))
            if turn is None:
                self._bounds.store.untried()
                attempt.goes_without()
                return
            yield from self._folded(attempt, turn)
            attempt.made(turn, (yield Do(turn.body)))
        except BaseException as raised:
            if not isinstance(raised, Exception):  # a call that is cancelled, say
                self._bounds.store.untried()
            raise
        if (preparation := turn.preparation()) is not None:
            yield Prepare(preparation)

    def _folded(self, attempt: Attempt, turn: Turn) -> Script[None]:
        """Have the summaries written that the turn cannot do without, and wait as long as it may.

        What comes too late is written all the same: a later turn takes it.
        """
        more = turn.folds
        while more:
            seconds = self._process.learned.patience.within(attempt.left)
            ends = time.monotonic() + seconds
            if (preparation := turn.preparation()) is not None and preparation.urgent:
                yield Await(preparation, seconds)
            while time.monotonic() < ends and (yield Do(turn.is_waiting)):
                yield Sleep(_POLL)
            more = yield Do(turn.settle)

    def _mended(
        self, attempt: Attempt, refusal: Refusal | None
    ) -> Script[Mapping[str, Any] | None]:
        turn = attempt.turn
        if turn is None or refusal is None:
            return mended_without_memory(attempt.sends, refusal)
        if not (yield Do(partial(turn.recover_from, refusal))):
            return None
        yield from self._folded(attempt, turn)
        body: Mapping[str, Any] = yield Do(turn.body)
        return body

    def _tapped(self, attempt: Attempt, response: object) -> Script[None]:
        raw = raw_response(response)
        _show(attempt, raw)
        if not _has_answer(attempt, raw):
            return
        attempt.expect_answer(response)
        if raw is None or raw.is_closed:
            yield from self._finished(attempt, answer_in(raw))
        else:
            yield Tap(raw, partial(self._finished, attempt))

    def _finished(self, attempt: Attempt, answer: Answer) -> Script[None]:
        turn, receipt = attempt.begin_to_finish(), None
        if turn is not None:
            receipt = yield from attempt.guarded(once(Do(partial(turn.answered, answer))))
        yield from attempt.told(receipt, answer)

    # --- sync ---------------------------------------------------------------------------------

    def handle(
        self, request: APIRequest, call_next: Callable[[APIRequest], APIResponse[Any]]
    ) -> APIResponse[Any]:
        """One HTTP attempt of a sync client."""
        body = self._turn_in(request)
        send = partial(_sent_on, request, call_next)
        if body is None:
            passing = _passing(request)
            return call_next(request) if passing is None else pass_on(passing, send)
        attempt = self._attempt(body, _betas_of(request))
        script = self._served(attempt, background=self._has_background)
        response: APIResponse[Any] = play(script, partial(self._perform, attempt, send))
        return response

    def _perform(
        self, attempt: Attempt, send: Callable[[Mapping[str, Any]], Any], effect: Any
    ) -> Any:
        """Wait for an effect.

        A step is taken in a thread that is left behind if it hangs. What such a thread still
        writes does no harm: plans, nodes and folds are written once, whoever writes them.
        """
        match effect:
            case Do(step):
                return self._bounds.turns.do(step, attempt.left)
            case Sleep(seconds):
                time.sleep(seconds)
            case Await(preparation, seconds):
                player = self._player(attempt.writers, several=True)
                self._background.work_for(preparation, player, seconds)
            case Prepare(preparation):
                self._background.start(preparation, self._player(attempt.writers))
            case Tap(raw, finished):
                perform = partial(self._perform, attempt, send)
                raw.stream = Tee(raw, lambda answer: play(finished(answer), perform))
            case Tell(step):
                return run(step)
            case _:
                return carry(send, effect)
        return None

    def _player(self, writers: Writers, *, several: bool = False) -> Player:
        watching = self._bounds.summarizer.watching
        assert writers.sync is not None
        at_once = self._several if several else None
        return Player(writers.sync, at_once, watching=watching, judged=writers.judged)

    def _several(self, steps: Sequence[Callable[[], None]]) -> None:
        self._bounds.summaries.do_all(steps)

    # --- async --------------------------------------------------------------------------------

    async def handle_async(
        self,
        request: APIRequest,
        call_next: Callable[[APIRequest], Awaitable[AsyncAPIResponse[Any]]],
    ) -> AsyncAPIResponse[Any]:
        """One HTTP attempt of an async client; stores and embedder run in threads."""
        body = self._turn_in(request)
        send = partial(_sent_on, request, call_next)
        if body is None:
            passing = _passing(request)
            return await (call_next(request) if passing is None else pass_on_async(passing, send))
        return await self.send_async(body, send, betas=_betas_of(request))

    async def send_async(
        self,
        body: Mapping[str, Any],
        send: Callable[[Mapping[str, Any]], Awaitable[_T]],
        *,
        betas: str = "",
    ) -> _T:
        """One HTTP attempt of a turn on an event loop, whoever sends it.

        Args:
            body: the request; one that sends messages and is a turn: see `turn_requests`.
            send: sends a body, `body` itself where memory changes nothing, and gives the
                response: the SDK's, or the HTTP response whose stream is not read yet.
            betas: the header `anthropic-beta` that goes with it.
        """
        attempt = self._attempt(body, betas)
        background = self._has_background and on_asyncio()
        script = self._served(attempt, background=background)
        response: _T = await play_on_loop(script, partial(self._perform_async, attempt, send))
        return response

    async def _perform_async(
        self, attempt: Attempt, send: Callable[[Mapping[str, Any]], Awaitable[Any]], effect: object
    ) -> Any:
        match effect:
            case Do(step):
                return await self._bounds.turns.do_async(step, attempt.left)
            case Sleep(seconds):
                await anyio.sleep(seconds)
            case Await(preparation, seconds):
                folds = self._background.folds.do_async
                player = self._loop_player(attempt.writers, folds)
                await self._background.work_for_on_loop(preparation, player, seconds)
            case Prepare(preparation):
                player = self._loop_player(attempt.writers, self._background.crew.do_async)
                self._background.start_on_loop(preparation, player)
            case Tap(raw, finished):
                perform = partial(self._perform_async, attempt, send)
                raw.stream = AsyncTee(raw, lambda answer: play_on_loop(finished(answer), perform))
            case Tell(step, limit):
                return await run_async(step, limit, self._bounds.listeners)
            case _:
                return await carry_async(send, effect)
        return None

    def _loop_player(self, writers: Writers, in_thread: InThread) -> LoopPlayer:
        watching = self._bounds.summarizer.watching
        if writers.on_loop is not None:
            return LoopPlayer(writers.on_loop, in_thread, watching=watching, judged=writers.judged)
        asked = writers.sync
        assert asked is not None
        seconds = max(_LEAST_PATIENCE, _PATIENCE * self._process.policy.deadline)

        def in_crew(job: SummaryJob) -> SummaryDraft:
            with watching():  # by the thread that asks, which may be left behind
                return asked(job)

        async def summarize(job: SummaryJob) -> SummaryDraft:
            return await self._bounds.summaries.do_async(partial(in_crew, job), seconds)

        return LoopPlayer(summarize, in_thread, judged=writers.judged)

    # --- both ---------------------------------------------------------------------------------

    def _turn_in(self, request: APIRequest) -> Mapping[str, Any] | None:
        """The body of a request that is a turn; None for one that memory may not touch."""
        body = request.json
        if not sends_messages(request.method, request.url, body):
            return None
        assert isinstance(body, Mapping)
        body = plain_body(body)
        if asks_for_thread(request.headers, body):
            body = with_history(body)
            self._remark = "" if REMARK in self._advised else REMARK
            self._advised.add(REMARK)
        if (other := other_than_turn(body)) is not None:
            if other.advice and other.field not in self._advised:
                self._advised.add(other.field)
                logger.warning("%s", other.advice)
            return None
        return body

    def _attempt(self, body: Mapping[str, Any], betas: str) -> Attempt:
        writers = self._writers.beside(model_in(body))
        attempt = Attempt(
            body,
            process=self._process,
            bounds=self._bounds,
            whose=self.whose,
            policy=self._policy,
            on_receipt=self._on_receipt,
            writers=writers,
        )
        attempt.betas = betas
        remark, self._remark = self._remark, ""
        attempt.remarks += filter(None, (remark, writers.take_remark()))
        return attempt

    @property
    def _has_background(self) -> bool:
        policy, background = self._process.policy, self._background
        patient = policy.background == "on"
        return policy.prepares and background.is_open and (patient or background.keeps_up)


def _betas_of(request: APIRequest) -> str:
    return str(request.headers.get("anthropic-beta") or "")


def _sent_on(
    request: APIRequest, call_next: Callable[[APIRequest], _T], body: Mapping[str, Any]
) -> _T:
    """What the rest of the chain answers to a request with this body."""
    return call_next(as_sent(request, body))


def _passing(request: APIRequest) -> Mapping[str, Any] | None:
    """The body of a request that is no turn but brings a history; None for any other."""
    body = request.json
    if any(reads(request.method, request.url, body) for reads in (sends_messages, counts_messages)):
        assert isinstance(body, Mapping)
        return body
    return None


def _show(attempt: Attempt, raw: httpx2.Response | None) -> None:
    """Tell whoever handles the HTTP response what memory did: only the receipt knows more."""
    if raw is not None and (outlook := attempt.outlook) is not None:
        raw.extensions[OUTLOOK] = outlook


def _has_answer(attempt: Attempt, raw: httpx2.Response | None) -> bool:
    """Whether there is something to be told: an answer, and a receipt of it."""
    return attempt.is_told and (raw is None or raw.is_success)
