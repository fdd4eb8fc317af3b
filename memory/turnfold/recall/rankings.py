"""A query goes in; passages of the past come out, ranked by words, by meaning and by time.

To embed the query is most of a look-up and asks no store, so all that needs no vector is read
meanwhile, in a thread beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from turnfold_stores import Hit, match_words

from turnfold.embedders.protocol import Vector, query_vector
from turnfold.errors import TurnfoldError, failure
from turnfold.language.time_spans import TimeSpan
from turnfold.recall.candidates import Candidates
from turnfold.recall.query import RecallQuery
from turnfold.resilience.worker_threads import beside
from turnfold.turn_context import TurnContext

# How many times as many hits are looked at to find those that may be recalled: others are in view,
# or on a branch that is dead.
_LOOKED_AT = 5
# The part of a turn's deadline that may go by while vectors are made that are owed.
_CATCHING_UP = 0.1
# The floor where a budget of the whole prompt is there to be filled, and something is asked for, or
# the nearest is above the policy's.
_LEAST_SIMILARITY = 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """Ids of passages that may be recalled, the best first of each ranking.

    Attributes:
        lexical: found by words.
        dense: found by meaning, with their cosines.
        then: said when the query says, in the order they were said.
        wrong: why only words were searched, not meaning; None where both were.
    """

    lexical: Sequence[str]
    dense: Mapping[str, float]
    then: Sequence[str]
    wrong: Exception | None


class Rankings:
    """The searches of one look-up."""

    def __init__(
        self, context: TurnContext, found: Candidates, *, most: int, where: str | None
    ) -> None:
        """Args:
        context: the ledger and index, the settings, what makes the query's vector.
        found: knows what may be recalled.
        most: passages taken from each ranking.
        where: the conversation that is searched; None for all.
        """
        self._context = context
        self._archive = context.archive
        self._found = found
        self._most = most
        self._where = where

    def of(self, asked: RecallQuery, span: TimeSpan | None) -> Ranked:
        """All rankings for a query.

        Args:
            asked: the query.
            span: when it was said what is asked for; None for at any time.

        Raises:
            StoreError: the ledger could not be read.
        """

        def read() -> tuple[list[str], list[str]]:
            lexical = self._alive(self._by_words(asked))
            then = self._found.said_in(span, self._most) if span is not None else []
            self._found.read(chain(lexical, then))
            return lexical, then

        finish_reading, dense, wrong = read, dict[str, float](), None
        nearest: Iterator[Hit] = iter(())
        try:
            self._catch_up()
            finish_reading = beside(read)
            nearest = self._nearest(self._embedded(asked.query))
        except BaseException as failed:  # noqa: BLE001 - an embedder or a store may raise anything
            wrong = failure(failed)
        lexical, then = finish_reading()
        if wrong is None:
            try:
                dense = self._near(nearest, asks=asked.asks)
            except BaseException as failed:  # noqa: BLE001 - an index may raise anything
                wrong = failure(failed)
        return Ranked(lexical, dense, then, wrong)

    def near(self, query: str) -> list[str]:
        """Ids of the passages nearest to a query in meaning.

        Raises:
            Exception: whatever the embedder or the index raises.
        """
        return list(self._near(self._nearest(self._embedded(query)), asks=True)) if query else []

    def _by_words(self, asked: RecallQuery) -> Iterator[Hit]:
        """Hits by words: those of the opening itself before those of what it may follow up on.

        What it follows up on has more words, and in a long talk enough is like it to fill any list.
        """
        ledger, user_id = self._archive.store.ledger, self._archive.scope.user_id
        seen: set[str] = set()
        for text in filter(None, (asked.own, asked.query)):
            hits = match_words(ledger, user_id, text, conversation=self._where, kind="passage")
            for hit in hits:
                if hit.id not in seen:
                    seen.add(hit.id)
                    yield hit

    def _catch_up(self) -> None:
        """Make the vectors that are owed, or some of them; raise where there can be none."""
        embedder, deadline = self._context.embedder, self._context.policy.deadline
        if embedder is None:
            raise TurnfoldError("no embedder; install one with: pip install 'turnfold[embeddings]'")
        self._archive.embed_owed(embedder, seconds=_CATCHING_UP * deadline)

    def _embedded(self, query: str) -> Vector:
        assert self._context.embedder is not None
        return query_vector(self._context.embedder, self._archive.redacted_text(query))

    def _nearest(self, vector: Vector) -> Iterator[Hit]:
        """Hits by meaning, the nearest first; they are searched now, not when they are read."""
        user_id = self._archive.scope.user_id
        hits = self._archive.store.index.nearest(user_id, vector, conversation=self._where)
        return chain(list(islice(hits, 1)), hits)

    def _near(self, nearest: Iterator[Hit], *, asks: bool) -> dict[str, float]:
        """Cosines of those near enough that may be recalled, the nearest first."""
        scores: dict[str, float] = {}
        alive = self._alive(self._above_floor(nearest, scores, asks=asks))
        return {name: scores[name] for name in alive}

    def _above_floor(
        self, nearest: Iterator[Hit], scores: dict[str, float], *, asks: bool
    ) -> Iterator[Hit]:
        """Hits near enough, their scores written down by the way."""
        policy = self._context.policy
        least = policy.recall_floor
        if policy.budget is not None:
            least = min(least, _LEAST_SIMILARITY)
        floor = least if asks else policy.recall_floor
        for hit in nearest:
            if hit.score < floor:
                return
            scores[hit.id] = hit.score
            yield hit
            floor = least

    def _alive(self, hits: Iterator[Hit]) -> list[str]:
        return list(islice(self._found.alive(hits, self._most * _LOOKED_AT), self._most))
