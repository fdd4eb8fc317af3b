"""How much the turns of one memory may hold up, and how many threads they may leave behind.

Eight at the most in turns: two for stores and embedders, three for folds that turns wait for, two
for summaries that are asked for at once, and one for folds that are prepared in the background.
Where sync and async clients share a memory there is one of the last for each kind; the thread that
loads an embedding model is one more.

The threads of an event loop are the application's, and may all be at work: what blocks there has
some of memory's own. Listeners of receipts have four, and what is looked up by hand (`asearch`,
tools) four. What is changed by hand, and each step of a backfill, has a thread of its own:
`resilience/own_thread.py`.
"""

from __future__ import annotations

from anthropic import APIStatusError

from turnfold.errors import StoreError, SummaryError, TurnfoldError
from turnfold.request.refusals import Resting
from turnfold.resilience.circuit_breaker import CircuitBreaker, LeftAlone
from turnfold.resilience.worker_threads import TooLate, WorkerThreads

_TURNS = 2
_SUMMARIES = 2
_LISTENERS = 4
_HANDS = 4


class Bounds:
    """The threads that steps of turns run in, and what is known of the parts they ask.

    Attributes:
        turns: takes the steps of turns.
        summaries: asks summarizers that block.
        listeners: calls who wants the receipts of async clients, and is not async.
        hands: takes what is looked up by hand on an event loop.
        store: what is not known to be another part's fault is the store's.
        summarizer: one that answers, if only with what is of no use or that this key or these
            turns are refused, has not failed; what that means `summarizers.resting` knows.
    """

    def __init__(self) -> None:
        self.turns = WorkerThreads(_TURNS, "turnfold-turn")
        self.summaries = WorkerThreads(_SUMMARIES, "turnfold-summary")
        self.listeners = WorkerThreads(_LISTENERS, "turnfold-listener")
        self.hands = WorkerThreads(_HANDS, "turnfold-hand", of_turns=False)
        self.store = CircuitBreaker("the store")
        answers = (SummaryError, Resting, APIStatusError)
        self.summarizer = CircuitBreaker("the summarizer", answers=answers)

    def blame(self, wrong: Exception) -> None:
        """A turn went without memory: note whose fault it was."""
        if isinstance(wrong, TooLate) and wrong.began:
            (wrong.part or self.store).failed(wrong)
        elif isinstance(wrong, StoreError) or not isinstance(wrong, TurnfoldError):
            self.store.failed(wrong)
        elif not isinstance(wrong, LeftAlone):  # who is turned away has not tried it
            self.store.untried()
