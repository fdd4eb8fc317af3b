"""Who writes summaries, and what asks them.

For whoever writes a summarizer: a `Summarizer` is a function from a `SummaryJob` to a
`SummaryDraft` of `Item`s. Every other module here is turnfold's own.
"""

from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold.summaries.sentences import ExtractiveSummarizer
from turnfold.summarizers.claude import AsyncClaudeSummarizer, ClaudeSummarizer
from turnfold.summarizers.protocol import Summarizer

__all__ = [
    "AsyncClaudeSummarizer",
    "ClaudeSummarizer",
    "ExtractiveSummarizer",
    "Item",
    "Summarizer",
    "SummaryDraft",
    "SummaryJob",
]
