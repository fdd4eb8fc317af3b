"""A text goes in; out come the spans of it that stand between marks.

Quotation marks of every language, fences, tags, lines with `>`, indented lines and tables. What
counts is the first mark of a sort and the last: a text that closes its own quotation in the
middle is still inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

Span = tuple[int, int]

LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
SENTENCE_END = re.compile(r"[.!?…](?=[\s\"'”’»)\]]|$)|[。！？｡；؟।۔]")
_FENCE = re.compile("```|~~~|'''|\"\"\"")
_TAG = re.compile(
    r"(?<!\w)[<＜‹⟨][/!?／]?[A-Za-z][^<>＜＞\n@]{0,200}[>＞›⟩]|\[/?(?:quote|code|cite|inst)\b[^\]\n]{0,80}\]",
    re.IGNORECASE,
)
_CLOSING_TAG = re.compile(r"[<＜‹⟨][/／]|[/／][>＞›⟩]$|\[/")
_QUOTED_LINE = re.compile(r"[^\S\n]*(?:[>＞|│┃¦▌❯]|&gt;)")
_MARKED_LINE = re.compile(r"[^\S\n]*(?:[>＞|│┃¦▌❯]|&gt;)|\t|    |[^|\n]*\|[^|\n]*\||[^\t\n]*\S\t")

# Quotation marks, by families that do not close one another; of those for a word the ones that
# open are told from those that close, and from apostrophes, by what stands beside them.
_SPEECH = re.compile('(?<!\\d)["＂“”„‟〝〞〟❝❞«»‹›]|(?<=\\d)[“”»]')
_WORDS = re.compile("(?<!\\w)['‘’‚‛`](?=\\w)|(?<=[\\w.!?…,])['‘’`](?!\\w)|[‚‛]")
_EAST = re.compile("[「」『』｢｣]")
# A word that is mentioned, as in: say "done" when you are done.
_LONGEST_MENTION = 60


def between_marks(text: str) -> list[Span]:
    """What stands between marks, from the first of each sort to the last."""
    inside = _merged([*_fenced(text), *_tagged(text)])
    inside = _merged([*inside, *_marked_lines(text, inside)])
    return _merged([*inside, *_quoted(text, inside)])


def _fenced(text: str) -> Iterator[Span]:
    fences = list(_FENCE.finditer(text))
    if fences:
        line_end = _line_end(text, fences[-1].end())
        yield fences[0].start(), line_end if len(fences) > 1 else len(text)


def _tagged(text: str) -> Iterator[Span]:
    tags = [tag for tag in _TAG.finditer(text) if "://" not in tag.group()]
    if tags:
        closed = any(_CLOSING_TAG.search(tag.group()) for tag in tags)
        yield tags[0].start(), tags[-1].end() if closed else len(text)


def _marked_lines(text: str, inside: Sequence[Span]) -> Iterator[Span]:
    """Lines that bear a mark; a quoted paragraph goes on to its end, whatever its lines bear."""
    starts = set(_outside(LINE, text, inside))
    lines = [found.span() for found in LINE.finditer(text)]
    marked = [
        n
        for n, (start, end) in enumerate(lines)
        if start in starts and _MARKED_LINE.match(text, start, end)
    ]
    if not marked:
        return
    last = marked[-1]
    if _QUOTED_LINE.match(text, *lines[last]):
        while last + 1 < len(lines) and text.count("\n", lines[last][1], lines[last + 1][0]) < 2:
            last += 1
    yield lines[marked[0]][0], lines[last][1]


def _quoted(text: str, inside: Sequence[Span]) -> Iterator[Span]:
    """From the first quotation of more than a mention to the last quotation mark of its family."""
    for family in (_SPEECH, _WORDS, _EAST):
        marks = list(_outside(family, text, inside))
        if family is _WORDS:
            marks = _paired(text, marks)
        if not marks:
            continue
        pairs = list(zip(marks[::2], marks[1::2], strict=False))
        between = (text[a:b] for a, b in zip(marks[1::2], marks[2::2], strict=False))
        closed = len(marks) % 2 == 0
        mentions = all(_is_mention(text[a + 1 : b]) for a, b in pairs)
        # Sentences between two quotations may be the inside of one that closes itself.
        if closed and mentions and not any(map(SENTENCE_END.search, between)):
            continue
        first = next((a for a, b in pairs if not _is_mention(text[a + 1 : b])), marks[0])
        yield first, marks[-1] + 1 if closed else len(text)


def _paired(text: str, marks: Sequence[int]) -> list[int]:
    """Those of the marks for a word that open one or close an open one; the last is closed."""
    paired: list[int] = []
    for at in marks:
        closes = at > 0 and (text[at - 1].isalnum() or text[at - 1] in ".!?…,")
        if closes == bool(len(paired) % 2):
            paired.append(at)
    return paired[: len(paired) // 2 * 2]


def _outside(sign: re.Pattern[str], text: str, inside: Sequence[Span]) -> Iterator[int]:
    """Places of a sign outside of spans."""
    rest = iter(inside)
    span = next(rest, None)
    for found in sign.finditer(text):
        while span is not None and span[1] <= found.start():
            span = next(rest, None)
        if span is None or found.start() < span[0]:
            yield found.start()


def _is_mention(quoted: str) -> bool:
    return len(quoted) <= _LONGEST_MENTION and not SENTENCE_END.search(quoted)


# --- spans ------------------------------------------------------------------------------------


def _line_end(text: str, at: int) -> int:
    found = LINE.match(text, at)
    return found.end() if found else at


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def complement(spans: Sequence[Span], length: int) -> list[Span]:
    """What is outside of some spans of a text, in order."""
    edges = [0, *(edge for span in spans for edge in span), length]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def split_at(span: Span, places: Sequence[int]) -> list[Span]:
    """A span cut at some places."""
    edges = [span[0], *(one for one in places if span[0] < one < span[1]), span[1]]
    return [(a, b) for a, b in pairwise(edges) if a < b]
