"""A note and what it is about go in; out comes whether one denies what the other says.

No parser. For each word that matters it is read from the source whether it is ever affirmed, or
only denied. A note that affirms mostly what is only denied contradicts it, and so does one that
denies mostly what is only affirmed. Words that deny by their meaning (refuse, except, closed)
settle nothing either way: what is said with them may be retold with a "not" or without. So a
note with the opposite word ("open" for "closed") is not noticed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from turnfold.words import WORD, bare, clauses, is_english, matter, plain, sentences, stem

_NEGATOR = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|cannot|nowhere|no longer|hardly"
    r"|\w+n't|(?:can|don|won|isn|doesn|didn|wasn|aren|couldn|shouldn|wouldn)t)\b",
    re.IGNORECASE,
)
# Negators that deny nothing.
_HARMLESS = re.compile(
    r"\b(?:(?:can(?:no|')t|cannot|couldn't) wait|not only"
    r"|no (?:later|earlier|more|less|fewer|sooner|other) than|not (?:later|earlier|more|less) than"
    r"|no (?:doubt|problem|worries|matter)|not (?:just|bad|to mention|until|sure)|nothing but"
    r"|never mind|(?:do not|don't|never) (?:forget|worry)(?: to)?|why not|whether or not|or not"
    r"|without fail|couldn't agree more|can't help|no need to thank"
    r"|(?:did|is|do|are|does|would|wo|was|have|has)n't (?:we|it|you|he|she|they|i)\b"
    r"|no\.(?=\s*\d))",
    re.IGNORECASE,
)
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
_GIVEN_UP = re.compile(r"\bg(?:ave|ive|iven|iving) up\b", re.IGNORECASE)
_AT_MOST = re.compile(r"\bat (?:most|least|the (?:most|least|earliest|latest))\b", re.IGNORECASE)
_ALL_BUT = re.compile(r"\b(every\w+|all|any\w+|nobody) but\b", re.IGNORECASE)
# Said of what someone is called, these take the side of the name.
_NAMING = frozenset({"call", "nam"})


@dataclass(frozen=True)
class Clause:
    """A part of a sentence: what it affirms, what it denies, and what it leaves open."""

    text: str

    @cached_property
    def negator(self) -> re.Match[str] | None:
        """What denies in it; two negators cancel out."""
        found = list(_NEGATOR.finditer(self.text))
        return found[0] if len(found) % 2 else None

    @cached_property
    def loaded(self) -> re.Match[str] | None:
        """The first word in it that denies by its meaning."""
        return next((w for w in WORD.finditer(self.text) if _denies_by_meaning(w.group())), None)

    @cached_property
    def open(self) -> frozenset[str]:
        """What stands from there on."""
        if self.loaded is None:
            return frozenset()
        after = frozenset(matter(self.text[self.loaded.end() :]))
        return after or self.stems

    @cached_property
    def subject(self) -> str:
        """The name it begins with; "" for none. Of whom something is said tells no side."""
        first = WORD.search(self.text)
        return stem(first.group()) if first and first.group()[0].isupper() else ""

    @cached_property
    def stems(self) -> frozenset[str]:
        """What it is about."""
        return frozenset(matter(_NEGATOR.sub(" ", self.text)))

    @cached_property
    def ordered(self) -> list[str]:
        """The same in order."""
        found = (stem(word) for word in WORD.findall(self.text))
        return [one for one in dict.fromkeys(found) if one in self.stems]

    @cached_property
    def starts_denying(self) -> bool:
        """Whether a negator is the first of it."""
        return self.negator is not None and not WORD.search(self.text[: self.negator.start()])

    @cached_property
    def denied(self) -> frozenset[str]:
        """What its negator stands before; all of it where nothing follows."""
        if self.negator is None:
            return frozenset()
        after = frozenset(matter(_NEGATOR.sub(" ", self.text[self.negator.end() :])))
        return after or self.stems


def contradiction(note: str, source: str) -> str:
    """The part of a note that denies what its source affirms, or the other way; "" for none."""
    if not is_english(source):
        return ""
    sides = _sides(source)
    for sentence in sentences(_read(note)):
        if sentence.rstrip("\"') ").endswith("?"):
            continue
        parts = [Clause(part) for part in clauses(sentence)]
        denials = {one for part in parts if part.negator or part.loaded for one in part.stems}
        for part in parts:
            if part.negator is not None:
                wrong = _denies_wrongly(part, sides, source)
            elif part.loaded is not None:
                wrong = False
            else:
                wrong = _affirms_wrongly(part, sides, denials)
            if wrong:
                return part.text.strip()
    return ""


def _affirms_wrongly(part: Clause, sides: Mapping[str, set[str]], denials: set[str]) -> bool:
    """Whether a clause affirms mostly what is only denied.

    Args:
        part: the clause.
        sides: on which sides each stem stands; of those denied, also what they were denied with.
        denials: what the rest of its sentence denies: if that is what was denied with them, the
            denial was read.
    """
    known = [one for one in part.ordered if sides.get(one, {"~"}) != {"~"} and one != part.subject]
    against = [one for one in known if "-" in sides[one] and "+" not in sides[one]]
    if not against:
        return False
    bold = not any("with " + other in sides[one] for one in against for other in denials)
    if bold and any(_is_predicate(one, part.text) for one in against):
        return True
    if len(known) == 3 and known[0] not in against:
        known = known[1:]  # of what it is said
    return len(against) >= (0.5 if bold else 0.67) * len(known)


def _denies_wrongly(part: Clause, sides: Mapping[str, set[str]], source: str) -> bool:
    """Whether a clause denies mostly what is only affirmed."""
    known = [one for one in part.denied if one in sides and one != part.subject]
    if not known:  # the same in other words: someone must have denied something
        return not any(Clause(c).negator or Clause(c).loaded for c in clauses(_read(source)))
    against = [one for one in known if sides[one] == {"+"}]
    return len(against) > 0.5 * len(known)


def _is_predicate(one: str, text: str) -> bool:
    """Whether a stem is what is said of the rest, as in "was merged"."""
    if one in _NAMING:
        return False
    return any(
        stem(found.group(1)) == one for found in re.finditer(_AUXILIARY, text, re.IGNORECASE)
    )


def _sides(source: str) -> dict[str, set[str]]:
    """For each stem: "+" where it is affirmed, "-" where denied, "~" where that is open."""
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for sentence in sentences(_read(source)):
        if sentence.rstrip("\"') ").endswith("?"):
            continue
        before: Clause | None = None
        together = {"with " + one for one in matter(sentence)}
        ends = any(stem(word) in _ENDING for word in WORD.findall(sentence))
        for part in map(Clause, clauses(sentence)):
            # "Allergic to peanuts, not to almonds" denies nothing of almonds.
            turned = before is not None and before.loaded is not None and part.starts_denying
            for one in part.stems:
                if part.negator is not None:
                    denied = {"~"} if turned else {"-", *together}
                    sides[one] |= denied if one in part.denied else {"+", "~"}
                else:
                    sides[one] |= {"~"} if one in part.open else {"+", "~"} if ends else {"+"}
            for word in WORD.findall(part.text):
                for other in _opposites(word):
                    sides[other].add("+" if part.negator is not None else "-")
            before = part
    return sides


def _opposites(word: str) -> tuple[str, ...]:
    """Stems of what a word says is not so: "untouched" of "touched"."""
    low = bare(word)
    if len(low) > 6 and _NEGATIVE_FORM.match(low):
        return (stem(low[2:]),)
    return _OPPOSITE.get(stem(low), ())


def _denies_by_meaning(word: str) -> bool:
    low = bare(word)
    if low in _DENYING or stem(low) in _DENYING_STEMS or low.endswith("less"):
        return True
    return len(low) > 6 and bool(_NEGATIVE_FORM.match(low))


def _read(text: str) -> str:
    text = _AT_MOST.sub("limit", _GIVEN_UP.sub("quit", _HARMLESS.sub(" ", plain(text))))
    return _ALL_BUT.sub(r"\1 except", text)
