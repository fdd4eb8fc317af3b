"""What a summarizer is: a job goes in, a draft comes out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from turnfold.summaries.notes import SummaryDraft, SummaryJob


@runtime_checkable
class Summarizer(Protocol):
    """Writes notes on folded turns. Any callable with this shape will do."""

    def __call__(self, job: SummaryJob) -> SummaryDraft:
        """Answer a job.

        Raises:
            SummaryError: or any other error: the turns then stay in the window.
        """
        ...
