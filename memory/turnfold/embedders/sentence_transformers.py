"""Models of sentence-transformers, on torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from turnfold_stores.lazy_numpy import np
from turnfold_stores.process.fork import Undivided, at_fork

from turnfold.embedders.minilm import (
    DEFAULT_MODEL,
    HUB_SECONDS,
    carried_model,
    first_line,
    full_name,
    refuse_if_cut,
    unfound,
)
from turnfold.embedders.model_folder import usual_prefixes
from turnfold.embedders.protocol import Vector, Vectors
from turnfold.errors import EmbedderError, MissingDependency


class SentenceTransformerEmbedder:
    """A sentence-transformers model, by default all-MiniLM-L6-v2 (384 dimensions).

    It is looked for in this order: `path` if it is a folder; `path` as a model name in the
    local Hugging Face cache; the installed package that carries all-MiniLM-L6-v2; the hub, which
    has 10 seconds to answer. Nothing is loaded or imported before `load` or the first `embed`.
    """

    def __init__(
        self, path: str | os.PathLike[str] = DEFAULT_MODEL, *, device: str | None = None
    ) -> None:
        """Args:
        path: a model's name, or its folder.
        device: what torch computes on, as torch calls it ("cpu", "cuda:1", "mps"); None for what
            sentence-transformers would choose: a GPU where there is one, else the processor.
        """
        self._path = os.fspath(path)
        self._device = device
        self._loaded: Any = None
        self._native = Undivided()
        self._begin_anew()
        at_fork(in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The model's name, or the folder it was loaded from."""
        return full_name(self._path)

    @property
    def loaded(self) -> bool:
        """Whether `embed` answers without loading anything first."""
        return self._loaded is not None

    def load(self) -> None:
        """Load the model, unless it is loaded. Takes some 5 seconds, torch included.

        Raises:
            MissingDependency: sentence-transformers is not installed.
            EmbedderError: the model is nowhere to be found, or there is no such device.
        """
        with self._lock:
            if self._loaded is None:
                refuse_if_cut(self._native, self.model)
                with self._native:
                    self._loaded = self._load()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            MissingDependency: sentence-transformers is not installed.
            EmbedderError: the model is nowhere to be found, or there is no such device.
        """
        return self._encode("encode_document", texts)

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question, with the prompt that the model has for one.

        Raises:
            MissingDependency: sentence-transformers is not installed.
            EmbedderError: the model is nowhere to be found, or there is no such device.
        """
        vector: Vector = self._encode("encode_query", [text])[0]
        return vector

    def _encode(self, how: str, texts: Sequence[str]) -> Vectors:
        self.load()
        with self._lock, self._native:
            # It sorts by length itself, so that little of a batch is padding.
            vectors = getattr(self._loaded, how)(
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
        self._try_device()
        bars.disable_progress_bar()
        try:
            model = self._find(partial(SentenceTransformer, device=self._device))
        finally:
            if shown:
                bars.enable_progress_bar()
        query, passage = usual_prefixes(self.model)
        if query and not any(model.prompts.values()):
            model.prompts = {"query": query, "document": passage}
        return model

    def _try_device(self) -> None:
        """Before a model is looked for: what goes wrong then means that there is none here."""
        if self._device is None:
            return
        import torch

        try:
            torch.ones(1, device=self._device).sum().item()
        except Exception as wrong:  # noqa: BLE001 - each backend fails in its own way
            reason = first_line(wrong)
        else:
            return
        raise EmbedderError(f"torch cannot compute on device={self._device!r}: {reason}")

    def _find(self, load: Callable[..., Any]) -> Any:
        if Path(self._path).is_dir():
            return load(self._path, local_files_only=True)
        try:
            return load(self.model, local_files_only=True)
        except Exception:  # noqa: BLE001 - any failure here only means: not in the local cache
            carried = carried_model(self.model)
        if carried is not None:
            return load(str(carried), local_files_only=True)
        try:
            # One question with a limit: a download that has begun may take longer.
            from huggingface_hub import HfApi

            HfApi().model_info(self.model, timeout=HUB_SECONDS)
            return load(self.model)
        except Exception as wrong:  # noqa: BLE001 - the hub fails in many ways; all end here
            reason = first_line(wrong)
        raise unfound(self.model, reason)
