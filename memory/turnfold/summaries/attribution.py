"""A note goes in; it comes out with who said it, where that was not the user.

A tool's result may hold "the user's account is DE00 9999", and so may a document, or a mail that
the user passed on. What only they say is kept as what they say: the note begins with it. Whose it
is, is told by its words: those that mean something are looked for in what each side said in the
turns the note cites.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from turnfold_stores.cached_value import cached_property

from turnfold.history.utterances import Utterance
from turnfold.instructions.enclosed import SENTENCE_END, complement
from turnfold.instructions.own_voice import own_words
from turnfold.language.words import bare, carries_matter, stem
from turnfold.summaries.notes import Item, SummaryJob
from turnfold.summaries.readings import Reading

# How a note begins that somebody else says; of tools and documents first, then of the user's own
# messages what is not in the user's voice, then of the assistant.
SAID_BY = {
    "tool": "a tool said: ",
    "document": "a document said: ",
    "passed on": "in a text the user sent: ",
    "assistant": "the assistant said: ",
}
SENT = "sent by the user"
"""The source of what stands in a user's message and is not in the user's voice."""

_BEGINS_SO = re.compile(
    r"(?:an?|the|one)?\s*(?:tool|document|search|page|website|site|file|mail|e-?mail|letter"
    r"|message|article|text|result|transcript|assistant)s?\b[^.:!?]{0,60}"
    r"\b(?:said|says|say|told|tells|reported|reports|returned|returns|states?|stated|lists?|listed"
    r"|shows?|showed|gave|gives|found|wrote|writes|asks|asked|claims?|claimed|suggest(?:s|ed)|has|reads)\b"
    r"|(?:tool|document|assistant|sent by the user|in a text the user sent): ",
    re.IGNORECASE,
)
_OF_THE_USER = re.compile(
    r"\busers?\b|nutzer|utilisateur|usuari|utente|utilizador|gebruiker|użytkowni|пользовател"
    r"|користувач|brukere?n|användare|kullanıcı|用户|用戶|使用者|ユーザー|사용자|المستخدم|उपयोगकर्ता",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u9fff\uac00-\ud7ff]{2,}")
# Letters of a user's message in which whose voice it is can be told sentence by sentence.
_MOST_PROSE = 20_000


def is_attributed(text: str) -> bool:
    """Whether a note says of all it says that another than the user said it."""
    return bool(_BEGINS_SO.match(text)) and len(SENTENCE_END.findall(text.rstrip(".!?…。 "))) == 0


@dataclass(frozen=True)
class _Voice:
    """What one side said in some turns."""

    texts: list[str] = field(default_factory=list)
    words: set[str] = field(default_factory=set)

    def hear(self, text: str, read: Reading) -> None:
        """Take in a text."""
        self.texts.append(text)
        self.words.update(read.words)
        self.words.update(map(stem, read.words))

    def says(self, word: str) -> bool:
        """Whether a word stands there, in whatever form of it."""
        if _UNSPACED.match(word):
            return any(word in text for text in self.texts)
        return not self.words.isdisjoint((word, stem(word), word + "s", word.removesuffix("s")))


class Speakers:
    """Who said what in the turns of a job."""

    def __init__(self, job: SummaryJob, read: Callable[[str], Reading]) -> None:
        """Args:
        job: the turns.
        read: what a text says; readings are kept by whoever gives them.
        """
        self._job = job
        self._read = read
        self._of_turn: dict[int, dict[str, _Voice]] = {}

    def attributed(self, item: Item) -> Item:
        """An item with who said it, where that was not the user."""
        if item.kind == "instruction" or is_attributed(item.text):
            return item
        speaker = self._speaker(item)
        return replace(item, text=SAID_BY[speaker] + item.text) if speaker else item

    def _speaker(self, item: Item) -> str:
        """Whose words an item is made of; "" for the user's, or where nothing tells."""
        voices = [self._voices(turn) for turn in item.turns]

        def says(who: str, word: str) -> bool:
            return any(who in one and one[who].says(word) for one in voices)

        words = dict(_words_of(item.text))
        of_user = {word for word in words if says("user", word) or self._known.says(word)}
        of_assistant = {word for word in words if says("assistant", word)} - of_user
        rest = words.keys() - of_user - of_assistant
        of_others = {who: {word for word in rest if says(who, word)} for who in _STRANGERS}
        others = set().union(*of_others.values())
        told = len(of_user) + len(of_assistant) + len(others)
        # What happened is told of all sides; a name or a number in it is somebody's.
        most = 2 * len(others) >= told and item.kind != "narrative"
        if others and (most or any(words[word] for word in others)):
            return max(of_others, key=lambda who: len(of_others[who]))
        if _OF_THE_USER.search(item.text) and 2 * len(of_assistant) > told:
            return "assistant"
        return ""

    @cached_property
    def _known(self) -> _Voice:
        """What was known before, but for what was known to be said by others."""
        known = _Voice()
        texts = [one.text for one in self._job.known if not is_attributed(one.text)]
        for text in (*texts, *_own_texts(self._job.before)):
            known.hear(text, self._read(text))
        return known

    def _voices(self, turn: int) -> dict[str, _Voice]:
        if turn not in self._of_turn:
            voices: dict[str, _Voice] = {}
            for who, text in _voiced(self._job.exchanges[turn - self._job.first]):
                voices.setdefault(who, _Voice()).hear(text, self._read(text))
            self._of_turn[turn] = voices
        return self._of_turn[turn]


_STRANGERS = ("tool", "document", "passed on")


def _voiced(exchange: Sequence[Utterance]) -> Iterator[tuple[str, str]]:
    """What was said in an exchange, the user's messages apart by whose voice is in them.

    A message that holds more than the user's voice is there as a whole, too: the user's words are
    looked for first.
    """
    for said in exchange:
        if said.source != "user":
            yield said.source, as_said(said)
    for text, spans in own_words(exchange, most_prose=_MOST_PROSE):
        for start, end in spans:
            yield "user", text[start:end]
        if any(text[start:end].strip() for start, end in complement(spans, len(text))):
            yield "passed on", as_said(Utterance("user", text))


def parts_of(exchange: Sequence[Utterance]) -> Iterator[Utterance]:
    """What was said in an exchange, in order, the user's messages in parts.

    What is not in the user's voice has the source "sent by the user".
    """
    own = iter(own_words(exchange, most_prose=_MOST_PROSE))
    text, spans = next(own, ("", []))
    for said in exchange:
        if said.source != "user" or said.text != text:
            yield said
            continue
        edges = sorted({0, len(text), *(edge for span in spans for edge in span)})
        for start, end in pairwise(edges):
            is_own = any(a <= start and end <= b for a, b in spans)
            yield Utterance("user" if is_own else SENT, text[start:end])
        text, spans = next(own, ("", []))


def as_said(said: Utterance) -> str:
    """What was said, after who said it."""
    return f"{said.source}: {said.text}"


def _own_texts(exchange: Sequence[Utterance]) -> list[str]:
    return [text for who, text in _voiced(exchange) if who == "user"]


def _words_of(text: str) -> Iterator[tuple[str, bool]]:
    """The words of a note that mean something, each with whether it names something."""
    fresh = True
    text = _OF_THE_USER.sub(" ", text)
    for found in _WORD.finditer(text):
        word = found.group()
        names = any(c.isdigit() for c in word) or (word[0].isupper() and not fresh)
        fresh = bool(SENTENCE_END.match(text, found.end()))
        for run in _UNSPACED.findall(word):
            for at in range(len(run) - 1):
                yield run[at : at + 2], False
        if not _UNSPACED.search(word) and carries_matter(word):
            yield bare(word), names
