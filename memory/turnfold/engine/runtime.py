"""A request goes in; the turn it makes comes out. What the turns of a process share is here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from turnfold_stores import Store

from turnfold.accounting.account import Account
from turnfold.archive.archive import Archive, ForgottenContents
from turnfold.archive.tombstones import Tombstones, forgotten_of, open_is_forgotten
from turnfold.embedders.background_loading import ModelStart
from turnfold.engine.cut_history import (
    Course,
    falls_short,
    follow,
    go_on,
    looks_cut,
    starts_anew,
)
from turnfold.engine.fold_carryover import carry
from turnfold.engine.process_cache import ProcessCache
from turnfold.engine.turn import Turn
from turnfold.folding.planner import Workers
from turnfold.forgetting.forget import forget_again, retain
from turnfold.history.exchanges import Transcript, seed_of
from turnfold.policy import Policy
from turnfold.resilience.summary_wait import Patience
from turnfold.scope import Scope
from turnfold.turn_context import Learned, TurnContext

# By so many exchanges at its front it is told whether a history is cut further each turn.
_FRONT = 2


class Runtime:
    """What the turns of a process share: store, embedder, policy, and what it knows already."""

    def __init__(
        self,
        store: Store,
        embedder: ModelStart | None,
        policy: Policy,
        summary_model: str = "",
    ) -> None:
        """Args:
        store: where memory is kept.
        embedder: makes vectors; None for no dense recall.
        policy: the settings.
        summary_model: the model that writes summaries; "" where it costs nothing.
        """
        self.store = store
        self.embedder = embedder
        self.policy = policy
        self.summary_model = summary_model
        self._shared = ProcessCache(policy.counter, policy)
        self.learned = Learned(Patience(policy.deadline))
        self._has_writers = True

    def on(self, store: Store) -> Runtime:
        """The same on another store, to look at what a turn would be: nobody is asked."""
        looking = Runtime(store, self.embedder, self.policy, self.summary_model)
        looking._has_writers = False
        return looking

    def begin(
        self,
        body: Mapping[str, Any],
        scope: Scope,
        *,
        background: bool = False,
        policy: Policy | None = None,
        summary_model: str | None = None,
        server: str = "",
    ) -> Turn | None:
        """Start the turn of a request; None where memory had better keep out.

        Args:
            body: the request.
            scope: whose memory.
            background: whether there is a worker for what `Turn.preparation` gives.
            policy: the settings of this turn, where they are not those of the process.
            summary_model: likewise the model that writes summaries.
            server: names the one that is asked; "" where that is not known.

        Raises:
            TranscriptError: the messages cannot be read.
            StoreError: the store cannot be read or written.
        """
        started = time.perf_counter()
        now = self.policy.now()
        if self.policy.retain_days and self._shared.retention_due(scope.user_id, now):
            retain(self.store, self.policy, scope.user_id, now)
        transcript = self.read(body["messages"], scope)
        archive = self.archive(scope, transcript)
        course = self._course(transcript, archive)
        if course.cut:
            self._shared.warn_once(
                "this history was cut at its front, and without a name for the conversation "
                "memory cannot tell where it goes on: it passes as it is. Give "
                "with_memory(..., conversation=...), or send the whole history"
            )
            return None
        transcript = course.transcript
        if course.trodden is not None:
            # Before the new path is stored: whoever is killed in between begins anew.
            carry(
                archive,
                transcript,
                course.trodden,
                course.places,
                policy=self.policy,
                embedder=self.embedder,
                count=self.policy.counter,
            )
        archive.store_exchanges(transcript, held=True)
        joined = transcript.closed if course.joined else ()
        self._shared.keep_path(scope, [one for one in joined if not archive.is_forgotten(one)])
        account = self._shared.account(scope, transcript.open.opening_id)
        account.leave_to(partial(self._shared.spent_apart, scope))
        self._shared.settle(scope, account)
        if course.short:
            account.note(
                "cut: too few exchanges were sent to tell where they go on, so nothing from before "
                "them is known; send three finished ones or more before what is new"
            )
        context = self.context(archive, account, server)
        context = replace(context, policy=policy or self.policy)
        if summary_model is not None:
            context = replace(context, summary_model=summary_model)
        workers: Workers = "background" if background else "turn"
        if not self._has_writers:
            workers = "none"
        turn = Turn(context, body, course, known=self._shared.known, workers=workers)
        turn.begin()
        account.seconds["begin"] = time.perf_counter() - started
        return turn

    def _course(self, transcript: Transcript, archive: Archive) -> Course:
        """How a history goes on from what memory knows of it."""
        if not starts_anew(transcript, archive):
            return Course(transcript)
        scope, closed = archive.scope, transcript.closed
        if scope.conversation:
            known = go_on(transcript, archive, self._shared.path(scope), self.policy.counter)
            known = known or follow(transcript, archive, self.policy.counter)
            return known or Course(transcript, short=falls_short(transcript, archive))
        front = tuple(one.content_id for one in closed[:_FRONT])
        before = self._shared.front_of(scope, closed[-2].content_id) if len(closed) > 1 else None
        if before is not None and before != front:
            course = Course(transcript, cut=True)  # cut as it was at the turn before
        else:
            followed = follow(transcript, archive, self.policy.counter, stays=before is not None)
            course = followed or Course(
                transcript, cut=before is None and looks_cut(transcript, archive)
            )
        if course.cut:
            self._shared.keep_front(scope, closed[-1].content_id, front)
        return course

    def leave(self, turn: Turn, scope: Scope) -> None:
        """Leave what a turn has spent, and may yet spend, to the next one of its conversation.

        For a turn that gets no receipt, since its request went without memory.
        """
        turn.account.abandon(partial(self._shared.spent_apart, scope))

    def read(self, messages: Sequence[Mapping[str, Any]], scope: Scope) -> Transcript:
        """Messages of a conversation as exchanges.

        Raises:
            TranscriptError: they cannot be read.
        """
        return self._shared.reader.read(messages, seed=seed_of(scope.user_id, scope.conversation))

    def context(self, archive: Archive, account: Account, server: str = "") -> TurnContext:
        """What the steps of a turn, or of a backfill, go by."""
        learned = self.learned.at(server)
        return TurnContext(
            archive, self.policy, self.embedder, account, learned, self.summary_model
        )

    def archive(self, scope: Scope, transcript: Transcript) -> Archive:
        """The archive of a scope, which knows what of the transcript was forgotten."""
        tombstones = Tombstones(self.store.ledger, scope.user_id)
        mark = tombstones.mark
        if self._shared.drop_if_forgotten(scope.user_id, mark):
            # A turn may have been cut off before it could take back what it wrote meanwhile.
            forget_again(self.store, self.policy, scope.user_id)
        forgotten = self._shared.forgotten(scope)
        open_is = False
        if mark:
            seed = seed_of(scope.user_id, scope.conversation)
            if transcript.open.replies:
                open_is = open_is_forgotten(transcript.exchanges, tombstones, seed)
            forgotten |= forgotten_of(
                transcript.closed,
                tombstones,
                seed=seed,
                kept=lambda one: one.exchange_id + mark in self._shared.stored,
                known=forgotten,
            )
        return Archive(
            self.store,
            scope,
            self._shared.stored,
            self.policy.now,
            forgotten=ForgottenContents(forgotten, mark, open_is),
            redact=self.policy.redact,
            claims=self._shared.claims,
            plans=self._shared.plans,
        )
