"""A client goes in; the same kind of client comes out, with memory."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeVar

import anyio.to_thread
from turnfold_stores import STORE_USER, Store, open_store

from turnfold.accounting.account import Account
from turnfold.accounting.receipt import Receipt
from turnfold.archive.archive import Archive
from turnfold.archive.conversations import generations, present_name
from turnfold.archive.passages import content_of
from turnfold.embedders import Embedder, default_embedder, named_embedder
from turnfold.embedders.start import ModelStart
from turnfold.engine.runtime import Runtime
from turnfold.errors import PolicyError, StoreError, TurnfoldError
from turnfold.forgetting.forget import (
    Forgotten,
    forget,
    forget_found,
    forget_turns,
    turns_named,
)
from turnfold.language.days import TimeZone, seconds_of, zone_of
from turnfold.policy import Policy
from turnfold.recall.search import Search, SearchHit
from turnfold.scope import Scope, Whose, scope_of
from turnfold.sdk.background import Background
from turnfold.sdk.bounds import Bounds
from turnfold.sdk.middleware import MemoryMiddleware
from turnfold.summarizers.protocol import Summarizer
from turnfold.summarizers.resting import Rests
from turnfold.summarizers.summary_model import DEFAULT_MODEL, summary_model
from turnfold.summarizers.writers import Writers
from turnfold.upkeep.backfill import Backfill, BackfillReport, Progress, no_progress, times_of
from turnfold.upkeep.backfill_run import afill, fill
from turnfold.upkeep.dry_run import scratch
from turnfold.upkeep.notes import Note, notes_of, store_correction

Client = TypeVar("Client")


class Memory:
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
        summarizer: Summarizer | None = None,
        on_receipt: Callable[[Receipt], None] | None = None,
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
            on_receipt: called with the receipt of every answered request. Where a client traces
                with OpenTelemetry, the span of the call gets its figures, too.

        Raises:
            StoreError: the store cannot be opened.
            SchemaMismatch: the store holds vectors of another embedding model.
            EmbedderError: the embedder named is not known.
        """
        self.policy = policy if policy is not None else Policy()
        if not isinstance(self.policy, Policy):
            raise PolicyError(f"policy must be a turnfold.Policy, not {type(policy).__name__}")
        if not isinstance(store, str | os.PathLike | Store):
            raise StoreError(f"a store is a URL, a path or a Store, not {type(store).__name__}")
        if isinstance(embedder, str):
            embedder = named_embedder(embedder)
        elif embedder is not None:
            _fits("embedder", embedder, Embedder, "an Embedder: it has `model` and `embed(texts)`")
        if summarizer is not None:
            _fits("summarizer", summarizer, Summarizer, "a function from a SummaryJob to a draft")
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
        writer = "" if summarizer is not None else named
        self._process = Runtime(self.store, self._embedder, self.policy, writer)

    def wrap(
        self,
        client: Client,
        *,
        user_id: str | None = None,
        conversation: str | None = None,
        time_zone: TimeZone = None,
        on_receipt: Callable[[Receipt], None] | None = None,
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
            on_receipt: called with the receipt of every answered request of this client.

        Raises:
            TurnfoldError: this is no client of the SDK, or it has memory already.
            PolicyError: there is no such time zone, or the client's cloud has no default for
                the model that writes summaries.
        """
        _check_wrap(client, user_id, conversation)
        copy: Any = client.copy  # type: ignore[attr-defined]
        chain: Any = client.middleware  # type: ignore[attr-defined]
        middleware = self.middleware(
            client,
            user_id=user_id,
            conversation=conversation,
            time_zone=time_zone,
            on_receipt=on_receipt,
        )
        wrapped: Client = copy(middleware=[middleware, *chain])
        return wrapped

    def middleware(
        self,
        client: Any,
        *,
        user_id: str | None = None,
        conversation: str | None = None,
        time_zone: TimeZone = None,
        keep_first: int | None = None,
        on_receipt: Callable[[Receipt], None] | None = None,
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
            TurnfoldError: a name does not fit.
            PolicyError: a setting does not fit, or the client's cloud has no default for the
                model that writes summaries.
        """
        _named("user_id", user_id)
        _named("conversation", conversation)
        changes: dict[str, Any] = {"time_zone": zone_of(time_zone), "keep_first": keep_first}
        changes = {name: value for name, value in changes.items() if value is not None}
        client = without_memory(client)
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
        return fill(filling, self._writers(without_memory(client)).sync)

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
        filling = await anyio.to_thread.run_sync(step)
        writers = self._writers(without_memory(client))
        own = writers.sync if self._summarizer is not None else None
        return await afill(filling, writers.on_loop if own is None else own.on_loop)

    def _filling(
        self,
        messages: Sequence[Mapping[str, Any]],
        user_id: str,
        conversation: str,
        times: Sequence[float | datetime | None] | None,
        progress: Progress,
    ) -> Backfill:
        _named("user_id", user_id)
        _named("conversation", conversation)
        scope = Scope(user_id, conversation)
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

    def preview(
        self,
        body: Mapping[str, Any],
        *,
        user_id: str | None = None,
        conversation: str | None = None,
    ) -> dict[str, Any]:
        """What would be sent for a request. Nothing is written, no model is called.

        A fold that wants a summary first is not shown: the request is as it would be had the
        summary failed.

        Args:
            body: what would be given to `messages.create`, as plain objects.
            user_id: whose memory; None reads `metadata.user_id` of the body.
            conversation: which conversation of theirs.

        Raises:
            TranscriptError: the messages cannot be read.
            StoreError: the store cannot be read.
        """
        scope = scope_of(body, user_id, conversation or "")
        turn = self._process.on(scratch(self.store)).begin(body, scope)
        if turn is None:
            return dict(body)
        turn.settle()
        return dict(turn.body())

    def search(
        self, query: str, *, user_id: str, conversation: str | None = None, limit: int = 8
    ) -> list[SearchHit]:
        """What is in memory about something, the best first.

        By words and by meaning; by words alone where there is no embedder. Dead branches and
        what was reset are left out, as they are from recall.

        Args:
            query: what to look for.
            user_id: whose memory.
            conversation: only in this one; None for all of theirs.
            limit: how many hits at the most; at least 1.

        Raises:
            TurnfoldError: there is no embedder, or an argument is out of range.
            StoreError: the store cannot be read.
        """
        _named("user_id", user_id)
        _named("conversation", conversation)
        if limit < 1:
            raise TurnfoldError(f"limit={limit} must be at least 1")
        if not query.strip():
            return []
        vector = None
        if self._embedder is not None and self._embedder.wait():
            vector = self._embedder.embed([query])[0]
        if conversation is not None:
            conversation = present_name(self.store, user_id, conversation)
        search = Search(self.store, user_id)
        return search.hits(query, vector, conversation=conversation, limit=limit)

    def forget(
        self,
        *,
        user_id: str,
        conversation: str | None = None,
        before: float | datetime | None = None,
        turn: int | Iterable[int] | None = None,
        hit: SearchHit | Iterable[SearchHit] | None = None,
    ) -> Forgotten:
        """Forget exchanges, and all that memory made of them, for good.

        Exchanges, passages, vectors, plans and accounts are deleted, summaries rebuilt without
        them (no model is asked), and files purged where the store keeps files. Keyed tombstones
        remain, which say nothing by themselves: a history that is sent again with forgotten
        exchanges in it passes as it is, and they are never stored, summarized or recalled
        again. What another process is just being sent is forgotten when it is done.

        Args:
            user_id: whose.
            conversation: only in this one, also before it was reset; None for all of theirs.
            before: only what was first said before then: seconds since the epoch or a datetime
                (without a time zone: the policy's); None for all.
            turn: only this turn of the conversation, or these: their numbers in the history as
                it was last sent, from 1, as `Receipt.turn` and `SearchHit.turn` tell them. With
                a turn all answers go that it had, and what is answered to it later on is not
                remembered. What has no such number is passed over.
            hit: only the turn that this hit of a search is from, or these.

        Returns:
            What was done, in numbers.

        Raises:
            TurnfoldError: an argument is out of range.
            StoreError: the store failed; what was not forgotten is forgotten by the next call.
        """
        if user_id is None:
            raise TurnfoldError("user_id=None does not say whose memory to forget")
        _named("user_id", user_id)
        _named("conversation", conversation)
        if sum(one is not None for one in (before, turn, hit)) > 1:
            raise TurnfoldError("before, turn and hit each say what to forget: give one of them")
        if turn is not None:
            turns = turns_named(turn)
            if conversation is None:
                raise TurnfoldError(f"turn={turn!r} needs a conversation that it is a turn of")
            return forget_turns(
                self.store, self.policy, user_id, conversation=conversation, turns=turns
            )
        if hit is not None:
            names = conversation and generations(self.store, user_id, conversation)
            found = _places_of(hit, names or None)
            return forget_found(self.store, self.policy, user_id, found)
        age = math.inf if before is None else seconds_of(before, self.policy.zone, what="before")
        return forget(self.store, self.policy, user_id, conversation=conversation, before=age)

    def notes(self, *, user_id: str, conversation: str | None = None) -> list[Note]:
        """What the summary of a conversation says, item by item, with the turns it comes from.

        Args:
            user_id: whose memory.
            conversation: which one; None for those without a name.

        Raises:
            TurnfoldError: an argument is out of range.
            StoreError: the store cannot be read.
        """
        return notes_of(self._archive(user_id, conversation))

    def retract(self, note: str, *, user_id: str, conversation: str | None = None) -> None:
        """Take back a note of the summary, or all of a node: the next fold leaves it out.

        The ledger keeps what it was.

        Args:
            note: id of a note, or of the node it stands in.
            user_id: whose memory.
            conversation: which one; None for those without a name.

        Raises:
            TurnfoldError: there is no such note.
            StoreError: the store cannot be read or written.
        """
        store_correction(self._archive(user_id, conversation), note, "")

    def replace(
        self, note: str, text: str, *, user_id: str, conversation: str | None = None
    ) -> None:
        """Say what holds instead of a note, or of all of a node: the next fold says so.

        What replaces a standing instruction is kept as a fact: only the user's own words, where
        they wrote them, are instructions.

        Args:
            note: id of a note, or of the node it stands in.
            text: a sentence or two.
            user_id: whose memory.
            conversation: which one; None for those without a name.

        Raises:
            TurnfoldError: there is no such note, or the text is empty.
            StoreError: the store cannot be read or written.
        """
        if not isinstance(text, str) or not text.strip():
            raise TurnfoldError(f"text={text!r} must say something; retract(...) takes it back")
        redact = self.policy.redact
        said = redact(text.strip()) if redact is not None else text.strip()
        store_correction(self._archive(user_id, conversation), note, said)

    def _archive(self, user_id: str, conversation: str | None) -> Archive:
        if user_id is None:
            raise TurnfoldError("user_id=None does not say whose memory it is")
        _named("user_id", user_id)
        _named("conversation", conversation)
        name = present_name(self.store, user_id, conversation) if conversation else ""
        clock = self.policy.now
        return Archive(self.store, Scope(user_id, name), OrderedDict(), clock)

    async def anotes(self, *, user_id: str, conversation: str | None = None) -> list[Note]:
        """`notes`, in a thread."""
        step = partial(self.notes, user_id=user_id, conversation=conversation)
        return await anyio.to_thread.run_sync(step)

    async def aretract(self, note: str, *, user_id: str, conversation: str | None = None) -> None:
        """`retract`, in a thread."""
        step = partial(self.retract, note, user_id=user_id, conversation=conversation)
        await anyio.to_thread.run_sync(step)

    async def areplace(
        self, note: str, text: str, *, user_id: str, conversation: str | None = None
    ) -> None:
        """`replace`, in a thread."""
        step = partial(self.replace, note, text, user_id=user_id, conversation=conversation)
        await anyio.to_thread.run_sync(step)

    async def aforget(
        self,
        *,
        user_id: str,
        conversation: str | None = None,
        before: float | datetime | None = None,
        turn: int | Iterable[int] | None = None,
        hit: SearchHit | Iterable[SearchHit] | None = None,
    ) -> Forgotten:
        """`forget`, in a thread."""
        step = partial(
            self.forget,
            user_id=user_id,
            conversation=conversation,
            before=before,
            turn=turn,
            hit=hit,
        )
        return await anyio.to_thread.run_sync(step)

    async def apreview(
        self,
        body: Mapping[str, Any],
        *,
        user_id: str | None = None,
        conversation: str | None = None,
    ) -> dict[str, Any]:
        """`preview`, in a thread."""
        step = partial(self.preview, body, user_id=user_id, conversation=conversation)
        return await anyio.to_thread.run_sync(step)

    async def asearch(
        self, query: str, *, user_id: str, conversation: str | None = None, limit: int = 8
    ) -> list[SearchHit]:
        """`search`, in a thread."""
        step = partial(self.search, query, user_id=user_id, conversation=conversation, limit=limit)
        return await anyio.to_thread.run_sync(step)

    def load(self) -> None:
        """Load the embedding model now; without this it loads in the background when needed.

        Returns when it is loaded, or has failed to load: turns say why.
        """
        if self._embedder is not None:
            self._embedder.wait()

    async def aload(self) -> None:
        """`load`, in a thread."""
        await anyio.to_thread.run_sync(self.load)

    async def aclose(self) -> None:
        """`close`, in a thread; folds being prepared on this event loop get the same time."""
        await self._background.aclose()
        await anyio.to_thread.run_sync(self.close)

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
    return client if len(others) == len(chain) else client.copy(middleware=others)


def _check_wrap(client: object, user_id: str | None, conversation: str | None) -> None:
    """Refuse what cannot be wrapped, before anything is opened or made."""
    if memory_of(client) is not None:
        raise TurnfoldError(
            "this client has memory already; wrap the one it was made from, or use it as it is"
        )
    _named("user_id", user_id)
    _named("conversation", conversation)
    is_client = hasattr(client, "copy") and isinstance(getattr(client, "middleware", None), tuple)
    if not is_client:
        raise TurnfoldError(
            f"with_memory wraps a client of the Anthropic SDK, such as Anthropic(), not {client!r}"
        )


def _named(what: str, value: str | None) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise TurnfoldError(f"{what}={value!r} must be a non-empty string, or None")
    if value == STORE_USER:
        raise TurnfoldError(f"{what}={value!r} is what the store keeps for itself; take another")


def _fits(what: str, value: object, kind: Any, wanted: str) -> None:
    if not isinstance(value, kind) or isinstance(value, type):
        raise TurnfoldError(f"{what}={value!r} is not {wanted}")


def _places_of(
    hits: SearchHit | Iterable[SearchHit], names: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Of each hit the conversation, as it is called in the store, and the content id.

    Args:
        hits: one, or several.
        names: the conversations they have to be of; None for any.
    """
    places = []
    for hit in hits if isinstance(hits, Iterable) else [hits]:
        _fits("hit", hit, SearchHit, "a SearchHit, as memory.search(...) gives them")
        if not hit.id:
            raise TurnfoldError("this hit does not say what it is of: search for it again")
        if names is not None and hit.conversation not in names:
            raise TurnfoldError(
                f"this hit is of conversation {hit.conversation!r}, not of {names[0]!r}: leave "
                "conversation out, a hit says where it is from"
            )
        places.append((hit.conversation, content_of(hit.id)))
    return places
