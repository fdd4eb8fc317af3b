"""Summaries of exchanges go in, some of which were forgotten; what may stay of them comes out.

No model is asked. An item stays if all turns it cites remain, and if it holds no word that only
what was forgotten had: a later note may name what an earlier turn had told it. What goes from a
summary without need is still found by recall.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from turnfold_stores import Record

from turnfold.folding import summary_of
from turnfold.layers import render
from turnfold.plans import Fold, fold_body, read_fold
from turnfold.policy import Policy
from turnfold.speech import utterances
from turnfold.summary import Item, Node

_WORD = re.compile(r"\w+")
# Scripts that put no space between words: pairs of signs stand for words there.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2,}")


@dataclass(frozen=True, slots=True)
class Link:
    """The place of an exchange on a path, as stored; `at`: when it was first said there."""

    parent: str
    content: str
    number: int
    opening: str
    conversation: str
    at: float

    @classmethod
    def of(cls, record: Record) -> Link:
        """The place that a record of the ledger tells."""
        body = record.body
        return cls(
            body["parent"],
            body["content"],
            body["number"],
            body.get("opening", ""),
            record.conversation,
            record.at,
        )


class Path:
    """The places of a conversation's exchanges, some of which are gone.

    Args:
        links: by exchange id.
        gone: content ids of what is forgotten.
    """

    def __init__(self, links: Mapping[str, Link], gone: Iterable[str]) -> None:
        self._links = links
        self.gone = frozenset(gone)

    def has(self, exchange_id: str) -> bool:
        """Whether this exchange is known, and remains."""
        link = self._links.get(exchange_id)
        return link is not None and link.content not in self.gone

    def missing_until(self, exchange_id: str) -> frozenset[int]:
        """Numbers of the exchanges before this one that are gone, now or since earlier."""
        missing: set[int] = set()
        while (link := self._links.get(exchange_id)) is not None:
            if link.content in self.gone:
                missing.add(link.number)
            if not link.parent:
                missing.update(range(1, link.number))
            exchange_id = link.parent
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
    contents: Iterable[Record],
    path: Path,
    policy: Policy,
) -> Rebuilt:
    """What becomes of the nodes and folds of one conversation.

    Args:
        folds: its folds.
        nodes: its nodes.
        corrections: what was said of its nodes and items later on.
        contents: what was said in it, the forgotten included; read once, if at all.
        path: which exchanges are gone.
        policy: the budget of a summary.
    """
    of_folds = {record.id: read_fold(record) for record in folds}
    alive = {name for name in of_folds if path.has(name.partition(":")[2])}
    missing = {name: path.missing_until(name.partition(":")[2]) for name in alive}
    changed = {name for name in alive if missing[name]}
    used = {node: name for name in changed for node in of_folds[name].nodes}
    elsewhere = {node for name in alive - changed for node in of_folds[name].nodes}

    words = _Words(contents, path)
    new_nodes: dict[str, Node] = {}
    result = Rebuilt()
    dropped: set[str] = set()
    for record in nodes:
        node = Node.from_json(record.body)
        if record.id in used:
            before = node.items
            kept = words.kept(before, missing[used[record.id]])
            node = replace(node, items=kept)
            node = replace(node, text=render(node))
            dropped.update(one.id for one in before if one not in kept)
            body = {**record.body, **node.to_json()}
            if body != record.body:
                result.records.append(replace(record, body=body))
        elif record.id not in elsewhere:  # of a fold that goes, or of none yet
            result.deleted.append(record.id)
        new_nodes[record.id] = node

    lost = {*dropped, *result.deleted}
    for record in corrections:
        if record.body["target"] in lost or words.betray(record.body["text"]):
            result.deleted.append(record.id)

    for record in folds:
        fold = of_folds[record.id]
        if record.id not in alive:
            result.deleted.append(record.id)
        elif record.id in changed:
            previous, inherited = _behind(fold, of_folds, alive)
            mine = [one for one in [*inherited, *fold.contents] if one not in path.gone]
            kept_nodes = [new_nodes[name] for name in fold.nodes if name in new_nodes]
            fold = replace(
                fold,
                nodes=tuple(name for name in fold.nodes if name in new_nodes),
                contents=tuple(mine),
                previous=previous,
                blocks=(
                    summary_of(
                        kept_nodes,
                        first=min((node.first for node in kept_nodes), default=1),
                        last=fold.count,
                        missing=missing[record.id],
                        policy=policy,
                    ),
                ),
            )
            result.records.append(replace(record, body=fold_body(fold)))
    return result


def _behind(fold: Fold, folds: Mapping[str, Fold], alive: set[str]) -> tuple[str, list[str]]:
    """The fold before this one that remains, and the contents of those between them."""
    inherited: list[str] = []
    name = fold.previous
    while name in folds and name not in alive:
        inherited = [*folds[name].contents, *inherited]
        name = folds[name].previous
    return (name if name in folds else ""), inherited


class _Words:
    """Which words only what is gone had."""

    def __init__(self, contents: Iterable[Record], path: Path) -> None:
        self._contents = contents
        self._path = path

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
        for record in self._contents:
            said = " ".join(one.text for one in utterances(record.body["messages"]))
            (gone if record.id in self._path.gone else remaining).update(_words(said))
        return gone - remaining


def _words(text: str) -> set[str]:
    folded = text.casefold()
    pairs = (run[i : i + 2] for run in _UNSPACED.findall(folded) for i in range(len(run) - 1))
    return {*_WORD.findall(folded), *pairs}
