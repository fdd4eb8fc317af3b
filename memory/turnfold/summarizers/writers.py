"""A client goes in, and the caller's own summarizer if there is one; who writes comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anthropic import Anthropic, AsyncAnthropic

from turnfold.summarizers.claude import AsyncClaudeSummarizer, ClaudeSummarizer
from turnfold.summarizers.protocol import Summarizer
from turnfold.summarizers.reconciling import Reconciler
from turnfold.summarizers.resting import Asked, AskedOnLoop, AskedToCompare, Rests, door_of
from turnfold.summarizers.summary_model import summary_model


@dataclass(frozen=True, slots=True)
class Writers:
    """Who writes summaries for one client.

    Attributes:
        sync: asked in a thread; None where nobody can be.
        on_loop: asked on an event loop; None where nobody can be, or in a thread.
    """

    sync: Asked | None = None
    on_loop: AskedOnLoop | None = None

    def judged(self, of_use: bool | None) -> None:
        """Take what an answer was worth; see `Rest.judged`."""
        asked = self.on_loop or self.sync
        if asked is not None and of_use is not None:
            asked.judged(of_use=of_use)

    @classmethod
    def of(cls, client: Any, summarizer: Summarizer | None, *, model: str, rests: Rests) -> Writers:
        """The caller's own summarizer, or Claude by way of the client.

        Args:
            client: without memory.
            summarizer: the caller's own; None for Claude.
            model: the policy's `summary_model`.
            rests: what is known of summarizers that do not answer.

        Raises:
            PolicyError: the client's cloud has no default for that model.
        """
        if summarizer is not None:
            kind = AskedToCompare if isinstance(summarizer, Reconciler) else Asked
            return cls(sync=kind(summarizer, rests.of("")))
        named = summary_model(client, model)
        rest = rests.of(door_of(client, named.name))
        is_async = hasattr(client, "__aenter__")
        sync = on_loop = None
        if isinstance(client, Anthropic) or not is_async:
            sync = AskedToCompare(ClaudeSummarizer(client, named, rest.refused), rest)
        if isinstance(client, AsyncAnthropic) or is_async:
            on_loop = AskedOnLoop(AsyncClaudeSummarizer(client, named, rest.refused), rest)
        return cls(sync, on_loop)
