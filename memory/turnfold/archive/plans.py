"""What a turn decides: plans and folds, and the ids under which they are written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from turnfold_stores import Record
from turnfold_stores.bounded import BoundedDict
from turnfold_stores.records.fields import DamagedError, Fields

from turnfold.archive.measures import Measures
from turnfold.archive.passages import place_of
from turnfold.history.exchanges import Exchange, digest

# Plans that a process keeps as they were read.
_MOST_PLANS = 2_000


@dataclass(frozen=True, slots=True)
class Fold:
    """What stands for the oldest exchanges of a path.

    Attributes:
        id: hangs on the last folded exchange, not on the turn that asked for the fold.
        count: up to which exchange the path is folded.
        nodes: ids of the nodes written about them, oldest first.
        blocks: the rendered summary, sent byte for byte. A fold that leaves the older part of the
            summary as it was has the blocks of the one before and one more.
        contents: content ids of the exchanges this fold added.
        previous: id of the fold it grew from; "" for none.
        heir: exchange id of the last exchange of it that remains, where those after it were
            forgotten; "" where its last one remains.
        noted: up to which exchange there are notes; None for all of them. Within a budget the
            window lets exchanges go before they are summarized: a node of its own, the last, then
            stands for those without notes, and has a block of its own.
    """

    id: str
    count: int
    nodes: tuple[str, ...]
    blocks: tuple[str, ...]
    contents: tuple[str, ...]
    previous: str
    heir: str = ""
    noted: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Ids of the nodes that a summary was written for."""
        return tuple(name for name in self.nodes if not is_unnoted(name))

    @property
    def end(self) -> str:
        """Exchange id of the last exchange of it that remains."""
        return self.heir or exchange_in(self.id)

    @property
    def summary(self) -> str:
        """All of the summary."""
        return "\n".join(self.blocks)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A fold whose summaries are written ahead of time.

    It says how far the fold will reach, and so which nodes it will have; whoever folds goes by
    it and needs no model.

    Attributes:
        id: hangs on the last exchange it reaches, as the fold will.
        base: names the end of what there are notes on, as the fold that ends there does; "" for
            none.
        start: the first exchange it is about.
        until: up to which exchange.
    """

    id: str
    base: str
    start: int
    until: int


@dataclass(frozen=True, slots=True)
class RecalledRef:
    """A recalled passage in a plan: its id, its exchange number (0: elsewhere), its score."""

    id: str
    turn: int
    score: float


@dataclass(frozen=True, slots=True)
class ResultCut:
    """How results of tools are cut behind a fold of steps, when it came into force.

    Attributes:
        step: id of the newest step there was then; it is stored, and all before it.
        until: up to which step results are cut: all but that one.
        tokens: what a result may have; 0 where nothing is cut.
    """

    step: str
    until: int
    tokens: int

    @classmethod
    def from_json(cls, body: object) -> ResultCut:
        """A cut as it was stored.

        Raises:
            DamagedError: it is none.
        """
        fields = Fields(body)
        return cls(fields.text("step"), fields.whole("until"), fields.whole("tokens"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided for one opening, for good.

    Attributes:
        id: hangs on the opening.
        parent: exchange id of the exchange before; "" for the first.
        root: names the history: opening id of its first exchange, when it was first met.
        fold: id of the fold in force; "" for none.
        appends: whether what is recalled is appended; the same for a whole epoch.
        cached: whether its requests carry cache breakpoints.
        recalled: the rendered block of recalled passages; "" for none.
        shown: what the block holds.
        measures: what the conversation had shown before this turn.
        words: names what the opening says, whatever the path.
        sources: the rendered block that names what is cited in view and folded; "" for none.
        summary: the summary as it is sent where the prompt has no room for all of it; None where
            it is sent as the fold has it.
        missing: how many exchanges at the front of the path the caller did not send.
        left: exchange id of the end of a path that the history left, where that may yet turn
            out to be a cut; see `turnfold.engine.cut_history`. "" for none.
        until: how many closed exchanges the history has to pass before that was no cut.
        number: of its exchange in the history, from 1; 0 where an older version wrote it.
        turn: names what it opens with and what was said just before; see
            `turnfold.archive.tombstones.turn_name`. "" where an older version wrote it.
        within: the folds of steps that are in force, by opening id of the exchange in view that
            they are folded in.
        brought: what was recalled for the step at which such a fold was made, rendered, by the
            same; it stands behind the notes on the steps.
        cuts: how results are cut in the steps behind such a fold, by the same.
        anew: of the openings in view that were planned anew amid their steps, by opening id: the
            plan that holds instead of the first.
    """

    id: str
    parent: str
    root: str
    fold: str
    appends: bool
    cached: bool
    recalled: str
    shown: tuple[RecalledRef, ...]
    measures: Measures
    words: str = ""
    sources: str = ""
    summary: tuple[str, ...] | None = None
    missing: int = 0
    left: str = ""
    until: int = 0
    number: int = 0
    turn: str = ""
    within: Mapping[str, str] = field(default_factory=dict)
    brought: Mapping[str, str] = field(default_factory=dict)
    cuts: Mapping[str, ResultCut] = field(default_factory=dict)
    anew: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, opening: Exchange) -> bool:
        """Whether it was decided for this opening, or for a step in answer to it."""
        return self.id.startswith(plan_id(opening))


def plan_id(opening: Exchange, revision: int = 0, *, step: str = "") -> str:
    """The id of a plan; a revision replaces one the API refused.

    Args:
        opening: the exchange it is of.
        revision: which one it is.
        step: id of the closed step that it hangs on, amid the exchange; "" for the opening.
    """
    name = f"plan:{opening.opening_id}" + (f":{step}" if step else "")
    return name + (f"~{revision}" if revision else "")


def usage_id(opening: Exchange, number: int) -> str:
    """The id of the usage row of the request that follows `number` replies to an opening."""
    return f"usage:{opening.opening_id}:{number}"


def floor_id(opening: Exchange, number: int) -> str:
    """The id of the record that thinking was refused after `number` replies to an opening."""
    return f"floor:{opening.opening_id}" + (f":{number}" if number else "")


def fold_id(last: Exchange) -> str:
    """The id of the fold that ends with this exchange."""
    return "fold:" + last.exchange_id


def fold_name(exchange_id: str) -> str:
    """The same, by the exchange's id."""
    return "fold:" + exchange_id


def preparation_id(last: Exchange) -> str:
    """The id of the preparation of the fold that will end with this exchange."""
    return "ahead:" + last.exchange_id


def node_id(first: Exchange, last: Exchange) -> str:
    """The id of the node about this run of exchanges, whoever writes it."""
    return "node:" + digest(first.exchange_id, last.exchange_id)


_UNNOTED = "unnoted:"


def unnoted_id(first: Exchange, last: Exchange) -> str:
    """The id of what stands for a run of exchanges that left the window without notes."""
    return _UNNOTED + digest(first.exchange_id, last.exchange_id)


def is_unnoted(name: str) -> bool:
    """Whether a node stands for exchanges without notes, by its id."""
    return name.startswith(_UNNOTED)


def carried_id(node: str, last: Exchange) -> str:
    """The id of what is taken of a node to a path on which it ends with this exchange."""
    kind = _UNNOTED if is_unnoted(node) else "node:"
    return kind + digest("carried", node, last.exchange_id)


def opening_in(name: str) -> str:
    """The opening id that the id of a plan, of a step's too, a usage row or a floor names."""
    return name.split(":")[1].partition("~")[0]


def exchange_in(name: str) -> str:
    """The exchange id that the id of a fold or of a preparation names."""
    return name.partition(":")[2]


def read_plan(record: Record) -> Plan:
    """A plan as it was stored.

    Raises:
        DamagedError: it is none.
    """
    fields = Fields(record.body)
    return Plan(
        id=record.id,
        parent=fields.text("parent"),
        root=fields.text("root"),
        fold=fields.text("fold"),
        appends=fields.flag("appends"),
        cached=fields.flag("cached"),
        recalled=fields.text("recalled"),
        shown=tuple(map(_read_shown, fields.rows("shown"))),
        measures=Measures.from_json(record.body.get("measures", {})),
        words=fields.text("words"),
        sources=fields.text("sources"),
        summary=fields.texts("summary") if record.body.get("summary") is not None else None,
        missing=fields.whole("missing"),
        left=fields.text("left"),
        until=fields.whole("until"),
        number=fields.whole("number"),
        turn=fields.text("turn"),
        within=_read_texts(record.body.get("within", {})),
        brought=_read_texts(record.body.get("brought", {})),
        cuts=_read_cuts(record.body.get("cuts", {})),
        anew=_read_texts(record.body.get("anew", {})),
    )


def _read_cuts(value: Any) -> dict[str, ResultCut]:
    if not isinstance(value, Mapping):
        raise DamagedError("how it cuts results is no object")
    named = {key: one for key, one in value.items() if isinstance(one, Mapping) and "until" in one}
    return {str(name): ResultCut.from_json(one) for name, one in named.items()}


class KnownPlans:
    """Plans that were read before, which every turn of an epoch asks for again.

    What is stored is compared, so one that was written anew is read anew.
    """

    def __init__(self, most: int = _MOST_PLANS) -> None:
        """Args:
        most: how many plans are kept; some kilobytes each.
        """
        self._read: BoundedDict[str, tuple[Any, Plan]] = BoundedDict(most)

    def read(self, record: Record) -> Plan:
        """As `read_plan`.

        Raises:
            DamagedError: it is none.
        """
        body, plan = self._read.get(record.id, (None, None))
        if plan is None or body != record.body:
            plan = read_plan(record)
            self._read[record.id] = record.body, plan
        return plan

    def clear(self) -> None:
        """Let go of all of them."""
        self._read.clear()


def _read_texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise DamagedError("what it says of steps is no object")
    return {str(name): fold for name, fold in value.items() if isinstance(fold, str)}


def _read_shown(row: Any) -> RecalledRef:
    fields = Fields(dict(zip(("id", "turn", "score"), row, strict=False)))
    shown = RecalledRef(fields.text("id"), fields.whole("turn"), fields.number("score"))
    place_of(shown.id)
    return shown


def read_fold(record: Record) -> Fold:
    """A fold as it was stored.

    Raises:
        DamagedError: it is none, or it would grow from itself.
    """
    fields = Fields(record.body)
    fold = Fold(
        id=record.id,
        count=fields.whole("count", least=1),
        nodes=fields.texts("nodes"),
        blocks=fields.texts("blocks"),
        contents=fields.texts("contents"),
        previous=fields.text("previous"),
        heir=fields.text("heir"),
        noted=fields.whole("noted") if "noted" in record.body else None,
    )
    if fold.previous == fold.id:
        raise DamagedError("it grows from itself")
    return fold


def read_preparation(record: Record) -> Preparation:
    """A preparation as it was stored.

    Raises:
        DamagedError: it is none.
    """
    fields = Fields(record.body)
    start, until = fields.whole("start"), fields.whole("until", least=1)
    if until <= start:
        raise DamagedError(f"it reaches from {start} to {until}")
    return Preparation(record.id, fields.text("base"), start, until)


def preparation_body(preparation: Preparation) -> dict[str, Any]:
    """A preparation as it is stored."""
    return {"base": preparation.base, "start": preparation.start, "until": preparation.until}


def plan_body(plan: Plan) -> dict[str, Any]:
    """A plan as it is stored."""
    body: dict[str, Any] = {
        "parent": plan.parent,
        "root": plan.root,
        "fold": plan.fold,
        "appends": plan.appends,
        "cached": plan.cached,
        "recalled": plan.recalled,
        "shown": [[one.id, one.turn, one.score] for one in plan.shown],
        "measures": plan.measures.to_json(),
        "words": plan.words,
        "sources": plan.sources,
        "missing": plan.missing,
        "left": plan.left,
        "until": plan.until,
        "number": plan.number,
        "turn": plan.turn,
        "within": dict(plan.within),
        "brought": dict(plan.brought),
        "cuts": {name: asdict(one) for name, one in plan.cuts.items()},
        "anew": dict(plan.anew),
    }
    return body if plan.summary is None else {**body, "summary": list(plan.summary)}


def fold_body(fold: Fold) -> dict[str, Any]:
    """A fold as it is stored."""
    body: dict[str, Any] = {
        "count": fold.count,
        "nodes": list(fold.nodes),
        "blocks": list(fold.blocks),
        "contents": list(fold.contents),
        "previous": fold.previous,
    }
    if fold.noted is not None:
        body["noted"] = fold.noted
    return {**body, "heir": fold.heir} if fold.heir else body
