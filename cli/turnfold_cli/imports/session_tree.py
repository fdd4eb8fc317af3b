"""Lines of sessions go in; the chain each stands in, and whether it was taken back, come out.

All lines that name a parent make the tree, those that nobody said among them: an answer may hang
on one of the program's own lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]
# The number of a line; the uuid of one that is not there; None for none.
_Parent = int | str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A line in the tree.

    Attributes:
        line: the line.
        chain: names the session, or the sidechain of it.
        is_dead: whether it was taken back, or hangs on what was.
    """

    line: Line
    chain: str
    is_dead: bool


def placed(
    lines: Sequence[Line],
    stem: str,
    is_said: Callable[[Line], bool],
    is_prompt: Callable[[Line], bool],
) -> Iterator[Place]:
    """Each line once, in order.

    Of several prompts to one answer, or several first prompts, the last one counts. Results of
    tools may share a parent as well, and all of them count.

    Args:
        lines: the sessions'.
        stem: names a session without id.
        is_said: whether a line was said by somebody.
        is_prompt: whether what was said is a prompt.
    """
    lines = _once(lines, stem)
    above = _parents(lines, stem)
    order = _from_the_roots(above)
    chains: dict[int, str] = {}
    answered: dict[int, _Parent] = {}  # the nearest line above that somebody said
    for at in order:
        parent = above[at]
        chains[at] = _chain(lines, at, parent, chains, stem)
        if isinstance(parent, int) and not is_said(lines[parent]):
            parent = answered.get(parent)
        answered[at] = parent
    prompts = [at for at, line in enumerate(lines) if is_said(line) and is_prompt(line)]
    newest = {(chains[at], answered[at]): at for at in prompts}
    dead = {at for at in prompts if newest[chains[at], answered[at]] != at}
    for at in order:
        if above[at] in dead:
            dead.add(at)
    for at, line in enumerate(lines):
        yield Place(line, chains[at], at in dead)


def _once(lines: Sequence[Line], stem: str) -> list[Line]:
    """A resumed session repeats lines."""
    kept: dict[tuple[str, str], Line] = {}
    for line in lines:
        kept.setdefault((_home(line, stem), str(line.get("uuid") or id(line))), line)
    return list(kept.values())


def _parents(lines: Sequence[Line], stem: str) -> list[_Parent]:
    """What each line hangs on; of a session that names no parents, on the line before it."""
    near = {(_home(line, stem), str(line.get("uuid"))): at for at, line in enumerate(lines)}
    anywhere = {uuid: at for (_, uuid), at in reversed(near.items())}
    before: dict[str, int] = {}
    found: list[_Parent] = []
    for at, line in enumerate(lines):
        home, parent = _home(line, stem), line.get("parentUuid")
        begins = not parent and _is_compaction(line)
        if begins:
            parent = line.get("logicalParentUuid")
        if parent:
            name = str(parent)
            found.append(near.get((home, name), anywhere.get(name, name)))
        else:
            found.append(before.get(home) if begins or "parentUuid" not in line else None)
        before[home] = at
    return found


def _is_compaction(line: Line) -> bool:
    """Whether the program began its prompt anew here, though the talk went on."""
    return line.get("subtype") == "compact_boundary" or bool(line.get("isCompactSummary"))


def _from_the_roots(above: Sequence[_Parent]) -> list[int]:
    """The numbers of all lines, parents first; a circle begins somewhere."""
    order: dict[int, None] = {}
    for start in range(len(above)):
        way: dict[int, None] = {}
        at: _Parent = start
        while isinstance(at, int) and at not in order and at not in way:
            way[at] = None
            at = above[at]
        order.update(dict.fromkeys(reversed(way)))
    return list(order)


def _chain(
    lines: Sequence[Line], at: int, parent: _Parent, chains: Mapping[int, str], stem: str
) -> str:
    line = lines[at]
    if line.get("isSidechain") is not True or line.get("agentId"):
        return _home(line, stem)
    if isinstance(parent, int) and parent in chains and lines[parent].get("isSidechain") is True:
        return chains[parent]
    return f"{_home(line, stem)}{line.get('uuid')}"


def _home(line: Line, stem: str) -> str:
    """The session, or its sidechains; those without an `agentId` are told by their roots alone."""
    session = str(line.get("sessionId") or stem)
    return f"{session}-{line.get('agentId') or ''}" if line.get("isSidechain") is True else session
