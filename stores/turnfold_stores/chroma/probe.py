"""Use a Chroma folder as an index would, in a process that may die of it.

Run as `python -m turnfold_stores.chroma.probe FOLDER`. A kill in the middle of Chroma's write can
leave a folder that crashes or hangs whoever opens it, so its owner asks a child first. Exit code
0: every collection could be counted, read, searched, written to and deleted from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from turnfold_stores.chroma.index import open_client

_PROBE_ID = "turnfold:probe"
_PAGE = 2000


def probe(path: Path) -> None:
    """Use every collection. Raises whatever Chroma raises, or takes the process with it."""
    client = open_client(path)
    for listed in client.list_collections():
        collection = client.get_collection(listed.name, embedding_function=None)
        count = collection.count()
        listing = 0
        vector = None
        for offset in range(0, count, _PAGE):
            page = collection.get(limit=_PAGE, offset=offset, include=["embeddings"])["embeddings"]
            vectors = np.asarray(page, dtype=np.float32)
            # A power cut can leave zeros where vectors were.
            if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
                raise RuntimeError(f"{listed.name} holds vectors that nobody wrote")
            listing += len(vectors)
            vector = vectors[:1]
        if listing != count:
            raise RuntimeError(f"{listed.name}: {count} counted, {listing} listed")
        if vector is None:
            continue
        collection.upsert(ids=[_PROBE_ID], embeddings=vector, metadatas=[{"conversation": ""}])
        found = collection.query(query_embeddings=vector, n_results=min(count + 1, 100))
        if not found["ids"][0]:
            raise RuntimeError(f"{listed.name}: {count} counted, none found")
        collection.delete(ids=[_PROBE_ID])
    client.close()


if __name__ == "__main__":
    probe(Path(sys.argv[1]))
