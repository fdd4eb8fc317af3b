"""A conversation goes in; what other ways of filling a budget would send for a question comes out.

All have the same vectors and the same tokens as ours: whole turns in the order of a ranking, as
many as fit, and nothing else, not even who said them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from turnfold import Embedder
from turnfold.archive.passages import split
from turnfold_cli.transcripts import Conversation, Question
from turnfold_stores.search.bm25 import Bm25
from turnfold_stores.search.terms import terms

CHARS_PER_TOKEN = 4

Ask = Callable[[Question, int], dict[str, Any]]
Rank = Callable[[Question], Sequence[int]]

# Up to so many terms of a question, the BM25 score that counts one half, and how steeply it does:
# as mem0's documentation has it for its hybrid search.
_HALF_BY_TERMS = ((3, 5.0, 0.7), (6, 7.0, 0.6), (9, 9.0, 0.5), (15, 10.0, 0.5))
_HALF_OF_LONG = (12.0, 0.5)


def texts_of(conversation: Conversation) -> list[str]:
    """What was said, message by message."""
    return [str(message["content"]) for message in conversation.messages]


def filled(texts: Sequence[str], ranking: Sequence[int], budget: int) -> list[int]:
    """The places of the texts that a budget of tokens takes, in the order they were said."""
    left = budget * CHARS_PER_TOKEN
    taken: list[int] = []
    for index in ranking:
        if len(texts[index]) + 1 <= left:
            left -= len(texts[index]) + 1
            taken.append(index)
    return sorted(taken)


def by_ranking(rank: Rank, conversation: Conversation) -> Ask:
    """Whole messages in the order of a ranking, as many as fit."""
    texts = texts_of(conversation)

    def ask(question: Question, budget: int) -> dict[str, Any]:
        content = [texts[index] for index in filled(texts, rank(question), budget)]
        blocks = [{"type": "text", "text": text} for text in [*content, question.text]]
        return {"messages": [{"role": "user", "content": blocks}]}

    return ask


def lexical(conversation: Conversation, _: Embedder) -> Ask:
    """BM25 over messages."""
    words = _words(texts_of(conversation))
    return by_ranking(
        lambda question: [int(hit.id) for hit in words.match(question.text)], conversation
    )


def dense(conversation: Conversation, embedder: Embedder) -> Ask:
    """Messages by their nearest passage."""
    pieces = [(n, piece) for n, text in enumerate(texts_of(conversation)) for piece in split(text)]
    vectors = embedder.embed([piece for _, piece in pieces])

    def rank(question: Question) -> list[int]:
        near = vectors @ embedder.embed([question.text])[0]
        return list(dict.fromkeys(pieces[at][0] for at in np.argsort(-near, kind="stable")))

    return by_ranking(rank, conversation)


def nearness(conversation: Conversation, embedder: Embedder) -> Rank:
    """Turns by one vector each, of as much as the model reads, as a bare vector store has them."""
    vectors = embedder.embed(texts_of(conversation))

    def rank(question: Question) -> list[int]:
        near = vectors @ embedder.embed([question.text])[0]
        return [int(at) for at in np.argsort(-near, kind="stable")]

    return rank


def nearest_turns(conversation: Conversation, embedder: Embedder) -> Ask:
    """What a bare vector store does."""
    return by_ranking(nearness(conversation, embedder), conversation)


def hybrid(conversation: Conversation, embedder: Embedder) -> Ask:
    """Cosine and BM25, the latter brought to 0 to 1 by a logistic curve, added up; as mem0 does.

    Without what a model makes of the turns there before it stores them, and without its boost of
    named entities: this is its search, over the turns as they are.
    """
    texts = texts_of(conversation)
    vectors, words = embedder.embed(texts), _words(texts)

    def rank(question: Question) -> list[int]:
        scores = np.array(vectors @ embedder.embed([question.text])[0], dtype=np.float64)
        half, steep = _curve(len(terms(question.text)))
        for hit in words.match(question.text):
            scores[int(hit.id)] += 1 / (1 + math.exp(-steep * (hit.score - half)))
        return [int(at) for at in np.argsort(-scores, kind="stable")]

    return by_ranking(rank, conversation)


def _curve(asked: int) -> tuple[float, float]:
    return next(
        ((half, steep) for most, half, steep in _HALF_BY_TERMS if asked <= most), _HALF_OF_LONG
    )


def _words(texts: Sequence[str]) -> Bm25:
    words = Bm25()
    for index, text in enumerate(texts):
        words.add(str(index), "", text)
    return words
