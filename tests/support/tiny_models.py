"""Embedding models of a few kilobytes, made by hand: no hub is asked, and nothing is learnt."""

import json
import struct
from pathlib import Path

import numpy as np

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "▁query", "▁passage", ":", "▁cat", "▁Katze", "▁dog", "▁a"]
WIDTH, HEADS, LAYERS, PLACES = 16, 2, 2, 40


def make_tokenizer(folder):
    """One like XLM-RoBERTa's: Unigram over pieces that begin with a blank, `<s> … </s>`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    scores = [(word, 0.0 if n < 4 else -float(n)) for n, word in enumerate(WORDS)]
    letters = [(letter, -20.0) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram([*scores, *letters], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(scores) + len(letters)


def make_xlm_roberta(
    folder, *, pooling="mean_tokens", prompts=None, dtype="F32", around="roberta."
):
    """A folder as sentence-transformers writes it, with weights from a fixed seed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    words = make_tokenizer(folder)
    config = {
        "model_type": "xlm-roberta",
        "architectures": ["XLMRobertaModel"],
        "vocab_size": words,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * WIDTH,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": PLACES,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    _write(folder / "config.json", config)
    _describe(folder, pooling=pooling, prompts=None)
    chance = np.random.default_rng(3)
    tensors = {}

    def add(name, *shape, near=0.0):
        tensors[around + name] = (near + 0.3 * chance.standard_normal(shape)).astype(np.float32)

    def add_norm(name):
        add(f"{name}.weight", WIDTH, near=1.0)
        add(f"{name}.bias", WIDTH)

    def add_linear(name, out, into):
        add(f"{name}.weight", out, into)
        add(f"{name}.bias", out)

    add("embeddings.word_embeddings.weight", words, WIDTH)
    add("embeddings.position_embeddings.weight", PLACES, WIDTH)
    add("embeddings.token_type_embeddings.weight", 1, WIDTH)
    add_norm("embeddings.LayerNorm")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            add_linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        add_linear(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        add_norm(f"{layer}.attention.output.LayerNorm")
        add_linear(f"{layer}.intermediate.dense", 2 * WIDTH, WIDTH)
        add_linear(f"{layer}.output.dense", WIDTH, 2 * WIDTH)
        add_norm(f"{layer}.output.LayerNorm")
    write_safetensors(folder / "model.safetensors", tensors, dtype=dtype)
    return folder


def make_onnx(folder, *, pooling="mean_tokens", prompts=None):
    """A folder with an ONNX file: the vector of a token is a row of a table."""
    folder = Path(folder)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    words = make_tokenizer(folder)
    _write(folder / "config.json", {"model_type": "something-new", "hidden_size": WIDTH})
    _describe(folder, pooling=pooling, prompts=prompts)
    table = np.random.default_rng(5).standard_normal((words, WIDTH)).astype(np.float32)
    (folder / "onnx" / "model.onnx").write_bytes(_gather(table))
    return folder, table


def write_safetensors(path, tensors, *, dtype="F32"):
    """The file format, as its page describes it."""
    header, body = {}, b""
    for name, numbers in tensors.items():
        raw = _as(numbers, dtype).tobytes()
        offsets = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(numbers.shape), "data_offsets": offsets}
        body += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def _as(numbers, dtype):
    if dtype == "F16":
        return numbers.astype(np.float16)
    if dtype == "BF16":
        return (numbers.view(np.uint32) >> 16).astype(np.uint16)
    return numbers


def _describe(folder, *, pooling, prompts):
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {f"pooling_mode_{one}": one == pooling for one in ("cls_token", "mean_tokens")}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": WIDTH, **modes})
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    steps = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds)
    ]
    _write(folder / "modules.json", steps)
    if prompts is not None:
        _write(folder / "config_sentence_transformers.json", {"prompts": prompts})


def _write(path, value):
    path.write_text(json.dumps(value))


# --- ONNX by hand: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto ----------------------


def _number(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number, value):
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    value = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(value)) + value


def _value(name, kind, *dimensions):
    shape = b"".join(_field(1, _field(2, one)) for one in dimensions)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _gather(table):
    """A graph that looks up rows: input_ids (int64) to last_hidden_state (float)."""
    weights = b"".join(_field(1, size) for size in table.shape)
    weights += _field(2, 1) + _field(8, "table") + _field(9, table.tobytes())
    node = _field(1, "table") + _field(1, "input_ids") + _field(2, "last_hidden_state")
    node += _field(4, "Gather")
    graph = _field(1, node) + _field(2, "tiny") + _field(5, weights)
    graph += _field(11, _value("input_ids", 7, "texts", "tokens"))
    graph += _field(12, _value("last_hidden_state", 1, "texts", "tokens", "width"))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))
