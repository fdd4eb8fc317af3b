"""What every `Index` promises."""

# ruff: noqa: D102 - the names of the tests are the contract.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import numpy as np
import pytest

from turnfold_stores.conformance.samples import ODD_NAMES, assert_falling, random_vectors, together
from turnfold_stores.errors import StoreError
from turnfold_stores.protocols import Entry, Index


class IndexContract:
    """What every `Index` promises, exact or approximate."""

    @pytest.fixture
    def index(self) -> Iterator[Index]:
        """Yield an empty index, close it afterwards."""
        raise NotImplementedError

    @pytest.fixture
    def recall(self) -> float:
        """The least share of the true nearest that has to be found; below 1 if approximate."""
        return 1.0

    def test_best_first_with_cosine_scores(self, index: Index, recall: float) -> None:
        vectors = random_vectors(1500, 48)
        index.put("u", [Entry(str(n), f"c{n % 5}", row) for n, row in enumerate(vectors)])
        found = right = 0
        for query in random_vectors(20, 48, seed=1):
            scores = vectors @ query
            hits = list(islice(index.nearest("u", query), 10))
            assert_falling(hits)
            for hit in hits:
                assert abs(hit.score - scores[int(hit.id)]) < 1e-5
            found += len(hits)
            right += len({int(hit.id) for hit in hits} & set(np.argsort(-scores)[:10].tolist()))
        assert found == 200
        assert right >= recall * found

    def test_reading_on_comes_to_every_entry_once(self, index: Index) -> None:
        index.put("u", [Entry(str(n), "", row) for n, row in enumerate(random_vectors(700, 16))])
        hits = [hit.id for hit in index.nearest("u", random_vectors(1, 16, seed=1)[0])]
        assert sorted(hits, key=int) == [str(number) for number in range(700)]

    def test_only_entries_of_the_conversation_asked_for(self, index: Index) -> None:
        vectors = random_vectors(600, 16)
        index.put("u", [Entry(str(n), f"c{n % 60}", row) for n, row in enumerate(vectors)])
        hits = list(index.nearest("u", -vectors[7], conversation="c7"))
        assert {hit.id for hit in hits} == {str(number) for number in range(7, 600, 60)}
        assert list(index.nearest("u", vectors[7], conversation="c")) == []

    def test_put_replaces(self, index: Index) -> None:
        east, north = np.eye(2, dtype=np.float32)
        index.put("u", [Entry("a", "c", east), Entry("b", "c", north)])
        index.put("u", [Entry("a", "d", east), Entry("a", "d", north)])
        assert {hit.id: round(hit.score, 5) for hit in index.nearest("u", north)} == {
            "a": 1,
            "b": 1,
        }
        assert [hit.id for hit in index.nearest("u", north, conversation="d")] == ["a"]
        assert index.ids("u") == {"a", "b"}

    def test_delete(self, index: Index) -> None:
        vectors = random_vectors(50, 8)
        index.put("u", [Entry(str(n), "c", row) for n, row in enumerate(vectors)])
        index.delete("u", [str(number) for number in range(0, 50, 2)] + ["unknown"])
        index.delete("nobody", ["1"])
        odd = {str(number) for number in range(1, 50, 2)}
        assert index.ids("u") == odd
        assert {hit.id for hit in index.nearest("u", vectors[0])} == odd
        index.delete("u", odd)
        assert index.ids("u") == set()
        assert list(index.nearest("u", vectors[0])) == []

    def test_an_emptied_user_may_begin_again(self, index: Index) -> None:
        index.put("u", [Entry("a", "c", random_vectors(1, 8)[0])])
        index.delete("u", ["a"])
        vector = random_vectors(1, 12)[0]
        index.put("u", [Entry("a", "c", vector)])
        assert [hit.id for hit in index.nearest("u", vector)] == ["a"]

    def test_users_without_entries_are_empty(self, index: Index) -> None:
        assert index.ids("nobody") == set()
        assert list(index.nearest("nobody", random_vectors(1, 8)[0])) == []
        with suppress(StoreError):
            assert index.ids("") == set()
        with pytest.raises(StoreError):
            index.put("", [Entry("a", "c", random_vectors(1, 8)[0])])
        index.put("nobody", [])
        assert index.ids("nobody") == set()

    def test_any_text_names_an_entry(self, index: Index) -> None:
        vector = random_vectors(1, 8)[0]
        # One beside the other: none of them is taken for another.
        for name in ODD_NAMES:
            index.put(name, [Entry(name, name, vector), Entry("plain", "", vector)])
            assert index.ids(name) == {name, "plain"}, ascii(name)
            (hit,) = index.nearest(name, vector, conversation=name)
            assert hit.id == name
            assert hit.conversation in {None, name}
            said_in = {hit.id: hit.conversation for hit in index.nearest(name, vector)}
            assert said_in in ({name: name, "plain": ""}, {name: None, "plain": None})
            assert [hit.id for hit in index.nearest(name, vector, conversation="")] == ["plain"]
            index.delete(name, [name])
            assert index.ids(name) == {"plain"}, ascii(name)

    def test_a_vector_without_direction_is_refused(self, index: Index) -> None:
        good = random_vectors(1, 8)[0]
        for vector in (
            np.zeros(8, np.float32),
            np.full(8, np.nan, np.float32),
            np.full(8, np.inf, np.float32),
            np.ones((1, 8), np.float32),
            np.ones(0, np.float32),
        ):
            with pytest.raises(StoreError):
                index.put("u", [Entry("a", "c", good), Entry("b", "c", vector)])
            with pytest.raises(StoreError):
                list(index.nearest("u", vector))
            assert index.ids("u") == set()

    def test_dimensions_do_not_mix(self, index: Index) -> None:
        short, long = random_vectors(1, 8)[0], random_vectors(1, 12)[0]
        with pytest.raises(StoreError):
            index.put("u", [Entry("a", "c", short), Entry("b", "c", long)])
        assert index.ids("u") == set()
        index.put("u", [Entry("a", "c", short)])
        with pytest.raises(StoreError):
            index.put("u", [Entry("b", "c", short), Entry("c", "c", long)])
        with pytest.raises(StoreError):
            list(index.nearest("u", long))
        assert index.ids("u") == {"a"}

    def test_a_name_that_is_no_text_finds_no_entry_or_is_refused(self, index: Index) -> None:
        vector = random_vectors(1, 8)[0]
        index.put("u", [Entry("a", "c", vector)])
        odd = "\ud800"
        with suppress(StoreError):
            assert list(index.nearest(odd, vector)) == []
        with suppress(StoreError):
            assert list(index.nearest("u", vector, conversation=odd)) == []
        with suppress(StoreError):
            assert index.ids(odd) == set()
        with suppress(StoreError):
            index.delete("u", [odd])
        assert index.ids("u") == {"a"}

    def test_an_entry_without_id_is_refused(self, index: Index) -> None:
        with pytest.raises(StoreError):
            index.put("u", [Entry("", "c", random_vectors(1, 8)[0])])

    def test_the_index_may_change_while_hits_are_read(self, index: Index) -> None:
        vectors = random_vectors(400, 8)
        index.put("u", [Entry(str(n), "c", row) for n, row in enumerate(vectors)])
        seen = []
        for hit in index.nearest("u", vectors[0]):
            seen.append(hit.id)
            if len(seen) % 50 == 0:
                index.put("u", [Entry(f"new{len(seen)}", "c", -vectors[0])])
                index.delete("u", [hit.id])
        assert len(seen) == len(set(seen))
        assert set(map(str, range(400))) - set(seen) == set()

    def test_reading_may_be_given_up(self, index: Index) -> None:
        vectors = random_vectors(300, 8)
        index.put("u", [Entry(str(n), "c", row) for n, row in enumerate(vectors)])
        for taken in (0, 1, 40):
            hits = index.nearest("u", vectors[0])
            assert len(list(islice(hits, taken))) == taken
            # Nothing is held for a reader who may never come back.
            index.put("u", [Entry("more", "c", -vectors[0])])
            index.delete("u", ["more"])
            del hits
        left = index.nearest("u", vectors[0])
        next(left)
        index.close()
        with suppress(StoreError):
            assert {hit.id for hit in left} <= {str(number) for number in range(300)}

    def test_many_threads(self, index: Index) -> None:
        vectors = random_vectors(160, 8)

        def write(name: str) -> None:
            for number in range(20):
                entry_id = f"{name}{number}"
                index.put("u", [Entry(entry_id, name, vectors[number])])
                hits = index.nearest("u", vectors[number], conversation=name)
                assert entry_id in {hit.id for hit in islice(hits, 20)}

        together(write, 8)
        assert len(index.ids("u")) == 160

    def test_no_vector_crosses_the_wall(self, index: Index) -> None:
        vectors = random_vectors(20, 8)
        index.put("u", [Entry(str(n), "c", row) for n, row in enumerate(vectors[:10])])
        index.put("v", [Entry(str(n), "c", row) for n, row in enumerate(vectors)])
        index.delete("u", ["15", "3"])
        assert index.ids("u") == {hit.id for hit in index.nearest("u", vectors[3])}
        assert len(index.ids("u")) == 9
        assert len(index.ids("v")) == 20

    def test_closing_the_index_twice_is_harmless(self, index: Index) -> None:
        index.close()
        index.close()
        with pytest.raises(StoreError):
            index.put("u", [Entry("a", "c", random_vectors(1, 8)[0])])
