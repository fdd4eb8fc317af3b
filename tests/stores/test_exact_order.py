"""The nearest come first however far one reads: bands of them are sorted as they are wanted."""

from itertools import islice, pairwise

import numpy as np
from turnfold_stores import Entry
from turnfold_stores.in_memory import InMemoryIndex


def test_nearest_come_in_order_beyond_any_band_and_equals_as_they_were_written():
    index, random = InMemoryIndex(), np.random.default_rng(3)
    angles = np.round(random.uniform(0, np.pi, 5_000), 2)  # so that many are equally near
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    index.put("ada", [Entry(f"{n}", "c", vector) for n, vector in enumerate(vectors)])
    query = np.array([1.0, 0.0], dtype=np.float32)
    found = list(index.nearest("ada", query))
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert sorted(int(hit.id) for hit in found) == list(range(5_000))
    for one, other in pairwise(found):
        assert one.score > other.score or int(one.id) < int(other.id)
    assert list(islice(index.nearest("ada", query), 700)) == found[:700]
