"""An exchange is read as steps, and shown without some of them; a call never loses its result."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chats import MODEL, said
from support.drawing import examples
from support.histories import TOOLS
from turnfold.history.reader import Reader, read
from turnfold.history.steps import shown_without, steps_of
from turnfold_fake import FakeClaude

SEED = "seed"


def called(number, *, parallel=1, thinks=False):
    """What an assistant says and calls, and the results of it."""
    names = [f"toolu_{number}_{n}" for n in range(parallel)]
    uses = [{"type": "tool_use", "id": name, "name": "look", "input": {}} for name in names]
    thought = [{"type": "thinking", "thinking": "So.", "signature": f"s{number}"}] if thinks else []
    results = [
        {"type": "tool_result", "tool_use_id": name, "content": said(number)} for name in names
    ]
    return [
        {"role": "assistant", "content": [*thought, *uses]},
        {"role": "user", "content": results},
    ]


def paused(number):
    """A tool that the API runs: the assistant pauses, and goes on with its result."""
    use = {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {}}
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": use["id"],
        "content": [
            {"type": "web_search_result", "title": "A", "url": "u", "encrypted_content": "e"}
        ],
    }
    call, result = called(number)
    call["content"] = [found, *call["content"]]
    return [{"role": "assistant", "content": [use]}, call, result]


def pending(number):
    """A call of ours beside one that the API runs, whose result comes with the next answer."""
    use = {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": use["id"], "content": []}
    call, result = called(f"{number}a")
    call["content"] = [use, *call["content"]]
    more, last = called(f"{number}b")
    more["content"] = [found, *more["content"]]
    return [call, result, more, last]


def open_exchange(parts):
    messages = [{"role": "user", "content": said(0)}, *[one for part in parts for one in part]]
    return read(messages, seed=SEED).open


parts = st.lists(
    st.one_of(
        st.builds(called, st.uuids().map(str), parallel=st.integers(1, 3), thinks=st.booleans()),
        st.builds(paused, st.uuids().map(str)),
        st.builds(pending, st.uuids().map(str)),
    ),
    min_size=1,
    max_size=6,
)
quick = examples(few=40, many=1_000)


@quick
@given(parts)
def test_steps_are_what_was_called_with_all_its_results(drawn):
    steps = steps_of(open_exchange(drawn))
    assert [list(one.messages) for one in steps.closed] == drawn
    assert steps.starts[0] == 1
    assert steps.size == sum(one.size for one in steps.closed)


@quick
@given(parts, st.sampled_from(["none", "call", "answer"]))
def test_what_is_not_closed_is_no_step(drawn, ends):
    more = {
        "none": [],
        "call": [called("last", parallel=2)[0]],
        "answer": [{"role": "assistant", "content": "Done."}],
    }[ends]
    steps = steps_of(open_exchange([*drawn, more]))
    assert [list(one.messages) for one in steps.closed] == drawn


@quick
@given(parts)
def test_a_step_keeps_its_id_when_the_exchange_grows(drawn):
    ids = [one.exchange_id for one in steps_of(open_exchange(drawn)).closed]
    for end in range(1, len(drawn)):
        assert [one.exchange_id for one in steps_of(open_exchange(drawn[:end])).closed] == ids[:end]
    assert len({*ids}) == len(ids)


def test_a_step_has_another_id_behind_another_opening_or_step():
    def newest(*parts, seed=SEED, opening="Go."):
        messages = [{"role": "user", "content": opening}, *[one for part in parts for one in part]]
        return steps_of(read(messages, seed=seed).open).newest

    usual = newest(called(1), called(2))
    assert usual == newest(called(1), called(2))
    others = [
        newest(called(3), called(2)),
        newest(called(1), called(2), opening="Stop."),
        newest(called(1), called(2), seed="another"),
    ]
    assert usual not in others


@pytest.mark.parametrize("system", [False, True])
@quick
@given(drawn=parts, chance=st.integers(0, 100))
def test_an_exchange_without_some_of_its_steps_is_still_taken(system, drawn, chance):
    """Whatever is left out, the API takes the rest: pairs hold, and roles alternate."""
    begins = [{"role": "system", "content": "Be brief."}] if system else []
    one = open_exchange([begins, *drawn])
    steps = steps_of(one)
    until = random.Random(chance).randint(1, len(steps.closed))
    shown = shown_without(steps, until, ["<memory>What was done.</memory>"], size=7)
    assert shown.exchange.opening_id == one.opening_id
    assert shown.exchange.content_id == one.content_id
    left = [message for part in drawn[until:] for message in part]
    opening, *rest = shown.exchange.messages
    assert rest == [*begins, *left]
    assert [block["text"] for block in opening["content"]] == [
        said(0),
        "<memory>What was done.</memory>",
    ]
    assert one.messages[0]["content"] == said(0)
    for index in range(steps.starts[until], len(one.messages)):
        assert shown.exchange.messages[shown.place(index)] is one.messages[index]
    fake = FakeClaude("All right.", thinking="unenforced")
    fake.client(max_retries=0).messages.create(
        model=MODEL, max_tokens=100, messages=list(shown.exchange.messages), tools=TOOLS
    )


def test_what_is_read_again_knows_the_size_of_each_message():
    reader = Reader(len)
    messages = [{"role": "user", "content": "Go."}]
    for number in range(5):
        messages = [*messages, *called(number)]
        one = reader.read(messages, seed=SEED).open
        assert len(one.sizes) == len(one.messages)
        assert sum(one.sizes) == one.size
