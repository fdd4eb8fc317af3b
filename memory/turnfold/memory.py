"""A client goes in; the same kind of client comes out, with memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, Self, TypeVar

from turnfold_stores import Store, open_store

from turnfold.accounting.account import Account
from turnfold.accounting.receipt import Receipt
from turnfold.embedders import Embedder, default_embedder, named_embedder
from turnfold.embedders.background_loading import ModelStart
from turnfold.engine.runtime import Runtime
from turnfold.errors import PolicyError, StoreError, TurnfoldError
from turnfold.history.plain import plain
from turnfold.language.days import TimeZone, zone_of
from turnfold.memory_by_hand import MemoryByHand, check_kind
from turnfold.memory_files import MemoryFiles
from turnfold.policy import Policy
from turnfold.resilience.own_thread import in_own_thread
from turnfold.scope import Scope, Whose, check_name, check_said
from turnfold.sdk.background import Background
from turnfold.sdk.client_copy import with_chain
from turnfold.sdk.listeners import check_listener
from turnfold.sdk.middleware import MemoryMiddleware
from turnfold.sdk.part_threads import Bounds
from turnfold.summaries.notes import SummaryDraft, SummaryJob
from turnfold.summarizers.driver import SummarizeAsync
from turnfold.summarizers.protocol import Summarizer
from turnfold.summarizers.provider import PROVIDER
from turnfold.summarizers.resting import Rests
from turnfold.summarizers.summary_model import DEFAULT_MODEL, summary_model
from turnfold.summarizers.writers import Writers
from turnfold.upkeep.backfill import Backfill, BackfillReport, Progress, no_progress, times_of
from turnfold.upkeep.backfill_run import afill, fill

Client = TypeVar("Client")


class Memory(MemoryByHand, MemoryFiles):
    """A store, an embedder and a policy, for any number of clients. One per process.

    Example:
        memory = Memory("./chat-memory")
        client = memory.wrap(Anthropic(), user_id="ada", conversation="engine")
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store = "memory:",
        *,
        policy: Policy | None = None,
        embedder: Embedder | str | None = None,
        summarizer: Summarizer | Literal["provider"] | None = None,
        on_receipt: Callable[[Receipt], object] | None = None,
    ) -> None:
        """Args:
            store: a URL ("memory:", "./folder", "sqlite:file", "postgresql://…"), a path, or a
                Store.
            policy: when to fold and what to recall; the default suits a chat.
            embedder: turns texts into vectors: "fast" (all-MiniLM-L6-v2 without torch),
                "sentence-transformers", another model's name or folder, or an Embedder. By
                default all-MiniLM-L6-v2, by what of the two is installed; else recall is by
                words alone. The model is loaded in the background once a conversation comes
                near to its first fold.
            summarizer: writes summaries; by default Claude, through the client that is wrapped.
                "provider": the chat's own model, by the API's on-demand compaction (beta), where
                the turns stand in the prompt cache; see docs/summaries.md.
            on_receipt: called with the receipt of every answered request: for a sync client in
                the thread that takes the answer; for an async one awaited on its event loop if
                it is `async def`, else in a thread of memory's, so that it may block, and waited
                for no longer than the deadline. What it raises is logged. Where a client traces
                with OpenTelemetry, the span of the call gets its figures, too.

        Raises:
            StoreError: the store cannot be opened.
            SchemaMismatch: the store holds vectors of another embedding model.
            EmbedderError: the embedder named is not known.
            TurnfoldError: the summarizer is none, or on_receipt cannot be called.
        """
        self.policy = policy if policy is not None else Policy()
        if not isinstance(self.policy, Policy):
            raise PolicyError(f"policy must be a turnfold.Policy, not {type(policy).__name__}")
        if not isinstance(store, str | os.PathLike | Store):
            raise StoreError(f"a store is a URL, a path or a Store, not {type(store).__name__}")
        if isinstance(embedder, str):
            embedder = named_embedder(embedder)
        elif embedder is not None:
            check_kind(
                "embedder", embedder, Embedder, "an Embedder: it has `model` and `embed(texts)`"
            )
        if summarizer is not None and summarizer != PROVIDER:
            check_kind(
                "summarizer",
                summarizer,
                Summarizer,
                'a function from a SummaryJob to a draft, or "provider"',
            )
        check_listener(on_receipt)
        embedder = embedder if embedder is not None else default_embedder()
        patient = self.policy.on_error == "raise"
        self._embedder = None if embedder is None else ModelStart(embedder, patient=patient)
        self._summarizer = summarizer
        self._on_receipt = on_receipt
        self._background = Background(Bounds())
        self._rests = Rests()
        self.store = open_store(store)
        self._owns_store = not isinstance(store, Store)
        if self._embedder is not None:
            try:
                self.store.check_model(self._embedder.model)
            except TurnfoldError:
                self.close()
                raise
        wanted = self.policy.summary_model
        named = DEFAULT_MODEL if wanted == "auto" else wanted
        writer = named if summarizer is None or summarizer == PROVIDER else ""
        self._process = Runtime(self.store, self._embedder, self.policy, writer)

    def wrap(
        self,
        client: Client,
        *,
        user_id: str | None = None,
        conversation: str | None = None,
        time_zone: TimeZone = None,
        on_receipt: Callable[[Receipt], object] | None = None,
    ) -> Client:
        """The client with memory: same type, same methods, same connection pool.

        Cheap: wrap anew for each request where users or conversations change.

        Args:
            client: any client of the Anthropic SDK, sync or async, of any cloud.
            user_id: whose memory; nothing crosses from one to another. None reads the
                request's `metadata.user_id`, and takes one local user where there is none.
            conversation: which conversation of theirs this is.
            time_zone: by whose days "yesterday" is understood and what is recalled is dated,
                such as "Asia/Tokyo"; None for the policy's, and that of the machine.
            on_receipt: called with the receipt of every answered request of this client, as
                that of the memory is.

        Raises:
            TurnfoldError: this is no client of the SDK, or of a class of your own that it cannot
                make anew, or it has memory already; or it is a sync one, and on_receipt, here or
                of the memory, is `async def`.
            PolicyError: there is no such time zone, or the client's cloud has no default for
                the model that writes summaries.
        """
        _check_wrap(client, user_id, conversation)
        chain: Any = client.middleware  # type: ignore[attr-defined]
        middleware = self.middleware(
            client,
            user_id=user_id,
            conversation=conversation,
            time_zone=time_zone,
            on_receipt=on_receipt,
        )
        return with_chain(client, [middleware, *chain])

    def middleware(
        self,
        client: Any,
        *,
        user_id: str | None = None,
        conversation: str | None = None,
        time_zone: TimeZone = None,
        keep_first: int | None = None,
        on_receipt: Callable[[Receipt], object] | None = None,
    ) -> MemoryMiddleware:
        """The memory by itself, for what takes middlewares of the SDK and makes its own client.

        It goes first in the list: what stands behind it sees the requests as they are sent.

        Args:
            client: asked for summaries, and given no memory by this; any client of the SDK, sync
                where the middleware will serve sync clients, async for async ones.
            user_id: as for `wrap`.
            conversation: as for `wrap`.
            time_zone: as for `wrap`.
            keep_first: exchanges at the beginning that are never folded; None for the policy's.
            on_receipt: as for `wrap`.

        Raises:
            TurnfoldError: a name or on_receipt does not fit.
            PolicyError: a setting does not fit, or the client's cloud has no default for the
                model that writes summaries.
        """
        check_name("user_id", user_id)
        check_name("conversation", conversation)
        changes: dict[str, Any] = {"time_zone": zone_of(time_zone), "keep_first": keep_first}
        changes = {name: value for name, value in changes.items() if value is not None}
        client = without_memory(client)
        for each in (self._on_receipt, on_receipt):
            check_listener(each, client)
        tell = [each for each in (self._on_receipt, on_receipt) if each is not None]
        return MemoryMiddleware(
            self._process,
            self._background,
            whose=Whose(user_id, conversation or ""),
            writers=self._writers(client),
            on_receipt=tell,
            memory=self,
            policy=replace(self.policy, **changes) if changes else None,
        )

    def _writers(self, client: Any) -> Writers:
        """Who writes summaries: the caller's own summarizer, or Claude."""
        model = self.policy.summary_model
        return Writers.of(client, self._summarizer, model=model, rests=self._rests)

    def backfill(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        client: Any,
        user_id: str,
        conversation: str,
        times: Sequence[float | datetime | None] | None = None,
        progress: Progress = no_progress,
    ) -> BackfillReport:
        """Take in a history that was held without memory, so that its next turn has it.

        All of it is stored, and all but the newest exchanges are summarized, some summaries
        side by side, indexed and folded. Called again, it goes on where it was stopped. Another
        worker that is folding the same history is waited for.

        Args:
            messages: the whole history, as it would be given to `messages.create`.
            client: the sync client that is asked for summaries; with or without memory.
            user_id: whose memory.
            conversation: which conversation of theirs.
            times: when each message was said: seconds since the epoch, a datetime, or None
                where that is not known.
            progress: called with "summaries", "items" or "vectors", with how many there are,
                and of how many.

        Raises:
            TranscriptError: the messages cannot be read.
            TurnfoldError: an argument does not fit.
            StoreError: the store cannot be read or written.
        """
        filling = self._filling(messages, user_id, conversation, times, progress)
        writers = self._writers(without_memory(client)).of_user(user_id)
        return fill(filling, writers.sync, writers.judged)

    async def abackfill(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        client: Any,
        user_id: str,
        conversation: str,
        times: Sequence[float | datetime | None] | None = None,
        progress: Progress = no_progress,
    ) -> BackfillReport:
        """`backfill` over an async client."""
        step = partial(self._filling, messages, user_id, conversation, times, progress)
        filling = await in_own_thread(step)
        writers = self._writers(without_memory(client)).of_user(user_id)
        own = writers.sync if callable(self._summarizer) else None
        asked: SummarizeAsync | None = writers.on_loop
        if own is not None:
            asked = _asked_in_thread(own)
        return await afill(filling, asked, writers.judged, in_own_thread)

    def _filling(
        self,
        messages: Sequence[Mapping[str, Any]],
        user_id: str,
        conversation: str,
        times: Sequence[float | datetime | None] | None,
        progress: Progress,
    ) -> Backfill:
        check_said("user_id", user_id)
        check_said("conversation", conversation)
        scope = Scope(user_id, conversation)
        messages = plain(messages)
        said_at = times_of(times, messages, self.policy.zone)
        transcript = self._process.read(messages, scope)
        archive = self._process.archive(scope, transcript)
        context = self._process.context(archive, Account(self.policy.prices))
        return Backfill(
            replace(context, work="backfill"),
            transcript,
            None if said_at is None else transcript.spread(said_at),
            progress,
        )

    def load(self) -> None:
        """Load the embedding model now; without this it loads in the background when needed.

        Returns when it is loaded, or has failed to load: turns say why.
        """
        if self._embedder is not None:
            self._embedder.wait()

    async def aload(self) -> None:
        """`load`, in a thread."""
        await self._in_thread(self.load)

    async def aclose(self) -> None:
        """`close`, in a thread; folds being prepared on this event loop get the same time."""
        await self._background.aclose()
        await in_own_thread(self.close)  # others may hang in the store

    def close(self) -> None:
        """Close the store, unless it was handed in open. Closing twice is harmless.

        Waits up to five seconds for a summary that is being written in the background.
        """
        self._background.close()
        if self._owns_store:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def with_memory(
    client: Client,
    store: str | os.PathLike[str] | Store = "memory:",
    *,
    user_id: str | None = None,
    conversation: str | None = None,
    policy: Policy | None = None,
) -> Client:
    """The one line: a client that remembers.

    The same as `Memory(store, policy=policy).wrap(client, ...)`. `memory_of(client)` finds the
    Memory behind it.

    Args:
        client: any client of the Anthropic SDK, sync or async.
        store: where memory is kept; "memory:" forgets with the process.
        user_id: whose memory; None reads the request's `metadata.user_id`.
        conversation: which conversation of theirs.
        policy: when to fold and what to recall.

    Raises:
        StoreError: the store cannot be opened.
        TurnfoldError: this is no client of the SDK, or it has memory already.
        PolicyError: the client's cloud has no default for the model that writes summaries.
    """
    _check_wrap(client, user_id, conversation)
    summary_model(client, (policy or Policy()).summary_model)
    return Memory(store, policy=policy).wrap(client, user_id=user_id, conversation=conversation)


def memory_of(client: object) -> Memory | None:
    """The Memory behind a wrapped client; None for any other."""
    chain = getattr(client, "middleware", None)
    for entry in chain if isinstance(chain, tuple) else ():
        if isinstance(entry, MemoryMiddleware) and isinstance(entry.memory, Memory):
            return entry.memory
    return None


def without_memory(client: Any) -> Any:
    """The client without memory, which would else see the requests for summaries."""
    chain: Any = getattr(client, "middleware", ())
    others = [entry for entry in chain if not isinstance(entry, MemoryMiddleware)]
    return client if len(others) == len(chain) else with_chain(client, others)


def _asked_in_thread(asked: Summarizer) -> SummarizeAsync:
    """A summarizer that blocks, asked on an event loop."""

    async def summarize(job: SummaryJob) -> SummaryDraft:
        return await in_own_thread(partial(asked, job))

    return summarize


def _check_wrap(client: object, user_id: str | None, conversation: str | None) -> None:
    """Refuse what cannot be wrapped, before anything is opened or made."""
    if memory_of(client) is not None:
        raise TurnfoldError(
            "this client has memory already; wrap the one it was made from, or use it as it is"
        )
    check_name("user_id", user_id)
    check_name("conversation", conversation)
    is_client = hasattr(client, "copy") and isinstance(getattr(client, "middleware", None), tuple)
    if not is_client:
        raise TurnfoldError(
            f"with_memory wraps a client of the Anthropic SDK, such as Anthropic(), not {client!r}"
        )
