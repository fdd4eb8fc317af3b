"""Whatever is written is read, in work and room that grow with its length and no faster."""

import random
import sys
import tracemalloc
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alphabets import ALPHABETS, repeated
from support.cpu import at_most
from support.drawing import drawn, examples, sampled, some
from support.readers import READERS
from turnfold.accounting.tokens import estimate_text
from turnfold.history.utterances import Utterance
from turnfold.instructions.enclosed import between_marks
from turnfold.language.quantities import quantities
from turnfold.language.words import plain
from turnfold.summaries import evidence
from turnfold.summaries.evidence import Evidence
from turnfold.summaries.notes import SummaryJob
from turnfold.summaries.sentences import _LEAST, _item, _read, _worth, extract
from turnfold_stores.search.scanning import STRETCH, normal, scan, stretches

# --- nothing raises ---------------------------------------------------------------------------

ODD = [
    "\ud800", "\x00", "\ufeff", "\uff9e\uff9e", "٣٤", "①", "½", "İ", "ﷺ", "e\u0301\u0316", "\u202e",
    "'", '"', "<memory", "</turn>", "{}", "\\u0041", "not ", "5 March ", "12:30 pm", "1" * 4_400,
    "x_1", "#", "https://", "a@b.c", " × ", "\n", " ", "？", "。", "the ", "No. ", "31.02.2026",
    "\u2028", "\r", "\x85", "\x1b[31m", "> ", "```", "<b>", "{{", "(((", "-- ", "| ",
    "On Mon, X wrote:", "\U000e0041", "\u2066", "\u3164", "ŉ", "क्षि", "1\ufe0f\u20e3", "٣٤٫٥", "Ⅷ",
    "三百", "-0", "1e999999 ", "1'000", "99999-12-31", "half past 99 ", "twenty-", "hundred ",
    "9" * 66 + "bn", "May of ", "25:61",
]  # fmt: skip

ENDS = [0x3000, 0x110000]  # of the alphabets of the world, which are few, and of all characters


def odd_texts(number):
    """Texts of characters of all of Unicode, and of pieces that were trouble once."""
    chance = random.Random(11)
    for _ in range(number):
        pieces = [
            chance.choice(ODD)
            if chance.random() < 0.5
            else chr(chance.randrange(chance.choice(ENDS)))
            for _ in range(chance.randint(1, 9))
        ]
        yield "".join(pieces)


@sampled
def test_ten_thousand_odd_texts_are_read():
    readers = list(READERS.items())
    # Each text meets a reader, and each reader some hundred texts; in the soak run each each.
    for number, text in enumerate(odd_texts(10_000)):
        for name, read in some(readers, step=len(readers), first=number % len(readers)):
            try:
                read(text)
            except Exception as wrong:
                raise AssertionError(f"{name} fails on {text!r}") from wrong


def test_a_note_is_looked_at_once_however_many_numbers_are_not_in_its_turns(monkeypatch):
    looked = []
    monkeypatch.setattr(evidence, "plain", lambda text: looked.append(len(text)) or plain(text))
    note = "\x00a\x00 7" * 2_000
    assert len(Evidence(["It rained."]).complaints(note)) >= 2_000
    assert sum(looked) <= 3 * len(note)


def test_a_number_of_thousands_of_digits_is_a_number_like_any_other():
    long = "7" * 5_000
    said = Evidence([f"My number is {long} of course, and I have 42 apples."])
    assert said.complaints("The user mentioned 42 apples.") == []
    assert said.complaints(f"The number of the user is {long} now.") == []
    assert said.complaints(f"The number of the user is {long[1:]} now.")


# --- work -------------------------------------------------------------------------------------


def work(read, text):
    """Calls made while a text is read: those of Python's functions and those into C."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        read(text)
    finally:
        sys.setprofile(before)
    return calls


structures = st.one_of(
    st.sampled_from(sorted(ALPHABETS)).map(ALPHABETS.get),
    st.text(min_size=1, max_size=3).map(repeated),
    st.tuples(st.characters(), st.sampled_from(" .,-_@?\n\u0301")).map("".join).map(repeated),
)


@examples(few=30, many=600)
@given(structures, st.sampled_from(sorted(READERS)))
def test_four_times_the_text_is_at_most_some_four_times_the_work(write, reader):
    read, size = READERS[reader], 2 * STRETCH
    short, long = write(size), write(4 * size)
    for text in (long, short):
        read(text)  # what is remembered of words is remembered
    less, more = work(read, short), work(read, long)
    assert more <= 4.8 * less + 2_000
    assert more <= 60 * 4 * size


LONG_NUMBERS = [
    "digits", "digits of full width", "digits of Arabic", "small digits", "digits in French",
    "coordinates in French",
]  # fmt: skip


@pytest.mark.parametrize("alphabet", LONG_NUMBERS)
def test_a_number_is_not_looked_at_from_each_of_its_digits(alphabet):
    text = ALPHABETS[alphabet](300_000)
    with at_most(30):  # it took hours
        assert len(plain(text)) == len(text)


@pytest.mark.parametrize("alphabet", sorted(ALPHABETS))
def test_no_stretch_is_longer_than_it_may_be_and_none_is_lost(alphabet):
    text = ALPHABETS[alphabet](3 * STRETCH)
    pieces = list(stretches(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= STRETCH
    tokens = list(scan(text))
    assert all(text[one.start : one.end] == one.text for one in tokens)
    assert all(one.end <= after.start for one, after in pairwise(tokens))


def test_a_text_is_normalized_in_slices_alike_wherever_no_mark_is_torn_off():
    text = "Café № ５ ½, ﬁn. " * 40
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert normal(text, form) == unicodedata.normalize(form, text)


# --- room -------------------------------------------------------------------------------------

SPACIOUS = ["one denied", "all denied", "names", "identifiers", "hex in groups", "ligatures", "log"]


@drawn(every={"alphabet"}, alphabet=SPACIOUS, reader=["gate", "query", "passages", "numbers"])
def test_reading_takes_at_most_fifty_times_the_room_of_the_text(alphabet, reader):
    text = ALPHABETS[alphabet](60_000)
    READERS[reader](text)  # what is remembered of words has a bound of its own
    tracemalloc.start()
    try:
        READERS[reader](text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 50 * len(text.encode())


# --- what is passed over ----------------------------------------------------------------------

PHRASES = st.lists(
    st.sampled_from(
        "5 23rd third March sept. May of the 2024 2026-05-01 1/2/24 , - : 12:30 7h45 9 pm a.m. "
        "half quarter past to Mon. tuesdays twenty five hundred and two 3.5k $1,200 10 bn dozen "
        "name".split()
    ),
    max_size=9,
)


@examples(few=150, many=4_000)
@given(PHRASES, st.sampled_from(["", " "]), st.sampled_from(["en", "de", "pl", "zh"]))
def test_what_is_said_in_numbers_leaves_blanks_and_everything_else_stands(
    pieces, between, language
):
    text = plain(between.join(pieces))
    found = quantities(text, (language,))
    assert len(found.rest) == len(text)
    assert all(left in (was, " ") for left, was in zip(found.rest, text, strict=True))
    assert not any(letter.isdigit() for letter in found.rest)


# --- what is read -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028", "\u2029"])
def test_a_line_is_marked_by_what_stands_in_it_whatever_ends_it(end):
    text = f"Answer in French.{end}| a | b |"
    assert between_marks(text) == [(text.index("|"), len(text))]


@pytest.mark.parametrize("said", ["610 × 905", "610x905", "610 x 905 mm", "610 * 905"])
@pytest.mark.parametrize("told", ["610 × 905 mm", "610x905", "610 by 905 mm", "905 by 610"])
def test_a_size_is_two_numbers(said, told):
    said = Evidence([f"The pane is {said}, with an iron frame."])
    assert said.complaints(f"The pane measures {told}.") == []
    assert said.complaints(f"The pane measures {told.replace('9', '8')}.")


def plainly_picked(job):
    """The definition: at each pick, the best of all that are left."""
    rest = list(_read(job))
    order = {one: number for number, one in enumerate(rest)}
    sizes = {one: estimate_text(one.text) + 12 for one in rest}
    left, covered, items = job.max_tokens, set(), []
    while rest:

        def value(one, covered=covered):
            return _worth(one, covered) / sizes[one], -order[one]

        best = max(rest, key=value)
        if _worth(best, covered) <= (_LEAST if items else 0):
            break
        rest.remove(best)
        if sizes[best] > left and items:
            continue
        left -= sizes[best]
        covered |= best.telling | best.matter
        items.append((order[best], _item(best)))
    return [item for _, item in sorted(items, key=lambda one: one[0])]


@pytest.mark.parametrize("room", [80, 300, 1_500])
@pytest.mark.parametrize("alphabet", ["prose", "log", "CSV", "code"])
def test_the_sentences_picked_are_those_of_the_plain_definition(alphabet, room):
    text = ALPHABETS[alphabet](8_000)
    said = [Utterance("user", text[:3_000]), Utterance("tool", text[3_000:])]
    job = SummaryJob(1, [said], max_tokens=room)
    assert extract(job) == plainly_picked(job)
