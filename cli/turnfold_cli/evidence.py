"""A request goes in; which of the texts an answer needs stand in its prompt comes out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# A gold turn counts when this share of its words stands in the prompt, in order.
ENOUGH = 0.9
# Words that must run on for a match to be one: any two texts share single words in order.
_RUN = 4
_CHARS_PER_TOKEN = 4


class Prompt:
    """All text of a request but `system`, `tools` and the question itself."""

    def __init__(self, body: Mapping[str, Any], question: str) -> None:
        """Args:
        body: the request as it arrived.
        question: what it asks: the last text of its last message, which is left out.
        """
        texts = [text for message in body["messages"] for text in _texts(message["content"])]
        if texts and texts[-1] == question:
            texts.pop()
        self.text = "\n".join(texts)
        self._words = self.text.split()
        self.flat = " ".join(self._words)
        self._runs: dict[tuple[str, ...], list[int]] | None = None

    @property
    def tokens(self) -> int:
        """Its size, at four characters a token."""
        return len(self.text) // _CHARS_PER_TOKEN

    def has_words(self, words: Sequence[str]) -> bool:
        """Whether each of these texts stands in it verbatim."""
        return all(word in self.text for word in words)

    def share_of(self, turns: Sequence[str]) -> float:
        """Which share of these turns stands in it: 0 to 1."""
        return sum(self.has_turn(turn) for turn in turns) / len(turns)

    def has_turn(self, turn: str) -> bool:
        """Whether at least 90% of a turn's words, in order, stand in it verbatim.

        Words count where at least four of them run on; a turn may come back in pieces, with
        labels between them.
        """
        words = turn.split()
        if " ".join(words) in self.flat:
            return True
        return _chain(self._matches(words)) >= ENOUGH * len(words)

    def _matches(self, words: Sequence[str]) -> list[tuple[int, int, int]]:
        """Longest common runs as (place in the turn, place in the prompt, length)."""
        if self._runs is None:
            self._runs = defaultdict(list)
            for place in range(len(self._words) - _RUN + 1):
                self._runs[tuple(self._words[place : place + _RUN])].append(place)
        found = []
        for at in range(len(words) - _RUN + 1):
            for place in self._runs.get(tuple(words[at : at + _RUN]), ()):
                if at and place and words[at - 1] == self._words[place - 1]:
                    continue  # the middle of a run that was found already
                length = _RUN
                while (
                    at + length < len(words)
                    and place + length < len(self._words)
                    and words[at + length] == self._words[place + length]
                ):
                    length += 1
                found.append((at, place, length))
        return found


def _chain(matches: Sequence[tuple[int, int, int]]) -> int:
    """The most words that matches cover which follow each other in both texts."""
    best: list[int] = []
    for n, (at, place, length) in enumerate(matches):
        most = length
        for (earlier_at, earlier_place, earlier_length), covered in zip(
            matches[:n], best, strict=True
        ):
            overlap = max(earlier_at + earlier_length - at, earlier_place + earlier_length - place)
            gain = length - max(overlap, 0)
            if gain > 0 and earlier_at < at and earlier_place < place:
                most = max(most, covered + gain)
        best.append(most)
    return max(best, default=0)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for block in content or ():
        if isinstance(block.get("text"), str):
            yield block["text"]
        elif block.get("content") is not None:
            yield from _texts(block["content"])
