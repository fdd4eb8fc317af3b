"""Nothing of one user reaches another, whatever users and ids are called."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


@given(operations)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
