"""A note and what it is about go in; out comes whether one denies what the other says.

No parser, and only in the languages of `negation.toml`. For each word that matters it is read from
the source whether it is ever affirmed, or only denied. A note that affirms mostly what is only
denied contradicts it, and so does one that denies mostly what is only affirmed. Words that deny by
their meaning (refuse, except, closed) settle nothing either way: what is said with them may be
retold with a "not" or without. So a note with the opposite word ("open" for "closed") is not
noticed; nor is one in which two people have changed their parts.

A source is read once, sentence by sentence. Most sentences neither deny nor ask: their words
are affirmed, and no more is looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from operator import attrgetter

from turnfold_stores.search.scanning import LONGEST_RUN, WORD

from turnfold.language.negation import Word, Words, denial_in
from turnfold.language.words import clauses, has_digit, is_abbreviated, sentences, stem
from turnfold.summaries.clauses import AFFIRMED, DENIED, OPEN, Clause, bounds_of

# What is read as something else, and as what, in English. A letter stands first, and behind it
# what may not precede it: so `re` looks at no other places.
_READ_AS = (
    (" up", r"g(?<!\wg)(?:ave|ive|iven|iving) up\b", "quit"),
    ("at ", r"a(?<!\wa)t (?:most|least|the (?:most|least|earliest|latest))\b", "limit"),
    (
        "mind",
        r"c(?<!\wc)hang(?:ed?|ing) (?:my|your|his|her|our|their) minds? (?:about|on)\b",
        "quit",
    ),
    (
        " but",
        r"([ean](?<!\w[ean])(?:(?<=e)very\w+|(?<=a)(?:ll|ny\w+)|(?<=n)obody)) but\b",
        r"\1 except",
    ),
)
# Each with letters without which it need not be looked for.
_MEANT = [
    (letters, re.compile(pattern, re.IGNORECASE), instead) for letters, pattern, instead in _READ_AS
]
_MEANT_IN_LOWER = [
    (letters, re.compile(pattern), instead) for letters, pattern, instead in _READ_AS
]
_AUXILIARY = (
    r"\b(?:is|are|was|were|be|been|being|has|have|had|will|would|can|could|must|should|may|did|does|do)"
    r"\s+(?:also\s+|still\s+|already\s+|now\s+)?(?=(\w+))"
)
# Said of what someone is called, these take the side of the name.
_NAMING = frozenset({"call", "name"})
# Words that must speak against a note in languages other than English, where fewer of the words
# that deny by what they mean are known.
_MOST_CAUTIOUS = 2
_HALF = 0.5
# Words behind an "and" that go on with what is avoided.
_FEW_MORE = 2

_OPAQUE = re.compile(rf"[^\W_]{{{LONGEST_RUN + 1},}}")
# Words, and the marks that end a clause or a sentence.
_TOKEN = re.compile(
    rf"{WORD.pattern}|[.!?…][\"')\]]*+(?=\s|$)|\n\s*+|[。！？]|[;()\[\]]++|[,:](?!\d)|(?<=\s)-(?=\s)"
)
_ENDS_SENTENCE = frozenset(".!?…。！？\n")
_QUESTIONS = frozenset("?？")
# In what is kept of a sentence: between what it denies and all it is about.
_BESIDE = "\x1f"
_ENDS, _OPPOSITES = attrgetter("ends"), attrgetter("opposites")
_NONE: frozenset[str] = frozenset()


class Sides:
    """On which sides the words of a source stand: affirmed, denied, or open."""

    def __init__(self, language: str) -> None:
        """Args:
        language: of the source, an ISO 639-1 code.
        """
        self._how = denial_in(language)
        self._affirmed: set[str] = set()
        self._denied: set[str] = set()
        self._open: set[str] = set()
        # What each sentence denies, and all it is about: stems between blanks. As two texts they
        # take the room of the sentence; as pairs of words, its square.
        self._denials: list[str] = []
        self._clauses: list[str] = []
        self._bounds: dict[str, set[str]] = {}
        self.denies = False

    def read(self, text: str, low: Mapping[str, str]) -> None:
        """Take in a part of the source.

        Args:
            text: as `plain` gives it; it ends with a sentence.
            low: for each word of it its form as `bare` gives it.
        """
        if (how := self._how) is None:
            return
        if max(map(len, low), default=0) > LONGEST_RUN:
            text = _OPAQUE.sub(" ", text)
        text = _meant(text.lower(), how.harmless_in_lower, how.language, in_lower=True)
        tokens = _TOKEN.findall(text)
        # Each word is looked up once, and most sentences are read as lists of stems alone; what
        # has a digit in it is its own stem, and kept once.
        different = set(tokens)
        known = Words(how, (token for token in different if not has_digit(token)))
        forms = dict(zip(low.values(), low.values(), strict=True))
        stem_of = dict(zip(different, map(forms.get, different, different), strict=True))
        stem_of.update({token: word.stem for token, word in known.items()})
        stems = list(map(stem_of.__getitem__, tokens))
        bounding = {token for token, word in known.items() if word.bounds}
        turning = _places(tokens, {token for token, word in known.items() if word.turns})
        ends = _places(tokens, {token for token, word in known.items() if word.parts})
        turning.append(len(tokens))
        clauses = [0]
        turn = 0
        tokens.append(".")
        for at in (*ends, len(tokens) - 1):
            mark = tokens[at][0]
            if mark == "." and at and at + 1 < len(tokens) and is_abbreviated(tokens[at - 1]):
                continue
            clauses.append(at + 1)
            if mark not in _ENDS_SENTENCE:
                continue
            if mark not in _QUESTIONS:
                if turning[turn] >= at:
                    self._affirm(stems, clauses)
                else:
                    said = _turning_clauses(tokens, clauses, turning, known)
                    cut = [stems[start : end - 1] for start, end in pairwise(clauses)]
                    bounds = bounding and bounding.intersection(tokens[clauses[0] : at])
                    self._settle(cut, said, bounds_of(map(how.word, bounds)) if bounds else _NONE)
            while turning[turn] < at:
                turn += 1
            clauses = [at + 1]

    def _affirm(self, stems: Sequence[str], clauses: Sequence[int]) -> None:
        """Take in a sentence that denies nothing.

        Args:
            stems: those of the text; "" for words that are about nothing.
            clauses: where each of its clauses begins, and the next sentence.
        """
        for start, end in pairwise(clauses):
            clause = stems[start : end - 1]
            self._affirmed.update(clause)
            self._clauses.append(f" {' '.join(clause)} ")

    @property
    def language(self) -> str:
        """The language of the source, where denials are compared in it; else ""."""
        return self._how.language if self._how else ""

    def _stands(self, stems: Collection[str], sides: int) -> None:
        if sides & AFFIRMED:
            self._affirmed.update(stems)
        if sides & DENIED:
            self._denied.update(stems)
        if sides & OPEN:
            self._open.update(stems)

    def _settle(
        self,
        sentence: Sequence[Sequence[str]],
        said: Sequence[Sequence[Word]],
        bounds: frozenset[str],
    ) -> None:
        """Read a sentence, clause by clause.

        Args:
            sentence: the stems of each clause.
            said: its words, where one of them may make it more than a plain statement.
            bounds: words of the sentence that say since or until when something is not so.
        """
        affirmed = AFFIRMED
        if any(map(_ENDS, chain(*said))):
            affirmed |= OPEN
        before: Clause | None = None
        denied: dict[str, None] = {}
        for clause, words in zip(sentence, said, strict=True):
            if words:
                part = Clause(words, whole=self._how is not None and self._how.whole)
                denied |= self._turn(part, before, affirmed, bounds)
                before = part
            else:
                self._clauses.append(f" {' '.join(clause)} ")
                self._stands(clause, affirmed)
                before = None if clause else before
        if denied:
            together = " ".join(dict.fromkeys(chain(*sentence)))
            self._denials.append(f" {' '.join(denied)} {_BESIDE} {together} ")

    def _turn(
        self, part: Clause, before: Clause | None, affirmed: int, bounds: frozenset[str]
    ) -> dict[str, None]:
        """Read a clause that may deny something; what it denies."""
        self.denies |= part.denies
        for opposites in filter(None, map(_OPPOSITES, part.said)):
            self._stands(opposites, DENIED if part.negator is None else AFFIRMED)
        if part.negator is None or part.denies_twice:
            # "Off the table", "is closed": what comes before it is hardly affirmed.
            left_open = part.open
            rest = [one for one in part.stems if one not in left_open]
            self._stands(rest, affirmed | part.doubt)
            self._stands(left_open, OPEN)
            return {}
        if part.denied is not part.stems:
            self._stands([one for one in part.stems if one not in part.denied], AFFIRMED | OPEN)
        # "Allergic to peanuts, not to almonds" denies nothing of almonds.
        if before is not None and before.loaded is not None and part.starts_denying:
            self._stands(part.denied, OPEN)
            return {}
        for one in part.denied if bounds or self._bounds else ():
            if not bounds:
                self._bounds.pop(one, None)
            elif one not in self._denied or one in self._bounds:
                self._bounds.setdefault(one, set()).update(bounds)
        self._stands(part.denied, DENIED)
        return part.denied

    def of(self, one: str) -> int:
        """The sides of a stem; 0 where it is not said."""
        return (
            AFFIRMED * (one in self._affirmed)
            | DENIED * (one in self._denied)
            | OPEN * (one in self._open)
        )

    def denies_within(self, one: str, bounds: frozenset[str]) -> bool:
        """Whether a stem is denied at all times, or within the bounds of a note: "before 2028"."""
        if one not in self._bounds:
            return one in self._denied
        return not bounds.isdisjoint(self._bounds[one])

    def denied_together(self, stems: Sequence[str], bounds: frozenset[str]) -> list[str]:
        """Two stems or more that one sentence denies; [] for none."""
        for denial in self._denials:
            denied, _, _ = denial.partition(_BESIDE)
            found = [
                one for one in stems if f" {one} " in denied and self.denies_within(one, bounds)
            ]
            if len(found) > 1:
                return found
        return []

    def affirms_with(self, one: str, others: Iterable[str]) -> bool:
        """Whether a clause that denies nothing is about a stem and one of the others."""
        beside = [clause for clause in self._clauses if f" {one} " in clause]
        return any(f" {other} " in clause for other in others if other != one for clause in beside)

    def denied_with(self, one: str, others: Iterable[str]) -> bool:
        """Whether a sentence denies a stem that is about one of the others, too."""
        denials = (denial.partition(_BESIDE) for denial in self._denials)
        beside = [together for denied, _, together in denials if f" {one} " in denied]
        return any(f" {other} " in together for other in others for together in beside)


def contradicted(note: str, sources: Sequence[Sides], language: str) -> str:
    """The part of a note that says the opposite of what its sources say; "" for none.

    Args:
        note: as `plain` gives it.
        sources: what it is about.
        language: of the note, an ISO 639-1 code. Sources in another one tell nothing.
    """
    sources = [one for one in sources if one.language == language]
    how = denial_in(language)
    if how is None or not sources:
        return ""
    fewest = 1 if language == "en" else _MOST_CAUTIOUS
    for sentence in sentences(_meant(note, how.harmless, language)):
        if _asks(sentence):
            continue
        bounds = bounds_of([how.word(word) for word in WORD.findall(sentence)])
        parts = [Clause.of(part, how) for part in clauses(sentence, how.conjunctions)]
        denials = {one for part in parts if part.negator is not None for one in part.stems}
        for before, part in zip((None, *parts), parts, strict=False):
            is_listed = before is not None and before.loaded is not None
            if part.denies_twice or (is_listed and len(part.stems) <= _FEW_MORE):
                wrong = False  # "must avoid soft cheese and raw fish"
            elif part.negator is not None:
                wrong = _denies_wrongly(part, sources, fewest)
            elif part.loaded is not None:
                wrong = False
            else:
                wrong = _affirms_wrongly(part, sources, denials, bounds, fewest)
            if wrong:
                return part.text.strip()
    return ""


def _sides(one: str, sources: Iterable[Sides]) -> int:
    sides = 0
    for source in sources:
        sides |= source.of(one)
    return sides


def _affirms_wrongly(
    part: Clause,
    sources: Sequence[Sides],
    denials: set[str],
    bounds: frozenset[str],
    fewest: int,
) -> bool:
    """Whether a clause affirms mostly what is only denied.

    Args:
        part: the clause.
        sources: on which sides each stem stands.
        denials: what the rest of its sentence denies: if that is what was denied with them, the
            denial was read.
        bounds: words of its sentence that say since or until when.
        fewest: words that must speak against it.
    """
    sides = {one: _sides(one, sources) for one in part.stems}
    known = [one for one, side in sides.items() if side not in {0, OPEN} and one != part.subject]
    against = [
        one
        for one in known
        if sides[one] & DENIED
        and not sides[one] & AFFIRMED
        and any(source.denies_within(one, bounds) for source in sources)
    ]
    both = [one for one in known if sides[one] & DENIED]
    bold = not any(source.denied_with(one, denials) for source in sources for one in both)
    if bold and fewest == 1:
        for source in sources:
            found = source.denied_together(both, bounds)
            if found and not any(also.affirms_with(found[0], found) for also in sources):
                return True
    if len(against) < fewest:
        return False
    if fewest == 1 and bold and any(_is_predicate(one, part.text) for one in against):
        return True
    if len(known) == 3 and known[0] not in against:
        known = known[1:]  # of what it is said
    share = 0.75 if fewest > 1 else _HALF if bold else 0.67
    return len(against) >= share * len(known)


def _denies_wrongly(part: Clause, sources: Sequence[Sides], fewest: int) -> bool:
    """Whether a clause denies mostly what is only affirmed, and affirmed of the same matter."""
    sides = {one: _sides(one, sources) for one in part.scope}
    known = [one for one, side in sides.items() if side and one != part.subject]
    if not known:  # the same in other words: someone must have denied something
        return fewest == 1 and not any(source.denies for source in sources)
    if sides[known[0]] & DENIED:
        return False  # the denial was read
    matter = [one for one in part.stems if _sides(one, sources)]
    against = [
        one
        for one in known
        if sides[one] == AFFIRMED
        and (len(matter) == 1 or any(one_of.affirms_with(one, matter) for one_of in sources))
    ]
    is_open = any(sides[one] & OPEN for one in known)
    share = len(against) / len(known)
    return len(against) >= fewest and (share > _HALF or (share == _HALF and not is_open))


def _is_predicate(one: str, text: str) -> bool:
    """Whether a stem is what is said of the rest, as in "was merged"."""
    if one in _NAMING:
        return False
    return any(
        stem(found.group(1)) == one for found in re.finditer(_AUXILIARY, text, re.IGNORECASE)
    )


def _asks(sentence: str) -> bool:
    return sentence.rstrip("\"') ").endswith("?")


def _turning_clauses(
    tokens: Sequence[str], clauses: Sequence[int], turning: Sequence[int], known: Words
) -> list[list[Word]]:
    """The words of each clause that may be more than a plain statement; [] for the others.

    Args:
        tokens: those of the text.
        clauses: where each clause begins, and the next sentence.
        turning: where in the text stands what may make it more, and its end.
        known: what each token does.
    """
    return [
        list(map(known.__getitem__, tokens[start : end - 1]))
        if turning[bisect_left(turning, start)] < end - 1
        else []
        for start, end in pairwise(clauses)
    ]


def _places(tokens: Sequence[str], wanted: Collection[str]) -> list[int]:
    """Where some tokens stand."""
    return [at for at, token in enumerate(tokens) if token in wanted] if wanted else []


def _meant(text: str, harmless: re.Pattern[str], language: str, *, in_lower: bool = False) -> str:
    """A text with what is meant in place of what only looks like a denial. It is `plain`."""
    text = harmless.sub(" ", text)
    if language == "en":
        for letters, pattern, instead in _MEANT_IN_LOWER if in_lower else _MEANT:
            if letters in text:
                text = pattern.sub(instead, text)
    return text
