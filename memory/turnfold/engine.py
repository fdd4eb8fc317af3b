"""A turn, step by step: the whole idea in one file.

    begin     read the caller's messages as exchanges and store those that are closed; find what
              was planned for this opening, or decide what to fold
    due       the summaries wanted before the request can go out
    accept    the summaries written; the oldest exchanges move into memory
    body      recall what bears on the opening, write the plan once and read it back, and
              build the request: summary, recalled passages, newest exchanges verbatim
    answered  usage, proofs for thinking, the receipt

No step calls a model: `due` hands out jobs and `accept` takes the answers. What is decided is
written to the ledger before it is acted on, so that a retry, another process or a restart
meets the same plan and sends the same bytes.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from turnfold_stores import Store

from turnfold.archive import Archive, Fold, Plan, Scope, Shown, fold_id, node_id, plan_id
from turnfold.embedders import Embedder
from turnfold.errors import SummaryError, TurnfoldError
from turnfold.policy import Policy
from turnfold.pricing import Usage, cost, price_of
from turnfold.prompt import (
    Sent,
    build,
    live_thinking_ids,
    recall_block,
    summary_block,
    thinking_ids,
)
from turnfold.recall import Found, find
from turnfold.receipt import Recalled, Receipt, Tokens
from turnfold.summary import Item, Node, SummaryDraft, SummaryJob, accept_draft, fit, render
from turnfold.tokens import count_fixed, count_message, estimate_text
from turnfold.transcript import Exchange, read, seed_of, utterances
from turnfold.window import fold_barrier, fold_until, runs

logger = logging.getLogger("turnfold")

Outcome = SummaryDraft | Exception


class Engine:
    """What the turns of a process share: store, embedder, policy."""

    def __init__(self, store: Store, embedder: Embedder | None, policy: Policy) -> None:
        self.store = store
        self.embedder = embedder
        self.policy = policy
        self._stored: OrderedDict[str, None] = OrderedDict()

    def begin(self, body: Mapping[str, Any], scope: Scope) -> Turn:
        """Start the turn of a request.

        Raises:
            TranscriptError: the messages cannot be read.
            StoreError: the store cannot be read or written.
        """
        return Turn(self, body, Archive(self.store, scope, self._stored))


class Turn:
    """One request on its way through memory, driven alike by the sync and the async shell."""

    def __init__(self, engine: Engine, body: Mapping[str, Any], archive: Archive) -> None:
        self._policy = engine.policy
        self._embedder = engine.embedder
        self._archive = archive
        self._body = body
        self._count = engine.policy.count_tokens or estimate_text
        self._degraded: list[str] = []
        self._seconds: dict[str, float] = {}
        self._jobs: dict[str, SummaryJob] = {}  # by node id; what this turn wants to fold
        self._waiting: dict[str, SummaryJob] = {}  # those of them that no one has written yet
        self._until = 0  # how many exchanges would then be in memory
        self._stayed = ""
        self._folded = 0
        self._summary_usage = Usage()
        self._summary_cost: float | None = 0.0
        self._found: Sequence[Found] | None = None
        self._sent: Sent | None = None

        with self._timed("begin"):
            scope = archive.scope
            seed = seed_of(scope.user_id, scope.conversation)
            self._transcript = read(body.get("messages") or (), seed=seed)
            archive.remember(self._transcript)
            self._exchanges = self._transcript.exchanges
            self._sizes = [
                sum(count_message(message, self._count) for message in one.messages)
                for one in self._exchanges
            ]
            self._fixed = count_fixed(body, self._count)
            opening = self._transcript.open
            self._plan = archive.plans([opening]).get(opening.opening_id)
            if self._plan is None:
                self._fold = archive.fold_in_force(self._transcript.closed)
            else:
                self._fold = archive.fold(self._plan.fold) if self._plan.fold else None
            self._earlier = self._plans_of_this_epoch()
            if self._plan is None:
                self._decide()

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self._seconds[step] = self._seconds.get(step, 0.0) + spent

    @property
    def _in_memory(self) -> int:
        return self._fold.count if self._fold else 0

    def _plans_of_this_epoch(self) -> dict[int, Plan]:
        """Plans of the live exchanges before this one that were made under the fold in force.

        What they recalled still stands in the request where it stood.
        """
        if self._fold is None and self._policy.scope == "conversation":
            return {}  # nothing was folded, so nothing could be recalled
        current = self._fold.id if self._fold else ""
        live = self._exchanges[self._in_memory : -1]
        plans = self._archive.plans(live)
        return {
            index: plans[one.opening_id]
            for index, one in enumerate(live, self._in_memory)
            if one.opening_id in plans and plans[one.opening_id].fold == current
        }

    # --- folding ------------------------------------------------------------------------------

    def _decide(self) -> None:
        """Choose what to fold at this opening; make a job of every run not yet summarized."""
        closed = self._transcript.closed
        barrier, why = fold_barrier(closed)
        injected = sum(self._count(plan.recalled) for plan in self._earlier.values())
        summary = self._count(self._fold.summary) if self._fold else 0
        self._until = fold_until(
            self._sizes,
            in_memory=self._in_memory,
            other=self._fixed + summary + injected,
            barrier=barrier,
            policy=self._policy,
        )
        if self._until == self._in_memory:
            self._stayed = why
            return
        known = self._known_items()
        for first, last in runs(
            self._sizes, self._in_memory, self._until, self._policy.leaf_tokens
        ):
            part = self._exchanges[first:last]
            self._jobs[node_id(part[0], part[-1])] = SummaryJob(
                first=first + 1,
                exchanges=[utterances(one.messages) for one in part],
                before=utterances(self._exchanges[first - 1].messages) if first else (),
                known=known,
                max_tokens=max(256, self._policy.summary_tokens // 2),
            )

    def _known_items(self) -> list[Item]:
        if self._fold is None:
            return []
        return [item for node in self._fitting(self._fold.nodes) for item in node.items]

    def _fitting(self, ids: Sequence[str]) -> list[Node]:
        """What the summary of these nodes has room for."""
        written = self._archive.nodes(ids)
        nodes = [written[name] for name in ids if name in written]
        return fit(nodes, budget=self._policy.summary_tokens, count=self._count)

    def due(self) -> list[SummaryJob]:
        """The summaries wanted before the request can go out; none once they are accepted."""
        with self._timed("begin"):
            written = self._archive.nodes(self._jobs)
            self._waiting = {n: job for n, job in self._jobs.items() if n not in written}
            if self._jobs and not self._waiting:
                self._adopt()
            return list(self._waiting.values())

    def accept(self, outcomes: Sequence[Outcome]) -> int:
        """Take the answers to the jobs of `due`, in order, and fold as far as they reach.

        Returns:
            How many exchanges moved into memory.

        A summary that failed folds nothing, and neither does anything after it.
        """
        with self._timed("fold"):
            for (name, job), outcome in zip(self._waiting.items(), outcomes, strict=True):
                if isinstance(outcome, Exception):
                    self._degrade("summary", outcome)
                    continue
                self._summary_usage += outcome.usage
                price = price_of(outcome.model)
                if self._summary_cost is not None:
                    spent = cost(outcome.usage, price) if price else None
                    free = outcome.usage == Usage()
                    self._summary_cost = (
                        None
                        if spent is None and not free
                        else (self._summary_cost + (spent or 0.0))
                    )
                try:
                    node = accept_draft(job, outcome)
                except SummaryError as empty:
                    self._degrade("summary", empty)
                else:
                    self._archive.keep_node(name, node, model=outcome.model)
            self._adopt()
        return self._folded

    def _adopt(self) -> None:
        """Move the oldest exchanges into memory, as far as they are summarized."""
        written = self._archive.nodes(self._jobs)
        reached = []
        until = self._in_memory
        for name, job in self._jobs.items():
            if name not in written:
                break
            reached.append(name)
            until = job.last
        self._jobs = {}
        if not reached:
            return
        part = self._exchanges[self._in_memory : until]
        try:
            self._archive.index(part, self._embedder)
        except Exception as wrong:  # noqa: BLE001 - an embedder may raise anything
            self._degrade("index", wrong)
        ids = [*(self._fold.nodes if self._fold else ()), *reached]
        summary = summary_block(render(self._fitting(ids)))
        fold = Fold(fold_id(part[-1]), until, tuple(ids), summary)
        self._fold = self._archive.keep_fold(fold)
        self._earlier = {}
        self._folded = len(part)

    # --- the request --------------------------------------------------------------------------

    def body(self) -> Mapping[str, Any]:
        """The request to send. The caller's body is not changed."""
        with self._timed("recall"):
            if self._plan is None:
                self._found = self._recall()
                shown = (Shown(one.passage.id, one.turn, one.score) for one in self._found)
                plan = Plan(
                    plan_id(self._transcript.open),
                    self._fold.id if self._fold else "",
                    recall_block(self._found),
                    tuple(shown),
                )
                self._plan = self._archive.keep_plan(plan)
                if self._plan != plan:
                    self._follow(self._plan)
        with self._timed("build"):
            live = self._exchanges[self._in_memory :]
            self._sent = build(
                self._body,
                self._transcript,
                folded=self._in_memory,
                injections=self._injections(self._plan),
                proofs=self._archive.proofs(live_thinking_ids(live)),
                cache=self._policy.cache != "off",
            )
        return self._sent.body

    def _follow(self, plan: Plan) -> None:
        """Someone else planned this opening first: what they decided holds."""
        self._found = None
        self._fold = self._archive.fold(plan.fold) if plan.fold else None
        self._earlier = self._plans_of_this_epoch()

    def _injections(self, plan: Plan) -> dict[int, list[str]]:
        newest = len(self._exchanges) - 1
        head = next(
            (i for i, one in enumerate(self._exchanges) if i >= self._in_memory and one.opening),
            newest,
        )
        texts: dict[int, list[str]] = {}
        if self._fold:
            texts.setdefault(head, []).append(self._fold.summary)
        if self._policy.appends:
            for index, earlier in sorted(self._earlier.items()):
                texts.setdefault(index, []).append(earlier.recalled)
            texts.setdefault(newest, []).append(plan.recalled)
        else:
            texts.setdefault(head, []).append(plan.recalled)
        return {index: some for index, some in texts.items() if self._exchanges[index].opening}

    def _recall(self) -> list[Found]:
        """What bears on the opening, out of the exchanges that are no longer in view."""
        policy = self._policy
        alone = policy.scope == "conversation"
        query = "\n".join(said.text for said in utterances(self._opening_messages()))
        if not policy.recall_tokens or not query or (alone and self._fold is None):
            return []
        if self._embedder is None:
            self._degraded.append(
                "recall: no embedder; install one with: pip install 'turnfold[embeddings]'"
            )
            return []
        try:
            vector = self._embedder.embed([query])[0]
            turns = {
                one.content_id: number
                for number, one in enumerate(self._exchanges[: self._in_memory], 1)
            }
            appended = self._earlier.values() if policy.appends else ()
            return find(
                self._archive.store,
                vector,
                user_id=self._archive.scope.user_id,
                conversation=self._archive.scope.conversation if alone else None,
                turns=turns,
                live={one.content_id for one in self._exchanges[self._in_memory :]},
                shown={shown.id for plan in appended for shown in plan.shown},
                floor=policy.recall_floor,
                budget=policy.recall_tokens,
                count=self._count,
            )
        except Exception as wrong:  # noqa: BLE001 - an embedder may raise anything
            self._degrade("recall", wrong)
            return []

    def _opening_messages(self) -> Sequence[Mapping[str, Any]]:
        opening: Exchange = self._transcript.open
        return opening.messages[: opening.opening]

    # --- the answer ---------------------------------------------------------------------------

    def answered(self, message: Mapping[str, Any] | None) -> Receipt:
        """Write what the answer tells and give the account of the request.

        Args:
            message: the Messages API response as JSON; None where the request failed or the
                stream broke off.
        """
        usage = Usage.from_api(message.get("usage") if message else None)
        with self._timed("finish"):
            if message is not None and self._sent is not None:
                try:
                    self._archive.keep_answer(
                        request=f"usage:{message.get('id') or uuid.uuid4().hex}",
                        thoughts=thinking_ids(message),
                        prefix=self._sent.prefix,
                        usage={"model": message.get("model"), **(message.get("usage") or {})},
                    )
                except TurnfoldError as wrong:
                    self._degrade("finish", wrong)
        return self._receipt(str(self._body.get("model", "")), usage)

    def _receipt(self, model: str, usage: Usage) -> Receipt:
        tokens = self._tokens()
        price = price_of(model)
        spent = full = None
        if price is not None and self._summary_cost is not None:
            spent = cost(usage, price) + self._summary_cost
            # The API's own count corrects the estimate of what full history would have been.
            rate = usage.prompt_tokens / tokens.sent if usage.prompt_tokens else 1.0
            whole = Usage(int(tokens.full * rate), output_tokens=usage.output_tokens)
            full = cost(whole, price)
        return Receipt(
            model=model,
            turn=len(self._exchanges),
            tokens=tokens,
            usage=usage,
            folded=self._folded,
            in_memory=self._in_memory,
            hits=tuple(
                Recalled(one.turn, one.passage.source, one.passage.text, one.score)
                for one in self._hits()
            ),
            summary_usage=self._summary_usage,
            cost=spent,
            full_cost=full,
            seconds=dict(self._seconds),
            degraded=tuple(self._degraded),
            stayed=(self._stayed,) if self._stayed else (),
        )

    def _hits(self) -> Sequence[Found]:
        if self._found is None and self._plan is not None:
            try:
                self._found = self._archive.found(self._plan.shown)
            except TurnfoldError as wrong:
                self._degrade("receipt", wrong)
        return self._found or ()

    def _tokens(self) -> Tokens:
        earlier = self._earlier.values() if self._policy.appends else ()
        recalled = sum(self._count(plan.recalled) for plan in earlier)
        if self._plan is not None:
            recalled += self._count(self._plan.recalled)
        return Tokens(
            fixed=self._fixed,
            summary=self._count(self._fold.summary) if self._fold else 0,
            recalled=recalled,
            window=sum(self._sizes[self._in_memory :]),
            full=self._fixed + sum(self._sizes),
        )

    def _degrade(self, step: str, wrong: Exception) -> None:
        reason = str(wrong).partition("\n")[0] or type(wrong).__name__
        self._degraded.append(f"{step}: {reason}")
        logger.warning("memory is degraded at %s: %s", step, reason)
        if self._policy.on_error == "raise":
            raise _as_turnfold_error(step, wrong)


def _as_turnfold_error(step: str, wrong: Exception) -> TurnfoldError:
    """An error of ours: one of the SDK's would make it retry the user's request."""
    if isinstance(wrong, TurnfoldError):
        return wrong
    return SummaryError(f"{step} failed: {type(wrong).__name__}: {wrong}")
