"""What was said stands in the conversation, wherever a format keeps it, or is counted."""

import json

import pytest
from support.exports import chatgpt, claude, claude_ai, human, node, read, words
from turnfold_cli.imports.reading import read_any

TEXT = {"type": "text", "text": "Last word."}


def asked(*messages, **more):
    first = {"role": "user", "content": "Where?"}
    return {"model": "gpt", "messages": [first, *messages], **more}


def assistant(content=None, **more):
    return {"role": "assistant", "content": content, **more}


def then(said):
    return asked(said, {"role": "user", "content": "And now?"}, assistant("Here."))


# --- chat completions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        assistant(refusal="Not said."),
        assistant([{"type": "refusal", "refusal": "Not said."}]),
        assistant(audio={"id": "audio_1", "transcript": "Not said."}),
    ],
)
@pytest.mark.parametrize("as_list", [False, True])
def test_an_answer_beside_the_content_is_an_answer(write, said, as_list):
    body = then(said)
    path = write(body["messages"] if as_list and not said["content"] else [body], "any.json")
    [one], left = read(path)
    assert words(one) == [
        ("u", ["Where?"]), ("a", ["Not said."]), ("u", ["And now?"]), ("a", ["Here."])]  # fmt: skip
    assert not left


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (assistant(), "messages without content"),
        (assistant(audio={"id": "audio_1"}), "blocks of the kind 'audio'"),
        (assistant("x", tool_calls=[{"id": "c", "type": "new"}]), "calls of no known kind"),
        (assistant("x", reasoning_content="Hm."), "thoughts"),
    ],
)
def test_what_is_left_out_of_an_answer_is_counted(write, said, kind):
    _, left = read(write([then(said)]))
    assert left == {kind: 1}


@pytest.mark.parametrize(
    ("call", "result", "given"),
    [
        ({"function_call": {"name": "look", "arguments": '{"at": 1}'}},
         {"role": "function", "name": "look"}, {"at": 1}),
        ({"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "look", "input": "at"}}]},
         {"role": "tool", "tool_call_id": "c"}, {"input": "at"}),
    ],
)  # fmt: skip
def test_calls_of_each_kind_have_their_results(write, call, result, given):
    body = asked(assistant(**call), {**result, "content": "Boats."}, assistant("Here."))
    [one], left = read(write([body]))
    assert one.messages[1]["content"][0]["name"] == "look"
    assert one.messages[1]["content"][0]["input"] == given
    assert one.messages[2]["content"][0]["content"] == "Boats."
    assert not left


def test_functions_are_tools(write):
    schema = {"type": "object", "properties": {"at": {"type": "integer"}}}
    body = asked(functions=[{"name": "look", "parameters": schema}])
    [one], _ = read(write([body]))
    assert one.tools[0]["input_schema"] == schema


def test_histories_that_differ_beside_the_content_are_two(write):
    found, _ = read(write([then(assistant(refusal=text)) for text in ("No.", "Never.")]))
    assert len(found) == 2


def test_a_list_of_requests_with_a_voice_is_no_list_of_messages(write):
    bodies = [asked(audio={"voice": "x"}), then(assistant("There."))]
    [one], _ = read(write(bodies, "any.json"))
    assert len(one.messages) == 4


# --- logged answers -----------------------------------------------------------------------------


def of_messages_api(*deltas):
    yield {"type": "message_start", "message": {"role": "assistant", "content": []}}
    yield {"type": "ping"}
    yield {"type": "content_block_start", "index": 0, "content_block": {**TEXT, "text": ""}}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}


def of_completions(*deltas):
    for delta in deltas:
        yield {"choices": [{"index": 0, "delta": delta}]}
    yield {"choices": [], "usage": {}}


def text_deltas():
    return of_messages_api(*({"type": "text_delta", "text": text} for text in ("Last", " word.")))


def sse(events, end="\n", named=True):
    for event in events:
        name = f"event: {event['type']}{end}" if named and "type" in event else ""
        yield f"{name}data: {json.dumps(event, ensure_ascii=False)}{end}{end}"


STREAMS = {
    "Messages API": list(text_deltas()),
    "chat completions": list(of_completions({"role": "assistant", "content": ""},
                                            {"content": "Last"}, {"content": " word."})),
    "spoken": list(of_completions({"audio": {"id": "x"}}, {"audio": {"transcript": "Last"}},
                                  {"audio": {"transcript": " word."}})),
    "refused": list(of_completions({"refusal": "Last"}, {"refusal": " word."})),
}  # fmt: skip
LOGGED = {
    "list": list,
    "text": lambda events: "".join(sse(events)),
    "CRLF": lambda events: "".join(sse(events, "\r\n")) + "data: [DONE]\r\n\r\n",
    "without names": lambda events: "".join(sse(events, named=False)),
    "chunks": lambda events: list(sse(events)),
    "JSON lines": lambda events: "\n".join(map(json.dumps, events)),
    "parsed": lambda events: [{"event": "x", "data": event} for event in events],
    "half parsed": lambda events: [{"event": "x", "data": json.dumps(one)} for one in events],
    "within": lambda events: {"status": 200, "body": "".join(sse(events))},
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("how", LOGGED)
def test_a_streamed_answer_is_put_together(write, stream, how):
    [one], left = read(write([{"request": asked(), "response": LOGGED[how](STREAMS[stream])}]))
    assert words(one) == [("u", ["Where?"]), ("a", ["Last word."])]
    assert not left


def test_calls_in_a_stream_are_put_together(write):
    start = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    events = [
        *text_deltas(),
        {"type": "content_block_start", "index": 1, "content_block": start},
        *({"type": "content_block_delta", "index": 1,
           "delta": {"type": "input_json_delta", "partial_json": piece}}
          for piece in ('{"at"', ': "\u2028"}')),
    ]  # fmt: skip
    pieces = [{"id": "t", "function": {"name": "look", "arguments": '{"at"'}},
              {"id": "t", "function": {"name": "look", "arguments": ': "\u2028"}'}}]  # fmt: skip
    chunks = of_completions({"content": "Last word."}, *(
        {"tool_calls": [{"index": 0, **piece}]} for piece in pieces))  # fmt: skip
    for each in (events, chunks):
        [one], left = read(write([{"request": asked(), "response": "".join(sse(each))}]))
        assert words(one)[1] == ("a", ["Last word.", "tool_use"])
        assert one.messages[1]["content"][1]["name"] == "look"
        assert one.messages[1]["content"][1]["input"] == {"at": "\u2028"}
        assert left == {"calls without a result (one was put in)": 1}


@pytest.mark.parametrize(
    "answer",
    [
        "Last word.",
        json.dumps({"role": "assistant", "content": [TEXT]}, indent=1),
        [TEXT],
        [{"role": "assistant", "content": "Last word."}],
        {"message": assistant(refusal="Last word.")},
    ],
)
def test_other_shapes_of_an_answer(write, answer):
    [one], left = read(write([{"request": asked(), "response": answer}]))
    assert words(one)[-1] == ("a", ["Last word."])
    assert not left


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": {"type": "overloaded_error"}}, "answers of no known shape"),
        ("".join(sse([{"type": "error", "error": {}}])), "messages without content"),
        ({"choices": [{"message": assistant("x")}] * 3}, "other choices of an answer"),
        ([5], "answers of no known shape"),
        (5, "answers of no known shape"),
    ],
)
def test_an_answer_that_cannot_be_read_is_counted(write, answer, kind):
    _, left = read(write([{"request": asked(), "response": answer}]))
    assert left == {kind: 2 if kind.startswith("other") else 1}


# --- what tools give ----------------------------------------------------------------------------


def test_a_picture_that_a_tool_made_was_there(write):
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "x"}
    mapping = {
        "1": node("user", "Draw."),
        "2": node("assistant", "boat", parent="1", recipient="dalle"),
        "3": node("tool", picture, "Two boats.", parent="2", kind="multimodal_text"),
        "4": node("assistant", "Here.", parent="3"),
    }
    [one], left = read(write([chatgpt(mapping, "4")], "any.json"))
    assert one.messages[2]["content"][0]["content"] == "(An image was here.)\nTwo boats."
    assert left == {"images": 1}


def test_a_kind_of_message_without_known_words_is_counted(write):
    screen = node("tool", parent="2", kind="computer_output")
    del screen["message"]["content"]["parts"]
    mapping = {
        "1": node("user", "Look."),
        "2": node("assistant", "look()", parent="1", recipient="computer"),
        "3": screen,
    }
    _, left = read(write([chatgpt(mapping, "3")], "any.json"))
    assert left == {"blocks of the kind 'computer_output'": 1}


@pytest.mark.parametrize(
    ("part", "told", "left"),
    [
        ({"type": "image_url", "image_url": {}}, "(An image was here.)", {"images": 1}),
        ({"type": "document", "source": {"type": "base64"}}, "(A file was here.)", {"files": 1}),
        ({"type": "document", "source": {"type": "text", "data": "Boats."}}, "Boats.", {}),
        ({"type": "bash_code_execution_result", "stdout": "Boats."}, "Boats.", {}),
        ({"type": "web_search_result", "title": "Boats.", "encrypted_content": "x"}, "Boats.", {}),
        ({"type": "new"}, "", {"blocks of the kind 'new'": 1}),
        (5, "", {"blocks of no kind": 1}),
    ],
)
@pytest.mark.parametrize("also", [[], ["Ships."]])
def test_each_part_of_a_result_is_read_or_counted(write, part, told, left, also):
    result = {"type": "tool_result", "tool_use_id": "a", "content": [part, *also]}
    said = claude("", content=[{"type": "tool_use", "id": "a", "name": "look"}, result])
    [one], counted = read(write([claude_ai(human("Look."), said)], "any.json"))
    lines = [*filter(None, [told]), *also]
    assert one.messages[2]["content"][0]["content"] == (
        "\n".join(lines) or "No result was recorded."
    )
    assert counted == left


# --- fields that are something else -------------------------------------------------------------

CALLED = {"index": 0, "id": "c", "custom": {"name": "look", "input": "at"}}
WHOLE = [
    {"request": then(assistant([5], refusal="No.", audio={"transcript": "x"}, tool_calls=[CALLED],
                               function_call={"name": "look", "arguments": "{}"})),
     "response": {"choices": [{"message": assistant(refusal="No.")}]}},
    *({"request": asked(), "response": events} for events in STREAMS.values()),
    {"request": asked(), "response": list(of_completions({"tool_calls": [CALLED]}))},
]  # fmt: skip


def spoilt(value, junk):
    """The value, with something else at each place in turn."""
    yield junk
    if not isinstance(value, dict | list):
        return
    for key in value if isinstance(value, dict) else range(len(value)):
        for other in spoilt(value[key], junk):
            copy = value.copy()
            copy[key] = other
            yield copy


@pytest.mark.parametrize(
    "junk", [None, 5, "x", "\ud800", [], {}, [None], {"a": [1]}, {"type": ["x"]}, [{"role": [1]}]]
)
def test_something_else_in_an_answer_costs_that_field(write, junk):
    for each in WHOLE:
        for other in spoilt(each, junk):
            imported = read_any(write([each, {**each, "request": asked()}, other], "any.json"))
            assert imported.conversations
            assert all(imported.left.values())


# --- Claude.ai ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ([{"type": "voice_note", "text": "Ahoy."}], {"blocks of the kind 'voice_note'": 1}),
        ([{"type": "thinking", "thinking": "Hm."}], {"thoughts": 1}),
        ([{"type": "text", "text": " "}], {}),
        ([], {}),
        (None, {}),
    ],
)
def test_where_no_block_has_words_the_message_has(write, content, left):
    [one], counted = read(write([claude_ai(human("Ahoy.", content=content))], "any.json"))
    assert words(one) == [("u", ["Ahoy."])]
    assert counted == left


def test_a_message_of_calls_alone_has_no_other_words(write):
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    said = claude("This block is not supported.", content=[call])
    [one], _ = read(write([claude_ai(human("Look."), said)], "any.json"))
    assert words(one)[1] == ("a", ["tool_use"])


# --- ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["a/chat", "b/chat", "chat-2"], ["chat", "chat-3", "chat-2"]),
        (["a/chat", "b/chat", "c/chat-2", "c/chat"], ["chat", "chat-3", "chat-2", "chat-4"]),
        (["a/x-2", "b/x-2-2", "b/x-2"], ["x-2", "x-2-2", "x-2-3"]),
    ],
)
def test_no_two_conversations_of_a_folder_share_an_id(tmp_path, names, ids):
    for name in names:
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([{"role": "user", "content": name}]))
    assert [one.id for one in read_any(tmp_path).conversations] == ids
