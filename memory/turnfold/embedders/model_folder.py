"""The folder of an embedding model goes in; what its own files say of how to use it comes out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from turnfold.errors import EmbedderError

Pooling = Literal["mean", "cls"]

WEIGHTS = "model.safetensors"
ONNX = ("model.onnx", "onnx/model.onnx")
"""Where a graph may stand, the first one that is there counts."""
SETTINGS = (
    "config.json",
    "tokenizer.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "1_Pooling/*",
)
"""What else of a folder is read; the last four where they are there."""
_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}
_STEPS = {"Transformer", "Pooling", "Normalize"}
_DEFAULT_TOKENS = 512
# Trained with these before each text, by the paper (Wang et al. 2024, arXiv:2402.05672); their
# folders do not say so.
_E5 = ("query: ", "passage: ")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """An embedding model as its files describe it.

    Attributes:
        path: the folder.
        config: of the encoder, as `config.json` has it.
        pooling: how the vectors of tokens become that of the text.
        most_tokens: longer texts are cut here, marks at both ends included.
        query_prefix: what stands before a question.
        passage_prefix: what stands before what is searched.
    """

    path: Path
    config: dict[str, Any]
    pooling: Pooling
    most_tokens: int
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def kind(self) -> str:
        """The kind of encoder: "bert", "xlm-roberta" and so on."""
        return str(self.config.get("model_type", ""))

    @property
    def graph(self) -> Path | None:
        """An ONNX file of the whole encoder; None where there is none."""
        return next((self.path / one for one in ONNX if (self.path / one).is_file()), None)


def read_folder(path: Path) -> ModelFolder:
    """What the files of a model say.

    Raises:
        EmbedderError: one is missing or damaged, or the model does something to its texts or
            vectors that is not done here.
    """
    config = read_json(path / "config.json")
    limit = _optional(path / "sentence_bert_config.json").get("max_seq_length")
    most = config.get("max_position_embeddings", _DEFAULT_TOKENS)
    query, passage = _prefixes(path, config)
    _check_steps(path)
    return ModelFolder(
        path,
        config,
        pooling=_pooling(path),
        most_tokens=min(limit or _DEFAULT_TOKENS, most - first_place(config)),
        query_prefix=query,
        passage_prefix=passage,
    )


def first_place(config: dict[str, Any]) -> int:
    """The number of the first token's position: RoBERTa counts on from that of padding."""
    is_roberta = "roberta" in str(config.get("model_type")) or config.get("model_type") in _LIKE
    return int(config.get("pad_token_id", 1)) + 1 if is_roberta else 0


_LIKE = {"camembert"}


def _pooling(path: Path) -> Pooling:
    said = _optional(path / "1_Pooling" / "config.json")
    modes = [key for key, on in said.items() if key.startswith("pooling_mode_") and on is True]
    if not said:
        return "mean"  # what sentence-transformers does with an encoder that says nothing
    if not modes and said.get("pooling_mode") in {"mean", "cls"}:
        return "mean" if said["pooling_mode"] == "mean" else "cls"
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise EmbedderError(
            f"the fast path pools tokens by their mean or by the first of them, and the model in "
            f"{str(path)!r} has {modes}: load it with SentenceTransformerEmbedder"
        )
    return _POOLINGS[modes[0]]


def _prefixes(path: Path, config: dict[str, Any]) -> tuple[str, str]:
    said = _optional(path / "config_sentence_transformers.json")
    prompts = said.get("prompts")
    if isinstance(prompts, dict) and any(prompts.values()):
        usual = prompts.get(said.get("default_prompt_name") or "", "")
        query = prompts.get("query", usual)
        passage = prompts.get("passage") or prompts.get("document") or usual
        return str(query), str(passage)
    # In the hub's cache a folder bears a number, and its model's name stands two above.
    names = f"{path.name} {path.parent.parent.name} {config.get('_name_or_path', '')}"
    return usual_prefixes(names)


def usual_prefixes(name: str) -> tuple[str, str]:
    """What a model of this name wants before a question, and before what is searched."""
    return _E5 if "e5-" in name.lower() else ("", "")


def _check_steps(path: Path) -> None:
    try:
        steps = json.loads((path / "modules.json").read_text("utf-8"))
        kinds = [str(one["type"]).rpartition(".")[2] for one in steps]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError) as wrong:
        raise EmbedderError(f"{str(path / 'modules.json')!r} cannot be read: {wrong}") from None
    if other := [one for one in kinds if one not in _STEPS]:
        raise EmbedderError(
            f"the model in {str(path)!r} has steps that the fast path lacks, {other}: load it "
            f"with SentenceTransformerEmbedder"
        )


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        EmbedderError: it is none.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as wrong:
        raise EmbedderError(f"{str(path)!r} cannot be read: {wrong}") from None
    if not isinstance(found, dict):
        raise EmbedderError(f"{str(path)!r} holds no JSON object")
    return found
