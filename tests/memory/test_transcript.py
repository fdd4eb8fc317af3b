"""Messages become exchanges; the same words have the same id however they are written."""

import copy

import pytest
from anthropic.types import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.histories import steps, text
from turnfold.errors import TranscriptError
from turnfold.history.exchanges import canonical, seed_of
from turnfold.history.reader import read
from turnfold.history.utterances import utterances


def user(content):
    return {"role": "user", "content": content}


def told(content):
    return {"role": "assistant", "content": content}


def words(text):
    return {"type": "text", "text": text}


def call(name="look", **fields):
    return {"type": "tool_use", "id": "t1", "name": name, "input": {}, **fields}


def result(content="A door.", **fields):
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **fields}


def of_sdk(*content):
    """What a caller holds who dumps the SDK's message, nulls and all."""
    message = Message.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": list(content),
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    return told([block.model_dump() for block in message.content])


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
SAME = {
    "a string and a block": (user("Hi."), user([words("Hi.")])),
    "one text and two": (user("Hi there."), user([words("Hi "), words("there.")])),
    "nulls": (user([words("Hi.")]), user([{**words("Hi."), "citations": None}])),
    "nulls deep inside": (
        user([result([words("x")])]),
        user([result([{**words("x"), "citations": None}], is_error=None)]),
    ),
    "cache marks": (
        user([words("Hi.")]),
        user([{**words("Hi."), "cache_control": {"type": "ephemeral"}}]),
    ),
    "a cache mark in a tool result": (
        user([result([words("x")])]),
        user([result([{**words("x"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}])]),
    ),
    "thinking": (told([words("Hi.")]), told([THOUGHT, words("Hi.")])),
    "redacted thinking": (
        told("Hi."),
        told([{"type": "redacted_thinking", "data": "x"}, words("Hi.")]),
    ),
    "thinking between texts": (told("Hi."), told([words("H"), THOUGHT, words("i.")])),
    "citations": (
        told("Hi."),
        told([{**words("Hi."), "citations": [{"type": "char_location", "cited_text": "Hi"}]}]),
    ),
    "citations deep inside": (
        user([result([words("x")])]),
        user([result([{**words("x"), "citations": [{"type": "char_location"}]}])]),
    ),
    "numbers by value": (told([call(input={"n": 1.0})]), told([call(input={"n": 1})])),
    "the order of keys": (
        told([call(input={"a": 1, "b": 2})]),
        told([{"input": {"b": 2, "a": 1}, "name": "look", "id": "t1", "type": "tool_use"}]),
    ),
    "through the SDK": (told([call(input={"n": 1})]), of_sdk(call(input={"n": 1}))),
    "a text through the SDK": (told("Hi."), of_sdk(words("Hi."))),
}
DIFFERENT = {
    "words": (user("Hi."), user("Ho.")),
    "white space": (user("a b"), user("a  b")),
    "case": (user("hi"), user("Hi")),
    "roles": (user("Hi."), told("Hi.")),
    "tools": (told([call("look")]), told([call("count")])),
    "ids of calls": (told([call()]), told([call(id="t2")])),
    "arguments": (told([call(input={"n": 1})]), told([call(input={"n": 2})])),
    "an argument that is null": (told([call(input={"n": None})]), told([call(input={})])),
    "true and one": (told([call(input={"n": True})]), told([call(input={"n": 1})])),
    "a number and its digits": (told([call(input={"n": 1})]), told([call(input={"n": "1"})])),
    "an argument called cache_control": (
        told([call(input={"cache_control": 1})]),
        told([call(input={})]),
    ),
    "errors": (user([result(is_error=True)]), user([result()])),
    "texts apart": (
        user([words("a"), result("x"), words("b")]),
        user([words("ab"), result("x")]),
    ),
    "a text that looks like a block": (user('{"type":"image"}'), user([{"type": "image"}])),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same(case):
    one, other = SAME[case]
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize("case", DIFFERENT)
def test_not_the_same(case):
    one, other = DIFFERENT[case]
    assert canonical(one) != canonical(other)


@given(st.lists(text, min_size=1, max_size=4))
def test_however_a_text_is_cut_into_blocks(parts):
    whole = user("".join(parts))
    assert canonical(user([words(part) for part in parts])) == canonical(whole)


@given(text, text)
def test_different_texts_differ(one, other):
    assert (canonical(user(one)) == canonical(user(other))) == (one == other)


# --- exchanges --------------------------------------------------------------------------------


def shape(messages):
    return [[m["role"][0] for m in one.messages] for one in read(messages, seed="s").exchanges]


def test_an_exchange_starts_at_each_user_turn():
    assert shape([user("a"), told("b"), user("c"), told("d"), user("e")]) == [
        ["u", "a"],
        ["u", "a"],
        ["u"],
    ]


def test_tool_results_and_what_follows_belong_to_the_exchange():
    messages = [user("a"), told([call()]), user([result()]), told("b"), user("c")]
    assert shape(messages) == [["u", "a", "u", "a"], ["u"]]
    messages[2] = user([result(), words("And be quick.")])
    assert shape(messages) == [["u", "a", "u"], ["u", "a"], ["u"]], "what the user says does not"


def test_several_user_messages_are_one_opening():
    [first, _] = read([user("a"), user("b"), told("c"), user("d")], seed="s").exchanges
    assert first.opening == 2


def test_a_system_message_belongs_to_the_exchange_it_stands_in():
    note = {"role": "system", "content": "Be brief."}
    assert shape([user("a"), note, told("b"), user("c"), note]) == [["u", "s", "a"], ["u", "s"]]


def test_a_prefill_is_outside_the_opening():
    open_, prefilled = (
        read([user("a"), told("b"), user("c"), *more], seed="s").open for more in ([], [told("It")])
    )
    assert open_.opening_id == prefilled.opening_id


@pytest.mark.parametrize("messages", [[], ["a"], [{"content": "a"}], [{"role": 1, "content": "a"}]])
def test_what_is_no_message_list_is_refused(messages):
    with pytest.raises(TranscriptError, match=r"messages\.0|empty"):
        read(messages, seed="s")


def test_every_message_stands_in_one_exchange_and_none_is_touched():
    messages = [user("a"), told([THOUGHT, words("b")]), user([words("c")]), told("d"), user("e")]
    before = copy.deepcopy(messages)
    exchanges = read(messages, seed="s").exchanges
    assert [m for one in exchanges for m in one.messages] == messages == before


# --- ids --------------------------------------------------------------------------------------


def ids(messages, seed="s"):
    return [
        (e.opening_id, e.exchange_id, e.content_id) for e in read(messages, seed=seed).exchanges
    ]


HISTORY = [user("a"), told("b"), user("c"), told("d"), user("e"), told("f"), user("g")]


def test_ids_of_closed_exchanges_stay_as_the_history_grows():
    assert ids([*HISTORY, told("h"), user("i")])[:3] == ids(HISTORY)[:3]


def test_an_opening_has_its_id_before_it_is_answered():
    longer = ids([*HISTORY, told("h"), user("i")])
    assert longer[3][0] == ids(HISTORY)[3][0]


def test_an_edit_renames_the_path_from_there_on_but_not_what_was_said():
    edited = [*HISTORY[:2], user("C"), *HISTORY[3:]]
    before, after = ids(HISTORY), ids(edited)
    assert before[0] == after[0]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert old[0] != new[0]
        assert old[1] != new[1]
    assert before[1][2] != after[1][2]
    assert [one[2] for one in before[2:]] == [one[2] for one in after[2:]]


def test_a_regenerated_answer_keeps_the_openings_id():
    other = [*HISTORY[:3], told("D"), *HISTORY[4:]]
    assert ids(other)[1][0] == ids(HISTORY)[1][0]
    assert ids(other)[1][1] != ids(HISTORY)[1][1]


def test_every_user_and_conversation_has_a_seed_of_its_own():
    names = ["", "a", "b", "ab", "a\x1f", "\x1fa", "a\x1fb"]
    seeds = {seed_of(user_id, conversation) for user_id in names for conversation in names}
    assert len(seeds) == len(names) ** 2


def test_two_users_share_no_id():
    one, other = ids(HISTORY, "ada"), ids(HISTORY, "bob")
    assert not {name for row in one for name in row} & {name for row in other for name in row}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps(), min_size=1, max_size=4))
def test_ids_are_unique_along_a_path(history):
    messages = []
    for number, step in enumerate(history):
        messages += [user(content) for content in step.opening]
        messages.append(told(f"{number}"))
    exchanges = read(messages, seed="s").exchanges
    names = {name for one in exchanges for name in (one.opening_id, one.exchange_id)}
    assert len(names) == 2 * len(exchanges)


# --- what is said -----------------------------------------------------------------------------


def test_utterances_name_their_source_and_leave_thinking_out():
    document = {
        "type": "document",
        "title": "Lease",
        "source": {"type": "text", "media_type": "text/plain", "data": "Ten years."},
    }
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
    messages = [
        user([words("Look."), document, picture]),
        told([THOUGHT, words("I look."), call(input={"where": "Zürich"})]),
        user([result([words("A door."), picture])]),
        {"role": "system", "content": "Be brief."},
    ]
    said = [(one.source, one.text) for one in utterances(messages)]
    seen = "[an image that can no longer be seen: image/png]"
    assert said == [
        ("user", "Look."),
        ("document", "Lease\nTen years."),
        ("document", f'{seen}\nIt came with the words: "Look."\nThe answer was: "I look."'),
        ("assistant", "I look."),
        ("tool", 'look({"where": "Zürich"})'),
        ("tool", f"A door.\n{seen}"),
        ("system", "Be brief."),
    ]
