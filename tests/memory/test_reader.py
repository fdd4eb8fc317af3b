"""A history that grows is read once, and read right whatever became of it since."""

import copy

from hypothesis import given
from hypothesis import strategies as st
from support.drawing import examples
from support.histories import sentence
from turnfold.accounting.tokens import estimate_text
from turnfold.history import reader
from turnfold.history.reader import Reader, read

MARK = {"type": "ephemeral"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}


def user(content):
    return {"role": "user", "content": content}


def told(content):
    return {"role": "assistant", "content": content}


def words(text, **fields):
    return {"type": "text", "text": text, **fields}


contents = st.one_of(
    sentence,
    sentence.map(lambda text: [words(text)]),
    sentence.map(lambda text: [words(text, cache_control=MARK)]),
    sentence.map(lambda text: [words(text), words("More.")]),
)
questions = contents.map(user)
answers = st.one_of(
    contents.map(told), contents.map(lambda said: told([THOUGHT, words("So."), *listed(said)]))
)
results = sentence.map(
    lambda text: user([{"type": "tool_result", "tool_use_id": "t", "content": text}])
)
queued = st.tuples(results, sentence).map(lambda both: user([*both[0]["content"], words(both[1])]))
asides = sentence.map(lambda text: {"role": "system", "content": text})
passing = asides.map(lambda aside: {**aside, "clear_at": "next_user_message"})
messages = st.one_of(questions, questions, answers, answers, results, queued, asides, passing)


def listed(content):
    return [words(content)] if isinstance(content, str) else content


def seen(transcript):
    exchanges = [
        (
            one.opening_id,
            one.exchange_id,
            one.content_id,
            one.names,
            one.opening,
            one.size,
            one.replies,
            one.thoughtful,
            one.marked,
            one.joins,
            [message["role"] for message in one.messages],
        )
        for one in transcript.exchanges
    ]
    return exchanges, transcript.starts, transcript.messages, transcript.special


changes = st.sampled_from(
    ["more", "more", "more", "less", "another", "in place", "a block", "copied"]
)


@examples(few=100, many=3_000)
@given(st.data())
def test_what_is_read_with_a_memory_of_it_is_what_is_read_without(data):
    """More is said, turns are taken back, one is changed, in the caller's own objects too."""
    knowing = Reader(estimate_text)
    history = [data.draw(questions), *data.draw(st.lists(messages, max_size=6))]
    for change in data.draw(st.lists(changes, min_size=1, max_size=6)):
        assert seen(knowing.read(history, seed="s")) == seen(read(history, seed="s"))
        place = data.draw(st.integers(0, len(history) - 1))
        if change == "more":
            history = [*history, *data.draw(st.lists(messages, min_size=1, max_size=4))]
        elif change == "less":
            history = history[: place + 1]
        elif change == "another":
            history = [*history[:place], data.draw(messages), *history[place + 1 :]]
        elif change == "in place" and isinstance(history[place]["content"], list):
            history[place]["content"][-1] = words(data.draw(sentence))
        elif change == "in place":
            history[place]["content"] = data.draw(contents)
        elif change == "a block":
            said = {**history[place], "content": listed(history[place]["content"])}
            history = [*history[:place], said, *history[place + 1 :]]
        else:
            history = copy.deepcopy(history)
    assert seen(knowing.read(history, seed="s")) == seen(read(history, seed="s"))


class Counting:
    """Counts tokens, and notes what of."""

    def __init__(self):
        self.texts = []

    def __call__(self, text):
        self.texts.append(text)
        return len(text)


def chat(turns, first="Hello 0."):
    history = [user(first)]
    for number in range(1, turns):
        history += [told([words(f"Answer {number}.")]), user(f"Hello {number}.")]
    return history


def test_what_was_read_before_is_not_read_again():
    counting = Counting()
    knowing = Reader(counting)
    knowing.read(chat(50), seed="s")
    counting.texts.clear()
    knowing.read(copy.deepcopy(chat(51)), seed="s")
    assert counting.texts == ["Answer 50.", "Hello 50."]


def test_histories_side_by_side_are_both_known():
    counting = Counting()
    knowing = Reader(counting)
    for first in ("Hello.", "Good evening."):
        knowing.read(chat(50, first), seed="s")
    counting.texts.clear()
    for first in ("Hello.", "Good evening."):
        knowing.read(chat(51, first), seed="s")
    assert len(counting.texts) == 2 * 2


def test_a_block_changed_in_place_is_noticed():
    knowing = Reader(estimate_text)
    history = [user([words("Look."), words("There.")]), told("I see."), user("And?")]
    before = knowing.read(history, seed="s").exchanges[0].exchange_id
    history[0]["content"][1]["text"] = "Here."
    after = knowing.read(history, seed="s").exchanges[0].exchange_id
    assert after == read(history, seed="s").exchanges[0].exchange_id != before


def test_the_oldest_are_forgotten_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(reader, "_MOST_HISTORIES", 3)
    monkeypatch.setattr(reader, "_MOST_TOKENS", 1_000)
    counting = Counting()
    knowing = Reader(counting)
    for number in range(5):
        knowing.read(chat(2, f"Hello, this is {number}."), seed="s")
    assert len(knowing._known) == 3
    knowing.read(chat(60, "A long one."), seed="s")
    assert len(knowing._known) == 1, "more tokens than all together may have"
