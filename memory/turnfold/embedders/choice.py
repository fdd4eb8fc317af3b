"""From a name, or from what is installed, to an embedder. Nothing is loaded here."""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from pathlib import Path

from turnfold.embedders.fast import FastEmbedder
from turnfold.embedders.http import HttpEmbedder
from turnfold.embedders.protocol import Embedder
from turnfold.embedders.sentence_transformers import SentenceTransformerEmbedder
from turnfold.errors import EmbedderError

MULTILINGUAL_MODEL = "intfloat/multilingual-e5-small"
"""What "multilingual" stands for: 118 million weights, 384 dimensions, some 100 languages, MIT."""


def default_embedder() -> Embedder | None:
    """all-MiniLM-L6-v2 by what is installed; None where nothing is.

    sentence-transformers where it is there, else the fast path. Their vectors are the same to
    four digits and carry the same name, so a store outlives a change from one to the other.
    """
    if _installed("sentence_transformers"):
        return SentenceTransformerEmbedder()
    if _installed("openvino", "tokenizers"):
        return FastEmbedder()
    return None


def named_embedder(name: str) -> Embedder:
    """The embedder that goes by a name.

    Args:
        name: "fast" is all-MiniLM-L6-v2 without torch; "sentence-transformers" the same model
            with it; "multilingual" is multilingual-e5-small, without torch where that is
            installed; any other name, or a folder, is a model for sentence-transformers. "fast:"
            before a name or folder reads that without torch.

    Raises:
        EmbedderError: the name is empty, or says a folder that is not there.
    """
    if not name:
        raise EmbedderError("the name of an embedding model may not be empty")
    kind, _, rest = name.partition(":")
    if kind == "fast":
        return FastEmbedder(rest) if rest else FastEmbedder()
    if name == "multilingual":
        fast = _installed("openvino", "tokenizers")
        return (FastEmbedder if fast else SentenceTransformerEmbedder)(MULTILINGUAL_MODEL)
    if name == "sentence-transformers":
        return SentenceTransformerEmbedder()
    named = Path(name)
    with suppress(RuntimeError):  # nobody knows whose home is meant
        named = named.expanduser()
    if name.startswith((".", "~", os.sep)) and not named.is_dir():
        raise EmbedderError(f"{name!r} is no folder, so no embedding model can be read from it")
    return SentenceTransformerEmbedder(named if name[0] == "~" else name)


def chosen_embedder(name: str | None, service: str | None = None) -> Embedder | None:
    """The embedder that a user asks for in words; None where none is asked for.

    Args:
        name: see `named_embedder`; with a service, what a model is called there.
        service: URL of an embedding service that speaks the OpenAI API.

    Raises:
        EmbedderError: it is not known, or a service is named and no model of it.
    """
    if service is None:
        return None if name is None else named_embedder(name)
    if name is None:
        raise EmbedderError("an embedding service needs the name of a model there: give both")
    return HttpEmbedder(service, model=name)


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(one) is not None for one in modules)
