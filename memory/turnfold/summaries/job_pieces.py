"""A job that may be too much for one request goes in; jobs that each fit one come out.

Turns are taken in order, whole where they fit, and cut at the widest break near the limit where
they do not. Each piece says which turns it is from, so that what is written about it cites the
turn it was cut from. Each text is gone through once, however long it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from turnfold.accounting.tokens import CountText
from turnfold.history.utterances import Utterance
from turnfold.summaries.notes import Item, SummaryJob

# Claude Haiku 5.5 charges five times as much for each token of a prompt of more than 100,000.
# Estimates are off by some, and by much for what is no prose, so the bound is one of bytes: of
# no text that people or programs write does a tokenizer make a token of fewer than 1.6 bytes.
# What a request says besides the turns (instructions, notes, what came before) has shares of it.
_MOST_BYTES = 160_000
_INSTRUCTION_BYTES = 8_000
_KNOWN_BYTES = 36_000
_BEFORE_BYTES = 4_000
_TURN_BYTES = _MOST_BYTES - _INSTRUCTION_BYTES - _KNOWN_BYTES - _BEFORE_BYTES
COMPARED_BYTES = _MOST_BYTES - _INSTRUCTION_BYTES
"""Notes that may be compared at once."""

# What the instructions take of a small window, in tokens, and how far an estimate is trusted.
_INSTRUCTIONS = 700
_TRUSTED = 0.7
_LEAST_TURNS = 120
# What says whose words they are.
_LABEL_TOKENS = 3
_LABEL_BYTES = 16
_LEAST_ANSWER = 256
# Where a text is cut, the widest break first, and how far back from the limit one is looked for.
_BREAKS = ("\n\n", "\n", ". ", "! ", "? ", "。", "！", "？", "; ", ", ", " ")
_BACK = 0.3


@dataclass(frozen=True, slots=True)
class Reads:
    """What one request may give a summarizer to read.

    Attributes:
        turns: tokens of turns.
        context: tokens of the notes so far; None for as many as there are.
        answer: tokens of its answer, at the most; None for as many as the job allows.
        before: tokens of what was said just before.
    """

    turns: int
    context: int | None = None
    answer: int | None = None
    before: int = 1_000

    @classmethod
    def within(cls, leaf_tokens: int, window: int | None) -> Reads:
        """What a policy and a window allow.

        Args:
            leaf_tokens: the most one request is to read of turns.
            window: of the summarizer, in tokens, where it has said so.
        """
        if window is None:
            return cls(leaf_tokens)
        usable = int(_TRUSTED * window)
        answer, context, before = usable // 4, usable // 8, usable // 16
        left = usable - answer - context - before - min(_INSTRUCTIONS, usable // 2)
        return cls(max(_LEAST_TURNS, min(leaf_tokens, left)), context, answer, before)

    def smaller(self, parts: int) -> Reads:
        """So many times less of the turns at a time."""
        return replace(self, turns=max(_LEAST_TURNS, self.turns // parts))


def pieces_of(job: SummaryJob, reads: Reads, count: CountText) -> list[SummaryJob]:
    """The jobs that together are this one, each of which fits a request; in order.

    Args:
        job: on turns of any size.
        reads: what a request may hold.
        count: counts the tokens of a text.
    """
    scale = _Scale(reads.turns, count)
    job = replace(
        job,
        before=_tail(job.before, reads.before, count),
        known=newest(job.known, count, tokens=reads.context),
        max_tokens=min(job.max_tokens, reads.answer or job.max_tokens),
    )
    sizes = [[scale.of(said.text) for said in exchange] for exchange in job.exchanges]
    total = sum(map(sum, sizes))
    if total <= 1.0:
        return [job]
    most = total / math.ceil(total)  # of about the same size each
    parts = _packed(job, sizes, most, scale)
    answer = max(min(_LEAST_ANSWER, job.max_tokens), job.max_tokens // len(parts))
    before: Sequence[Utterance] = job.before
    jobs: list[SummaryJob] = []
    for part in parts:
        first = part[0][0]
        exchanges: list[list[Utterance]] = [[] for _ in range(part[-1][0] - first + 1)]
        for turn, said in part:
            exchanges[turn - first].append(said)
        jobs.append(
            replace(job, first=first, exchanges=exchanges, before=before, max_tokens=answer)
        )
        if not job.of_steps:
            before = _tail([said for _, said in part], reads.before, count)
    return jobs


class _Scale:
    """Sizes of texts, in parts of what a request may read of turns."""

    def __init__(self, tokens: int, count: CountText) -> None:
        self._tokens = tokens
        self._count = count

    def of(self, text: str) -> float:
        tokens = (self._count(text) + _LABEL_TOKENS) / self._tokens
        return max(tokens, (bytes_of(text) + _LABEL_BYTES) / _TURN_BYTES)


def bytes_of(text: str) -> int:
    """The length of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _packed(
    job: SummaryJob, sizes: Sequence[Sequence[float]], most: float, scale: _Scale
) -> list[list[tuple[int, Utterance]]]:
    """The utterances, cut where they are too long, in parts of at most that size."""
    parts: list[list[tuple[int, Utterance]]] = [[]]
    held = 0.0
    for turn, (exchange, of_exchange) in enumerate(
        zip(job.exchanges, sizes, strict=True), job.first
    ):
        for said, size in zip(exchange, of_exchange, strict=True):
            goes_on = False  # whether the text before is of the same utterance
            for text, part in _cut(said.text, size, most, scale):
                before = ""
                if held and held + part > most * 1.001:
                    parts.append([])
                    held = 0.0
                elif goes_on:
                    before = parts[-1].pop()[1].text
                parts[-1].append((turn, Utterance(said.source, before + text)))
                held += part
                goes_on = True
    return [part for part in parts if part]


def _cut(text: str, size: float, most: float, scale: _Scale) -> Iterator[tuple[str, float]]:
    """A text in pieces of at most that size, with their sizes; cut at breaks where there are."""
    if size <= most or len(text) < 2:
        yield text, size
        return
    step = max(1, int(len(text) / math.ceil(1.1 * size / most)))
    start = 0
    while start < len(text):
        end = _break(text, start, min(start + step, len(text)))
        piece = text[start:end]
        # A text that is denser here than on the whole is cut once more.
        yield from _cut(piece, scale.of(piece), most, scale)
        start = end


def _break(text: str, start: int, end: int) -> int:
    """Where to cut: behind the widest break shortly before the end."""
    if end == len(text):
        return end
    low = end - max(1, int(_BACK * (end - start)))
    for mark in _BREAKS:
        at = text.rfind(mark, low, end)
        if at >= 0:
            return at + len(mark)
    return end


def _tail(said: Sequence[Utterance], most: int, count: CountText) -> Sequence[Utterance]:
    """The end of what was said, as much as a request has room for besides the turns."""
    kept: list[Utterance] = []
    tokens, size = float(most), float(_BEFORE_BYTES)
    for one in reversed(said):
        end = one.text[-_BEFORE_BYTES:]  # more is never taken, and need not be counted
        part = max(count(end) / tokens, bytes_of(end) / size)
        if part > 1.0 or len(end) < len(one.text):
            end = end[len(end) - int(len(end) / max(part, 1.0)) :]
            kept.append(Utterance(one.source, "…" + end))
            break
        kept.append(one)
        tokens, size = tokens * (1 - part), size * (1 - part)
        if tokens < 1 or size < 1:
            break
    return kept[::-1]


def newest(
    known: Sequence[Item], count: CountText, *, tokens: int | None = None, size: int = _KNOWN_BYTES
) -> Sequence[Item]:
    """As many notes as there is room for: what the user asked for, then the newest.

    Args:
        known: oldest first.
        count: counts the tokens of a text.
        tokens: of all of them together; None for any number.
        size: bytes of all of them together.

    Returns:
        Those that have room, oldest first.
    """
    sizes = [(count(one.text) + 8, bytes_of(one.text) + 16) for one in known]
    left, room = math.inf if tokens is None else tokens, size
    order = sorted(range(len(known)), key=lambda n: (known[n].kind != "instruction", -n))
    kept: set[int] = set()
    for index in order:
        of_item, bytes_of_item = sizes[index]
        if of_item <= left and bytes_of_item <= room:
            kept.add(index)
            left, room = left - of_item, room - bytes_of_item
    return known if len(kept) == len(known) else [known[index] for index in sorted(kept)]
