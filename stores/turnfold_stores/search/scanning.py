"""A text goes in; out come stretches, words and tokens, in one pass and in linear time.

This is the one place that says, by Unicode and for every language alike, what a word is, a
number, an identifier, a link, a quotation and the end of a sentence. What reads texts reads
these, and runs no pattern of its own over a text of any length.

Whatever is written, a text of n characters costs some n steps: every pattern here either takes
what it has looked at, or looks at no more than a bounded number of characters. No call into
`re` or `unicodedata` gets more than a stretch, so other threads are never kept waiting.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

_MOST_SWELLING = 4
Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
Kind = Literal["word", "number", "code", "link", "opaque", "mark"]

STRETCH = 4_096
"""Characters that are read at one go."""
LONGEST_RUN = 64
"""Characters up to which an unbroken run of letters and digits is read; a longer one is opaque."""
_LONGEST_CODE = 200
_LONGEST_LINK = 2_000

# Signs that belong to the letter before them, such as the vowels of Indic scripts: `re` takes
# none for a part of a word. All that the Basic Multilingual Plane has but for variation selectors.
MARKS = "".join(
    chr(code)
    for start, end in ((0x300, 0x1E00), (0x20D0, 0x2100), (0x302A, 0x309B), (0xA66F, 0xAC00))
    for code in range(start, end)
    if unicodedata.category(chr(code))[0] == "M"
)
"""Signs on letters."""
_RUN = rf"[^\W_]++(?:[{MARKS}]++[^\W_]*+)*+"
WORD = re.compile(rf"{_RUN}(?:['’]{_RUN})*+")
"""Letters and digits with the signs on them, and what an apostrophe joins to them."""

LINK = re.compile(
    rf"(?:\b[a-zA-Z][a-zA-Z0-9+]{{1,11}}://|[wW]{{3}}\.)[^\s<>\"]{{1,{_LONGEST_LINK}}}+"
)
"""The address of a page, a bucket, a database: whatever has a scheme."""

_TOKEN = re.compile(
    rf"({LINK.pattern})"
    # What dots, dashes and the like join: a word, a number, an identifier, a path, an address.
    r"|(#?\w++(?:[-./\\:#@+~]{1,2}\w++)*+)"
    r"|[^\w\s]++"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")
_MEASURE = re.compile(r"\d[\d.,]*+(?:st|nd|rd|th|k|m|bn|[a-zA-Z]{1,3}|mins?|secs?|hours?)?")
_WORDS_AND_NUMBER = re.compile(
    r"\d+(?:st|nd|rd|th)?(?:-[A-Za-z]+)+|[A-Za-z]+(?:-[A-Za-z]+)+(?:-\d+)?"
)
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")  # 3.11.2, 192.168.0.1
_PATH = re.compile(r"\w[./\\@]\w{2,}")
_EITHER_OR = re.compile(r"\w+/\w+")
_HUMP = re.compile(r"[a-z][A-Z]")
_QUOTATION = re.compile(
    r'"([^"\n]{2,400}+)"|`([^`\n]{2,200}+)`|(?<!\w)\'([^\'\n]{2,200}+)\'(?!\w)'
    r"|[「『《«]([^「」『』《》«»\n]{1,200}+)[」』》»]"
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*+\s++|(?<=[。！？])|\n\s*+")
# Behind which of these a text is cut into stretches: the first that is found.
_CUTS = ("\n", ". ", "? ", "! ", "。", " ", "，", "\u3000")
STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ð": "d", "ß": "ss"}
    | {"Ø": "O", "Ł": "L", "Đ": "D", "Æ": "AE", "Œ": "OE", "Ð": "D"}
)
"""Letters with a stroke or tie, which do not come apart in Unicode, and what stands for them."""
# Unicode's stream-safe form allows 30 marks on a letter. Putting them in order takes the square
# of their number, so no more than some 100 characters are normalized at a time; a slice ends
# before an ASCII character where there is one, for that never joins what stands before it.
_SLICE = re.compile(r"[\s\S]{1,96}+(?:[^\x00-\x7f]{1,32}+)?")


class Token(NamedTuple):
    """A piece of a text with what it is.

    What lies between two tokens is blank.

    Attributes:
        kind: a "word"; a "number", which is digits and what joins or follows them closely, so a
            date or a time of day as well; a "code" (an identifier, a file, a path, a version);
            a "link" or mail address; "opaque" for an unbroken run too long to be any of these;
            "mark" for punctuation and symbols.
        text: as it is written.
        start: where it begins.
    """

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


def scan(text: str) -> Iterator[Token]:
    """The tokens of a text, in order."""
    for start, stretch in placed(text):
        for found in _TOKEN.finditer(stretch):
            shown, group = found.group(), found.lastindex
            kind: Kind = kind_of(shown) if group == 2 else "link" if group else "mark"
            yield Token(kind, shown, start + found.start())


def kind_of(run: str) -> Kind:
    """What a run of letters, digits and what joins them is."""
    return "opaque" if len(run) > _LONGEST_CODE else _kind_of(run)


@lru_cache(maxsize=4_096)
def _kind_of(run: str) -> Kind:
    if len(run) > LONGEST_RUN and run.isascii() and run.isalnum():
        return "opaque"
    if "@" in run and _ADDRESS.fullmatch(run):
        return "link"
    shown = run.strip(".-:/")
    if shown.startswith("#") or _VERSION.fullmatch(shown):
        return "code"
    has_digit = any(c.isdigit() for c in shown)
    has_letter = any(c.isalpha() for c in shown)
    if _MEASURE.fullmatch(shown) or _WORDS_AND_NUMBER.fullmatch(shown):
        return "number" if has_digit else "word"
    if has_digit and has_letter:
        return "code"
    if has_digit:
        return "number"
    if "_" in shown or _PATH.search(shown):
        return "word" if _EITHER_OR.fullmatch(shown) else "code"
    return "code" if _HUMP.search(shown) else "word"


def without_links(text: str) -> str:
    """A stretch with a blank for each address of a page."""
    return LINK.sub(" ", text) if "w." in text.lower() or "://" in text else text


def quotations(text: str) -> Iterator[str]:
    """What stands in straight or angular quotation marks or backticks, without them."""
    for stretch in stretches(text):
        for found in _QUOTATION.finditer(stretch):
            yield found[found.lastindex or 0]


def sentence_ends(text: str) -> Iterator[tuple[int, int]]:
    """Where sentences may end, each with where the next one begins; a line ends one, too.

    By its marks alone: whether a dot belongs to an abbreviation is a matter of language.
    """
    return (found.span() for found in _SENTENCE_END.finditer(text))


def stretches(text: str, most: int = STRETCH) -> Iterator[str]:
    """A text in pieces of at most so many characters, that together are the text."""
    return (piece for _, piece in placed(text, most))


def placed(text: str, most: int = STRETCH) -> Iterator[tuple[int, str]]:
    """The stretches of a text, each with where it begins.

    Cut behind a line, else behind a sentence or a blank, and within a run only where it is as
    long as half a stretch.
    """
    at = 0
    while len(text) - at > most:
        end = at + most
        for mark in _CUTS:
            if (found := text.rfind(mark, at + most // 2, end)) >= 0:
                end = found + len(mark)
                break
        yield at, text[at:end]
        at = end
    if at < len(text):
        yield at, text[at:]


def normal(text: str, form: Form) -> str:
    """A text in a normal form of Unicode, in linear time however many marks it heaps up."""
    if text.isascii():
        return text
    if len(text) <= LONGEST_RUN:
        return unicodedata.normalize(form, text)
    return "".join(_normal(piece, form) for piece in _SLICE.findall(text))


def _normal(text: str, form: Form) -> str:
    shown = unicodedata.normalize(form, text)
    # There are characters that stand for whole sentences.
    swollen = "K" in form and len(shown) > _MOST_SWELLING * len(text)
    return unicodedata.normalize(form.replace("K", ""), text) if swollen else shown  # type: ignore[arg-type]


def without_marks(text: str) -> str:
    """A text in compatible forms and without accents and other marks on letters.

    What is a letter of its own to its readers stays: the voicing of kana, the vowels and tones of
    Indic scripts and of Thai.
    """
    if text.isascii():
        return text
    bare = "".join(letter for letter in normal(text, "NFKD") if not _is_accent(letter))
    return normal(bare.translate(STROKES), "NFC")


@lru_cache(maxsize=4_096)
def _is_accent(letter: str) -> bool:
    # By Unicode's combining classes: overlays and nuktas, the points of Hebrew and Arabic, and
    # what stands above, below and beside a letter.
    place = unicodedata.combining(letter)
    return place in {1, 7} or 10 <= place <= 36 or place >= 200
