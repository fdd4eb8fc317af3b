"""A summarizer goes in; one that is not asked while there is no use in asking comes out.

One that refuses whatever it is asked (the model does not exist there, the key is not known) is
left alone for a while, and so is one that failed several times in a row, for longer each time.
So is one that answered several times in a row, and was paid, with nothing that could be used: a
model that is too small for it. Who asks meanwhile is told at once, and nothing is sent. What is
known of one is known to all conversations of the process that ask for the same model at the same
door, and so is what a request to it must do without. What it made of somebody's turns may lie in
those turns: it concerns that user alone, until several users in a row were no better off.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Any, Self

from turnfold_stores.bounded import BoundedDict

from turnfold.errors import SummaryError, is_of_a_value
from turnfold.history.exchanges import digest
from turnfold.request.refusals import Resting, Useless, failure_of, lacks_model
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summarizers.reconciling import Supersessions, superseded

logger = logging.getLogger("turnfold")

# Seconds that one which is away is left alone.
AWAY = 600.0
# From so many failures in a row on, one is left alone: so many seconds, twice as many after each
# failure, and so many at the most.
_FAILURES = 4
_PAUSE = 15.0
_LONGEST = 300.0
# From so many answers of no use in a row on, one is left alone: as long as one that is away, twice
# as long after each further one, and so many seconds at the most.
USELESS = 3
_LONGEST_USELESS = 86_400.0
_MOST_REMEMBERED = 1_000
_MOST_USERS = 1_000
_NOT_IN_TURNS = "what they said is not in the turns; Policy(summary_model=...) names another model"
_FOR_OTHERS = "for several users; Policy(summary_model=...) names another model"
COMPARING = "comparing"
"""Names what is known of one as far as it compares notes: to write some is another matter."""


class _Pauses:
    """How one fares with some turns, and how long it is left alone for that. Not for threads."""

    def __init__(self) -> None:
        self._until = 0.0
        self._why = ""
        self._failures = 0
        self._useless = 0
        self._no_use_until = 0.0
        self.answer = ""

    def check(self, now: float) -> None:
        """Raises Resting where it is not to be asked."""
        left = self._no_use_until - now
        if left > 0:
            raise Useless(
                f"{self._useless} answers in a row were of no use ({self.answer}): "
                f"not asked again for {left:.0f} s"
            )
        left = self._until - now
        if left > 0:
            raise Resting(f"{self._why}: not asked again for {left:.0f} s")

    def worked(self) -> None:
        """It answered."""
        self._failures = 0
        self._until = 0.0

    def was_of_use(self) -> None:
        """So was what it said."""
        self._useless, self._no_use_until, self.answer = 0, 0.0, ""

    def was_of_no_use(self, now: float, answer: str, *, by_gate: bool, rests: bool = True) -> None:
        """It was not.

        Args:
            now: in seconds.
            answer: what was wrong with it, where nothing was noted before.
            by_gate: whether only the gate says so, which may be mistaken.
            rests: whether that counts against it.
        """
        self._useless += 1
        self.answer = self.answer or answer
        more = self._useless - USELESS
        if rests and more >= 0:
            longest = AWAY if by_gate else _LONGEST_USELESS
            self._no_use_until = now + min(AWAY * 2.0 ** min(more, 30), longest)

    def failed(self, now: float, why: str, *, is_away: bool) -> None:
        """It did not answer."""
        self._failures += 1
        pause = 0.0
        if is_away:
            pause = AWAY
        elif self._failures >= _FAILURES:
            pause = min(_PAUSE * 2.0 ** (self._failures - _FAILURES), _LONGEST)
        if pause:
            self._until = now + pause
            self._why = why


class Rest:
    """Whether a summarizer may be asked, and if not, why not.

    Attributes:
        refused: fields of a request that are left out there, since they were refused.
        is_replaced: whether another one is asked, since there is no such model there.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.refused: set[str] = set()
        self.is_replaced = False
        self._remark = ""
        self.clock = clock
        self._for_all = _Pauses()
        self._of_users: BoundedDict[str, _Pauses] = BoundedDict(_MOST_USERS)
        self._in_a_row: set[str] = set()  # users for whom it was of no use since it was to anybody
        self._lock = threading.Lock()

    def check(self, user_id: str = "") -> None:
        """Raises Resting where it is not to be asked.

        Args:
            user_id: whose turns it is asked about.

        Raises:
            Resting: it is left alone for now.
        """
        with self._lock:
            for pauses in self._known(user_id):
                pauses.check(self.clock())

    def worked(self, user_id: str = "") -> None:
        """It answered."""
        with self._lock:
            for pauses in self._known(user_id):
                pauses.worked()

    def replace(self, model: str, other: str) -> None:
        """Leave it to another one for good, and say so once.

        Args:
            model: its name.
            other: who is asked instead.
        """
        with self._lock:
            if self.is_replaced:
                return
            self.is_replaced = True
            self._remark = (
                f"this server has no model {model!r}: summaries are written by the chat's own "
                f"model, {other!r}; Policy(summary_model=...) names another"
            )
        logger.warning("%s", self._remark)

    def take_remark(self) -> str:
        """What is to be said of it once; "" for nothing, and from the second time on."""
        with self._lock:
            remark, self._remark = self._remark, ""
        return remark

    def judged(self, *, of_use: bool, user_id: str = "") -> None:
        """An answer was paid for, and was held against the turns.

        Args:
            of_use: whether anything it said may stand for them.
            user_id: whose turns they were.
        """
        with self._lock:
            if of_use:
                for pauses in self._known(user_id):
                    pauses.was_of_use()
                self._in_a_row.clear()
                return
            one, now = self._of(user_id), self.clock()
            by_gate = one.answer in {"", _NOT_IN_TURNS}
            one.was_of_no_use(now, _NOT_IN_TURNS, by_gate=by_gate)
            if len(self._in_a_row) < USELESS:
                self._in_a_row.add(user_id)
            several = len(self._in_a_row) >= USELESS
            self._for_all.was_of_no_use(now, _FOR_OTHERS, by_gate=by_gate, rests=several)

    def failed(self, wrong: Exception, user_id: str = "") -> None:
        """It did not."""
        kind = failure_of(wrong).kind
        if kind == "too_long":
            return  # it is there, and says how it wants to be asked
        name, said = type(wrong).__name__, str(wrong).partition("\n")[0]
        with self._lock:
            if isinstance(wrong, SummaryError):
                self._of(user_id).answer = said
            if kind == "unusable" or (kind == "unreachable" and is_of_a_value(wrong)):
                self._of(user_id).failed(self.clock(), said or name, is_away=False)
                return
            # What the API says is of the request; others may quote what they were shown.
            why = said if said and getattr(wrong, "status_code", None) is not None else name
            self._for_all.failed(self.clock(), why, is_away=kind == "away")

    def _known(self, user_id: str) -> list[_Pauses]:
        """What is known for a user, and for all."""
        mine = self._of_users.get(user_id)
        return [self._for_all] if mine is None else [mine, self._for_all]

    def _of(self, user_id: str) -> _Pauses:
        """What is to be noted for a user. Few are ever noted, so those are not forgotten."""
        return self._of_users.setdefault(user_id, _Pauses())


class Rests:
    """What a process knows of its summarizers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._rests: BoundedDict[str, Rest] = BoundedDict(_MOST_REMEMBERED)

    def now(self) -> float:
        """Seconds, by the clock there is now."""
        return self.clock()

    def of(self, name: str, work: str = "") -> Rest:
        """What is known of the one with this name, at some work; "" for writing notes."""
        return self._rests.setdefault(f"{name} {work}", Rest(self.now))


class _OfUser:
    """What is asked for one user at a time."""

    def __init__(
        self,
        summarizer: Any,
        rest: Rest,
        model: str = "",
        instead: _OfUser | None = None,
        other: str = "",
        *,
        comparing: Rest | None = None,
    ) -> None:
        """Args:
        summarizer: who is asked.
        rest: what is known of it.
        model: its name.
        instead: asked where the server has no such model; None for nobody.
        other: the name of that one.
        comparing: what is known of how it compares notes; None for nothing.
        """
        self._comparing = comparing or Rest(rest.clock)
        self._summarizer = summarizer
        self._rest = rest
        self._model = model
        self._instead = instead
        self._user_id = ""
        self._other = other

    def of_user(self, user_id: str) -> Self:
        """The same, asked about a user's turns."""
        one = copy(self)
        one._take(user_id)  # noqa: SLF001 - its own
        return one

    def _take(self, user_id: str) -> None:
        self._user_id = user_id
        if self._instead is not None:
            self._instead = self._instead.of_user(user_id)

    def judged(self, *, of_use: bool) -> None:
        """See `Rest.judged`."""
        if self._instead is not None and self._rest.is_replaced:
            self._instead.judged(of_use=of_use)
        else:
            self._rest.judged(of_use=of_use, user_id=self._user_id)


class Asked(_OfUser):
    """A summarizer that is asked only while it may answer."""

    _instead: Asked | None

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job.

        Raises:
            Resting: it was not asked.
            Exception: what the summarizer raises.
        """
        if self._instead is not None and self._rest.is_replaced:
            return self._instead(job)
        self._rest.check(self._user_id)
        try:
            draft: SummaryDraft = self._summarizer(job)
        except Exception as wrong:
            if self._instead is not None and lacks_model(wrong):
                self._rest.replace(self._model, self._other)
                return self._instead(job)
            self._rest.failed(wrong, self._user_id)
            raise
        self._rest.worked(self._user_id)
        return draft


class AskedToCompare(Asked):
    """One that can compare items, too."""

    def reconcile(self, items: Sequence[Item]) -> Supersessions:
        """See `turnfold.summarizers.reconciling.Reconciler`."""
        if isinstance(self._instead, AskedToCompare) and self._rest.is_replaced:
            return self._instead.reconcile(items)
        self._rest.check(self._user_id)
        self._comparing.check(self._user_id)
        try:
            compared: Supersessions = self._summarizer.reconcile(items)
        except Exception as wrong:
            _blame(self._rest, self._comparing, wrong, self._user_id)
            raise
        _judge(self._comparing, items, compared, self._user_id)
        return compared


class AskedOnLoop(_OfUser):
    """The same on an event loop."""

    _instead: AskedOnLoop | None

    async def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job.

        Raises:
            Resting: it was not asked.
            Exception: what the summarizer raises.
        """
        if self._instead is not None and self._rest.is_replaced:
            return await self._instead(job)
        self._rest.check(self._user_id)
        answer: Awaitable[SummaryDraft] = self._summarizer(job)
        try:
            draft = await answer
        except Exception as wrong:
            if self._instead is not None and lacks_model(wrong):
                self._rest.replace(self._model, self._other)
                return await self._instead(job)
            self._rest.failed(wrong, self._user_id)
            raise
        self._rest.worked(self._user_id)
        return draft

    async def reconcile(self, items: Sequence[Item]) -> Supersessions:
        """See `turnfold.summarizers.reconciling.AsyncReconciler`."""
        if self._instead is not None and self._rest.is_replaced:
            return await self._instead.reconcile(items)
        self._rest.check(self._user_id)
        self._comparing.check(self._user_id)
        try:
            compared: Supersessions = await self._summarizer.reconcile(items)
        except Exception as wrong:
            _blame(self._rest, self._comparing, wrong, self._user_id)
            raise
        _judge(self._comparing, items, compared, self._user_id)
        return compared


def _blame(rest: Rest, comparing: Rest, wrong: Exception, user_id: str) -> None:
    """Take that notes could not be compared: nobody was there, or the answer was of no use."""
    if isinstance(wrong, SummaryError) and failure_of(wrong).kind == "unusable":
        comparing.failed(wrong, user_id)
        comparing.judged(of_use=False, user_id=user_id)
    else:
        rest.failed(wrong, user_id)


def _judge(comparing: Rest, items: Sequence[Item], compared: Supersessions, user_id: str) -> None:
    """Take what a comparison was worth; that there is nothing to say is an answer, too."""
    comparing.worked(user_id)
    of_use = not compared.pairs or bool(superseded(items, compared.pairs))
    comparing.judged(of_use=of_use, user_id=user_id)


def server_of(client: object) -> str:
    """Names where a client's requests go; tells nothing of its key."""
    marks = ("base_url", "aws_region", "project_id", "region")
    return digest(type(client).__name__.removeprefix("Async"), *_said(client, marks))


def door_of(client: object, model: str) -> str:
    """Names a model where one client asks for it, and with which key; tells nothing of the key."""
    marks = ("base_url", "api_key", "auth_token", "aws_region", "aws_access_key", "project_id")
    return digest(model, *_said(client, marks))


def _said(client: object, marks: Sequence[str]) -> list[str]:
    return [str(getattr(client, mark, "")) for mark in marks]
