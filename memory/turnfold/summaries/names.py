"""Words with a capital go in; which of them name something, and whether it is another's, comes out.

A capital tells a name only inside a sentence, and in German not even there. A word that a
sentence begins with, or a German noun, is taken for a wrong name only where it stands in the
place of a name of the turns that the note does not have: beside the same word, or nearly alike.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import NamedTuple

from turnfold_stores.cached_value import cached_property
from turnfold_stores.search.scanning import WORD
from turnfold_stores.search.stop_words import BY_LANGUAGE

from turnfold.language.number_words import inflects
from turnfold.language.words import bare, sentences

_OPENS_SENTENCE = re.compile(r"[.!?…:\n\"•*。！？]")
_MARKS = frozenset(">^")
# More of them are a list.
_MOST_NAMES = 4_000
_AT_A_TIME = 4_096
# Letters that are looked at for the words near another.
_WINDOW = 80
_JOINS = frozenset({" ", "-"})
# Words that stand near another one, on either side.
_NEAR = 2
_SHORTEST_TELLING = 3
# So alike are a name and what it was taken for; more so where nouns have capitals, and names
# endings.
_ALIKE, _ALIKE_IN_GERMAN, _STRICTER = 0.4, 0.65, 0.15
_SHORTEST_ALIKE = 4
# Behind these in German stands a name, where it is no noun with an article.
_BARE_IN_GERMAN = frozenset("in nach aus bei mit von fur an zu uber durch gegen ohne".split())
_WITH_PEOPLE = frozenset("mit bei von fur".split())
# What stands before a word that opens something, within three characters of it.
_OPENS = re.compile(r"[:\"(\[/•*]\s*$|(?:^|\s)-+\s*$")
_LABEL = re.compile(r"\s*:")
_WITHOUT_CAPITALS = frozenset("ar fa he hi th zh ja ko ta".split())
KATAKANA = re.compile(r"[ァ-ヺー・]{2,}")
_HONORIFIC = re.compile(r"\s?(?:さん|様|氏|君|くん|ちゃん|先生)")
_VOWELS = re.compile(r"[aeiouyаеёиоуыэюяіїє]")
# Words with one beginning that are compared.
_MOST_ALIKE = 64
_SHORTEST_BEGINNING = 3
_LONGEST_ENDING = 4
_SHORTEST_STEM = 5


class Capitals:
    """The words of a text that have a capital, and what they stand near.

    The text is kept as its words: ">" before one with a capital, "^" before one that opens a
    sentence as well, and "," for what does not join two words. It is looked up by plain search.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []

    def read(self, words: Sequence[str], gaps: Sequence[str], low: Mapping[str, str]) -> None:
        """Take in a part of the text.

        Args:
            words: its words, in order.
            gaps: what stands before each of them.
            low: for each word its form as `bare` gives it.
        """
        with_capital = {word for word in low if word[0].isupper()}
        if not with_capital:
            self._parts.append(" ".join(low.values()))
            return
        # "~" stands before all else that does not begin small: figures, words in capitals.
        marked = {word: form if word[0].islower() else "~" + form for word, form in low.items()}
        begun = {word: low[word] for word in with_capital if word[1:].islower()}
        marked.update((word, ">" + form) for word, form in begun.items())
        opening = marked | {word: "^" + form for word, form in begun.items()}
        # A text has few different gaps, so each is looked at once.
        before = {gap: "" if gap in _JOINS else ", " for gap in set(gaps)}
        opens = {gap for gap in before if _OPENS_SENTENCE.search(gap)}
        said = [
            before[gap] + (opening if gap in opens else marked)[word]
            for gap, word in zip(gaps, words, strict=True)
        ]
        said[0] = before[gaps[0]] + opening[words[0]]
        self._parts.append(" ".join(said))

    @cached_property
    def _said(self) -> str:
        said = f" {' , '.join(self._parts)} "
        self._parts.clear()
        return said

    @cached_property
    def words(self) -> set[str]:
        """Words with a capital, at most some thousands."""
        return set(self._marked("[>^]"))

    @cached_property
    def names(self) -> set[str]:
        """Words that have a capital inside a sentence, and never stand without."""
        return self._never_small(">")

    @cached_property
    def opening(self) -> set[str]:
        """Words that sentences open with, and that never stand without a capital."""
        return self._never_small("\\^")

    @cached_property
    def apposed(self) -> set[str]:
        """Words that stand behind another with a capital: "Frau Marta"."""
        return set(islice(re.findall(r"[>^]\S+(?= >(\S+))", self._said), _MOST_NAMES))

    def _marked(self, mark: str) -> Iterator[str]:
        found = (one[1] for one in re.finditer(rf" {mark}(\S+)", self._said))
        return islice(found, _MOST_NAMES)

    def _never_small(self, mark: str) -> set[str]:
        names, said, at = set(self._marked(mark)), self._said, 0
        # Some words at a time, which take little room; one with a mark before it is no name.
        while at < len(said):
            end = said.find(" ", at + _AT_A_TIME) + 1 or len(said)
            names.difference_update(said[at:end].split())
            at = end
        return names

    def opened(self, words: Sequence[str]) -> set[str]:
        """What sentences open with that go on with these two words."""
        return set(re.findall(rf"\^(\S+) {re.escape(' '.join(words[:2]))} ", self._said))

    def behind(self, word: str) -> set[str]:
        """Words with a capital that stand right behind another."""
        found = re.findall(rf" [>^~]?{re.escape(word)} [>^](\S+)", self._said) if word else ()
        return set(found)

    def before(self, word: str) -> set[str]:
        """Words with a capital that stand right before another."""
        return set(re.findall(rf"[>^](\S+) [>^~]?{re.escape(word)} ", self._said))

    def near(self, word: str) -> set[str]:
        """Words with a capital that stand near another, which has none."""
        found: set[str] = set()
        at = self._said.find(f" {word} ")
        while at >= 0:
            end = at + len(word) + 1
            left = self._said[max(0, at - _WINDOW) : at].replace(" ,", "").split(" ")
            right = self._said[end : end + _WINDOW].replace(" ,", "").split(" ")
            around = (*left[-_NEAR:], *right[1 : 1 + _NEAR])
            found.update(one[1:] for one in around if one[:1] in _MARKS)
            at = self._said.find(f" {word} ", end)
        return found


class Name(NamedTuple):
    """A word of a note that may name something.

    Attributes:
        word: as it is written.
        shows: whether the note shows that it is a name.
        left: the word before it, as it is written; "" for none.
        right: the words behind it in its sentence, as `bare` gives them.
    """

    word: str
    shows: bool
    left: str = ""
    right: tuple[str, ...] = ()


def names_in(text: str, language: str) -> Iterator[Name]:
    """The words of a note that may name something; it is `plain`, and without its numbers."""
    small = BY_LANGUAGE.get(language, frozenset())
    is_cased = language not in _WITHOUT_CAPITALS
    for sentence in sentences(text):
        found = list(WORD.finditer(sentence))
        for number, one in enumerate(found):
            before = sentence[max(0, one.start() - 3) : one.start()]
            opens = is_cased and (number == 0 or bool(_OPENS.search(before)))
            if opens and _LABEL.match(sentence, one.end()):
                continue
            left = "" if opens or not number else found[number - 1].group()
            right = tuple(_behind(sentence, found, number))
            for word in one.group().split("'"):
                if word and word[0].isupper() and word.casefold() not in small:
                    yield Name(word, not opens and language != "de", left, right)


def _behind(sentence: str, found: Sequence[re.Match[str]], number: int) -> Iterator[str]:
    """The next words of a clause, as `bare` gives them; behind a comma one more."""
    end = found[number].end()
    for word in found[number + 1 : number + 1 + _NEAR + (sentence[end : end + 1] == ",")]:
        if sentence[end : word.start()].strip(", -") or word.start() - end > _NEAR:
            return
        yield bare(word.group())
        end = word.end()


def katakana_in(text: str) -> Iterator[Name]:
    """Words in katakana, each with the two letters before it."""
    for found in KATAKANA.finditer(text):
        left = text[max(0, found.start() - 3) : found.start()].rstrip()[-2:]
        yield Name(found.group(), bool(_HONORIFIC.match(text, found.end())), left)


def is_taken_for_another(
    name: Name,
    others: Sequence[Capitals],
    shown: Collection[str],
    mentioned: Collection[str],
    language: str,
) -> bool:
    """Whether a word stands in the place of a name that the note does not have.

    Args:
        name: a word that the turns do not say.
        others: what has a capital in those that the note cites.
        shown: names of all turns.
        mentioned: the words of the note, as `bare` gives them.
        language: of the note.
    """
    low = bare(name.word)
    for one in others:
        names = {other for other in one.words if other in shown and other not in mentioned}
        if language == "de":
            left = bare(name.left)
            names |= one.opening.difference(mentioned)
            names = {other for other in names if not low.startswith(other[:_SHORTEST_ALIKE])}
            with_people = left in _WITH_PEOPLE and not name.right
            if with_people and not names.isdisjoint(one.apposed):
                return True
            is_bare = name.left[:1].isupper() or left in _BARE_IN_GERMAN
            near, least = one.behind(left) if is_bare else set(), _ALIKE_IN_GERMAN
        else:
            near, least = _near(name, one, language), _ALIKE + _STRICTER * inflects(language)
        openings = one.opened(name.right)
        small = BY_LANGUAGE.get(language, frozenset())
        if any(other in small or other in names for other in openings):
            return True  # "Greta moves", where "She moves" was said
        if not names.isdisjoint(near) or any(is_alike(low, other, least) for other in names):
            return True
    return False


def _near(name: Name, one: Capitals, language: str) -> set[str]:
    """What stands with a capital before or near the words that follow a name."""
    if not name.right:
        return set()
    small = BY_LANGUAGE.get(language, frozenset())
    telling = (
        word
        for word in name.right
        if len(word) >= _SHORTEST_TELLING and word not in small and word not in one.names
    )
    return one.before(name.right[0]).union(*map(one.near, telling))


def is_alike(one: str, other: str, least: float) -> bool:
    """Whether a name may have been taken for another one; `least` is between 0 and 1."""
    if one[0] != other[0] or abs(len(one) - len(other)) > _LONGEST_ENDING:
        return False
    if len(one) < _SHORTEST_ALIKE:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= least


def is_form_of(one: str, other: str) -> bool:
    """Whether two words may be one name with different endings: Marek, Marka; Anna, Annou."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    ends = sorted((len(one) - same, len(other) - same))
    if ends[1] > _LONGEST_ENDING or same < min(_SHORTEST_BEGINNING, len(one) - 1, len(other) - 1):
        return False
    if ends[0] <= 1 or (same > _LONGEST_ENDING and ends[1] < _LONGEST_ENDING):
        return True
    bones, others = _VOWELS.sub("", one), _VOWELS.sub("", other)
    return bones == others


def has_form_of(word: str, words: Sequence[str]) -> bool:
    """Whether a form of a name is among words in their order."""
    beginning = word[: min(_SHORTEST_BEGINNING, max(2, len(word) - 1))]
    at = bisect_left(words, beginning)
    return any(
        is_form_of(word, other)
        for other in islice(words, at, at + _MOST_ALIKE)
        if other.startswith(beginning)
    )


def has_beginning_of(word: str, words: Sequence[str]) -> bool:
    """Whether one of some words in their order begins with most of another."""
    beginning = word[: max(_SHORTEST_STEM, len(word) - _SHORTEST_BEGINNING)]
    at = bisect_left(words, beginning)
    return len(word) >= _SHORTEST_STEM and at < len(words) and words[at].startswith(beginning)
