"""The words of a clause go in; what it affirms, denies and leaves open comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from turnfold_stores.search.scanning import WORD

from turnfold.language.negation import Denial, Word
from turnfold.language.words import stem

AFFIRMED, DENIED, OPEN = 1, 2, 4
"""The sides on which a word may stand; more than one of them, added up."""
_STEM, _NEGATES, _DENIES = attrgetter("stem"), attrgetter("negates"), attrgetter("denies")


class Clause:
    """A part of a sentence: what it affirms, what it denies, and what it leaves open.

    Attributes:
        said: its words, in order.
        text: the same as written.
        stems: what it is about, in order.
        negator: which of the words denies in it. None for none.
        loaded: which is the first that denies by its meaning. None for none.
        denied: what its negator stands before; all of it where nothing follows.
    """

    def __init__(self, said: Sequence[Word], text: str = "", *, whole: bool = False) -> None:
        self.said = said
        self.text = text
        self.stems = about(said)
        self.negator = _first(_NEGATES, said)
        self.loaded = _first(_DENIES, said)
        first = 0 if whole and self.negator is not None else self.negator
        self.denied = self._from(first)

    @classmethod
    def of(cls, text: str, how: Denial) -> Clause:
        """The clause that is written so."""
        return cls(list(map(how.word, WORD.findall(text))), text, whole=how.whole)

    def _from(self, at: int | None) -> dict[str, None]:
        """What stands behind a word; all that the clause is about where nothing does."""
        if at is None:
            return {}
        return (about(self.said[at:]) or self.stems) if at else self.stems

    @property
    def scope(self) -> dict[str, None]:
        """Of what it denies that before a "since" or "until"."""
        if self.negator is None:
            return self.denied
        until = next((at for at, word in enumerate(self.said) if word.bounds), len(self.said))
        return about(self.said[self.negator + 1 : until]) or self.denied

    @property
    def denies(self) -> bool:
        """Whether it denies something, be it by what a word means."""
        return self.negator is not None or self.loaded is not None

    @property
    def denies_twice(self) -> bool:
        """Whether it denies a denial: "won't quit"."""
        return self.negator is not None and self.loaded is not None and self.negator < self.loaded

    @property
    def doubt(self) -> int:
        """The side of what stands before a word that denies by its meaning.

        "Never more than five" affirms none, though it denies no more than what is above.
        """
        if self.loaded is None:
            return 0
        return OPEN if self.denies_twice or not self.said[self.loaded].chooses else 0

    @property
    def open(self) -> dict[str, None]:
        """What stands behind the word that denies by its meaning."""
        return self._from(self.loaded)

    @property
    def subject(self) -> str:
        """The name it begins with; "" for none. Of whom something is said tells no side."""
        first = WORD.search(self.text)
        return stem(first.group()) if first and first.group()[0].isupper() else ""

    @property
    def starts_denying(self) -> bool:
        """Whether a negator is the first of it."""
        return self.negator == 0


def bounds_of(said: Iterable[Word]) -> frozenset[str]:
    """What says since or until when something is not so."""
    return frozenset(word.bounds for word in said if word.bounds)


def about(said: Sequence[Word]) -> dict[str, None]:
    """What words are about, in order."""
    return dict.fromkeys(filter(None, map(_STEM, said)))


def _first(does: Callable[[Word], bool], said: Sequence[Word]) -> int | None:
    """Where the first of some words stands that does something; None for none."""
    told = list(map(does, said))
    return told.index(True) if True in told else None
