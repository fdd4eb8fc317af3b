"""Conversations go in; what asking the real API would cost, then rows of the page, come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf, sqrt
from typing import Any

from anthropic import Anthropic
from proof.replays import Chosen
from proof.strategies import Contender, contenders
from turnfold import Embedder
from turnfold.accounting.prices import Usage, dearest, price_of
from turnfold.errors import TurnfoldError
from turnfold_cli.replay_results import JUDGE_MODEL, MODEL, SUMMARY_MODEL
from turnfold_cli.transcripts import Conversation, Question
from turnfold_fake import FakeClaude

from live.asking import (
    Continued,
    Door,
    LiveError,
    RefusedError,
    Reply,
    Session,
    UnansweredError,
    told_apart,
)
from live.judging import RIGHT, UNKNOWN, WRONG, agreement, verdict
from live.paying import Account, PayingClient

ASKED = frozenset({"full", "window-tokens", "summary-window", "retrieval", "turnfold"})
"""Strategies that need nothing of the provider but messages."""
QUESTIONS = 12
JUDGES = (JUDGE_MODEL, MODEL)
_GIVE_UP = 3  # questions in a row that were not answered
_RETRIES = 4


@dataclass(frozen=True, slots=True)
class Models:
    """Who is asked.

    Attributes:
        answers: questions.
        summaries: the summarizer.
        judges: two, which may be the same.
    """

    answers: str = MODEL
    summaries: str = SUMMARY_MODEL
    judges: tuple[str, str] = JUDGES


@dataclass(frozen=True, slots=True)
class Judged:
    """A question that was answered under a strategy, and two verdicts on the answer."""

    conversation: str
    question: str
    strategy: str
    reply: Reply
    verdicts: tuple[str, str]


@dataclass(slots=True)
class Found:
    """What was found so far.

    Attributes:
        judged: answers with their verdicts.
        continued: by strategy, the turns that continue another.
        prepared: by strategy, dollars for its summaries.
        degraded: by strategy, what of its memory did not work.
        stopped: why it ended before all was asked; "" where it did not.
        missed: questions that the API did not answer this time.
    """

    judged: list[Judged] = field(default_factory=list)
    continued: dict[str, list[Continued]] = field(default_factory=dict)
    prepared: dict[str, float] = field(default_factory=dict)
    degraded: dict[str, dict[str, None]] = field(default_factory=dict)
    stopped: str = ""
    missed: int = 0


def door_to(
    account: Account, models: Models, *, base_url: str | None = None, **options: Any
) -> Door:
    """A client of the API, of which each answer is paid from an account.

    Args:
        account: what pays.
        models: who is asked.
        base_url: of another server that speaks the Messages API; None for Anthropic's.
        **options: of the HTTP client.
    """
    http = PayingClient(account, **options)
    client = Anthropic(http_client=http, base_url=base_url, max_retries=_RETRIES)
    # Other servers may refuse a field that they do not know.
    return Door(client, http, account, models.answers, models.summaries, diagnosed=not base_url)


def estimated(
    conversations: Sequence[Chosen], models: Models, embedder: Embedder, questions: int
) -> float:
    """Dollars that all of it costs, rather too much: the same run against the API's stand-in.

    It counts tokens and keeps a prompt cache; each answer is taken to be as long as it may be.
    """
    fake, account = FakeClaude(), Account(None, inf)
    http = PayingClient(account, transport=fake.transport)
    client = fake.client(http_client=http, max_retries=0)
    door = Door(client, http, account, models.answers, models.summaries)
    Interview(models, door, embedder, questions=questions).hold(conversations)
    longer = 0.0
    for call in fake.calls:
        if call.kind == "chat" and call.usage:
            price = price_of(call.body["model"]) or dearest()
            longer += (call.body["max_tokens"] - call.usage["output_tokens"]) * price.output / 1e6
    return account.drawn + longer


class Interview:
    """Puts questions to the API until all are asked, or the maximum is reached.

    Strategies are asked side by side, so that whatever was reached can be compared.
    """

    def __init__(
        self,
        models: Models,
        door: Door,
        embedder: Embedder,
        *,
        questions: int = QUESTIONS,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Args:
        models: who is asked.
        door: to the API.
        embedder: for recall.
        questions: so many of each conversation.
        on_step: told what is being done.
        """
        self.found = Found()
        self._models = models
        self._door = door
        self._embedder = embedder
        self._questions = questions
        self._on_step = on_step
        self._missed = 0  # in a row

    def hold(self, conversations: Sequence[Chosen]) -> Found:
        """Ask about each conversation.

        Raises:
            LiveError: nothing can be asked.
        """
        for _, conversation in conversations:
            try:
                with ExitStack() as opened:
                    sessions = dict(self._ready(conversation, opened))
                    for question in some_of(conversation, self._questions):
                        for name, session in sessions.items():
                            self._put(name, session, question)
            except (_StoppedError, LiveError) as stopped:
                if isinstance(stopped, LiveError) and not self._door.account.full:
                    raise
                self.found.stopped = str(stopped)
                break
        return self.found

    def _ready(
        self, conversation: Conversation, opened: ExitStack
    ) -> Iterator[tuple[str, Session]]:
        """A session for each strategy that could take in what was said."""
        account = self._door.account
        for contender in compared(self._embedder, conversation):
            name = contender.strategy.name
            title = f"{conversation.id}, {contender.strategy.title}"
            session = opened.enter_context(
                Session(contender, conversation, self._door, self._embedder)
            )
            self._on_step(f"{title}: what was said")
            drawn = account.drawn
            try:
                session.prepare()
                prepared = account.drawn - drawn
                continued = list(session.go_on())[1:]  # the first continues nothing
            except (UnansweredError, RefusedError, TurnfoldError) as wrong:
                _stop_if_full(account)
                self._on_step(f"{title}: {wrong}")
                continue
            finally:
                self.found.degraded.setdefault(name, {}).update(session.degraded)
            _stop_if_full(account)
            self.found.continued.setdefault(name, []).extend(continued)
            self.found.prepared[name] = self.found.prepared.get(name, 0.0) + prepared
            yield name, session

    def _put(self, name: str, session: Session, question: Question) -> None:
        self._on_step(f"{session.conversation.id}, {question.id}: {name}")
        try:
            judged = self._judged(name, session, question)
        except UnansweredError as wrong:
            _stop_if_full(self._door.account)
            self.found.missed += 1
            self._missed += 1
            if self._missed >= _GIVE_UP:
                raise _StoppedError(f"the API does not answer ({wrong})") from None
            return
        finally:
            self.found.degraded[name].update(session.degraded)
        _stop_if_full(self._door.account)
        self._missed = 0
        self.found.judged.append(judged)

    def _judged(self, name: str, session: Session, question: Question) -> Judged:
        reply = session.ask(question)
        # Without an answer there is nothing to be judged: the question is lost.
        verdicts = (WRONG, WRONG)
        if not reply.refused:
            client, (first, second) = self._door.client, self._models.judges
            with told_apart():
                verdicts = (
                    verdict(client, first, question, reply.answer),
                    verdict(client, second, question, reply.answer),
                )
        return Judged(session.conversation.id, question.id, name, reply, verdicts)


class _StoppedError(Exception):
    pass


def _stop_if_full(account: Account) -> None:
    if account.full:
        raise _StoppedError(
            f"the maximum of ${account.most:.2f} could be passed by the next request"
        )


def compared(embedder: Embedder, conversation: Conversation) -> Iterator[Contender]:
    """The strategies that are asked."""
    for one in contenders(embedder, agent=conversation.is_agent):
        if one.strategy.name in ASKED:
            yield one


def some_of(conversation: Conversation, most: int) -> Sequence[Question]:
    """So many questions, from all over the list, of those whose answer is known."""
    known = [one for one in conversation.questions if one.is_scored]
    every = -(-len(known) // most) or 1
    return known[::every]


# --- the page -------------------------------------------------------------------------------------


def as_json(found: Found, account: Account, models: Models, titles: dict[str, str]) -> Any:
    """What was found, for a result file: figures and verdicts, nothing that was said."""
    rows = [_row(name, found, titles[name]) for name in titles if name in found.continued]
    pairs = [one.verdicts for one in found.judged if not one.reply.refused]
    told = agreement(pairs)
    return {
        "answers_by": models.answers,
        "summaries_by": models.summaries,
        "judges": list(models.judges),
        "judged": told.judged,
        "unreadable": len(pairs) - told.judged,
        "same_verdict": told.same,
        "kappa": told.kappa,
        "dollars": round(account.spent, 4),
        "most": account.most,
        "stopped": found.stopped,
        "not_answered": found.missed,
        "rows": rows,
        "verdicts": [
            [one.conversation, one.question, one.strategy, *one.verdicts] for one in found.judged
        ],
    }


def _row(name: str, found: Found, title: str) -> dict[str, Any]:
    """Over the questions that every strategy was asked."""
    asked: dict[tuple[str, str], set[str]] = {}
    for one in found.judged:
        asked.setdefault((one.conversation, one.question), set()).add(one.strategy)
    of_all = {key for key, names in asked.items() if names >= set(found.prepared)}
    mine = [
        one
        for one in found.judged
        if one.strategy == name and (one.conversation, one.question) in of_all
    ]
    right = _mean([one.verdicts == (RIGHT, RIGHT) for one in mine])
    later = found.continued[name]
    prompts = sum((one.usage for one in later), Usage())
    return {
        "strategy": title,
        "questions": len(mine),
        "right": right,
        "±": None if right is None else 1.96 * sqrt(right * (1 - right) / len(mine)),
        "does_not_know": _mean([one.verdicts == (UNKNOWN, UNKNOWN) for one in mine]),
        "judges_differ": _mean([len(set(one.verdicts)) > 1 for one in mine]),
        "evidence": _mean([one.reply.share for one in mine]),
        "prompt_tokens": round(_mean([one.reply.prompt_tokens for one in mine]) or 0),
        "refused": sum(bool(one.reply.refused) for one in mine),
        "dollars_a_question": _mean([one.reply.dollars for one in mine]),
        "dollars_for_summaries": round(found.prepared.get(name, 0.0), 6),
        "read_from_cache": prompts.cache_read / prompts.prompt_tokens if later else None,
        "cache_missed_because": _because([one.reason for one in later]),
        "degraded": "; ".join(found.degraded.get(name, ())) or None,
        "ours": name == "turnfold",
    }


def _because(reasons: Sequence[str | None]) -> str | None:
    """Why the cache could not serve all of a turn before, in the API's words."""
    told = [one for one in reasons if one is not None]
    return "; ".join(sorted(set(filter(None, told)))) or "nothing missed" if told else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
