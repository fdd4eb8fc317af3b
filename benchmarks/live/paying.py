"""Requests go in; answers come out: new ones are paid for below a maximum, known ones are free.

What is paid for is one answer, the smallest unit of work there is, so whatever a run does
(summaries, questions, verdicts) it can be stopped anywhere and goes on where it was. The file has
two lines for each answer, each written whole:

    {"sent": ID, "most": DOLLARS}
    {"got": ID, "asked": DIGEST, "dollars": DOLLARS, "answer": {...}}

A request without its second line, as of a run that was killed, counts as the most it can have
cost. No header is written, so no key.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import anthropic
import httpx2
from turnfold.accounting.prices import Price, Usage, cost, dearest, price_of

# Bytes of a request's body for a token: of no text are there so few, so that a request never costs
# more than what was set aside for it.
_LEAST_BYTES = 2


class Account:
    """What was paid for, in a file.

    Attributes:
        spent: dollars, of this run and those before, with what is under way at the most.
        drawn: dollars that the answers given in this run cost, whoever paid for them.
        full: whether a request was left because the maximum could have been passed.
    """

    def __init__(self, file: Path | None, most: float) -> None:
        """Args:
        file: made where it is not there; None for one that ends with the process.
        most: dollars, for all runs with this file together.
        """
        self.most = most
        self.spent = 0.0
        self.drawn = 0.0
        self.full = False
        self._file = file
        self._lock = Lock()
        self._known: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._given: Counter[str] = Counter()
        if file is not None and file.exists():
            self._read(file)

    def _read(self, file: Path) -> None:
        raw = file.read_bytes()
        if raw and not raw.endswith(b"\n"):  # of a run that was killed while it wrote
            with file.open("ab") as out:
                out.write(b"\n")
        open_: dict[str, float] = {}
        for line in raw.split(b"\n"):
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if "sent" in told:
                open_[told["sent"]] = told["most"]
            else:
                open_.pop(told["got"], None)
                self.spent += told["dollars"]
                if "answer" in told:
                    self._known[told["asked"]].append(told)
        self.spent += sum(open_.values())

    def known(self, asked: str) -> Any:
        """An answer that was paid for before; None where there is none.

        A request that is sent twice in a run, as to two judges of one name, has two answers.
        """
        with self._lock:
            answers = self._known[asked]
            if self._given[asked] >= len(answers):
                return None
            one = answers[self._given[asked]]
            self._given[asked] += 1
            self.drawn += one["dollars"]
            return one["answer"]

    def set_aside(self, most: float) -> str | None:
        """Begin a request that costs at most so much; None where there is not so much left."""
        with self._lock:
            if self.full or self.spent + most > self.most:
                self.full = True
                return None
            self.spent += most
            name = uuid4().hex
            self._write({"sent": name, "most": most})
            return name

    def settle(self, name: str, most: float, asked: str, dollars: float, answer: Any) -> None:
        """End a request: what it really cost, and its answer; None for one that was refused."""
        with self._lock:
            self.spent += dollars - most
            told = {"got": name, "asked": asked, "dollars": dollars}
            if answer is not None:
                told["answer"] = answer
                self.drawn += dollars
                self._known[asked].append(told)
                self._given[asked] += 1
            self._write(told)

    def _write(self, told: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        line = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
        with self._file.open("ab") as out:
            out.write(line + b"\n")
            out.flush()
            os.fsync(out.fileno())


class PayingClient(anthropic.DefaultHttpxClient):
    """The SDK's own HTTP client, with an account between it and the API."""

    def __init__(self, account: Account, **options: Any) -> None:
        """Args:
        account: of what is paid.
        **options: the HTTP client's.
        """
        super().__init__(**options)
        self._account = account
        self.last: Mapping[str, Any] = {}  # the newest request's body

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """An answer that is known; else the API's, where there is money for it; else a 402."""
        if request.method != "POST" or not request.url.path.endswith("/v1/messages"):
            return super().send(request, **options)
        raw = request.read()
        self.last = body = json.loads(raw)
        if body.get("stream"):
            raise ValueError("a stream cannot be paid for as a whole")
        asked = blake2b(str(request.url).encode() + b"\n" + raw, digest_size=16).hexdigest()
        if (answer := self._account.known(asked)) is not None:
            return httpx2.Response(200, json=answer, request=request)
        price = price_of(body["model"]) or dearest()
        most = most_dollars(price, body, len(raw))
        name = self._account.set_aside(most)
        if name is None:
            return _unpaid(request, self._account.most)
        response = super().send(request, **options)
        response.read()
        told = response.json() if response.status_code == 200 else None
        # What was refused costs nothing. What came to no answer at all stays set aside.
        dollars = cost(Usage.from_api(told["usage"]), price) if told is not None else 0.0
        self._account.settle(name, most, asked, dollars, told)
        return response


def most_dollars(price: Price, body: Mapping[str, Any], size: int) -> float:
    """What a request can cost at the most.

    Args:
        price: of its model.
        body: the request.
        size: bytes of it.
    """
    tokens = size // _LEAST_BYTES
    price = price.at(tokens)
    written = price.write_1h if '"1h"' in json.dumps(body) else price.write_5m
    return (tokens * max(price.input, written) + int(body["max_tokens"]) * price.output) / 1e6


def _unpaid(request: httpx2.Request, most: float) -> httpx2.Response:
    message = f"the maximum of ${most:.2f} could be passed"
    error = {"type": "error", "error": {"type": "billing_error", "message": message}}
    return httpx2.Response(402, json=error, request=request, headers={"x-should-retry": "false"})
