"""An opening goes in; the passages of earlier exchanges that bear on it come out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from turnfold_stores.lazy_numpy import np

from turnfold.archive.archive import Archive
from turnfold.archive.passages import Passage, RecalledPassage, content_of
from turnfold.errors import failure
from turnfold.history.exchanges import Exchange, Transcript
from turnfold.history.utterances import utterances
from turnfold.language.days import known_day
from turnfold.language.time_spans import TimeSpan, span_in
from turnfold.policy import Policy
from turnfold.recall.candidates import Candidates, MessageCache, Past
from turnfold.recall.query import (
    RecallQuery,
    coverage,
    read_opening,
    read_step,
    recall_probability,
)
from turnfold.recall.ranking import (
    Candidate,
    Floats,
    fuse_ranks,
    nearness_of_messages,
    relevance,
    value,
)
from turnfold.recall.rankings import Rankings
from turnfold.recall.recalled_block import RECALL_OVERHEAD
from turnfold.recall.selection import WHOLE, Chosen, choose
from turnfold.recall.speakers import asked_about, said_by
from turnfold.turn_context import TurnContext

# Passages taken from each ranking: so many, and one more for so many tokens to spend.
_LEAST_TAKEN = 150
_PER_TAKEN = 4
# Openings looked back at for what a follow-up follows up on.
_BACK = 4
# Messages sharing most words with the opening, by which it is told how much of it is not new.
_COVERING = 3
# How likely an opening must be to ask for the past to be given the whole budget; below it is
# given its share. docs/recall.md has the curve. Where recall is chosen anew each turn
# within a budget of the whole prompt, what it leaves unspent is saved by no cache, so little
# will do.
_SURE = 0.25
_SURE_WITHIN_BUDGET = 0.05
# How likely it must be to be answered on credit.
_CERTAIN = 0.5
# A smaller share than this buys no message: small talk of a language that is not known.
_LEAST_SHARE = 0.08
# Where nothing is near in meaning, the share of its words a text must have to be recalled.
_BY_WORDS_ALONE = 0.5
# How much more a message counts that was said when the opening says.
_IN_TIME = 2.0
# Telling words, figures aside, up to which an opening that names a time asks for what was said
# then: the month, "tell", and a matter or a weekday. Neither words nor meaning find that.
_LITTLE_ELSE = 4
# How much more what somebody says counts where an opening names them; by nearness alone, which
# cannot tell who is asked about, much more.
_OF_NAMED = 1.5
_OF_NAMED_BY_NEARNESS = 4.0
_NO_FLOOR = -1.0
# Exchanges of other conversations that are read, and one more for so many tokens to spend.
_LEAST_ELSEWHERE = 100
_PER_ELSEWHERE = 8


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a look-up brought.

    Attributes:
        found: the passages, in the order they were said.
        wrong: why only words were searched, not meaning; None where both were.
    """

    found: Sequence[RecalledPassage] = ()
    wrong: Exception | None = None


def look_up(
    context: TurnContext,
    transcript: Transcript,
    *,
    past: Past,
    shown: Collection[str],
    summary: str,
    known: MessageCache,
    root: str,
    budget: int,
    credit: int = 0,
    doing: str = "",
) -> LookedUp:
    """What bears on the newest opening, or step, out of what is no longer in view.

    Args:
        context: the ledger and index, the settings, what makes the query's vector.
        transcript: the whole path.
        past: the same, with what of it is in memory.
        shown: ids of passages that stand in the request already.
        summary: the summary in it: what it has verbatim does not come again.
        known: messages that were made of exchanges before; more are added.
        root: names the history.
        budget: tokens to spend.
        credit: how many more an opening may spend that surely asks.
        doing: what the assistant is at, amid an exchange; "" for what the opening asks.

    Raises:
        StoreError: the ledger could not be read.
    """
    archive, policy = context.archive, context.policy
    alone = policy.scope == "conversation"
    most = budget + credit
    if most <= 0 or (alone and not past.folded):
        return LookedUp()
    asked = (
        read_step(doing) if doing else _asked(transcript, anything=policy.recall_floor <= _NO_FLOOR)
    )
    if asked is None:
        return LookedUp()
    found = Candidates(archive, past, closed=alone, known=known, root=root)
    span = span_in(asked.query, archive.clock(), policy.zone)
    where = archive.scope.conversation if alone else None
    rankings = Rankings(context, found, most=_LEAST_TAKEN + most // _PER_TAKEN, where=where)
    ranked = rankings.of(asked, span if _asks_when(asked) else None)
    lexical, dense, then, wrong = ranked.lexical, ranked.dense, ranked.then, ranked.wrong
    of_pieces = fuse_ranks(lexical, dense)
    messages, runs = found.with_neighbours(
        [*sorted(of_pieces, key=lambda name: -of_pieces[name]), *then],
        elsewhere=_LEAST_ELSEWHERE + most // _PER_ELSEWHERE,
    )
    likely = _likelihood(policy, asked, messages, lexical, by_meaning=bool(dense or wrong))
    likely = 1.0 if then else likely
    budget = int(budget * _share(policy, likely)) + (credit if likely >= _CERTAIN else 0)
    if not budget or not messages:
        return LookedUp((), wrong)
    budget -= min(RECALL_OVERHEAD, budget // 2)
    in_time = _timeliness(found, span, messages)
    nearness = nearness_of_messages(messages, dense, of_assistant=asked.of_assistant)
    by_nearness = [messages[at].id for at in np.argsort(-nearness, kind="stable") if nearness[at]]
    named = asked_about(asked.query, messages)
    nameless: list[str] = []
    if named is not None and dense:
        try:
            nameless = rankings.near(named.rest)
        except BaseException as failed:  # noqa: BLE001 - an embedder or an index may raise anything
            wrong = failure(failed)
    others = [_utterances_of(some) for some in (lexical, then, nameless)]
    relevant = relevance(messages, runs, fuse_ranks(by_nearness, *others))
    in_view, in_summary = found.in_view(), _squeezed(summary)

    def worth(how_much: Floats, of_named: float) -> Floats:
        how_much = how_much * in_time * said_by(named, messages, of_named)
        whole = int(budget * WHOLE)
        return value(messages, how_much, whole=whole, of_assistant=asked.of_assistant)

    chosen = choose(
        messages,
        list(worth(relevant, _OF_NAMED)),
        nearest=list(worth(nearness, _OF_NAMED_BY_NEARNESS)),
        is_named=named is not None,
        budget=budget,
        count=context.count,
        pieces=_by_message(of_pieces),
        shown=shown,
        stands=lambda text: _squeezed(text) in in_view,
        noted=lambda text: _squeezed(text) in in_summary,
    )
    return LookedUp(_found(archive, found, chosen, policy.zone), wrong)


def _asked(transcript: Transcript, *, anything: bool) -> RecallQuery | None:
    # Messages that nobody has answered yet are one opening; what is asked is in the last.
    opening, *unanswered = _openings_of(transcript.open)
    before = [
        text for one in transcript.exchanges[-2 : -2 - _BACK : -1] for text in _openings_of(one)
    ]
    asked = read_opening(opening, [*unanswered, *before])
    if asked is None and anything and opening:
        return RecallQuery(opening, frozenset(), named=0, asks=True, words=0)
    return asked


def _openings_of(exchange: Exchange) -> list[str]:
    """What the user said at the beginning of an exchange, message by message, newest first."""
    texts = []
    for message in reversed(exchange.messages[: exchange.opening]):
        said = utterances([message])
        by_user = [one.text for one in said if one.source == "user"]
        texts.append("\n".join(by_user or [one.text for one in said]))
    return [text for text in texts if text] or [""]


def _likelihood(
    policy: Policy,
    asked: RecallQuery,
    messages: Sequence[Candidate],
    lexical: Sequence[str],
    *,
    by_meaning: bool,
) -> float:
    """How likely an opening asks for what was said: 0 to 1."""
    if policy.recall_floor <= _NO_FLOOR:
        return 1.0
    best = list(_utterances_of(lexical[:_COVERING]))
    texts = [one.text for one in messages if one.id in best]
    if not by_meaning and all(coverage(asked, one) < _BY_WORDS_ALONE for one in texts):
        return 0.0
    return recall_probability(asked, texts)


def _share(policy: Policy, likely: float) -> float:
    """Which part of the budget to spend on an opening that is so likely to ask: 0 to 1."""
    sure = _SURE if policy.budget is None else _SURE_WITHIN_BUDGET
    share = min(1.0, likely / sure)
    return share if share >= _LEAST_SHARE else 0.0


def _utterances_of(passage_ids: Sequence[str]) -> Iterator[str]:
    return (name.rpartition(".")[0] for name in passage_ids)


def _by_message(pieces: dict[str, float]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for name, score in pieces.items():
        message, _, piece = name.rpartition(".")
        found.setdefault(message, {})[int(piece)] = score
    return found


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _asks_when(asked: RecallQuery) -> bool:
    """Whether next to nothing but a time is asked for: "What did I tell you on 8 January?"."""
    figures = sum(one.isdigit() for one in asked.terms)
    return asked.asks and asked.named - figures <= _LITTLE_ELSE


def _timeliness(past: Candidates, span: TimeSpan | None, messages: Sequence[Candidate]) -> Floats:
    """How much more each message counts for when it was said; shape (messages,)."""
    if span is None:
        return np.ones(len(messages))
    times = past.times([f"{one.id}.0" for one in messages])
    return np.array(
        [_IN_TIME if span.holds(times.get(f"{one.id}.0", 0.0)) else 1.0 for one in messages]
    )


def _found(
    archive: Archive, past: Candidates, chosen: Sequence[Chosen], zone: tzinfo | None
) -> list[RecalledPassage]:
    today = known_day(archive.clock(), zone)
    times = past.times([f"{one.message.id}.0" for one in chosen])
    found = []
    for one in chosen:
        message = one.message
        content_id = content_of(message.id)
        turn = past.turn(content_id)
        at = times.get(f"{message.id}.0", 0.0)
        name = message.id if one.piece is None else f"{message.id}.{one.piece}"
        passage = Passage(name, content_id, message.source, one.text, turn)
        day = known_day(at, zone)
        found.append(
            RecalledPassage(passage, turn, float(one.score), day if day != today else None)
        )
    return found
