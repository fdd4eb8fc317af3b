"""What users sent goes in; out come the spans of it that are their own voice.

A message holds more than what its sender has to say: a mail to be summarized, a web page, code,
a lease, what somebody said. All of it comes under the user's name, and none of it speaks for the
user. It is told from the user's own words by how it stands there:

- what stands between marks: quotation marks of every language, fences, tags, `>` and tables.
  Everything from the first mark of a sort to the last is foreign, so that a text that closes its
  own quotation is still inside;
- what begins somewhere and has no end: what follows an introduction ("She wrote me:"), a form of
  address, a heading, a title, a date or a number at the head of a line. All that follows is
  foreign, since a text can say that it has ended;
- what shows that there is no telling: a line of dashes, a complimentary close, more than a page of
  prose. Then nothing is the user's own.

In doubt a text is foreign: the user's words are then kept as a fact like any other. One scan of
the text; nothing is searched again from each place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from turnfold.history.utterances import Utterance
from turnfold.instructions.enclosed import (
    LINE,
    SENTENCE_END,
    Span,
    between_marks,
    complement,
    split_at,
)
from turnfold.instructions.forms import STOPS, asks
from turnfold.instructions.phrases import plainly
from turnfold.instructions.voice_marks import MARKS

# Letters of prose that people write by hand, at the most; an ideograph counts for some letters.
_MOST_PROSE = 1_500
# Characters of a message, with all that stands between marks, past which nobody wrote it by hand.
_MOST_TEXT = 100_000
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTERS_OF_IDEOGRAPH = 2

_COLON = re.compile(r"[:：﹕︰](?=\s|$)|(?<=[^\x00-\u2e7f])[:：﹕]|：")
_RULE = re.compile(r"\s*[-–—_=*~+•·]{3,}")
_ATTRIBUTION = re.compile(r"\s*[–—―]\s?\w")
_HEAD = re.compile(
    r"\s*(?:#{1,6}(?:\s|$)|§|//|\(\(|&\w{1,8};|[→⇒➜➔»›=^~\\]|\S{1,30}>\s|\w{1,30}\s?=\s|/\*|--|;;|%|@|\$\s|>>>|[{}\[\]]"
    r"|\(?\d{1,3}(?:\.\d{1,3}){1,5}[.)]?\s"
    r"|(?:art|article|artikel|artículo|articolo|artigo|clause|section|abschnitt|absatz|ст|пункт"
    r"|статья|madde)\b\.?\s?\d|第[0-9０-９一二三四五六七八九十百]{1,4}[条條章节節款]"
    r"|\[?\(?\d{1,4}[-/.:]\d{1,2}(?:[-/.:]\d{1,4}){0,2}[\s\])])",
    re.IGNORECASE,
)
# As in tables written out: a comma without a blank after it.
_JOINED = re.compile(r"[^\s,;][,;]+(?=[^\W\d_])")
# A line that begins emphasized, and goes on otherwise.
_EMPHASIS = re.compile(r"\s*(\*{1,2}|_{1,2})(?=\w)([^*_\n]{1,80})\1\s*(?=\S)")
_ITEM = re.compile(
    r"\s*(?:[-*•‣▪◦·+]\s|\(?(?:\d{1,2}|[a-zA-Z]|[ivxIVX]{2,4})[.)]\s|[①-⑳]|[0-9０-９]{1,2}[、．])"
)
_TITLE = 80
_LONGEST_INTRODUCTION = 14
_NEAR = 300  # characters before a colon in which its sentence begins
_ARTICLES = frozenset("the le la les el il o het der die das".split())
_ASSISTANT = frozenset("claude assistant ai bot all there zusammen".split())


def own_spans(text: str, *, most_prose: int = _MOST_PROSE) -> list[Span]:
    """The places of a user's text that are the user's own voice, in order.

    Two spans that touch meet after an introduction of the user's own, as in "One rule: be
    brief.": a sentence begins there, too.
    """
    if len(text) > _MOST_TEXT:
        return []
    marked = between_marks(text)
    prose = [span for span in complement(marked, len(text)) if text[span[0] : span[1]].strip()]
    if sum(_letters(text[start:end]) for start, end in prose) > most_prose:
        return []
    return _Prose(text, marked).own()


def own_words(
    exchange: Sequence[Utterance], *, most_prose: int = _MOST_PROSE
) -> list[tuple[str, list[Span]]]:
    """The user's texts of an exchange, each with the spans of it that are the user's own voice.

    They are read as one message: what one of them introduces may stand in the next. See
    `own_spans`.
    """
    texts = [said.text for said in exchange if said.source == "user" and not _is_picture(said.text)]
    spans = own_spans("\n\n".join(texts), most_prose=most_prose)
    found: list[tuple[str, list[Span]]] = []
    offset = 0
    for text in texts:
        end = offset + len(text)
        inside = [
            (max(a, offset) - offset, min(b, end) - offset)
            for a, b in spans
            if a < end and b > offset
        ]
        found.append((text, inside))
        offset = end + 2
    return found


def _is_picture(text: str) -> bool:
    """Whether a text only names what cannot be read, as "[image]"."""
    return text.startswith("[") and text.endswith("]") and text.count("]") == 1


def _letters(text: str) -> int:
    return len(text) + _LETTERS_OF_IDEOGRAPH * sum(1 for _ in _IDEOGRAPH.finditer(text))


# --- without an end ---------------------------------------------------------------------------


class _Prose:
    """What stands outside of marks: no more than a page, so it may be looked at more than once."""

    def __init__(self, text: str, marked: Sequence[Span]) -> None:
        self._text = text
        self._marked = marked
        self._lines = [
            span for span in map(re.Match.span, LINE.finditer(text)) if not self._is_marked(*span)
        ]

    def own(self) -> list[Span]:
        """The spans that are the user's."""
        if any(self._denies(*line) for line in self._lines):
            return []
        begins, ends, breaks = self._own_part()
        spans = [
            (max(a, begins), min(b, ends))
            for a, b in complement(self._marked, len(self._text))
            if a < ends and b > begins
        ]
        return [span for one in spans for span in split_at(one, breaks)]

    def _is_marked(self, start: int, end: int) -> bool:
        """Whether a line is foreign from its first letter on."""
        start += len(self._text[start:end]) - len(self._text[start:end].lstrip())
        return any(a <= start < b for a, b in self._marked)

    def _denies(self, start: int, end: int) -> bool:
        """Whether a line shows that whose words are whose cannot be told."""
        line = self._text[start:end]
        if _RULE.match(line) or _ATTRIBUTION.match(line):
            return True
        return any(MARKS.close.match(plainly(one)) for one in _sentences(line))

    def _own_part(self) -> tuple[int, int, list[int]]:
        """From where to where the prose is the user's, and where introductions end in it."""
        begins = 0
        breaks: list[int] = []
        listed = False
        for number, (start, end) in enumerate(self._lines):
            if not self._text[start:end].strip():
                continue
            cut = self._foreign_from(number, listed=listed)
            introduced: list[int] = []
            if cut != start:
                after, introduced = self._introduced(start, end)
                cut = min((one for one in (cut, after) if one is not None), default=None)
                breaks += introduced
            below, above = self._points(number)
            cut = below if cut is None else cut
            if cut is not None:
                return begins, cut, breaks
            begins = begins if above is None else above
            announced = bool(introduced) and not self._text[introduced[-1] : end].strip()
            listed = announced or (listed and bool(_ITEM.match(self._text, start, end)))
        return begins, len(self._text), breaks

    def _foreign_from(self, number: int, *, listed: bool) -> int | None:
        """Where what a line begins with, or a sentence in it, shows that another speaks on.

        Args:
            number: of the line.
            listed: whether an introduction of the user's announced a list that goes on here.
        """
        start, end = self._lines[number]
        line = self._text[start:end]
        if _HEAD.match(line) or _JOINED.search(line) or _is_labelled(line):
            return start
        if _ITEM.match(line):
            return None if listed else start
        if self._is_title(number) or (self._below(number) and _is_address(line)):
            return start
        for at, sentence in _placed_sentences(line, start):
            if MARKS.address.match(plainly(sentence)) or (at > 0 and _is_address(sentence)):
                return at
        return None

    def _introduced(self, start: int, end: int) -> tuple[int | None, list[int]]:
        """Where a line introduces what is foreign, and the ends of the user's own introductions.

        What an introduction announces may stand between marks: then only that is foreign.
        """
        breaks: list[int] = []
        for colon in _COLON.finditer(self._text, start, end):
            if any(a <= colon.start() < b for a, b in self._marked):
                continue
            near = max(start, colon.start() - _NEAR, *breaks[-1:])
            before = self._text[near : colon.start()]
            begun = near + max([0, *(one.end() for one in SENTENCE_END.finditer(before))])
            said = self._text[begun : colon.start()]
            if self._is_followed_by_marks(colon.end()):
                continue
            if _is_own_introduction(said):
                breaks.append(colon.end())
                continue
            rest = self._text[colon.end() : end]
            if rest.strip() and asks(said):  # as in: always write dates like this: 2026-03-05.
                stop = SENTENCE_END.search(rest)
                return colon.end() + (stop.end() if stop else len(rest)), breaks
            return colon.end(), breaks
        return None, breaks

    def _is_followed_by_marks(self, at: int) -> bool:
        text = self._text
        while at < len(text) and text[at].isspace():
            at += 1
        return any(a <= at < b for a, b in self._marked) and at < len(text)

    def _is_title(self, number: int) -> bool:
        """Whether a line stands above what follows it like a heading."""
        start, end = self._lines[number]
        line = self._text[start:end].strip()
        below = self._below(number)
        if not below or len(line) > _TITLE or line[-1] in STOPS + ",，、;:：":
            return False
        if not line.isupper() and (MARKS.greeting.match(plainly(line)) or asks(line)):
            return False
        if line[0].islower() and below[0].islower():
            return False  # one who writes all in small letters
        if self._text[end : self._lines[number + 1][0]].count("\n") > 1:
            return True
        return below[-1] in STOPS and not below[0].islower()

    def _below(self, number: int) -> str:
        """The line below one; "" for none."""
        if number + 1 >= len(self._lines):
            return ""
        start, end = self._lines[number + 1]
        return self._text[start:end].strip()

    def _points(self, number: int) -> tuple[int | None, int | None]:
        """What is foreign because a line asks for something to be done with a text.

        Returns:
            From where on, and up to where; None for neither.
        """
        start, end = self._lines[number]
        sentences = list(_placed_sentences(self._text[start:end], start))
        for (_, sentence), (at, after) in pairwise(sentences):
            if _points_to_text(sentence) and not MARKS.goes_on.match(plainly(after)):
                return at, None
        last = sentences[-1][1] if sentences else ""
        said = plainly(last)
        if self._text[end:].strip():
            points = (
                _points_to_text(last) or MARKS.presenting.search(said) or MARKS.task.match(said)
            )
            return (end if points else None), None
        if not _points_to_text(last):
            return None, None
        above = self._text[:start].strip() or (len(sentences) > 1 and last[-1:] in "?？؟")
        return None, (end if above else None)


def _points_to_text(sentence: str) -> bool:
    said = plainly(sentence)
    return bool(
        MARKS.document.search(said) or (MARKS.pointing.search(said) and MARKS.task.search(said))
    )


def _is_labelled(line: str) -> bool:
    """Whether what a line begins with, emphasized, names what follows: "*The site* Always ..."."""
    found = _EMPHASIS.match(line)
    if found is None:
        return False
    label = found.group(2)
    return len(label.split()) > 1 and not _is_own_introduction(label) and not asks(label)


def _is_address(line: str) -> bool:
    """Whether a line speaks to somebody, as a letter begins: "Hi Ada,"."""
    said = plainly(line)
    if MARKS.address.match(said):
        return True
    greeted = MARKS.greeting.match(said)
    name = said[greeted.end() :].strip(" ,!，！.") if greeted else ""
    if greeted and name and len(name.split()) <= 3 and not set(name.split()) & _ASSISTANT:
        return line.rstrip()[-1:] in ",，!！:：" or not line.rstrip().endswith(".")
    return line.rstrip(" ,、，").endswith(("様", "御中", "殿", "さん", "先生", "님", "께"))


def _is_own_introduction(said: str) -> bool:
    """Whether a text says nothing but that a wish of the user's follows: "One rule:"."""
    words = plainly(said).strip(" -*•.,!").split()
    if not words or len(words) > _LONGEST_INTRODUCTION or words[0] in _ARTICLES:
        return False  # "The rules:" are anyone's
    return set(words) <= MARKS.own_introduction and bool(set(words) & MARKS.own_matter)


def _sentences(line: str) -> list[str]:
    return [sentence for _, sentence in _placed_sentences(line, 0)]


def _placed_sentences(line: str, at: int) -> Iterator[tuple[int, str]]:
    """The sentences of a line, each with where it begins."""
    start = 0
    for end in SENTENCE_END.finditer(line):
        if line[start : end.end()].strip():
            yield at + start, line[start : end.end()].strip()
        start = end.end()
    if line[start:].strip():
        yield at + start, line[start:].strip()
