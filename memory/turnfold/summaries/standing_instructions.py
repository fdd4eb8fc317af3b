"""What was said goes in; out comes what of it the user wishes to be done from then on.

A standing wish is a sentence of the user's own voice (`voice.py`), of the form of one
(`forms.py`), and short. Where a summarizer calls a sentence one, that is what it has to be. Code
alone takes for one only a message that says nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from turnfold_stores.cached_value import cached_property

from turnfold.history.utterances import Utterance
from turnfold.instructions.enclosed import Span
from turnfold.instructions.forms import LONGEST_WISH, STOPS, Form, asks, form_of, sentences_of
from turnfold.instructions.own_voice import own_words
from turnfold.instructions.phrases import plainly
from turnfold.instructions.voice_marks import MARKS
from turnfold.summaries.notes import SummaryJob

# Wishes that code alone finds in a job, at most; letters of a message that is one; and of what may
# stand beside it, as "Hello" or "Thank you".
_MOST_FOUND = 12
_LONGEST_MESSAGE = 240
_LONGEST_GREETING = 40
# Sentences of a wish, at most.
_MOST_SENTENCES = 3

_QUOTES = "\"'“”‘’«»„「」『』` "
_BEFORE = " -*•"
_WRAPPING = frozenset(",，、;；")
# Letters of Thai, Lao and Khmer, in which a blank ends a sentence and no mark does.
_ENDED_BY_BLANK = re.compile(r"[\u0e01-\u0eff\u1780-\u17ff]")


class Wishes:
    """The user's voice in some exchanges, which is read once."""

    def __init__(self, exchanges: Sequence[Sequence[Utterance]], first: int) -> None:
        """Args:
        exchanges: what each says.
        first: number of the first of them.
        """
        self._exchanges = exchanges
        self._first = first

    def turns_of(self, wish: str) -> tuple[int, ...]:
        """The turns in which a text is a standing wish of the user's, word for word.

        Returns:
            Numbers of exchanges; none where the user did not wish it.
        """
        shown = " ".join(wish.split())
        if len(shown) > LONGEST_WISH + 2:
            return ()
        bare = shown.strip(_QUOTES)
        words = [one.rstrip(STOPS) for one in dict.fromkeys((shown, bare))]
        first, *more = [*sentences_of(bare), ""]
        if len(more) > _MOST_SENTENCES or not asks(first if more[:-1] else bare):
            return ()
        return tuple(
            turn
            for turn, voices in enumerate(self._voices, self._first)
            if any(_stands_in(one, voice) for one in words if one for voice in voices)
        )

    @cached_property
    def _voices(self) -> list[list[str]]:
        return [
            [_voice_alone(text, spans) for text, spans in own_words(exchange) if spans]
            for exchange in self._exchanges
        ]


def standing_instructions(job: SummaryJob) -> list[tuple[int, str]]:
    """Sentences of messages that are nothing but a standing wish of the user's: (turn, words)."""
    found = [
        (turn, sentence)
        for turn, exchange in enumerate(job.exchanges, job.first)
        for sentence in _wished_alone(exchange)
    ]
    return found[-_MOST_FOUND:]


def _wished_alone(exchange: Sequence[Utterance]) -> Iterator[str]:
    texts = own_words(exchange)
    if len(texts) != 1:
        return
    [(text, spans)] = texts
    if len(text) > _LONGEST_MESSAGE or spans != [(0, len(text))]:
        return
    sentences = list(sentences_of(text))
    wishes = [one for one in sentences if form_of(one) is Form.PLAIN]
    if all(one in wishes or _is_greeting(one) for one in sentences):
        yield from wishes


def _is_greeting(sentence: str) -> bool:
    return len(sentence) <= _LONGEST_GREETING and bool(MARKS.greeting.match(plainly(sentence)))


def _stands_in(words: str, shown: str) -> bool:
    """Whether some words are whole sentences of the user's voice; see `_voice_alone`.

    Words cut out of a sentence may say the opposite of it. A line break may end a sentence, or
    just wrap it.
    """
    line = shown.replace("\n", " ")
    by_blank = [bool(_ENDED_BY_BLANK.match(words[place])) for place in (0, -1)]
    closed = words[-1] in _QUOTES and words[-2:-1] != "" and words[-2] in STOPS
    at = line.find(words)
    while at >= 0:
        end = at + len(words)
        before = shown[:at].rstrip(_BEFORE)
        after = shown[end:].lstrip(" ")
        opens = not before or before[-1] in STOPS + "\n" or (by_blank[0] and shown[at - 1] == " ")
        ends = not after or after[0] in STOPS + "\n" or (by_blank[1] and shown[end] == " ")
        if opens and (closed or ends):
            return True
        at = line.find(words, at + 1)
    return False


# Stands for what is not the user's voice: no text holds it, and no sentence ends at it.
_FOREIGN = "\x00"


def _voice_alone(text: str, spans: Sequence[Span]) -> str:
    """The user's voice, each run of blanks as one, with what is foreign as a mark."""
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        parts.append("\n" if start == end else _FOREIGN)
        parts.append(text[start:stop])
        end = stop
    if end < len(text.rstrip()):
        parts.append(_FOREIGN)
    lines = [" ".join(line.split()) for line in "".join(parts).splitlines()]
    shown = ""
    for line in lines:
        # A comma goes on in the next line, but for one behind a greeting.
        wraps = shown[-1:] in _WRAPPING and not MARKS.greeting.match(
            plainly(shown.rsplit("\n", maxsplit=1)[-1])
        )
        shown += (" " if wraps and line else "\n") + line
    return shown.strip("\n ")
