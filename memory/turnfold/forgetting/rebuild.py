"""Summaries of exchanges go in, some of which were forgotten; what may stay of them comes out.

No model is asked. An item stays if all turns it cites remain, and if it holds no word that only
what was forgotten had: a later note may name what an earlier turn had told it. What goes from a
summary without need is still found by recall.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from turnfold_stores import Record
from turnfold_stores.cached_value import cached_property
from turnfold_stores.records.fields import Reading, messages_in

from turnfold.archive.paths import ExchangePlace
from turnfold.archive.plans import Fold, exchange_in, fold_body, read_fold
from turnfold.history.exchanges import Message
from turnfold.history.utterances import unseen_in, utterances
from turnfold.policy import Policy
from turnfold.summaries.layers import Correction, render
from turnfold.summaries.notes import Item, Node
from turnfold.summaries.summary_block import summary_of

_WORD = re.compile(r"\w+")
# Scripts that put no space between words: pairs of signs stand for words there.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2,}")


class ConversationPath:
    """The places of a conversation's exchanges, some of which are gone.

    Args:
        links: by exchange id.
        gone: content ids of what is forgotten.
    """

    def __init__(self, links: Mapping[str, ExchangePlace], gone: Iterable[str]) -> None:
        self._links = links
        self.gone = frozenset(gone)

    def remaining_until(self, exchange_id: str) -> list[ExchangePlace]:
        """The places up to this one, oldest first, of what remains."""
        up: dict[str, ExchangePlace] = {}
        while (link := self._links.get(exchange_id)) is not None and exchange_id not in up:
            up[exchange_id] = link
            exchange_id = link.parent
        return [one for one in reversed(up.values()) if one.content not in self.gone]

    def missing_until(self, exchange_id: str) -> frozenset[int]:
        """Numbers of the exchanges up to this one that are gone, now or since earlier."""
        missing: set[int] = set()
        above = None  # the number of the exchange that follows
        seen: set[str] = set()
        while (link := self._links.get(exchange_id)) is not None and exchange_id not in seen:
            seen.add(exchange_id)
            if above is not None:
                missing.update(range(link.number + 1, above))
            if link.content in self.gone:
                missing.add(link.number)
            above, exchange_id = link.number, link.parent
        missing.update(range(1, above or 1))
        return frozenset(missing)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Ids of records to delete, and records to write in the place of those with their ids."""

    deleted: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def rebuilt(
    *,
    folds: Sequence[Record],
    nodes: Sequence[Record],
    corrections: Iterable[Record],
    contents: Callable[[], Iterable[Record]],
    path: ConversationPath,
    policy: Policy,
) -> Rebuilt:
    """What becomes of the nodes and folds of one conversation.

    Args:
        folds: its folds.
        nodes: its nodes.
        corrections: what was said of its nodes and items later on.
        contents: what was said in it, the forgotten included; asked for twice at the most.
        path: which exchanges are gone.
        policy: the budget of a summary.
    """
    reading = Reading()
    of_folds = {record.id: fold for record, fold in reading.all(folds, read_fold)}
    remaining = {name: path.remaining_until(fold.end) for name, fold in of_folds.items()}
    alive = {name for name, links in remaining.items() if links}
    missing = {name: _missing(of_folds[name], remaining[name], path) for name in alive}
    changed = {name for name in alive if missing[name]}
    used = {node: name for name in changed for node in of_folds[name].nodes}
    elsewhere = {node for name in alive - changed for node in of_folds[name].nodes}

    said = partial(_said, contents, reading)
    words = ForgottenWords((name in path.gone, messages) for name, messages in said())
    unseen = {name: unseen_in(messages) for name, messages in said()} if changed else {}
    new_nodes: dict[str, Node] = {}
    result = Rebuilt()
    dropped: set[str] = set()
    for record, written in reading.all(nodes, lambda one: Node.from_json(one.body)):
        node = written
        if record.id in used:
            kept = words.kept(written.items, missing[used[record.id]])
            node = replace(written, items=kept, text=render(replace(written, items=kept)))
            dropped.update(one.id for one in written.items if one not in kept)
            body = {**record.body, **node.to_json()}
            if body != record.body:
                result.records.append(replace(record, body=body))
        elif record.id not in elsewhere:  # of a fold that goes, or of none yet
            result.deleted.append(record.id)
        new_nodes[record.id] = node

    lost = {*dropped, *result.deleted}
    for record, correction in reading.all(corrections, lambda one: Correction.from_json(one.body)):
        if correction.target in lost or words.betray(correction.text):
            result.deleted.append(record.id)

    for record in folds:
        if record.id in changed:
            fold = _without(
                replace(of_folds[record.id], heir=_heir(record.id, remaining[record.id])),
                new_nodes,
                behind=_behind(of_folds[record.id], of_folds, alive),
                missing=missing[record.id],
                markers=_markers(remaining[record.id], unseen),
                gone=path.gone,
                policy=policy,
            )
            result.records.append(replace(record, body={**record.body, **fold_body(fold)}))
        elif record.id in of_folds.keys() - alive:
            result.deleted.append(record.id)
    result.deleted.extend(reading.damaged.keys() & {one.id for one in (*folds, *nodes)})
    return result


def _without(
    fold: Fold,
    nodes: Mapping[str, Node],
    *,
    behind: tuple[str, list[str]],
    missing: frozenset[int],
    markers: Sequence[tuple[int, str]],
    gone: frozenset[str],
    policy: Policy,
) -> Fold:
    """A fold written anew from what remains.

    Args:
        fold: as it was.
        nodes: the nodes that remain, as they are now.
        behind: see `_behind`.
        missing: numbers of the exchanges that are gone.
        markers: of pictures and files in those that remain, with the number of the exchange.
        gone: their content ids.
        policy: the budget of a summary.
    """
    previous, inherited = behind
    kept = [name for name in fold.nodes if name in nodes]
    first = min((nodes[name].first for name in kept), default=1)
    block = summary_of(
        [nodes[name] for name in kept],
        first=first,
        last=fold.count,
        missing=missing,
        markers=[one for one in markers if one[0] >= first],
        budget=policy.summary_tokens,
        count=policy.counter,
    )
    return replace(
        fold,
        nodes=tuple(kept),
        contents=tuple(one for one in [*inherited, *fold.contents] if one not in gone),
        previous=previous,
        blocks=(block,),
    )


def _said(
    contents: Callable[[], Iterable[Record]], reading: Reading
) -> Iterator[tuple[str, Sequence[Message]]]:
    """Content id of each exchange, and what it says."""
    for record, messages in reading.all(contents(), lambda one: messages_in(one.body)):
        yield record.id, messages


def _missing(
    fold: Fold, remaining: Sequence[ExchangePlace], path: ConversationPath
) -> frozenset[int]:
    """Numbers of the exchanges of a fold that are gone, those behind its heir among them."""
    behind = range(remaining[-1].number + 1, fold.count + 1)
    return path.missing_until(fold.end) | frozenset(behind)


def _markers(
    remaining: Sequence[ExchangePlace], unseen: Mapping[str, Sequence[str]]
) -> list[tuple[int, str]]:
    """The pictures and files of what remains: number of the exchange and marker of each."""
    return [(one.number, marker) for one in remaining for marker in unseen.get(one.content, ())]


def _heir(fold: str, remaining: Sequence[ExchangePlace]) -> str:
    """Exchange id of the last exchange of a fold that remains; "" where it is its very last."""
    return remaining[-1].id if remaining[-1].id != exchange_in(fold) else ""


def _behind(fold: Fold, folds: Mapping[str, Fold], alive: set[str]) -> tuple[str, list[str]]:
    """The fold before this one that remains, and the contents of those between them."""
    inherited: list[str] = []
    name, seen = fold.previous, {fold.id}
    while name in folds and name not in alive and name not in seen:
        seen.add(name)
        inherited = [*folds[name].contents, *inherited]
        name = folds[name].previous
    return (name if name in folds and name not in seen else ""), inherited


class ForgottenWords:
    """Which words only what is gone had."""

    def __init__(self, said: Iterable[tuple[bool, Sequence[Message]]]) -> None:
        """Args:
        said: of each exchange, whether it is gone, and its messages; read once, if at all.
        """
        self._said = said

    def kept(self, items: Iterable[Item], missing: frozenset[int]) -> tuple[Item, ...]:
        """The items that say nothing of what is gone."""
        return tuple(
            item
            for item in items
            if item.turns and missing.isdisjoint(item.turns) and not self.betray(item.text)
        )

    def betray(self, text: str) -> bool:
        """Whether a text has words that only what is gone had."""
        return not self._secret.isdisjoint(_words(text))

    @cached_property
    def _secret(self) -> set[str]:
        gone: set[str] = set()
        remaining: set[str] = set()
        for is_gone, messages in self._said:
            said = " ".join(one.text for one in utterances(messages))
            (gone if is_gone else remaining).update(_words(said))
        return gone - remaining


def _words(text: str) -> set[str]:
    folded = text.casefold()
    pairs = (run[i : i + 2] for run in _UNSPACED.findall(folded) for i in range(len(run) - 1))
    return {*_WORD.findall(folded), *pairs}
