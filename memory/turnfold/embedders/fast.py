"""all-MiniLM-L6-v2, or another encoder, without torch: OpenVINO runs the same weights."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnfold_stores.lazy_numpy import np
from turnfold_stores.process.fork import Undivided, at_fork

from turnfold.embedders import bert
from turnfold.embedders.minilm import (
    DEFAULT_MODEL,
    HUB_SECONDS,
    carried_model,
    first_line,
    full_name,
    refuse_if_cut,
    unfound,
)
from turnfold.embedders.model_folder import SETTINGS, WEIGHTS, ModelFolder, read_folder
from turnfold.embedders.onnx_graph import Graph
from turnfold.embedders.protocol import Vector, Vectors, unit_rows
from turnfold.errors import EmbedderError, MissingDependency

if TYPE_CHECKING:
    import numpy.typing as npt

# Texts embedded side by side, one thread each. Past this the memory of the buffers grows and
# the speed hardly does.
_MOST_STREAMS = 8


class FastEmbedder:
    """An encoder like BERT or XLM-RoBERTa, by default all-MiniLM-L6-v2 (384 dimensions).

    How tokens are pooled, how many are read and what stands before a text is what the model's
    own files say. Other encoders are read from an ONNX file in their folder.

    Loads neither torch nor transformers. The weights are those that sentence-transformers loads,
    the vectors differ by less than 1 in 10,000 (cosine), and the model has the same name, so
    stores filled by one are read by the other. By as much they differ from one machine to another:
    a processor that has bfloat16 computes in it, about twice as fast. Each text is run by itself:
    its vector is the same whatever it is embedded with.

    It is looked for in this order: `path` if it is a folder; the installed package that carries
    all-MiniLM-L6-v2; the local Hugging Face cache; the hub, which has 10 seconds to answer.
    """

    def __init__(self, path: str | os.PathLike[str] = DEFAULT_MODEL) -> None:
        self._path = os.fspath(path)
        self._native = Undivided()
        self._loaded: _Encoder | None = None
        self._begin_anew()
        at_fork(in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        if self._loaded is not None:
            # Forked: OpenVINO's threads stayed in the parent, and to free the model here would be
            # to wait for them. So it stays, whatever becomes of this object.
            _OF_PARENTS.append(self._loaded)
            self._loaded = None

    @property
    def model(self) -> str:
        """The model's name, or the folder it was loaded from."""
        return full_name(self._path)

    @property
    def loaded(self) -> bool:
        """Whether `embed` answers without loading anything first."""
        return self._loaded is not None

    def load(self) -> None:
        """Load the model, unless it is loaded. Takes about a second.

        Raises:
            MissingDependency: openvino or tokenizers is not installed.
            EmbedderError: the model is nowhere to be found, or of another kind.
        """
        self._encoder()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, float32, shape (len(texts), dimension).

        Raises:
            MissingDependency: openvino or tokenizers is not installed.
            EmbedderError: the model is nowhere to be found, or of another kind.
        """
        encoder = self._encoder()
        with self._native:
            return encoder.embed(texts, prefix=encoder.folder.passage_prefix)

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question, for a model that embeds those in another way.

        Raises:
            MissingDependency: openvino or tokenizers is not installed.
            EmbedderError: the model is nowhere to be found, or of another kind.
        """
        encoder = self._encoder()
        with self._native:
            vector: Vector = encoder.embed([text], prefix=encoder.folder.query_prefix)[0]
        return vector

    def _encoder(self) -> _Encoder:
        with self._lock:
            if self._loaded is None:
                refuse_if_cut(self._native, self.model)
                self._loaded = _load(self.model, self._native)
            return self._loaded


@dataclass(frozen=True, slots=True)
class _Encoder:
    """A model and what goes before it. Any number of threads may use it."""

    model: str
    folder: ModelFolder
    tokenizer: Any
    run: Callable[[Sequence[int]], npt.NDArray[np.float32]]
    width: int
    streams: int

    def embed(self, texts: Sequence[str], *, prefix: str) -> Vectors:
        prefixed = [prefix + text for text in texts]
        pieces = [found.ids for found in self.tokenizer.encode_batch_fast(prefixed)]
        if not pieces:
            return np.empty((0, self.width), dtype=np.float32)
        if len(pieces) == 1:
            return unit_rows([self.run(pieces[0])], count=1, model=self.model)
        rows: list[Any] = [None] * len(pieces)
        # The longest first: none of them is then left to the end, with one thread at work.
        order = sorted(range(len(pieces)), key=lambda index: -len(pieces[index]))
        with ThreadPoolExecutor(min(self.streams, len(pieces)), "turnfold-embed") as pool:
            for index, row in zip(
                order, pool.map(lambda index: self.run(pieces[index]), order), strict=True
            ):
                rows[index] = row
        return unit_rows(rows, count=len(rows), model=self.model)


@dataclass(slots=True)
class _Built:
    """An encoder that was built of its weights."""

    words: bert.Table
    places: bert.Table
    compiled: Any
    idle: list[Any] = field(default_factory=list)

    def __call__(self, pieces: Sequence[int]) -> npt.NDArray[np.float32]:
        """The vector of a text, given its pieces; shape (width,)."""
        request = self.idle.pop() if self.idle else self.compiled.create_infer_request()
        summed = self.words[pieces] + self.places[: len(pieces)]
        request.infer([summed[np.newaxis]])
        row: npt.NDArray[np.float32] = request.get_output_tensor(0).data[0].copy()
        self.idle.append(request)
        return row


# Models that a parent loaded before it forked this process. They are never freed.
_OF_PARENTS: list[_Encoder] = []


def _load(model: str, native: Undivided) -> _Encoder:
    with native:
        try:
            import openvino  # noqa: F401 - and what it imports, before a fork may come
            import tokenizers  # noqa: F401 - as above
        except ImportError as missing:
            raise MissingDependency(
                missing.name or "openvino", extra="fast", feature="The fast embedder"
            ) from None
    folder = _find(model, native)  # a hub is waited for outside
    with native:
        return _compiled(model, folder)


def _compiled(model: str, path: Path) -> _Encoder:
    import openvino
    from tokenizers import Tokenizer

    folder = read_folder(path)
    try:
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as wrong:  # noqa: BLE001 - tokenizers raises bare Exceptions
        raise EmbedderError(
            f"{str(path / 'tokenizer.json')!r} cannot be read: {first_line(wrong)}"
        ) from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.most_tokens)
    streams = max(1, min(os.cpu_count() or 1, _MOST_STREAMS))
    settings = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
    if bert.can_build(folder):
        shape = bert.read_shape(folder)
        tensors = bert.read_tensors(path / WEIGHTS)
        words, places = bert.tables(tensors, shape)
        built = openvino.Core().compile_model(bert.build(tensors, shape), "CPU", settings)
        run: Any = _Built(words, places, built)
        return _Encoder(model, folder, tokenizer, run, shape.width, streams)
    if folder.graph is not None:
        run = Graph(folder.graph, folder.pooling, settings)
        return _Encoder(model, folder, tokenizer, run, run.width, streams)
    raise EmbedderError(
        f"the fast path reads encoders like BERT and XLM-RoBERTa from {WEIGHTS}, and others from "
        f"an ONNX file; the model in {str(path)!r} is {folder.kind!r} and has neither: load it "
        f"with SentenceTransformerEmbedder"
    )


def _find(model: str, native: Undivided) -> Path:
    """The folder of a model.

    Raises:
        EmbedderError: it is nowhere to be found.
    """
    if Path(model).is_dir():
        return Path(model)
    with native:
        carried = carried_model(model)
    if carried is not None:
        return carried
    with native:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import (
            are_progress_bars_disabled,
            disable_progress_bars,
            enable_progress_bars,
        )

    files = [*SETTINGS, WEIGHTS]
    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        try:
            return Path(snapshot_download(model, allow_patterns=files, local_files_only=True))
        except Exception:  # noqa: BLE001 - any failure here only means: not in the local cache
            found = snapshot_download(model, allow_patterns=files, etag_timeout=HUB_SECONDS)
            return Path(found)
    except Exception as wrong:  # noqa: BLE001 - the hub fails in many ways; all end here
        reason = first_line(wrong)
    finally:
        if not quiet:
            enable_progress_bars()
    raise unfound(model, reason)
