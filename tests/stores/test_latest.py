"""What is read of records without reading them whole, or those before them."""

import pytest
from turnfold_stores import (
    ReadsConversations,
    ReadsLatest,
    Record,
    conversations_of,
    latest_ids,
    latest_record,
)


class Scanned:
    """A ledger that cannot read from its end."""

    def __init__(self, inner):
        self.scan, self.get = inner.scan, inner.get


@pytest.mark.parametrize("scanned", [False, True])
def test_the_last_record_of_a_kind_in_a_conversation(store, scanned):
    ledger = Scanned(store.ledger) if scanned else store.ledger
    assert isinstance(ledger, ReadsLatest) is not scanned
    latest = lambda user_id, **where: latest_record(ledger, user_id, **where)
    assert latest("u", kind="k", conversation="c") is None
    for number in range(7):
        place = ("k", "c") if number % 2 else ("other", "c")
        store.ledger.put("u", [Record(f"{number}", *place, body={"number": number})])
    store.ledger.put("u", [Record("d", "k", "d"), Record("5", "k", "c", body="again")])
    store.ledger.put("v", [Record("x", "k", "c")])
    assert latest("u", kind="k", conversation="c") == Record("5", "k", "c", {"number": 5})
    store.ledger.delete("u", ["5"])
    assert latest("u", kind="k", conversation="c") == Record("3", "k", "c", {"number": 3})
    assert latest("u", kind="k", conversation="") is None


@pytest.mark.parametrize("scanned", [False, True])
def test_the_last_records_of_a_kind_in_many_conversations(store, scanned):
    ledger = Scanned(store.ledger) if scanned else store.ledger
    records = [Record(f"{n}", "k" if n < 5 else "other", f"c{n % 3}") for n in range(7)]
    store.ledger.put("u", records)
    store.ledger.put("v", [Record("x", "k", "c1"), Record("y", "k", "elsewhere")])
    asked = ["c0", "c1", "c2", "elsewhere", "", *(f"none {n}" for n in range(1_200))]
    found = latest_ids(ledger, "u", kind="k", conversations=asked)
    assert found == {"c0": "3", "c1": "4", "c2": "2"}
    assert latest_ids(ledger, "u", kind="k", conversations=[]) == {}


@pytest.mark.parametrize("scanned", [False, True])
def test_the_conversations_that_records_are_of(store, scanned):
    ledger = Scanned(store.ledger) if scanned else store.ledger
    assert isinstance(ledger, ReadsConversations) is not scanned
    store.ledger.put("u", [Record(f"r{n}", "k", f"c{n % 3}\0", text="word") for n in range(1_100)])
    store.ledger.put("v", [Record("theirs", "k", "c0")])
    asked = ["r0", "r1", "r1099", "theirs", "", *(f"none {n}" for n in range(1_200))]
    found = conversations_of(ledger, "u", asked)
    assert found == {"r0": "c0\0", "r1": "c1\0", "r1099": "c1\0"}
    assert len(conversations_of(ledger, "u", (f"r{n}" for n in range(1_100)))) == 1_100
    assert conversations_of(ledger, "u", []) == {}
