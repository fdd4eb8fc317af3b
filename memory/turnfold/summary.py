"""Folded exchanges go to a summarizer as a job; its draft comes back and becomes a node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from turnfold.errors import SummaryError
from turnfold.pricing import Usage
from turnfold.speech import Utterance
from turnfold.tokens import CountText

ItemKind = Literal["narrative", "fact", "decision", "question", "instruction"]
KINDS: tuple[str, ...] = get_args(ItemKind)

# What goes first when the summary is over its budget; instructions go last.
_DROP_ORDER = ("narrative", "question", "fact", "decision", "instruction")

# What rendering adds: a bullet and a line break to an item, its headings to a node.
_ITEM_TOKENS = 4
_HEADING_TOKENS = 20

_HEADINGS = {
    "instruction": "The user's standing instructions, in the user's words",
    "decision": "Decisions",
    "fact": "Facts",
    "question": "Open questions",
    "narrative": "What happened",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a summary says.

    Attributes:
        kind: what sort of thing it is.
        text: a sentence or two.
        turns: numbers of the exchanges it was taken from, from 1.
    """

    kind: str
    text: str
    turns: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The item as stored."""
        return {"kind": self.kind, "text": self.text, "turns": list(self.turns)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Item:
        """The item as it was stored."""
        return cls(str(body["kind"]), str(body["text"]), tuple(body["turns"]))


@dataclass(frozen=True, slots=True)
class Node:
    """What was written about a run of exchanges, numbered from 1, both ends included."""

    first: int
    last: int
    items: tuple[Item, ...]

    def to_json(self) -> dict[str, Any]:
        """The node as stored."""
        items = [item.to_json() for item in self.items]
        return {"first": self.first, "last": self.last, "items": items}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Node:
        """The node as it was stored."""
        items = tuple(Item.from_json(item) for item in body["items"])
        return cls(int(body["first"]), int(body["last"]), items)


@dataclass(frozen=True, slots=True)
class SummaryJob:
    """What a summarizer is asked for: notes on a run of exchanges.

    Attributes:
        first: number of the first exchange, from 1.
        exchanges: what each exchange says, in order.
        before: what the exchange before the first says, for context only.
        known: what memory holds already, oldest first.
        max_tokens: how long the answer may be.
    """

    first: int
    exchanges: Sequence[Sequence[Utterance]]
    before: Sequence[Utterance] = ()
    known: Sequence[Item] = ()
    max_tokens: int = 1_000

    @property
    def last(self) -> int:
        """Number of the last exchange."""
        return self.first + len(self.exchanges) - 1


@dataclass(frozen=True, slots=True)
class SummaryDraft:
    """What a summarizer answered: items, and what they cost."""

    items: Sequence[Item]
    usage: Usage = field(default_factory=Usage)
    model: str = ""


def accept_draft(job: SummaryJob, draft: SummaryDraft) -> Node:
    """The node a draft makes, once it is shown to be one.

    An instruction is kept as one only where its words stand in text the user wrote in the
    folded turns; anything else that calls itself so is a fact about what was said.

    Raises:
        SummaryError: the draft says nothing.
    """
    by_user = [
        _squeeze(text)
        for turn in job.exchanges
        for said in turn
        if said.source == "user"
        # A line break may end a sentence, or just wrap it.
        for text in (said.text, _LINE_BREAK.sub(" ; ", said.text))
    ]
    items: list[Item] = []
    for item in draft.items:
        text = item.text.strip()
        if not text:
            continue
        kind = item.kind if item.kind in KINDS else "fact"
        if kind == "instruction" and not any(_stands_in(text, said) for said in by_user):
            kind = "fact"
        turns = tuple(sorted({turn for turn in item.turns if job.first <= turn <= job.last}))
        items.append(Item(kind, text, turns))
    if not items:
        raise SummaryError(
            f"the summary of turns {job.first}-{job.last} is empty, so these turns stay in the "
            f"window"
        )
    return Node(job.first, job.last, tuple(items))


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


# What could start a new line or turn the direction of writing in what is one line of ours.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_LINE_BREAK = re.compile(r"\s*\n\s*")
_QUOTES = "\"'“”‘’«»„ "
_STOPS = ".!?…:;。！？"


def _stands_in(instruction: str, said: str) -> bool:
    """Whether a text holds an instruction word for word, as whole sentences.

    Words cut out of a sentence may say the opposite of it.
    """
    words = _squeeze(instruction).strip(_QUOTES).rstrip(_STOPS)
    if not re.search(r"\w", words):
        return False
    at = said.find(words)
    while at >= 0:
        before = said[:at].rstrip(_QUOTES + "-*•([")
        after = said[at + len(words) :].lstrip(_QUOTES + ")]")
        if (not before or before[-1] in _STOPS) and (not after or after[0] in _STOPS):
            return True
        at = said.find(words, at + 1)
    return False


def fit(nodes: Sequence[Node], *, budget: int, count: CountText) -> list[Node]:
    """The nodes with as many of their items as a budget in tokens holds.

    Over budget, whole items go: what happened first, then open questions, facts, decisions,
    and instructions last; of one kind the oldest first. They stay searchable.
    """
    sizes = {
        (n, i): count(item.text) + _ITEM_TOKENS
        for n, node in enumerate(nodes)
        for i, item in enumerate(node.items)
    }
    total = sum(sizes.values()) + _HEADING_TOKENS * len(nodes)
    dropped: set[tuple[int, int]] = set()
    for kind in _DROP_ORDER:
        for (n, i), size in sizes.items():
            if total <= budget:
                break
            if nodes[n].items[i].kind == kind:
                dropped.add((n, i))
                total -= size
    kept = (
        replace(node, items=tuple(x for i, x in enumerate(node.items) if (n, i) not in dropped))
        for n, node in enumerate(nodes)
    )
    return [node for node in kept if node.items]


def render(nodes: Sequence[Node]) -> str:
    """Nodes as text, one after the other, so that a new one leaves the bytes before it alone."""
    return "\n".join(_render_node(node) for node in nodes)


def coverage(first: int, last: int) -> str:
    """The last line of a summary: which turns it stands for, also those it has no room for."""
    return f"Nothing else of turns {first}-{last} is shown here."


def erased(turns: Iterable[int]) -> str:
    """What a summary says of forgotten turns; "" for none."""
    runs: list[list[int]] = []
    for turn in sorted(set(turns)):
        if runs and turn == runs[-1][-1] + 1:
            runs[-1].append(turn)
        else:
            runs.append([turn])
    named = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    return f"Of turns {', '.join(named)} nothing is known: they were erased." if named else ""


def _render_node(node: Node) -> str:
    lines = [f"Turns {node.first}-{node.last}."]
    for kind, heading in _HEADINGS.items():
        of_kind = [item for item in node.items if item.kind == kind]
        if of_kind:
            lines.append(f"{heading}:")
            lines.extend(f"- {_one_line(item)}" for item in of_kind)
    return "\n".join(lines)


def _one_line(item: Item) -> str:
    text = _squeeze(_CONTROLS.sub(" ", item.text))
    return f'"{text}"' if item.kind == "instruction" else text
