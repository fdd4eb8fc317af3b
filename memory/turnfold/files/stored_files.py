"""An edit of one user's files goes in; all of it is stored, or somebody else's was first.

A ledger knows no compare-and-swap; it knows that the first write of an id wins. So the states
that a user's files go through are numbered. Whoever changes something writes the whole tree
anew (paths, and where the text of each is) together with a step that bears the next number and
names that tree. Of all who try, the one whose step is the first has made the change; the others
read again and try anew. So no update is lost, and moving a folder is one change.

    file-root               which line of steps holds; goes first when all is forgotten
    file-step:<line>:<n>    which tree came n-th; stays, so that nobody can be n-th once more
    file-tree:<id>          a state: path of each file, and id of its text
    file-text:<id>          the text of one file, as it was written once

Trees and texts that no longer hold are deleted by whoever made the next change.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from turnfold_stores import Record, Store
from turnfold_stores.errors import StoreCorrupt, StoreError
from turnfold_stores.records.fields import Fields, Reading

from turnfold.files.paths import is_within, parents

_T = TypeVar("_T")

ROOT_KIND = "file-root"
STEP_KIND = "file-step"
TREE_KIND = "file-tree"
TEXT_KIND = "file-text"
_ROOT = "file-root"
_TRIES = 100


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file.

    Attributes:
        text: id of the record that has its text.
        size: bytes of it in UTF-8.
        at: when it was last written, in seconds since the epoch.
        by: the conversations that wrote it, as far as they were named.
    """

    text: str
    size: int
    at: float
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileTree:
    """One state of a user's files.

    Attributes:
        files: by path.
        line: which line of steps it is of; "" before the first.
        number: its number there; 0 before the first.
        id: of its record; "" before the first.
    """

    files: Mapping[str, StoredFile] = field(default_factory=dict)
    line: str = ""
    number: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to hold: files that stay as they are, and texts that are written.

    Attributes:
        kept: those that stay, by their path from now on.
        written: texts, by path.
        told: what the tool answers.
    """

    kept: Mapping[str, StoredFile]
    written: Mapping[str, str] = field(default_factory=dict)
    told: str = ""


def read_root(record: Record) -> str:
    """The line of steps that holds; raises where the record is damaged."""
    return Fields(record.body).text("line")


def read_step(record: Record) -> str:
    """Id of the tree that a step led to; raises where the record is damaged."""
    return Fields(record.body).text("tree")


def read_text(record: Record) -> str:
    """The text of a file; raises where the record is damaged."""
    return Fields(record.body).text("text")


def read_tree(record: Record) -> FileTree:
    """A tree; raises where the record is damaged."""
    fields = Fields(record.body)
    files: dict[str, StoredFile] = {}
    for row in fields.rows("files"):
        one = Fields(row)
        files[one.text("path")] = StoredFile(
            one.text("text"), one.whole("size"), one.number("at"), one.texts("by")
        )
    return FileTree(files, fields.text("line"), fields.whole("number"), record.id)


class StoredFiles:
    """The files of one user."""

    def __init__(self, store: Store, user_id: str, clock: Callable[[], float] = time.time) -> None:
        """Args:
        store: where they are kept.
        user_id: whose they are.
        clock: tells the time, in seconds since the epoch.
        """
        self._store = store  # it stays open while its files are used
        self._ledger = store.ledger
        self._user_id = user_id
        self._clock = clock

    # --- reading ------------------------------------------------------------------------------

    def read(self, path: str) -> str:
        """What a file says.

        Raises:
            KeyError: there is no such file.
            StoreError: the store cannot be read, or the file is damaged.
        """
        return self._on_what_holds(lambda tree: self.text_in(tree, path))

    def tree(self) -> FileTree:
        """The state that holds.

        Raises:
            StoreError: the store cannot be read, or what it says of files is damaged.
        """
        line = ""
        for _ in range(_TRIES):
            line = self._line()
            if not line:
                return FileTree()
            found = [tree for tree in self._trees() if tree.line == line]
            if (head := self._head(found)) is not None:
                return head
        if self._line() == line:
            raise StoreCorrupt(
                "what the store says of this user's files is damaged: run `turnfold doctor`, or "
                "forget them"
            )
        raise _too_busy()

    def _line(self) -> str:
        root = self._ledger.get(self._user_id, [_ROOT]).get(_ROOT)
        return Reading().one(root, read_root) or ""

    def _trees(self) -> list[FileTree]:
        scan = self._ledger.scan(self._user_id, kind=TREE_KIND)
        return [tree for _, tree in Reading().all(scan, read_tree)]

    def _head(self, trees: Iterable[FileTree]) -> FileTree | None:
        """The newest of these trees that a step names; others were second and did not come in."""
        by_step = {(_step_id(tree.line, tree.number), tree.id): tree for tree in trees}
        records = self._ledger.get(self._user_id, {step for step, _ in by_step}).values()
        named = {(step.id, tree) for step, tree in Reading().all(records, read_step)}
        there = [by_step[one] for one in named & by_step.keys()]
        return max(there, key=lambda tree: tree.number, default=None)

    # --- changing -----------------------------------------------------------------------------

    def change(self, edit: Callable[[FileTree], Edit], *, conversation: str = "") -> str:
        """Make an edit, on whatever holds when it is made.

        Args:
            edit: says what is to hold after a tree; asked again where somebody else was first.
            conversation: who writes; "" for one without a name.

        Returns:
            What the edit tells.

        Raises:
            StoreError: the store cannot be read or written; what holds is what held before.
        """

        def made(before: FileTree) -> str | None:
            wanted = edit(before)
            return wanted.told if self._advance(before, wanted, conversation) else None

        return self._on_what_holds(made)

    def _on_what_holds(self, work: Callable[[FileTree], _T | None]) -> _T:
        """What comes of a tree; again, where that did not hold any more."""
        last = ""
        for _ in range(_TRIES):
            tree = self.tree()
            try:
                done = work(tree)
            except _Superseded:
                if tree.id == last:  # it holds, and is not whole
                    raise
                last = tree.id
                continue
            if done is not None:
                return done
        raise _too_busy()

    def text_in(self, tree: FileTree, path: str) -> str:
        """What a file says in a tree that an edit is made on.

        Raises:
            StoreError: the store cannot be read, or the file is damaged.
        """
        name = tree.files[path].text
        record = self._ledger.get(self._user_id, [name]).get(name)
        if record is None:
            raise _Superseded(f"the text of {path!r} is not in the store")
        text = Reading().one(record, read_text)
        if text is None:
            raise StoreCorrupt(f"the text of {path!r} is damaged: run `turnfold doctor`")
        return text

    def drop(self, is_to_go: Callable[[str, StoredFile], bool]) -> int:
        """Delete the files of which that is said; how many there were."""
        count = 0

        def without(tree: FileTree) -> Edit:
            nonlocal count
            kept = {path: one for path, one in tree.files.items() if not is_to_go(path, one)}
            count = len(tree.files) - len(kept)
            return Edit(kept)

        if any(is_to_go(path, one) for path, one in self.tree().files.items()):
            self.change(without)
        return count

    def clear(self) -> None:
        """Delete all there is of files, also what was never finished.

        The root goes first: from then on nothing of it holds, and whoever is just making a
        change finds out and takes it back.
        """
        self._ledger.delete(self._user_id, [_ROOT])
        for kind in (TREE_KIND, TEXT_KIND, STEP_KIND):
            ids = [record.id for record in self._ledger.scan(self._user_id, kind=kind)]
            self._ledger.delete(self._user_id, ids)

    def take_in(self) -> int:
        """Make the files of other lines hold, too, where there is none at their path.

        An import brings such lines: of the user's files in another store.

        Returns:
            How many were taken in.
        """
        line = self._line()
        others: dict[str, list[FileTree]] = {}
        for tree in self._trees():
            if tree.line != line:
                others.setdefault(tree.line, []).append(tree)
        heads = [head for trees in others.values() if (head := self._head(trees)) is not None]
        theirs = {path: one for head in heads for path, one in head.files.items()}
        if not theirs:
            return 0
        taken: dict[str, StoredFile] = {}

        def with_theirs(tree: FileTree) -> Edit:
            taken.clear()
            for path, one in theirs.items():
                if _has_room({*tree.files, *taken}, path):
                    taken[path] = one
            return Edit({**tree.files, **taken})

        self.change(with_theirs)
        return len(taken)

    def known(self) -> list[tuple[str, StoredFile]]:
        """The files of all trees there are, with their paths, also of those that do not hold."""
        return [one for tree in self._trees() for one in tree.files.items()]

    def _advance(self, before: FileTree, wanted: Edit, conversation: str) -> bool:
        """Write the next state; False where somebody else has written it."""
        now = self._clock()
        line = before.line or secrets.token_hex(8)
        tree = FileTree({}, line, before.number + 1, f"{TREE_KIND}:{secrets.token_hex(12)}")
        texts, files = [], dict(wanted.kept)
        for path, text in wanted.written.items():
            name = f"{TEXT_KIND}:{secrets.token_hex(12)}"
            texts.append(Record(name, TEXT_KIND, "", {"text": text}, at=now))
            had = before.files.get(path)
            by = {*(had.by if had is not None else ()), conversation} - {""}
            size = len(text.encode(errors="surrogatepass"))
            files[path] = StoredFile(name, size, now, tuple(sorted(by)))
        tree = replace(tree, files=files)
        step = Record(_step_id(line, tree.number), STEP_KIND, "", {"tree": tree.id}, at=now)
        made = [*texts, Record(tree.id, TREE_KIND, "", _tree_body(tree), at=now)]
        root = [] if before.line else [Record(_ROOT, ROOT_KIND, "", {"line": line}, at=now)]
        new = self._ledger.put(self._user_id, [*made, step, *root])
        if step.id in new and self._line() == line:
            self._sweep(tree)
            return True
        mine = [one.id for one in (*made, step) if one.id in new]
        self._ledger.delete(self._user_id, mine)
        return False

    def _sweep(self, tree: FileTree) -> None:
        """Delete the trees before this one, and the texts that went with them."""
        holding = {one.text for one in tree.files.values()}
        for other in self._trees():
            if other.id != tree.id and (other.line != tree.line or other.number <= tree.number):
                gone = {one.text for one in other.files.values()} - holding
                self._ledger.delete(self._user_id, [other.id, *gone])


def _has_room(files: Collection[str], path: str) -> bool:
    """Whether a file may be written at a path: nothing is there, and no file is in the way."""
    in_the_way = {path, *parents(path)}
    return in_the_way.isdisjoint(files) and not any(is_within(one, path) for one in files)


def _tree_body(tree: FileTree) -> dict[str, Any]:
    rows = [
        {"path": path, "text": one.text, "size": one.size, "at": one.at, "by": list(one.by)}
        for path, one in sorted(tree.files.items())
    ]
    return {"line": tree.line, "number": tree.number, "files": rows}


def _step_id(line: str, number: int) -> str:
    return f"{STEP_KIND}:{line}:{number}"


class _Superseded(StoreCorrupt):
    """What a tree names is gone: another one holds by now."""


def _too_busy() -> StoreError:
    return StoreError("others are changing these files all the time: try again")
