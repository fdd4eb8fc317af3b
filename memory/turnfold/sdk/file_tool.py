"""Anthropic's memory tool, as the SDK's tool runners take it, over the files of one user."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from anthropic.lib.tools import (
    BetaAbstractMemoryTool,
    BetaAsyncAbstractMemoryTool,
    BetaFunctionToolResultType,
    ToolError,
)
from anthropic.types.beta import (
    BetaMemoryTool20250818CreateCommand,
    BetaMemoryTool20250818DeleteCommand,
    BetaMemoryTool20250818InsertCommand,
    BetaMemoryTool20250818RenameCommand,
    BetaMemoryTool20250818StrReplaceCommand,
    BetaMemoryTool20250818ViewCommand,
)

from turnfold.errors import TurnfoldError
from turnfold.files.commands import FileCommands
from turnfold.files.paths import FileRefused
from turnfold.resilience.own_thread import to_its_end
from turnfold.resilience.worker_threads import NoThread
from turnfold.summarizers.in_parallel import InThread

logger = logging.getLogger("turnfold")


class StoredMemoryTool(BetaAbstractMemoryTool):
    """`memory_20250818` over a store: view, create, str_replace, insert, delete, rename."""

    def __init__(self, commands: FileCommands) -> None:
        """Args:
        commands: of the user whose files they are.
        """
        super().__init__()
        self._commands = commands

    def view(self, command: BetaMemoryTool20250818ViewCommand) -> BetaFunctionToolResultType:
        """A file with line numbers, or what is in a directory."""
        return _answer(_view(self._commands, command))

    def create(self, command: BetaMemoryTool20250818CreateCommand) -> BetaFunctionToolResultType:
        """Write a new file."""
        return _answer(_create(self._commands, command))

    def str_replace(
        self, command: BetaMemoryTool20250818StrReplaceCommand
    ) -> BetaFunctionToolResultType:
        """Replace what a file says in one place."""
        return _answer(_str_replace(self._commands, command))

    def insert(self, command: BetaMemoryTool20250818InsertCommand) -> BetaFunctionToolResultType:
        """Insert lines into a file."""
        return _answer(_insert(self._commands, command))

    def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> BetaFunctionToolResultType:
        """Delete a file or a directory."""
        return _answer(_delete(self._commands, command))

    def rename(self, command: BetaMemoryTool20250818RenameCommand) -> BetaFunctionToolResultType:
        """Rename or move a file or a directory."""
        return _answer(_rename(self._commands, command))

    def clear_all_memory(self) -> BetaFunctionToolResultType:
        """Delete all files of this user."""
        return _answer(self._commands.clear)


class AsyncStoredMemoryTool(BetaAsyncAbstractMemoryTool):
    """`StoredMemoryTool` for async clients; works in threads.

    What writes goes on to its end, whoever is cancelled that waits for it.
    """

    def __init__(self, commands: FileCommands, in_thread: InThread) -> None:
        """Args:
        commands: of the user whose files they are.
        in_thread: takes a step that reads.
        """
        super().__init__()
        self._commands = commands
        self._in_thread = in_thread

    async def view(self, command: BetaMemoryTool20250818ViewCommand) -> BetaFunctionToolResultType:
        """A file with line numbers, or what is in a directory."""
        try:
            return await self._in_thread(partial(_answer, _view(self._commands, command)))
        except NoThread as wrong:  # all of them wait for the store
            raise _no_answer(wrong) from None

    async def create(
        self, command: BetaMemoryTool20250818CreateCommand
    ) -> BetaFunctionToolResultType:
        """Write a new file."""
        return await self._write(_create(self._commands, command))

    async def str_replace(
        self, command: BetaMemoryTool20250818StrReplaceCommand
    ) -> BetaFunctionToolResultType:
        """Replace what a file says in one place."""
        return await self._write(_str_replace(self._commands, command))

    async def insert(
        self, command: BetaMemoryTool20250818InsertCommand
    ) -> BetaFunctionToolResultType:
        """Insert lines into a file."""
        return await self._write(_insert(self._commands, command))

    async def delete(
        self, command: BetaMemoryTool20250818DeleteCommand
    ) -> BetaFunctionToolResultType:
        """Delete a file or a directory."""
        return await self._write(_delete(self._commands, command))

    async def rename(
        self, command: BetaMemoryTool20250818RenameCommand
    ) -> BetaFunctionToolResultType:
        """Rename or move a file or a directory."""
        return await self._write(_rename(self._commands, command))

    async def clear_all_memory(self) -> BetaFunctionToolResultType:
        """Delete all files of this user."""
        return await self._write(self._commands.clear)

    async def _write(self, work: Callable[[], str]) -> str:
        return await to_its_end(partial(_answer, work))


def _view(do: FileCommands, said: BetaMemoryTool20250818ViewCommand) -> Callable[[], str]:
    return lambda: do.view(said.path, said.view_range)


def _create(do: FileCommands, said: BetaMemoryTool20250818CreateCommand) -> Callable[[], str]:
    return lambda: do.create(said.path, said.file_text)


def _str_replace(
    do: FileCommands, said: BetaMemoryTool20250818StrReplaceCommand
) -> Callable[[], str]:
    return lambda: do.str_replace(said.path, said.old_str, said.new_str)


def _insert(do: FileCommands, said: BetaMemoryTool20250818InsertCommand) -> Callable[[], str]:
    return lambda: do.insert(said.path, said.insert_line, said.insert_text)


def _delete(do: FileCommands, said: BetaMemoryTool20250818DeleteCommand) -> Callable[[], str]:
    return lambda: do.delete(said.path)


def _rename(do: FileCommands, said: BetaMemoryTool20250818RenameCommand) -> Callable[[], str]:
    return lambda: do.rename(said.old_path, said.new_path)


def _answer(work: Callable[[], str]) -> str:
    """What comes of it; what does not work is an answer for Claude, not the end of the loop.

    Raises:
        ToolError: as the SDK's runners pass it on.
    """
    try:
        return work()
    except FileRefused as wrong:
        raise ToolError(str(wrong)) from None
    except TurnfoldError as wrong:
        raise _no_answer(wrong) from None


def _no_answer(wrong: TurnfoldError) -> ToolError:
    logger.warning("the memory tool: %s", wrong)
    return ToolError("The memory store does not answer; nothing was changed.")
