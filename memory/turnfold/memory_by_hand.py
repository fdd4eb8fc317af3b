"""What someone does to a memory by hand: search it, forget, read and correct its notes."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from turnfold_stores import Store, Vector

from turnfold.archive.archive import Archive
from turnfold.archive.conversations import bare_name, present_name
from turnfold.archive.passages import content_of
from turnfold.embedders.background_loading import ModelStart
from turnfold.embedders.protocol import query_vector
from turnfold.engine.runtime import Runtime
from turnfold.errors import TurnfoldError, failure, shown
from turnfold.forgetting.forget import (
    Forgotten,
    forget,
    forget_found,
    forget_turns,
    turns_named,
)
from turnfold.history.plain import plain
from turnfold.history.redaction import clean
from turnfold.language.days import seconds_of
from turnfold.memory_tool import (
    TOOL_NAME,
    TOOL_TOKENS,
    AsyncMemoryTool,
    Lookup,
    MemoryTool,
    check_tokens,
    check_tool_name,
)
from turnfold.policy import Policy
from turnfold.recall.search import Search, SearchHit
from turnfold.recall.stored import StoredTexts
from turnfold.resilience.own_thread import to_its_end
from turnfold.scope import Scope, check_name, check_said, scope_of
from turnfold.sdk.background import Background
from turnfold.summarizers.in_parallel import InThread
from turnfold.upkeep.dry_run import scratch
from turnfold.upkeep.note_editing import Note, notes_of, store_correction


class MemoryByHand:
    """The part of a `Memory` that no request goes through. See `Memory`."""

    store: Store
    policy: Policy
    _embedder: ModelStart | None
    _process: Runtime
    _background: Background

    @property
    def _in_thread(self) -> InThread:
        """Looks something up off an event loop, in threads that are memory's own."""
        return self._background.bounds.hands.do_async

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
            body: what would be given to `messages.create`.
            user_id: whose memory; None reads `metadata.user_id` of the body.
            conversation: which conversation of theirs.

        Raises:
            TranscriptError: the messages cannot be read.
            StoreError: the store cannot be read.
        """
        check_name("user_id", user_id)
        check_name("conversation", conversation)
        if not isinstance(body, Mapping):
            raise TurnfoldError(f"body={shown(body)} must be what messages.create takes, by name")
        body = plain(body)
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
        check_said("user_id", user_id)
        check_name("conversation", conversation)
        if not isinstance(query, str):
            raise TurnfoldError(f"query={shown(query)} must be a text: what to look for")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise TurnfoldError(f"limit={shown(limit)} must be a whole number, and at least 1")
        if not query.strip():
            return []
        vector = None
        if self._embedder is not None and self._embedder.wait():
            vector = query_vector(self._embedder, query)
        return self._hits(query, vector, user_id, conversation, limit)

    def _hits(
        self,
        query: str,
        vector: Vector | None,
        user_id: str,
        conversation: str | None,
        limit: int,
    ) -> list[SearchHit]:
        if conversation is not None:
            conversation = present_name(self.store, user_id, conversation)
        search = Search(self.store, user_id)
        return search.hits(query, vector, conversation=conversation, limit=limit)

    def tool(
        self,
        *,
        user_id: str,
        conversation: str | None = None,
        tokens: int = TOOL_TOKENS,
        name: str = TOOL_NAME,
    ) -> MemoryTool:
        """A tool with which Claude looks into this memory: what was folded is still there.

        It searches, reads the whole result of a tool call by its id, and a turn by its number.
        It writes nothing, and what it brings is quoted as a record of the past.

        Args:
            user_id: whose memory; the model cannot choose another.
            conversation: only this one; None for all of theirs.
            tokens: the most an answer may have, at least 200; longer texts come in parts.
            name: what the tool is called in the request.

        Raises:
            TurnfoldError: an argument is out of range.
        """
        check_tool_name(name)
        return MemoryTool(self._lookup(user_id, conversation, tokens), name)

    def atool(
        self,
        *,
        user_id: str,
        conversation: str | None = None,
        tokens: int = TOOL_TOKENS,
        name: str = TOOL_NAME,
    ) -> AsyncMemoryTool:
        """`tool`, for async clients; looks things up in a thread."""
        check_tool_name(name)
        return AsyncMemoryTool(
            self._lookup(user_id, conversation, tokens), name, in_thread=self._in_thread
        )

    def _lookup(self, user_id: str, conversation: str | None, tokens: int) -> Lookup:
        check_said("user_id", user_id)
        check_name("conversation", conversation)
        check_tokens(tokens)

        def stored() -> StoredTexts:
            name = conversation and present_name(self.store, user_id, conversation)
            return StoredTexts(self.store, user_id, name)

        def search(query: str, limit: int) -> list[SearchHit]:
            vector = None
            try:
                if self._embedder is not None:
                    vector = query_vector(self._embedder, query)
            except BaseException as wrong:  # noqa: BLE001 - an embedder may raise anything
                failure(wrong)  # still loading, or broken: words find it
            return self._hits(query, vector, user_id, conversation, limit)

        return Lookup(search, stored, self.policy.counter, tokens)

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
        them (no model is asked), and files purged where the store keeps files. So are the files
        of Claude's memory tool: with `before`, those last written before then; with
        `conversation`, those that it wrote; not with `turn` or `hit`. Keyed tombstones
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
        check_said("user_id", user_id)
        check_name("conversation", conversation)
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
            found = self._places_of(hit, user_id, conversation)
            return forget_found(self.store, self.policy, user_id, found)
        age = math.inf if before is None else seconds_of(before, self.policy.zone, what="before")
        return forget(self.store, self.policy, user_id, conversation=conversation, before=age)

    def _places_of(
        self, hits: SearchHit | Iterable[SearchHit], user_id: str, conversation: str | None
    ) -> list[tuple[str, str]]:
        """Of each hit the conversation, as it is called in the store, and the content id.

        Args:
            hits: one, or several.
            user_id: whose.
            conversation: the one they have to be of, by its bare name; None for any.
        """
        found = list(hits) if isinstance(hits, Iterable) else [hits]
        for hit in found:
            check_kind("hit", hit, SearchHit, "a SearchHit, as memory.search(...) gives them")
            if not hit.id:
                raise TurnfoldError("this hit does not say what it is of: search for it again")
            where, wanted = (
                name and bare_name(self.store, user_id, name)
                for name in (hit.conversation, conversation)
            )
            if wanted is not None and where != wanted:
                raise TurnfoldError(
                    f"this hit is of conversation {where!r}, not of {wanted!r}: leave conversation "
                    "out, a hit says where it is from"
                )
        there = self.store.ledger.get(user_id, [hit.id for hit in found])
        return [
            (
                there[hit.id].conversation
                if hit.id in there
                else present_name(self.store, user_id, hit.conversation),
                content_of(hit.id),
            )
            for hit in found
        ]

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
            raise TurnfoldError(
                f"text={shown(text)} must say something; to take the note back, retract it"
            )
        redact = self.policy.redact
        said = clean(text.strip(), redact) if redact is not None else text.strip()
        store_correction(self._archive(user_id, conversation), note, said)

    def _archive(self, user_id: str, conversation: str | None) -> Archive:
        check_said("user_id", user_id)
        check_name("conversation", conversation)
        name = present_name(self.store, user_id, conversation) if conversation else ""
        clock = self.policy.now
        return Archive(self.store, Scope(user_id, name), OrderedDict(), clock)

    async def anotes(self, *, user_id: str, conversation: str | None = None) -> list[Note]:
        """`notes`, in a thread."""
        step = partial(self.notes, user_id=user_id, conversation=conversation)
        return await self._in_thread(step)

    async def aretract(self, note: str, *, user_id: str, conversation: str | None = None) -> None:
        """`retract`, in a thread; it goes on to its end, whoever is cancelled that waits for it."""
        step = partial(self.retract, note, user_id=user_id, conversation=conversation)
        await to_its_end(step)

    async def areplace(
        self, note: str, text: str, *, user_id: str, conversation: str | None = None
    ) -> None:
        """`replace`, in a thread, as `aretract`."""
        step = partial(self.replace, note, text, user_id=user_id, conversation=conversation)
        await to_its_end(step)

    async def aforget(
        self,
        *,
        user_id: str,
        conversation: str | None = None,
        before: float | datetime | None = None,
        turn: int | Iterable[int] | None = None,
        hit: SearchHit | Iterable[SearchHit] | None = None,
    ) -> Forgotten:
        """`forget`, in a thread, as `aretract`."""
        step = partial(
            self.forget,
            user_id=user_id,
            conversation=conversation,
            before=before,
            turn=turn,
            hit=hit,
        )
        return await to_its_end(step)

    async def apreview(
        self,
        body: Mapping[str, Any],
        *,
        user_id: str | None = None,
        conversation: str | None = None,
    ) -> dict[str, Any]:
        """`preview`, in a thread."""
        step = partial(self.preview, body, user_id=user_id, conversation=conversation)
        return await self._in_thread(step)

    async def asearch(
        self, query: str, *, user_id: str, conversation: str | None = None, limit: int = 8
    ) -> list[SearchHit]:
        """`search`, in a thread."""
        step = partial(self.search, query, user_id=user_id, conversation=conversation, limit=limit)
        return await self._in_thread(step)


def check_kind(what: str, value: object, kind: Any, wanted: str) -> None:
    """Refuse an argument of another kind, and say which was wanted."""
    if not isinstance(value, kind) or isinstance(value, type):
        raise TurnfoldError(f"{what}={shown(value)} is not {wanted}")
