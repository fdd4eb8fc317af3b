"""Nodes go in; the nodes that a summary is rendered from come out, within its budget.

Each fold adds a leaf. As long as all fits the budget nothing else is touched, so that the older
part of the summary stays as it is, byte by byte. When it no longer fits, it is settled: what is
superseded goes, whole items go in a fixed order until there is room for the folds to come, and
where a level holds `FANOUT` nodes the oldest are merged into one, a level up. Merging carries
items over as they are. No model rewrites them, so nothing is worn away by being retold, and a
merge costs nothing but the bytes it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from turnfold_stores.records.fields import Fields

from turnfold.accounting.tokens import CountText
from turnfold.history.exchanges import digest
from turnfold.request.quotation import one_line
from turnfold.summaries.notes import Item, Node

FANOUT = 6
"""Nodes of a level that are merged into one of the next. The summary of n leaves then has at
most FANOUT * log(n) / log(FANOUT) headings; a wider level would bring fewer copies and longer
lists of headings."""

# How full settling leaves a summary: what the folds to come may add without touching the rest.
_SETTLED = 0.75

# What goes first when the summary is over its budget; instructions go last. Closed questions
# are superseded, so they went before.
_DROP_ORDER = ("narrative", "fact", "question", "decision", "instruction")

# What rendering adds: a bullet and a line break to an item, its headings to a node.
_ITEM_TOKENS = 4
_HEADING_TOKENS = 20
_LABEL_TOKENS = 8  # of who said it, and when

# Pictures and files of a part of the summary that are named one by one.
_MOST_UNSEEN = 6

_HEADINGS = {
    "instruction": "In the user's own words",
    "decision": "Decisions",
    "fact": "Facts",
    "question": "Open questions",
    "narrative": "What happened",
}
_HEADINGS_OF_STEPS = {
    "instruction": "In the user's own words",
    "decision": "Decided",
    "question": "Open or planned",
    "fact": "Found",
    "narrative": "Done",
}


# What passes for the label of what the user said, in a line that is none of it.
_OF_USER = re.compile(r"(\bthe\W{1,3}user\W{0,3}?)[:：﹕︰]", re.IGNORECASE)
# Turns that are named where the user said a thing again and again.
_MOST_TURNS = 3


@dataclass(frozen=True, slots=True)
class Correction:
    """What was said of an item or a node later on.

    Attributes:
        target: id of the item or node.
        text: what holds instead; "" where nothing does.
        kind: what kind of item the text is; "" for that of the item it stands for.
    """

    target: str
    text: str
    kind: str = ""

    @classmethod
    def from_json(cls, body: object) -> Correction:
        """A correction as it was stored.

        Raises:
            DamagedError: it is none.
        """
        fields = Fields(body)
        return cls(fields.text("target"), fields.text("text"), fields.text("kind"))


def compact_layers(
    nodes: Mapping[str, Node],
    *,
    budget: int,
    count: CountText,
    corrections: Mapping[str, Correction] | None = None,
) -> dict[str, Node]:
    """The nodes to render: those given, where they fit the budget and none is corrected.

    Args:
        nodes: by id, oldest first, without gaps.
        budget: tokens of all of them together.
        count: counts the tokens of a text.
        corrections: by the id of what they correct.

    Returns:
        By id, oldest first, about the same exchanges. New ones are not stored yet.
    """
    holding, touched = correct(nodes, corrections or {})
    total = sum(count(node.text) for node in nodes.values())
    if not touched and total <= budget:
        return dict(nodes)
    live = {item.id for item in live_items(holding.values())}
    slim = [
        replace(node, items=_distinct(item for item in node.items if item.id in live))
        for node in holding.values()
    ]
    kept = drop_to_budget(slim, budget=int(_SETTLED * budget), count=count)
    if total <= budget:
        kept = slim
    settled = dict(zip(holding, kept, strict=True))
    while group := _full_level(list(settled.items())):
        settled = _merge(settled, group, nodes)
    return dict(_written(name, node, nodes.get(name)) for name, node in settled.items())


def live_items(nodes: Iterable[Node]) -> list[Item]:
    """The items of nodes that no other item supersedes, oldest first."""
    items = [item for node in nodes for item in node.items]
    dead = {name for item in items for name in item.supersedes}
    return [item for item in items if not item.id or item.id not in dead]


def correct(
    nodes: Mapping[str, Node], corrections: Mapping[str, Correction]
) -> tuple[dict[str, Node], bool]:
    """The nodes as they were corrected, and whether there was anything to correct."""
    if not corrections:
        return dict(nodes), False
    corrected = {name: _corrected(name, node, corrections) for name, node in nodes.items()}
    return corrected, corrected != dict(nodes)


def _corrected(name: str, node: Node, corrections: Mapping[str, Correction]) -> Node:
    whole = corrections.get(name)
    if whole is not None:
        turns = tuple(range(node.first, node.last + 1))
        new = Item(whole.kind or "fact", whole.text, turns).named(name)
        return replace(node, items=(new,) if whole.text else ())
    items: list[Item] = []
    for item in node.items:
        change = corrections.get(item.id)
        if change is None:
            items.append(item)
        elif change.text:
            over = (*item.supersedes, item.id)
            new = Item(change.kind or item.kind, change.text, item.turns, over)
            items.append(new.named(item.id))
    return replace(node, items=tuple(items))


def drop_to_budget(nodes: Sequence[Node], *, budget: int, count: CountText) -> list[Node]:
    """The nodes with as many of their items as a budget in tokens holds.

    Over budget, whole items go: what happened first, then facts, open questions, decisions, and
    instructions last; of one kind the oldest first. They stay searchable. Nodes without items
    stay for the exchanges they stand for.
    """
    sizes = {
        (n, i): count(item.text)
        + _ITEM_TOKENS
        + (_LABEL_TOKENS if item.kind == "instruction" else 0)
        for n, node in enumerate(nodes)
        for i, item in enumerate(node.items)
    }
    left = [len(node.items) for node in nodes]
    total = sum(sizes.values()) + _HEADING_TOKENS * sum(map(bool, left))
    dropped: set[tuple[int, int]] = set()
    for kind in _DROP_ORDER:
        for (n, i), size in sizes.items():
            if total <= budget:
                break
            if nodes[n].items[i].kind == kind:
                dropped.add((n, i))
                left[n] -= 1
                total -= size + (0 if left[n] else _HEADING_TOKENS)
    return [
        replace(node, items=tuple(x for i, x in enumerate(node.items) if (n, i) not in dropped))
        for n, node in enumerate(nodes)
    ]


def _distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple({(item.kind, item.text): item for item in items}.values())


def _full_level(nodes: Sequence[tuple[str, Node]]) -> list[str]:
    """Ids of the nodes to merge next: the oldest of a level that is full. The newest node stays."""
    for level in sorted({node.level for _, node in nodes}):
        run = [name for name, node in nodes[:-1] if node.level == level]
        if len(run) >= FANOUT:
            return run[:FANOUT]
    return []


def _merge(
    nodes: Mapping[str, Node], group: Sequence[str], stored: Mapping[str, Node]
) -> dict[str, Node]:
    """The nodes with one in place of a group, which knows the stored nodes it was made of."""
    parts = [nodes[name] for name in group]
    children = [
        child for name in group for child in ([name] if name in stored else nodes[name].children)
    ]
    merged = Node(
        parts[0].first,
        parts[-1].last,
        _distinct(item for node in parts for item in node.items),
        level=parts[0].level + 1,
        children=tuple(children),
        degraded=next((node.degraded for node in parts if node.degraded), ""),
        of_steps=parts[0].of_steps,
    )
    result: dict[str, Node] = {}
    for name, node in nodes.items():
        if name == group[0]:
            result[merged_id(merged.children, merged.items)] = merged
        elif name not in group:
            result[name] = node
    return result


def _written(name: str, node: Node, before: Node | None) -> tuple[str, Node]:
    """A node with its id and rendering; one whose items are as they were is not written again."""
    if before is not None and before.items == node.items:
        return name, before
    children = node.children if before is None else (name,)
    node = replace(node, children=children, text=render(node))
    return merged_id(children, node.items), node


def merged_id(children: Sequence[str], items: Sequence[Item]) -> str:
    """The id of a node made of others: what it was made of, and what of it was kept."""
    return "node:" + digest("merged", *children, *(item.id or item.text for item in items))


def render(node: Node, was: Mapping[str, str] | None = None) -> str:
    """A node as text.

    Args:
        node: the node.
        was: by id, the texts of items that stand in an older part of the summary: what is
            superseded of it is named with what supersedes it.
    """
    lines = [f"{_numbered(node.of_steps)} {node.first}-{node.last}."]
    for kind, heading in (_HEADINGS_OF_STEPS if node.of_steps else _HEADINGS).items():
        of_kind = [item for item in node.items if item.kind == kind]
        if of_kind:
            lines.append(f"{heading}:")
            lines.extend(f"- {_line(item, was or {}, node.of_steps)}" for item in of_kind)
    return "\n".join(lines) if len(lines) > 1 else ""


def _numbered(of_steps: bool) -> str:
    return "Steps" if of_steps else "Turns"


def coverage(first: int, last: int, *, of_steps: bool = False) -> str:
    """The last line of a part: which turns it stands for, also those it has no room for."""
    return f"Nothing else of {_numbered(of_steps).lower()} {first}-{last} is shown here."


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


def unseen(markers: Sequence[tuple[int, str]], *, of_steps: bool = False) -> str:
    """What a summary says of pictures and files in its turns; "" for none.

    Args:
        markers: number of the turn and marker of each, in order. The newest are named.
        of_steps: whether they are numbers of steps.
    """
    left = markers[:-_MOST_UNSEEN]
    several = _numbered(of_steps)
    lines = [
        f"{several[:-1]} {turn}: {_of_others(one_line(marker))}"
        for turn, marker in markers[-_MOST_UNSEEN:]
    ]
    if left:
        turns = f"{left[0][0]}-{left[-1][0]}"
        lines.insert(0, f"{several} {turns}: {len(left)} more that can no longer be seen.")
    return "\n".join(lines)


def _said(item: Item, of_steps: bool) -> str:
    """Who said it, and when."""
    turns = item.turns[-_MOST_TURNS:]
    one = _numbered(of_steps).lower()[:-1]
    when = f"{one}{'s' if len(turns) > 1 else ''} {', '.join(map(str, turns))}, " if turns else ""
    return f"{when}the user:"


def _of_others(text: str) -> str:
    """A line of others without anything that passes for the label of what the user said."""
    return _OF_USER.sub(r"\1 -", text)


def _line(item: Item, was: Mapping[str, str], of_steps: bool) -> str:
    text = one_line(item.text)
    line = f'{_said(item, of_steps)} "{text}"' if item.kind == "instruction" else _of_others(text)
    old = [one_line(was[name]) for name in item.supersedes if name in was]
    return line + (f" (no longer: {'; '.join(old)})" if old else "")
