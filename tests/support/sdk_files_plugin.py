"""A pytest plugin for the SDK's own tests of its memory tool for local files: they get ours.

Those tests look at a folder before and after. Ours has none, so here it is given one: what a test
put there is taken into the store before each command, and what the store has is laid there after.
"""

import inspect
import shutil
from pathlib import Path

import anyio
import pytest
from anthropic.lib.tools import _beta_builtin_memory_tool as theirs
from turnfold import ExtractiveSummarizer, Memory
from turnfold.files.commands import FileCommands
from turnfold.files.stored_files import StoredFiles
from turnfold.resilience.own_thread import in_own_thread
from turnfold.sdk.file_tool import AsyncStoredMemoryTool, StoredMemoryTool

COMMANDS = ("view", "create", "str_replace", "insert", "delete", "rename")
# What is about files of an operating system: links, modes, and the SDK's own ways to open them.
ABOUT_DISKS = ("symlink", "umask", "_validate_path_returns")


class Folder:
    """A folder that shows what a store has."""

    def __init__(self, base_path):
        self.base_path = Path(base_path)
        self.memory_root = self.base_path / "memories"
        self.memory_root.mkdir(parents=True, exist_ok=True)
        memory = Memory("memory:", summarizer=ExtractiveSummarizer())
        self.files = StoredFiles(memory.store, "ada")
        self.commands = FileCommands(self.files)

    def take_in(self):
        for file in self.memory_root.rglob("*"):
            path = f"/memories/{file.relative_to(self.memory_root).as_posix()}"
            if file.is_file() and path not in self.files.tree().files:
                self.commands.create(path, file.read_bytes().decode())

    def lay_out(self):
        shutil.rmtree(self.memory_root)
        self.memory_root.mkdir()
        for path in self.files.tree().files:
            file = self.base_path / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.files.read(path).encode())


class Ours(StoredMemoryTool):
    def __init__(self, base_path="./memory"):
        self.folder = Folder(base_path)
        self.base_path, self.memory_root = self.folder.base_path, self.folder.memory_root
        super().__init__(self.folder.commands)


class OursAsync(AsyncStoredMemoryTool):
    def __init__(self, base_path="./memory"):
        self.folder = Folder(base_path)
        self.base_path = anyio.Path(self.folder.base_path)
        self.memory_root = anyio.Path(self.folder.memory_root)
        super().__init__(self.folder.commands, in_own_thread)


def on_a_folder(kind, name):
    """A command of a tool, with the folder taken in before and laid out after."""
    command = getattr(kind, name)

    def done(self, said):
        self.folder.take_in()
        try:
            return command(self, said)
        finally:
            self.folder.lay_out()

    async def done_async(self, said):
        self.folder.take_in()
        try:
            return await command(self, said)
        finally:
            self.folder.lay_out()

    setattr(kind, name, done_async if inspect.iscoroutinefunction(command) else done)


def pytest_configure():
    for name in COMMANDS:
        on_a_folder(Ours, name)
        on_a_folder(OursAsync, name)
    theirs.BetaLocalFilesystemMemoryTool = Ours
    theirs.BetaAsyncLocalFilesystemMemoryTool = OursAsync


def pytest_collection_modifyitems(items):
    for item in items:
        if any(word in item.name for word in ABOUT_DISKS):
            item.add_marker(pytest.mark.skip(reason="about files of an operating system"))
