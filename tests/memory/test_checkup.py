"""What a checkup finds in a store, and what it mends."""

from dataclasses import replace

import numpy as np
import pytest
from support.chats import SMALL, Chat, memory, stand_in
from turnfold.upkeep.checkup import check
from turnfold_stores import Entry, Record, open_store

URLS = {
    "memory": lambda folder: "memory:",
    "folder": lambda folder: str(folder / "store"),
    "sqlite": lambda folder: f"sqlite:{folder / 'store.db'}",
}


@pytest.fixture(params=URLS)
def store(request, tmp_path):
    with open_store(URLS[request.param](tmp_path)) as opened:
        for user_id in ("ada", "bob"):
            remembering = memory(opened, policy=replace(SMALL, recall_tokens=1_500))
            client = remembering.wrap(stand_in().client(), user_id=user_id, conversation="c")
            chat = Chat(client)
            # Too long for one passage, and recalled whole.
            chat.say(" ".join(f"The box{n} of {user_id} is red." for n in range(60)))
            chat.go_on(14, user_id)
            chat.say(f"What of box1, box2 and box3 of {user_id}?")
        yield opened


def found(checkup):
    return {(one.kind, one.user_id): one.count for one in checkup.findings}


def test_a_store_that_was_used_is_sound(store):
    checkup = check(store)
    assert checkup.sound
    assert checkup.users == 2
    assert checkup.records["content"] == 30
    assert checkup.records["fold"] > 0
    assert checkup.owed == 0
    plans = store.ledger.scan("ada", kind="plan")
    shown = [name for plan in plans for name, *_ in plan.body["shown"]]
    assert any("." not in name for name in shown), "a message was recalled whole"


def test_what_was_forgotten_leaves_nothing_loose(store):
    remembering = memory(store)
    remembering.forget(user_id="ada", before=1e10)
    last = [one.at for one in store.ledger.scan("bob", kind="exchange")]
    remembering.forget(user_id="bob", before=sorted(last)[6])
    assert check(store).findings == ()


def test_the_index_is_held_against_the_ledger_and_mended(store):
    vectors = {one.id.partition(":")[2] for one in store.ledger.scan("ada", kind="vector")}
    some = sorted(vectors)[:3]
    store.index.delete("ada", some)
    store.index.put("bob", [Entry("nobody's", "c", np.ones(64, dtype=np.float32))])
    checkup = check(store)
    assert found(checkup) == {("missing vectors", "ada"): 3, ("orphaned vectors", "bob"): 1}
    assert not checkup.sound
    assert all(one.mendable for one in checkup.findings)
    assert store.index.ids("ada") == vectors - set(some), "nothing was touched"

    mended = check(store, mend=True)
    assert mended.sound
    assert found(mended) == found(checkup)
    assert check(store).findings == ()
    assert store.index.ids("ada") == vectors
    assert "nobody's" not in store.index.ids("bob")


def test_vectors_of_no_passage_go_and_passages_without_one_are_owed(store):
    shown = {
        name for one in store.ledger.scan("ada", kind="plan") for name, *_ in one.body["shown"]
    }
    scan = store.ledger.scan("ada", kind="passage")
    passages = [one.id for one in scan if one.id not in shown]
    store.ledger.delete("ada", [passages[0]])
    store.delete_vectors("ada", [passages[1], passages[2]])
    checkup = check(store)
    assert found(checkup) == {("stray vectors", "ada"): 1, ("unpaid", "ada"): 2}
    assert check(store, mend=True).sound
    after = check(store)
    assert after.findings == ()
    assert after.owed == 2
    client = memory(store).wrap(stand_in().client(), user_id="ada", conversation="c")
    Chat(client).go_on(16, "ada")  # a turn that recalls pays what is owed
    assert check(store).owed == 0


def test_what_hangs_loose_is_told_and_not_mended(store):
    nodes = [one.id for one in store.ledger.scan("ada", kind="node")]
    store.ledger.delete("ada", nodes[:1])
    checkup = check(store, mend=True)
    assert found(checkup) == {("dangling", "ada"): 1}
    [finding] = checkup.findings
    assert not finding.mendable
    assert nodes[0] in finding.detail
    assert not checkup.sound


def test_the_index_of_somebody_the_ledger_does_not_know(store):
    store.index.put("ghost", [Entry("x", "c", np.ones(64, dtype=np.float32))])
    if hasattr(store.index, "users"):
        assert found(check(store)) == {("orphaned vectors", "ghost"): 1}
        check(store, mend=True)
    assert check(store).findings == ()


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "store.db"
    with open_store(f"sqlite:{path}") as store:
        store.ledger.put("ada", [Record(f"r{n}", "k", "c", "x" * 900) for n in range(400)])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(data)
    with open_store(f"sqlite:{path}") as store:
        assert store.ledger.check()
