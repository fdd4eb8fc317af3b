"""What every `Ledger` promises."""

# ruff: noqa: D102 - the names of the tests are the contract.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import pytest

from turnfold_stores.conformance.samples import (
    BODIES,
    ODD_NAMES,
    UNFIT_RECORDS,
    plain,
    together,
    users_of,
)
from turnfold_stores.errors import StoreError
from turnfold_stores.protocols import Ledger, Record, WritesTogether


class LedgerContract:
    """What every `Ledger` promises."""

    @pytest.fixture
    def ledger(self) -> Iterator[Ledger]:
        """Yield an empty ledger, close it afterwards."""
        raise NotImplementedError

    def test_put_returns_the_new_ids(self, ledger: Ledger) -> None:
        assert ledger.put("u", [plain("a"), plain("b")]) == {"a", "b"}
        assert ledger.put("u", [plain("b"), plain("c")]) == {"c"}
        assert ledger.put("u", []) == set()

    def test_the_first_write_of_an_id_wins(self, ledger: Ledger) -> None:
        ledger.put("u", [plain("a", body=1), plain("a", body=2)])
        ledger.put("u", [plain("a", body=3)])
        assert ledger.get("u", ["a"])["a"].body == 1

    def test_a_record_comes_back_as_it_went_in(self, ledger: Ledger) -> None:
        for body in BODIES:
            record = Record("id", "kind", "conversation", body, "some text", 1234567890.123456)
            ledger.put("u", [record])
            (scanned,) = ledger.scan("u")
            for found in (scanned, ledger.get("u", ["id"])["id"]):
                assert found == record
                assert repr(found.body) == repr(body)
            ledger.delete("u", ["id"])

    def test_any_text_is_a_name(self, ledger: Ledger) -> None:
        # One beside the other: none of them is taken for another.
        for number, name in enumerate(ODD_NAMES, 1):
            record = Record(name, name, name, None, name)
            assert ledger.put(name, [record, plain("plain")]) == {name, "plain"}, ascii(name)
            assert ledger.get(name, [name]) == {name: record}
            assert list(ledger.scan(name, kind=name, conversation=name)) == [record]
            assert sorted(users_of(ledger)) == sorted(ODD_NAMES[:number])
            ledger.delete(name, [name])
            assert [found.id for found in ledger.scan(name)] == ["plain"], ascii(name)

    def test_a_large_body(self, ledger: Ledger) -> None:
        body = {"text": "ü\0fold " * 1_250_000}  # 10 MB as UTF-8, more as JSON
        ledger.put("u", [plain("a", body=body)])
        assert ledger.get("u", ["a"])["a"].body == body

    def test_what_is_stored_does_not_change_with_the_callers_objects(self, ledger: Ledger) -> None:
        body = {"list": [1]}
        ledger.put("u", [plain("a", body=body)])
        body["list"].append(2)
        ledger.get("u", ["a"])["a"].body["list"].append(3)
        assert ledger.get("u", ["a"])["a"].body == {"list": [1]}

    def test_an_unfit_record_is_refused_and_its_whole_batch(self, ledger: Ledger) -> None:
        accepted = []
        for what, bad in UNFIT_RECORDS.items():
            try:
                ledger.put("u", [plain("before"), bad, plain("after")])
            except StoreError:
                assert list(ledger.scan("u")) == [], what
                assert users_of(ledger) == [], what
            else:
                accepted.append(what)
        assert accepted == []

    @pytest.mark.parametrize("user_id", ["", "\ud800"], ids=ascii)
    def test_a_user_id_that_is_no_wall_is_refused(self, ledger: Ledger, user_id: str) -> None:
        with pytest.raises(StoreError):
            ledger.put(user_id, [plain("a")])

    def test_reading_by_a_name_that_is_no_text_finds_nothing_or_is_refused(
        self, ledger: Ledger
    ) -> None:
        ledger.put("u", [plain("a")])
        odd = "\ud800"
        with suppress(StoreError):
            assert ledger.get("u", [odd]) == {}
        with suppress(StoreError):
            assert ledger.get(odd, ["a"]) == {}
        with suppress(StoreError):
            assert list(ledger.scan("u", kind=odd)) == []
        with suppress(StoreError):
            ledger.delete("u", [odd])
        assert set(ledger.get("u", ["a"])) == {"a"}

    def test_unknown_ids_and_users_are_empty(self, ledger: Ledger) -> None:
        ledger.put("u", [plain("a")])
        assert ledger.get("u", ["b", ""]) == {}
        assert ledger.get("u", []) == {}
        assert ledger.get("nobody", ["a"]) == {}
        with suppress(StoreError):
            assert ledger.get("", ["a"]) == {}
        with suppress(StoreError):
            assert list(ledger.scan("")) == []
        assert list(ledger.scan("nobody")) == []
        ledger.delete("nobody", ["a"])
        ledger.delete("u", ["b"])
        assert users_of(ledger) == ["u"]

    def test_thousands_of_ids_at_once(self, ledger: Ledger) -> None:
        ids = [f"id{number}" for number in range(5000)]
        assert ledger.put("u", map(plain, ids)) == set(ids)
        assert set(ledger.get("u", iter(ids))) == set(ids)
        assert [record.id for record in ledger.scan("u")] == ids
        ledger.delete("u", iter(ids[1:]))
        assert [record.id for record in ledger.scan("u")] == ids[:1]

    def test_scan_is_in_write_order_and_filters(self, ledger: Ledger) -> None:
        records = [
            Record(f"{9999 - number}", f"k{number % 2}", f"c{number % 3}") for number in range(700)
        ]
        for start in range(0, 700, 70):
            ledger.put("other", records[start : start + 70])
            ledger.put("u", records[start : start + 70])
        kind_1 = [record for record in records if record.kind == "k1"]
        assert list(ledger.scan("u")) == records
        assert list(ledger.scan("u", kind="k1")) == kind_1
        assert list(ledger.scan("u", conversation="c2")) == records[2::3]
        both = [record for record in kind_1 if record.conversation == "c2"]
        assert list(ledger.scan("u", kind="k1", conversation="c2")) == both
        assert list(ledger.scan("u", kind="k")) == []

    def test_the_store_may_change_during_a_scan(self, ledger: Ledger) -> None:
        ledger.put("u", [plain(str(number)) for number in range(600)])
        seen = []
        for record in ledger.scan("u"):
            seen.append(record.id)
            ledger.put("u", [plain("new " + record.id)])
            ledger.delete("u", ["599"])
        assert seen == [str(number) for number in range(599)]

    def test_a_scan_may_be_given_up(self, ledger: Ledger) -> None:
        ledger.put("u", [plain(str(number)) for number in range(600)])
        for taken in (0, 3, 300):
            assert len(list(islice(ledger.scan("u"), taken))) == taken
            # Nothing is held for a reader who may never come back.
            ledger.put("u", [plain(f"more {taken}")])
            ledger.delete("u", [f"more {taken}"])
        left = ledger.scan("u")
        next(left)
        ledger.close()
        with suppress(StoreError):
            assert {record.id for record in left} <= {str(number) for number in range(600)}

    def test_a_deleted_id_may_be_written_again(self, ledger: Ledger) -> None:
        ledger.put("u", [plain("a", body=1), plain("b")])
        ledger.delete("u", ["a"])
        assert ledger.get("u", ["a"]) == {}
        assert ledger.put("u", [plain("a", body=2)]) == {"a"}
        assert [(record.id, record.body) for record in ledger.scan("u")] == [("b", None), ("a", 2)]

    def test_users_are_those_with_records(self, ledger: Ledger) -> None:
        ledger.put("u", [plain("a")])
        ledger.put("v", [plain("a")])
        ledger.put("w", [])
        assert sorted(users_of(ledger)) == ["u", "v"]
        ledger.delete("u", ["a"])
        assert users_of(ledger) == ["v"]

    def test_nothing_crosses_the_wall(self, ledger: Ledger) -> None:
        ledger.put("u", [plain("a", body="mine")])
        ledger.put("v", [plain("a", body="theirs"), plain("b")])
        ledger.delete("u", ["b"])
        assert ledger.get("u", ["a", "b"])["a"].body == "mine"
        assert [record.body for record in ledger.scan("u")] == ["mine"]
        ledger.delete("u", ["a"])
        assert [record.id for record in ledger.scan("v")] == ["a", "b"]

    def test_of_many_threads_one_writes_first(self, ledger: Ledger) -> None:
        ids = [str(number) for number in range(40)]
        won: list[str] = []

        def write(name: str) -> None:
            for record_id in ids:
                if ledger.put("u", [plain(record_id, body=name), plain(record_id + name)]) >= {
                    record_id
                }:
                    won.append(record_id + "=" + name)
                assert ledger.get("u", [record_id])

        together(write, 8)
        found = [f"{record.id}={record.body}" for record in ledger.scan("u") if record.body]
        assert sorted(found) == sorted(won)
        assert len(won) == len(ids)

    def test_what_is_written_together_is_written_whole_or_not_at_all(self, ledger: Ledger) -> None:
        if not isinstance(ledger, WritesTogether):
            pytest.skip("it does not promise that")
        ledger.put("u", [plain("a", body=1)])
        with suppress(KeyError), ledger.together():
            ledger.delete("u", ["a"])
            ledger.put("u", [plain("b")])
            raise KeyError
        assert {record.id: record.body for record in ledger.scan("u")} == {"a": 1}
        with ledger.together():
            ledger.delete("u", ["a"])
            ledger.put("u", [plain("a", body=2)])
        assert {record.id: record.body for record in ledger.scan("u")} == {"a": 2}

    def test_closing_twice_is_harmless(self, ledger: Ledger) -> None:
        ledger.close()
        ledger.close()
        with pytest.raises(StoreError):
            ledger.put("u", [plain("a")])
