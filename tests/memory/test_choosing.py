"""A budget is a knapsack: the worthiest messages that fit, each thing once, in order."""

from hypothesis import given
from hypothesis import strategies as st
from turnfold.archive.passages import split
from turnfold.recall.ranking import Candidate
from turnfold.recall.selection import LABEL_TOKENS, choose

LONG = "\n\n".join(
    f"Paragraph {n} tells at length of thing number {n}. " + f"word{n} " * 90 for n in range(12)
)


def count(text):
    return len(text.split())


def message(number, text, *, source="user"):
    return Candidate(f"c:{number}", source, text, count(text))


def chosen(
    messages,
    values,
    *,
    budget=1_000,
    pieces=None,
    shown=(),
    stands=lambda _: False,
    noted=lambda _: False,
    nearest=(),
):
    return choose(
        messages,
        values,
        budget=budget,
        count=count,
        pieces=pieces or {},
        shown=shown,
        stands=stands,
        noted=noted,
        nearest=nearest,
    )


def numbers(some):
    return [int(one.message.id.partition(":")[2]) for one in some]


def test_what_is_worth_more_comes_first_and_stands_in_order():
    talk = [message(n, f"thing {n} of its own kind{n}") for n in range(4)]
    budget = 3 * (count(talk[1].text) + LABEL_TOKENS) - 1
    assert numbers(chosen(talk, [1.0, 4.0, 2.0, 3.0], budget=budget)) == [1, 3]


def test_what_is_worth_nothing_does_not_come():
    assert chosen([message(0, "a thing")], [0.0]) == []


def test_what_does_not_fit_leaves_its_place_to_what_does():
    talk = [message(0, "long " * 40), message(1, "short one"), message(2, "another brief thing")]
    assert numbers(chosen(talk, [3.0, 2.0, 1.0], budget=30)) == [1, 2]


def test_a_message_too_long_for_the_budget_comes_as_its_best_passages():
    pieces = {"c:0": {4: 0.1, 7: 0.9, 2: 0.5}}
    [second, eighth] = chosen([message(0, LONG)], [1.0], budget=400, pieces=pieces)
    assert (second.piece, eighth.piece) == (2, 7)
    assert [second.text, eighth.text] == [split(LONG)[2], split(LONG)[7]]


def test_a_message_comes_whole_where_it_takes_no_more_than_its_share():
    [whole] = chosen([message(0, LONG)], [1.0], budget=5_000, pieces={"c:0": {3: 1.0}})
    assert (whole.piece, whole.text) == (None, LONG)


def test_near_duplicates_come_once():
    said = "We agreed that the boat goes into the water on the first weekend of May this year."
    again = said.replace("this year", "this  year")
    assert numbers(chosen([message(0, said), message(1, again)], [1.0, 2.0])) == [1]
    other = said.replace("boat", "raft").replace("May", "June").replace("first", "last")
    assert numbers(chosen([message(0, said), message(1, other)], [1.0, 2.0])) == [0, 1]


def test_a_statement_comes_with_the_newer_one_on_the_same_matter():
    talk = [
        message(0, "The sprint deadline is 29 March."),
        message(1, "We moved the sprint deadline to 31 March."),
        *[message(n, f"Something else {n} altogether, number {n} of many.") for n in range(2, 9)],
    ]
    values = [9.0, 0.5, *[8.0 - n / 10 for n in range(2, 9)]]
    budget = 2 * (9 + LABEL_TOKENS)
    assert numbers(chosen(talk, values, budget=budget)) == [0, 1]
    assert numbers(chosen(talk, [0.5, 9.0, *values[2:]], budget=budget)) != [0, 1]


def test_what_stands_in_the_request_already_does_not_come_again():
    talk = [message(0, "one thing"), message(1, "another matter"), message(2, LONG)]
    pieces = {"c:2": {1: 0.9, 3: 0.5}}
    some = chosen(
        talk,
        [3.0, 2.0, 1.0],
        budget=600,
        pieces=pieces,
        shown={"c:0", "c:2.1"},
        stands=lambda text: text == "another matter",
    )
    assert [(one.place, one.piece) for one in some] == [(2, 3)]


texts = st.lists(st.text("abc ", min_size=1, max_size=200).filter(str.strip), max_size=20)


@given(texts, st.integers(0, 200), st.randoms())
def test_the_budget_holds_whatever_there_is(said, budget, random):
    talk = [message(n, text) for n, text in enumerate(said)]
    some = chosen(talk, [random.random() for _ in talk], budget=budget)
    assert sum(count(one.text) + LABEL_TOKENS for one in some) <= budget
    assert numbers(some) == sorted(set(numbers(some)))


def test_the_last_part_of_a_large_budget_goes_by_nearness_alone():
    """Of 800 messages the first by value come, and the nearest, though by value they come last."""
    talk = [message(n, f"thing {n} " + f"kind{n} " * 18) for n in range(800)]
    values = [800.0 - n for n in range(800)]
    nearest = [float(n) for n in range(800)]
    some = numbers(chosen(talk, values, budget=6_000, nearest=nearest))
    by_value = [one for one in some if one < 400]
    by_nearness = [one for one in some if one >= 400]
    assert by_value == list(range(len(by_value)))
    assert by_nearness == list(range(800 - len(by_nearness), 800))
    assert 0.1 < len(by_nearness) / len(some) < 0.25
    small = numbers(chosen(talk, values, budget=3_000, nearest=nearest))
    assert small == list(range(len(small))), "a small one goes by value alone"


NONE, PAST, OTHER = (
    "I have no allergies.",
    "Because of my allergy to penicillin I carry a card.",
    "The mower stands in the garage.",
)


@given(st.permutations([3.0, 2.0, 1.0]))
def test_what_a_note_has_comes_again_behind_what_it_is_newer_than(values):
    talk = [message(0, NONE), message(1, PAST), message(2, OTHER)]
    assert numbers(chosen(talk, values, noted=lambda text: text != NONE)) == [0, 1]


@given(st.permutations([3.0, 2.0, 1.0]))
def test_of_two_on_one_matter_that_notes_have_both_come(values):
    talk = [message(0, NONE), message(1, PAST), message(2, OTHER)]
    assert numbers(chosen(talk, values, noted=lambda _: True)) == [0, 1]


def test_what_a_note_has_does_not_come_where_nothing_older_does():
    talk = [message(0, PAST), message(1, NONE), message(2, "Allergy cards are red.", source="tool")]
    assert numbers(chosen(talk, [1.0, 0.0, 1.0], noted=lambda text: text == PAST)) == [2]
    assert numbers(chosen(talk, [1.0, 1.0, 1.0], noted=lambda text: text == PAST)) == [1, 2]


def test_more_goes_by_nearness_where_it_is_known_who_is_asked_about():
    talk = [message(n, f"thing {n} " + f"kind{n} " * 18) for n in range(800)]
    values, nearest = [800.0 - n for n in range(800)], [float(n) for n in range(800)]
    far = [
        sum(
            one.place >= 400
            for one in choose(
                talk,
                values,
                budget=4_000,
                count=count,
                pieces={},
                shown=(),
                stands=lambda _: False,
                nearest=nearest,
                is_named=is_named,
            )
        )
        for is_named in (False, True)
    ]
    assert 0 < far[0] < far[1]
