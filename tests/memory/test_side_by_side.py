"""Jobs are done at once, but not too many, and one that hangs keeps no interpreter from exiting."""

import signal
import threading

import pytest
from support.programs import ran
from turnfold.summarizers.in_parallel import SIDE_BY_SIDE, side_by_side


class Stop(BaseException):
    """As when a process is told to end."""


def test_what_came_of_the_jobs_is_in_their_order():
    """The first job ends last."""
    others, ended = threading.Event(), []

    def do(job):
        if job == 0:
            assert others.wait(30)
        ended.append(job)
        if len(ended) == SIDE_BY_SIDE + 1:
            others.set()
        return -job

    assert side_by_side(do, range(SIDE_BY_SIDE + 2), name="test") == [0, -1, -2, -3, -4, -5]
    assert ended[0] != 0


def test_as_many_as_may_be_are_under_way_and_no_more():
    together, under_way, most = threading.Barrier(SIDE_BY_SIDE), [], []

    def do(job):
        under_way.append(job)
        most.append(len(under_way))
        together.wait(30)
        under_way.remove(job)

    side_by_side(do, range(3 * SIDE_BY_SIDE), name="test")
    assert max(most) == SIDE_BY_SIDE


def test_no_jobs_are_no_work():
    assert side_by_side(fail, [], name="test") == []


def fail(_job):
    raise Stop


def test_what_one_raises_is_raised_at_once_and_no_more_are_begun():
    begun, hanging, go = [], threading.Barrier(SIDE_BY_SIDE), threading.Event()

    def do(job):
        begun.append(job)
        hanging.wait(30)
        if job == 1:
            raise Stop
        assert go.wait(30)

    before = set(threading.enumerate())
    with pytest.raises(Stop):
        side_by_side(do, range(3 * SIDE_BY_SIDE), name="test")
    go.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert sorted(begun) == list(range(SIDE_BY_SIDE))


# --- an interpreter that exits ----------------------------------------------------------------


HANGS = """
import logging, signal, threading
import turnfold.resilience.worker_threads
from dataclasses import replace
from support.chats import SMALL, ask, history, memory, stand_in
from turnfold.summarizers.in_parallel import SIDE_BY_SIDE

turnfold.resilience.worker_threads._LAST_SECONDS = 0.1
logging.disable()
hanging = threading.Barrier(SIDE_BY_SIDE + INTERRUPTED)

def hang(_job):
    hanging.wait(30)
    threading.Event().wait()

policy = replace(SMALL, leaf_tokens=1_000, deadline=1.0)
remembering = memory(policy=policy, summarizer=hang)
"""
A_TURN = """
remembering.wrap(stand_in().client(), conversation="c").messages.create(**ask(history(60)))
remembering.close()
print("answered")
"""
A_BACKFILL = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
interrupted = threading.Event()

def interrupt():
    hanging.wait(30)
    while not interrupted.wait(0.5):  # a signal that comes just before a wait does not end it
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    remembering.backfill(history(60), client=stand_in().client(), user_id="ada", conversation="c")
except KeyboardInterrupt:
    interrupted.set()
    print("interrupted")
"""


def test_summaries_that_hang_after_the_deadline_do_not_keep_the_process():
    ended = ran("-c", HANGS.replace("INTERRUPTED", "0") + A_TURN)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("answered\n", "", 0)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no such signals")
def test_summaries_that_hang_in_a_backfill_that_is_interrupted_do_not_either():
    ended = ran("-c", HANGS.replace("INTERRUPTED", "1") + A_BACKFILL)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("interrupted\n", "", 0)
