"""A gold turn counts where nine in ten of its words stand in the prompt, in order."""

import pytest
from turnfold_cli.evidence import Prompt

TURN = " ".join(f"word{n}" for n in range(40))
WORDS = TURN.split()


def prompt_of(*texts, question="And?"):
    blocks = [{"type": "text", "text": text} for text in (*texts, question)]
    return Prompt({"system": "secret", "messages": [{"role": "user", "content": blocks}]}, question)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (TURN, True),
        ("before\n" + TURN.replace(" ", "\n") + "\nafter", True),
        (" ".join(WORDS[:20]) + "\n[turn 3, user] " + " ".join(WORDS[20:]), True),
        (" ".join(WORDS[:37]), True),
        (" ".join(WORDS[:35]), False),
        (" ".join(WORDS[20:] + WORDS[:20]), False),
        (" ".join(word for w in WORDS for word in (w, "and")), False),
        ("", False),
    ],
)
def test_when_a_turn_counts(text, counts):
    assert prompt_of(text).has_turn(TURN) is counts


def test_pieces_are_found_in_order_among_decoys():
    decoy = " ".join(WORDS[30:36])
    text = f"{decoy} x {' '.join(WORDS[:25])} y {decoy} {' '.join(WORDS[25:])}"
    assert prompt_of(text).has_turn(TURN)


def test_short_turns_want_to_stand_there_whole():
    assert prompt_of("he said: Thank you! Then left").has_turn("Thank you!")
    assert not prompt_of("Thank them, you know").has_turn("Thank you!")


def test_neither_question_nor_system_counts():
    prompt = prompt_of("early days", question="Where is the key?")
    assert prompt.text == "early days"
    assert not prompt.has_words(["secret"])
    assert not prompt.has_words(["key"])


def test_tool_results_count():
    result = {"type": "tool_result", "content": [{"type": "text", "text": "it is 5 o'clock"}]}
    body = {"messages": [{"role": "user", "content": [result]}, {"role": "user", "content": "q"}]}
    assert Prompt(body, "q").has_words(["5 o'clock"])


def test_the_share_of_turns():
    assert prompt_of(TURN).share_of([TURN, "something else entirely"]) == 0.5
