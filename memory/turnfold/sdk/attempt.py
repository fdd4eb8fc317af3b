"""One HTTP attempt of a request: what memory does about it, and what it says when it cannot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from anthropic import APIRequest

from turnfold.accounting.answer import Answer
from turnfold.accounting.receipt import Outlook, Receipt
from turnfold.accounting.telemetry import report, span_of
from turnfold.engine.runtime import Runtime
from turnfold.engine.turn import Turn
from turnfold.errors import TurnfoldError, as_turnfold_error, failure
from turnfold.policy import Policy
from turnfold.request.recounted import recounted
from turnfold.resilience.circuit_breaker import LeftAlone
from turnfold.resilience.worker_threads import TooLate
from turnfold.scope import LOCAL_USER, Scope, Whose
from turnfold.sdk.attempt_effects import Tell
from turnfold.sdk.deadline import Deadline, not_ready
from turnfold.sdk.listeners import OnReceipt, tell
from turnfold.sdk.part_threads import Bounds
from turnfold.sdk.turn_without_memory import TurnWithoutMemory
from turnfold.summarizers.driver import Script, once
from turnfold.summarizers.provider import OnItsWay
from turnfold.summarizers.writers import Writers

logger = logging.getLogger("turnfold")

_T = TypeVar("_T")


class Attempt:
    """What the sync and the async shell do alike.

    Attributes:
        body: the request, as the caller gave it.
        sends: the request as it is sent.
        turn: what memory made of it; None where it goes without.
        writers: who writes summaries for it.
        remarks: what its receipt is to say besides.
    """

    def __init__(
        self,
        body: Mapping[str, Any],
        *,
        process: Runtime,
        bounds: Bounds,
        whose: Whose,
        policy: Policy | None,
        on_receipt: Sequence[OnReceipt],
        writers: Writers,
    ) -> None:
        """Args:
        body: the request, one that memory may touch.
        process: begins the turn.
        bounds: the threads its steps run in.
        whose: memory, and which conversation of theirs.
        policy: the settings of its turn; None for those of the process.
        on_receipt: called with the receipt.
        writers: who writes summaries for it.
        """
        self.body = body
        self.sends = body
        self.turn: Turn | None = None
        self._process = process
        self._bounds = bounds
        self._whose = whose
        self._policy = policy
        self._on_receipt = on_receipt
        self.writers = writers
        self.betas = ""
        self.remarks: list[str] = []
        self._limit = Deadline(process.policy.deadline)
        self._span: Any = None

    @property
    def left(self) -> float:
        """Seconds memory may still take; not below 0."""
        return self._limit.left

    @property
    def is_told(self) -> bool:
        """Whether there will be a receipt: memory has a turn, or failed to have one."""
        return self.turn is not None or bool(self._limit.reason)

    @property
    def outlook(self) -> Outlook | None:
        """What memory did, once it is sent; None where memory kept out."""
        if self.turn is not None:
            return self.turn.outlook
        return Outlook(degraded=(self._limit.reason,)) if self._limit.reason else None

    # --- while it is made ---------------------------------------------------------------------

    def begin(self, *, background: bool) -> Turn | None:
        """Begin its turn; None where memory had better keep out."""
        scope = self._whose.scope_of(self.body)
        self.writers = self.writers.of_user(scope.user_id)
        turn = self._process.begin(
            self.body,
            scope,
            background=background,
            policy=self._policy,
            summary_model=self.writers.model,
            server=self.writers.server,
        )
        if turn is not None:
            self._limit.on_giving_up(partial(self._process.leave, turn, scope))
        return turn

    def made(self, turn: Turn, sends: Mapping[str, Any]) -> None:
        """Memory is ready: this is what is sent."""
        self.turn, self.sends = turn, sends
        self.writers = self.writers.reading(OnItsWay(sends, turn.turns, self.betas))
        turn.account.remarks += self.remarks
        self._bounds.store.worked()

    def goes_without(self) -> None:
        """Memory keeps out: the caller's own history is sent."""
        self.sends = recounted(self.body)

    # --- when it is answered ------------------------------------------------------------------

    def expect_answer(self, response: object) -> None:
        """Keep what only this moment knows: the trace span of the call.

        It is left as the SDK makes it, unless somebody wants receipts.
        """
        self._span = span_of(response) if self._on_receipt else None

    def begin_to_finish(self) -> Turn | None:
        """The answer is there: a turn has new time to be told of it. None where there is none."""
        if self.turn is not None:
            self._limit = Deadline(self._process.policy.deadline)
            self._limit.on_giving_up(partial(self._process.leave, self.turn, self._scope))
        return self.turn

    def told(self, receipt: Receipt | None, answer: Answer) -> Script[None]:
        """Tell of the receipt: log, trace, and whoever wants it, each by itself.

        Args:
            receipt: None where memory failed: then it says why, and no part of memory is asked.
            answer: as far as it came.
        """
        seconds = self._process.policy.deadline
        if receipt is None:
            policy = self._policy or self._process.policy
            without = TurnWithoutMemory(self.body, self._scope, self._limit.reason, policy.prices)
            counted = once(Tell(partial(without.answered, answer), Deadline(seconds)))
            receipt = yield from self.guarded(counted, blames=False)
        if receipt is None:
            return
        report(receipt, self._span)
        for listener in self._on_receipt:
            yield from tell(listener, receipt, Deadline(seconds))  # one that is slow costs no other

    @property
    def _scope(self) -> Scope:
        try:
            return self._whose.scope_of(self.body)
        except TurnfoldError:  # that is why it goes without
            return Scope(self._whose.user_id or LOCAL_USER, self._whose.conversation)

    # --- when it fails ------------------------------------------------------------------------

    def guarded(self, script: Script[_T], *, blames: bool = True) -> Script[_T | None]:
        """A script that must not fail the user; it returns None where it failed.

        Args:
            script: what is to be done.
            blames: whether a part of memory is asked in it, whose fault it then is.

        Raises:
            TurnfoldError: it failed, and that is wanted to be raised.
        """
        try:
            return (yield from script)
        except BaseException as caught:  # noqa: BLE001 - a failing memory must not fail the user
            wrong = failure(caught)
        self._failed(wrong, blames=blames)
        return None

    def _failed(self, wrong: Exception, *, blames: bool) -> None:
        """Say that memory failed; raise it, as an error of ours, where that is wanted."""
        if blames:
            self._bounds.blame(wrong)
        if isinstance(wrong, TooLate):
            wrong = not_ready(self._limit.seconds)
        reason = f"{type(wrong).__name__}: {wrong}".partition("\n")[0]
        self._limit.give_up(f"memory: {reason}")
        if self.turn is None:
            self.goes_without()
        # That a part is left alone was warned of when it failed.
        level = logging.INFO if isinstance(wrong, LeftAlone) else logging.WARNING
        logger.log(level, "this request goes without memory: %s", reason)
        if self._process.policy.on_error == "raise":
            raise as_turnfold_error(wrong, "memory failed")


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
