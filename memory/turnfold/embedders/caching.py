"""An embedder that does not embed the same text twice."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from turnfold_stores.lazy_numpy import np
from turnfold_stores.process.fork import at_fork

from turnfold.embedders.protocol import Embedder, EmbedsQuestions, Vector, Vectors


class RememberedEmbedder:
    """Remembers the vectors of the texts last seen, by the hash of the text.

    A question is asked again by a retry, a search, another view of the same turn. Vectors of
    passages are kept by the ledger, and need no memory here.
    """

    def __init__(self, inner: Embedder, *, most: int = 1_024) -> None:
        """Args:
        inner: makes the vectors of new texts.
        most: how many vectors are kept; at 384 numbers each, 1,024 are 1.5 MB.
        """
        self.inner = inner
        self._most = most
        self._begin_anew()
        at_fork(in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Vectors] = OrderedDict()

    @property
    def model(self) -> str:
        """The model of the inner embedder."""
        return self.inner.model

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts; see `Embedder.embed`."""
        return self._remembered(texts, self.inner.embed)

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question; see `query_vector`."""
        if isinstance(self.inner, EmbedsQuestions):
            ask = self.inner.embed_query
            rows = self._remembered([text], lambda texts: np.stack([ask(texts[0])]), mark=b"?")
        else:
            rows = self.embed([text])
        vector: Vector = rows[0]
        return vector

    def _remembered(
        self, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors], mark: bytes = b""
    ) -> Vectors:
        keys = [
            mark + hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts
        ]
        with self._lock:
            have = {key: self._kept[key] for key in keys if key in self._kept}
        lacking = {key: text for key, text in zip(keys, texts, strict=True) if key not in have}
        if lacking:
            made = embed(list(lacking.values()))
            # Copies: a row that is kept must not keep a whole batch in memory.
            have |= {key: row.copy() for key, row in zip(lacking, made, strict=True)}
        with self._lock:
            for key in keys[-self._most :]:
                self._kept[key] = have[key]
                self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        if not keys:
            return embed([])
        return np.stack([have[key] for key in keys])
