"""A re-index with another model: memory goes on with the old one, then with the new."""

import numpy as np
import pytest
from support.chats import SMALL, ask, history, memory, stand_in
from support.embedders import HashedWords
from turnfold import Memory
from turnfold.embedders import FunctionEmbedder
from turnfold.errors import EmbedderError, SchemaMismatch
from turnfold.upkeep.reindex import reindex
from turnfold_stores import open_store

ASKED = "What of amber2, birch2, cedar2, delta2 and ember2?"


class Reversed(HashedWords):
    """Another model: other numbers, and fewer of them."""

    model = "reversed-48"

    def embed(self, texts):
        rows = super().embed([text[::-1] for text in texts])[:, :48] + 1e-3
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:{tmp_path / 'store.db'}") as opened:
        with memory(opened) as remembering:
            for user_id in ("ada", "bob"):
                client = remembering.wrap(stand_in().client(), user_id=user_id, conversation="c")
                client.messages.create(**ask(history(12)))
        yield opened


def passages(store, user_id):
    return {record.id for record in store.ledger.scan(user_id, kind="passage")}


def finds(store, embedder):
    with Memory(store, policy=SMALL, embedder=embedder) as remembering:
        return [hit.text for hit in remembering.search(ASKED, user_id="ada", limit=3)]


def test_after_a_reindex_the_new_model_finds_what_the_old_one_found(store):
    assert any("Turn 2 asked" in text for text in finds(store, HashedWords()))
    told = []
    done = reindex(store, Reversed(), on_progress=lambda *so_far: told.append(so_far))
    total = len(passages(store, "ada")) + len(passages(store, "bob"))
    assert (done.model, done.dimension) == ("reversed-48", 48)
    assert (done.passages, done.embedded) == (total, total)
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert any("Turn 2 asked" in text for text in finds(store, Reversed()))
    for user_id in ("ada", "bob"):
        assert store.index.ids(user_id) == passages(store, user_id)
    with pytest.raises(SchemaMismatch, match="turnfold reindex"):
        Memory(store, embedder=HashedWords())


def test_the_old_model_goes_on_while_the_new_one_is_made_and_what_it_adds_is_made_too(store):
    added = []
    client = Memory(store, policy=SMALL, embedder=HashedWords()).wrap(
        stand_in().client(), user_id="ada", conversation="later"
    )

    def meanwhile(done, total):
        if done and not added:
            added.append(passages(store, "ada"))
            client.messages.create(**ask(history(12, "other ")))
            assert any("Turn 2 asked" in text for text in finds(store, HashedWords()))

    reindex(store, Reversed(), on_progress=meanwhile)
    assert added[0] < passages(store, "ada")
    assert store.index.ids("ada") == passages(store, "ada")


def test_a_reindex_that_was_stopped_goes_on_where_it_was(store):
    class Failing(Reversed):
        def embed(self, texts):
            if len(self.texts) > 3:
                raise EmbedderError("the service is gone")
            return super().embed(texts)

    with pytest.raises(EmbedderError):
        reindex(store, Failing())
    assert finds(store, HashedWords())
    again = Reversed()
    done = reindex(store, again)
    assert 0 < done.embedded < done.passages
    assert len(again.texts) == done.embedded + 1


def test_the_same_model_again_makes_only_what_is_lacking(store):
    gone = sorted(passages(store, "ada"))[:2]
    store.delete_vectors("ada", gone)
    one = HashedWords()
    done = reindex(store, one)
    assert done.embedded == 2
    assert store.index.ids("ada") == passages(store, "ada")
    assert finds(store, one)


def test_a_memory_that_is_open_goes_on_by_words_when_another_has_switched(store):
    receipts = []
    remembering = Memory(store, policy=SMALL, embedder=HashedWords(), on_receipt=receipts.append)
    client = remembering.wrap(stand_in().client(), user_id="ada", conversation="c")
    reindex(store, Reversed())
    client.messages.create(**ask(history(12), ASKED))
    assert "reversed-48" in " ".join(receipts[-1].degraded)
    for user_id in ("ada", "bob"):
        assert {one.body["model"] for one in store.ledger.scan(user_id, kind="vector")} == {
            "reversed-48"
        }


def test_an_empty_store_takes_the_new_model():
    with open_store("memory:") as empty:
        empty.bind("old", 3)
        done = reindex(empty, FunctionEmbedder(lambda texts: [[1.0]] * len(texts), model="one"))
        assert (done.passages, done.dimension) == (0, 1)
        empty.bind("one", 1)


def test_what_a_killed_worker_wrote_of_what_was_forgotten_stops_no_reindex(store):
    """Its user may never come back, so nobody takes it away before."""
    late = list(store.ledger.scan("bob", kind="passage"))[:3]
    with memory(store) as remembering:
        remembering.forget(user_id="bob", conversation="c")
    store.put_records("bob", late)
    done = reindex(store, Reversed())
    assert done.passages == done.embedded == len(passages(store, "ada"))
    assert store.model == "reversed-48"
    assert store.index.ids("bob") == set()
