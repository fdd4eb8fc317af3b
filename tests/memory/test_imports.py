"""Importing turnfold is cheap and silent; what it offers is little and all there."""

import subprocess
import sys

import pytest
import turnfold

HEAVY = [
    "numpy",  # which a memory in this process holds its vectors in
    "torch",
    "sentence_transformers",
    "transformers",
    "chromadb",
    "typer",
    "rich",
    "onnxruntime",
    "openvino",
    "tokenizers",
    "huggingface_hub",
    "psycopg",
    "genai_prices",
]


def fresh(program):
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_import_loads_nothing_heavy_and_says_nothing():
    program = f"import turnfold, sys; print(*(set({HEAVY!r}) & set(sys.modules)), sep='\\n')"
    assert fresh(program).strip() == ""


def test_a_memory_in_this_process_loads_nothing_heavy():
    program = (
        "import sys, logging; logging.disable(); import turnfold\n"
        "from anthropic import Anthropic\n"
        "turnfold.with_memory(Anthropic(api_key='k'))\n"
        f"print(*(set({HEAVY!r}) - {{'numpy'}} & set(sys.modules)), sep='\\n')"
    )
    assert fresh(program).strip() == ""


def test_there_are_at_most_fifteen_names_in_order():
    assert len(turnfold.__all__) <= 15
    assert turnfold.__all__ == sorted(turnfold.__all__)


@pytest.mark.parametrize("name", turnfold.__all__)
def test_every_name_is_there_and_explained(name):
    assert getattr(turnfold, name).__doc__
