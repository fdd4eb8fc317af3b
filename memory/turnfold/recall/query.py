"""An opening goes in; what it asks of the past comes out: what to look for, and how much."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from turnfold_stores import STOP_WORDS, terms, words

# What people say without asking or telling anything.
_SAID_PHATIC = (
    "absolutely ah agreed aha alright amazing appreciate awesome aw aww brilliant btw bye cheers "
    "congrats cool correct cute damn day dear definitely done exactly excellent fab fair fantastic "
    "fine fun funny ha haha hahaha hah he hehe hello hey hi hilarious hm hmm hmmm hooray hug hugs "
    "interesting joke kind know lmao lol lovely luck makes merci mhm morning much nah neat night "
    "nope noted ok okay okey oh omg oops ouch perfect phew please pleasure point really right "
    "rofl roger see seriously sense sorry sounds super sure sweet talk thank thanks thx tomorrow "
    "true tysm ty ugh understood understand welcome well whoa wonderful wow yay yeah yep yes yup "
    "good great nice best better glad happy hope keep later made need one ones think time told "
    "wait want way work works wish evening afternoon weekend laughing gotcha got get go going "
    "let lets say said bit lot thing things something anything everything nothing"
)
_PHATIC = frozenset(_SAID_PHATIC.split())
# Words that stand for something named before.
_SAID_POINTING = (
    "it its that this those these they them their he him his she her one ones there then other "
    "another first second third fourth last next former latter same both either neither again "
    "else more before after instead ago"
)
_POINTING = frozenset(_SAID_POINTING.split())
_SAID_STARTS = (
    "what whats who whos whom whose when where wheres which why how hows is are was were do does "
    "did can could would will should have has had am may tell show remind list give find recall "
    "summarize summarise explain describe compare name repeat quote"
)
_SAYS_LITTLE = _PHATIC | _POINTING | STOP_WORDS
_STARTS = frozenset(_SAID_STARTS.split())
_SAID_LINKS = "and but so or also then ok okay well now hey please hmm oh"
_LINKS = frozenset(_SAID_LINKS.split())
_QUESTION_MARKS = frozenset("?？؟⸮")
_LAST_MARKS = re.compile(r"\w")
# Characters of a text's end that are looked at for one; and of a greeting, at the most.
_TAIL = 500
_LONGEST_GREETING = 200
# Words for how to answer, or how long. A part of an opening with nothing else in it asks nothing
# of the past, wherever it stands: "In a few words, please:", "Keep it short (one sentence)."
_SAID_MANNER = (
    "answer answers reply replies respond response responses write say tell give need don keep "
    "make use put be stay speak phrase format limit explain explanation explanations elaborate "
    "summarize summarise without dont brief briefly short shortly shorter concise concisely "
    "succinct succinctly terse precise precisely exact exactly direct directly simple simply "
    "plain plainly clear clearly polite politely formal formally informal informally quick "
    "quickly detail details detailed long longer length maximum max minimum under less fewer "
    "few couple single half word words sentence sentences line lines paragraph paragraphs "
    "bullet bullets point points list table json yaml xml csv markdown prose text number figure "
    "date name value character characters token tokens emoji emojis preamble fluff introduction "
    "intro disclaimer disclaimers commentary comment comments apology apologies filler quote "
    "quotes step steps english german french spanish italian portuguese dutch polish russian "
    "ukrainian turkish arabic hebrew hindi chinese japanese korean swedish norwegian danish "
    "finnish greek czech one two three four five six seven eight nine ten twenty thirty fifty "
    "hundred tldr eli5 form style tone way manner only just nothing no yes else please thanks "
    "thank thx cheers advance"
)
_MANNER = frozenset(_SAID_MANNER.split())
# What such a part begins with.
_SAID_MANNER_STARTS = (
    "answer answers reply respond write say tell give keep make use put be stay speak phrase "
    "format limit shorter longer explain summarize summarise in as with without no not just "
    "only max maximum at under brief briefly short shortly concise concisely succinctly one two "
    "three four five i can could would will don tldr eli5 thanks thank thx cheers you response "
    "please"
)
_MANNER_STARTS = frozenset(_SAID_MANNER_STARTS.split())
_MANNER_MARKS = re.compile(r"[,:;()\[\]–—\n]|\s-\s|(?<=[.!?…])\s|(?<=[。！？])")
_OPENING = frozenset("([")
# Characters at each end of an opening in which such parts are looked for.
_EDGE = 1_000
# Questions that are none.
_GREETING = re.compile(
    r"^\W*(?:(?:hi|hey|hello|so|well|and|oh)\W+)*"
    r"(?:(?:how(?:'s|’s| is| are| have| do)|what(?:'s|’s| is)|are you|is (?:it|that)|you)\W+"
    r"(?:it going|things|everything|you|you been|you doing|life|up|new|there|ok|okay|so|right)"
    r"|really|seriously|please do|right|huh)"
    r"(?:\W+(?:there|today|doing|been|now|friend|buddy|mate))*\W*$",
    re.IGNORECASE,
)

# Words of an opening that are looked for; of a long one its two ends, where people say what
# they want. all-MiniLM-L6-v2 reads about twice as many word pieces and drops the rest.
_MOST_WORDS = 160
_CONTEXT_WORDS = 60
# Letters of a word, on the average: what has no blanks is looked for by its two ends as well.
_MOST_LETTERS = 20
# Telling words up to which an opening is taken to name nothing itself: one that points back or
# goes on with "and", and one that is this short.
_BARE_POINTING = 2
_BARE = 1
_BRIEF = 5


@dataclass(frozen=True, slots=True)
class RecallQuery:
    """What an opening asks of the past.

    Attributes:
        query: what to look for: the opening, and what it follows up on where it names nothing.
        terms: the telling words of it.
        asks: whether it is a question or a request.
        words: how long the opening itself is.
    """

    query: str
    terms: frozenset[str]
    asks: bool
    words: int


def read_opening(opening: str, earlier: Sequence[str] = ()) -> RecallQuery | None:
    """Read an opening; None for small talk.

    Args:
        opening: its text.
        earlier: the openings before it, newest first, for what a follow-up follows up on.
    """
    asks = is_asking(opening)
    opening = without_manner(opening)
    said = words(opening)
    named = _named(opening)
    asks = asks or is_asking(opening)
    if not (asks or named) or _is_greeting(opening):
        return None
    query = _ends(opening)
    if asks and _is_bare(said, named):
        for text in map(without_manner, earlier):
            context = _named(text)
            query = f"{_ends(text, _CONTEXT_WORDS)}\n{query}"
            named |= context
            if not _is_bare(words(text), context):
                break
    if not named:
        return None
    return RecallQuery(query, named, asks, len(said))


def _is_bare(said: Sequence[str], named: frozenset[str]) -> bool:
    if said and (said[0] in _LINKS or _POINTING.intersection(said)):
        return len(named) <= _BARE_POINTING
    return not named or (len(named) <= _BARE and len(said) <= _BRIEF)


def _is_greeting(text: str) -> bool:
    return len(text) <= _LONGEST_GREETING and _GREETING.search(text) is not None


def without_manner(opening: str) -> str:
    """An opening without the parts that only say how to answer; all of it if that is all."""
    if len(opening) <= 2 * _EDGE:
        return _without_manner(opening) or opening
    head, middle, tail = opening[:_EDGE], opening[_EDGE:-_EDGE], opening[-_EDGE:]
    return f"{_without_manner(head)}{middle}{_without_manner(tail)}"


def _without_manner(text: str) -> str:
    kept: list[str] = []  # parts, each followed by its mark
    asked = ""
    start = 0
    for mark in _MANNER_MARKS.finditer(text):
        kept += text[start : mark.start()], mark.group()
        start = mark.end()
    kept += text[start:], ""
    for at in range(0, len(kept), 2):
        if _is_manner(kept[at]):
            # The question mark behind "in a few words?" is that of the question.
            asked = asked or next((c for c in kept[at] if c in _QUESTION_MARKS), "")
            kept[at] = kept[at + 1] = ""
            if at and kept[at - 1] in _OPENING:
                kept[at - 1] = ""
    rest = "".join(kept).strip(" \n,;:–—-")
    if not words(rest):
        return ""
    return rest if is_asking(rest) else rest + asked


def _is_manner(part: str) -> bool:
    """Whether a part of an opening only says how to answer."""
    said = words(part)
    start = next((word for word in said if word not in _LINKS), "")
    return (
        (not start or start in _MANNER_STARTS)
        and not _MANNER.isdisjoint(said)
        and all(
            word in _MANNER or word in _LINKS or word in STOP_WORDS or word.isdigit()
            for word in said
        )
    )


def is_asking(text: str) -> bool:
    """Whether a text ends as a question, or begins as a question or a request."""
    if not _QUESTION_MARKS.isdisjoint(_LAST_MARKS.split(text[-_TAIL:])[-1]):
        return True
    if text.rstrip().endswith("!"):
        return False
    start = next((word for word in words(text[:_EDGE]) if word not in _LINKS), "")
    return start in _STARTS


def recall_probability(asked: RecallQuery, texts: Collection[str]) -> float:
    """How likely it is that an opening wants something said before: 0 to 1.

    A short question whose words stand together in one message of the past does; a long
    statement that brings its own details does not. The weights were fitted (logistic
    regression) to tell questions about the past from ordinary turns; docs/recall.md says on
    what, and how well they do on others.

    Args:
        asked: the opening.
        texts: the messages that share most words with it.
    """
    covered = max((coverage(asked.terms, text) for text in texts), default=0.0)
    odds = (
        _WEIGHTS["bias"]
        + _WEIGHTS["asks"] * asked.asks
        + _WEIGHTS["words"] * math.log(asked.words + 5)
        + _WEIGHTS["covered"] * covered
    )
    return 1 / (1 + math.exp(-odds))


_WEIGHTS = {"bias": 3.7, "asks": 7.2, "words": -4.2, "covered": 7.3}


def coverage(asked: frozenset[str], text: str) -> float:
    """Which share of the words asked for a text has: 0 to 1, low where few are asked for."""
    return len(asked.intersection(terms(text))) / (len(asked) + 1)


def _named(text: str) -> frozenset[str]:
    return frozenset(terms(" ".join(word for word in words(text) if word not in _SAYS_LITTLE)))


def _ends(text: str, most: int = _MOST_WORDS) -> str:
    said = text.split()
    if len(said) > most:
        text = " ".join([*said[: most // 2], *said[-most // 2 :]])
    if len(text) <= most * _MOST_LETTERS:
        return text
    half = most * _MOST_LETTERS // 2
    return f"{text[:half]} {text[-half:]}"
