"""Texts go in, unit vectors come out: the embedders there are, and how one is chosen.

`protocol` says what an embedder is. Each other module is one of them, named after what it
integrates, or wraps another: `remembered` spares texts seen before, `start` loads a model while
turns go on without it.
"""

from __future__ import annotations

from turnfold.embedders.choice import chosen_embedder, default_embedder, named_embedder
from turnfold.embedders.fast import FastEmbedder
from turnfold.embedders.function import FunctionEmbedder
from turnfold.embedders.http import HttpEmbedder
from turnfold.embedders.minilm import DEFAULT_MODEL
from turnfold.embedders.protocol import Embedder, Loadable, Vectors
from turnfold.embedders.sentence_transformers import SentenceTransformerEmbedder

__all__ = [
    "DEFAULT_MODEL",
    "Embedder",
    "FastEmbedder",
    "FunctionEmbedder",
    "HttpEmbedder",
    "Loadable",
    "SentenceTransformerEmbedder",
    "Vectors",
    "chosen_embedder",
    "default_embedder",
    "named_embedder",
]
