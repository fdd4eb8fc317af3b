"""A question about one of two people who talk is about what that one said."""

import numpy as np
import pytest
from support.chats import ask, chats, memory, stand_in
from support.embedders import HashedWords
from turnfold import Policy
from turnfold.history.utterances import Utterance
from turnfold.recall.ranking import messages_of
from turnfold.recall.speakers import asked_about, said_by, spoken_to


def talk(*lines, times=6):
    """What user and assistant say in turn, over and over."""
    said = [Utterance(("user", "assistant")[at % 2], text) for at, text in enumerate(lines * times)]
    return messages_of("c", said)


IN_MANY_LANGUAGES = [
    ("Hey Bram! The loft is painted.", "Lovely, Ines! I bought a boat.", "Bram's boat?", "Ines?"),
    (
        "Du, Bram, das Dach ist neu.",
        "Schön, Ines! Ich habe ein Boot.",
        "Was hat Bram?",
        "Was Ines?",
    ),
    ("Брам, крыша готова.", "Отлично, Инес! У меня лодка.", "Что купил Брам?", "А Инес?"),
    ("小明，屋顶好了。", "太好了，小红！我买了船。", "小明买了什么？", "小红做了什么？"),
    ("ברם, הגג מוכן.", "יופי, אינס! קניתי סירה.", "מה קנה ברם?", "מה עשתה אינס?"),
]


@pytest.mark.parametrize(("user", "assistant", "of_assistant", "of_user"), IN_MANY_LANGUAGES)
def test_who_is_called_so_is_told_by_who_says_the_name(user, assistant, of_assistant, of_user):
    messages = talk(user, assistant)
    assert asked_about(of_assistant, messages).side == "assistant"
    named = asked_about(of_user, messages)
    assert named.side == "user"
    assert list(said_by(named, messages, 2.0)) == [2.0, 1.0] * 6


def test_what_is_left_of_a_question_has_no_name():
    messages = talk("Hey Bram! The loft is painted.", "Lovely, Ines! I bought a boat.")
    assert asked_about("What did Ines paint?", messages).rest == "What did paint?"
    assert asked_about("Where is Bram's boat?", messages).rest == "Where is boat?"


def test_a_question_that_names_both_or_nobody_is_about_no_one_side():
    messages = talk("Hey Bram! The loft is painted.", "Lovely, Ines! I bought a boat.")
    assert asked_about("What do Bram and Ines have in common?", messages) is None
    assert asked_about("What was painted?", messages) is None
    assert np.all(said_by(None, messages, 2.0) == 1.0)


@pytest.mark.parametrize(
    "lines",
    [
        # Somebody talked about, on both sides or within sentences.
        ("I met Bram today.", "How is Bram?"),
        ("Today Bram called me about the boat he wants", "Nice of him."),
        # Named once in a while, in passing.
        ("How are you? Fine, Bram. " + "And on. " * 9, "Fine.", *("So it goes.", "It does.") * 40),
    ],
)
def test_who_is_only_talked_about_is_no_side_of_the_talk(lines):
    assert asked_about("What did Bram buy?", talk(*lines, times=3)) is None


def test_what_an_assistant_begins_with_is_nobodys_name():
    messages = talk("Can you help?", "Certainly! Step 1: Review. Absolutely, content matters.")
    assert asked_about("Which content did I ask you to review in step 1?", messages) is None


def test_what_a_tool_gives_speaks_to_nobody():
    assert spoken_to("Thanks, Ines! Bye.") >= {"Ines"}
    (result,) = messages_of("c", [Utterance("tool", "Thanks, Ines! Bye.")])
    assert result.spoken_to == frozenset()


def test_what_the_named_one_said_is_looked_for_without_the_name_and_comes_first():
    """Bram says "Ines" in every message; what Ines said of the harbour is what is asked for."""
    embedded = []

    class Noting(HashedWords):
        def embed(self, texts):
            embedded.extend(texts)
            return super().embed(texts)

    history = []
    for number in range(30):
        matter = "the harbour" if number == 3 else f"thing{number}"
        history += [
            {"role": "user", "content": f"Hey Bram! Today I painted {matter} and slept."},
            {"role": "assistant", "content": f"Lovely, Ines! What Ines painted, {number} of it."},
        ]
    fake = stand_in()
    with memory(policy=Policy.for_budget(500), embedder=Noting()) as remembered:
        client = remembered.wrap(fake.client(), conversation="c")
        client.messages.create(**ask(history, "Which harbour was it that Ines painted?"))
    assert embedded[-1] == "Which harbour was it that painted?"
    assert "Today I painted the harbour and slept." in str(chats(fake)[-1]["messages"])
