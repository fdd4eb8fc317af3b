"""Leases: of all who want a thing one gets it, and what a dead worker held is free again."""

import os
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from support.chats import SMALL, ask, history, memory, stand_in
from support.programs import started
from turnfold.archive.leases import Leases, is_gone, this_process
from turnfold.scope import Scope
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_stores import Record, open_store


class Clock:
    def __init__(self, now=1_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory:", "sqlite:{}/s.db"])
def store(request, tmp_path):
    with open_store(request.param.format(tmp_path)) as opened:
        yield opened


def leases(store, clock):
    return Leases(store.ledger, "ada", "c", seconds=60.0, clock=clock)


def test_one_of_two_gets_it(store, clock):
    one, other = leases(store, clock), leases(store, clock)
    assert one.state("fold") == "free"
    assert one.take("fold")
    assert other.state("fold") == "running"
    assert other.take("fold") is None
    assert other.take("another fold")


def test_of_many_at_once_one_gets_it(store, clock):
    for past in range(3):  # never held, then lost once, then twice
        barrier, got = threading.Barrier(8), []

        def run(barrier=barrier, got=got):
            barrier.wait(10)
            got.append(leases(store, clock).take("fold"))

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        (held,) = [one for one in got if one]
        assert held.number == past
        clock.now += 61


def test_what_its_holder_did_not_come_back_to_is_lost_when_its_time_is_up(store, clock):
    assert leases(store, clock).take("fold")
    clock.now += 59
    assert leases(store, clock).state("fold") == "running"
    clock.now += 2
    assert leases(store, clock).state("fold") == "lost"
    assert leases(store, clock).take("fold")
    assert leases(store, clock).state("fold") == "running"


def test_a_claim_by_a_clock_that_is_far_ahead_holds_up_nobody(store, clock, monkeypatch):
    """Its holder, on another machine, may be gone for hours before its time is up."""
    ahead = Clock(clock.now + 5 * 3_600)
    assert leases(store, ahead).take("here")
    assert leases(store, clock).state("here") == ("running" if this_process() else "lost")
    monkeypatch.setattr("turnfold.archive.leases.this_process", lambda: "another machine.1:77:1234")
    assert leases(store, ahead).take("fold")
    assert leases(store, clock).state("fold") == "lost"
    assert leases(store, clock).take("fold")
    near = Clock(clock.now + 59)
    assert leases(store, near).take("other")
    assert leases(store, clock).state("other") == "running"


def test_a_holder_prolongs_it_unless_someone_took_it_over(store, clock):
    one, other = leases(store, clock), leases(store, clock)
    held = one.take("fold")
    for _ in range(20):
        clock.now += 50
        held = one.renew(held)
        assert other.take("fold") is None
    clock.now += 61
    assert other.take("fold")
    assert one.renew(held) is None


@pytest.mark.parametrize(("lost", "state"), [(True, "lost"), (False, "free")])
def test_given_up_it_may_be_taken_at_once(store, clock, lost, state):
    one, other = leases(store, clock), leases(store, clock)
    one.give_up(one.take("fold"), lost=lost)
    assert other.state("fold") == state
    assert other.take("fold")
    assert one.take("fold") is None


def test_what_failed_more_than_once_is_told(store, clock):
    one = leases(store, clock)
    one.give_up(one.take("fold"), lost=False)
    one.give_up(one.take("fold"), lost=True)
    assert one.state("fold") == "lost"
    one.give_up(one.take("fold"), lost=False)
    assert one.state("fold") == "failing"
    assert one.take("fold")
    assert one.state("fold") == "running"


def test_nothing_is_left_of_it_when_the_work_is_in_the_ledger(store, clock):
    one = leases(store, clock)
    held = one.take("fold")
    for _ in range(20):
        held = one.renew(held)
    one.give_up(held, lost=True)
    one.clear("fold")
    assert not list(store.ledger.scan("ada"))
    one.clear("fold")


def test_users_and_names_do_not_meet(store, clock):
    assert leases(store, clock).take("fold")
    assert Leases(store.ledger, "bob", "c", seconds=60.0, clock=clock).take("fold")


# --- processes --------------------------------------------------------------------------------

linux = pytest.mark.skipif(not this_process(), reason="this system does not tell")


def in_another_process(script, *arguments, **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return started("-c", script, *arguments, **pipes, **options)


@linux
def test_a_process_is_gone_once_it_has_ended_also_while_no_one_has_asked_how():
    script = (
        "from turnfold.archive.leases import this_process\n"
        "print(this_process(), flush=True)\n"
        "input()"
    )
    with in_another_process(script) as other:
        name = other.stdout.readline().strip()
        assert name != this_process()
        assert not is_gone(name)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(name)
    assert is_gone(name)


@linux
def test_another_process_with_the_same_number_is_another():
    assert not is_gone(this_process())
    machine, pid, started = this_process().split(":")
    assert is_gone(f"{machine}:{pid}:{int(started) - 1}")
    assert not is_gone(f"another-{machine}:{pid}:{started}"), "of other machines nothing is known"
    assert not is_gone("")


HOLDS = """
import sys, time
from turnfold.archive.leases import Leases
from turnfold_stores import open_store
store = open_store("sqlite:" + sys.argv[1])
assert Leases(store.ledger, "ada", "c", seconds=3600, clock=time.time).take("fold")
print("held", flush=True)
input()
"""


@linux
def test_what_a_killed_process_held_is_free_at_once(tmp_path):
    file = tmp_path / "s.db"
    with open_store(f"sqlite:{file}") as store, in_another_process(HOLDS, file) as other:
        mine = Leases(store.ledger, "ada", "c", seconds=3600, clock=time.time)
        assert other.stdout.readline() == "held\n"
        assert mine.take("fold") is None
        other.kill()
        other.wait()
        assert mine.state("fold") == "lost"
        assert mine.take("fold")


# --- two workers on one conversation ----------------------------------------------------------

AHEAD = replace(SMALL, background="on")

WORKER = """
import sys
from dataclasses import replace
from support.chats import SMALL, ask, history, memory, stand_in
from turnfold.summaries.notes import Item, SummaryDraft

def summarize(job):
    # As one text: two threads write.
    print(f"paid {job.first} {job.last}\\n", end="", flush=True)
    input()
    return SummaryDraft([Item("fact", "So it was.", (job.first,))])

policy = replace(SMALL, background="on")
remembering = memory("sqlite:" + sys.argv[1], policy=policy, summarizer=summarize)
client = remembering.wrap(stand_in().client(), user_id="ada", conversation="c")
client.messages.create(**ask(history(10)))
worker = remembering._background._thread
print("answered\\n", end="", flush=True)
if worker is not None:
    worker.join(30)
print("over", flush=True)
"""


def test_two_processes_do_not_pay_twice(tmp_path):
    file = tmp_path / "s.db"
    with in_another_process(WORKER, file) as one:
        told = {one.stdout.readline(), one.stdout.readline()}
        (paid,) = told - {"answered\n"}
        with in_another_process(WORKER, file) as other:
            assert other.stdout.readline() == "answered\n"
            assert other.stdout.readline() == "over\n", "the summary is being written elsewhere"
        one.stdin.write("\n")
        one.stdin.flush()
        assert one.stdout.readline() == "over\n"
    assert paid.startswith("paid 1 ")
    with open_store(f"sqlite:{file}") as store:
        kinds = [record.kind for record in store.ledger.scan("ada")]
    assert (kinds.count("node"), kinds.count("lease")) == (1, 0)


def test_two_memories_of_a_process_do_not_pay_twice():
    paid, begun, go = [], threading.Event(), threading.Event()

    def summarize(job):
        paid.append((job.first, job.last))
        begun.set()
        assert go.wait(30)
        return SummaryDraft([Item("fact", "So it was.", (job.first,))])

    with open_store("memory:") as store:
        memories = [memory(store, policy=AHEAD, summarizer=summarize) for _ in range(2)]
        for one in memories:
            one.wrap(stand_in().client(), conversation="c").messages.create(**ask(history(10)))
            assert begun.wait(30)
        workers = [one._background._thread for one in memories]
        go.set()
        for worker in filter(None, workers):
            worker.join(30)
        receipts = []
        client = memories[1].wrap(stand_in().client(), conversation="c", on_receipt=receipts.append)
        client.messages.create(**ask(history(11)))
        for one in memories:
            one.close()
    assert len(paid) == 1
    assert receipts[0].in_memory == paid[0][1]


def test_whoever_gets_the_lease_late_finds_the_work_done():
    """It was cleared between the look at the ledger and the claim."""
    paid = []

    def summarize(job):
        paid.append(job)
        return SummaryDraft([Item("fact", "So it was.", (job.first,))])

    with open_store("memory:") as store:
        with memory(store, policy=AHEAD, summarizer=summarize) as first:
            first.wrap(stand_in().client(), conversation="c").messages.create(**ask(history(10)))
            if (worker := first._background._thread) is not None:
                worker.join(30)
        with memory(store, policy=AHEAD, summarizer=summarize) as second:
            (record,) = store.ledger.scan("local", kind="ahead")
            nodes = list(store.ledger.scan("local", kind="node"))
            store.ledger.delete("local", [nodes[0].id])  # as the turn saw the ledger
            turn = second._process.begin(ask(history(11)), Scope("local", "c"), background=True)
            preparation = turn.preparation()
            store.ledger.put("local", [Record(n.id, "node", "c", n.body) for n in nodes])
            assert preparation.name == record.id
            assert preparation.begin()
            assert preparation.advance() == []
            preparation.end()
        assert len(paid) == 1
        assert not list(store.ledger.scan("local", kind="lease"))
