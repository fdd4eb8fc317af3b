"""A client goes in, and the caller's own summarizer if there is one; who writes comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from anthropic import Anthropic, AsyncAnthropic

from turnfold.summarizers.claude import AsyncClaudeSummarizer, ClaudeSummarizer
from turnfold.summarizers.protocol import Summarizer
from turnfold.summarizers.provider import (
    AsyncProviderSummarizer,
    OnItsWay,
    ProviderSummarizer,
)
from turnfold.summarizers.reconciling import Reconciler
from turnfold.summarizers.resting import (
    COMPARING,
    Asked,
    AskedOnLoop,
    AskedToCompare,
    Rest,
    Rests,
    door_of,
    server_of,
)
from turnfold.summarizers.summary_model import (
    SummaryModel,
    chat_model,
    is_expected_at,
    summary_model,
)


@dataclass(frozen=True, slots=True)
class Writers:
    """Who writes summaries for one client.

    Attributes:
        sync: asked in a thread; None where nobody can be.
        on_loop: asked on an event loop; None where nobody can be, or in a thread.
        model: the model that writes; "" where it costs nothing.
        server: names where the client's requests go.
    """

    sync: Asked | None = None
    on_loop: AskedOnLoop | None = None
    model: str = ""
    server: str = ""
    _for_chat: Callable[[str], Writers] | None = None
    _usual: Rest | None = None
    _reading: Callable[[OnItsWay], Writers] | None = None

    @classmethod
    def of(
        cls, client: Any, summarizer: Summarizer | str | None, *, model: str, rests: Rests
    ) -> Writers:
        """The caller's own summarizer, or Claude by way of the client.

        Args:
            client: without memory.
            summarizer: the caller's own; None for Claude; "provider" for the API's compaction.
            model: the policy's `summary_model`.
            rests: what is known of summarizers that do not answer.

        Raises:
            PolicyError: the client's cloud has no default for that model.
        """
        if summarizer is not None and not isinstance(summarizer, str):
            kind = AskedToCompare if isinstance(summarizer, Reconciler) else Asked
            asked = kind(summarizer, rests.of(""), comparing=rests.of("", COMPARING))
            return cls(sync=asked, server=server_of(client))
        named = summary_model(client, model)
        usual = _by_way_of(client, named, rests)
        if summarizer is not None:
            return replace(usual, _for_chat=partial(_compacting, client, rests))
        if model != "auto":
            return usual
        return replace(usual, _for_chat=partial(_beside, client, named, rests))

    def beside(self, chat: str) -> Writers:
        """Who writes for chats with a model.

        Where nobody said who, the server may not have the one we would ask: then it is the chat's
        own model, since that one is there.

        Args:
            chat: the model's name in the request; "" where that is not known.
        """
        return self if self._for_chat is None or not chat else self._for_chat(chat)

    def reading(self, sent: OnItsWay) -> Writers:
        """The same once a request has gone out in which the turns to be summarized stand."""
        return self if self._reading is None else self._reading(sent)

    def of_user(self, user_id: str) -> Writers:
        """The same for a user's turns: what comes of those is held against no one else's."""

        def then(make: Callable[[Any], Writers] | None) -> Callable[[Any], Writers] | None:
            return None if make is None else lambda given: make(given).of_user(user_id)

        return replace(
            self,
            sync=None if self.sync is None else self.sync.of_user(user_id),
            on_loop=None if self.on_loop is None else self.on_loop.of_user(user_id),
            _for_chat=then(self._for_chat),
            _reading=then(self._reading),
        )

    def take_remark(self) -> str:
        """What a receipt is to say of who writes, once; "" for nothing."""
        return "" if self._usual is None else self._usual.take_remark()

    def judged(self, of_use: bool | None) -> None:
        """Take what an answer was worth; see `Rest.judged`."""
        asked = self.on_loop or self.sync
        if asked is not None and of_use is not None:
            asked.judged(of_use=of_use)


def _beside(client: Any, named: SummaryModel, rests: Rests, chat: str) -> Writers:
    own = _by_way_of(client, SummaryModel(chat, structured=named.structured), rests)
    rest = rests.of(door_of(client, named.name))
    if not rest.is_replaced and not is_expected_at(client, chat):
        rest.replace(named.name, chat)
    writers = own if rest.is_replaced else _by_way_of(client, named, rests, instead=own)
    return replace(writers, _usual=rest)


def _compacting(client: Any, rests: Rests, chat: str, sent: OnItsWay | None = None) -> Writers:
    """The API's own compaction, by the chat's model."""
    model = chat_model(client, chat)

    def compacts(kind: Callable[..., Any], usual: Any, refused: set[str]) -> Any:
        return kind(client, chat, usual, refused, sent)

    writers = _by_way_of(client, model, rests, compacts=compacts)
    return replace(writers, _reading=partial(_compacting, client, rests, chat))


def _by_way_of(
    client: Any,
    model: SummaryModel,
    rests: Rests,
    instead: Writers | None = None,
    compacts: Callable[[Callable[..., Any], Any, set[str]], Any] | None = None,
) -> Writers:
    """A model, by way of a client.

    Args:
        client: without memory.
        model: who writes.
        rests: what is known of it.
        instead: who does where the server does not have it.
        compacts: makes of who is asked in the usual way one that has the API compact; None to
            leave them.
    """
    door = door_of(client, model.name)
    rest, comparing = rests.of(door), rests.of(door, COMPARING)
    other = instead or Writers()
    is_async = hasattr(client, "__aenter__")
    sync = on_loop = None
    if isinstance(client, Anthropic) or not is_async:
        asked: Any = ClaudeSummarizer(client, model, rest.refused)
        asked = compacts(ProviderSummarizer, asked, rest.refused) if compacts else asked
        sync = AskedToCompare(asked, rest, model.name, other.sync, other.model, comparing=comparing)
    if isinstance(client, AsyncAnthropic) or is_async:
        asked = AsyncClaudeSummarizer(client, model, rest.refused)
        asked = compacts(AsyncProviderSummarizer, asked, rest.refused) if compacts else asked
        on_loop = AskedOnLoop(
            asked, rest, model.name, other.on_loop, other.model, comparing=comparing
        )
    return Writers(sync, on_loop, model.name, server_of(client))
