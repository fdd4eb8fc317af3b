"""A command of Claude's memory tool goes in; it is done to a user's files, and answered.

The answers and refusals are those of the SDK's own tool for local files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from turnfold.files.editing import inserted, listing, numbered, replaced
from turnfold.files.paths import ROOT, FileRefused, file_path, is_within, parents
from turnfold.files.stored_files import Edit, FileTree, StoredFiles

_MOST_BYTES = 10_000_000


class FileCommands:
    """What Claude may do to the files of one user."""

    def __init__(
        self,
        files: StoredFiles,
        *,
        conversation: str = "",
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """Args:
        files: of the user.
        conversation: who writes; "" for one without a name.
        redact: what is done to names and texts before they are kept.
        """
        self._files = files
        self._conversation = conversation
        self._redact = redact

    def view(self, path: object, view_range: object = None) -> str:
        """A file with line numbers, or what is in a directory.

        Raises:
            FileRefused: there is no such path, or there are no such lines.
            StoreError: the store cannot be read.
        """
        name = self._path(path)
        try:
            return numbered(name, self._files.read(name), view_range)
        except KeyError:
            files = self._files.tree().files
            if not _is_directory(files, name):
                raise _missing(path) from None
            return listing(name, {one: file.size for one, file in files.items()})

    def create(self, path: object, text: object) -> str:
        """Write a new file.

        Raises:
            FileRefused: there is something at that path, or the text is too long.
            StoreError: the store cannot be read or written.
        """
        name, said = self._path(path), self._text(text, "file_text")

        def new(tree: FileTree) -> Edit:
            if name in tree.files or _is_directory(tree.files, name):
                raise FileRefused(f"File {path} already exists")
            _check_parents(tree, name)
            return Edit(tree.files, {name: said}, f"File created successfully at: {path}")

        return self._change(new)

    def str_replace(self, path: object, old: object, new: object) -> str:
        """Replace the one place of a file that says something.

        Raises:
            FileRefused: there is no such file, or no such place, or several.
            StoreError: the store cannot be read or written.
        """
        name = self._path(path)
        said, instead = self._text(old, "old_str"), self._text(new, "new_str")

        def with_it(tree: FileTree) -> Edit:
            _check_file(tree, name, path)
            text, told = replaced(name, self._files.text_in(tree, name), said, instead)
            return Edit(tree.files, {name: self._whole(text)}, told)

        return self._change(with_it)

    def insert(self, path: object, line: object, text: object) -> str:
        """Insert something after a line of a file; 0 for its beginning.

        Raises:
            FileRefused: there is no such file, or no such line.
            StoreError: the store cannot be read or written.
        """
        name, said = self._path(path), self._text(text, "insert_text")

        def with_it(tree: FileTree) -> Edit:
            _check_file(tree, name, path)
            whole = inserted(self._files.text_in(tree, name), line, said)
            told = f"The file {path} has been edited."
            return Edit(tree.files, {name: self._whole(whole)}, told)

        return self._change(with_it)

    def delete(self, path: object) -> str:
        """Delete a file, or a directory with all that is in it.

        Raises:
            FileRefused: there is no such path, or it is /memories itself.
            StoreError: the store cannot be read or written.
        """
        name = self._path(path)
        if name == ROOT:
            raise FileRefused(f"Cannot delete the {ROOT} directory itself")

        def without(tree: FileTree) -> Edit:
            files = tree.files
            kept = {
                one: file for one, file in files.items() if one != name and not is_within(one, name)
            }
            if len(kept) == len(files):
                raise FileRefused(f"The path {path} does not exist")
            return Edit(kept, told=f"Successfully deleted {path}")

        return self._change(without)

    def rename(self, old_path: object, new_path: object) -> str:
        """Rename or move a file, or a directory with all that is in it.

        Raises:
            FileRefused: there is no such path, something is where it should go, or it is
                /memories itself.
            StoreError: the store cannot be read or written.
        """
        old, new = self._path(old_path), self._path(new_path)
        if old == ROOT:
            raise FileRefused(f"Cannot rename the {ROOT} directory itself")

        def moved(tree: FileTree) -> Edit:
            files = tree.files
            if new in files or _is_directory(files, new):
                raise FileRefused(f"The destination {new_path} already exists")
            if old not in files and not _is_directory(files, old):
                raise FileRefused(f"The path {old_path} does not exist")
            if is_within(new, old):
                raise FileRefused(f"The path {old_path} cannot be moved into itself")
            _check_parents(tree, new)
            kept = {
                new + one[len(old) :] if one == old or is_within(one, old) else one: file
                for one, file in files.items()
            }
            for one in kept:
                file_path(one)  # what is in it may be too deep there
            return Edit(kept, told=f"Successfully renamed {old_path} to {new_path}")

        return self._change(moved)

    def clear(self) -> str:
        """Delete all files.

        Raises:
            StoreError: the store cannot be read or written.
        """
        self._files.clear()
        return "All memory cleared"

    def _change(self, edit: Callable[[FileTree], Edit]) -> str:
        return self._files.change(edit, conversation=self._conversation)

    def _path(self, path: object) -> str:
        name = file_path(path)
        if self._redact is None or name == ROOT:
            return name
        parts = [self._redact(part).replace("/", "_") for part in name.split("/")[2:]]
        return file_path("/".join([ROOT, *parts]))

    def _text(self, text: object, name: str) -> str:
        if not isinstance(text, str):
            raise FileRefused(f"`{name}` is a text, got: {text!r}")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise FileRefused(f"`{name}` holds what is no character") from None
        if size > _MOST_BYTES:
            raise FileRefused(f"`{name}` has {size:,} bytes: at most {_MOST_BYTES:,} are kept")
        return text if self._redact is None else self._redact(text)

    def _whole(self, text: str) -> str:
        """A text after a change: within bounds, and redacted across what was put together."""
        return self._text(text, "the file")


def _is_directory(files: Iterable[str], path: str) -> bool:
    return path == ROOT or any(is_within(one, path) for one in files)


def _missing(path: object) -> FileRefused:
    return FileRefused(f"The path {path} does not exist. Please provide a valid path.")


def _check_file(tree: FileTree, name: str, path: object) -> None:
    if name in tree.files:
        return
    if _is_directory(tree.files, name):
        raise FileRefused(f"The path {path} is not a file.")
    raise _missing(path)


def _check_parents(tree: FileTree, name: str) -> None:
    if name == ROOT:
        raise FileRefused(f"The path {ROOT} is a directory")
    for one in parents(name):
        if one in tree.files:
            raise FileRefused(f"The path {one} is not a directory")
