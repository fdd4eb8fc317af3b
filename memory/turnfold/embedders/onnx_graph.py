"""An ONNX file goes in; what turns the pieces of a text into its vector comes out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnfold_stores.lazy_numpy import np

from turnfold.embedders.minilm import first_line
from turnfold.embedders.model_folder import Pooling
from turnfold.errors import EmbedderError

if TYPE_CHECKING:
    import numpy.typing as npt

_PIECES = "input_ids"
_KNOWN = (_PIECES, "attention_mask", "token_type_ids")


class Graph:
    """An encoder that OpenVINO reads as it was exported. Any number of threads may use it.

    Inputs are `input_ids`, and `attention_mask` and `token_type_ids` where it has them; its first
    output the vectors of tokens, shape (texts, tokens, width), or of texts, (texts, width).

    Attributes:
        width: numbers of a vector.
    """

    def __init__(self, path: Path, pooling: Pooling, settings: Mapping[str, Any]) -> None:
        """Compile it.

        Raises:
            EmbedderError: it cannot be read, or wants other inputs.
        """
        import openvino

        try:
            model = openvino.Core().read_model(str(path))
            self._compiled = openvino.Core().compile_model(model, "CPU", dict(settings))
        except RuntimeError as wrong:
            raise EmbedderError(f"{str(path)!r} cannot be read: {first_line(wrong)}") from None
        self._inputs = [one.get_any_name() for one in self._compiled.inputs]
        if _PIECES not in self._inputs or not set(self._inputs) <= set(_KNOWN):
            raise EmbedderError(
                f"{str(path)!r} wants {self._inputs}, and an encoder of texts takes {_KNOWN}"
            )
        self._pooling = pooling
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self.width = int(self([0]).size)

    def __call__(self, pieces: Sequence[int]) -> npt.NDArray[np.float32]:
        """The vector of a text, given its pieces; shape (width,)."""
        ids = np.array([pieces], dtype=np.int64)
        given = {_PIECES: ids, "attention_mask": np.ones_like(ids)}
        given["token_type_ids"] = np.zeros_like(ids)
        with self._lock:
            request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        request.infer({name: given[name] for name in self._inputs})
        found = request.get_output_tensor(0).data[0].astype(np.float32)
        with self._lock:
            self._idle.append(request)
        if found.ndim == 1:
            return np.array(found)
        return np.array(found.mean(axis=0) if self._pooling == "mean" else found[0])
