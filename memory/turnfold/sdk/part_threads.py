"""How much the turns of one memory may hold up, and how many threads they may leave behind.

Eight at the most: two for stores and embedders, three for folds that turns wait for, two for
summaries that are asked for at once, and one for folds that are prepared in the background.
Where sync and async clients share a memory there is one of the last for each kind; the thread that
loads an embedding model is one more.
"""

from __future__ import annotations

from anthropic import APIStatusError

from turnfold.errors import StoreError, SummaryError, TurnfoldError
from turnfold.request.refusals import Resting
from turnfold.resilience.circuit_breaker import CircuitBreaker
from turnfold.resilience.worker_threads import TooLate, WorkerThreads

_TURNS = 2
_SUMMARIES = 2


class Bounds:
    """The threads that steps of turns run in, and what is known of the parts they ask.

    Attributes:
        turns: takes the steps of turns.
        summaries: asks summarizers that block.
        store: what is not known to be another part's fault is the store's.
        summarizer: one that answers, if only with what is of no use or that this key or these
            turns are refused, has not failed; what that means `summarizers.resting` knows.
    """

    def __init__(self) -> None:
        self.turns = WorkerThreads(_TURNS, "turnfold-turn")
        self.summaries = WorkerThreads(_SUMMARIES, "turnfold-summary")
        self.store = CircuitBreaker("the store")
        answers = (SummaryError, Resting, APIStatusError)
        self.summarizer = CircuitBreaker("the summarizer", answers=answers)

    def blame(self, wrong: Exception) -> None:
        """A turn went without memory: note whose fault it was."""
        if isinstance(wrong, TooLate):
            if wrong.began:
                (wrong.part or self.store).failed(wrong)
        elif isinstance(wrong, StoreError) or not isinstance(wrong, TurnfoldError):
            self.store.failed(wrong)
