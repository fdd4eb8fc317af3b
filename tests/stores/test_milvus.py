"""What only an index in Milvus must prove."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from turnfold_stores import Entry, MissingDependency, StoreError, StoreUnavailable, open_store

VECTORS = np.random.default_rng(0).normal(size=(3000, 16)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
ENTRIES = [Entry(str(number), f"c{number % 2}", row) for number, row in enumerate(VECTORS)]


@pytest.fixture
def url(url_of):
    return url_of("milvus")


def test_hnsw_finds_nearly_all_and_scores_exactly(url):
    with open_store(url.replace("?", "?index=hnsw&partitions=4&")) as store:
        store.index.put("u", ENTRIES)
        # What is still in memory would be searched exactly.
        store.index._client.flush(store.index._name(16))
        right = 0
        for query in VECTORS[:20] * -1:
            hits = store.index.nearest("u", query)
            scores = VECTORS @ query
            best = set(np.argsort(-scores)[:10].tolist())
            for hit in (next(hits) for _ in range(10)):
                assert abs(hit.score - scores[int(hit.id)]) < 1e-5
                right += int(hit.id) in best
        assert right >= 0.95 * 200
        assert len(list(store.index.nearest("u", VECTORS[0]))) == 3000


def test_what_milvus_gives_at_most_is_read_on_from(url, monkeypatch):
    monkeypatch.setattr("turnfold_stores.milvus.index._MOST", 100)
    with open_store(url) as store:
        store.index.put("u", ENTRIES[:500])
        for conversation, expected in ((None, 500), ("c1", 250)):
            hits = list(store.index.nearest("u", VECTORS[0], conversation=conversation))
            assert len(hits) == len({hit.id for hit in hits}) == expected
            scores = [hit.score for hit in hits]
            assert scores == sorted(scores, reverse=True)


def test_an_id_that_milvus_cannot_hold_is_refused(url):
    with open_store(url) as store:
        with pytest.raises(StoreError, match="65,535"):
            store.index.put("u", [*ENTRIES[:1], Entry("é" * 33_000, "c", VECTORS[0])])
        assert store.index.ids("u") == set()


def test_a_file_has_one_owner(url):
    with open_store(url) as store:
        with pytest.raises(StoreUnavailable, match="this same process"):
            open_store(url)
        code = f"import turnfold_stores; turnfold_stores.open_store({url!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert f"is open in process {os.getpid()}" in done.stderr.splitlines()[-1]
        store.put_vectors("u", ENTRIES[:1], model="m")


def test_a_server_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(StoreUnavailable, match=r"no server answers at http://127\.0\.0\.1:1"):
        open_store(f"milvus+http://ada:pw@127.0.0.1:1?ledger=sqlite:{tmp_path}/l.db")


def test_an_error_is_ours_and_printed_nowhere(url, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with open_store(url) as store:
        store.index.put("u", ENTRIES[:1])
        store.index._client.drop_collection(store.index._name(16))
        caplog.clear()
        with pytest.raises(StoreError, match="Milvus failed"):
            list(store.index.nearest("u", VECTORS[0]))
    assert not [one for one in caplog.records if one.name.startswith("pymilvus")]
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_names_the_extra(url, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"turnfold\[milvus\]"):
        open_store(url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_to_open_its_own(url):
    code = f"""
import os
import numpy as np
from turnfold_stores import Entry, StoreUnavailable, open_store
store = open_store({url!r})
store.index.put("u", [Entry("a", "c", np.ones(4))])
if not (child := os.fork()):
    try:
        store.index.ids("u")
    except StoreUnavailable as error:
        os._exit(0 if "after the fork" in str(error) else 2)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
assert store.index.ids("u") == {{"a"}}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
