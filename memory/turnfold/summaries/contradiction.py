"""A note and what it is about go in; out comes whether one denies what the other says.

No parser. For each word that matters it is read from the source whether it is ever affirmed, or
only denied. A note that affirms mostly what is only denied contradicts it, and so does one that
denies mostly what is only affirmed. Words that deny by their meaning (refuse, except, closed)
settle nothing either way: what is said with them may be retold with a "not" or without. So a
note with the opposite word ("open" for "closed") is not noticed.

A source is read once, sentence by sentence. Most sentences neither deny nor ask: their words
are affirmed, and no more is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from turnfold_stores.search.scanning import LONGEST_RUN, WORD

from turnfold.language.english import (
    CONJUNCTIONS,
    bare,
    carries_matter,
    clauses,
    is_abbreviated,
    sentences,
    stem,
)

_NEGATORS = frozenset(
    """
    not no never none nothing nobody neither nor without cannot nowhere hardly cant dont wont isnt
    doesnt didnt wasnt arent couldnt shouldnt wouldnt
    """.split()
)
# What is read as something else, and as what. The first are negators that deny nothing.
_HARMLESS = (
    r"\b(?:(?:can(?:no|')t|cannot|couldn't) wait|not only"
    r"|no (?:later|earlier|more|less|fewer|sooner|other) than"
    r"|not (?:later|earlier|more|less) than"
    r"|no (?:doubt|problem|worries|matter)|not (?:just|bad|to mention|until|sure)|nothing but"
    r"|never mind|(?:do not|don't|never) (?:forget|worry)(?: to)?|why not|whether or not|or not"
    r"|without fail|couldn't agree more|can't help|no need to thank"
    r"|(?:did|is|do|are|does|would|wo|was|have|has)n't (?:we|it|you|he|she|they|i)\b"
    r"|no\.(?=\s*\d))"
)
_READ_AS = (
    ("", _HARMLESS, " "),
    (" up", r"\bg(?:ave|ive|iven|iving) up\b", "quit"),
    ("at ", r"\bat (?:most|least|the (?:most|least|earliest|latest))\b", "limit"),
    (" but", r"\b(every\w+|all|any\w+|nobody) but\b", r"\1 except"),
)
# Each with letters without which it need not be looked for.
_IN_SMALL = [(letters, re.compile(pattern), instead) for letters, pattern, instead in _READ_AS]
_IN_ANY_CASE = [
    ("", re.compile(pattern, re.IGNORECASE), instead) for _, pattern, instead in _READ_AS
]
_DENYING = frozenset(
    """
    abandon absent against allergic allergy avoid ban banned barred broken cancel cancelled
    closed dead decline denied deny dislike ditch drop dropped dropping end ended except exclude
    fail failed forbid forbidden former formerly free gone hate hates impossible incapable
    ineligible instead intolerant lack less limit lose lost maximum minimum miss missing neglect
    off omit only oppose opposed out prevent prohibit quit rather refuse refused reject rejected
    resist scrap scrapped skip stop stopped than unable vegan vegetarian veto void withdraw
    withdrawn wrong zero
    """.split()
)
_DENYING_STEMS = frozenset(map(stem, _DENYING))
# What ends a thing: what was said of it before may be retold with a "not".
_ENDING = frozenset(map(stem, "stop quit cancel end drop abandon scrap".split()))
# What a word says is not so.
_OPPOSITE = {
    stem(word): tuple(map(stem, others.split()))
    for word, others in {
        "closed": "open opened", "refuse": "accept accepted agree", "reject": "accept accepted",
        "decline": "accept accepted", "forbid": "allow allowed", "ban": "allow allowed",
        "exclude": "include included", "dislike": "like likes", "hate": "like love",
        "failed": "passed", "absent": "present", "deny": "admit", "cancelled": "confirmed",
    }.items()
}  # fmt: skip
_AUXILIARY = (
    r"\b(?:is|are|was|were|be|been|being|has|have|had|will|would|can|could|must|should|may|did|does|do)"
    r"\s+(?:also\s+|still\s+|already\s+|now\s+)?(?=(\w+))"
)
_NEGATIVE_FORM = re.compile(r"un(?!it|i[qvo]|der|til|cle|less)")
# Said of what someone is called, these take the side of the name.
_NAMING = frozenset({"call", "nam"})


_OPAQUE = re.compile(rf"[^\W_]{{{LONGEST_RUN + 1},}}")
# Words, and the marks that end a clause or a sentence.
_TOKEN = re.compile(
    r"[^\W_]++(?:'[^\W_]++)*+|[.!?…][\"')\]]*+(?=\s|$)|\n\s*+|[。！？]|[;()\[\]]++|[,:](?!\d)|(?<=\s)-(?=\s)"
)
# Words of what is read as something else, where there is no negator in it.
_MAY_BE_READ = frozenset("up most least earliest latest but".split())
_ENDS_SENTENCE = frozenset(".!?…。！？\n")
_QUESTIONS = frozenset("?？")
_AFFIRMED, _DENIED, _OPEN = 1, 2, 4
_STEM, _TURNS = attrgetter("stem"), attrgetter("turns")


class _Word(NamedTuple):
    """What a word does in a sentence.

    Attributes:
        stem: what it is about; "" for a word that is about nothing.
        negates: whether it is a negator.
        denies: whether it denies by its meaning.
        ends: whether it ends a thing: what was said of it before may be retold with a "not".
        opposites: stems of what it says is not so.
        turns: whether it may make a sentence more than a plain statement.
        parts: whether it ends a clause: a conjunction, or a mark.
    """

    stem: str
    negates: bool
    denies: bool
    ends: bool
    opposites: tuple[str, ...]
    turns: bool
    parts: bool


@lru_cache(maxsize=16_384)
def _word(word: str) -> _Word:
    low, short = bare(word), stem(word)
    negates = low in _NEGATORS or low.endswith("n't")
    denies = low in _DENYING or short in _DENYING_STEMS or low.endswith("less")
    opposites = _OPPOSITE.get(short, ())
    if len(low) > 6 and _NEGATIVE_FORM.match(low):  # "untouched", of "touched"
        denies, opposites = True, (stem(low[2:]),)
    ends = short in _ENDING
    return _Word(
        short if carries_matter(word) and not negates else "",
        negates,
        denies,
        ends,
        opposites,
        negates or denies or ends or bool(opposites) or low in _MAY_BE_READ,
        low in CONJUNCTIONS or not word[:1].isalnum(),
    )


class Clause:
    """A part of a sentence: what it affirms, what it denies, and what it leaves open.

    Attributes:
        said: its words, in order.
        text: the same as written.
        stems: what it is about, in order.
        negator: which of the words denies in it; two negators cancel out. None for none.
        loaded: which is the first that denies by its meaning. None for none.
        denied: what its negator stands before; all of it where nothing follows.
    """

    def __init__(self, said: Sequence[_Word], text: str = "") -> None:
        self.said = said
        self.text = text
        self.stems = _about(said)
        negators = [at for at, word in enumerate(said) if word.negates]
        self.negator = negators[0] if len(negators) % 2 else None
        self.loaded = next((at for at, word in enumerate(said) if word.denies), None)
        self.denied = self._from(self.negator)

    @classmethod
    def of(cls, text: str) -> Clause:
        """The clause that is written so."""
        return cls(list(map(_word, WORD.findall(text))), text)

    def _from(self, at: int | None) -> dict[str, None]:
        """What stands behind a word; all that the clause is about where nothing does."""
        return {} if at is None else _about(self.said[at + 1 :]) or self.stems

    @property
    def denies(self) -> bool:
        """Whether it denies something, be it by what a word means."""
        return self.negator is not None or self.loaded is not None

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


def _about(said: Sequence[_Word]) -> dict[str, None]:
    """What words are about, in order."""
    return dict.fromkeys([word.stem for word in said if word.stem])


class Sides:
    """On which sides the words of a source stand: affirmed, denied, or open."""

    def __init__(self) -> None:
        self._affirmed: set[str] = set()
        self._denied: set[str] = set()
        self._open: set[str] = set()
        # What each sentence denies, and all it is about: stems between blanks. As two texts they
        # take the room of the sentence; as pairs of words, its square.
        self._denials: list[tuple[str, str]] = []
        self.denies = False

    def read(self, text: str, words: Iterable[str]) -> None:
        """Take in a part of the source.

        Args:
            text: as `plain` gives it; it ends with a sentence.
            words: those of it, in any order.
        """
        words = list(words)
        known = [_word(word) for word in words if len(word) <= LONGEST_RUN]
        if "?" not in text and not any(map(_TURNS, known)):
            self._affirmed.update(map(_STEM, known))
            return
        if len(known) < len(words):
            text = _OPAQUE.sub(" ", text)
        tokens = _TOKEN.findall(_read(text.lower(), _IN_SMALL))
        said = [_word(token) for token in tokens]
        sentence: list[Sequence[_Word]] = []
        start = 0
        for at in [at for at, word in enumerate(said) if word.parts]:
            mark = tokens[at][0]
            if mark == "." and at and is_abbreviated(tokens[at - 1]):
                continue
            sentence.append(said[start:at])
            start = at + 1
            if mark in _ENDS_SENTENCE:
                if mark not in _QUESTIONS:
                    self._settle(sentence)
                sentence = []
        self._settle([*sentence, said[start:]])

    def _stands(self, stems: Collection[str], sides: int) -> None:
        if sides & _AFFIRMED:
            self._affirmed.update(stems)
        if sides & _DENIED:
            self._denied.update(stems)
        if sides & _OPEN:
            self._open.update(stems)

    def _settle(self, sentence: Sequence[Sequence[_Word]]) -> None:
        """Read a sentence, clause by clause."""
        turning = [any(map(_TURNS, clause)) for clause in sentence]
        if not any(turning):
            self._affirmed.update(map(_STEM, chain(*sentence)))
            return
        affirmed = _AFFIRMED
        if any(word.ends for clause in sentence for word in clause):
            affirmed |= _OPEN
        before: Clause | None = None
        denied: dict[str, None] = {}
        for clause, turns in zip(sentence, turning, strict=True):
            if not turns:
                self._stands([word.stem for word in clause], affirmed)
                before = None if clause else before
                continue
            part = Clause(clause)
            self.denies |= part.denies
            if part.negator is None:
                loaded = part.open
                self._stands([one for one in part.stems if one not in loaded], affirmed)
                self._stands(loaded, _OPEN)
            else:
                self._stands(
                    [one for one in part.stems if one not in part.denied], _AFFIRMED | _OPEN
                )
                # "Allergic to peanuts, not to almonds" denies nothing of almonds.
                if before is not None and before.loaded is not None and part.starts_denying:
                    self._stands(part.denied, _OPEN)
                else:
                    self._stands(part.denied, _DENIED)
                    denied |= part.denied
            for word in part.said:
                if word.opposites:
                    self._stands(word.opposites, _DENIED if part.negator is None else _AFFIRMED)
            before = part
        if denied:
            together = " ".join(dict.fromkeys(map(_STEM, chain(*sentence))))
            self._denials.append((f" {' '.join(denied)} ", f" {together} "))

    def of(self, one: str) -> int:
        """The sides of a stem; 0 where it is not said."""
        return (
            _AFFIRMED * (one in self._affirmed)
            | _DENIED * (one in self._denied)
            | _OPEN * (one in self._open)
        )

    def denied_with(self, one: str, others: Iterable[str]) -> bool:
        """Whether a sentence denies a stem that is about one of the others, too."""
        beside = [together for denied, together in self._denials if f" {one} " in denied]
        return any(f" {other} " in together for other in others for together in beside)


def contradicted(note: str, sources: Sequence[Sides]) -> str:
    """The part of a note that says the opposite of what its sources say; "" for none."""
    for sentence in sentences(_read(note)):
        if _asks(sentence):
            continue
        parts = [Clause.of(part) for part in clauses(sentence)]
        denials = {one for part in parts if part.denies for one in part.stems}
        for part in parts:
            if part.negator is not None:
                wrong = _denies_wrongly(part, sources)
            elif part.loaded is not None:
                wrong = False
            else:
                wrong = _affirms_wrongly(part, sources, denials)
            if wrong:
                return part.text.strip()
    return ""


def _sides(one: str, sources: Iterable[Sides]) -> int:
    sides = 0
    for source in sources:
        sides |= source.of(one)
    return sides


def _affirms_wrongly(part: Clause, sources: Sequence[Sides], denials: set[str]) -> bool:
    """Whether a clause affirms mostly what is only denied.

    Args:
        part: the clause.
        sources: on which sides each stem stands.
        denials: what the rest of its sentence denies: if that is what was denied with them, the
            denial was read.
    """
    sides = {one: _sides(one, sources) for one in part.stems}
    known = [one for one, side in sides.items() if side not in {0, _OPEN} and one != part.subject]
    against = [one for one in known if sides[one] & _DENIED and not sides[one] & _AFFIRMED]
    if not against:
        return False
    bold = not any(source.denied_with(one, denials) for source in sources for one in against)
    if bold and any(_is_predicate(one, part.text) for one in against):
        return True
    if len(known) == 3 and known[0] not in against:
        known = known[1:]  # of what it is said
    return len(against) >= (0.5 if bold else 0.67) * len(known)


def _denies_wrongly(part: Clause, sources: Sequence[Sides]) -> bool:
    """Whether a clause denies mostly what is only affirmed."""
    sides = {one: _sides(one, sources) for one in part.denied}
    known = [one for one, side in sides.items() if side and one != part.subject]
    if not known:  # the same in other words: someone must have denied something
        return not any(source.denies for source in sources)
    against = [one for one in known if sides[one] == _AFFIRMED]
    return len(against) > 0.5 * len(known)


def _is_predicate(one: str, text: str) -> bool:
    """Whether a stem is what is said of the rest, as in "was merged"."""
    if one in _NAMING:
        return False
    return any(
        stem(found.group(1)) == one for found in re.finditer(_AUXILIARY, text, re.IGNORECASE)
    )


def _asks(sentence: str) -> bool:
    return sentence.rstrip("\"') ").endswith("?")


def _read(text: str, how: Iterable[tuple[str, re.Pattern[str], str]] = _IN_ANY_CASE) -> str:
    """A text with what is meant in place of what only looks like a denial. It is `plain`."""
    for letters, pattern, instead in how:
        if letters in text:
            text = pattern.sub(instead, text)
    return text
