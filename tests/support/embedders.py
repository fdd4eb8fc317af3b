"""An embedder that needs no model: for tests that are about something else."""

import re
import zlib

import numpy as np


class HashedWords:
    """Bags of words, hashed to 64 numbers: texts are near when they share words."""

    model = "hashed-words-64"

    def __init__(self):
        self.texts = []

    def embed(self, texts):
        self.texts += texts
        vectors = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % 64] += 1.0
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class WordDirections:
    """Each word has a random direction, and a text the sum of its words'.

    Near when they share words, as with `HashedWords`, but no two texts are exactly as near to a
    third: what is found does not hang on the last bit of a sum.
    """

    model = "word-directions-64"

    def __init__(self):
        self._directions = {}

    def _direction(self, word):
        if word not in self._directions:
            seed = zlib.crc32(word.encode())
            self._directions[word] = np.random.default_rng(seed).normal(size=64)
        return self._directions[word]

    def embed(self, texts):
        words = [re.findall(r"\w+", text.lower()) or [""] for text in texts]
        vectors = np.array([sum(map(self._direction, one)) for one in words], dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
