"""A model that loads while turns go on without it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from turnfold_stores.process.fork import at_fork

from turnfold.embedders.caching import RememberedEmbedder
from turnfold.embedders.minilm import DEFAULT_MODEL, full_name
from turnfold.embedders.protocol import Embedder, Loadable, Vector, Vectors, query_vector
from turnfold.embedders.sentence_transformers import SentenceTransformerEmbedder
from turnfold.errors import EmbedderError, failure
from turnfold.resilience.circuit_breaker import CircuitBreaker
from turnfold.resilience.worker_threads import current_task

logger = logging.getLogger("turnfold")

_DEFAULT = full_name(DEFAULT_MODEL)
# A hub that could not be reached is asked again after so many seconds.
_AGAIN_AFTER = 60.0


class ModelNotReady(EmbedderError):  # noqa: N818 - a state, not a fault
    """The model is not loaded, or not yet: recall is by words alone for this turn."""


class ModelStart:
    """An embedder whose model is loaded in the background, and that never waits for it.

    An embedder that has nothing to load is ready from the beginning. Vectors of the texts last
    seen are remembered.
    """

    def __init__(self, inner: Embedder, *, patient: bool = False) -> None:
        """Args:
        inner: the embedder.
        patient: whether `embed` waits for the model; else it raises until that is loaded.
        """
        self._inner = RememberedEmbedder(inner)
        self._patient = patient
        self._loadable = inner if isinstance(inner, Loadable) else None
        # One that hangs must leave threads to the store: recall by words goes on without it.
        self._breaker = CircuitBreaker("the embedder", most_left=1)
        self._failure = ""
        self._failed_at = 0.0
        self._warned = False
        self._begin_anew()
        at_fork(in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def model(self) -> str:
        """The model of the inner embedder."""
        return self._inner.model

    @property
    def ready(self) -> bool:
        """Whether `embed` answers without loading anything first."""
        return self._loadable is None or self._loadable.loaded

    def begin(self) -> None:
        """Load the model in a background thread, unless that is done or under way."""
        if self.ready:
            return
        with self._lock:
            working = self._thread is not None and self._thread.is_alive()
            too_soon = self._failure and time.monotonic() - self._failed_at < _AGAIN_AFTER
            if working or too_soon:
                return
            thread = threading.Thread(target=self._load, name="turnfold-model", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # too many threads, or the interpreter is about to exit
                return
            self._thread = thread

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the model is loaded or has failed, `seconds` at the most; is it ready?"""
        self.begin()
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self.ready

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts; see `Embedder.embed`.

        Raises:
            ModelNotReady: the model is still loading, or could not be loaded.
        """
        return self._watched(lambda: self._inner.embed(texts))

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question; see `query_vector`.

        Raises:
            ModelNotReady: as `embed`.
        """
        return self._watched(lambda: query_vector(self._inner, text))

    def _watched(self, embed: Callable[[], Vectors]) -> Vectors:
        if not self.ready:
            self.begin()
            if not self._patient or not self.wait():
                raise self._excuse()
        task = current_task()
        if task is None or not task.crew.of_turns:
            return embed()  # no turn waits for it: who asks wants to know
        with self._breaker.watching():
            return embed()

    def _load(self) -> None:
        assert self._loadable is not None
        try:
            self._loadable.load()
        except BaseException as caught:  # noqa: BLE001 - told by the next turn that needs it
            wrong = failure(caught)
            self._failure = str(wrong) or type(wrong).__name__
            self._failed_at = time.monotonic()
        else:
            self._failure = ""

    def _excuse(self) -> ModelNotReady:
        if self._failure:
            wrong = ModelNotReady(f"recall is by words alone: {self._failure}")
        else:
            wrong = ModelNotReady(
                f"recall is by words alone: the embedding model {self.model!r} is still loading"
            )
        if not self._warned:
            self._warned = True
            logger.warning("%s. %s", wrong, self._advice())
        return wrong

    def _advice(self) -> str:
        if self._failure:
            return "What is stored meanwhile gets its vectors later"
        advice = "To have it from the first turn, call Memory.load() at start-up"
        if not self._has_faster:
            return advice
        return (
            f"{advice}, or use the fast embedder, which loads the same model in about a second: "
            f"pip install 'turnfold[fast]' and Memory(embedder='fast')"
        )

    @property
    def _has_faster(self) -> bool:
        """Whether the fast embedder would be of use: it is the same model, and another program."""
        embedder = self._loadable
        return isinstance(embedder, SentenceTransformerEmbedder) and embedder.model == _DEFAULT
