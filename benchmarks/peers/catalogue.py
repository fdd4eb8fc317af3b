"""The adapters' files go in; names, titles and what limits each come out, nothing imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Way:
    """One way to use a library.

    Attributes:
        library: the module of its adapter, and the name of its environment.
        kind: the class.
        title: what the page calls it.
        limit: in one sentence, what limits it.
        tools: whether it is tried on a history with calls of tools.
    """

    library: str
    kind: str
    title: str
    limit: str
    tools: bool

    @property
    def name(self) -> str:
        """Unlike that of any other."""
        return f"{self.library}-{self.kind}"


def libraries() -> Sequence[str]:
    """All that there are adapters for."""
    files = (HERE / "adapters").glob("*.py")
    return sorted(file.stem for file in files if file.stem != "__init__")


def pins(library: str) -> Sequence[str]:
    """What is installed for it, the library itself first."""
    text = (HERE / "requirements" / f"{library}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def ways(library: str) -> Iterator[Way]:
    """Every way to use a library, as its adapter's source says."""
    tree = ast.parse((HERE / "adapters" / f"{library}.py").read_text(encoding="utf-8"))
    for one in tree.body:
        if isinstance(one, ast.ClassDef):
            said = dict(_constants(one))
            if "title" in said:
                limit = " ".join((ast.get_docstring(one) or "").split())
                tools = bool(said.get("tools", not _is_search(one)))
                yield Way(library, one.name, str(said["title"]), limit, tools)


def _constants(one: ast.ClassDef) -> Iterator[tuple[str, object]]:
    for line in one.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            for target in line.targets:
                if isinstance(target, ast.Name):
                    yield target.id, line.value.value


def _is_search(one: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Searching" for base in one.bases)
