"""Nothing of one user reaches another, whatever users and ids are called."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawing import examples
from turnfold_stores import Entry, Record

# Few and alike, so that users share ids, and look like each other's tokens.
names = st.sampled_from(["a", "A", "b", "u1", "u2", "1", "a\0", "a\0b", "%", "*", "é", "turnfold"])
operations = st.lists(
    st.tuples(st.sampled_from(["put", "put", "delete"]), names, st.lists(names, max_size=4)),
    max_size=12,
)
ROUND = iter(range(10**9))


def vector_for(user_id, entry_id):
    seed = int.from_bytes(f"{user_id}/{entry_id}".encode(), "big") % 2**32
    return np.random.default_rng(seed).normal(size=4).astype(np.float32)


class Street:
    """Many users in one store: each knows only its own, and guesses at the others'."""

    def __init__(self, store, users, seed):
        self.store = store
        self.luck = random.Random(seed)
        self.users = [f"user-{seed}-{n}" for n in range(users)]
        self.secret = {user: f"secret{seed}of{n}x" for n, user in enumerate(self.users)}
        self.own = {user: {} for user in self.users}  # id -> vector

    def step(self):
        user = self.luck.choice(self.users)
        own, words = self.own[user], self.secret[user]
        # Ids are few, so that everybody's guess hits something of somebody's.
        guess = [f"id{self.luck.randrange(40)}" for _ in range(6)]
        act = self.luck.choice(["put", "put", "delete", "replace", "look"])
        if act == "put":
            new = [one for one in guess if one not in own]
            self.store.put_records(user, [Record(i, "k", "c", [words], words) for i in new])
            vectors = {i: vector_for(words, i) for i in new}
            entries = [Entry(i, "c", one) for i, one in vectors.items()]
            self.store.put_vectors(user, entries, model="m")
            own.update(vectors)
        elif act == "delete":
            self.store.delete_vectors(user, guess)
            self.store.ledger.delete(user, guess)
            for one in guess:
                own.pop(one, None)
        elif act == "replace":
            kept = [one for one in guess if one in own]
            self.store.replace(user, [], [Record(i, "k", "c", [words], words) for i in kept])
        else:
            self.look(user, guess)

    def look(self, user, guess):
        own, words = self.own[user], self.secret[user]
        stranger = self.secret[self.luck.choice(self.users)]
        ledger = self.store.ledger
        names = [*guess, *(f"vector:{one}" for one in guess)]
        seen = [*ledger.get(user, names).values(), *ledger.scan(user)]
        assert {r.id for r in seen if r.kind == "k"} >= own.keys() & set(guess)
        assert all(r.id.removeprefix("vector:") in own for r in seen)
        assert all(r.body == [words] for r in seen if r.kind == "k")
        hits = list(self.store.index.nearest(user, vector_for(stranger, guess[0])))
        assert {hit.id for hit in hits} == own.keys() == self.store.index.ids(user)
        for hit in hits[:3]:  # the score is that of this user's vector of the id
            wanted = own[hit.id] / np.linalg.norm(own[hit.id])
            asked = vector_for(stranger, guess[0])
            assert abs(hit.score - float(wanted @ asked / np.linalg.norm(asked))) < 1e-4
        if hasattr(ledger, "match"):
            found = {hit.id for hit in ledger.match(user, stranger)}
            assert found == (own.keys() if stranger == words else set())


def test_fifty_users_who_guess_at_each_other(store):
    street = Street(store, users=50, seed=1)
    for _ in range(250):
        street.step()
    for user in street.users:
        street.look(user, list(street.own[user])[:2] or ["id0"])


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_users_who_guess_at_each_other(store, seed):
    street = Street(store, users=1_000, seed=seed)
    for _ in range(8_000):
        street.step()
    for user in street.users:
        street.look(user, list(street.own[user])[:2] or ["id0"])


@given(operations)
@examples(few=8, many=200)
def test_a_user_finds_exactly_what_is_that_users(store, operations):
    # One store for all examples: users of earlier ones are strangers too.
    mark = f"{next(ROUND)}:"
    expected = {}
    for operation, name, ids in operations:
        user_id = mark + name
        own = expected.setdefault(user_id, set())
        if operation == "put":
            records = [Record(i, "k", "c", user_id, f"fox {user_id}") for i in ids]
            store.ledger.put(user_id, records)
            store.put_vectors(
                user_id, [Entry(i, "c", vector_for(user_id, i)) for i in ids], model="m"
            )
            own.update(ids)
        else:
            store.ledger.delete(user_id, ids)
            store.delete_vectors(user_id, ids)
            own.difference_update(ids)
    everything = {entry_id for own in expected.values() for entry_id in own}
    for user_id, own in expected.items():
        found = {r.id: r.body for r in store.ledger.scan(user_id, kind="k")}
        assert found == dict.fromkeys(own, user_id)
        assert set(store.ledger.get(user_id, everything)) == own
        assert store.index.ids(user_id) == own
        for entry_id in list(own)[:1]:
            hits = list(store.index.nearest(user_id, vector_for(user_id, entry_id)))
            assert {hit.id for hit in hits} == own
            assert abs(hits[0].score - 1) < 1e-5
        if hasattr(store.ledger, "match"):
            assert {hit.id for hit in store.ledger.match(user_id, "fox " + user_id)} == own
