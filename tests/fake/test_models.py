"""Tests take their models from one table, and each model is good for what it is there for."""

import re
import warnings
from pathlib import Path

import anthropic
import numpy as np
import pytest
from support import models, newest
from turnfold.accounting.context_windows import context_window
from turnfold.accounting.prices import dearest, price_of
from turnfold.conversation import DEFAULT_MODEL
from turnfold.summarizers.summary_model import DEFAULT_MODEL as SUMMARY_MODEL
from turnfold_fake import FakeClaude
from turnfold_fake.models import find_model

TABLE = Path(models.__file__)
NAME = re.compile(r"claude-[a-z]+-\d")


def test_what_each_model_is_for():
    known = {model: find_model(model) for model in models.named()}
    assert all(known.values())
    assert known[models.BOUND_THINKING].preserved_thinking
    assert not known[models.FREE_THINKING].preserved_thinking
    assert {known[model].thinking for model in models.ALWAYS_THINKS} == {("adaptive",)}
    assert models.NO_THINKING["type"] in known[models.DEFAULT].thinking
    assert "enabled" in known[models.PREFILL].thinking
    assert known[models.PREFILL].prefill
    assert not known[models.NO_PREFILL].prefill
    assert known[models.SMALL_WINDOW].window == context_window(models.SMALL_WINDOW) == 200_000
    assert known[models.SMALL_WINDOW].max_images == 100
    assert context_window(models.LEAST_BIG_WINDOW) == context_window(models.DEFAULT) == 1_000_000
    assert models.LARGEST.startswith(models.MAJOR)
    assert price_of(models.DEAREST).input == dearest().input
    assert find_model(models.UNKNOWN) is price_of(models.UNKNOWN) is None
    least = {model: known[model].least_cacheable for model in models.LEAST_CACHEABLE}
    assert least == models.LEAST_CACHEABLE


def test_the_defaults_are_turnfolds_own():
    assert (models.DEFAULT, models.SUMMARY) == (DEFAULT_MODEL, SUMMARY_MODEL)


def test_no_other_file_of_tests_or_benchmarks_names_a_model():
    root = TABLE.parents[2]
    files = [file for room in ("tests", "benchmarks") for file in (root / room).rglob("*.py")]
    assert TABLE in files
    naming = {file for file in files if NAME.search(file.read_text(encoding="utf-8"))}
    assert {str(file.relative_to(root)) for file in naming - {TABLE}} == set()


def deprecate(monkeypatch, *names):
    """As the SDK does it, in both places that read its list."""
    for messages in (anthropic.resources.messages, anthropic.resources.beta.messages):
        for name in names:
            monkeypatch.setitem(messages.messages.DEPRECATED_MODELS, name, "May 1st, 2031")


def test_the_sdks_word_that_a_model_will_retire_fails_no_test(monkeypatch):
    deprecate(monkeypatch, models.PREFILL)
    asked = {
        "model": models.PREFILL,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "a"}],
    }
    client = FakeClaude("Yes.").client()
    assert client.messages.create(**asked).content
    assert client.beta.messages.create(**asked).content
    with client.messages.stream(**asked) as events:
        assert list(events)


def test_other_warnings_do_fail(request):
    if request.config.getoption("pythonwarnings"):
        pytest.skip("the command says what becomes of warnings")
    with pytest.raises(DeprecationWarning):
        warnings.warn("this call is deprecated", DeprecationWarning, stacklevel=1)


def test_the_report_tells_what_is_not_what_was_tested():
    wanted = {line.partition("==")[0] for line in newest.LOCK.read_text().splitlines()}
    assert {"anthropic", "numpy", "pip", "hatchling", "torch"} <= wanted
    assert newest.differing({"anthropic": "0.1", "numpy": np.__version__, "none-such": "1"}) == [
        f"  anthropic {anthropic.__version__}, tested with 0.1"
    ]


def test_the_report_names_what_will_retire_and_what_it_is_for(monkeypatch):
    deprecate(monkeypatch, models.PREFILL)
    [line] = [one for one in newest.retiring() if models.PREFILL in one]
    assert "May 1st, 2031" in line
    assert "PREFILL" in line
    assert "SMALL_WINDOW" in line
    assert models.DEFAULT not in line
