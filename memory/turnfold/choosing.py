"""Messages by what they are worth go in; those that fit a budget come out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnfold_stores import STOP_WORDS

from turnfold.passages import split
from turnfold.ranking import Message
from turnfold.tokens import CountText

# What a label and its line break take; see `prompt.recall_block`.
LABEL_TOKENS = 5
# A message comes whole where it takes no more than this share of the budget.
_WHOLE = 0.5
_PIECES_OF_ONE = 2
# Below this what is left of a budget is not worth looking for something that fits.
_CRUMBS = 12
# Shares of words two messages have in common that make them the same, or about the same.
_SAME = 0.9
_ABOUT = 0.5
# Messages looked at, and those of them that a newer one is looked for.
_MOST = 400
_MOST_REPLACED = 12
_MOST_NEWER = 40


@dataclass(frozen=True, slots=True)
class Chosen:
    """A message that is brought back.

    Attributes:
        message: what was said.
        piece: which of its passages; None for the whole of it.
        text: what is brought back of it.
        score: what it is worth.
    """

    message: Message
    piece: int | None
    text: str
    score: float


def choose(
    messages: Sequence[Message],
    values: Sequence[float],
    *,
    budget: int,
    count: CountText,
    pieces: Mapping[str, Mapping[int, float]],
    shown: Collection[str],
    stands: Callable[[str], bool],
) -> list[Chosen]:
    """The worthiest messages that fit a budget, in the order they were said.

    Greedy by value, which for many small things in a large knapsack is as good as any. What is
    too long to come whole comes as its best passages. What says the same comes once. A
    statement of the user comes with a newer one on the same matter.

    Args:
        messages: in the order they were said.
        values: what each is worth; 0 and below is left.
        budget: tokens to spend, labels included.
        count: counts tokens.
        pieces: by id of a message, the scores of those of its passages that were found.
        shown: ids of messages and passages that stand in the request already.
        stands: whether a text stands in it verbatim, as in the summary.
    """
    knapsack = _Knapsack(budget, count, shown, stands)
    order = sorted(range(len(messages)), key=lambda index: -values[index])[:_MOST]
    order = [index for index in order if values[index] > 0]
    newer = _newer_in([messages[index] for index in order[:_MOST_NEWER]])
    by_id = {messages[index].id: index for index in order}
    for place, index in enumerate(order):
        if knapsack.left < _CRUMBS:
            break
        message = messages[index]
        taken = knapsack.take(message, values[index], pieces.get(message.id, {}))
        if taken and place < _MOST_REPLACED:
            for other in newer(message):
                knapsack.take(other, values[by_id[other.id]], {})
    position = {one.id: index for index, one in enumerate(messages)}
    return sorted(
        knapsack.chosen,
        key=lambda one: (position[one.message.id], -1 if one.piece is None else one.piece),
    )


class _Knapsack:
    def __init__(
        self,
        budget: int,
        count: CountText,
        shown: Collection[str],
        stands: Callable[[str], bool],
    ) -> None:
        self.left = budget
        self.chosen: list[Chosen] = []
        self._most = budget * _WHOLE
        self._count = count
        self._shown = shown
        self._stands = stands
        self._begun = {name.rpartition(".")[0] for name in shown if "." in name}
        self._words: dict[str, frozenset[str]] = {}  # of what was taken whole, by id

    def take(self, message: Message, score: float, pieces: Mapping[int, float]) -> bool:
        """Put a message in, or what of it fits; whether any was."""
        if message.id in self._words or message.id in self._shown or self._stands(message.text):
            return False
        if message.id not in self._begun:
            said = _words_of(message.text)
            if any(_alike(said, other) >= _SAME for other in self._words.values()):
                return False
            cost = self._count(message.text) + LABEL_TOKENS
            if cost <= self.left and (cost <= self._most or len(split(message.text)) == 1):
                self._put(message, None, message.text, score, cost)
                self._words[message.id] = said
                return True
        return self._take_pieces(message, score, pieces)

    def _take_pieces(self, message: Message, score: float, found: Mapping[int, float]) -> bool:
        taken = False
        texts = split(message.text) if found else []
        for piece in sorted(found, key=lambda one: -found[one])[:_PIECES_OF_ONE]:
            if piece >= len(texts) or f"{message.id}.{piece}" in self._shown:
                continue
            cost = self._count(texts[piece]) + LABEL_TOKENS
            if cost <= self.left:
                self._put(message, piece, texts[piece], score, cost)
                self._words.setdefault(message.id, frozenset())
                taken = True
        return taken

    def _put(self, message: Message, piece: int | None, text: str, score: float, cost: int) -> None:
        self.left -= cost
        self.chosen.append(Chosen(message, piece, text, score))


def _newer_in(candidates: Sequence[Message]) -> Callable[[Message], Iterator[Message]]:
    """What finds, among candidates, newer statements of the user on the matter of another."""
    said = {one.id: (one, _words_of(one.text) - STOP_WORDS) for one in candidates}

    def newer(message: Message) -> Iterator[Message]:
        if message.source != "user" or message.id not in said:
            return
        _, mine = said[message.id]
        for other, theirs in said.values():
            if other.source != "user" or other.turn <= message.turn:
                continue
            if len(mine & theirs) >= _ABOUT * min(len(mine), len(theirs)) > 0:
                yield other

    return newer


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    shorter, longer = sorted((len(one), len(other)))
    if not longer or shorter < _SAME * longer:
        return 0.0
    return len(one & other) / len(one | other)
