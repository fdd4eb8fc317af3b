"""The fold on a path that was left goes in; what of it holds on the new path comes out, a fold.

A history from which an exchange was deleted goes on on a path of its own. What memory has of
the other exchanges is taken along, so that nothing has to be summarized again: nodes about what
came before the gap stay as they are; of the others all items stay that say nothing of what is
gone, with their turns counted anew. No model is asked. An exchange that is new in its place, or
stood there in view, is summarized by its own sentences.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from turnfold.accounting.tokens import CountText
from turnfold.archive.archive import Archive
from turnfold.archive.paths import Paths, Trodden
from turnfold.archive.plans import Fold, carried_id, fold_id, is_unnoted
from turnfold.embedders import Embedder
from turnfold.forgetting.rebuild import ForgottenWords
from turnfold.history.exchanges import Exchange, Transcript
from turnfold.history.utterances import utterances
from turnfold.policy import Policy
from turnfold.request.carried_state import protected_head
from turnfold.summaries.layers import correct, render
from turnfold.summaries.notes import Item, Node, SummaryJob
from turnfold.summaries.sentences import extract
from turnfold.summaries.summary_block import summary_of, unseen_among

# Tokens of sentences of an exchange that is new among those that are folded.
_OF_A_NEW_ONE = 160


@dataclass(frozen=True, slots=True)
class _Shift:
    """How turns are counted on the new path.

    Attributes:
        turns: number on the new path by that on the old one, for those that are on both.
        same: up to which number both paths are the same.
        last: up to which number the new path is folded.
        head: how many of its oldest exchanges are never folded.
    """

    turns: Mapping[int, int]
    same: int
    last: int
    head: int

    def until(self, number: int) -> int:
        """The last turn of the new path that was not after this one on the old path."""
        found = [new for old, new in self.turns.items() if old <= number]
        return min(max(found, default=0), self.last)


def carry(
    archive: Archive,
    transcript: Transcript,
    trodden: Trodden,
    places: Sequence[int | None],
    *,
    policy: Policy,
    embedder: Embedder | None,
    count: CountText,
) -> Fold | None:
    """Write the fold that a history takes along from the path it left.

    Args:
        archive: the ledger.
        transcript: the history, on its new path.
        trodden: the path it left.
        places: of each closed exchange of the history, its index on that path.
        policy: the budget of a summary, and what is never folded.
        embedder: makes the vectors of what is new among what is folded.
        count: counts the tokens of a text.

    Returns:
        The fold; None where there is none to take along that reaches further than one that is
        in force on the new path already.

    Raises:
        StoreError: the ledger could not be read or written.
    """
    paths, closed = archive.paths, transcript.closed
    old = _fold_on(paths, trodden)
    if old is None:
        return None
    shift = _shift(transcript, trodden, places, old, keep_first=policy.keep_first)
    own = archive.fold_in_force(closed, previous=None)
    if shift.last <= max(shift.head, own.count if own else 0):
        return None
    part = archive.storable(closed)[: shift.last]
    gone = {one.content for one in trodden.links} - {one.content_id for one in closed}
    words = ForgottenWords(_said(archive, transcript, gone))
    written = archive.nodes(old.nodes)
    holding, _ = correct(
        {name: written[name] for name in old.nodes if name in written}, archive.corrections()
    )
    # What was never folded there is new among what is folded, too: the head that stays in view.
    kept = min((one.first for one in holding.values()), default=1) - 1
    new = [
        number
        for number, place in enumerate(places[: shift.last], 1)
        if (place is None or trodden.links[place].number <= kept)
        and number > shift.head
        and not archive.is_forgotten(closed[number - 1])
    ]
    fresh = {number: _sentences(part[number - 1], number, count) for number in new}
    nodes: dict[str, Node] = {}
    for name, node in _carried(holding, shift, words, fresh, closed):
        nodes[name] = node
        if name not in written:
            archive.store_node(name, node, model="")
    if not nodes:
        return None
    base = next((one for one in paths.chain(old) if one.count <= shift.same), None)
    first = base.count if base else shift.head
    block = summary_of(
        list(nodes.values()),
        first=shift.head + 1,
        last=shift.last,
        missing=[n for n, one in enumerate(closed[: shift.last], 1) if archive.is_forgotten(one)],
        markers=unseen_among(closed[shift.head : shift.last], shift.head + 1),
        budget=policy.summary_tokens,
        count=count,
    )
    for number in new:
        archive.store_passages([part[number - 1]], first=number)
    if new and embedder is not None:
        with contextlib.suppress(Exception):  # then they are owed
            archive.embed_owed(embedder)
    return archive.store_fold(
        Fold(
            id=fold_id(closed[shift.last - 1]),
            count=shift.last,
            nodes=tuple(nodes),
            blocks=(block,),
            contents=tuple(
                one.content_id
                for one in closed[first : shift.last]
                if not archive.is_forgotten(one)
            ),
            previous=base.id if base else "",
            noted=next((one.first - 1 for name, one in nodes.items() if is_unnoted(name)), None),
        )
    )


def _fold_on(paths: Paths, trodden: Trodden) -> Fold | None:
    """The fold that reaches furthest on a path; its last exchange may have been forgotten."""
    planned = paths.fold(trodden.plan.fold) if trodden.plan.fold else None
    newest = paths.newest_fold([(one.id, one.number) for one in trodden.links])
    found = [one for one in (newest, planned) if one is not None]
    return max(found, key=lambda one: one.count, default=None)


def _shift(
    transcript: Transcript,
    trodden: Trodden,
    places: Sequence[int | None],
    fold: Fold,
    *,
    keep_first: int,
) -> _Shift:
    closed, links = transcript.closed, trodden.links
    turns = {
        links[place].number: index + 1 for index, place in enumerate(places) if place is not None
    }
    same = 0
    while same < min(len(closed), len(links)) and closed[same].exchange_id == links[same].id:
        same += 1
    last = max((new for old, new in turns.items() if old <= fold.count), default=0)
    return _Shift(turns, same, last, protected_head(transcript, keep_first))


def _carried(
    nodes: Mapping[str, Node],
    shift: _Shift,
    words: ForgottenWords,
    fresh: Mapping[int, Sequence[Item]],
    closed: Sequence[Exchange],
) -> Iterator[tuple[str, Node]]:
    """The nodes of the new path, by id, without gaps."""
    done = shift.head
    names = list(nodes)
    for name, node in nodes.items():
        if node.last <= shift.same and node.first == done + 1:
            done = node.last
            yield name, node
            continue
        last = shift.last if name == names[-1] else shift.until(node.last)
        if last <= done:
            continue  # all of it is gone
        kept = [
            replace(item, turns=tuple(shift.turns[turn] for turn in item.turns))
            for item in node.items
            if item.turns and shift.turns.keys() >= set(item.turns) and not words.betray(item.text)
        ]
        kept += [item for turn in range(done + 1, last + 1) for item in fresh.get(turn, ())]
        carried = replace(node, first=done + 1, last=last, items=tuple(kept), children=(name,))
        done = last
        yield carried_id(name, closed[last - 1]), replace(carried, text=render(carried))


def _sentences(exchange: Exchange, number: int, count: CountText) -> list[Item]:
    """Sentences of an exchange that stands where another one was folded."""
    said = utterances(exchange.messages)
    job = SummaryJob(number, [said], max_tokens=_OF_A_NEW_ONE)
    return [item.named(exchange.content_id) for item in (extract(job, count=count) if said else ())]


def _said(
    archive: Archive, transcript: Transcript, gone: set[str]
) -> Iterator[tuple[bool, Sequence[Mapping[str, object]]]]:
    """What is gone, and what remains; read when it is asked for."""
    for messages in archive.paths.messages(sorted(gone)).values():
        yield True, messages
    for exchange in archive.storable(transcript.exchanges):
        yield False, exchange.messages
