"""A sentence goes in; out comes whether it asks for something to be done from then on.

A standing wish has a form: it commands ("answer in French"), forbids ("no bullet points") or asks
("I'd like you to ..."), and says of it that it is for good ("always", "from now on") or speaks of
how to answer rather than of something to be made. A request for one thing ("write her the
reply"), a story ("so from now on everything starts at 40 mm"), a question and a thank-you have
another. The words for it are those of `forms_by_language.py`; what is written in a language that
is not there is judged by its length and its marks alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any

from turnfold_stores.process.fork import importing

from turnfold.instructions.phrases import plainly
from turnfold.instructions.voice_marks import MARKS

STOPS = ".!?…。！？｡؟।۔"
"""What ends a sentence."""

# Of a wish, in characters.
LONGEST_WISH = 280
# Words of one in a language that is not known: fewer are a greeting or a thank-you.
_LEAST_WORDS = 4
_LONGEST_UNKNOWN = 120
# Words of a task that does not say what is to be worked on: it is what follows.
_SHORT_TASK = 2

_CLAUSE = re.compile(r"[,;:()–—،؛、，；：→⇒➜]|\s-\s|[.!?…。！？।۔]")
_QUOTED = re.compile(
    '["“”„«»‹›「」『』＂‘’\'`]([^"“”„«»‹›「」『』＂`]{0,80})["“”„«»‹›「」『』＂’\'`](?!\\w)'
)
_ASKED = re.compile(r"[?？؟]\s*[\"'”’»)]*\s*$|^\s*¿")
_ENDED = re.compile(r"[.!?…](?:[\"'”’»)\]]{0,3}(?=\s)|$)|[。！？｡۔؟।][」』”]?|\n")
_CODE = re.compile(r"[^\W\d_]\d|\d[^\W\d_]")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class Form(IntEnum):
    """How much a sentence is like a standing wish."""

    NONE = 0
    UNKNOWN = 1  # in a language that is not known
    POSSIBLE = 2  # if a reader of the whole talk takes it for one
    PLAIN = 3  # whoever reads it


@cache
def _languages() -> Any:
    """The tables of all languages, loaded when first used."""
    with importing:
        from turnfold.instructions.forms_by_language import languages_of, latin_languages
    return languages_of, latin_languages


def form_of(sentence: str) -> Form:
    """How much a sentence is like a standing wish."""
    if len(sentence) > LONGEST_WISH or not _WORD.search(sentence):
        return Form.NONE
    return _form_of(sentence)


# A sentence is asked about by several who read it, and lists and logs repeat theirs.
@lru_cache(maxsize=2_048)
def _form_of(sentence: str) -> Form:
    languages_of, latin_languages = _languages()
    asked = _ASKED.search(sentence) is not None
    said = plainly(_QUOTED.sub(" x ", sentence))
    clauses = [one.strip() for one in _CLAUSE.split(said) if one.strip()]
    if not clauses or (len(clauses) > 1 and _is_task(clauses[0])):
        return Form.NONE
    languages = languages_of(sentence, said)
    known = bool(languages)
    if not known and re.search("[a-z]", said):
        languages = latin_languages()  # a few words may be enough: "call me Ola"
    form = max((one.form_of(clauses, asked=asked) for one in languages), default=Form.NONE)
    if known or form > Form.NONE:
        return form
    return Form.NONE if asked or not _is_sentence(said) else Form.UNKNOWN


def _is_sentence(said: str) -> bool:
    """Whether a text in a language that is not known may be a wish, by its looks."""
    words = _WORD.findall(said)
    enough = len(words) >= (_LEAST_WORDS if re.search("[a-z]", said) else 1)
    return enough and len(said) <= _LONGEST_UNKNOWN and not _CODE.search(said)


def _is_task(clause: str) -> bool:
    """Whether a clause asks for something to be done with what follows it: "translate this"."""
    if MARKS.task.match(clause):
        return len(clause.split()) <= _SHORT_TASK or bool(MARKS.pointing.search(clause))
    return " " not in clause and bool(MARKS.task.search(clause) and MARKS.pointing.search(clause))


def asks(text: str) -> bool:
    """Whether a sentence, or one of a few, may be a standing wish."""
    forms = [form_of(sentence) for sentence in sentences_of(text)]
    return max(forms, default=Form.NONE) > Form.UNKNOWN or forms == [Form.UNKNOWN]


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of a text, in order, without blanks around them; a line ends one."""
    start = 0
    for end in _ENDED.finditer(text):
        if text[start : end.end()].strip():
            yield text[start : end.end()].strip()
        start = end.end()
    if text[start:].strip():
        yield text[start:].strip()
