"""What a ledger promises that is `Words` too."""

# ruff: noqa: D102 - the names of the tests are the contract.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import pytest

from turnfold_stores.conformance.samples import ODD_NAMES, assert_falling, plain, said
from turnfold_stores.errors import StoreError
from turnfold_stores.protocols import Ledger, Record, TextSearch


class WordsContract:
    """What a ledger promises that is `Words` too."""

    @pytest.fixture
    def ledger(self) -> Iterator[Ledger]:
        """Yield an empty ledger, close it afterwards."""
        raise NotImplementedError

    @pytest.fixture
    def words(self, ledger: Ledger) -> TextSearch:
        """The same object."""
        assert isinstance(ledger, TextSearch)
        return ledger

    def test_records_that_share_more_and_rarer_words_come_first(
        self, ledger: Ledger, words: TextSearch
    ) -> None:
        texts = ["the red fox", "the red hen", "the hen", "a quick red fox jumps", "nothing here"]
        ledger.put("u", [said(str(n), text) for n, text in enumerate(texts)])
        hits = list(words.match("u", "fox red"))
        assert [hit.id for hit in hits][:2] == ["0", "3"]
        assert {hit.id for hit in hits} == {"0", "1", "3"}
        assert_falling(hits)

    def test_case_and_accents_do_not_matter(self, ledger: Ledger, words: TextSearch) -> None:
        ledger.put("u", [said("a", "Le CAFÉ de Zoë"), said("b", "cafe\u0301 au lait")])
        for query in ("café", "CAFE", "cafe\u0301"):
            assert {hit.id for hit in words.match("u", query)} == {"a", "b"}
        assert {hit.id for hit in words.match("u", "zoe")} == {"a"}

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("We painted the boats", "a painting of the boat"),
            ("Mis perros viven en Córdoba", "¿Dónde vive mi perro?"),
            ("Wir haben die Häuser gestrichen", "welches Haus?"),
            ("Моя машина стоит на парковке", "Где я оставил машину?"),
            ("मेरी बहनें दिल्ली में रहती हैं", "मेरी बहन कहाँ है?"),
            ("我的家庭医生诊所在菩提路二楼。", "哪个医生？"),
            ("かかりつけの病院は二階です。", "病院はどこですか？"),
            ("강아지의 이름은 콩이입니다.", "강아지 이름이 뭐예요?"),
            ("หมอของฉันอยู่ที่ถนนสีลม", "ถนนอะไร"),
            ("رقم هاتفي ٠٤١", "041"),
        ],
    )
    def test_words_are_found_in_other_forms_and_in_any_script(
        self, ledger: Ledger, words: TextSearch, text: str, query: str
    ) -> None:
        ledger.put("u", [said("a", text), said("b", "nothing of that kind")])
        assert [hit.id for hit in words.match("u", query)] == ["a"]

    @pytest.mark.parametrize(
        "query",
        [
            '"',
            "fox AND",
            "NOT fox",
            "owner:u1",
            "text:fox*",
            "(fox",
            "fox' OR 1=1 --",
            "^fox",
            "f\0x",
        ],
    )
    def test_a_query_is_never_syntax(self, ledger: Ledger, words: TextSearch, query: str) -> None:
        ledger.put("v", [said("theirs", "fox owner u1 and or not")])
        ledger.put("u", [said("mine", "fox")])
        found = {hit.id for hit in words.match("u", query)}
        assert found == ({"mine"} if "fox" in query else set())

    @pytest.mark.parametrize("query", ["", " ", "...", "🧵", "_", "\0"], ids=ascii)
    def test_a_query_without_words_finds_nothing(
        self, ledger: Ledger, words: TextSearch, query: str
    ) -> None:
        ledger.put("u", [said("a", "fox _ 🧵")])
        assert list(words.match("u", query)) == []

    def test_a_long_query(self, ledger: Ledger, words: TextSearch) -> None:
        ledger.put("u", [said("a", "electroencephalography")])
        query = " ".join(f"w{number}" for number in range(5000)) + " electroencephalography"
        assert [hit.id for hit in words.match("u", query)] == ["a"]

    def test_only_words_of_the_conversation_asked_for(
        self, ledger: Ledger, words: TextSearch
    ) -> None:
        records = [Record(str(n), "k", f"c{n % 2}", None, "fox") for n in range(10)]
        ledger.put("u", records)
        found = {hit.id for hit in words.match("u", "fox", conversation="c1")}
        assert found == {"1", "3", "5", "7", "9"}
        assert list(words.match("u", "fox", conversation="c")) == []

    def test_a_hit_may_tell_its_conversation(self, ledger: Ledger, words: TextSearch) -> None:
        records = [Record(name, "k", name, None, "fox") for name in ODD_NAMES]
        ledger.put("u", [*records, Record("none", "k", "", None, "fox")])
        told = {hit.id: hit.conversation for hit in words.match("u", "fox")}
        assert told.keys() == {*ODD_NAMES, "none"}
        if set(told.values()) != {None}:
            assert told == {"none": ""} | {name: name for name in ODD_NAMES}

    def test_records_without_text_and_deleted_ones_are_not_found(
        self, ledger: Ledger, words: TextSearch
    ) -> None:
        ledger.put("u", [said("a", "fox"), plain("b", body="fox"), said("c", "fox")])
        ledger.delete("u", ["a"])
        assert [hit.id for hit in words.match("u", "fox")] == ["c"]
        ledger.put("u", [said("a", "hen")])
        assert [hit.id for hit in words.match("u", "fox")] == ["c"]

    def test_every_hit_once_however_many(self, ledger: Ledger, words: TextSearch) -> None:
        ledger.put("u", [said(str(n), "fox " * (1 + n % 7)) for n in range(1000)])
        hits = list(words.match("u", "fox"))
        assert len(hits) == len({hit.id for hit in hits}) == 1000
        assert_falling(hits)

    def test_reading_matches_may_be_given_up(self, ledger: Ledger, words: TextSearch) -> None:
        ledger.put("u", [said(str(n), "fox") for n in range(600)])
        for taken in (0, 1, 300):
            assert len(list(islice(words.match("u", "fox"), taken))) == taken
            ledger.put("u", [said(f"more {taken}", "hen")])
        left = words.match("u", "fox")
        next(left)
        ledger.close()
        with suppress(StoreError):
            assert {hit.id for hit in left} <= {str(number) for number in range(600)}

    def test_no_word_crosses_the_wall(self, ledger: Ledger, words: TextSearch) -> None:
        ledger.put("u", [said("mine", "fox")])
        ledger.put("v", [said("theirs", "fox fox u v")])
        assert [hit.id for hit in words.match("u", "fox v u1 u2")] == ["mine"]
        assert list(words.match("nobody", "fox")) == []
