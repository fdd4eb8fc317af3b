"""Messages are ranked by words and meaning together, by what stands beside them, and by price."""

import numpy as np
import pytest
from turnfold.history.utterances import Utterance
from turnfold.recall.ranking import (
    Candidate,
    fuse_ranks,
    messages_of,
    nearness_of_messages,
    relevance,
    value,
)


def message(number, *, source="user", size=20, wish=False):
    return Candidate(f"c:{number}", source, "said", size, wish)


def said(text, source="user"):
    return messages_of("c", [Utterance(source, text)])


def test_what_both_rankings_have_comes_before_what_one_has():
    scores = fuse_ranks(["a", "b", "c"], ["c", "d", "a"])
    assert sorted(scores, key=scores.get, reverse=True)[:2] == ["a", "c"]
    assert fuse_ranks(["a"], ["a"])["a"] == 2 * fuse_ranks(["a"])["a"] == 2.0


def test_a_name_counts_at_its_first_place_only():
    assert fuse_ranks(["a", "b", "a"]) == fuse_ranks(["a", "b"])


def test_what_was_said_beside_a_match_bears_on_the_opening_too():
    talk = [message(number) for number in range(7)]
    relevant = relevance(talk, [0] * 7, {"c:3": 1.0})
    assert list(relevant) == list(relevant[::-1]), "before and after alike"
    assert all(np.diff(relevant[:4]) > 0), "the nearer the more"
    assert relevant[2] < relevant[3]


def test_a_long_message_keeps_its_neighbours_at_a_distance():
    short = relevance([message(0), message(1)], [0, 0], {"c:0": 1.0})
    long = relevance([message(0), message(1, size=2_000)], [0, 0], {"c:0": 1.0})
    assert 0 < long[1] < short[1]


def test_nothing_is_passed_on_between_runs():
    apart = [message(0), message(1)]
    assert list(relevance(apart, [1, 2], {"c:0": 1.0})) == [1.0, 0.0]


def test_no_messages_and_one_message_have_no_neighbours():
    assert relevance([], [], {}).shape == (0,)
    assert list(relevance([message(0)], [0], {"c:0": 0.5})) == [0.5]


def test_of_equals_the_cheaper_is_worth_more_down_to_a_sentence_or_two():
    talk = [message(0, size=800), message(1, size=200), message(2, size=90), message(3, size=9)]
    worth = value(talk, np.ones(4), whole=1_000)
    assert worth[0] < worth[1] < worth[2] == worth[3]


def test_a_result_too_long_to_come_whole_counts_for_the_passages_that_come_of_it():
    heap = [message(n, source="tool", size=size) for n, size in enumerate((9_000, 240, 600))]
    worth = value(heap, np.ones(3), whole=500)
    assert worth[0] == worth[2]
    assert worth[0] > value(heap, np.ones(3), whole=10_000)[0]
    assert worth[1] > worth[0]
    talk = [message(0, source="assistant", size=9_000), message(1, size=9_000)]
    assert list(value(talk, np.ones(2), whole=500)) == list(value(talk, np.ones(2), whole=9_000))


def test_the_users_words_weigh_more_where_the_other_side_speaks_at_length():
    chat = [message(0, size=50), message(1, source="assistant", size=90)]
    help_desk = [message(0, size=50), message(1, source="assistant", size=900)]
    two_people = [message(0, size=60), message(1, source="assistant", size=50)]
    assert (
        value(two_people, np.ones(2), whole=500)[0] == value(two_people, np.ones(2), whole=500)[1]
    )
    gain = [value(talk, np.ones(2), whole=500)[0] for talk in (two_people, chat, help_desk)]
    assert gain[0] < gain[1] < gain[2]


@pytest.mark.parametrize(
    "text", ["Always give the version.", "I prefer tea.", "From now on, rhyme."]
)
def test_what_the_user_wishes_for_good_weighs_more(text):
    [wish], [other] = said(text), said("It rained.")
    worth = value([wish, other], np.ones(2), whole=500)
    assert worth[0] > worth[1]
    assert not any(one.wish for one in [*said(text, "assistant"), *said(f"{text} " * 200)])


def test_messages_have_the_names_of_their_utterances():
    some = messages_of("x:y", [Utterance("user", "One."), Utterance("tool", "two() " * 40)])
    assert [one.id for one in some] == ["x:y:0", "x:y:1"]
    assert some[0].size < 5 < some[1].size


def test_the_assistants_words_weigh_as_much_where_they_are_asked_for():
    talk = [message(0, size=100), message(1, source="assistant", size=400)]
    of_user = value(talk, np.ones(2), whole=1_000)
    of_either = value(talk, np.ones(2), whole=1_000, of_assistant=True)
    assert of_user[0] / of_user[1] == pytest.approx(2 * 4**0.45)
    assert of_either[0] / of_either[1] == pytest.approx(4**0.1), "and their length costs little"


def test_a_long_message_is_as_near_as_its_best_passage_and_its_beginning():
    talk = [message(0), message(1, source="assistant"), message(2, source="tool"), message(3)]
    cosines = {"c:0.0": 0.4, "c:1.0": 0.2, "c:1.7": 0.6, "c:2.0": 0.2, "c:2.3": 0.6}
    assert list(nearness_of_messages(talk, cosines)) == pytest.approx([0.4, 0.4, 0.6, 0.0])
    asked = nearness_of_messages(talk, cosines, of_assistant=True)
    assert list(asked) == pytest.approx([0.4, 0.2, 0.6, 0.0])


def test_where_the_assistants_words_are_asked_for_its_long_answer_costs_little():
    talk = [message(0, size=50), message(1, source="assistant", size=900)]
    relevant = np.array([1.0, 2.0])
    worth = value(talk, relevant, whole=2_000)
    assert worth[0] > worth[1]
    worth = value(talk, relevant, whole=2_000, of_assistant=True)
    assert worth[0] < worth[1]
