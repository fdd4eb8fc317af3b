"""An epoch and what was measured go in; a fold comes out, or one to be prepared, or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from turnfold.account import Account
from turnfold.ahead import Chore, Readiness, leases_of, next_step, prepared, soon
from turnfold.archive import Archive
from turnfold.breakpoints import has_marks, lasts_an_hour
from turnfold.citations import Citations
from turnfold.embedders.start import ModelStart
from turnfold.epoch import Epoch
from turnfold.folding import Degrade, Folding, Outcome
from turnfold.measures import FIVE_MINUTES, ONE_HOUR, Measures
from turnfold.models import context_window
from turnfold.plans import Preparation
from turnfold.policy import Policy
from turnfold.pricing import price_of
from turnfold.purse import Purse
from turnfold.spending import Spending
from turnfold.summary import SummaryJob
from turnfold.tokens import CountText
from turnfold.transcript import Transcript
from turnfold.window import Rates, Standing, fold_until


class Deciding:
    """Whether, when and how far to fold, within one turn.

    Attributes:
        epoch: the one in force; another once a fold is adopted.
        chore: a fold to be prepared while the request is on its way; None for none.
    """

    def __init__(
        self,
        archive: Archive,
        body: Mapping[str, Any],
        transcript: Transcript,
        epoch: Epoch,
        measures: Measures,
        *,
        citations: Citations,
        fixed: int,
        policy: Policy,
        embedder: ModelStart | None,
        count: CountText,
        account: Account,
        degrade: Degrade,
        summary_model: str,
        apart: Callable[[Account], None] | None,
    ) -> None:
        """Args:
        archive: the ledger and index.
        body: the request.
        transcript: its messages as exchanges.
        epoch: the one in force.
        measures: what the turns before have shown.
        citations: of the transcript.
        fixed: tokens of system and tools.
        policy: when to fold and how much to keep.
        embedder: makes the vectors of what is folded.
        count: counts tokens.
        account: what the turn did and spent.
        degrade: told of what failed.
        summary_model: the model that writes summaries; "" where it costs nothing.
        apart: told of what is spent in the background; None where there is none.
        """
        self.epoch = epoch
        self.chore: Chore | None = None
        self._archive = archive
        self._body = body
        self._transcript = transcript
        self._exchanges = transcript.exchanges
        self._measures = measures
        self._citations = citations
        self._model = str(body.get("model", ""))
        self._fixed = fixed
        self._policy = policy
        self._embedder = embedder
        self._count = count
        self._account = account
        self._summary_model = summary_model
        self._apart = apart
        self._awaited: Preparation | None = None
        self._over = False
        self._excess = 0  # tokens that the prompt is over what it may have
        self._spending = Spending(
            archive,
            of_turn=policy.turn_cap,
            of_conversation=policy.conversation_cap,
            turn=transcript.open.opening_id,
            root=transcript.exchanges[0].opening_id,
            model=summary_model,
            prices=policy.prices,
            count=count,
        )
        self._folding = Folding(
            archive,
            archive.memorable(transcript.exchanges),
            policy=policy,
            embedder=embedder,
            count=count,
            account=account,
            degrade=degrade,
            spending=self._spending,
        )

    # --- the decision -------------------------------------------------------------------------

    def decide(self) -> None:
        """Fold at this opening, or leave a fold to be prepared; see `turnfold.ahead`."""
        until = self._fold_until()
        if self._apart is None:
            self.want(until)
            return
        start = self.epoch.start
        due = until > start
        aim = until if due else self._fold_until(ahead=True)
        aim, _ = self._leaving_cited(start, aim)
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
                self.adopt()
                self.decide()  # the rest may still be too much
        elif step == "fold now":
            self.want(aim)
        elif step == "prepare":
            self.chore = self._prepare(found, start, aim)

    def _go_by(self, preparation: Preparation) -> None:
        self._awaited = preparation
        self.want(preparation.until)

    def _fold_until(self, *, ahead: bool = False) -> int:
        """Up to which exchange to fold at this opening, or at one that is near."""
        epoch, measures = self.epoch, self._measures
        rate = 1.0 if self._policy.count_tokens else measures.rate(self._model)
        head = sum(epoch.sizes[: epoch.head]) if epoch.in_memory > epoch.head else 0
        lifetime = ONE_HOUR if lasts_an_hour(self._body) else FIVE_MINUTES
        standing = Standing(
            sizes=[int(size * rate) for size in epoch.sizes],
            requests=[one.replies or 1 for one in self._exchanges],
            window=epoch.start if epoch.in_memory else 0,
            first=epoch.start,
            fixed=int((self._fixed + head) * rate),
            summary=int(epoch.summary * rate),
            recalled=[int(size * rate) for size in epoch.recalled],
            ceiling=self._ceiling,
            cold=measures.is_cold(self._archive.clock(), lifetime=lifetime),
            cold_share=measures.cold_share,
        )
        until, reason = fold_until(soon(standing) if ahead else standing, self._policy, self._rates)
        if not ahead:
            self._account.fold_reason = reason or self._account.fold_reason
            self._over = standing.prompt > standing.ceiling or self._policy.budget is not None
            self._excess = standing.prompt - standing.ceiling
            if self._policy.budget is not None:
                self._excess = epoch.closed - self._policy.keep_tokens
        return min(until, len(self._transcript.closed))

    @property
    def is_cached(self) -> bool:
        """Whether the request is to carry cache breakpoints of ours."""
        if self._policy.cache == "auto":
            return self._measures.cold_share <= 0.5
        return self._policy.cache == "on"

    @property
    def _rates(self) -> Rates:
        return Rates.of(
            price_of(self._model, self._policy.prices),
            price_of(self._summary_model, self._policy.prices),
            cached=self.is_cached or has_marks(self._body),
            an_hour=lasts_an_hour(self._body),
        )

    @property
    def _ceiling(self) -> int:
        """The most tokens the prompt may have."""
        if self._policy.max_prompt_tokens is not None:
            return self._policy.max_prompt_tokens
        answer = self._body.get("max_tokens")
        return context_window(self._model) - (answer if isinstance(answer, int) else 0)

    def purse(self) -> Purse:
        """What this turn's recall may spend."""
        epoch, measures = self.epoch, self._measures
        purse = Purse(measures.purse, self._policy, self._rates, cold_share=measures.cold_share)
        if epoch.fold is None:
            return purse
        if epoch.fold_id != measures.fold:
            purse.pay_fold(epoch.summary + epoch.closed, measures.prompt)
        purse.earn(epoch.left_out - epoch.summary - sum(epoch.recalled))
        return purse

    # --- folding ------------------------------------------------------------------------------

    def want(self, until: int, *, must: bool = False) -> bool:
        """Ask for the summaries that folding up to there takes; False if nothing can be folded.

        Where it must be folded, it is folded without the summarizer if need be.
        """
        epoch = self.epoch
        until, why = self._leaving_cited(epoch.start, until, must=must)
        if why:
            self._account.stayed.append(why)
        return self._folding.want(
            epoch.fold, epoch.start, until, head=epoch.head, sizes=epoch.sizes, must=must
        )

    def _leaving_cited(self, start: int, until: int, *, must: bool = False) -> tuple[int, str]:
        """How far to fold, so that what is cited in view stays in view, and why not further.

        Where the prompt would still be over what it may have, the limit holds: what is cited goes,
        and the citations with it.
        """
        until = max(start, until)
        kept, why = self._citations.until(start, until)
        if must or (self._over and sum(self.epoch.sizes[start:kept]) < self._excess):
            return until, ""
        return kept, why

    def fold_all(self) -> bool:
        """Fold down to the newest exchange, since the API takes no more; False if it cannot be.

        What is prepared is taken first.
        """
        found, readiness = self._preparation(self.epoch.start)
        if found is not None and readiness == "ready":
            self._go_by(found)
            self.adopt()
        wanted = self.want(len(self._transcript.closed), must=True)
        return wanted or self._account.folded > 0

    def due(self) -> list[SummaryJob]:
        """The summaries wanted; none once they are there or have failed."""
        return self._folding.due()

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take the answers to the jobs of `due`, in order."""
        self._folding.take(outcomes)

    def adopt(self) -> None:
        """Go by the new fold, if there is one: a new epoch begins."""
        ready = self._awaited
        fold = self._folding.fold(indexed=ready is not None and self._archive.is_indexed(ready.id))
        if fold is not None:
            self.epoch = self.epoch.after(fold)
            if ready is not None:
                leases_of(self._archive, self._policy).clear(ready.id)
                self._awaited = None

    # --- in the background --------------------------------------------------------------------

    def waits(self) -> bool:
        """Whether someone else is writing the summaries that this turn cannot do without."""
        if self._awaited is None or self._folding.is_ready:
            return False
        return leases_of(self._archive, self._policy).state(self._awaited.id) == "running"

    def _preparation(self, start: int) -> tuple[Preparation | None, Readiness]:
        """The preparation to go by, and how far it has come."""
        closed = self._transcript.closed
        best: tuple[Preparation | None, Readiness] = (None, "none")
        for one in self._archive.preparations(closed, base=self.epoch.fold_id, start=start):
            if self._leaving_cited(start, one.until)[0] < one.until:
                continue
            self.want(one.until)
            # To index a long history takes as long as to summarize it.
            if self._folding.is_ready and self._archive.is_indexed(one.id):
                return one, "ready"
            if best[0] is None:
                state = leases_of(self._archive, self._policy).state(one.id)
                best = one, "idle" if state == "free" else state
        self.want(start)
        return best

    def _prepare(self, found: Preparation | None, start: int, aim: int) -> Chore:
        assert self._apart is not None
        if found is None:
            found = prepared(self._exchanges, base=self.epoch.fold_id, start=start, until=aim)
            # Before a worker begins: the next turn may come sooner.
            self._archive.keep_preparation(found)
        return Chore(
            self._archive,
            self._archive.memorable(self._exchanges),
            found,
            base=self.epoch.fold,
            head=self.epoch.head,
            policy=self._policy,
            embedder=self._embedder,
            count=self._count,
            spending=self._spending,
            sizes=self.epoch.sizes,
            done=self._apart,
        )
