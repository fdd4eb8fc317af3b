"""A BERT encoder of sentence-transformers, from its files to what OpenVINO runs.

The graph is written out below, so no exporter and no converted copy of the weights is needed:
`model.safetensors` is mapped into memory, and the model is ready in a fraction of a second.

Sources: Devlin et al. 2019 (arXiv:1810.04805) for the encoder; Reimers and Gurevych 2019
(arXiv:1908.10084) for the mean over its outputs; github.com/huggingface/safetensors for the file.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from turnfold_stores.lazy_numpy import np

from turnfold.embedders.minilm import WEIGHTS
from turnfold.errors import EmbedderError

if TYPE_CHECKING:
    import numpy.typing as npt

Table: TypeAlias = "npt.NDArray[np.float32]"
Tensors: TypeAlias = Mapping[str, "Table"]

FILES = ("config.json", "tokenizer.json", WEIGHTS, "sentence_bert_config.json", "1_Pooling/*")
"""What of a model's folder is read."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The measures of an encoder.

    Attributes:
        layers: how many.
        heads: attention heads of each.
        width: numbers of a token's vector, which is also the dimension of the embedding.
        epsilon: added to a variance before its root is taken.
        most_tokens: longer texts are cut here, marks at both ends included.
    """

    layers: int
    heads: int
    width: int
    epsilon: float
    most_tokens: int


def read_shape(folder: Path) -> Shape:
    """The measures of the model in a folder.

    Raises:
        EmbedderError: a file is missing, or it is another kind of model than is built here.
    """
    config = _read_json(folder / "config.json")
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    limit = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    wanted = {"model_type": "bert", "hidden_act": "gelu"}
    other = {key: config.get(key) for key, value in wanted.items() if config.get(key) != value}
    if config.get("position_embedding_type", "absolute") != "absolute":
        other["position_embedding_type"] = config["position_embedding_type"]
    modes = [key for key, on in pooling.items() if key.startswith("pooling_mode") and on is True]
    if modes != ["pooling_mode_mean_tokens"]:
        other["pooling"] = modes
    if other:
        raise EmbedderError(
            f"the fast path reads BERT encoders with mean pooling, and the model in "
            f"{str(folder)!r} has {other}: load it with SentenceTransformerEmbedder"
        )
    try:
        return Shape(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            width=config["hidden_size"],
            epsilon=config["layer_norm_eps"],
            most_tokens=min(limit or 512, config["max_position_embeddings"]),
        )
    except KeyError as missing:
        raise EmbedderError(f"{str(folder / 'config.json')!r} says no {missing}") from None


def read_tensors(path: Path) -> Tensors:
    """The float32 tensors of a safetensors file by name, mapped, not read.

    Raises:
        EmbedderError: it is no such file.
    """
    try:
        # Copy-on-write: OpenVINO shares only arrays that might be written to.
        mapped = np.memmap(path, dtype=np.uint8, mode="c")
        (length,) = struct.unpack("<Q", mapped[:8].tobytes())
        header = json.loads(mapped[8 : 8 + length].tobytes())
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] != "F32":
                continue
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = mapped[start:end].view(np.float32).reshape(entry["shape"])
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
    mean = op.reduce_mean(x, np.array([1]))
    return openvino.Model([op.normalize_l2(mean, np.array([1]), 1e-12, "max")], [entry])


def tables(tensors: Tensors, shape: Shape) -> tuple[Table, Table]:
    """Word vectors, shape (words, width), and what is added by position, (most_tokens, width).

    Raises:
        EmbedderError: a tensor is missing.
    """
    places = _tensor(tensors, "embeddings.position_embeddings.weight")[: shape.most_tokens]
    first_type = _tensor(tensors, "embeddings.token_type_embeddings.weight")[0]
    return _tensor(tensors, "embeddings.word_embeddings.weight"), places + first_type


def _tensor(tensors: Tensors, name: str) -> Table:
    try:
        return tensors[name]
    except KeyError:
        raise EmbedderError(f"the model's weights have no tensor {name!r}") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as wrong:
        raise EmbedderError(f"{str(path)!r} cannot be read: {wrong}") from None
    if not isinstance(found, dict):
        raise EmbedderError(f"{str(path)!r} holds no JSON object")
    return found
