"""Readers of the nearest come to all there are, also where an approximate search does not."""

import numpy as np
import pytest
from turnfold_stores.chroma.collection import Collection
from turnfold_stores.protocols import Hit
from turnfold_stores.search.paging import Page, widening

HITS = [Hit(str(number), 1.0 - number / 1_000) for number in range(700)]


class Forgetful:
    """A collection of Chroma's whose graph does not lead to some of its entries."""

    def __init__(self, missed):
        self.found = [hit for hit in HITS if int(hit.id) not in missed]

    def query(self, *, query_embeddings, n_results, include):
        some = self.found[:n_results]
        return {
            "ids": [[hit.id for hit in some]],
            "distances": [[1.0 - hit.score for hit in some]],
            "metadatas": [[{"conversation": f"c{int(hit.id) % 2}"} for hit in some]],
        }


@pytest.mark.parametrize("conversation", [None, "c1"])
@pytest.mark.parametrize("missed", [set(), {485}, {0, 1, 699}, set(range(700))])
def test_what_a_search_misses_comes_last_and_nothing_twice(missed, conversation):
    wanted = [hit for hit in HITS if conversation in {None, f"c{int(hit.id) % 2}"}]
    collection = Collection(Forgetful(missed), 4)

    def search(many):
        return collection.search(np.ones(4, dtype=np.float32), many, count=lambda: len(HITS))

    came = widening(search, conversation=conversation, rest=lambda: wanted)
    ids = [hit.id for hit in came]
    reached = [hit.id for hit in wanted if int(hit.id) not in missed]
    assert ids[: len(reached)] == reached
    assert sorted(ids) == sorted(hit.id for hit in wanted)


def test_where_nothing_is_missed_the_rest_is_not_asked_for():
    page = Page(HITS[:10], None, more=False)
    came = widening(lambda _: page, conversation=None, rest=lambda: pytest.fail("asked"))
    assert len(list(came)) == 10


@pytest.mark.parametrize("own", [None, "c1"])
def test_a_page_tells_the_conversations_of_hits_that_do_not(own):
    hits = [Hit("a", 0.9), Hit("b", 0.8, own), Hit("c", 0.7)]
    page = Page(hits, ["c1", "c2", "c2"], False)
    assert (page.more, page.missed) == (False, False)
    found = {one: list(widening(lambda _: page, conversation=one)) for one in ("c1", "c2", None)}
    at = 2 if own else 1  # what a hit says of itself counts more
    assert found == {"c1": hits[:at], "c2": hits[at:], None: hits}


def test_hits_that_tell_their_conversation_need_no_page_to_do_so():
    hits = [Hit("a", 0.9, "c1"), Hit("b", 0.8, "c2"), Hit("c", 0.7)]
    page = Page(hits, None, False)
    assert list(widening(lambda _: page, conversation="c2")) == hits[1:2]
    assert list(widening(lambda _: page, conversation=None)) == hits


def test_a_page_names_as_many_conversations_as_it_has_hits():
    page = Page(HITS[:3], ["c1"], False)
    with pytest.raises(ValueError, match="shorter"):
        list(widening(lambda _: page, conversation="c1"))


def test_a_page_without_a_word_on_conversations_is_no_page():
    with pytest.raises(TypeError, match="more"):
        Page(HITS[:3], False)
