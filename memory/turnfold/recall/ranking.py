"""Ranked passages go in; how much each message of the past bears on the opening comes out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from turnfold_stores.cached_value import cached_property
from turnfold_stores.lazy_numpy import np
from turnfold_stores.search.stemming import language_of
from turnfold_stores.search.terms import telling_words

from turnfold.accounting.tokens import estimate_text
from turnfold.archive.passages import split
from turnfold.history.utterances import Utterance
from turnfold.instructions.forms import asks
from turnfold.recall.speakers import spoken_to

if TYPE_CHECKING:
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"

# Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009) with a constant that lets the very
# first ranks stand out: there 60, for lists of documents from dozens of systems.
_RANK = 10
# What an answer, or what it answers, adds to a message beside it: most where both are short,
# as in talk, and a little whatever their length. Reach in tokens; both per message apart.
_NEAR = 0.6
_NEAR_TOKENS = 80
_BESIDE = 0.2
_REACH = 4
# A token's price: relevance is divided by size to this power, and what is shorter than a
# sentence or two is taken for that long.
_PRICE = 0.45
_SHORT = 100
# The same for an opening that asks for what the assistant said: its whole answer is asked for.
_PRICE_OF_ANSWER = 0.1
# Tokens of the passages that come of what is too long to come whole.
_PASSAGES = 250
# Characters up to which a message is one passage for sure.
_ONE_PASSAGE = 200
_SPEAKERS = frozenset({"user", "assistant"})
# How much more a message counts in which the user says how things are always to be.
_STANDING = 1.5
_MOST_OF_USER = 2.0

_WISH = re.compile(
    r"\b(?:always|never|prefer|from now on|remember|make sure|please (?:use|avoid|keep))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Candidate:
    """Something that was said in an exchange of the past.

    Attributes:
        id: the name of the utterance as a whole; see `Passage.id`.
        source: who said it.
        text: verbatim.
        size: about how many tokens.
        wish: whether the user says in it how things are always to be.
        spoken_to: words by which it may speak to somebody; see `speakers`.
    """

    id: str
    source: str
    text: str
    size: int
    wish: bool = False
    spoken_to: frozenset[str] = frozenset()

    @cached_property
    def telling(self) -> frozenset[str]:
        """Its words without the small ones; most are never asked for, some at every turn."""
        return frozenset(telling_words(self.text))

    @cached_property
    def is_cut(self) -> bool:
        """Whether it has more than one passage; asked in each turn, and answered once."""
        return len(self.text) > _ONE_PASSAGE and len(split(self.text)) > 1


def messages_of(content_id: str, said: Iterable[Utterance]) -> tuple[Candidate, ...]:
    """The messages that the utterances of an exchange are."""
    messages = []
    for number, one in enumerate(said):
        size = estimate_text(one.text)
        wish = one.source == "user" and size <= _SHORT and _is_wish(one.text)
        name = f"{content_id}:{number}"
        calls = spoken_to(one.text) if one.source in _SPEAKERS else frozenset()
        messages.append(Candidate(name, one.source, one.text, size, wish, calls))
    return tuple(messages)


def _is_wish(text: str) -> bool:
    """Whether somebody says how things are always to be."""
    if _WISH.search(text):
        return True
    return language_of(text) not in {"", "en"} and asks(text)


def fuse_ranks(*rankings: Iterable[str]) -> dict[str, float]:
    """Scores of names by their places in several rankings, at most 1 from each."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, name in enumerate(dict.fromkeys(ranking)):
            scores[name] = scores.get(name, 0.0) + (_RANK + 1) / (_RANK + 1 + place)
    return scores


def nearness_of_messages(
    messages: Sequence[Candidate], of_passages: Mapping[str, float], *, of_assistant: bool = False
) -> Floats:
    """How near messages are in meaning, 0 to 1; shape (messages,).

    What somebody says at length has many passages, one of which is near to anything; what all of
    it is about, its beginning says. So the mean of the nearest passage and the first one counts.
    A tool's result or a document holds many matters: there it is the nearest.

    Args:
        messages: in the order they were said.
        of_passages: cosine of each passage with the query, by id.
        of_assistant: whether the query asks for what the assistant said. An answer begins by
            saying what it answers: the first passage alone counts, then.
    """
    nearest: dict[str, float] = {}
    for name, cosine in of_passages.items():
        message = name.rpartition(".")[0]
        nearest[message] = max(nearest.get(message, 0.0), cosine)
    near = np.zeros(len(messages))
    for place, one in enumerate(messages):
        best, first = nearest.get(one.id, 0.0), max(0.0, of_passages.get(f"{one.id}.0", 0.0))
        if one.source not in _SPEAKERS:
            near[place] = best
        else:
            near[place] = first if of_assistant else (best + first) / 2
    return near


def relevance(
    messages: Sequence[Candidate], runs: Sequence[int], scores: Mapping[str, float]
) -> Floats:
    """How much messages bear on the opening, with what stands beside them; shape (messages,).

    An answer seldom repeats the words of its question: what was said just before and after
    something that matches bears on it, too. Measured, this does more than a second vector of
    each message with its predecessor, which would double what there is to embed.

    Args:
        messages: in the order they were said.
        runs: those with the same number were said one after the other; shape (messages,).
        scores: by id of the message; the rest have none.
    """
    own = np.array([scores.get(one.id, 0.0) for one in messages])
    sizes = np.array([one.size for one in messages], dtype=np.float64)
    together = np.array(runs)
    middle = np.cumsum(sizes) - sizes / 2
    total = own.copy()
    for apart in range(1, min(_REACH, len(messages) - 1) + 1):
        weight = _NEAR * np.exp((middle[:-apart] - middle[apart:]) / _NEAR_TOKENS)
        weight = (weight + _BESIDE**apart) * (together[apart:] == together[:-apart])
        total[apart:] += weight * own[:-apart]
        total[:-apart] += weight * own[apart:]
    return total


def value(
    messages: Sequence[Candidate], relevant: Floats, *, whole: int, of_assistant: bool = False
) -> Floats:
    """What messages are worth for their size; shape (messages,).

    Where one side speaks at length and the other does not, the short words of the user weigh
    more; where two people chat, both weigh the same. What somebody says at length is about one
    matter; a tool's result or a document holds many, so one that is too long to come whole is
    taken for as long as the passages that will come of it.

    Args:
        messages: in the order they were said.
        relevant: how much each bears on the opening; shape (messages,).
        whole: tokens up to which a message comes whole, and of a longer one a passage or two.
        of_assistant: whether that asks for what the assistant said: its words weigh as much,
            then, and their length costs little.
    """
    sizes = np.array([one.size for one in messages], dtype=np.float64)
    by_user = np.array([one.source == "user" for one in messages], dtype=bool)
    of_user = 1.0 if of_assistant else _weight_of_user(sizes, by_user)
    weight = np.where(by_user, of_user, 1.0)
    weight[np.array([one.wish for one in messages], dtype=bool)] *= _STANDING
    is_heap = np.array([one.source not in _SPEAKERS for one in messages], dtype=bool)
    sizes[is_heap & (sizes > whole)] = min(whole, _PASSAGES)
    price = _PRICE_OF_ANSWER if of_assistant else _PRICE
    worth: Floats = relevant * weight / np.maximum(sizes, _SHORT) ** price
    return worth


def _weight_of_user(sizes: Floats, by_user: npt.NDArray[np.bool_]) -> float:
    if not by_user.any() or by_user.all():
        return 1.0
    longer = sizes[~by_user].mean() / max(sizes[by_user].mean(), 1.0)
    return float(np.clip(longer**0.5, 1.0, _MOST_OF_USER))
