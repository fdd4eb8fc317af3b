"""Structured output: the request's own sentences, in order, until the tokens are used up."""

import json

import pytest
from support.models import NO_THINKING
from turnfold_fake import FakeClaude
from turnfold_fake.sentences import read_sentences
from turnfold_fake.tokens import count_text

ITEM = {
    "type": "object",
    "properties": {
        "turns": {"type": "array", "items": {"type": "integer"}},
        "kind": {"type": "string", "enum": ["fact", "decision"]},
        "text": {"type": "string"},
        "open": {"type": "boolean"},
    },
    "required": ["turns", "kind", "text", "open"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
    "additionalProperties": False,
    "$defs": {"item": ITEM},
}
TURNS = """Summarize.
<turns>
<turn n="3" role="user">
We live in Bern. It is 3.5 km from work!
</turn>
[4] assistant: Noted. Anything else?

<turn turn="15">- Buy milk.</turn>
---
</turns>"""


def fill(door, schema, content=TURNS, **fields):
    form = {"format": {"type": "json_schema", "schema": schema}}
    fields = {"max_tokens": 400, "thinking": NO_THINKING, **fields}
    return door.accepted([{"role": "user", "content": content}], output_config=form, **fields)


def filled(door, schema, content=TURNS, **fields):
    return json.loads(fill(door, schema, content, **fields)["content"][-1]["text"])


def test_sentences_in_order_with_the_marks_they_stand_under():
    body = {"messages": [{"role": "user", "content": TURNS}]}
    assert [tuple(each) for each in read_sentences(body)] == [
        ("Summarize.", 0),
        ("We live in Bern.", 3),
        ("It is 3.5 km from work!", 3),
        ("assistant: Noted.", 4),
        ("Anything else?", 4),
        ("Buy milk.", 15),
    ]


def test_the_schema_is_filled(door):
    items = filled(door, SCHEMA)["items"]
    assert items[0] == {
        "turns": [3],
        "kind": "fact",
        "text": "We live in Bern.",
        "open": False,
    }
    assert [item["turns"] for item in items] == [[3], [3], [4], [4], [15]]
    assert [item["kind"] for item in items[:3]] == ["fact", "decision", "fact"]


def test_a_mark_in_a_tag_ends_with_its_element():
    text = '<turn n="3">One.</turn>\n<more>Two.</more>\n[4] Three.\n</turn>\nFour.'
    body = {"messages": [{"role": "user", "content": text}]}
    assert [one.mark for one in read_sentences(body)] == [3, 0, 4, 4]


def test_an_empty_list_that_was_not_asked_for_is_left_out(door):
    item = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "old": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["text"],
        "additionalProperties": False,
    }
    schema = {**SCHEMA, "$defs": {"item": item}}
    assert filled(door, schema, "One.") == {"items": [{"text": "One."}]}


def test_only_what_users_wrote_is_copied(door):
    messages = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": [{"type": "text", "text": "Three."}]},
    ]
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = door.accepted(messages, output_config=form)
    items = json.loads(answer["content"][-1]["text"])["items"]
    assert [item["text"] for item in items] == ["One.", "Three."]


@pytest.mark.parametrize("most", [40, 77, 200, 1_000])
def test_it_stays_within_max_tokens(door, most):
    content = " ".join(f"Fact number {n} is true." for n in range(500))
    for thinking in (NO_THINKING, {"type": "adaptive"}):
        answer = fill(door, SCHEMA, content, max_tokens=most, thinking=thinking)
        assert answer["stop_reason"] == "end_turn"
        assert answer["usage"]["output_tokens"] <= most
        assert count_text(answer["content"][-1]["text"]) <= most
        items = json.loads(answer["content"][-1]["text"])["items"]
        assert items
        assert [i["text"] for i in items] == [
            f"Fact number {n} is true." for n in range(len(items))
        ]


def test_several_arrays_take_turns(door):
    lists = {"type": "array", "items": {"type": "string"}}
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "a": lists, "b": {**lists, "maxItems": 1}},
        "additionalProperties": False,
    }
    value = filled(door, schema, "One. Two. Three. Four.")
    assert value == {"title": "One.", "a": ["Two.", "Four."], "b": ["Three."]}


def test_every_type_has_a_value(door):
    schema = {
        "type": "object",
        "properties": {
            "const": {"const": "x"},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "either": {"type": ["null", "integer"]},
            "real": {"type": "number"},
            "nothing": {"type": "null"},
            "turns": {"type": "array", "items": {"type": "integer"}},
        },
        "additionalProperties": False,
    }
    value = filled(door, schema, "[7] One.")
    assert value == {
        "const": "x",
        "maybe": "One.",
        "either": 7,
        "real": 7.0,
        "nothing": None,
        "turns": [7],
    }
    assert list(value) == list(schema["properties"])


def test_nothing_to_copy_leaves_the_arrays_empty(door):
    assert filled(door, SCHEMA, "<a>\n</a> --- !!!") == {"items": []}


def test_long_lines_are_cut(door):
    items = filled(door, SCHEMA, "word " * 400, max_tokens=4_000)["items"]
    assert {len(item["text"]) <= 600 for item in items} == {True}
    assert " ".join(item["text"] for item in items) == ("word " * 400).strip()


def test_a_schema_larger_than_max_tokens_is_cut_off(door):
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "additionalProperties": False,
    }
    assert fill(door, schema, "many words " * 40, max_tokens=9)["stop_reason"] == "max_tokens"


def test_summaries_may_be_scripted(door_to):
    door = door_to(FakeClaude(summary=['{"items": []}']))
    assert filled(door, SCHEMA) == {"items": []}
    assert len(filled(door, SCHEMA)["items"]) == 5
