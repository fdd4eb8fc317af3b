"""A way to make a request goes in; the response comes out, from a server that may not take it all.

A server that refuses a field which only says how to answer is asked once more without it, and
never again with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableSet
from types import MappingProxyType
from typing import Any, Protocol

from anthropic import Anthropic, APIStatusError, AsyncAnthropic

from turnfold.request.refusals import failure_of
from turnfold.summarizers.summary_model import SummaryModel

Refused = MutableSet[str] | None

# Fields that can be done without, and the words by which a server says that it does not know one.
_OPTIONAL = MappingProxyType(
    {
        "output_config": re.compile(
            r"output_config|output_format|response_format|json_schema|structured|schema|grammar",
            re.IGNORECASE,
        ),
        "thinking": re.compile(r"thinking|reasoning", re.IGNORECASE),
    }
)
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
        """A request, without what is known to be refused."""
        request = make(model=self._model.name, structured=self._model.structured)
        return {name: value for name, value in request.items() if name not in self._refused}

    def answered(self, message: Any) -> Mapping[str, Any]:
        """A response as JSON, under the name that was asked for: some name a file of theirs."""
        return {**message.model_dump(), "model": self._model.name}

    def gives_up(self, request: Mapping[str, Any], wrong: APIStatusError) -> bool:
        """Whether an optional field was what was refused: it is left out from now on."""
        if wrong.status_code not in _REFUSING or failure_of(wrong).kind == "too_long":
            return False
        said = str(wrong)
        for name, words in _OPTIONAL.items():
            if name in request and words.search(said):
                self._refused.add(name)
                return True
        return False
