"""An encoder like BERT or XLM-RoBERTa, from its weights to what OpenVINO runs.

The graph is written out below, so no exporter and no converted copy of the weights is needed:
`model.safetensors` is mapped into memory, and the model is ready in a fraction of a second.

Sources: Devlin et al. 2019 (arXiv:1810.04805) for the encoder; Reimers and Gurevych 2019
(arXiv:1908.10084) for the mean over its outputs; Conneau et al. 2020 (arXiv:1911.02116) for
XLM-RoBERTa; github.com/huggingface/safetensors for the file.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from turnfold_stores.lazy_numpy import np

from turnfold.embedders.model_folder import WEIGHTS, ModelFolder, Pooling, first_place
from turnfold.errors import EmbedderError

if TYPE_CHECKING:
    import numpy.typing as npt

Table: TypeAlias = "npt.NDArray[np.float32]"
Tensors: TypeAlias = Mapping[str, "Table"]

_WORDS = "embeddings.word_embeddings.weight"
_READ: Mapping[str, Callable[[Any], Table]] = {
    "F32": lambda raw: raw.view(np.float32),
    "F16": lambda raw: raw.view(np.float16).astype(np.float32),
    # The upper half of a float32.
    "BF16": lambda raw: (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32),
}

# Encoders of one build: RoBERTa and those after it differ in where positions begin.
_KINDS = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})


def can_build(folder: ModelFolder) -> bool:
    """Whether an encoder is of the kind that is built here, and its weights are there."""
    config = folder.config
    return (
        folder.kind in _KINDS
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and (folder.path / WEIGHTS).exists()
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """The measures of an encoder.

    Attributes:
        layers: how many.
        heads: attention heads of each.
        width: numbers of a token's vector, which is also the dimension of the embedding.
        epsilon: added to a variance before its root is taken.
        most_tokens: longer texts are cut here, marks at both ends included.
        first_place: the number of the first token's position.
        pooling: how the vectors of tokens become that of the text.
    """

    layers: int
    heads: int
    width: int
    epsilon: float
    most_tokens: int
    first_place: int
    pooling: Pooling


def read_shape(folder: ModelFolder) -> Shape:
    """The measures of a model.

    Raises:
        EmbedderError: its configuration does not say them.
    """
    config = folder.config
    try:
        return Shape(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            width=config["hidden_size"],
            epsilon=config["layer_norm_eps"],
            most_tokens=folder.most_tokens,
            first_place=first_place(config),
            pooling=folder.pooling,
        )
    except KeyError as missing:
        raise EmbedderError(f"{str(folder.path / 'config.json')!r} says no {missing}") from None


def read_tensors(path: Path) -> Tensors:
    """The tensors of a safetensors file by name, as float32: those that are so are mapped.

    Names are those of the encoder itself, without that of a model around it ("roberta.").

    Raises:
        EmbedderError: it is no such file.
    """
    try:
        # Copy-on-write: OpenVINO shares only arrays that might be written to.
        mapped = np.memmap(path, dtype=np.uint8, mode="c")
        (length,) = struct.unpack("<Q", mapped[:8].tobytes())
        header = json.loads(mapped[8 : 8 + length].tobytes())
        around = next((n[: -len(_WORDS)] for n in header if n.endswith(_WORDS)), "")
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in _READ:
                continue
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            numbers = _READ[entry["dtype"]](mapped[start:end]).reshape(entry["shape"])
            tensors[name.removeprefix(around)] = numbers
    except (OSError, ValueError, KeyError, TypeError, struct.error) as wrong:
        raise EmbedderError(f"{str(path)!r} cannot be read as safetensors: {wrong}") from None
    return tensors


def build(tensors: Tensors, shape: Shape) -> Any:
    """The encoder as a model of OpenVINO's.

    Its input is the sum of word, position and type vectors, shape (texts, tokens, width), of
    texts that have equally many tokens; its output the embeddings, shape (texts, width), unit
    length. The sum is taken outside: a look-up needs no compiler, and the table of word vectors,
    half of the weights, stays in the mapped file.

    Raises:
        EmbedderError: a tensor is missing.
    """
    import openvino
    from openvino import opset13 as op

    def weight(name: str) -> Any:
        # A constant of its own: given an array, each operation would copy it number by number.
        return op.constant(_tensor(tensors, name), shared_memory=True)

    def norm(x: Any, name: str) -> Any:
        y = op.mvn(x, np.array([-1]), True, shape.epsilon, "inside_sqrt")
        return op.add(op.multiply(y, weight(f"{name}.weight")), weight(f"{name}.bias"))

    def linear(x: Any, name: str) -> Any:
        return op.add(op.matmul(x, weight(f"{name}.weight"), False, True), weight(f"{name}.bias"))

    def split(x: Any) -> Any:  # (texts, tokens, width) -> (texts, heads, tokens, width / heads)
        apart = op.reshape(x, np.array([0, 0, shape.heads, shape.width // shape.heads]), True)
        return op.transpose(apart, np.array([0, 2, 1, 3]))

    def attention(x: Any, name: str) -> Any:
        query, key, value = (
            split(linear(x, f"{name}.self.{part}")) for part in ("query", "key", "value")
        )
        seen = op.transpose(
            op.scaled_dot_product_attention(query, key, value), np.array([0, 2, 1, 3])
        )
        joined = op.reshape(seen, np.array([0, 0, shape.width]), True)
        return norm(op.add(linear(joined, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    entry = op.parameter([-1, -1, shape.width], np.float32)
    x = norm(entry, "embeddings.LayerNorm")
    for number in range(shape.layers):
        layer = f"encoder.layer.{number}"
        x = attention(x, f"{layer}.attention")
        wide = op.gelu(linear(x, f"{layer}.intermediate.dense"), "erf")
        x = norm(op.add(linear(wide, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")
    if shape.pooling == "mean":
        pooled = op.reduce_mean(x, np.array([1]))
    else:
        pooled = op.gather(x, np.array(0), np.array(1))
    return openvino.Model([op.normalize_l2(pooled, np.array([1]), 1e-12, "max")], [entry])


def tables(tensors: Tensors, shape: Shape) -> tuple[Table, Table]:
    """Word vectors, shape (words, width), and what is added by position, (most_tokens, width).

    Raises:
        EmbedderError: a tensor is missing.
    """
    places = _tensor(tensors, "embeddings.position_embeddings.weight")
    places = places[shape.first_place : shape.first_place + shape.most_tokens]
    first_type = _tensor(tensors, "embeddings.token_type_embeddings.weight")[0]
    return _tensor(tensors, _WORDS), places + first_type


def _tensor(tensors: Tensors, name: str) -> Table:
    try:
        return tensors[name]
    except KeyError:
        raise EmbedderError(f"the model's weights have no tensor {name!r}") from None
