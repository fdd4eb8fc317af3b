"""What programs want to know of memory, and do to it, over HTTP; behind the token."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from turnfold.accounting.receipt import Receipt
from turnfold.errors import StoreError, TurnfoldError, shown
from turnfold.language.days import limit_of, written_moment
from turnfold.memory import Memory
from turnfold.resilience.worker_threads import NoThread
from turnfold.serve.openapi import description, page
from turnfold.serve.wire import ClientGone, Incoming, while_there

_MOST_RECEIPTS = 1_000
_MOST_HITS = 100


class Receipts:
    """The newest receipts of this process. The account itself is in the ledger."""

    def __init__(self) -> None:
        self._newest: deque[Receipt] = deque(maxlen=_MOST_RECEIPTS)

    def keep(self, receipt: Receipt) -> None:
        """Keep one."""
        self._newest.append(receipt)

    def of(self, user_id: str | None, conversation: str | None, most: int) -> list[dict[str, Any]]:
        """The newest first, of one user or of all."""
        told = [
            {**asdict(one), "saved_tokens": one.saved_tokens, "saved": one.saved}
            for one in reversed(self._newest.copy())
            if user_id in {None, one.user_id} and conversation in {None, one.conversation}
        ]
        return told[:most]


class Program:
    """The endpoints below /turnfold."""

    def __init__(self, memory: Memory, receipts: Receipts) -> None:
        self._memory = memory
        self._receipts = receipts

    @property
    def routes(self) -> list[Route]:
        """Their routes."""
        return [
            Route("/receipts", self._told, methods=["GET"]),
            Route("/search", self._search, methods=["GET"]),
            Route("/notes", self._notes, methods=["GET"]),
            Route("/memory", self._forget, methods=["DELETE"]),
            Route("/openapi.json", self._description, methods=["GET"]),
            Route("/docs", self._page, methods=["GET"]),
        ]

    async def _told(self, request: Request) -> Response:
        try:
            asked = _asked(request, "user", "conversation", "limit")
            most = _limit(asked, _MOST_RECEIPTS, 100)
        except TurnfoldError as wrong:
            return _bad(wrong)
        return JSONResponse(
            {"receipts": self._receipts.of(asked.get("user"), asked.get("conversation"), most)}
        )

    async def _search(self, request: Request) -> Response:
        async def found() -> dict[str, Any]:
            asked = _asked(request, "q", "user", "conversation", "limit")
            hits = await self._memory.asearch(
                _given(asked, "q"),
                user_id=_given(asked, "user"),
                conversation=asked.get("conversation"),
                limit=_limit(asked, _MOST_HITS, 8),
            )
            return {"hits": [asdict(one) for one in hits]}

        return await _answered(request, found)

    async def _notes(self, request: Request) -> Response:
        async def notes() -> dict[str, Any]:
            asked = _asked(request, "user", "conversation")
            kept = await self._memory.anotes(
                user_id=_given(asked, "user"), conversation=asked.get("conversation")
            )
            return {"notes": [asdict(one) for one in kept]}

        return await _answered(request, notes)

    async def _forget(self, request: Request) -> Response:
        async def forgotten() -> dict[str, Any]:
            asked = _asked(request, "user", "conversation", "before")
            before = asked.get("before")
            age = None if before is None else _moment(self._memory, before)
            done = await self._memory.aforget(
                user_id=_given(asked, "user"),
                conversation=asked.get("conversation"),
                before=age,
            )
            return {"forgotten": asdict(done)}

        return await _answered(request, forgotten)

    async def _description(self, _request: Request) -> Response:
        return JSONResponse(description())

    async def _page(self, _request: Request) -> Response:
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(page(), headers=policy)


async def _answered(request: Request, work: Callable[[], Awaitable[Any]]) -> Response:
    """What comes of the work, which is left where the client hangs up meanwhile."""
    told: list[Response] = []

    async def answer() -> None:
        told.append(await _outcome(work))

    incoming = Incoming(request.scope, request.receive)
    if incoming.has_body:  # nobody asks for one, and it may never end
        await answer()
    else:
        with suppress(ClientGone):
            await incoming.body(0)
            await while_there(incoming, answer)
    return told[0] if told else Response(status_code=499)  # which nobody reads


async def _outcome(work: Callable[[], Awaitable[Any]]) -> Response:
    try:
        return JSONResponse(await work())
    except (StoreError, NoThread) as wrong:
        return _error(503, "api_error", wrong)
    except TurnfoldError as wrong:
        return _bad(wrong)


def _bad(wrong: TurnfoldError) -> Response:
    return _error(400, "invalid_request_error", wrong)


def _error(status: int, kind: str, wrong: TurnfoldError) -> Response:
    return JSONResponse({"type": "error", "error": {"type": kind, "message": str(wrong)}}, status)


def _asked(request: Request, *known: str) -> Mapping[str, str]:
    """What a query says; what nobody reads would be taken for wider than it was meant.

    Raises:
        TurnfoldError: it says something else, something twice, or nothing by a name.
    """
    said = request.query_params.multi_items()
    names = [name for name, _ in said]
    for name, value in said:
        if name not in known:
            raise TurnfoldError(f"{name[:80]} is not asked here; what is: {', '.join(known)}")
        if names.count(name) > 1:
            raise TurnfoldError(f"{name} is said twice")
        if not value:
            raise TurnfoldError(f"{name}= says nothing: leave it out, or give a value")
    return dict(said)


def _given(asked: Mapping[str, str], name: str) -> str:
    value = asked.get(name, "")
    if not value:
        raise TurnfoldError(f"the query has to say ?{name}=")
    return value


def _limit(asked: Mapping[str, str], most: int, usual: int) -> int:
    value = asked.get("limit", str(usual))
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= most:
        raise TurnfoldError(f"limit={value} must be a whole number from 1 to {most}")
    return int(value)


def _moment(memory: Memory, text: str) -> float:
    """An ISO date or time, or seconds since the epoch."""
    moment = written_moment(text)
    if moment is None:
        raise TurnfoldError(
            f"before={shown(text)} must be a date such as 2026-01-31, a time, or seconds since "
            f"the epoch"
        )
    return limit_of(moment, memory.policy.zone, what="before")
