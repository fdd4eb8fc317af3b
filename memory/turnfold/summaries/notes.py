"""What a summary is made of: items, in nodes; what a summarizer is asked for and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal, get_args

from turnfold_stores.records.fields import DamagedError, Fields

from turnfold.accounting.prices import Usage
from turnfold.history.exchanges import digest
from turnfold.history.utterances import Utterance

ItemKind = Literal["narrative", "fact", "decision", "question", "instruction"]
KINDS: tuple[str, ...] = get_args(ItemKind)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a summary says.

    Attributes:
        kind: what sort of thing it is.
        text: a sentence or two.
        turns: numbers of the exchanges it was taken from, from 1.
        supersedes: ids of earlier items that no longer hold because of it.
        id: names it for good; "" until it is part of a node.
    """

    kind: str
    text: str
    turns: tuple[int, ...] = ()
    supersedes: tuple[str, ...] = ()
    id: str = ""

    def named(self, where: str) -> Item:
        """The item with the id it has in a node, whoever writes it there."""
        return replace(self, id=digest(where, self.kind, self.text, str(self.turns))[:10])

    def to_json(self) -> dict[str, Any]:
        """The item as stored."""
        return {
            "kind": self.kind,
            "text": self.text,
            "turns": list(self.turns),
            "supersedes": list(self.supersedes),
            "id": self.id,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Item:
        """The item as it was stored.

        Raises:
            DamagedError: it is none.
        """
        fields = Fields(body)
        return cls(
            fields.text("kind"),
            fields.text("text"),
            fields.wholes("turns"),
            fields.texts("supersedes"),
            fields.text("id"),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """What is kept of a run of exchanges.

    Attributes:
        first: number of the first exchange, from 1.
        last: number of the last one.
        items: what it says.
        text: how it was rendered, once and for all.
        level: 0 for a leaf; a merged node stands one above the highest of its children.
        children: ids of the nodes it was made of; none for a leaf.
        degraded: why it is not what the summarizer wrote; "" where it is.
        of_steps: whether it is about steps of one exchange, not about exchanges.
    """

    first: int
    last: int
    items: tuple[Item, ...]
    text: str = ""
    level: int = 0
    children: tuple[str, ...] = ()
    degraded: str = ""
    of_steps: bool = False

    def to_json(self) -> dict[str, Any]:
        """The node as stored."""
        body: dict[str, Any] = {
            "first": self.first,
            "last": self.last,
            "items": [item.to_json() for item in self.items],
            "text": self.text,
            "level": self.level,
            "children": list(self.children),
            "degraded": self.degraded,
        }
        return {**body, "of_steps": True} if self.of_steps else body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Node:
        """The node as it was stored.

        Raises:
            DamagedError: it is none.
        """
        fields = Fields(body)
        first, last = fields.whole("first", least=1), fields.whole("last", least=1)
        if last < first:
            raise DamagedError(f"it ends at turn {last}, before its beginning at turn {first}")
        return cls(
            first,
            last,
            tuple(Item.from_json(item) for item in fields.rows("items")),
            fields.text("text"),
            fields.whole("level"),
            fields.texts("children"),
            fields.text("degraded"),
            fields.flag("of_steps"),
        )


@dataclass(frozen=True, slots=True)
class SummaryJob:
    """What a summarizer is asked for: notes on a run of exchanges.

    Attributes:
        first: number of the first exchange, from 1.
        exchanges: what each exchange says, in order.
        before: what the exchange before the first says, for context only.
        known: what memory holds already, oldest first.
        max_tokens: how long the answer may be.
        complaints: where an earlier answer was refused in part: what was wrong with it. Only
            what was refused is asked for once more.
        of_steps: whether these are steps of one exchange, not exchanges; what `before` says is
            then what was asked for in it.
        days: the user's day on which an exchange was said, by its number, where it is known.
    """

    first: int
    exchanges: Sequence[Sequence[Utterance]]
    before: Sequence[Utterance] = ()
    known: Sequence[Item] = ()
    max_tokens: int = 1_000
    complaints: Sequence[str] = ()
    of_steps: bool = False
    days: Mapping[int, date] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Number of the last exchange."""
        return self.first + len(self.exchanges) - 1

    def part(self, first: int, last: int) -> SummaryJob:
        """The same job about fewer of its exchanges, numbered from 1, both ends included."""
        start = first - self.first
        before = self.exchanges[start - 1] if start and not self.of_steps else self.before
        exchanges = self.exchanges[start : last - self.first + 1]
        return replace(self, first=first, exchanges=exchanges, before=before)


@dataclass(frozen=True, slots=True)
class SummaryDraft:
    """What a summarizer answered: items, and what they cost.

    Attributes:
        items: as it wrote them.
        usage: what its answer cost.
        model: who answered; "" for unknown.
        is_cut: whether it ran out of room, so that items are missing.
    """

    items: Sequence[Item]
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    is_cut: bool = False


Outcome = SummaryDraft | Exception
"""What came of a job: a draft, or why there is none."""
