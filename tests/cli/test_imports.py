"""Files of other programs become conversations that the API accepts; what is lost is counted."""

import json
import zipfile
from itertools import pairwise

import pytest
from support.exports import (
    CALL,
    RESULT,
    chatgpt,
    claude,
    claude_ai,
    human,
    line,
    node,
    read,
    words,
)
from turnfold.errors import TranscriptError
from turnfold_cli.imports.reading import read_any
from turnfold_cli.imports.settling import moment
from turnfold_cli.replay import replay
from turnfold_cli.strategies import FULL
from turnfold_cli.verdict import judged

DAY = 86_400
SESSION = [
    {"type": "summary", "summary": "Boats", "leafUuid": "9"},
    line("user", "Where is the key?", "1", timestamp="2026-01-01T10:00:00.000Z"),
    line("assistant", [{"type": "thinking", "thinking": "Hm.", "signature": "x"}], "2", "1",
         message={"id": "m"}),
    line("assistant", [CALL], "3", "2", message={"id": "m"}),
    line("user", [RESULT], "4", "3"),
    line("assistant", [{**CALL, "id": "b"}], "5", "3", message={"id": "m"}),
    line("user", [{**RESULT, "tool_use_id": "b"}], "6", "5"),
    line("assistant", [{"type": "text", "text": "Under the barrel."}], "7", "6"),
    line("user", "Thank you, said badly.", "8", "7"),
    line("assistant", "You are rude.", "9", "8"),
    line("user", "Thank you.", "10", "7", timestamp="2026-01-01T11:00:00.000Z"),
    line("user", "Caveat: put in.", "11", "10", isMeta=True),
    line("user", "Search the boats.", "20", isSidechain=True),
    line("assistant", "Nothing.", "21", "20", isSidechain=True),
]  # fmt: skip
COMPLETIONS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is the key?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}},
        {"id": "d", "type": "function", "function": {"name": "go.to", "arguments": "nowhere"}},
    ]},
    {"role": "tool", "tool_call_id": "c", "content": "The key lies under the barrel."},
    {"role": "assistant", "content": "Under the barrel."},
]  # fmt: skip


# --- each shape ---------------------------------------------------------------------------------


def test_claude_ai_with_tools_within_a_message_and_attached_words(write):
    told = [{"type": "text", "text": "I look."}, {**CALL, "id": None},
            {**RESULT, "tool_use_id": None},
            {"type": "text", "text": "Under the barrel."}]  # fmt: skip
    note = {"file_name": "log.txt", "extracted_content": "Boats came."}
    asked = human("Where?", attachments=[note], files=[{"file_name": "photo.png"}])
    [one], left = read(write([claude_ai(asked, claude("", content=told))], "any.json"))
    assert (one.id, one.title) == ("talk", "Boats")
    assert words(one) == [
        ("u", ["log.txt:\nBoats came.", "(The file photo.png was here.)", "Where?"]),
        ("a", ["I look.", "tool_use"]),
        ("u", ["tool_result"]),
        ("a", ["Under the barrel."]),
    ]
    assert left == {"files": 1}
    assert one.when[1] - one.when[0] == 2 * DAY


def test_chatgpt_is_its_living_branch_with_calls_of_tools(write):
    mapping = {
        "root": {"message": None, "parent": None},
        "s": node("system", "Be brief.", parent="root"),
        "1": node("user", {"content_type": "image_asset_pointer"}, "Where?", parent="s", time=DAY),
        "old": node("assistant", "In Rome.", parent="1"),
        "2": node("assistant", "look()", parent="1", recipient="python"),
        "3": node("tool", "Under the barrel.", parent="2"),
        "4": node("assistant", "Thinking.", parent="3", kind="thoughts"),
        "5": node("assistant", "Under the barrel.", parent="4", time=3 * DAY),
    }
    [one], left = read(write([chatgpt(mapping, "5")], "any.json"))
    assert one.system == "Be brief."
    assert words(one) == [
        ("u", ["(An image was here.)", "Where?"]),
        ("a", ["tool_use"]),
        ("u", ["tool_result"]),
        ("a", ["Under the barrel."]),
    ]
    assert left == {
        "images": 1,
        "messages on other branches": 1,
        "messages of the kind 'thoughts'": 1,
    }
    assert one.when == (DAY, 3 * DAY)


def test_claude_code_puts_answers_together_and_leaves_what_was_taken_back(write):
    (main, side), left = read(write(SESSION))
    assert words(main) == [
        ("u", ["Where is the key?"]),
        ("a", ["tool_use", "tool_use"]),
        ("u", ["tool_result", "tool_result"]),
        ("a", ["Under the barrel."]),
        ("u", ["Thank you."]),
    ]
    assert words(side) == [("u", ["Search the boats."]), ("a", ["Nothing."])]
    assert main.id == "s"
    assert side.id.startswith("s-")
    assert left == {
        "thoughts": 1,
        "messages that were taken back": 2,
        "messages that the program put in": 1,
        "lines of the program's own bookkeeping": 1,
    }


def requests(turns, word, wrap=lambda body: body):
    history = []
    for number in range(turns):
        history = [*history, {"role": "user", "content": f"{word} {number}?"}]
        marked = [
            {"type": "text", "text": f"{word} {number}?", "cache_control": {"type": "ephemeral"}}
        ]
        sent = [*history[:-1], {"role": "user", "content": marked}]
        yield wrap({"model": "m", "max_tokens": 9, "system": "Be brief.", "messages": sent})
        history = [*history, {"role": "assistant", "content": f"{word} {number}."}]


def test_requests_of_a_growing_history_are_one_conversation(write):
    boats, ships = list(requests(3, "Boat")), list(requests(2, "Ship"))
    mixed = [boats[0], ships[0], boats[2], boats[1], boats[1], ships[1]]
    (one, two), left = read(write(mixed))
    assert [text for _, text in words(one)] == [
        ["Boat 0?"], ["Boat 0."], ["Boat 1?"], ["Boat 1."], ["Boat 2?"]]  # fmt: skip
    assert len(two.messages) == 3
    assert one.system == "Be brief."
    assert not left


def test_requests_with_their_answers_and_times(write):
    def wrap(body):
        answer = {"role": "assistant", "content": [{"type": "text", "text": "Last word."}]}
        return {"timestamp": len(body["messages"]) * DAY, "request": body, "response": answer}

    [one], _ = read(write(list(requests(2, "Boat", wrap))))
    assert words(one)[-1] == ("a", ["Last word."])
    assert one.when == (DAY, 3 * DAY)


@pytest.mark.parametrize(
    "content",
    [COMPLETIONS, {"messages": COMPLETIONS}, [{"messages": COMPLETIONS}],
     {"model": "gpt", "messages": COMPLETIONS}],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_chat_completions_with_calls_of_tools(write, content, name):
    if name == "x.jsonl" and isinstance(content, dict):
        content = [content]
    [one], left = read(write(content, name))
    assert one.system == "Be brief."
    assert [role for role, _ in words(one)] == ["u", "a", "u", "a"]
    assert [tool["name"] for tool in one.tools] == ["look", "go_to"]
    assert left == {"calls without a result (one was put in)": 1}


# --- odd and hostile entries --------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages",
    [
        [claude("Good morning."), human("Hello."), human("Are you there?")],
        [human("Hello."), claude("", content=[CALL])],
        [human("Hello."), claude("", content=[RESULT, CALL, CALL, {"type": "text", "text": "x"}])],
        [human("Hello."), claude("", content=[None, 5, {}, {"type": "budget"}]), human("Ah.")],
        [human("Half \ud800 a pair."), claude("", content=[{**CALL, "input": {"a": "\udfff"}}])],
        [human("Hello."), None, {"sender": "nobody"}, claude(" "), human("")],
        [human("Hello."), claude("", content=[{**CALL, "name": "a b/ü" * 50, "input": [1]}])],
    ],
)  # fmt: skip
def test_odd_entries_become_valid_requests(write, messages):
    [one], _ = read(write([claude_ai(*messages)], "any.json"))
    roles = [message["role"] for message in one.messages]
    assert roles[0] == "user"
    assert all(a != b for a, b in pairwise(roles))


def test_results_without_ids_answer_the_calls_in_order(write):
    """Words behind a call go before it: its result has to follow at once."""
    calls = [{**CALL, "id": None, "name": name} for name in ("one", "two")]
    results = [{**RESULT, "tool_use_id": None, "content": text} for text in ("1", "2")]
    said = [*calls, {"type": "text", "text": "I wait."}, *results]
    [one], left = read(write([claude_ai(human("Count."), claude("", content=said))], "any.json"))
    assert words(one)[1] == ("a", ["I wait.", "tool_use", "tool_use"])
    names = {block["id"]: block["name"] for block in one.messages[1]["content"][1:]}
    answered = {names[b["tool_use_id"]]: b["content"] for b in one.messages[2]["content"]}
    assert answered == {"one": "1", "two": "2"}
    assert not left


@pytest.mark.parametrize(
    ("mapping", "at"),
    [
        ({"1": node("user", "a", parent="2"), "2": node("assistant", "b", parent="1")}, "2"),
        ({"1": node("user", "a", parent="gone"), "2": node("assistant", "b", parent="1")}, "2"),
        ({"1": node("user", "a", parent="1")}, "1"),
        ({"1": node("user", "a"), "2": None, "3": {}, "4": {"message": 5}}, "gone"),
        ({"1": node("user", "a", parent=["x"])}, {"no": "name"}),
    ],
)
def test_a_broken_tree_is_read_as_far_as_it_goes(write, mapping, at):
    [one], _ = read(write([chatgpt(mapping, at)], "any.json"))
    assert words(one)[0] == ("u", ["a"])


@pytest.mark.parametrize("junk", [None, 5, -1.5, True, "x", [], {}, [None], [[5]], {"a": [1]}])
@pytest.mark.parametrize("field", ["content", "message", "uuid", "text", "tools", "function"])
def test_a_field_that_is_something_else_costs_that_field(write, junk, field):
    """Wherever it stands, no other error than that nothing is left."""

    def spoilt(value):
        if isinstance(value, list):
            return [spoilt(one) for one in value]
        if isinstance(value, dict):
            return {key: junk if key == field else spoilt(one) for key, one in value.items()}
        return value

    asked = {"model": "m", "tools": [{"function": {"name": "a"}}], "messages": COMPLETIONS}
    tree = chatgpt({"1": node("user", "a"), "2": node("tool", "b", parent="1")}, "2")
    for shape in ([claude_ai(human("Hello."))], [tree], SESSION, COMPLETIONS, [asked]):
        path = write([*shape[:2], *spoilt(shape)], "any.json")
        try:
            assert read_any(path).conversations
        except TranscriptError:
            continue


def test_lines_that_are_too_long_or_cut_off_are_left_out(write):
    lines = [json.dumps(one) for one in SESSION]
    path = write("\n".join([*lines, json.dumps({"x": "y" * 10_000_001}), lines[1][:-9]]))
    conversations, left = read(path)
    assert len(conversations) == 2
    assert left["lines above 10 million characters"] == 1
    assert left["lines that are not JSON"] == 1


def test_a_zip_and_a_folder_are_read_by_their_data(write, tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "conversations.json").write_text(json.dumps([claude_ai(human("Hello."))]))
    (folder / "user.json").write_text('{"id": 5}')
    (folder / "copy.json").write_text(json.dumps([claude_ai(human("Hello."))]))
    archive = tmp_path / "export.bin"
    with zipfile.ZipFile(archive, "w") as put:
        for file in sorted(folder.rglob("*.json")):
            put.write(file, file.name)
    for path in (folder, archive):
        found, left = read(path)
        assert [one.id for one in found] == ["talk", "talk-2"]
        assert left == {"files of other kinds": 1}


@pytest.mark.parametrize(
    ("content", "tells"),
    [
        ("Hello.", "is not JSON"),
        ('{"chat": []}', "holds an object with 'chat'"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps([claude_ai(claude("Alone."))]), "Claude.ai's data export, but no user says"),
        (b"PK\x03\x04 no zip", "not"),
    ],
)
def test_what_is_no_transcript_says_what_was_found(write, content, tells):
    with pytest.raises(TranscriptError) as wrong:
        read_any(write(content))
    assert tells in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(TranscriptError, match=r"holds no \.json or \.jsonl files"):
        read_any(tmp_path)


# --- the verdict --------------------------------------------------------------------------------


def test_replay_tells_the_cheapest_and_a_month(command, quick, write):
    path = write([claude_ai(human("Where?"), claude("There."), human("Why?"))], "any.json")
    done = command("replay", path)
    assert done.exit_code == 0, done.output
    told = " ".join(done.stdout.split())
    assert "recall is not scored, since the file has no questions" in told
    assert "a month would have cost, by the 2 days of the file" in told
    verdict = json.loads(command("replay", path, "--json").stdout)["verdict"]
    assert verdict["days"] == 2
    assert "turnfold" in verdict["month"]


def test_replay_asks_about_results_of_tools_and_says_what_was_left_out(command, quick, write):
    told = " ".join(command("replay", write(SESSION), "--strategy", "full").stdout.split())
    assert "left out: 2 messages that were taken back" in told
    assert "a month: not told, since the file spans 1.0 hours" in told


def test_a_month_is_thirty_days_of_what_has_times(write):
    talks = [claude_ai(human(f"Where {n}?"), claude("There.")) for n in range(2)]
    talks[1]["chat_messages"] = [{"sender": "human", "text": "When?"}]
    conversations = read_any(write(talks, "any.json")).conversations
    results = replay(conversations, [FULL])
    verdict = judged(conversations, results)
    assert verdict.months[0].month == pytest.approx(results[0].dollars() * 15)
    assert verdict.untimed == 1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("2026-01-31T00:00:00Z", 1_769_817_600.0),
        ("20260131", 1_769_817_600.0),
        (1_769_817_600, 1_769_817_600.0),
        (1_769_817_600_000, 1_769_817_600.0),
        ("1712010112000", None),  # milliseconds; Python reads an hour of 1712
        ("soon", None),
    ],
)
def test_a_time_that_is_none_is_not_made_one(told, seconds):
    assert moment(told) == seconds
