"""Every shape of transcript is read; what cannot be read is told with its place."""

import pytest
from support.talks import FACT, messages_of, talk
from turnfold.errors import TranscriptError
from turnfold_cli.transcripts import BEGINS, packaged_demo, parse_transcript, read_transcript

MESSAGES = messages_of(3)
ONE = {"role": "user", "content": "Hello."}
HERS = {"role": "assistant", "content": "Good morning."}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (MESSAGES, "list.json"),
        ({"messages": MESSAGES}, "object.json"),
        ([{"messages": MESSAGES}], "objects.json"),
        (MESSAGES, "lines.jsonl"),
        ([{"messages": MESSAGES}], "objects.jsonl"),
        ([{"turns": MESSAGES}], "turns.jsonl"),
    ],
)
def test_the_same_messages_in_every_shape(write, content, name):
    [conversation] = read_transcript(write(content, name))
    assert list(conversation.messages) == MESSAGES
    assert len(list(conversation.turns())) == 3


def test_a_byte_order_mark_and_empty_lines_do_not_matter(write):
    path = write('\ufeff{"role": "user", "content": "Hello."}\n\n')
    assert list(read_transcript(path)[0].messages) == [ONE]


def test_system_prompt_and_tools_come_along(write):
    tools = [{"name": "clock", "input_schema": {"type": "object"}}]
    path = write({"system": "Be brief.", "tools": tools, "messages": [ONE]}, "talk.json")
    [conversation] = read_transcript(path)
    assert conversation.system == "Be brief."
    assert conversation.tools == tuple(tools)
    assert conversation.id == "talk"


def test_a_leading_system_message_is_the_system_prompt(write):
    [conversation] = read_transcript(write([{"role": "system", "content": "Be brief."}, ONE]))
    assert conversation.system == "Be brief."
    assert list(conversation.messages) == [ONE]


def test_conversations_with_questions(write):
    first, second = read_transcript(write([talk("one"), talk("two", 3)]))
    assert (first.id, second.id) == ("one", "two")
    words, turns, none = first.questions
    assert words.words == ("behind the third barrel",)
    assert turns.id == "turns"
    assert turns.evidence[0].startswith(FACT)
    assert [one.is_scored for one in first.questions] == [True, True, False]
    assert not none.is_scored


def test_a_conversation_opened_by_the_assistant_gets_a_user_first(write):
    [conversation] = read_transcript(write([HERS, ONE, HERS]))
    assert conversation.messages[0] == {"role": "user", "content": BEGINS}


def test_consecutive_messages_of_a_role_are_one_turn(write):
    [conversation] = read_transcript(write([ONE, ONE, HERS, HERS, ONE]))
    assert [(len(t.said), len(t.answered)) for t in conversation.turns()] == [(2, 2), (1, 0)]


def test_the_first_turns_keep_only_their_questions(conversation):
    assert len(conversation.first(2).questions) == 3
    assert [one.id for one in conversation.first(1).questions] == ["none"]


def test_the_packaged_conversation_is_long_and_asks_much():
    demo = packaged_demo()
    assert len(list(demo.turns())) >= 120
    assert len([one for one in demo.questions if one.words]) >= 20
    text = "\n".join(message["content"] for message in demo.messages)
    assert all(word in text for one in demo.questions for word in one.words)


@pytest.mark.parametrize(
    ("content", "tells"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
        ("# A chat\n\nHello.", "is not JSON"),
        ('{"role": "user", "content": "Hello."}\n{"role": "user"', "line 2 is not JSON"),
        ("[]", "no user message"),
        ("17", "holds a number"),
        ('{"chat": []}', "holds an object with 'chat'"),
        ('{"messages": "Hello."}', "`messages` is a text, not a list"),
        ('{"turns": [{"role": "user"}]}', "turn 1: its content is nothing"),
        ('["Hello."]', "message 1 holds a text"),
        ([ONE, {"role": "human", "content": "Hi."}], "line 2 has the role 'human'"),
        ([ONE, {"role": "assistant", "content": " "}], "line 2 is empty"),
        ([ONE, {"role": "assistant", "content": []}], "line 2: its content is an empty list"),
        ([ONE, {"role": "assistant", "content": [{}]}], "line 2: a content block"),
        ([talk(), ONE], "line 2 holds an object with 'role', 'content' where a conversation"),
        ([{"turns": [ONE], "questions": [{}]}], "question 1 needs a `question`"),
        ([{"turns": [ONE], "questions": 5}], "`questions` is a number"),
        ([{"turns": [ONE], "system": 5}], "`system` is a number"),
        ([HERS], "no user message"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(write, content, tells):
    path = write(content)
    with pytest.raises(TranscriptError) as wrong:
        read_transcript(path)
    assert tells in str(wrong.value)
    assert path.stem in str(wrong.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(TranscriptError, match="no such file"):
        read_transcript(tmp_path / "gone.json")
    with pytest.raises(TranscriptError, match="is a folder"):
        read_transcript(tmp_path)


def test_a_name_stands_for_a_conversation_without_one():
    both = parse_transcript('[{"messages": [{"role": "user", "content": "a"}]}]', name="x/y.json")
    assert [one.id for one in both] == ["y-1"]
