"""A turn, step by step: the whole idea in one file.

    begin     read the caller's messages as exchanges and store those that are closed; find what
              was planned for this opening, or decide what to fold
    ahead     a fold to be prepared while the request is on its way, so that none waits for it
    due       the summaries wanted before the request can go out
    accept    the summaries written; the oldest exchanges move into memory
    body      recall what bears on the opening, write the plan once and read it back, and
              build the request: summary, recalled passages, newest exchanges verbatim
    mend      the API refused it for a reason memory can mend: change the plan, send once more
    answered  usage, proofs for thinking, the receipt

No step calls a model: `due` hands out jobs and `accept` takes the answers. What is decided is
written to the ledger before it is acted on, so that a retry, another process or a restart
meets the same plan and sends the same bytes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from turnfold_stores import Store

from turnfold.account import Account
from turnfold.ahead import Chore, Readiness, leases_of, next_step, prepared, soon, take_back
from turnfold.archive import Archive
from turnfold.backfill import Filling, Progress
from turnfold.breakpoints import has_marks, lasts_an_hour
from turnfold.embedders.start import ModelNotReady, ModelStart
from turnfold.errors import clean
from turnfold.folding import Folding, Outcome
from turnfold.forgetting import forget_again, retain
from turnfold.lookup import look_up
from turnfold.measures import FIVE_MINUTES, ONE_HOUR, Measures, Row
from turnfold.models import context_window
from turnfold.passages import Found
from turnfold.past import Known
from turnfold.plans import Plan, Preparation, Shown, plan_id, usage_id
from turnfold.policy import Policy
from turnfold.pricing import Usage, price_of
from turnfold.prompt import Sent, build, recall_block
from turnfold.purse import Purse
from turnfold.receipt import Receipt, Tokens
from turnfold.refusals import Refusal
from turnfold.rejoin import looks_cut, rejoin, starts_anew
from turnfold.scope import Scope
from turnfold.shared import Shared
from turnfold.spending import Spending
from turnfold.state import Carried, carried_from, head_of, until_uncited
from turnfold.summary import SummaryJob
from turnfold.thinking import thinking_ids
from turnfold.tokens import count_fixed, count_message, estimate_text
from turnfold.tombstones import Tombstones, forgotten_of, opening_name
from turnfold.transcript import Transcript, seed_of
from turnfold.window import Rates, Standing, fold_until, nears_first_fold

logger = logging.getLogger("turnfold")

# Tokens that the breaks between the texts of a request may take of a budget.
_BREAKS = 4


class Engine:
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
        self._summary_model = summary_model
        self._count = policy.count_tokens or estimate_text
        self._shared = Shared(self._count, policy)

    def on(self, store: Store) -> Engine:
        """The same engine on another store."""
        return Engine(store, self.embedder, self.policy, self._summary_model)

    def begin(
        self, body: Mapping[str, Any], scope: Scope, *, background: bool = False
    ) -> Turn | None:
        """Start the turn of a request; None where memory had better keep out.

        Args:
            body: the request.
            scope: whose memory.
            background: whether there is a worker for what `Turn.ahead` gives.

        Raises:
            TranscriptError: the messages cannot be read.
            StoreError: the store cannot be read or written.
        """
        started = time.perf_counter()
        clock = self.policy.clock or time.time
        if self.policy.retain_days and self._shared.retention_due(scope.user_id, clock()):
            retain(self.store, self.policy, scope.user_id, clock())
        seed = seed_of(scope.user_id, scope.conversation)
        transcript = self._shared.reader.read(body["messages"], seed=seed)
        archive = self._archive(scope, transcript, clock)
        if starts_anew(transcript, archive):
            if scope.conversation:
                known = self._shared.path(scope)
                whole = rejoin(transcript, archive, known, self._count)
                transcript = whole or transcript
            elif looks_cut(transcript, archive):
                self._shared.warn_once(
                    "this history was cut at its front, and without a name for the conversation "
                    "memory cannot tell where it goes on: it passes as it is. Give "
                    "with_memory(..., conversation=...), or send the whole history"
                )
                return None
        archive.remember(transcript)
        kept = transcript.closed
        if archive.forgotten:
            kept = [one for one in kept if not archive.forgot(one)]
        self._shared.keep_path(scope, kept)
        account = self._shared.account(scope, transcript.open.opening_id)
        self._shared.settle(scope, account)
        turn = Turn(
            archive,
            body,
            transcript,
            policy=self.policy,
            embedder=self.embedder,
            account=account,
            known=self._shared.known,
            summary_model=self._summary_model,
            apart=partial(self._shared.spent_apart, scope) if background else None,
        )
        account.seconds["begin"] = time.perf_counter() - started
        return turn

    def _archive(self, scope: Scope, transcript: Transcript, clock: Callable[[], float]) -> Archive:
        """The archive of a scope, which knows what of the transcript was forgotten."""
        tombstones = Tombstones(self.store.ledger, scope.user_id)
        mark = tombstones.mark
        if self._shared.heed(scope.user_id, mark):
            # A turn may have been cut off before it could take back what it wrote meanwhile.
            forget_again(self.store, self.policy, scope.user_id)
        forgotten = self._shared.forgotten(scope)
        if mark:
            forgotten |= forgotten_of(
                transcript.closed,
                tombstones,
                seed=seed_of(scope.user_id, scope.conversation),
                kept=lambda one: one.exchange_id + mark in self._shared.stored,
                known=forgotten,
            )
        return Archive(
            self.store,
            scope,
            self._shared.stored,
            clock,
            forgotten=forgotten,
            mark=mark,
            redact=self.policy.redact,
        )

    def filling(
        self,
        messages: Sequence[Mapping[str, Any]],
        scope: Scope,
        times: Sequence[float | None] | None,
        progress: Progress,
    ) -> Filling:
        """Start a backfill; see `turnfold.backfill`.

        Raises:
            TranscriptError: the messages cannot be read.
        """
        seed = seed_of(scope.user_id, scope.conversation)
        transcript = self._shared.reader.read(messages, seed=seed)
        return Filling(
            self._archive(scope, transcript, self.policy.clock or time.time),
            transcript,
            times,
            policy=self.policy,
            embedder=self.embedder,
            count=self._count,
            summary_model=self._summary_model,
            progress=progress,
        )


class Turn:
    """One request on its way through memory, driven alike by the sync and the async shell."""

    def __init__(
        self,
        archive: Archive,
        body: Mapping[str, Any],
        transcript: Transcript,
        *,
        policy: Policy,
        embedder: ModelStart | None,
        account: Account,
        known: Known,
        summary_model: str,
        apart: Callable[[Account], None] | None,
    ) -> None:
        self._policy = policy
        self._summary_model = summary_model
        self._embedder = embedder
        self._archive = archive
        self._body = body
        self._transcript = transcript
        self._exchanges = transcript.exchanges
        self._model = str(body.get("model", ""))
        self._count = policy.count_tokens or estimate_text
        self.account = account
        self._known = known
        self._spending = Spending(
            archive,
            of_turn=policy.turn_cap,
            of_conversation=policy.conversation_cap,
            turn=transcript.open.opening_id,
            root=transcript.exchanges[0].opening_id,
            model=summary_model,
            prices=policy.prices,
            count=self._count,
        )
        self._folding = Folding(
            archive,
            archive.memorable(transcript.exchanges),
            policy=policy,
            embedder=embedder,
            count=self._count,
            account=self.account,
            degrade=self._degrade,
            spending=self._spending,
        )
        self._revision = 0
        self._strip = False  # all thinking goes: the API refused some of it
        self._apart = apart  # where accounts of the background go; None for no background
        self._chore: Chore | None = None
        self._awaited: Preparation | None = None
        self._found: Sequence[Found] | None = None
        self._sent: Sent | None = None

        self._sizes = [one.size for one in self._exchanges]
        self._fixed = count_fixed(body, self._count)
        self._head = head_of(transcript, policy.keep_first)
        self._before = self._exchanges[-2] if len(self._exchanges) > 1 else None
        openings = [transcript.open, *([self._before] if self._before else [])]
        plans = archive.plans(openings)
        self._plan = plans.get(transcript.open.opening_id)
        if self._plan is None:
            previous = plans.get(self._before.opening_id) if self._before else None
            self._measures = self._measured(previous)
            self._fold = archive.fold_in_force(transcript.closed, previous=previous)
        else:
            self._measures = self._plan.measures
            self._fold = archive.fold(self._plan.fold) if self._plan.fold else None
        self._earlier = self._plans_of_this_epoch()
        if self._plan is None:
            self._decide()
            self._begin_loading()

    @property
    def _in_memory(self) -> int:
        return self._fold.count if self._fold else 0

    @property
    def _fold_id(self) -> str:
        return self._fold.id if self._fold else ""

    def _measured(self, previous: Plan | None) -> Measures:
        """What the turns before this one have shown."""
        if previous is None or self._before is None:
            return Measures()
        rows = self._archive.rows(self._before)
        return previous.measures.after(rows, fold=previous.fold, cached=previous.cached)

    def _plans_of_this_epoch(self) -> dict[int, Plan]:
        """Plans of the live exchanges before this one that were made under the fold in force.

        What they recalled still stands in the request where it stood.
        """
        if self._fold is None and self._policy.scope == "conversation":
            return {}  # nothing was folded, so nothing could be recalled
        live = self._exchanges[self._in_memory : -1]
        plans = self._archive.plans(live)
        return {
            index: plans[one.opening_id]
            for index, one in enumerate(live, self._in_memory)
            if one.opening_id in plans and plans[one.opening_id].fold == self._fold_id
        }

    def _begin_loading(self) -> None:
        """Have the embedding model loaded by the time that something is to be recalled."""
        wanted = self._policy.scope == "user" or nears_first_fold(
            sum(self._sizes), self._fixed, self._policy
        )
        if self._embedder is not None and self._policy.recall_tokens and wanted:
            self._embedder.begin()

    # --- folding ------------------------------------------------------------------------------

    def _decide(self) -> None:
        """Fold at this opening, or leave a fold to be prepared; see `turnfold.ahead`."""
        until = self._fold_until()
        if self._apart is None:
            self._want(until)
            return
        start = max(self._in_memory, self._head)
        due = until > start
        aim = until if due else self._fold_until(ahead=True)
        aim, _ = until_uncited(self._exchanges, start, max(aim, start))
        if aim == start:
            return
        found, readiness = self._preparation(start)
        step = next_step(
            due=due,
            over=self._over,
            readiness=readiness,
            lasting=self._policy.background == "on",
        )
        if found is not None and step in {"adopt", "fold now"}:
            self._go_by(found)
            if step == "adopt":
                self._adopt()
                self._decide()  # the rest may still be too much
        elif step == "fold now":
            self._want(aim)
        elif step == "prepare":
            self._chore = self._prepare(found, start, aim)

    def _go_by(self, preparation: Preparation) -> None:
        self._awaited = preparation
        self._want(preparation.until)

    def _preparation(self, start: int) -> tuple[Preparation | None, Readiness]:
        """The preparation to go by, and how far it has come."""
        closed = self._transcript.closed
        best: tuple[Preparation | None, Readiness] = (None, "none")
        for one in self._archive.preparations(closed, base=self._fold_id, start=start):
            if until_uncited(self._exchanges, start, one.until)[0] < one.until:
                continue
            self._want(one.until)
            # To index a long history takes as long as to summarize it.
            if self._folding.is_ready and self._archive.is_indexed(one.id):
                return one, "ready"
            if best[0] is None:
                state = leases_of(self._archive, self._policy).state(one.id)
                best = one, "idle" if state == "free" else state
        self._want(start)
        return best

    def _prepare(self, found: Preparation | None, start: int, aim: int) -> Chore:
        assert self._apart is not None
        if found is None:
            found = prepared(self._exchanges, base=self._fold_id, start=start, until=aim)
            # Before a worker begins: the next turn may come sooner.
            self._archive.keep_preparation(found)
        return Chore(
            self._archive,
            self._archive.memorable(self._exchanges),
            found,
            base=self._fold,
            head=self._head,
            policy=self._policy,
            embedder=self._embedder,
            count=self._count,
            spending=self._spending,
            sizes=self._sizes,
            done=self._apart,
        )

    def ahead(self) -> Chore | None:
        """A fold to be prepared while the request is on its way; None for none."""
        return self._chore

    def waits(self) -> bool:
        """Whether someone else is writing the summaries that this turn cannot do without."""
        if self._awaited is None or self._folding.is_ready:
            return False
        return leases_of(self._archive, self._policy).state(self._awaited.id) == "running"

    def _fold_until(self, *, ahead: bool = False) -> int:
        """Up to which exchange to fold at this opening, or at one that is near."""
        rate = 1.0 if self._policy.count_tokens else self._measures.rate(self._model)
        start = max(self._in_memory, self._head)
        head = sum(self._sizes[: self._head]) if self._in_memory > self._head else 0
        lifetime = ONE_HOUR if lasts_an_hour(self._body) else FIVE_MINUTES
        standing = Standing(
            sizes=[int(size * rate) for size in self._sizes],
            requests=[one.replies or 1 for one in self._exchanges],
            window=start if self._in_memory else 0,
            first=start,
            fixed=int((self._fixed + head) * rate),
            summary=int(self._summary_size * rate),
            recalled=[int(size * rate) for size in self._recalled_sizes],
            ceiling=self._ceiling,
            cold=self._measures.is_cold(self._archive.clock(), lifetime=lifetime),
            cold_share=self._measures.cold_share,
        )
        until, reason = fold_until(soon(standing) if ahead else standing, self._policy, self._rates)
        if not ahead:
            self.account.fold_reason = reason or self.account.fold_reason
            self._over = standing.prompt > standing.ceiling or self._policy.budget is not None
        return min(until, len(self._transcript.closed))

    @property
    def _rates(self) -> Rates:
        return Rates.of(
            price_of(self._model, self._policy.prices),
            price_of(self._summary_model, self._policy.prices),
            cached=self._cached() or has_marks(self._body),
            an_hour=lasts_an_hour(self._body),
        )

    @property
    def _summary_size(self) -> int:
        return self._count(self._fold.summary) if self._fold else 0

    @property
    def _recalled_sizes(self) -> list[int]:
        """Tokens of what earlier turns of this epoch recalled and the request still holds."""
        return [self._count(plan.recalled) for plan in self._earlier.values() if plan.appends]

    @property
    def _ceiling(self) -> int:
        """The most tokens the prompt may have."""
        if self._policy.max_prompt_tokens is not None:
            return self._policy.max_prompt_tokens
        answer = self._body.get("max_tokens")
        return context_window(self._model) - (answer if isinstance(answer, int) else 0)

    def _want(self, until: int, *, must: bool = False) -> bool:
        """Ask for the summaries that folding up to there takes; False if nothing can be folded.

        Where it must be folded, it is folded without the summarizer if need be.
        """
        start = max(self._in_memory, self._head)
        until, why = until_uncited(self._exchanges, start, max(until, start))
        if why:
            self.account.stayed.append(why)
        return self._folding.want(
            self._fold, start, until, head=self._head, sizes=self._sizes, must=must
        )

    def due(self) -> list[SummaryJob]:
        """The summaries wanted before the request can go out; none once they are accepted."""
        with self._timed("begin"):
            jobs = self._folding.due()
            if not jobs:
                self._adopt()
            return jobs

    def accept(self, outcomes: Sequence[Outcome]) -> int:
        """Take the answers to the jobs of `due`, in order, and fold as far as they reach.

        An answer that is refused in part leaves more due: ask `due` again.

        Returns:
            How many exchanges this turn has moved into memory.
        """
        with self._timed("fold"):
            self._folding.take(outcomes)
            if not self._folding.due():
                self._adopt()
        return self.account.folded

    def _adopt(self) -> None:
        """Go by the new fold, if there is one: a new epoch begins."""
        ready = self._awaited
        fold = self._folding.fold(indexed=ready is not None and self._archive.is_indexed(ready.id))
        if fold is not None:
            self._fold = fold
            self._earlier = {}
            if ready is not None:
                leases_of(self._archive, self._policy).clear(ready.id)
                self._awaited = None

    # --- the request --------------------------------------------------------------------------

    def body(self) -> Mapping[str, Any]:
        """The request to send. The caller's body is not changed."""
        with self._timed("recall"):
            if self._plan is None:
                self._plan = self._planned()
                take_back(self._archive, self._policy)
        with self._timed("build"):
            self._sent = build(
                self._body,
                self._transcript,
                head=self._head,
                folded=self._in_memory,
                injections=self._injections(self._plan),
                summary=len(self._fold.blocks) if self._fold else 0,
                carried=self._carried(),
                proofs=self._archive.proofs(self._live_thinking()),
                thinking_from=self._floor(),
                cache=self._plan.cached,
            )
        return self._sent.body

    def _floor(self) -> int:
        """Index of the first message whose thinking may stay; what came before was refused."""
        if self._strip:
            return len(self._transcript.messages)
        first = next((n for n in self._live_special if self._exchanges[n].thoughtful), None)
        floor = 0 if first is None else self._archive.floor(self._transcript, first=first)
        return max(floor, self._forgotten_until())

    def _planned(self) -> Plan:
        """Decide the rest, write it down, and go by what then holds."""
        cached = self._cached()
        appends = self._appends(cached)
        purse = self._purse()
        self._found = self._recall(appends, min(purse.allows, self._room))
        recalled = recall_block(self._found)
        plan = Plan(
            id=plan_id(self._transcript.open, self._revision),
            parent=self._before.exchange_id if self._before else "",
            root=self._exchanges[0].opening_id,
            fold=self._fold_id,
            appends=appends,
            cached=cached,
            recalled=recalled,
            shown=tuple(Shown(one.passage.id, one.turn, one.score) for one in self._found),
            measures=replace(self._measures, purse=purse.spend(self._count(recalled))),
            words=opening_name(self._transcript.open, self._archive.seed),
        )
        holds = self._archive.keep_plan(plan)
        if holds != plan:  # someone else planned this opening first
            self._found = None
            self._fold = self._archive.fold(holds.fold) if holds.fold else None
            self._earlier = self._plans_of_this_epoch()
        return holds

    def _cached(self) -> bool:
        if self._policy.cache == "auto":
            return self._measures.cold_share <= 0.5
        return self._policy.cache == "on"

    def _appends(self, cached: bool) -> bool:
        """Whether to append what is recalled; what this epoch began with goes on."""
        if self._policy.placement != "auto":
            return self._policy.placement == "append"
        if self._earlier:
            return next(iter(self._earlier.values())).appends
        thinking = self._body.get("thinking")
        thinks = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"
        return cached or has_marks(self._body) or thinks or bool(self._live_thinking())

    def _injections(self, plan: Plan) -> dict[int, list[str]]:
        newest = len(self._exchanges) - 1
        head = self._in_memory if self._fold else newest
        texts: dict[int, list[str]] = {}
        if self._fold:
            texts.setdefault(head, []).extend(self._fold.blocks)
        for index, earlier in sorted(self._earlier.items()):
            if earlier.appends:
                texts.setdefault(index, []).append(earlier.recalled)
        texts.setdefault(newest if plan.appends else head, []).append(plan.recalled)
        return {index: some for index, some in texts.items() if self._exchanges[index].opening}

    def _forgotten_until(self) -> int:
        """Index of the message before which thinking goes: what it was made under is forgotten."""
        if not self._archive.forgotten:
            return 0
        ends = zip(self._exchanges, self._transcript.starts[1:], strict=False)
        return max((end for one, end in ends if self._archive.forgot(one)), default=0)

    def _carried(self) -> Carried:
        return carried_from(self._exchanges[self._head : self._in_memory])

    def _recall(self, appends: bool, budget: int) -> Sequence[Found]:
        """What bears on the opening; nothing where that fails."""
        appended = [plan for plan in self._earlier.values() if appends and plan.appends]
        try:
            looked_up = look_up(
                self._archive,
                self._transcript,
                folded=range(self._head, self._in_memory),
                shown={shown.id for plan in appended for shown in plan.shown},
                summary=self._fold.summary if self._fold else "",
                embedder=self._embedder,
                known=self._known,
                policy=self._policy,
                budget=budget,
                count=self._count,
            )
        except Exception as wrong:  # noqa: BLE001 - a store may raise anything
            self._degrade("recall", wrong)
            return []
        if looked_up.wrong is not None:
            self._degrade("recall", looked_up.wrong)
        found = list(looked_up.found)
        limited = self._policy.budget is not None
        while limited and found and self._count(recall_block(found)) > budget:
            found.remove(min(found, key=lambda one: one.score))
        return found

    def _purse(self) -> Purse:
        """What this turn's recall may spend."""
        measures = self._measures
        purse = Purse(measures.purse, self._policy, self._rates, cold_share=measures.cold_share)
        if self._fold is None:
            return purse
        if self._fold_id != measures.fold:
            window = sum(self._sizes[self._in_memory : -1])
            purse.pay_fold(self._summary_size + window, measures.prompt)
        folded = sum(self._sizes[self._head : self._in_memory])
        purse.earn(folded - self._summary_size - sum(self._recalled_sizes))
        return purse

    @property
    def _room(self) -> int:
        """Tokens that a budget for the whole prompt leaves to what is recalled."""
        if self._policy.budget is None:
            return self._policy.recall_tokens
        closed = sum(self._sizes[self._in_memory : -1])
        opening = self._transcript.open.messages[: self._transcript.open.opening]
        earlier = sum(count_message(one, self._count) for one in opening[:-1])
        taken = self._summary_size + sum(self._recalled_sizes) + closed + earlier
        return self._policy.budget - taken - _BREAKS

    @property
    def _live_special(self) -> Iterator[int]:
        """Where those of the exchanges stand that are sent verbatim and are not plain."""
        folded = range(min(self._head, self._in_memory), self._in_memory)
        return (index for index in self._transcript.special if index not in folded)

    def _live_thinking(self) -> list[str]:
        """Names of all thinking blocks that may be sent."""
        return [
            name
            for index in self._live_special
            for position in self._exchanges[index].thoughtful
            for name in thinking_ids(self._exchanges[index].messages[position])
        ]

    # --- the answer ---------------------------------------------------------------------------

    def mend(self, refusal: Refusal) -> bool:
        """Change what the API refused; True if it is worth sending once more.

        Two refusals are known: thinking bound to another prefix goes, all of it; a prompt that
        is too long is folded down to the newest exchange.
        """
        if refusal.kind == "thinking" and not self._strip:
            self._strip = True
            try:
                self._archive.keep_floor(self._transcript.open)
            except Exception as wrong:  # noqa: BLE001 - a store may raise anything
                self._degrade("thinking", wrong)
            self.account.degraded.append("thinking: the API refused some; all of it was left out")
            return True
        if refusal.kind == "too_long" and not self._revision:
            self._revision = 1
            found, readiness = self._preparation(max(self._in_memory, self._head))
            if found is not None and readiness == "ready":
                self._go_by(found)
                self._adopt()
            if not self._want(len(self._transcript.closed), must=True) and not self.account.folded:
                return False
            self.account.fold_reason = "the API found the prompt too long"
            self.account.degraded.append(
                "window: the prompt was too long; all but the newest exchange was folded"
            )
            self._plan = None
            return True
        return False

    def answered(self, message: Mapping[str, Any] | None) -> Receipt:
        """Write what the answer tells and give the account of the request.

        Args:
            message: the Messages API response as JSON; None where the stream broke off.
        """
        usage = Usage.from_api(message.get("usage") if message else None)
        tokens = self._tokens()
        with self._timed("finish"):
            if message is not None and self._sent is not None:
                row = Row(self._model, usage, tokens.sent, self._archive.clock())
                opening = self._transcript.open
                try:
                    self._archive.keep_answer(
                        usage_id(opening, opening.replies),
                        row,
                        thinking_ids(message),
                        self._sent.prefix,
                    )
                except Exception as wrong:  # noqa: BLE001 - a store may raise anything
                    self._degrade("finish", wrong)
        return self.account.receipt(
            model=self._model,
            scope=self._archive.scope,
            turn=len(self._exchanges),
            in_memory=max(0, self._in_memory - self._head),
            tokens=tokens,
            usage=usage,
            cache_missed=self._missed(usage),
            hits=self._hits(),
        )

    def _missed(self, usage: Usage) -> int:
        """Tokens this request had in common with the one before and did not find in the cache."""
        plan = self._plan
        if plan is None or not plan.cached or plan.fold != plan.measures.fold:
            return 0
        if self._transcript.open.replies or not usage.prompt_tokens:
            return 0  # within an exchange the request before is not in the measures
        return max(0, plan.measures.prompt - usage.cache_read)

    def _hits(self) -> Sequence[Found]:
        if self._found is None and self._plan is not None:
            try:
                self._found = self._archive.found(self._plan.shown)
            except Exception as wrong:  # noqa: BLE001 - a store may raise anything
                self._degrade("receipt", wrong)
        return self._found or ()

    def _tokens(self) -> Tokens:
        recalled = sum(self._recalled_sizes)
        if self._plan is not None:
            recalled += self._count(self._plan.recalled)
        head = self._sizes[: min(self._head, self._in_memory)]
        return Tokens(
            fixed=self._fixed,
            summary=self._summary_size,
            recalled=recalled,
            window=sum(self._sizes[self._in_memory :]) + sum(head),
            full=self._fixed + sum(self._sizes),
        )

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.account.seconds
            seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - start

    def _degrade(self, step: str, wrong: Exception) -> None:
        reason = str(wrong).partition("\n")[0] or type(wrong).__name__
        self.account.degraded.append(f"{step}: {reason}")
        if not isinstance(wrong, ModelNotReady):  # which has warned, once
            logger.warning("memory is degraded at %s: %s", step, reason)
        if self._policy.on_error == "raise":
            raise clean(wrong, f"{step} failed")
