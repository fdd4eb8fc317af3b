"""The part of a `Memory` in which Claude keeps files: Anthropic's memory tool over the store."""

from __future__ import annotations

from anthropic.lib.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool
from turnfold_stores import Store

from turnfold.files.commands import FileCommands
from turnfold.files.stored_files import StoredFiles
from turnfold.policy import Policy
from turnfold.scope import LOCAL_USER, check_name
from turnfold.sdk.background import Background
from turnfold.sdk.file_tool import AsyncStoredMemoryTool, StoredMemoryTool


class MemoryFiles:
    """See `Memory`."""

    store: Store
    policy: Policy
    _background: Background

    def memory_tool(
        self, *, user_id: str | None = None, conversation: str | None = None
    ) -> BetaAbstractMemoryTool:
        """Anthropic's memory tool over this store, for `tools=[...]` of the SDK's tool runners.

        Claude keeps files below /memories with it, one user's apart from another's, in all
        processes that use the store. `forget` forgets them: all of a user's; with `before`,
        those last written before then; with `conversation`, those that it wrote.

        Args:
            user_id: whose files; None for the one local user, as a request has that names none.
            conversation: who writes them, so that forgetting it takes them along; None for no
                conversation in particular.

        Raises:
            TurnfoldError: a name does not fit.
        """
        return StoredMemoryTool(self._file_commands(user_id, conversation))

    def amemory_tool(
        self, *, user_id: str | None = None, conversation: str | None = None
    ) -> BetaAsyncAbstractMemoryTool:
        """`memory_tool`, for async clients; works in a thread."""
        return AsyncStoredMemoryTool(
            self._file_commands(user_id, conversation), self._background.bounds.hands.do_async
        )

    def _file_commands(self, user_id: str | None, conversation: str | None) -> FileCommands:
        check_name("user_id", user_id)
        check_name("conversation", conversation)
        files = StoredFiles(self.store, user_id or LOCAL_USER, self.policy.now)
        return FileCommands(files, conversation=conversation or "", redact=self.policy.redact)
