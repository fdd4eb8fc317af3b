"""Messages by what they are worth go in; those that fit a budget come out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnfold_stores import words
from turnfold_stores.search.terms import terms

from turnfold.accounting.tokens import CountText
from turnfold.archive.passages import split
from turnfold.recall.ranking import Candidate
from turnfold.recall.recalled_block import LABEL_TOKENS

WHOLE = 0.5
"""A message comes whole where it takes no more than this share of the budget."""
# Of what a budget has above so many tokens, the share that is filled by nearness alone. The first
# tokens go to what every ranking agrees on and to what stands beside it. Further down places tell
# little, and what stands beside the first would displace all that was found for its own sake:
# what is asked for in many turns, or in other words. Where it is known who is asked about, what
# they said is half as much, and nearness tells more of it.
_BY_NEARNESS = 3_000, 0.35
_BY_NEARNESS_OF_NAMED = 2_000, 0.5
_PIECES_OF_ONE = 2
# Tokens below which no passage of a long message is looked for.
_LEAST_PIECE = 60
# Below this what is left of a budget is not worth looking for something that fits.
_CRUMBS = 12
# Shares of words two messages have in common that make them the same, or about the same; and, for
# what is asked about anyway, on one matter.
_SAME = 0.9
_ABOUT = 0.6
_ONE_MATTER = 1 / 3
# Messages that may fail to fit, one after the other, before a budget is left as it is.
_MOST_MISSED = 60
# Messages that a newer one is looked for, and among which it is.
_MOST_REPLACED = 12
_MOST_NEWER = 40


@dataclass(frozen=True, slots=True)
class Chosen:
    """A message that is brought back.

    Attributes:
        message: what was said.
        place: which of the messages it is.
        piece: which of its passages; None for the whole of it.
        text: what is brought back of it.
        score: what it is worth.
    """

    message: Candidate
    place: int
    piece: int | None
    text: str
    score: float


def choose(
    messages: Sequence[Candidate],
    values: Sequence[float],
    *,
    budget: int,
    count: CountText,
    pieces: Mapping[str, Mapping[int, float]],
    shown: Collection[str],
    stands: Callable[[str], bool],
    noted: Callable[[str], bool] = lambda _: False,
    nearest: Sequence[float] = (),
    is_named: bool = False,
) -> list[Chosen]:
    """The worthiest messages that fit a budget, in the order they were said.

    Greedy by value, which for many small things in a large knapsack is as good as any. What is
    too long to come whole comes as its best passages. What says the same comes once. A
    statement of the user comes with a newer one on the same matter, also where a note has that:
    a note does not say when, so the older one behind it would read as the last word. Of two on
    the same matter that both stand in notes, both come, for the turns that tell which holds.

    Args:
        messages: in the order they were said.
        values: what each is worth; 0 and below is left.
        budget: tokens to spend, labels included.
        count: counts tokens.
        pieces: by id of a message, the scores of those of its passages that were found.
        shown: ids of messages and passages that stand in the request already.
        stands: whether a text stands in it verbatim.
        noted: whether it stands in the summary of it.
        nearest: what each is worth by nearness in meaning alone, for the last part of a large
            budget; () to go by `values` to the end.
        is_named: whether it is known who is asked about, and `nearest` heeds it.
    """
    knapsack = _Knapsack(messages, budget, count, shown, stands=stands, noted=noted)
    by_value, by_nearness = _best_first(values), _best_first(nearest)
    newer = _newer_in(messages, by_value[:_MOST_NEWER])

    def fill(order: Sequence[int], leaving: float) -> int:
        """Take messages in an order; how many of it were looked at."""
        missed = 0
        for rank, index in enumerate(order):
            if knapsack.left < max(_CRUMBS, leaving) or missed > _MOST_MISSED:
                return rank
            if not knapsack.take(index, values[index], pieces.get(messages[index].id, {})):
                missed += 1
                continue
            missed = 0
            if rank < _MOST_REPLACED and order is by_value:
                for other in newer(index):
                    knapsack.take(other, values[other], {})
        return len(order)

    above, share = _BY_NEARNESS_OF_NAMED if is_named else _BY_NEARNESS
    looked_at = fill(by_value, share * max(0, budget - above) if by_nearness else 0.0)
    fill(by_nearness, 0.0)
    fill(by_value[looked_at:], 0.0)
    return sorted(
        knapsack.chosen, key=lambda one: (one.place, -1 if one.piece is None else one.piece)
    )


def _best_first(values: Sequence[float]) -> list[int]:
    """Indexes of the values above 0, the highest first."""
    order = sorted(range(len(values)), key=lambda index: -values[index])
    return [index for index in order if values[index] > 0]


class _Knapsack:
    def __init__(
        self,
        messages: Sequence[Candidate],
        budget: int,
        count: CountText,
        shown: Collection[str],
        *,
        stands: Callable[[str], bool],
        noted: Callable[[str], bool],
    ) -> None:
        self.left = budget
        self.chosen: list[Chosen] = []
        self._messages = messages
        self._most = budget * WHOLE
        self._count = count
        self._shown = shown
        self._stands = stands
        self._noted = noted
        self._passed: dict[int, float] = {}  # what a note has, by place: what it is worth
        self._begun = {name.rpartition(".")[0] for name in shown if "." in name}
        self._taken: set[int] = set()  # places
        self._words: defaultdict[int, list[frozenset[str]]] = defaultdict(list)  # by how many
        self._terms_of: dict[int, frozenset[str]] = {}

    def take(
        self, place: int, score: float, pieces: Mapping[int, float], *, needed: bool = False
    ) -> bool:
        """Put a message in, or what of it fits; whether any was.

        Args:
            place: which.
            score: what it is worth.
            pieces: the scores of those of its passages that were found.
            needed: whether to, though a note has it.
        """
        message = self._messages[place]
        if place in self._taken or message.id in self._shown:
            return False
        whole = message.id not in self._begun
        if whole:
            cost = self._count(message.text) + LABEL_TOKENS
            whole = cost <= self._most or not message.is_cut
            if whole and cost > self.left:
                return False  # the room that is left is better used by what fits
        if not whole and not pieces:
            return False
        said = _words_of(message.text)
        if self._has(said):
            return False
        if self._stands(message.text):
            return False
        noted = self._noted(message.text)
        if noted and not needed and not self._is_needed(place):
            self._passed[place] = score
            return False
        if whole:
            self._put(place, None, message.text, score, cost)
            self._taken.add(place)
            self._words[len(said)].append(said)
            self._take_those_beside(place, noted=noted)
            return True
        return self._take_pieces(place, score, pieces)

    def _is_needed(self, place: int) -> bool:
        """Whether a statement that a note has would be told apart from another only by its turn."""
        older = (other for other in self._taken if other < place)
        return any(self._share(place, other) >= _ONE_MATTER for other in older) or any(
            self._share(place, other) >= _ABOUT for other in self._passed
        )

    def _take_those_beside(self, place: int, *, noted: bool) -> None:
        """Put in what notes have and what this one, which may be of a note, must not be without."""
        beside = [
            other
            for other in self._passed
            if (other > place and self._share(place, other) >= _ONE_MATTER)
            or (noted and self._share(place, other) >= _ABOUT)
        ]
        scores = {other: self._passed.pop(other) for other in beside}
        for other, score in sorted(scores.items()):
            self.take(other, score, {}, needed=True)

    def _share(self, place: int, other: int) -> float:
        """Which share of the words of the shorter of two statements of the user both have."""
        if not self._messages[place].source == self._messages[other].source == "user":
            return 0.0
        mine, theirs = self._terms(place), self._terms(other)
        return len(mine & theirs) / max(1, min(len(mine), len(theirs)))

    def _terms(self, place: int) -> frozenset[str]:
        if place not in self._terms_of:
            self._terms_of[place] = frozenset(terms(self._messages[place].text))
        return self._terms_of[place]

    def _take_pieces(self, place: int, score: float, found: Mapping[int, float]) -> bool:
        message = self._messages[place]
        if self.left < _LEAST_PIECE or not message.is_cut:
            return False
        taken = False
        texts = split(message.text)
        for piece in sorted(found, key=lambda one: -found[one])[:_PIECES_OF_ONE]:
            if piece >= len(texts) or f"{message.id}.{piece}" in self._shown:
                continue
            cost = self._count(texts[piece]) + LABEL_TOKENS
            if cost <= self.left:
                self._put(place, piece, texts[piece], score, cost)
                self._taken.add(place)
                taken = True
        return taken

    def _put(self, place: int, piece: int | None, text: str, score: float, cost: int) -> None:
        self.left -= cost
        self.chosen.append(Chosen(self._messages[place], place, piece, text, score))

    def _has(self, said: frozenset[str]) -> bool:
        """Whether the same was taken already; only what has about as many words can be."""
        if not said:
            return False
        lengths = range(math.ceil(_SAME * len(said)), int(len(said) / _SAME) + 1)
        return any(
            len(said & other) >= _SAME * len(said | other)
            for length in lengths
            for other in self._words.get(length, ())
        )


def _newer_in(
    messages: Sequence[Candidate], places: Sequence[int]
) -> Callable[[int], Iterator[int]]:
    """What finds, among some places, newer statements of the user on the matter of another."""
    said = {place: messages[place].telling for place in places if messages[place].source == "user"}

    def newer(place: int) -> Iterator[int]:
        mine = said.get(place, frozenset())
        for other, theirs in said.items():
            if other > place and len(mine & theirs) >= _ABOUT * min(len(mine), len(theirs)) > 0:
                yield other

    return newer


def _words_of(text: str) -> frozenset[str]:
    return frozenset(words(text))
