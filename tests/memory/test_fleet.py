"""Many processes and threads with one store: as if it had been one.

The stores are those that many processes may use at once, and search exactly.
"""

import random
from contextlib import ExitStack

import pytest
from support.crowd import USER, Job, Worker, alone
from turnfold_stores import open_store

STORES = {
    "sqlite": lambda _request, folder: f"sqlite:{folder / 'crowd.db'}",
    "postgres": lambda request, _folder: request.getfixturevalue("postgres_url"),
}


@pytest.fixture(params=STORES)
def url(request, tmp_path):
    return STORES[request.param](request, tmp_path)


@pytest.fixture
def calm_url(tmp_path):
    return f"sqlite:{tmp_path / 'calm.db'}"


def workers(stack, url, number, threads):
    started = [Worker(url, threads) for _ in range(number)]
    for worker in started:
        stack.callback(worker.close)
    return started


def kept(url, user_id=USER):
    """Plans, folds, nodes and passages by id, and the ids in the index."""
    with open_store(url) as store:
        records = list(store.ledger.scan(user_id))
        names = [record.id for record in records]
        assert len(names) == len(set(names))
        decided = [r for r in records if r.kind in {"plan", "fold", "node", "passage"}]
        bodies = {record.id: decision(record.body) for record in decided}
        vectors = {r.id for r in records if r.kind == "vector"}
        indexed = store.index.ids(user_id)
        assert {f"vector:{name}" for name in indexed} == vectors
        assert {r.id for r in records if r.kind == "passage"} == indexed
        assert not [r for r in records if r.kind == "owed"]
        return bodies, indexed


def assert_well(done):
    assert done.error == ""
    assert done.degraded == []
    assert len(done.sent) == done.job.turns[1] - done.job.turns[0]


def decision(body):
    """Without what may differ from worker to worker.

    Each stand-in has a prompt cache of its own, so what was measured of it differs; and the last
    bit of a score depends on how many vectors it was computed among.
    """
    left = {name: value for name, value in body.items() if name != "measures"}
    if "shown" in left:
        left["shown"] = [one[:2] for one in left["shown"]]
    return left


def assert_same(url, calm_url):
    (bodies, indexed), (calm, calm_indexed) = kept(url), kept(calm_url)
    assert bodies.keys() == calm.keys()
    assert {name: body for name, body in bodies.items() if body != calm[name]} == {}
    assert indexed == calm_indexed


def crowd(url, calm_url, *, processes, threads, turns):
    """Each process plays conversations of its own, and all play one together."""
    own = [f"own{number}" for number in range(processes * (threads - 1))]
    everyones = ["everyones"] * processes
    calm = {
        done.job.conversation: done.sent
        for done in alone(calm_url, [Job(name, (1, turns + 1)) for name in ["everyones", *own]])
    }
    with ExitStack() as stack:
        crew = workers(stack, url, processes, threads)
        given = [
            (crew[number % processes], Job(name, (1, turns + 1)))
            for number, name in enumerate([*everyones, *own])
        ]
        given = [(worker, worker.give(job)) for worker, job in given]
        results = [worker.result(number) for worker, number in given]
    for done in results:
        assert_well(done)
        assert done.sent == calm[done.job.conversation]
    # Two may have asked for the same summary at once; nobody asks for one that is stored.
    for name in own:
        (paid,) = (done.summaries for done in results if done.job.conversation == name)
        assert len(paid) == len(set(paid)) > 0
    for done in results:
        assert len(done.summaries) == len(set(done.summaries))
    assert_same(url, calm_url)


def test_a_crowd_on_one_store(url, calm_url):
    crowd(url, calm_url, processes=2, threads=2, turns=8)


@pytest.mark.soak
def test_a_large_crowd_on_one_store(url, calm_url):
    crowd(url, calm_url, processes=8, threads=4, turns=30)


def fleet(url, calm_url, *, processes, conversations, turns, seed):
    """Each turn goes to a random worker."""
    names = [f"talk{number}" for number in range(conversations)]
    expected = {
        done.job.conversation: done.sent
        for done in alone(calm_url, [Job(name, (1, turns + 1)) for name in names])
    }
    chance = random.Random(seed)
    sent = {name: [] for name in names}
    with ExitStack() as stack:
        crew = workers(stack, url, processes, threads=4)
        for number in range(1, turns + 1):
            chance.shuffle(names)
            given = [
                (worker := chance.choice(crew), worker.give(Job(name, (number, number + 1))))
                for name in names
            ]
            for worker, asked in given:
                done = worker.result(asked)
                assert_well(done)
                sent[done.job.conversation] += done.sent
    assert sent == expected
    assert_same(url, calm_url)


def test_a_fleet_in_small(postgres_url, calm_url):
    fleet(postgres_url, calm_url, processes=2, conversations=4, turns=8, seed=1)


@pytest.mark.soak
def test_a_fleet_of_two_hundred_conversations(postgres_url, calm_url):
    fleet(postgres_url, calm_url, processes=3, conversations=200, turns=12, seed=2)
