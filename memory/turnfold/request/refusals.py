"""An error goes in; whether memory can mend its cause, and what to do next, comes out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from turnfold.errors import SummaryError
from turnfold.resilience.circuit_breaker import LeftAlone
from turnfold.resilience.worker_threads import TooLate

# Thinking that is bound to another prefix, or of which a client lost a part.
_THINKING = re.compile(
    r"`?signature`? in `?(?:redacted_)?thinking`?"
    r"|thinking`? blocks? in the latest assistant message cannot be modified",
    re.IGNORECASE,
)
# How they say that there is no model of this name.
_NO_MODEL = re.compile(
    r"(?:invalid|unknown|no such|unsupported) model"
    r"|\bmodel\b[^.\n]{0,120}?\b(?:not (?:found|exist|supported|available|known)|"
    r"(?:does not|doesn't) exist|not recognized|unknown)|model_not_found",
    re.IGNORECASE,
)
# How the API, the clouds and servers that speak its language say that a prompt is too long.
_TOO_LONG = re.compile(
    r"(?:prompt|input) (?:is )?too long|too long to fit|too many (?:input )?tokens"
    r"|exceeds? (?:the )?(?:available |maximum |model'?s? |loaded )*context"
    r"|(?:longer|greater|larger|more) than the (?:model'?s? )?(?:maximum )?(?:model |context )"
    r"(?:length|window|size)"
    r"|maximum (?:context|model|sequence|input) length"
    r"|context[ _-]?(?:length|window|size)[ _-]?exceed|context[ _]overflow|context the overflows"
    r"|exceed_context_size|ContextWindowExceeded|exceeds the model limit|request_too_large"
    r"|exceeds the maximum (?:size|number of (?:input )?tokens)"
    r"|must have less than \d+ tokens|max_new_tokens`? must be <=",
    re.IGNORECASE,
)
_CUT_OFF = re.compile(r"model_context_window_exceeded")
# What they say of their window, and of the prompt that did not fit.
_WINDOW = re.compile(
    r"> *(?P<a>\d[\d,]*)(?: tokens?)? maximum|context limit: *\d+ *\+ *\d+ *> *(?P<b>\d+)"
    r"|maximum (?:context|model|sequence|input) length (?:is|of) (?P<c>\d[\d,]*)"
    r"|model limit of (?P<d>\d+)|must have less than (?P<h>\d+) tokens"
    r"|max_new_tokens`? must be <= (?P<i>\d+)"
    r"|maximum number of (?:input )?tokens allowed \((?P<j>\d+)\)"
    r"|context (?:length|window|size)(?: of)?(?: only)?[ (:]*(?P<e>\d[\d,]*)"
    r"|n_ctx\W+(?P<f>\d+)",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"(?P<a>\d[\d,]*) tokens? *>|requested (?P<b>\d+) tokens|total length (?P<c>\d+)"
    r"|context limit: *(?P<f>\d+) *\+|n_prompt_tokens\W+(?P<d>\d+)"
    r"|requested tokens \((?P<e>\d+)\)|\(length (?P<g>\d+)\)"
    r"|input token count \((?P<h>\d+)\)|(?P<i>\d+) in the messages",
    re.IGNORECASE,
)
# The part of an error that is read.
_LONGEST = 4_000
REFUSING = frozenset({400, 413, 422, 500})
"""Statuses of what a request is refused with for what stands in it; by some servers 500, too."""
# Nobody answers there, or not to us, whatever is asked.
_AWAY = frozenset({401, 402, 403, 404})
_SAYS_AWAY = re.compile(r"(?:not_found|authentication|permission|billing)_error")
_NOT_FOUND = 404
_TOO_LARGE = 413
_NEVER = frozenset({400, 405, 413, 422})
_LEAST_WINDOW = 256


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that memory may have caused, or can help with.

    Attributes:
        kind: what was refused.
        message: in the API's words.
        window: the most tokens a prompt may have there; None where it is not said.
        counted: how many it was found to have; None where it is not said.
        of_tokens: whether tokens were too many, and not bytes.
    """

    kind: Literal["thinking", "too_long"]
    message: str
    window: int | None = None
    counted: int | None = None
    of_tokens: bool = True


def read_refusal(status: int, content: bytes) -> Refusal | None:
    """The refusal in an error response; None for any other error.

    Args:
        status: HTTP status.
        content: the body, decoded.
    """
    if status not in REFUSING:
        return None
    said = content[:_LONGEST].decode("utf-8", "replace")
    message = _message_in(content)
    if message is None:
        return None
    if status == 400 and _THINKING.search(message):
        return Refusal("thinking", message)
    if _TOO_LONG.search(said) or status == _TOO_LARGE:
        window, counted = _number(_WINDOW, said), _number(_COUNTED, said)
        return Refusal("too_long", message, window, counted, of_tokens=status != _TOO_LARGE)
    return None


def _message_in(content: bytes) -> str | None:
    """What an error says, whichever way its server writes errors; None where it is no JSON."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    error = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return None if error is None else str(error)[:_LONGEST]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a summarizer gave nothing, as far as it tells what to do next.

    Attributes:
        kind: "too_long": it has to be given less at a time. "unusable": it answered or refused
            these very turns, and would do so again. "away": it is not there, or not for us,
            whatever it is asked. "useless": it was not asked, since it writes nothing that can
            be used. "resting": it was not asked, for another reason. "unreachable": it may
            answer the next time.
        window: the most tokens a prompt may have, where it said so.
    """

    kind: Literal["too_long", "unusable", "away", "useless", "resting", "unreachable"]
    window: int | None = None


class Resting(Exception):  # noqa: N818 - a state, not a fault
    """A summarizer was not asked: it has refused, or failed, too often."""


class Useless(Resting):
    """A summarizer was not asked: it has answered too often with what could not be used."""


def failure_of(wrong: Exception) -> Failure:
    """What an error of a summarizer says."""
    if isinstance(wrong, Useless):
        return Failure("useless")
    if isinstance(wrong, Resting | LeftAlone | TooLate):
        return Failure("resting")
    said = str(wrong)[:_LONGEST]
    status = getattr(wrong, "status_code", None)
    refused = status in REFUSING or status is None
    if status == _TOO_LARGE or (refused and (_TOO_LONG.search(said) or _CUT_OFF.search(said))):
        return Failure("too_long", _number(_WINDOW, said))
    if status in _AWAY or (status is None and _SAYS_AWAY.search(said)):
        return Failure("away")
    if isinstance(wrong, SummaryError) or status in _NEVER:
        return Failure("unusable")
    return Failure("unreachable")


def lacks_model(wrong: Exception) -> bool:
    """Whether an error says that the server has no model of the name it was asked for.

    A path that is not there is no other case: the chat, too, is had by it.
    """
    status = getattr(wrong, "status_code", None)
    if status == _NOT_FOUND:
        return True
    return status in REFUSING and bool(_NO_MODEL.search(str(wrong)[:_LONGEST]))


def _number(pattern: re.Pattern[str], said: str) -> int | None:
    found = pattern.search(said)
    if found is None:
        return None
    digits = next(one for one in found.groups() if one is not None).replace(",", "")
    number = int(digits[:12])
    return number if number >= _LEAST_WINDOW else None
