"""A history goes in; what its answers cite comes out, and the citations as they have to be sent.

A citation names a document or a search result by its number in the request: all those that may
be cited are counted, through all messages. Once some are folded, the others have other numbers,
and so have those of an answer that was made while some were. So each citation is held against
what it names, its title or its source and the words it cites, and gets the number that this has in
the request. What is folded is cited no longer: the text of the answer stays as it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from turnfold_stores.cached_value import cached_property

from turnfold.history.block_text import marker_of, words_of
from turnfold.history.exchanges import Exchange, Message, Transcript, blocks_of

# By kind of what is cited: what its number is called in a citation.
_NUMBERS = {"document": "document_index", "search_result": "search_result_index"}
# And its name.
_NAMES = {"document": "document_title", "search_result": "source"}

_Place = tuple[int, int]  # of a citation in a message: which block, and which of the block's
LeftOut = Callable[[Sequence[int]], Mapping[int, range]]
Stands = Callable[[int], int | None]
"""Where a message of the history stands in what is shown of it; None where it is left out."""
_NOTHING = range(0)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A document or a search result that may be cited.

    Attributes:
        kind: "document" or "search_result".
        exchange: index of the exchange it stands in.
        message: index in the history of the message it stands in.
        block: the block.
    """

    kind: str
    exchange: int
    message: int
    block: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called, in words."""
        title = str(self.block.get("title") or "")
        where = self.block.get("source") if self.kind == "search_result" else None
        called = [f'"{title}"' if title else "", f"({where})" if where else ""]
        return " ".join(filter(None, called)) or "a document without a title"

    def has(self, words: str) -> bool:
        """Whether the words cited stand in it, as far as it can be read."""
        return not words or bool(marker_of(self.block)) or words in words_of(self.block)

    @property
    def key(self) -> tuple[str, str]:
        """What a citation names it by."""
        return self.kind, str(
            self.block.get("title" if self.kind == "document" else "source") or ""
        )


@dataclass(frozen=True, slots=True)
class _Cited:
    """A citation, where it stands, and what it points to; None for nothing in the history."""

    exchange: int
    message: int
    place: _Place
    citation: Mapping[str, Any]
    source: Source | None


class Citations:
    """The citations of a history, and what may be cited in it."""

    def __init__(
        self,
        transcript: Transcript,
        left_out: LeftOut | None = None,
        *,
        stands: Stands | None = None,
    ) -> None:
        """Args:
        transcript: the history.
        left_out: given indexes of exchanges, for each what was left out of the requests that they
            were answered by, where that is known.
        stands: where steps of its exchanges are left out; None where none are.
        """
        self._stands = stands
        self._transcript = transcript
        self._left_out = left_out
        self._counts: dict[tuple[str, range, bool], Sequence[Source]] = {}

    def until(self, head: int, until: int) -> tuple[int, str]:
        """How far exchanges can be folded without folding what those that stay cite.

        Args:
            head: the first exchange that may be folded.
            until: up to which exchange they are to be folded.

        Returns:
            At most `until`, and why not all of it, in words ("" if all).
        """
        least, why = until, ""
        for one in reversed(self._cited):
            if one.source is not None and one.exchange >= least > one.source.exchange >= head:
                least = one.source.exchange
                why = (
                    f"exchange {least + 1} holds a source that citations in exchange "
                    f"{one.exchange + 1} point to"
                )
        return least, why

    def lost(self, head: int, folded: int) -> list[Source]:
        """What the answers that are sent cite, and is not sent with them; each once, in order.

        Args:
            head: how many of the oldest exchanges stay.
            folded: up to which exchange those after the head are left out.
        """
        gone = range(head, folded)
        lost = [
            one.source
            for one in self._cited
            if one.source is not None
            and self._is_seen(one, gone)
            and not self._is_seen(one.source, gone)
        ]
        return sorted(dict.fromkeys(lost), key=lambda one: one.message)

    def _is_seen(self, one: Source | _Cited, gone: range) -> bool:
        """Whether it is sent, in an exchange and in a step that are not left out."""
        if one.exchange in gone:
            return False
        return self._stands is None or self._stands(one.message) is not None

    def rewritten(self, head: int, folded: int) -> dict[int, Message]:
        """The messages whose citations have to change, by index in what is shown of the history.

        For the arguments see `lost`.
        """
        gone = range(head, folded)
        numbers = {
            one: number
            for kind in _NUMBERS
            for number, one in enumerate(self._counted(kind, gone) if self._cited else ())
        }
        changes: dict[int, dict[_Place, Mapping[str, Any] | None]] = {}
        for one in self._cited:
            if not self._is_seen(one, gone):
                continue
            number = numbers.get(one.source) if one.source is not None else None
            if one.source is None and not gone and self._stands is None:
                continue  # the caller's own affair
            field = _NUMBERS[str(_kind_of(one.citation))]
            if number is None or one.citation[field] != number:
                to_send = None if number is None else {**one.citation, field: number}
                changes.setdefault(one.message, {})[one.place] = to_send
        messages = self._transcript.messages
        recited = {index: _recited(messages[index], others) for index, others in changes.items()}
        if self._stands is None:
            return recited
        places = {index: self._stands(index) for index in recited}
        return {place: recited[index] for index, place in places.items() if place is not None}

    @cached_property
    def _cited(self) -> Sequence[_Cited]:
        """All citations, in order."""
        return [
            _Cited(index, message, place, citation, self._source_of(citation, index, message))
            for index in self._transcript.special
            if self._transcript.exchanges[index].cites
            for message, said in _messages_of(self._transcript, index)
            for place, citation in citations_in(said)
        ]

    @cached_property
    def _sources(self) -> Sequence[Source]:
        """All that may be cited, in order."""
        return [
            Source(str(block["type"]), index, message, block)
            for index in self._transcript.special
            if self._transcript.exchanges[index].citable
            for message, said in _messages_of(self._transcript, index)
            for block in citable_in(said)
        ]

    @cached_property
    def _named(self) -> Mapping[tuple[str, str], Sequence[Source]]:
        """All that may be cited, by what citations name it by."""
        named: dict[tuple[str, str], list[Source]] = {}
        for one in self._sources:
            named.setdefault(one.key, []).append(one)
        return named

    @cached_property
    def _left_out_then(self) -> Mapping[int, range]:
        """By citing exchange, what was left out of the requests it was answered by."""
        citing = [n for n in self._transcript.special if self._transcript.exchanges[n].cites]
        return {} if self._left_out is None else self._left_out(citing)

    def _source_of(self, citation: Mapping[str, Any], exchange: int, message: int) -> Source | None:
        """What a citation points to.

        That is what it names, by title or source. Of several that it may name so: the one that had
        its number in the request that it answered, or has in the whole history, if it has the
        words that are cited; else the newest that has them.
        """
        kind = str(_kind_of(citation))
        named = self._named.get((kind, str(citation.get(_NAMES[kind]) or "")), ())
        before = named[: bisect_left(named, message, key=lambda one: one.message)]
        if len(before) < 2:
            return before[0] if before else None
        words = str(citation.get("cited_text") or "").strip()
        number = citation.get(_NUMBERS[kind])
        then = self._left_out_then.get(exchange, _NOTHING)
        for gone, whole in product((then, _NOTHING), (False, True)):
            sent = self._counted(kind, gone, whole=whole)
            if isinstance(number, int) and 0 <= number < len(sent):
                meant = sent[number]
                if meant.message < message and meant.key == before[0].key and meant.has(words):
                    return meant
        return next((one for one in reversed(before) if one.has(words)), before[-1])

    def _counted(self, kind: str, gone: range, *, whole: bool = False) -> Sequence[Source]:
        """What citations count in a request without some of the exchanges.

        Args:
            kind: of what is counted.
            gone: the exchanges.
            whole: whether steps that are left out are counted, too.
        """
        whole = whole or self._stands is None
        if (kind, gone, whole) not in self._counts:
            counted = [
                one for one in self._sources if one.kind == kind and one.exchange not in gone
            ]
            self._counts[kind, gone, whole] = [
                one for one in counted if whole or self._is_seen(one, gone)
            ]
        return self._counts[kind, gone, whole]


def note_citations(exchange: Exchange) -> None:
    """Note whether an exchange cites, and whether anything in it may be cited."""
    exchange.cites = any(True for one in exchange.messages for _ in citations_in(one))
    exchange.citable = any(True for one in exchange.messages for _ in citable_in(one))


def citable_in(message: Message) -> Iterator[Mapping[str, Any]]:
    """The documents and search results of a message that citations count."""
    for block in blocks_of(message):
        if not isinstance(block, Mapping):
            continue
        inner = block.get("content")
        for part in [block, *(inner if isinstance(inner, list) else ())]:
            if isinstance(part, Mapping) and _is_citable(part):
                yield part


def citations_in(message: Message) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    """The citations of an answer that name something by its number, and where they stand."""
    if message.get("role") != "assistant":
        return
    for index, block in enumerate(blocks_of(message)):
        for number, one in enumerate(_all_in(block)):
            if isinstance(one, Mapping) and _kind_of(one) is not None:
                yield (index, number), one


def _all_in(block: Any) -> Sequence[Any]:
    citations = block.get("citations") if isinstance(block, Mapping) else None
    return citations if isinstance(citations, list) else ()


def _is_citable(block: Mapping[str, Any]) -> bool:
    if block.get("type") == "search_result":
        return True
    citations = block.get("citations")
    enabled = isinstance(citations, Mapping) and bool(citations.get("enabled"))
    return block.get("type") == "document" and enabled


def _kind_of(citation: Mapping[str, Any]) -> str | None:
    return next((kind for kind, field in _NUMBERS.items() if field in citation), None)


def _messages_of(transcript: Transcript, index: int) -> Iterator[tuple[int, Message]]:
    return enumerate(transcript.exchanges[index].messages, transcript.starts[index])


def _recited(message: Message, changes: Mapping[_Place, Mapping[str, Any] | None]) -> Message:
    """A message with some other citations; None for no citation."""
    blocks: list[Any] = list(blocks_of(message))
    for index in {index for index, _ in changes}:
        block = blocks[index]
        cited = [changes.get((index, n), one) for n, one in enumerate(_all_in(block))]
        kept = [one for one in cited if one is not None]
        plain = {name: value for name, value in block.items() if name != "citations"}
        blocks[index] = {**plain, "citations": kept} if kept else plain
    return {**message, "content": blocks}
