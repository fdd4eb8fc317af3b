"""Every setting of the memory, with its range and the reason for its default."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal, get_args

from turnfold.accounting.prices import Price
from turnfold.accounting.tokens import CountText, estimate_text
from turnfold.errors import PolicyError
from turnfold.language.days import TimeZone, zone_of

Placement = Literal["auto", "append", "before_window"]
CacheMode = Literal["auto", "on", "off"]
RecallScope = Literal["conversation", "user"]
OnError = Literal["continue", "raise"]
BackgroundMode = Literal["auto", "on", "off"]

# The prompt from which "auto" may fold; see turnfold.folding.rule.
_LEAST_AUTO = 8_000
_LEAST_BUDGET = 500

_LEAST = {
    "fold_at": 1_000,
    "keep_tokens": 0,
    "keep_exchanges": 0,
    "keep_first": 0,
    "max_prompt_tokens": 1_000,
    "budget": _LEAST_BUDGET,
    "summary_tokens": 100,
    "recall_tokens": 0,
    "leaf_tokens": 1_000,
    "result_tokens": 100,
}
_OPTIONAL = frozenset({"max_prompt_tokens", "budget", "result_tokens"})
_CHOICES = {
    "scope": RecallScope,
    "placement": Placement,
    "cache": CacheMode,
    "background": BackgroundMode,
    "on_error": OnError,
}
_FUNCTIONS = {
    "clock": "nothing to seconds since the epoch",
    "count_tokens": "a text to its tokens",
    "redact": "a text to a text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that may be spent on summaries.

    Attributes:
        tokens: read and written by the model; 0 or more. None for any number.
        dollars: at list prices; 0 or more. None for any amount. A model without a known price
            counts as the dearest one, so that the cap holds.

    Raises:
        PolicyError: a value is out of range.
    """

    tokens: int | None = None
    dollars: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("tokens", self.tokens), ("dollars", self.dollars)):
            if value is None:
                continue
            fits = isinstance(value, int | float) and math.isfinite(value) and value >= 0
            if isinstance(value, bool) or not fits:
                raise PolicyError(f"{name}={value!r} of a cap must be 0 or more, or None for none")

    def refuses(self, spent: Spent, more: Spent) -> bool:
        """Whether spending more would pass the cap, or it is reached."""
        limits = (
            (self.tokens, spent.tokens, more.tokens),
            (self.dollars, spent.dollars, more.dollars),
        )
        return any(
            most is not None and (was >= most or was + asked > most) for most, was, asked in limits
        )

    def __str__(self) -> str:
        tokens = "" if self.tokens is None else f"{self.tokens} tokens"
        dollars = "" if self.dollars is None else f"${self.dollars:g}"
        return " or ".join(filter(None, (tokens, dollars))) or "nothing"


@dataclass(frozen=True, slots=True)
class Spent:
    """What summaries have cost."""

    tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.dollars + other.dollars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a conversation is folded, summarized and recalled. All sizes are in tokens.

    Attributes:
        fold_at: "auto" folds when it pays, by the prices of the models and what was measured of
            this conversation (docs/folding.md), at a prompt of more than 8,000 tokens besides
            `system` and `tools`. A number, at least 1,000: fold when the estimated prompt
            passes it.
        keep_tokens: size of the window a fold leaves behind; 0 to `fold_at` - 1.
        keep_exchanges: closed exchanges that stay verbatim whatever their size; 0 or more.
        keep_first: exchanges at the very beginning that are never folded; 0 or more.
        max_prompt_tokens: the most a prompt may have, whatever folding costs, and though the
            user may have to wait for it; at least 1,000. None for the model's context window
            less the request's `max_tokens`. It holds whenever `system`, `tools`, what is kept by
            `keep_first` and the newest exchange fit: without a summarizer sentences of the turns
            are the summary, and `keep_exchanges` gives way.
        budget: the most that summary, recalled passages and closed exchanges in the window may
            have together: all of the prompt but `system`, `tools` and the newest message. None
            for no such limit. Best set by `Policy.for_budget`.
        summary_tokens: budget of the rendered summary; at least 100.
        recall_tokens: budget of what one turn may recall, labels counted roughly; 0 turns
            recall off. Where each message leads to a long exchange, as in an agent's job, it is a
            sixteenth of what exchanges have on the average, up to four times as much.
        recall_floor: least cosine similarity (-1 to 1) of a recalled passage, so that small
            talk recalls nothing; with a `budget` a question is given the nearest all the same,
            and anything else what is behind one that is so near.
        scope: recall from "conversation", or from all conversations of the "user".
        placement: "before_window" puts one memory block ahead of the window. "append" puts
            what is recalled just before the newest opening, where it stays until the next
            fold, so that each request continues the one before and the prompt cache holds.
            "auto" appends where the request is cached or thinking is in play, and is fixed
            for an epoch.
        cache: "on" sets cache breakpoints, at most four with the caller's; "off" sets none;
            "auto" sets them until more than half of the measured turns came too late for what
            the turn before had written.
        background: "on" prepares a fold away from the turn when the prompt reaches 70% of the
            size at which it will fold, and folds when it is ready; until then the history goes
            out as it is, so nobody waits for a fold while it fits. "off" folds within the turn
            that passes `fold_at`. "auto" is "on", but folds within the turn where a worker was
            lost with its process before it was done, as in scripts that end after each turn;
            and it is "off" where a `clock` is given, so that replays come out alike.
        diagnose_cache: whether each request asks the API why the prompt cache could not serve all
            of the request before; `Receipt.cache_miss_reason` has the answer. It costs nothing.
        result_tokens: in a long turn of an agent, what a result of a tool may have once it is
            not the newest: at a fold, a larger one is cut to its beginning and its end, and one
            that was given again leaves only the newest. All of it stays in memory. At least 100;
            None cuts nothing.
        summary_model: the model that writes summaries; "auto" is claude-haiku-5-5 by the name
            that the client's cloud has for it, or the chat's own model on a server without it.
        leaf_tokens: the most one summary call is given to read of the turns; at least 1,000. A
            longer exchange is summarized in pieces. No call passes 100,000 tokens in all.
        turn_cap: the most that one turn may spend on summaries, also of a fold it has prepared
            in the background. Past a cap summaries are made of sentences of the turns, without
            a model, and the receipt says so.
        conversation_cap: the most that a conversation may spend on summaries in all.
        summary_rounds: how often, on average, what is said in a conversation may be given to a
            summarizer; 1 or more. Each thing said is summarized once, and what is edited or
            refused again; so this only bounds what becomes of edits of old turns. Up to 30,000
            tokens it does not count; None for no bound.
        deadline: seconds memory may add to one turn, summaries included; past it the request
            goes without memory. A summary is waited for four fifths of it. Above 0.
        retain_days: exchanges older than so many days are forgotten, at the first turn of their
            user in a process and once a day from then on; None keeps them. Above 0.
        redact: applied to every text before it is stored or shown to a summarizer, as
            `redact(text) -> text`; what is sent to the model you ask stays as it is. The same
            text must always give the same, and what was redacted must stay as it is.
        on_error: "continue" answers the user without memory when a part of it fails;
            "raise" raises.
        time_zone: by whose days what is recalled is dated, and "yesterday" is understood: a
            name of the IANA database such as "Europe/Berlin", or a `tzinfo`. None for the
            machine's. `Memory.wrap(..., time_zone=...)` goes before it.
        clock: tells the time, in seconds since the epoch, for what is stored and for how long
            turns are apart; None for the system's. For replays of the past.
        count_tokens: counts the tokens of a text instead of turnfold's estimate.
        prices: what models cost you, by the beginning of their names, where it is not the list
            price: {"claude-sonnet-5-5": turnfold.accounting.Price.of(2, 10, read=0.1)}.

    Raises:
        PolicyError: a value is out of range; says which, why, and what would do.
    """

    fold_at: int | Literal["auto"] = "auto"
    keep_tokens: int = 2_500
    keep_exchanges: int = 1
    keep_first: int = 0
    max_prompt_tokens: int | None = None
    budget: int | None = None
    summary_tokens: int = 1_500
    recall_tokens: int = 1_000
    recall_floor: float = 0.25
    scope: RecallScope = "conversation"
    placement: Placement = "auto"
    cache: CacheMode = "auto"
    background: BackgroundMode = "auto"
    diagnose_cache: bool = False
    summary_model: str = "auto"
    leaf_tokens: int = 24_000
    result_tokens: int | None = 1_000
    turn_cap: Cap | None = None
    conversation_cap: Cap | None = None
    summary_rounds: float | None = 1.5
    deadline: float = 60.0
    retain_days: float | None = None
    redact: Callable[[str], str] | None = None
    on_error: OnError = "continue"
    time_zone: TimeZone = None
    clock: Callable[[], float] | None = None
    count_tokens: Callable[[str], int] | None = None
    prices: Mapping[str, Price] | None = None

    @classmethod
    def for_budget(cls, tokens: int, **changes: Any) -> Policy:
        """A policy whose whole prompt fits a budget, newest message, `system`, `tools` aside.

        Window, summary and recall share it: a twentieth each for the summary and for what a fold
        leaves of the window, the rest for the window's growth and for what is recalled, which
        is chosen anew each turn and takes all that is free. Only the newest message, and the
        tool calls it leads to, are sent whatever their size.

        Args:
            tokens: the budget; at least 500. Counted by `count_tokens`, where given.
            changes: any other setting.

        Raises:
            PolicyError: a value is out of range.
        """
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < _LEAST_BUDGET:
            raise PolicyError(
                f"a budget of {tokens!r} tokens is too small to hold a summary and a passage: "
                f"give a whole number of at least {_LEAST_BUDGET}"
            )
        shares: dict[str, Any] = {
            "budget": tokens,
            "keep_tokens": tokens // 20,
            "keep_exchanges": 0,
            "summary_tokens": min(max(100, tokens // 20), 1_500),
            "recall_tokens": tokens,
            "placement": "before_window",
        }
        return cls(**{**shares, **changes})

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_window()
        self._check_choices()
        self._check_money()
        zone_of(self.time_zone)

    def _check_numbers(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) is not None or name not in _OPTIONAL:
                self._whole(name, least)
        self._number("recall_floor", -1 <= _number(self.recall_floor) <= 1, "a cosine from -1 to 1")
        self._number("deadline", _number(self.deadline) > 0, "seconds, above 0")
        if self.retain_days is not None:
            self._number("retain_days", _number(self.retain_days) > 0, "days above 0, or None")

    def _check_choices(self) -> None:
        for name, choices in _CHOICES.items():
            self._one_of(name, choices)
        for name, shape in _FUNCTIONS.items():
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise PolicyError(f"{name} must be a function from {shape}, or None")
        if not isinstance(self.diagnose_cache, bool):
            raise PolicyError(f"diagnose_cache={self.diagnose_cache!r} must be True or False")
        if not isinstance(self.summary_model, str) or not self.summary_model:
            raise PolicyError(
                f"summary_model={self.summary_model!r} must name a model, e.g. 'claude-haiku-5-5', "
                f"or be 'auto'"
            )

    def _check_money(self) -> None:
        for name in ("turn_cap", "conversation_cap"):
            if not isinstance(getattr(self, name), Cap | None):
                raise PolicyError(
                    f"{name}={getattr(self, name)!r} must be a turnfold.Cap, such as "
                    f"Cap(tokens=50_000) or Cap(dollars=0.10), or None"
                )
        if self.summary_rounds is not None:
            self._number("summary_rounds", _number(self.summary_rounds) >= 1, "1 or more, or None")
        if self.prices is not None and not _are_prices(self.prices):
            raise PolicyError(
                "prices must give a turnfold.accounting.Price by the beginning of a "
                "model's name, e.g. {'claude-sonnet-5-5': Price.of(2, 10, read=0.1)}"
            )

    def _check_window(self) -> None:
        """A fold has to leave less than what triggers it."""
        triggers: dict[str, int | None] = {
            "fold_at": _LEAST_AUTO if self.fold_at == "auto" else self.fold_at,
            "max_prompt_tokens": self.max_prompt_tokens,
            "budget": self.budget,
        }
        for name, trigger in triggers.items():
            if trigger is not None and self.keep_tokens >= trigger:
                shown = f"{name}={trigger}"
                if name == "fold_at" and self.fold_at == "auto":
                    shown = f"the {trigger} tokens from which fold_at='auto' folds"
                raise PolicyError(
                    f"keep_tokens={self.keep_tokens} must be below {shown}: a fold has to leave "
                    f"less than what triggers it. A quarter of that does well"
                )

    @property
    def counter(self) -> CountText:
        """Counts the tokens of a text: `count_tokens`, or turnfold's estimate."""
        return self.count_tokens or estimate_text

    @property
    def now(self) -> Callable[[], float]:
        """Tells the time, in seconds since the epoch: `clock`, or the system's."""
        return self.clock or time.time

    @property
    def zone(self) -> tzinfo | None:
        """Whose days are meant; None for the machine's."""
        return zone_of(self.time_zone)

    @property
    def prepares(self) -> bool:
        """Whether folds are prepared in the background."""
        return self.background == "on" or (self.background == "auto" and self.clock is None)

    def _number(self, name: str, fits: bool, wanted: str) -> None:
        if not fits:
            raise PolicyError(f"{name}={getattr(self, name)!r} must be a number: {wanted}")

    def _whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if name == "fold_at" and value == "auto":
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            hint = f"; did you mean {math.ceil(value)}?" if _is_near(value, least) else ""
            other = ", or 'auto'" if name == "fold_at" else ""
            raise PolicyError(
                f"{name}={value!r} must be a whole number of at least {least}{other}{hint}"
            )

    def _one_of(self, name: str, allowed: Any) -> None:
        value = getattr(self, name)
        choices = get_args(allowed)
        if value not in choices:
            known = ", ".join(repr(choice) for choice in choices)
            raise PolicyError(f"{name}={value!r} is not known; choose one of {known}")


def _number(value: object) -> float:
    """The value, if it is a number; else one that is in no range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan  # type: ignore[arg-type]


def _are_prices(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, Price) for one in value.values())


def _is_near(value: object, least: int) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value >= least
