"""A summarizer without a model: it picks sentences, and says nothing in words of its own.

Sentences are taken by what they add: numbers, dates, names and identifiers not yet covered,
what asks for something from now on, what settles something, what the user says of themselves.
The same job always gives the same draft.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappop, heapreplace

from turnfold_stores.search.scanning import WORD
from turnfold_stores.search.terms import languages_in, terms

from turnfold.accounting.tokens import CountText, estimate_text
from turnfold.history.utterances import LABEL
from turnfold.language.words import bare, flat, plain, sentences
from turnfold.summaries.attribution import SENT, parts_of
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summaries.standing_instructions import standing_instructions

_SETTLES = re.compile(
    r"\b(?:decided|agreed|settled|chose|chosen|going with|go with|let's|confirmed|approved|booked"
    r"|final(?:ly|ised|ized)?|instead of|changed (?:my|our) mind|we'll|we will)\b",
    re.IGNORECASE,
)
_PERSONAL = re.compile(r"\b(?:I|I'm|I've|I'd|my|we|our|me)\b")
_OPEN = re.compile(
    r"\b(?:still (?:need|have|open|waiting|to)|don't know yet|not sure|open question|to do|TBD"
    r"|unclear)\b",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:now|no longer|instead|actually|correction|changed|moved|new|update[ds]?)\b",
    re.IGNORECASE,
)
# Words without which these need not be looked for.
_SETTLE_WITH = frozenset(
    "decided agreed settled chose chosen going go let confirmed approved booked final finally "
    "finalised finalized instead changed we".split()
)
_CHANGE_WITH = frozenset(
    "now no instead actually correction changed moved new update updated updates".split()
)
_SPEAK_OF_ONESELF = frozenset("i my we our me".split())
_TELLING = re.compile(r"\d|https?://|(?<![\w.+-])[\w.+-]++@[\w-]++\.\w")

# What one item costs besides its words, in tokens.
_FRAME = 12
_LONGEST = 400
# Sentences that add no more than a few common words are small talk.
_LEAST = 3.0
_WEIGHT = {"user": 1.6, SENT: 1.6, "assistant": 1.0}


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence that may be taken.

    Attributes:
        turn: which turn it is of.
        source: who said it.
        text: verbatim; of a very long one the beginning.
        telling: what it may be taken for: its numbers and names.
        matter: the same: its words that matter.
        bonus: what it is worth for how it says something, as soon as it says anything.
        asks: whether it is a question.
    """

    turn: int
    source: str
    text: str
    telling: frozenset[str]
    matter: frozenset[str]
    bonus: int
    asks: bool


class ExtractiveSummarizer:
    """Summaries of the turns' own sentences: no model, no cost, always the same.

    Example:
        Memory("./chat-memory", summarizer=ExtractiveSummarizer())
    """

    def __init__(self, count_tokens: CountText = estimate_text) -> None:
        """Args:
        count_tokens: counts the tokens of a text.
        """
        self._count = count_tokens

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job; what is long is left out before what is old."""
        return SummaryDraft(extract(job, count=self._count), model="extractive")


def extract(job: SummaryJob, *, count: CountText = estimate_text) -> list[Item]:
    """The sentences that say most of what a job's turns say, in order.

    Args:
        job: the turns; its `max_tokens` bounds all items together.
        count: counts the tokens of a text.
    """
    known = {_bare_text(item.text) for item in job.known}
    instructions = dict.fromkeys(standing_instructions(job))
    items = [((turn, -1), Item("instruction", words, (turn,))) for turn, words in instructions]
    left = job.max_tokens - sum(count(item.text) + _FRAME for _, item in items)
    rest = [
        one
        for one in _read(job)
        if (one.turn, one.text) not in instructions
        and not (known and _bare_text(one.text) in known)
    ]
    sizes = [count(one.text) + _FRAME for one in rest]
    covered: set[str] = set()
    # What a sentence adds only falls as others are taken. So each waits under what it added when
    # it was last looked at, and is looked at again when it comes to the front: few ever do.
    waiting = [
        (-_worth(one, covered) / size, number)
        for number, (one, size) in enumerate(zip(rest, sizes, strict=True))
    ]
    heapify(waiting)
    while waiting:
        seen, number = waiting[0]
        best, size = rest[number], sizes[number]
        worth = _worth(best, covered)
        if -worth / size > seen:
            heapreplace(waiting, (-worth / size, number))
            continue
        heappop(waiting)
        if worth <= (_LEAST if items else 0):
            break
        if size > left and items:
            continue
        left -= size
        covered |= best.telling | best.matter
        items.append(((best.turn, number), _item(best)))
    return [item for _, item in sorted(items, key=lambda one: one[0])]


def _read(job: SummaryJob) -> Iterator[_Sentence]:
    """The sentences of a job's turns, in order; what a source says again adds nothing."""
    told: set[tuple[str, str]] = set()
    for turn, exchange in enumerate(job.exchanges, job.first):
        for said in parts_of(exchange):
            languages = languages_in(said.text)
            for sentence in sentences(said.text):
                text = (
                    sentence if len(sentence) <= _LONGEST else sentence[:_LONGEST].rsplit(" ", 1)[0]
                )
                if (said.source, text) not in told:
                    told.add((said.source, text))
                    words = WORD.findall(plain(text))
                    telling = {
                        _telling(word, number == 0)
                        for number, word in enumerate(words)
                        if not (word.isalpha() and word.islower())  # as most do
                    }
                    yield _Sentence(
                        turn,
                        said.source,
                        text,
                        frozenset(telling - {""}),
                        frozenset(terms(text, languages)),
                        _bonus(said.source, text, words),
                        _asks(text),
                    )


@lru_cache(maxsize=16_384)
def _telling(word: str, first: bool) -> str:
    """The number or name that a word is, the first of its sentence or not; "" for none."""
    if any(c.isdigit() for c in word):
        return f"#{word}"
    if word[0].isupper() and word != "I" and not first:
        return f"@{bare(word)}"
    return ""


def _bonus(source: str, text: str, words: Iterable[str]) -> int:
    """What a sentence is worth for how it says something."""
    bonus = 2 if _TELLING.search(text) else 0
    small = set(map(str.lower, words))
    if "'" in text or not text.isascii():
        small = {word.partition("'")[0] for word in small}
    settles = not _SETTLE_WITH.isdisjoint(small) and _SETTLES.search(text)
    if settles or (not _CHANGE_WITH.isdisjoint(small) and _CHANGED.search(text)):
        bonus += 3
    if source == "user" and not _SPEAK_OF_ONESELF.isdisjoint(small) and _PERSONAL.search(text):
        bonus += 3
    return bonus


def _worth(one: _Sentence, covered: set[str]) -> float:
    """What a sentence adds. Told by the user counts for more, and so does what settles things."""
    fresh = 3 * len(one.telling - covered) + len(one.matter - covered)
    if not fresh:
        return 0.0
    worth = float(fresh + one.bonus)
    if one.asks:
        worth *= 0.3
    return worth * _WEIGHT.get(one.source, 0.6)


def _asks(text: str) -> bool:
    return text.rstrip().endswith("?")


def _item(one: _Sentence) -> Item:
    if _OPEN.search(one.text) or (one.asks and one.source == "user"):
        kind = "question"
    elif _SETTLES.search(one.text) and not one.asks:
        kind = "decision"
    else:
        kind = "fact"
    # Who said it: an "I" is the user's, and what a tool or document says is only theirs to say.
    return Item(kind, f"{one.source}: {one.text}", (one.turn,))


def _bare_text(text: str) -> str:
    return flat(LABEL.sub("", text, count=1))
