"""An epoch and what was measured go in; a fold comes out, or one to be prepared, or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from turnfold.accounting.account import Account
from turnfold.accounting.context_windows import context_window
from turnfold.accounting.prices import price_of
from turnfold.accounting.tokens import CountText
from turnfold.archive.archive import Archive
from turnfold.archive.measures import FIVE_MINUTES, ONE_HOUR, Measures
from turnfold.archive.plans import Preparation
from turnfold.embedders.start import ModelStart
from turnfold.errors import TurnfoldError
from turnfold.folding.epoch import Epoch
from turnfold.folding.fold_builder import Degrade, Folding
from turnfold.folding.patience import Patience
from turnfold.folding.preparation import Chore, Readiness, leases_of, next_step, prepared, soon
from turnfold.folding.recall_budget import Purse
from turnfold.folding.rule import Rates, Standing, fold_until
from turnfold.folding.summary_budget import Spending
from turnfold.history.citations import Citations
from turnfold.history.exchanges import Transcript
from turnfold.policy import Policy
from turnfold.request.cache_breakpoints import has_marks, lasts_an_hour
from turnfold.request.refusals import Refusal
from turnfold.summaries.summary_block import FRAME

# The least a summary has under a limit, in tokens; and the part of a limit that it may take.
_LEAST_SUMMARY = 60
_SHARE_OF_LIMIT = 3
# What a refusal says of a prompt corrects the estimate by this much at the most.
_MOST_RATE = 3.0


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
        background: bool,
        windows: MutableMapping[str, int],
        patience: Patience,
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
        apart: told of what is spent in the background; None where no one is to spend.
        background: whether there is a worker for folds that are not wanted yet.
        windows: context windows that models have told of when they refused, by name.
        patience: how long turns wait for summaries.
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
        self._background = background
        self._windows = windows
        self._patience = patience
        self._awaited: Preparation | None = None
        self._over = False  # whether the turn waits for a fold that is due
        self._excess = 0  # tokens that the prompt is over what it may have
        self._waits = False  # whether the turn waits for summaries that it asked for
        self._must = False  # whether the API has said that it must be folded
        self._degrade = degrade
        self._rate_found = 0.0
        self._spending = Spending(
            archive,
            of_turn=policy.turn_cap,
            of_conversation=policy.conversation_cap,
            rounds=policy.summary_rounds,
            said=sum(epoch.sizes),
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
            windows=windows,
        )

    # --- the decision -------------------------------------------------------------------------

    def decide(self) -> None:
        """Fold at this opening, or leave a fold to be prepared (see `folding.preparation`)."""
        start = self.epoch.start
        until = self._fold_until()
        due = until > start
        if not due and not self._background:
            return
        aim = until if due else self._fold_until(ahead=True)
        aim, why = self._leaving_cited(start, aim)
        if why and due:
            self._account.stayed.append(why)
        if aim == start:
            return
        found, readiness = self._preparation(start)
        step = next_step(
            due=due,
            over=self._over,
            readiness=readiness,
            lasting=self._policy.background == "on",
            alone=not self._background,
        )
        if step == "adopt" and found is not None:
            self._go_by(found)
            self.adopt()
            self.decide()  # the rest may still be too much
        elif step == "fold now":
            self._fold_now(found or self._settled(start, aim), readiness)
        elif step == "prepare" and self._patience.asks:
            self.chore = self._chore(found or self._settled(start, aim))

    def _settled(self, start: int, aim: int) -> Preparation:
        """How far the next fold will reach, written down before anyone begins.

        Whoever folds from here on goes by it, so that the same summaries are asked for.
        """
        found = prepared(self._exchanges, base=self.epoch.fold_id, start=start, until=aim)
        if self._apart is not None:
            self._archive.keep_preparation(found)
        return found

    def _fold_now(self, preparation: Preparation, readiness: Readiness) -> None:
        """Go by a preparation in this turn, and have written what is lacking of it."""
        self._go_by(preparation)
        if self._folding.is_ready or readiness == "running" or self._apart is None:
            return
        waits = self._patience.seconds > 0 or not self.is_past_limit
        if not (waits and self._patience.asks):
            return  # an answer would come too late, and be paid for in vain
        self._waits = self._patience.seconds > 0
        self.chore = self._chore(preparation, urgent=True)

    def _go_by(self, preparation: Preparation) -> None:
        self._awaited = preparation
        self._want(preparation.until)

    def _fold_until(self, *, ahead: bool = False) -> int:
        """Up to which exchange to fold at this opening, or at one that is near."""
        epoch, measures, rate = self.epoch, self._measures, self._rate
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
    def _rate(self) -> float:
        """Tokens the API counts for one that is estimated."""
        rate = 1.0 if self._policy.count_tokens else self._measures.rate(self._model)
        return max(rate, self._rate_found)

    @property
    def _ceiling(self) -> int:
        """The most tokens the prompt may have."""
        answer = self._body.get("max_tokens")
        window = self._windows.get(self._model, context_window(self._model))
        room = window - min(answer if isinstance(answer, int) else 0, window // 2)
        most = self._policy.max_prompt_tokens
        return room if most is None else min(most, room)

    @property
    def limit(self) -> int:
        """The same, as we estimate tokens."""
        return int(self._ceiling / self._rate)

    @property
    def is_past_limit(self) -> bool:
        """Whether the prompt is over the most it may have, as long as nothing is folded."""
        epoch = self.epoch
        head = sum(epoch.sizes[: min(epoch.head, epoch.in_memory)])
        held = head + epoch.summary + sum(epoch.recalled) + epoch.closed
        if self._policy.budget is not None and held > self._policy.budget:
            return True
        return self._fixed + held + epoch.sizes[-1] > self.limit

    @property
    def _summary_room(self) -> int:
        """Tokens of a summary that leave the window room to grow under the limit."""
        head = sum(self.epoch.sizes[: self.epoch.head])
        return max(
            _LEAST_SUMMARY, (self.limit - self._fixed - head) // _SHARE_OF_LIMIT - FRAME // 2
        )

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

    def _want(self, until: int) -> None:
        epoch = self.epoch
        self._folding.want(
            epoch.fold,
            epoch.start,
            until,
            head=epoch.head,
            sizes=epoch.sizes,
            room=self._summary_room,
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

    def fold_all(self, refusal: Refusal, *, sent: int) -> bool:
        """Fold down to the newest exchange, since the API takes no more; False if it cannot be.

        What is prepared is taken first.

        Args:
            refusal: what the API said.
            sent: tokens we had estimated.
        """
        if refusal.window is not None:
            self._windows[self._model] = refusal.window
        if refusal.counted is not None and sent:
            self._rate_found = min(refusal.counted / sent, _MOST_RATE)
        self._over = True
        found, readiness = self._preparation(self.epoch.start)
        if found is not None and readiness == "ready":
            self._go_by(found)
            self.adopt()
        start, closed = self.epoch.start, len(self._transcript.closed)
        aim, why = self._leaving_cited(start, closed, must=True)
        if why:
            self._account.stayed.append(why)
        if aim > start:
            self._must = True
            found, readiness = self._preparation(start)
            if found is None or found.until != aim:
                found, readiness = self._settled(start, aim), "none"
            self._fold_now(found, readiness)
        return aim > start or self._account.folded > 0

    def settle(self) -> bool:
        """Take what was written of the fold that this turn waited for, and go by it.

        What is lacking is made of the turns' own sentences where the prompt may not do without
        the fold; else the turn goes on as it is, and a later one takes what comes.

        Returns:
            Whether there is more to be folded, and to wait for.

        Raises:
            Exception: what went wrong, where that is wanted.
        """
        awaited, chore = self._awaited, self.chore
        if awaited is None:
            return False
        if chore is not None and chore.urgent:
            self.chore = None
            if chore.raised is not None:
                raise chore.raised
        ready = self._folding.is_ready
        late = not ready and leases_of(self._archive, self._policy).state(awaited.id) == "running"
        if self._waits:
            self._patience.waited(in_vain=late)
            self._waits = False
        must = self._must or self.is_past_limit
        if must and not ready:
            self._folding.make_do("the prompt is too long without these turns' summary")
        elif late:
            self._degrade("summary", TurnfoldError(self._patience.told))
            self._awaited = None
            return False
        before = self.epoch.start
        self.adopt()
        if self.epoch.start > before and self.is_past_limit:
            self.decide()
        return self.is_awaited

    def adopt(self) -> None:
        """Go by the new fold, if there is one: a new epoch begins."""
        ready, self._awaited = self._awaited, None
        if ready is None:
            return
        whole = self._folding.is_ready
        fold = self._folding.fold(indexed=self._archive.is_indexed(ready.id))
        if fold is not None:
            self.epoch = self.epoch.after(fold)
            self._must = False
        if whole and self._apart is not None:
            leases_of(self._archive, self._policy).clear(ready.id)

    # --- in the background --------------------------------------------------------------------

    @property
    def is_awaited(self) -> bool:
        """Whether the turn goes by a fold that is not adopted yet."""
        return self._awaited is not None

    def waits(self) -> bool:
        """Whether someone else is writing the summaries of this turn's fold, and not too long."""
        mine = self.chore is not None and not self.chore.finished.is_set()
        if self._awaited is None or mine or self._folding.is_ready:
            return False
        leases = leases_of(self._archive, self._policy)
        if leases.state(self._awaited.id) != "running":
            return False
        return self._over or leases.age(self._awaited.id) <= self._patience.seconds

    def _preparation(self, start: int) -> tuple[Preparation | None, Readiness]:
        """The preparation to go by, and how far it has come."""
        closed = self._transcript.closed
        best: tuple[Preparation | None, Readiness] = (None, "none")
        for one in self._archive.preparations(closed, base=self.epoch.fold_id, start=start):
            if self._leaving_cited(start, one.until)[0] < one.until:
                continue
            self._want(one.until)
            # To index a long history takes as long as to summarize it.
            if self._folding.is_ready and (
                not self._background or self._archive.is_indexed(one.id)
            ):
                return one, "ready"
            if best[0] is None:
                state = leases_of(self._archive, self._policy).state(one.id)
                best = one, "idle" if state == "free" else state
        self._want(start)
        return best

    def _chore(self, preparation: Preparation, *, urgent: bool = False) -> Chore:
        assert self._apart is not None
        return Chore(
            self._archive,
            self._archive.memorable(self._exchanges),
            preparation,
            base=self.epoch.fold,
            head=self.epoch.head,
            policy=self._policy,
            embedder=self._embedder,
            count=self._count,
            spending=self._spending,
            windows=self._windows,
            patience=self._patience,
            sizes=self.epoch.sizes,
            done=self._apart,
            account=self._account if urgent else None,
            degrade=self._degrade if urgent else None,
        )
