"""Any function from texts to vectors as an embedder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from turnfold.embedders.protocol import Vectors, unit_rows
from turnfold.errors import EmbedderError


class FunctionEmbedder:
    """An embedder made of a function.

    Example:
        FunctionEmbedder(lambda texts: my_model.encode(texts), model="my-model-v3")
    """

    def __init__(self, function: Callable[[list[str]], Any], *, model: str) -> None:
        """Args:
            function: takes a list of texts and returns as many rows of numbers, of any length.
            model: a name that changes whenever the vectors would.

        Raises:
            EmbedderError: there is no function, or no name.
        """
        if not callable(function):
            raise EmbedderError(f"{function!r} is no function from texts to vectors")
        if not isinstance(model, str) or not model:
            raise EmbedderError(
                f"model={model!r} must name what makes the vectors: a store refuses those of "
                f"another model by this name"
            )
        self._function = function
        self._model = model

    @property
    def model(self) -> str:
        """The name given to it."""
        return self._model

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            EmbedderError: the function gave something else than one row for each text.
            Exception: whatever the function raises.
        """
        return unit_rows(self._function(list(texts)), count=len(texts), model=self._model)
