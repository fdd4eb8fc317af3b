"""A way to make a request goes in; the response comes out, from a server that may not take it all.

A server that refuses a field which only says how to answer is asked once more without it, and
never again with it. How to keep a model from thinking is known of Claude's, and else found out so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableSet
from types import MappingProxyType
from typing import Any, Protocol

from anthropic import Anthropic, APIStatusError, AsyncAnthropic

from turnfold.request.least_thinking import (
    SETTINGS,
    Setting,
    setting_of,
    thinks_untold,
    told_by,
    with_least_thinking,
)
from turnfold.request.refusals import failure_of
from turnfold.summarizers.summary_model import SummaryModel

Refused = MutableSet[str] | None

# Fields that can be done without, and the words by which a server says that it does not know one:
# the field's own name, else some that are said of it. A field may be named as what to use instead,
# so of names the first is meant.
_NAMED = re.compile(r"\b(?:output_config\.effort\b|(?:thinking|output_config)(?=[\"'`]?[.:]))")
_OPTIONAL = MappingProxyType(
    {
        "thinking": re.compile(r"thinking|reasoning", re.IGNORECASE),
        "output_config.effort": re.compile(r"\beffort\b", re.IGNORECASE),
        "output_config": re.compile(
            r"output_config|output_format|response_format|json_schema|structured|schema|grammar",
            re.IGNORECASE,
        ),
    }
)
# Remembered beside them: what a server said to tell the model about thinking instead.
_INSTEAD = "thinking: {}"
_REFUSING = frozenset({400, 422})


class Makes(Protocol):
    """Makes a request for a model."""

    def __call__(self, *, model: str, structured: bool) -> dict[str, Any]:
        """The body; with a schema for the output where that is taken."""
        ...


class Asking:
    """Asks one model, through one client."""

    def __init__(self, client: Anthropic, model: SummaryModel, refused: Refused = None) -> None:
        """Args:
        client: without memory.
        model: who is asked.
        refused: fields that the server is known not to take; more are added. None for none.
        """
        self._client = client
        self._terms = Terms(model, refused)

    def answer(self, make: Makes) -> Mapping[str, Any]:
        """The response to a request, as JSON; the client's own retries apply.

        Raises:
            Exception: what the client raises.
        """
        while True:
            request = self._terms.of(make)
            try:
                message = self._client.messages.create(**request)
                return self._terms.answered(message)
            except APIStatusError as wrong:
                if not self._terms.gives_up(request, wrong):
                    raise


class AsyncAsking:
    """The same over an async client."""

    def __init__(
        self, client: AsyncAnthropic, model: SummaryModel, refused: Refused = None
    ) -> None:
        """See `Asking`."""
        self._client = client
        self._terms = Terms(model, refused)

    async def answer(self, make: Makes) -> Mapping[str, Any]:
        """See `Asking.answer`."""
        while True:
            request = self._terms.of(make)
            try:
                message = await self._client.messages.create(**request)
                return self._terms.answered(message)
            except APIStatusError as wrong:
                if not self._terms.gives_up(request, wrong):
                    raise


class Terms:
    """What one model takes of a request where it is asked."""

    def __init__(self, model: SummaryModel, refused: Refused) -> None:
        self._model = model
        self._refused: MutableSet[str] = set() if refused is None else refused

    def of(self, make: Makes) -> dict[str, Any]:
        """A request that has the model think little, without what is known to be refused."""
        request = make(model=self._model.name, structured=self._model.structured)
        if setting := self._setting():
            request = with_least_thinking(request, setting)
        for name in self._refused:
            request = _without(request, name)
        return request

    def _setting(self) -> Setting | None:
        """How to keep it from thinking; None where it takes nothing for it, and need not."""
        if "thinking" in self._refused:
            return "adaptive" if thinks_untold(self._model.name) else None
        told = [one for one in SETTINGS if _INSTEAD.format(one) in self._refused]
        return told[-1] if told else setting_of(self._model.name)

    def answered(self, message: Any) -> Mapping[str, Any]:
        """A response as JSON, under the name that was asked for: some name a file of theirs."""
        return {**message.model_dump(), "model": self._model.name}

    def gives_up(self, request: Mapping[str, Any], wrong: APIStatusError) -> bool:
        """Whether an optional field was what was refused: it is left out from now on.

        Where the refusal says what to tell the model about thinking instead, that is told.
        """
        if wrong.status_code not in _REFUSING or failure_of(wrong).kind == "too_long":
            return False
        said = str(wrong)
        name = _refused_in(said, request)
        if name is None:
            return False
        instead = told_by(said) if name == "thinking" else None
        if instead and SETTINGS.index(instead) > SETTINGS.index(request["thinking"]["type"]):
            self._refused.add(_INSTEAD.format(instead))
        else:
            self._refused.add(name)
        return True


def _refused_in(said: str, request: Mapping[str, Any]) -> str | None:
    """The optional field of a request that a refusal is about; None for none."""
    there = [name for name in _OPTIONAL if _has(request, name)]
    named = [found for found in _NAMED.findall(said) if found in there]
    meant = [name for name in there if _OPTIONAL[name].search(said)]
    return next(iter((*named, *meant)), None)


def _has(request: Mapping[str, Any], name: str) -> bool:
    field, _, part = name.partition(".")
    return field in request and (not part or part in request[field])


def _without(request: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A request without a field, or without a part of one."""
    field, _, part = name.partition(".")
    rest = {one: value for one, value in request.items() if one != field}
    kept = {one: value for one, value in request.get(field, {}).items() if one != part}
    return {**rest, field: kept} if part and kept else rest
