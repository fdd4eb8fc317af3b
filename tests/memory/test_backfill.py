"""A history held without memory is taken in: side by side, resumable, with its dates."""

import asyncio
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.chats import SMALL, ask, chats, history, memory, stand_in, texts
from support.embedders import HashedWords
from support.faulty import Trouble, troubled_store
from support.models import SUMMARY
from support.programs import started
from turnfold import Cap, TurnfoldError
from turnfold.accounting.prices import Usage
from turnfold.archive.leases import this_process
from turnfold.errors import TranscriptError
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold.summarizers.in_parallel import SIDE_BY_SIDE
from turnfold.upkeep.backfill import times_of
from turnfold_fake import Fault
from turnfold_stores import StoreError, open_store

# Some six exchanges of `history` make a leaf.
LEAVES = replace(SMALL, leaf_tokens=1_000)
WHOSE = {"user_id": "ada", "conversation": "c"}


def fact(job):
    return SummaryDraft(
        [Item("fact", sentence(job), (job.first,))],
        Usage(input_tokens=100, output_tokens=10),
        SUMMARY,
    )


def sentence(job):
    """The first one of the turns: a summary has to say what was said."""
    return job.exchanges[0][0].text.partition(". ")[0] + "."


def kept(remembering, kind):
    return list(remembering.store.ledger.scan("ada", kind=kind, conversation="c"))


def test_the_next_turn_has_it_in_memory_and_asks_for_no_summary(door):
    fake, receipts = stand_in(), []
    with memory(policy=LEAVES, on_receipt=receipts.append) as remembering:
        report = take_in(door, remembering, door.client(fake), history(60))
        asked = fake.asked("summary")
        assert len(asked) == report.calls == report.leaves + 1, "the last compares them"
        assert report.leaves > 5
        assert report.degraded == ()
        assert report.exchanges == 59, "the newest may not be over yet"
        assert 50 < report.folded < 59
        assert report.usage.prompt_tokens == sum(
            call.response["usage"]["input_tokens"] for call in asked
        )
        assert report.cost > 0
        assert report.seconds > 0
        remembering.wrap(fake.client(), **WHOSE).messages.create(**ask(history(60)))
    assert len(fake.asked("summary")) == len(asked)
    assert receipts[0].in_memory == report.folded
    assert receipts[0].folded == 0
    assert not receipts[0].degraded


def take_in(door, remembering, client, messages, **options):
    if door.is_async:
        return asyncio.run(remembering.abackfill(messages, client=client, **WHOSE, **options))
    return remembering.backfill(messages, client=client, **WHOSE, **options)


def test_leaves_are_written_side_by_side_and_not_too_many(door):
    """Each waits until as many as may be are under way: one after the other would never end."""
    together, under_way, most = threading.Barrier(SIDE_BY_SIDE), [], []

    def summarize(job):
        under_way.append(job)
        most.append(len(under_way))
        if len(most) <= SIDE_BY_SIDE:
            together.wait(30)
        under_way.remove(job)
        return fact(job)

    with memory(policy=LEAVES, summarizer=summarize) as remembering:
        report = take_in(door, remembering, door.client(stand_in()), history(60))
    assert report.leaves > SIDE_BY_SIDE
    assert max(most) == SIDE_BY_SIDE


def test_a_short_history_is_stored_and_nothing_else():
    fake = stand_in()
    with memory(policy=LEAVES) as remembering:
        report = remembering.backfill(history(3), client=fake.client(), **WHOSE)
        assert len(kept(remembering, "exchange")) == 2
    assert (report.exchanges, report.folded, report.leaves, report.calls) == (2, 0, 0, 0)
    assert not fake.calls


def test_all_of_it_is_found_again():
    with memory(policy=LEAVES, summarizer=fact) as remembering:
        report = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        (hit, *_) = remembering.search("amber7 birch7 cedar7 delta7", **WHOSE)
        assert "amber7" in hit.text
        passages = {record.id for record in kept(remembering, "passage")}
        assert len(passages) >= 2 * report.folded
        assert passages <= remembering.store.index.ids("ada")


def test_again_it_finds_all_done():
    with memory(policy=LEAVES, summarizer=fact) as remembering:
        first = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        again = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        assert (again.folded, again.exchanges) == (first.folded, first.exchanges)
        assert (again.leaves, again.calls, again.usage) == (0, 0, Usage())
        grown = remembering.backfill(history(80), client=stand_in().client(), **WHOSE)
        assert grown.folded > first.folded
        assert grown.leaves < first.leaves
        assert not kept(remembering, "lease")


def test_progress_is_told():
    told = []
    with memory(policy=LEAVES, summarizer=fact) as remembering:
        report = remembering.backfill(
            history(60), client=stand_in().client(), progress=lambda *one: told.append(one), **WHOSE
        )
        vectors = len(kept(remembering, "passage"))
    summaries = [one for one in told if one[0] == "summaries"]
    assert summaries == [("summaries", n, report.leaves) for n in range(1, report.leaves + 1)]
    assert told[-1] == ("vectors", vectors, vectors)
    assert told.index(summaries[-1]) < told.index(("vectors", 64, vectors))


def test_vectors_are_made_in_batches():
    sizes = []

    class Sized(HashedWords):
        def embed(self, texts):
            sizes.append(len(texts))
            return super().embed(texts)

    with memory(policy=LEAVES, summarizer=fact, embedder=Sized()) as remembering:
        remembering.backfill(history(90), client=stand_in().client(), **WHOSE)
    assert max(sizes) == 64
    assert sum(sizes) > 128


# --- what goes wrong --------------------------------------------------------------------------


class Stop(BaseException):
    """As when a process is told to end."""


@pytest.mark.parametrize("number", [1, 2, 5, 8])
def test_killed_half_way_only_what_was_in_flight_is_paid_again(number, tmp_path):
    """The ledger dies at its `number`-th node; all that was asked for by then was in flight."""
    url = f"sqlite:{tmp_path / 's.db'}"
    trouble = Trouble(act=lambda: (_ for _ in ()).throw(Stop))
    nodes = []

    def hits(_, name):
        nodes.append(name)
        return nodes.count("ledger.put node") >= number  # and all that comes after

    trouble.hits, trouble.armed = hits, True
    first, second = [], []
    with troubled_store(trouble, url) as store:
        remembering = memory(store, policy=LEAVES, summarizer=lambda job: noted(first, job))
        with pytest.raises(Stop):
            remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        trouble.armed = False
        store.inner.close()
    # What is dead there lives on here, as far as the ledger can tell: until its claim runs out.
    later = replace(LEAVES, clock=lambda: time.time() + 3_600)
    with memory(url, policy=later, summarizer=lambda job: noted(second, job)) as remembering:
        report = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        assert len(kept(remembering, "node")) == report.calls + number - 1
    assert report.folded > 50
    assert not report.degraded
    again = set(first) & set(second)
    assert len(again) <= SIDE_BY_SIDE
    assert len(second) == report.calls == 8 - (number - 1)


def noted(where, job):
    where.append((job.first, job.last))
    return fact(job)


KILLED = """
import os, sys, threading
from dataclasses import replace
from support.chats import SMALL, history, memory, stand_in
from turnfold.summaries.notes import Item, SummaryDraft

lock, asked = threading.Lock(), []

def tell(what, number):
    os.write(1, f"{what} {number}\\n".encode())

def summarize(job):
    with lock:
        asked.append(job)
        number = len(asked)
    if number > 5:
        threading.Event().wait()  # in flight when it is killed
    tell("answered", job.first)
    told = job.exchanges[0][0].text.partition(". ")[0] + "."
    return SummaryDraft([Item("fact", told, (job.first,))])

remembering = memory("sqlite:" + sys.argv[1], policy=replace(SMALL, leaf_tokens=1_000),
                     summarizer=summarize)
told = lambda step, done, of: tell("written", done)
remembering.backfill(history(60), client=stand_in().client(), user_id="ada", conversation="c",
                     progress=told)
"""


@pytest.mark.skipif(not this_process(), reason="this system does not tell whose lease it is")
def test_a_process_killed_half_way_is_taken_over_at_once(tmp_path):
    file = tmp_path / "s.db"
    with started("-c", KILLED, file, stdout=subprocess.PIPE, text=True) as killed:
        answered = set()
        for line in killed.stdout:
            if line.startswith("answered"):
                answered.add(int(line.split()[1]))
            if line == "written 5\n":
                break
        killed.kill()
    asked = []
    with memory(
        f"sqlite:{file}", policy=LEAVES, summarizer=lambda job: noted(asked, job)
    ) as remembering:
        report = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
    assert len(answered) == 5
    assert report.calls == len(asked) == 3
    assert not {first for first, _ in asked} & answered
    assert report.folded > 50


def test_killed_between_two_batches_no_vector_is_made_twice():
    puts = []

    def hits(_, name):
        puts.append(name)
        return name == "index.put vector" and puts.count(name) == 2

    trouble = Trouble(hits, act=store_fails)
    embedder = HashedWords()
    with open_store("memory:") as inner:
        trouble.armed = True
        store = troubled_over(inner, trouble)
        with memory(store, policy=LEAVES, summarizer=fact, embedder=embedder) as remembering:
            report = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
            assert "index" in report.degraded[0]
            trouble.armed = False
            again = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
            assert not again.degraded
    first, rest = embedder.texts[:64], embedder.texts[64:]
    assert not set(first) & set(rest), "what was written is not embedded again"


def store_fails():
    raise StoreError("the disk is full")


def troubled_over(inner, trouble):
    from support.faulty import Part
    from turnfold_stores import Store

    return Store(Part(inner.ledger, trouble, "ledger"), Part(inner.index, trouble, "index"))


def test_a_leaf_that_fails_is_told_and_made_up_for(door):
    fake = stand_in(faults=[Fault("refused", on="summary")])
    with memory(policy=LEAVES) as remembering:
        report = take_in(door, remembering, door.client(fake, max_retries=0), history(60))
        assert "summary" in report.degraded[0]
        again = take_in(door, remembering, door.client(fake, max_retries=0), history(60))
    assert report.folded < 55, "what follows the gap waits"
    assert again.folded > 50
    assert (again.leaves, again.calls) == (1, 2), "and all are compared"


def test_another_worker_at_the_same_history_is_waited_for():
    paid, begun, go = [], threading.Event(), threading.Event()

    def summarize(job):
        paid.append((job.first, job.last))
        begun.set()
        assert go.wait(30)
        return fact(job)

    reports = []
    with open_store("memory:") as store:
        memories = [memory(store, policy=LEAVES, summarizer=summarize) for _ in range(2)]

        def run(one):
            reports.append(one.backfill(history(60), client=stand_in().client(), **WHOSE))

        threads = [threading.Thread(target=run, args=[one]) for one in memories]
        for thread in threads:
            thread.start()
            assert begun.wait(30)
        go.set()
        for thread in threads:
            thread.join(30)
    assert len(paid) == len(set(paid))
    assert {report.folded for report in reports} == {reports[0].folded}
    assert min(report.leaves for report in reports) == 0


def test_the_cap_of_a_conversation_holds():
    calls = []
    policy = replace(LEAVES, conversation_cap=Cap(tokens=250))

    def summarize(job):
        calls.append(job)
        return fact(job)

    with memory(policy=policy, summarizer=summarize) as remembering:
        remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        report = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
    assert len(calls) <= 2 + 2 * SIDE_BY_SIDE
    del report


def test_a_client_with_memory_does_as_well_and_its_summaries_go_without():
    fake, receipts = stand_in(), []
    with memory(policy=LEAVES, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(fake.client(), **WHOSE)
        report = remembering.backfill(history(60), client=client, **WHOSE)
    assert report.leaves > 5
    assert not receipts
    assert not chats(fake)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": [0.0]}, "times holds 1 entries for 120"),
        ({"times": ["noon"] * 120}, "times\\[0\\]='noon'"),
        ({"user_id": ""}, "user_id"),
    ],
)
def test_what_does_not_fit_is_told(options, message):
    with memory() as remembering, pytest.raises(TurnfoldError, match=message):
        remembering.backfill(history(60), client=stand_in().client(), **{**WHOSE, **options})


def test_the_wrong_kind_of_client_is_told():
    with memory() as remembering:
        with pytest.raises(TurnfoldError, match="abackfill"):
            remembering.backfill(history(60), client=stand_in().async_client(), **WHOSE)
        with pytest.raises(TurnfoldError, match="backfill takes a sync one"):
            asyncio.run(remembering.abackfill(history(60), client=stand_in().client(), **WHOSE))


@pytest.mark.parametrize("messages", [[], ["Hello."]])
def test_what_is_no_history_is_told(messages):
    with memory() as remembering, pytest.raises(TranscriptError):
        remembering.backfill(messages, client=stand_in().client(), **WHOSE)


def test_what_is_redacted_reaches_neither_summarizer_nor_store():
    asked = []

    def summarize(job):
        asked.append(str(job))
        return fact(job)

    policy = replace(LEAVES, redact=lambda text: text.replace("amber3", "[gone]"))
    with memory(policy=policy, summarizer=summarize) as remembering:
        remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        kept_of = str([(r.id, r.body, r.text) for r in remembering.store.ledger.scan("ada")])
    assert "[gone]" in "".join(asked)
    assert "[gone]" in kept_of
    assert "amber3 " not in "".join(asked) + kept_of


def test_what_is_forgotten_meanwhile_does_not_come_back():
    remembering = memory(policy=LEAVES)

    def summarize(job):
        if job.first > 20:
            remembering.forget(user_id="ada")
        return fact(job)

    remembering._summarizer = summarize
    with remembering:
        report = remembering.backfill(history(60), client=stand_in().client(), **WHOSE)
        left = [(r.kind, r.body) for r in remembering.store.ledger.scan("ada")]
    assert report.folded == 0
    assert "Turn" not in str(left)


# --- dates ------------------------------------------------------------------------------------


def test_dates_of_messages_are_stored_with_what_was_said():
    day = 86_400.0
    messages = history(60)
    times = [100 * day + 60 * number for number in range(len(messages))]
    with memory(policy=LEAVES, summarizer=fact) as remembering:
        remembering.backfill(messages, client=stand_in().client(), times=times, **WHOSE)
        exchanges = kept(remembering, "exchange")
        passages = kept(remembering, "passage")
        again = {record.id: record.at for record in exchanges}
        remembering.wrap(stand_in().client(), **WHOSE).messages.create(**ask(messages))
        assert again.items() <= {r.id: r.at for r in kept(remembering, "exchange")}.items()
    for record in exchanges:
        start = 2 * (record.body["number"] - 1)
        assert record.at == times[start]
        assert record.body["times"] == times[start : start + 2]
    assert {record.at for record in passages} <= set(times[::2])


def test_a_time_that_is_not_known_is_taken_from_the_rest_of_the_exchange():
    messages = history(3)
    clocked = replace(LEAVES, clock=lambda: 5_000.0)
    with memory(policy=clocked) as remembering:
        remembering.backfill(
            messages, client=stand_in().client(), times=[None, 7.0, None, None, 9.0, 9.0], **WHOSE
        )
        assert [record.at for record in kept(remembering, "exchange")] == [7.0, 5_000.0]


def test_a_datetime_is_a_time():
    when = datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert times_of([when, None, 3], [{}, {}, {}]) == [when.timestamp(), None, 3.0]
    assert times_of(None, [{}]) is None


def test_a_cut_history_is_joined_to_what_was_taken_in():
    fake, receipts = stand_in(), []
    with memory(policy=LEAVES, summarizer=fact, on_receipt=receipts.append) as remembering:
        report = remembering.backfill(history(60), client=fake.client(), **WHOSE)
        client = remembering.wrap(fake.client(), **WHOSE)
        client.messages.create(**ask(history(60)[-20:]))
    assert receipts[0].turn == 61
    assert receipts[0].in_memory == report.folded


def test_the_request_reads_as_after_folds():
    fake = stand_in()
    with memory(policy=LEAVES, summarizer=fact) as remembering:
        remembering.backfill(history(60), client=fake.client(), **WHOSE)
        remembering.wrap(fake.client(), **WHOSE).messages.create(**ask(history(60)))
    (body,) = chats(fake)
    assert "Facts:\n- Turn 51 asked of amber51" in texts(body)[0]
    assert [text for text in texts(body) if text.startswith("Turn 58 asked")]
