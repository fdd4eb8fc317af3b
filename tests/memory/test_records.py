"""Records of other versions, and damaged ones: memory goes on, and says what it left out."""

from dataclasses import replace

import pytest
from support.chats import history, stand_in, texts
from support.long_runs import Long, keep_a_file
from support.oblivion import DAY, tells, words_of
from turnfold import Conversation
from turnfold.archive.kinds import KINDS, kinds_with
from turnfold.archive.plans import KnownPlans, read_plan
from turnfold.upkeep.checkup import check
from turnfold_stores import STORE_USER, Record, open_store

URLS = {"memory": lambda _: "memory:", "sqlite": lambda folder: f"sqlite:{folder}/store.db"}


@pytest.fixture(params=URLS)
def store(request, tmp_path):
    with open_store(URLS[request.param](tmp_path)) as opened:
        yield opened


@pytest.fixture
def plain():
    with open_store("memory:") as opened:
        yield opened


@pytest.fixture(scope="module")
def past():
    """A run of 18 days, and the records it left; neither is changed."""
    with open_store("memory:") as opened:
        long = Long(opened).days(18).work(30)
        note = long.memory.notes(user_id="ada", conversation="c")[0]
        long.memory.retract(note.id, user_id="ada", conversation="c")
        keep_a_file(long.memory)
        yield long, long.records()


@pytest.fixture
def again(past, plain):
    """The same run, gone on with in another process over a store of its own."""
    long, records = past
    plain.put_records("ada", records)
    return Long(plain, since=long)


BODIES = sorted(KINDS.keys() - {"vector", "staged vector", "tombstone", "forgetting", "reset"})


def tomorrows(body):
    """A body with something more wherever a newer version might have put it."""
    if isinstance(body, dict):
        changed = {key: tomorrows(one) for key, one in body.items()}
        return {**changed, "of_tomorrow": {"level": 3}}
    return body


# --- every kind is known ------------------------------------------------------------------------


def test_whatever_is_written_is_in_the_table(plain):
    long = Long(plain).days(16).work(30)
    notes = long.memory.notes(user_id="ada", conversation="c")
    long.memory.retract(notes[0].id, user_id="ada", conversation="c")
    long.memory.backfill(
        history(40, "b"), client=stand_in().client(), user_id="ada", conversation="b"
    )
    talk = Conversation(client=stand_in().client(), memory=long.memory, user_id="ada", id="d")
    talk.say("Hello.")
    talk.reset()
    keep_a_file(long.memory)
    long.memory.forget(user_id="ada", conversation="b")
    written = {one.kind for one in long.records()}
    assert written <= KINDS.keys()
    assert {"plan", "fold", "node", "thought", "indexed", "correction", "reset"} <= written
    assert kinds_with("file") <= written
    assert "step" in written
    assert {one.kind for one in plain.ledger.scan(STORE_USER)} <= {"store", "indexing"}


def test_the_table_says_of_each_kind_what_forgetting_does():
    assert kinds_with("for good") == {"tombstone", "tombstone-key", "forgetting"}
    assert kinds_with("said") == {"content", "exchange", "step"}
    assert all(kind.name == name for name, kind in KINDS.items())


# --- newer and older versions -------------------------------------------------------------------


def test_a_store_with_records_of_tomorrow_serves_today(store):
    long = Long(store).days(14)
    long.rewrite(lambda one: replace(one, body=tomorrows(one.body)), *BODIES)
    strange = Record("dream:1", "dream", "c", {"of": ["whatever"]}, "amber2x dream", at=1.0)
    store.ledger.put("ada", [strange])

    again = Long(store, since=long).days(8, "y", first=20)
    assert not again.faults()
    assert again.receipts[-1].in_memory > 12
    assert again.memory.search("amber3x", user_id="ada")
    assert again.memory.notes(user_id="ada", conversation="c")
    assert not [one for one in check(store).findings if one.kind == "damaged"]
    again.memory.forget(user_id="ada", before=again.clock.now - 10 * DAY)
    assert not tells(store, words_of(2, "x"))


@pytest.mark.parametrize("kind", BODIES)
def test_what_an_older_version_did_not_write_has_a_default(again, kind):
    count = 0

    def older(one):
        nonlocal count
        count += 1
        if not isinstance(one.body, dict) or not one.body:
            return one
        missing = sorted(one.body)[count % len(one.body)]
        return replace(one, body={key: v for key, v in one.body.items() if key != missing})

    again.rewrite(older, kind)
    serves(again)


# --- damage -------------------------------------------------------------------------------------

WRONG = [None, 7, "text", [1, None], {"messages": 3, "nodes": "n", "shown": [[1]], "count": "many"}]


def serves(again):
    """Whether all that memory does still goes on: turns, search, notes, forgetting."""
    again.days(3, "y", first=20)
    assert [one.turn for one in again.receipts] == [20, 21, 22], "each turn had memory"
    again.memory.search("amber3x", user_id="ada")
    again.memory.notes(user_id="ada", conversation="c")
    check(again.store, mend=True)
    again.memory.forget(user_id="ada")
    assert not tells(again.store, words_of(3, "x"))
    assert {one.kind for one in again.records()} <= kinds_with("for good")


@pytest.mark.parametrize("kind", [*BODIES, "reset", "tombstone"])
def test_a_damaged_record_stops_nothing(again, kind):
    count = 0

    def damaged(one):
        nonlocal count
        count += 1
        return replace(one, body=WRONG[count % len(WRONG)])

    again.rewrite(damaged, kind)
    serves(again)


@pytest.mark.parametrize("kind", ["fold", "node", "plan", "correction"])
def test_the_receipt_and_the_checkup_say_what_is_damaged(again, kind):
    again.rewrite(lambda one: replace(one, body="gone"), kind)
    (found,) = [one for one in check(again.store).findings if one.kind == "damaged"]
    assert f"{kind}:" in found.detail
    assert found.mendable
    again.days(6, "y", first=20)
    assert any(why.startswith("ledger: a damaged record is left out") for why in again.faults())
    check(again.store, mend=True)
    assert not [one for one in check(again.store).findings if one.kind == "damaged"]


def test_what_was_said_and_cannot_be_read_is_told_and_cannot_be_mended(again):
    again.rewrite(lambda one: replace(one, body=3), "content")
    (found,) = [one for one in check(again.store, mend=True).findings if one.kind == "damaged"]
    assert not found.mended
    assert not found.mendable


def loops(one):
    """The record as it would be if it led to itself."""
    links = {"fold": "previous", "exchange": "parent"}
    return replace(one, body={**one.body, links[one.kind]: one.id})


@pytest.mark.parametrize("kind", ["fold", "exchange"])
def test_what_leads_to_itself_is_followed_once(again, kind):
    again.rewrite(loops, kind)
    again.memory.search("amber3x", user_id="ada")
    again.chat.messages = again.chat.messages[4:]  # cut, so that the path is read
    serves_cut(again)


def serves_cut(again):
    again.days(2, "y", first=20)
    again.memory.notes(user_id="ada", conversation="c")
    again.memory.forget(user_id="ada", before=again.clock.now - 4 * DAY)
    assert not tells(again.store, words_of(3, "x"))


def test_folds_that_lead_to_each_other_are_followed_once(again):
    *_, first, second = sorted(again.records("fold"), key=lambda one: one.body["count"])
    again.rewrite(
        lambda one: replace(one, body={**one.body, "previous": second.id}) if one == first else one,
        "fold",
    )
    again.memory.search("amber3x", user_id="ada")
    serves_cut(again)


def test_a_fold_said_to_reach_further_than_its_path_is_left_out(again):
    again.rewrite(lambda one: replace(one, body={**one.body, "count": 10**6}), "fold")
    again.chat.say("What was said?")
    assert "What was said?" in texts(again.fake.calls[-1].body)[-1]
    assert any("it ends at 1000000" in why for why in again.faults())


# --- a partial forgetting leaves nothing --------------------------------------------------------


@pytest.mark.parametrize("background", ["on", "off"])
def test_a_partial_forgetting_leaves_no_name_of_what_is_gone(plain, background):
    long = Long(plain, background=background).days(14)
    strange = Record("dream:1", "dream", "c", {"of": [long.records("exchange")[2].id]})
    plain.ledger.put("ada", [strange])
    before = long.clock.now - 6 * DAY
    gone = {
        name
        for one in long.records("exchange")
        if one.at < before
        for name in (one.id, one.body["content"], one.body["opening"])
    }
    assert len(gone) > 12
    long.memory.forget(user_id="ada", before=before)
    for one in long.records():
        assert not [name for name in gone if name in f"{one.id} {one.body}"], one.kind
    long.days(4, "y", first=30)
    assert long.receipts[-1].turn == 18
    assert not long.faults()


def test_a_plan_read_before_is_read_anew_where_it_is_another_by_now(past):
    plan = next(one for one in past[1] if one.kind == "plan")
    known = KnownPlans()
    first = known.read(plan)
    assert first == read_plan(plan)
    assert known.read(replace(plan, body=dict(plan.body))) is first
    other = replace(plan, body={**plan.body, "number": 99})
    assert known.read(other).number == 99
    assert known.read(plan) == first


def test_of_plans_read_before_so_many_are_kept_and_none_past_a_forgetting(past):
    plans = [one for one in past[1] if one.kind == "plan"][:3]
    known = KnownPlans(most=2)
    read = [known.read(one) for one in plans]
    assert known.read(plans[2]) is read[2]
    assert known.read(plans[0]) is not read[0]
    known.clear()
    assert known.read(plans[2]) is not read[2]
