"""A store goes in, and a model; every passage in it comes out with a vector of that model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from turnfold_stores import Entry, Record, Reindexing, SchemaMismatch, Store, Unreadable
from turnfold_stores.protocols import RefreshesWords

from turnfold.archive.passage_records import forget_vectors, forgotten_passages
from turnfold.embedders import Embedder

# Passages embedded and written at a time: what is lost when it is cut short.
_BATCH = 64
# A store that others keep writing to is caught up with this often before we give up.
_MOST_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a re-index did.

    Attributes:
        model: the embedding model the store is bound to now.
        dimension: how many numbers its vectors have.
        passages: how many passages have a vector now.
        embedded: how many of them were embedded this time; the others had been before.
        reread: how many texts had words that another version of turnfold had read, and which
            were read anew.
    """

    model: str
    dimension: int
    passages: int
    embedded: int
    reread: int = 0


def reindex(
    store: Store,
    embedder: Embedder,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reindexed:
    """Embed every passage of a store with another model, and switch to it when all are done.

    Words that another version of turnfold read are read anew first.

    Until then the old vectors serve, also other processes. It may be stopped at any time and
    called again: what was embedded stays. Called with the model that the store has already, it
    embeds what has no vector yet.

    Args:
        store: what is re-indexed, for all users. Where one process alone may have it open, that
            is this one.
        embedder: the new model.
        on_progress: called with how many passages have their new vector, and how many there are.

    Raises:
        StoreError: the store could not be read or written.
        EmbedderError: or whatever the embedder raises; nothing was switched then.
    """
    reread = 0
    if isinstance(store.ledger, RefreshesWords):
        reread = sum(store.ledger.refresh_words(user_id) for user_id in store.users())
    dimension = int(embedder.embed(["how many numbers?"]).shape[1])
    reindexing = Reindexing(store, embedder.model, dimension)
    work = _Work(store, embedder, reindexing, on_progress or (lambda _done, _all: None))
    if store.model == embedder.model:
        work.complete()
        store.bind(embedder.model, dimension)
    else:
        for _ in range(_MOST_ROUNDS):
            work.stage()
            if reindexing.switch(lambda user_id: _passage_ids(store, user_id)):
                break
        else:
            raise SchemaMismatch(
                "others kept writing to this store, and re-indexing did not catch up with them; "
                "nothing was switched. Run it again when there is less to do"
            )
    return Reindexed(embedder.model, dimension, work.total, work.embedded, reread)


class _Work:
    """Embedding what has no vector, a batch at a time."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        reindexing: Reindexing,
        tell: Callable[[int, int], None],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._reindexing = reindexing
        self._tell = tell
        self.total = 0
        self.embedded = 0

    def stage(self) -> None:
        """Make the new vectors that are lacking."""
        self._embed(
            lambda user_id, _: self._reindexing.staged(user_id),
            self._reindexing.stage,
        )

    def complete(self) -> None:
        """Make the vectors that are lacking of the model the store has."""
        self._embed(
            self._store.have_vectors,
            lambda user_id, entries: self._store.put_vectors(
                user_id, entries, model=self._embedder.model
            ),
        )

    def _embed(
        self,
        done_of: Callable[[str, Collection[str]], set[str]],
        write: Callable[[str, Sequence[Entry]], object],
    ) -> None:
        lacking: dict[str, set[str]] = {}
        done = self.total = 0
        for user_id in self._store.users():
            ids = _passage_ids(self._store, user_id)
            lacking[user_id] = ids - done_of(user_id, ids)
            done += len(ids) - len(lacking[user_id])
            self.total += len(ids)
        self._tell(done, self.total)
        for user_id, ids in lacking.items():
            passages = (one for one in _passages(self._store, user_id) if one.id in ids)
            while batch := list(islice(passages, _BATCH)):
                vectors = self._embedder.embed([one.text for one in batch])
                write(
                    user_id,
                    [
                        Entry(one.id, one.conversation, vector)
                        for one, vector in zip(batch, vectors, strict=True)
                    ],
                )
                forget_vectors(self._store, user_id, [one.id for one in batch])
                done += len(batch)
                self.embedded += len(batch)
                self._tell(done, self.total)


def _passages(store: Store, user_id: str) -> Iterator[Record]:
    scan = store.ledger.scan(user_id, kind="passage")
    return (one for one in scan if not isinstance(one.body, Unreadable))


def _passage_ids(store: Store, user_id: str) -> set[str]:
    ids = {record.id for record in _passages(store, user_id)}
    return ids - forgotten_passages(store, user_id, ids)
