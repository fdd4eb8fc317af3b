"""What an embedder is, and how what one returns is checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from turnfold_stores.lazy_numpy import np

from turnfold.errors import EmbedderError

if TYPE_CHECKING:
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"
Vector: TypeAlias = "npt.NDArray[np.float32]"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors whose dot product says how close they are."""

    @property
    def model(self) -> str:
        """A name that changes whenever the vectors would. Kept in the store with the vectors."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            EmbedderError: or any other error: recall is then by words alone for the turn.
        """
        ...


@runtime_checkable
class Loadable(Protocol):
    """An embedder whose model takes time to load. Memory loads it while turns go on."""

    @property
    def loaded(self) -> bool:
        """Whether `embed` answers without loading anything first."""
        ...

    def load(self) -> None:
        """Load the model, unless it is loaded.

        Raises:
            MissingDependency: a package is not installed.
            EmbedderError: the model is nowhere to be found.
        """
        ...


@runtime_checkable
class EmbedsQuestions(Protocol):
    """An embedder whose model reads a question in another way than what is searched."""

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question, float32, shape (dimension,).

        Raises:
            EmbedderError: or any other error, as `Embedder.embed`.
        """
        ...


def query_vector(embedder: Embedder, text: str) -> Vector:
    """The vector of a question, shape (dimension,), as the embedder's model wants it."""
    if isinstance(embedder, EmbedsQuestions):
        return embedder.embed_query(text)
    vector: Vector = embedder.embed([text])[0]
    return vector


def unit_rows(vectors: Any, *, count: int, model: str) -> Vectors:
    """What an embedder gave, as float32 rows of unit length, shape (count, dimension).

    Args:
        vectors: anything NumPy reads as a matrix of numbers.
        count: how many texts were given.
        model: the model, for errors.

    Raises:
        EmbedderError: they are no such matrix, or a row has no direction.
    """
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as wrong:
        raise EmbedderError(
            f"the embedding model {model!r} gave no matrix of numbers: {wrong}"
        ) from None
    if rows.ndim != 2 or rows.shape[0] != count or not rows.shape[1]:
        raise EmbedderError(
            f"the embedding model {model!r} gave numbers of shape {rows.shape} for {count} "
            f"texts; ({count}, dimension) was expected"
        )
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or not np.all(lengths):
        raise EmbedderError(
            f"the embedding model {model!r} gave a vector without direction: all zeros, or not "
            f"finite"
        )
    return np.asarray(rows / lengths, dtype=np.float32)
