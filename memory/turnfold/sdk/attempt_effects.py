"""What the script of an attempt may wait for, besides the effects of `summarizers.driver`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from turnfold.accounting.answer import Answer
from turnfold.folding.preparation import FoldPreparation
from turnfold.sdk.deadline import Deadline
from turnfold.summarizers.driver import Script


@dataclass(frozen=True, slots=True)
class Send:
    """The body of a request that goes on. Sends the response."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """The whole body of a response."""

    response: httpx2.Response


@dataclass(frozen=True, slots=True)
class Close:
    """A response that nobody reads any more."""

    response: httpx2.Response


@dataclass(frozen=True, slots=True)
class Tap:
    """A response that is to be told of when it has gone by."""

    raw: httpx2.Response
    finished: Callable[[Answer], Script[None]]


@dataclass(frozen=True, slots=True)
class Tell:
    """A step that runs code of the caller's, within a time of its own. Sends what it returns.

    For a sync client it takes what it takes: it is the caller's own thread.
    """

    step: Callable[[], object]
    limit: Deadline


@dataclass(frozen=True, slots=True)
class Await:
    """The summaries of a fold, so many seconds at the most."""

    preparation: FoldPreparation
    seconds: float


@dataclass(frozen=True, slots=True)
class Prepare:
    """The summaries of a fold, while the request is on its way."""

    preparation: FoldPreparation
