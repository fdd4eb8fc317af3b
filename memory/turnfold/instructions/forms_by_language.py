"""The words in which people of many languages ask for something for good.

A language is a table of phrases in `wish_forms.toml`, matched against `plainly` written text. Few
words of each are needed: what people wish of an assistant is said in few ways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Any, Protocol

from turnfold_stores.cached_value import cached_property

from turnfold.instructions.forms import Form
from turnfold.instructions.phrases import any_of, words_of
from turnfold.language.tables import table

_SCRIPTS = {  # kana before ideographs, which are in both
    "ja": re.compile("[\u3040-\u30ff]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
    "ko": re.compile("[\uac00-\ud7ff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
}


# Latin letters of a language without a table, whose words are those of others without them.
_VIETNAMESE = re.compile("[\u1ea0-\u1ef9]")
# What share of the words of a sentence has to be known, to tell its language by them.
_LEAST_KNOWN = 0.2
# Words behind a wish that make it sound like a question: "ok?", "va bene?".
_LONGEST_TAG = 2


class Language(Protocol):
    """A language whose wishes are known."""

    @property
    def standing(self) -> re.Pattern[str]:
        """What says that something is for good."""
        ...

    def form_of(self, clauses: Sequence[str], *, asked: bool) -> Form:
        """How much a sentence is like a standing wish.

        Args:
            clauses: of the sentence, `plainly` written.
            asked: whether it is a question.
        """
        ...


class _State(Enum):
    """What the clauses before one have said."""

    START = auto()
    PENDING = auto()  # "from now on", or "whenever I ask"
    TOLD = auto()  # something that happened
    REPORTED = auto()  # what somebody said
    ONCE = auto()  # "for now"


@dataclass(frozen=True)
class HeadFirst:
    """How wishes are said where a command stands at the head of its clause.

    Attributes:
        lead: what may stand before a wish and is none of it: please, and, one more thing.
        standing: what says that something is for good: always, from now on.
        manner: commands about how to answer or to behave, at the head of a clause.
        other: what begins like these and is none of them.
        refrain: what forbids, at the head of a clause.
        wanting: "I'd like you to", at the head of a clause.
        asking: "could you please", at the head of a question that is none.
        condition: "whenever I", at the head of a clause that another one follows.
        you: who is addressed, at the head of a clause.
        telling: what a clause begins with that tells something.
        saying: verbs of what others said.
        once: now, today, this time.
        names_first: whether what stands between one unknown word and the verb is told of it.
    """

    lead: re.Pattern[str]
    standing: re.Pattern[str]
    manner: re.Pattern[str]
    other: re.Pattern[str]
    refrain: re.Pattern[str]
    wanting: re.Pattern[str]
    asking: re.Pattern[str]
    condition: re.Pattern[str]
    you: re.Pattern[str]
    telling: re.Pattern[str]
    saying: re.Pattern[str]
    once: re.Pattern[str]
    names_first: bool = False

    def form_of(self, clauses: Sequence[str], *, asked: bool) -> Form:
        """See `Language.form_of`."""
        if asked:
            head = _bare(self.lead, clauses[0])
            polite = self.asking.match(head) and any(map(self.standing.search, clauses))
            *rest, tag = clauses
            if not polite and rest and len(tag.split()) <= _LONGEST_TAG:
                # "Always answer in French, ok?" asks nothing.
                polite = self.form_of(rest, asked=False) is Form.PLAIN
            return Form.POSSIBLE if polite else Form.NONE
        best = Form.NONE
        state = _State.START
        for clause in clauses:
            head = _bare(self.lead, clause)
            if self.saying.match(head):
                return Form.NONE  # "..., said the mail"
            form, state = self._clause(head, state)
            if state is _State.REPORTED and best is Form.NONE:
                return Form.NONE
            best = max(best, form)
        return best

    def _clause(self, head: str, state: _State) -> tuple[Form, _State]:
        """The form of a clause, and what it leaves to the next one."""
        if self.other.match(head):
            return Form.NONE, state
        if self.condition.match(head):
            return (Form.POSSIBLE if self.you.search(head) else Form.NONE), _State.PENDING
        for_good = state is _State.PENDING
        while found := self.standing.match(head):
            head, for_good = _bare(self.lead, head[found.end() :]), True
        if not head:
            return Form.NONE, _State.PENDING if for_good else state
        lasting = for_good or self.standing.search(head) is not None
        form = Form.PLAIN if lasting else Form.POSSIBLE
        if self.wanting.match(head):
            return form, _State.START
        if self.refrain.match(head) or self.manner.match(head):
            is_once = state is _State.ONCE or self.once.search(head)
            return (form if lasting or not is_once else Form.NONE), _State.START
        if self.saying.search(head):
            return Form.NONE, _State.REPORTED
        if not lasting or self.telling.match(head):
            # "Now" alone begins what is told.
            only_once = " " in head and self.once.fullmatch(head)
            return Form.NONE, _State.ONCE if only_once else _State.TOLD
        if not for_good and (state is _State.TOLD or self._tells_of(head)):
            return Form.NONE, _State.TOLD
        return (Form.PLAIN if for_good and not self.you.match(head) else Form.POSSIBLE), state

    def _tells_of(self, head: str) -> bool:
        """Whether a clause tells what someone always does: "Tom always comes late"."""
        _, _, after = head.partition(" ")
        return self.names_first and self.standing.match(after) is not None


@dataclass(frozen=True)
class VerbLast:
    """How they are said where the verb stands last, or words are not set apart.

    Attributes:
        lead: what may stand before a wish and is none of it.
        standing: what says that something is for good.
        request: what a request is made with.
        manner: what requests about how to answer speak of.
        refrain: what forbids.
        wanting: what says that something is wanted.
        telling: what a clause begins with that tells something.
        saying: of what others said.
        other: requests for one thing, and no requests.
    """

    lead: re.Pattern[str]
    standing: re.Pattern[str]
    request: re.Pattern[str]
    manner: re.Pattern[str]
    refrain: re.Pattern[str]
    wanting: re.Pattern[str]
    telling: re.Pattern[str]
    saying: re.Pattern[str]
    other: re.Pattern[str]

    def form_of(self, clauses: Sequence[str], *, asked: bool) -> Form:
        """See `Language.form_of`."""
        if any(map(self.saying.search, clauses)):
            return Form.NONE
        best, pending = Form.NONE, False
        for clause in clauses:
            head = _bare(self.lead, clause)
            wanted = self.wanting.search(head)
            if self.telling.match(head) and not wanted:
                continue
            lasting = self.standing.search(head) is not None
            forbids = self.refrain.search(head)
            requested = wanted or forbids or self.request.search(head)
            if requested and (lasting or pending):
                best = max(best, Form.POSSIBLE if asked else Form.PLAIN)
            elif (
                requested
                and (forbids or self.manner.search(head))
                and not (asked or self.other.search(head))
            ):
                best = max(best, Form.POSSIBLE)
            pending = pending or lasting
        return best


def _bare(lead: re.Pattern[str], clause: str) -> str:
    """A clause without what may stand before a wish."""
    clause = clause.strip(" -*•\"'")
    while found := lead.match(clause):
        clause = clause[found.end() :].strip(" -*•\"'")
    return clause


class _Languages:
    """The tables as patterns, each compiled when a text in its language is first met."""

    def __init__(self) -> None:
        self._read: dict[str, Language] = {}

    def __getitem__(self, name: str) -> Language:
        if name not in self._read:
            kind = HeadFirst if self._tables[name]["order"] == "head-first" else VerbLast
            said = self._tables[name]
            parts: dict[str, Any] = {
                part.name: any_of(said[part.name]) if part.name != "names_first" else True
                for part in fields(kind)
                if part.name in said
            }
            self._read[name] = kind(**parts)
        return self._read[name]

    @cached_property
    def _tables(self) -> dict[str, dict[str, Any]]:
        return table("wish_forms.toml")

    @cached_property
    def small(self) -> dict[str, frozenset[str]]:
        """Of each language that is written in Latin letters the words that show it."""
        tables = self._tables.items()
        return {name: words_of(said["small"]) for name, said in tables if "small" in said}


_LANGUAGES = _Languages()


def languages_of(sentence: str, said: str) -> list[Language]:
    """The languages a sentence may be in; [] where it is in none that is known.

    Args:
        sentence: as it stands.
        said: the same, `plainly` written.
    """
    for name, script in _SCRIPTS.items():
        if script.search(said):
            return [_LANGUAGES[name]]
    whole = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", said)
    words = [one for word in whole for one in {word, *word.split("'")}]
    if not words or _VIETNAMESE.search(sentence):
        return []
    # A letter is a word in many languages: it counts least.
    hits = {
        name: (
            sum(len(one) > 1 and one in small for one in words),
            sum(one in small for one in words),
        )
        for name, small in _LANGUAGES.small.items()
    }
    most = max(hits.values())
    if most[1] >= _LEAST_KNOWN * len(words):
        return [_LANGUAGES[name] for name, count in hits.items() if count == most]
    return []


def latin_languages() -> list[Language]:
    """Those that are told by their words."""
    return [_LANGUAGES[name] for name in _LANGUAGES.small]
