"""Estimates are near a count by a tokenizer they know nothing of."""

import json
from pathlib import Path
from statistics import median

import pytest
from support.models import DEFAULT
from turnfold.accounting.tokens import count_block, count_fixed, count_message, estimate_text
from turnfold_fake import FakeClaude
from turnfold_fake.tokens import count_text

PROSE = {
    "English": (
        "The ferry left at nine, an hour late, because the skipper would not sail before the "
        "fog had lifted off the sound. We stood on the quay with our bags and watched the gulls "
        "argue over a crust of bread. Nobody complained; the coffee was hot, and the harbour "
        "master had brought out a chair for every one of the older passengers."
    ),
    "German": (
        "Die Fähre fuhr erst um neun Uhr ab, eine Stunde zu spät, weil der Kapitän nicht "
        "auslaufen wollte, bevor sich der Nebel über dem Sund gelichtet hatte. Wir standen mit "
        "unseren Taschen am Kai und sahen den Möwen zu, die sich um eine Brotrinde stritten. "
        "Niemand beschwerte sich, denn der Kaffee war heiß und die Stühle waren bequem."
    ),
    "Russian": (
        "Паром ушёл только в девять, с опозданием на целый час, потому что капитан не хотел "
        "выходить в море, пока над проливом не рассеется туман. Мы стояли с сумками на причале "
        "и смотрели, как чайки спорят из-за корки хлеба. Никто не жаловался: кофе был горячим, "
        "а смотритель гавани вынес по стулу каждому пожилому пассажиру."
    ),
    "Chinese": (
        "渡轮九点才开，晚了一个小时，因为船长不愿意在海峡的雾散去之前出海。我们提着行李站在码头上，"
        "看着海鸥为一块面包皮争吵。没有人抱怨；咖啡是热的，港务长还为每一位年长的乘客搬来了椅子。"
    ),
    "Japanese": (
        "フェリーは一時間遅れて九時に出航した。海峡の霧が晴れるまで、船長が船を出そうとしなかったからだ。"
        "私たちは荷物を持って岸壁に立ち、パンの耳を奪い合うカモメを眺めていた。"
        "誰も文句を言わなかった。コーヒーは熱く、港の主任が年配の乗客に椅子を運んでくれた。"
    ),
    "code": (
        "def departures(port, after):\n"
        '    """Ferries that leave a port after a time, the earliest first."""\n'
        "    found = [ferry for ferry in timetable(port) if ferry.leaves > after]\n"
        "    for ferry in sorted(found, key=lambda ferry: ferry.leaves):\n"
        "        if ferry.seats_left(class_name='second') > 0:\n"
        "            yield ferry.number, ferry.leaves.isoformat(), ferry.price * 1.08\n"
    ),
}


# Counted by tokenizers that come with their vocabulary: the one published for Claude 2, and others
# of other make. `benchmarks/bench_tokens.py` counts anew.
COUNTED = json.loads((Path(__file__).parent / "token_counts.json").read_text("utf-8"))


def test_estimates_are_within_15_percent_at_the_median_of_languages_and_kinds_of_text():
    off = [abs(estimate_text(one["text"]) / one["counts"]["claude 2"] - 1) for one in COUNTED]
    assert len(off) > 30
    assert median(off) < 0.15


@pytest.mark.parametrize("one", COUNTED, ids=[one["kind"] for one in COUNTED])
def test_no_estimate_is_far_below_what_a_tokenizer_counts(one):
    estimated = estimate_text(one["text"])
    assert estimated >= 0.75 * one["counts"]["claude 2"]
    if one["kind"] != "emoji":
        # Some take digits one by one, and every letter of a script they hardly know.
        assert estimated >= 0.6 * max(one["counts"].values())


def test_work_on_opaque_runs_is_not_repeated():
    for text in ("x-" * 100_000, "abcdefghij" * 20_000, "a1" * 100_000, "abc-1 " * 20_000):
        assert estimate_text(text) > len(text) / 8


# In other languages than English the stand-in takes six letters for a token, tokenizers three.
ALIKE = ("English", "Chinese", "Japanese", "code")


@pytest.mark.parametrize("language", ALIKE)
def test_an_estimate_is_within_a_fifth(language):
    text = PROSE[language]
    assert estimate_text(text) == pytest.approx(count_text(text), rel=0.25)


@pytest.mark.parametrize("language", PROSE)
def test_a_text_twice_as_long_has_twice_the_tokens(language):
    text = PROSE[language]
    assert estimate_text(text * 2) == pytest.approx(2 * estimate_text(text), abs=1)


def test_nothing_has_no_tokens_and_anything_has_some():
    assert estimate_text("") == 0
    for text in ("a", "é", "雪", "🙂", "\x00", "\ud800"):
        assert estimate_text(text) >= 1


@pytest.mark.parametrize("language", ALIKE)
def test_a_whole_request_is_within_a_fifth(language):
    text = PROSE[language]
    tool = {"name": "look", "description": text, "input_schema": {"type": "object"}}
    body = {
        "model": DEFAULT,
        "max_tokens": 10,
        "system": text * 2,
        "tools": [tool],
        "messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
            {"role": "user", "content": text * 3},
        ],
    }
    ours = count_fixed(body, estimate_text)
    ours += sum(count_message(message, estimate_text) for message in body["messages"])
    assert ours == pytest.approx(FakeClaude().count_tokens(body), rel=0.2)


def words(text):
    return {"type": "text", "text": text}


def count(text):
    return len(text)


@pytest.mark.parametrize(
    "holds",
    [
        words("saffron" * 50),
        {"type": "thinking", "thinking": "saffron" * 50, "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "look", "input": {"at": "saffron" * 50}},
        {"type": "tool_result", "tool_use_id": "t", "content": "saffron" * 50},
        {"type": "tool_result", "tool_use_id": "t", "content": [words("saffron" * 50)]},
        {"type": "document", "source": {"type": "text", "data": "saffron" * 50}},
        {"type": "document", "source": {"type": "content", "content": [words("saffron" * 50)]}},
        {"type": "search_result", "title": "x", "content": [words("saffron" * 50)]},
        {"type": "something_new", "says": "saffron" * 50},
    ],
    ids=lambda block: block["type"],
)
def test_every_kind_of_block_counts_what_it_holds(holds):
    assert 350 <= count_block(holds, count) <= 350 + len(json.dumps(holds)) - 300


def test_a_picture_counts_by_its_size_not_by_its_bytes():
    picture = {"type": "image", "source": {"type": "base64", "data": "A" * 400_000}}
    assert 1_000 <= count_block(picture, count) <= 2_000


def test_a_pdf_counts_by_its_pages():
    paper = {"type": "document", "source": {"type": "base64", "data": "A" * 1_000_000}}
    assert 10_000 < count_block(paper, count) < 100_000


def test_system_counts_alike_as_text_and_as_blocks():
    text, as_blocks = {"system": "x" * 99}, {"system": [words("x" * 99)]}
    assert abs(count_fixed(text, count) - count_fixed(as_blocks, count)) <= 4
    assert count_fixed({}, count) == 0
