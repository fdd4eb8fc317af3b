"""A query goes in; what was said about it in living conversations comes out, the best first."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from turnfold_stores import Hit, Record, Store, Vector, match_words
from turnfold_stores.records.fields import Reading

from turnfold.archive.conversations import bare_name
from turnfold.archive.passages import Passage, content_of, place_of
from turnfold.archive.paths import Paths, TurnPlace
from turnfold.errors import TurnfoldError, shown
from turnfold.history.utterances import Utterance, utterances
from turnfold.recall.ranking import fuse_ranks

_BATCH = 64
# Passages taken from each ranking, and looked at to find those that are alive.
_TAKEN = 100
_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One passage that a search found.

    Attributes:
        text: the passage, word for word.
        role: who said it: "user", "assistant", "tool" or "document".
        conversation: where; "" for one without a name.
        turn: number of its exchange there today, from 1: what was deleted from the history
            before it no longer counts.
        at: when it was said, or first seen, in seconds since the epoch.
        score: places in the rankings by words and by meaning, fused; the higher the better,
            comparable within one search only.
        vector_score: cosine with the query, -1 to 1; None where it was found by its words alone.
        text_score: BM25 score; None where it was found by its meaning alone.
        before: what was said just before in the conversation; None at its beginning.
        after: what was said just after; None at the end of what is in memory.
        id: names the passage; `Memory.forget(hit=...)` forgets the turn it is of.
    """

    text: str
    role: str
    conversation: str
    turn: int
    at: float
    score: float
    vector_score: float | None = None
    text_score: float | None = None
    before: Utterance | None = None
    after: Utterance | None = None

    @property
    def similarity(self) -> float | None:
        """`vector_score`, as it was called in 0.1."""
        _renamed("similarity", "vector_score")
        return self.vector_score

    @property
    def words(self) -> float | None:
        """`text_score`, as it was called in 0.1."""
        _renamed("words", "text_score")
        return self.text_score

    id: str = ""


@dataclass(frozen=True, slots=True)
class TurnSaid:
    """A turn, whole.

    Attributes:
        turn: its number in its conversation, from 1.
        at: when it was said, or first seen, in seconds since the epoch.
        said: what was said in it, in order.
    """

    turn: int
    at: float
    said: tuple[Utterance, ...]


class Search:
    """One search in a user's memory.

    Dead branches, and what was reset or forgotten, are left out.
    """

    def __init__(self, store: Store, user_id: str) -> None:
        self._store = store
        self._user_id = user_id
        self._reading = Reading()
        self._all_paths = Paths(store, user_id, self._reading)
        self._paths: dict[str, list[list[str]]] = {}  # by conversation; read when first met
        self._turns: dict[str, list[list[TurnPlace]]] = {}  # likewise
        self._numbers: dict[str, list[dict[str, int]]] = {}  # likewise, by content id
        self._names: dict[str, str] = {}  # bare names, likewise
        self._records: dict[str, Record] = {}
        self._passages: dict[str, Passage] = {}

    def hits(
        self, query: str, vector: Vector | None, *, conversation: str | None, limit: int
    ) -> list[SearchHit]:
        """What bears on a query, the best first.

        Args:
            query: its words.
            vector: its meaning; None to search by words only.
            conversation: only in this one; None for all.
            limit: how many hits at the most.
        """
        by_words = self._living(
            match_words(
                self._store.ledger,
                self._user_id,
                query,
                conversation=conversation,
                kind="passage",
            )
        )
        by_meaning: dict[str, float] = {}
        if vector is not None:
            nearest = self._store.index.nearest(self._user_id, vector, conversation=conversation)
            by_meaning = self._living(nearest)
        scores = fuse_ranks(by_words, by_meaning)
        best = sorted(scores, key=lambda name: -scores[name])[:limit]
        return [
            self._hit(name, scores[name], by_meaning.get(name), by_words.get(name)) for name in best
        ]

    def places(self, names: Iterable[str]) -> dict[str, str]:
        """The conversation that each passage is of, by its id.

        Raises:
            TurnfoldError: one of them is no passage of this user's memory.
        """
        wanted = list(dict.fromkeys(names))
        found = self._store.ledger.get(self._user_id, wanted)
        there = {name: one.conversation for name, one in found.items() if one.kind == "passage"}
        for name in wanted:
            if name not in there:
                raise TurnfoldError(f"there is no passage {shown(name)} in memory")
        return {name: there[name] for name in wanted}

    def around(self, name: str, *, before: int, after: int) -> tuple[str, list[TurnSaid]]:
        """The turn that a passage is of, and those around it on its living path.

        Of a turn that is under way there are the steps that were stored so far.

        Args:
            name: id of the passage.
            before: how many turns before it.
            after: how many after it.

        Returns:
            Its conversation, and the turns in order.

        Raises:
            TurnfoldError: there is no such passage, or its turn was edited away.
        """
        conversation = self.places([name])[name]
        content = content_of(name)
        for turns in self._turns_of(conversation):
            at = next(
                (i for i, one in enumerate(turns) if content in {*one.contents, *one.steps}), None
            )
            if at is not None:
                near = turns[max(0, at - before) : at + after + 1]
                return self._bare(conversation), self._said(near)
        raise TurnfoldError(
            f"the turn of passage {shown(name)} is no part of its conversation any more"
        )

    def _said(self, turns: Sequence[TurnPlace]) -> list[TurnSaid]:
        told = self._all_paths.said(turns)
        return [TurnSaid(one.number, one.at, said) for one, said in zip(turns, told, strict=True)]

    def _turns_of(self, conversation: str) -> list[list[TurnPlace]]:
        """The turns of each living path of a conversation."""
        if conversation not in self._turns:
            self._turns[conversation] = [
                self._all_paths.turn_places(path) for path in self._all_paths.trodden(conversation)
            ]
        return self._turns[conversation]

    def _living(self, hits: Iterator[Hit]) -> dict[str, float]:
        """Scores of the first passages that are alive, in order."""
        found: dict[str, float] = {}
        hits = islice(hits, _LOOKED_AT)
        while len(found) < _TAKEN and (batch := list(islice(hits, _BATCH))):
            unknown = [hit.id for hit in batch if hit.id not in self._records]
            records = self._store.ledger.get(self._user_id, unknown)
            self._records.update(records)
            for record, passage in self._reading.all(records.values(), Passage.from_record):
                self._passages[record.id] = passage
            for hit in batch:
                if hit.id in self._passages and self._path(hit.id) is not None:
                    found.setdefault(hit.id, hit.score)
        return found

    def _path(self, name: str) -> list[str] | None:
        """The living path that a passage is on: content ids, in order."""
        where = self._records[name].conversation
        if where not in self._paths:
            self._paths[where] = self._all_paths.folded(where)
        content = content_of(name)
        return next((path for path in self._paths[where] if content in path), None)

    def _hit(
        self, name: str, score: float, similarity: float | None, words: float | None
    ) -> SearchHit:
        record, passage = self._records[name], self._passages[name]
        before, after = self._around(name, self._path(name) or [])
        return SearchHit(
            text=passage.text,
            role=passage.source,
            conversation=self._bare(record.conversation),
            turn=self._number(name) or passage.turn,
            at=record.at,
            score=score,
            vector_score=similarity,
            text_score=words,
            before=before,
            after=after,
            id=name,
        )

    def _bare(self, conversation: str) -> str:
        if conversation not in self._names:
            self._names[conversation] = bare_name(self._store, self._user_id, conversation)
        return self._names[conversation]

    def _number(self, name: str) -> int | None:
        """The number that its exchange has on the living path by now."""
        where, content = self._records[name].conversation, content_of(name)
        if where not in self._numbers:
            self._numbers[where] = [
                {
                    name: one.number
                    for one in reversed(turns)
                    for name in (*one.contents, *one.steps)
                }
                for turns in self._turns_of(where)
            ]
        return next((path[content] for path in self._numbers[where] if content in path), None)

    def _around(self, name: str, path: Sequence[str]) -> tuple[Utterance | None, Utterance | None]:
        """What was said before and after the utterance that a passage is of."""
        content, number, _ = place_of(name)
        at = path.index(content)
        near = path[max(0, at - 1) : at + 2]
        said = {one: utterances(told) for one, told in self._all_paths.messages(near).items()}
        mine = said.get(content, [])
        earlier = said.get(path[at - 1], []) if at else []
        later = said.get(path[at + 1], []) if at + 1 < len(path) else []
        before = mine[number - 1 : number] if number else earlier[-1:]
        after = mine[number + 1 : number + 2] or later[:1]
        return (before[0] if before else None), (after[0] if after else None)


def _renamed(old: str, new: str) -> None:
    warnings.warn(f"SearchHit.{old} is called {new} now", DeprecationWarning, stacklevel=3)
