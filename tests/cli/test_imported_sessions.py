"""Sessions of Claude Code are trees: what was taken back is left out, and nothing else."""

import json

import pytest
from support.exports import line, read, words
from turnfold_cli.imports.reading import read_any

BOOKKEEPING = "lines of the program's own bookkeeping"
TAKEN_BACK = "messages that were taken back"
FIRST = [line("user", "First.", "u1"), line("assistant", "One.", "a1", "u1")]
AGAIN = [line("user", "Better.", "u3", "a1"), line("assistant", "Three.", "a3", "u3")]
REPLAYED = [("u", ["First."]), ("a", ["One."]), ("u", ["Better."]), ("a", ["Three."])]
LINES = {
    "attachment": {"attachment": {"type": "todo_reminder"}},
    "progress": {"data": {}},
    "system": {"subtype": "turn_duration"},
}


def own(kind, uuid, parent=None, **more):
    """A line of the program's own."""
    return {"type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": "s", **more}


def between(kind, uuid, parent):
    if kind == "meta":
        return line("user", "Put in.", uuid, parent, isMeta=True)
    return own(kind, uuid, parent, **LINES[kind])


def queued(prompt, uuid="q", parent="r", **more):
    told = {"type": "queued_command", "prompt": prompt, "commandMode": "prompt", **more}
    return own("attachment", uuid, parent, attachment=told)


def working(*meanwhile, last="r"):
    """A session with a call, and what came before the answer behind its result."""
    call = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "Boats."}
    return [
        line("user", "Look.", "u"),
        line("assistant", [call], "a", "u"),
        line("user", [result], "r", "a"),
        *meanwhile,
        line("assistant", "I did.", "b", last),
    ]


@pytest.mark.parametrize("kind", [*LINES, "meta"])
def test_an_answer_that_hangs_on_a_line_of_the_program_is_taken_back_with_its_prompt(write, kind):
    dead = [line("user", "Dead.", "u2", "a1"), between(kind, "x", "u2"),
            line("assistant", "Two.", "a2", "x")]  # fmt: skip
    [one], left = read(write([*FIRST, *dead, *AGAIN]))
    assert words(one) == REPLAYED
    assert left[TAKEN_BACK] == 2


@pytest.mark.parametrize("kind", [*LINES, "meta"])
def test_prompts_to_one_answer_are_told_through_the_lines_between(write, kind):
    dead = [between(kind, "x", "a1"), line("user", "Dead.", "u2", "x"),
            line("assistant", "Two.", "a2", "u2"), between(kind, "y", "a2"),
            line("user", "Dead, too.", "u4", "y")]  # fmt: skip
    [one], left = read(write([*FIRST, *dead, *AGAIN]))
    assert words(one) == REPLAYED
    assert left[TAKEN_BACK] == 3


def test_the_first_prompt_can_be_taken_back(write):
    lines = [line("user", "Dead.", "u0"), line("assistant", "Zero.", "a0", "u0"), *FIRST]
    [one], left = read(write(lines))
    assert words(one) == REPLAYED[:2]
    assert left == {TAKEN_BACK: 2}


@pytest.mark.parametrize(
    "begins",
    [
        [own("system", "c", subtype="compact_boundary", logicalParentUuid="a1")],
        [own("system", "c", subtype="compact_boundary", logicalParentUuid="gone")],
        [own("system", "c", subtype="compact_boundary")],
        [],
    ],
)
def test_a_history_goes_on_behind_its_compaction(write, begins):
    summary = line("user", "So far.", "d", "c" if begins else None, isCompactSummary=True)
    more = [line("user", "Second.", "u2", "d"), line("assistant", "Two.", "a2", "u2")]
    [one], left = read(write([*FIRST, *begins, summary, *more]))
    assert words(one) == [*REPLAYED[:2], ("u", ["Second."]), ("a", ["Two."])]
    assert TAKEN_BACK not in left


def test_who_goes_back_behind_a_compaction_takes_it_back(write):
    dead = [line("user", "Dead.", "u2", "a1"), line("assistant", "Two.", "a2", "u2"),
            own("system", "c", subtype="compact_boundary", logicalParentUuid="a2"),
            line("user", "So far.", "d", "c", isCompactSummary=True),
            line("user", "Dead, too.", "u4", "d")]  # fmt: skip
    [one], left = read(write([*FIRST, *dead, *AGAIN]))
    assert words(one) == REPLAYED
    assert left[TAKEN_BACK] == 3


def test_lines_that_name_no_parents_follow_each_other(write):
    """As in a stream that was logged: nothing there says that anything was taken back."""
    lines = [{key: one[key] for key in one if key != "parentUuid"} for one in [*FIRST, *AGAIN]]
    [one], left = read(write(lines))
    assert words(one) == REPLAYED
    assert not left


def test_lines_that_a_resumed_session_repeats_take_nothing_back(write):
    [one], left = read(write([*FIRST, *AGAIN, *FIRST, *AGAIN]))
    assert words(one) == REPLAYED
    assert not left


def test_parents_that_come_later_or_go_in_a_circle(write):
    lines = [line("user", "Round.", "p", "q"), line("user", "And.", "q", "p"), *reversed(FIRST)]
    [one], left = read(write(lines))
    assert words(one) == [("u", ["Round.", "And."]), ("a", ["One."]), ("u", ["First."])]
    assert not left


@pytest.mark.parametrize("agent", [{}, {"agentId": "x"}])
def test_a_sidechain_goes_on_behind_a_line_of_the_program(write, agent):
    side = {"isSidechain": True, **agent}
    lines = [{**one, **side} for one in working(own("progress", "p", "r"), last="p")]
    other = line("user", "Another.", "k", isSidechain=True, **dict.fromkeys(agent, "y"))
    chains, left = read(write([*FIRST, *lines, other]))
    assert [words(one)[-1] for one in chains] == [
        ("a", ["One."]), ("a", ["I did."]), ("u", ["Another."])]  # fmt: skip
    assert left == {BOOKKEEPING: 1}


def test_sidechains_that_one_answer_began_are_several(write):
    sides = [line("user", f"Search {n}.", f"k{n}", "a1", isSidechain=True) for n in range(2)]
    chains, left = read(write([*FIRST, *sides]))
    assert [words(one)[0] for one in chains[1:]] == [("u", ["Search 0."]), ("u", ["Search 1."])]
    assert not left


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("And sail.", ["And sail."]),
        ([{"type": "text", "text": "And sail."}], ["And sail."]),
        ([{"type": "image", "source": {}}, {"type": "text", "text": "This."}],
         ["(An image was here.)", "This."]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", [{}, {"origin": {"kind": "human"}}, {"commandMode": None}])
def test_what_was_typed_while_the_agent_worked_was_said(write, prompt, told, by):
    [one], left = read(write(working(queued(prompt, **by), last="q")))
    assert words(one)[2:] == [("u", ["tool_result", *told]), ("a", ["I did."])]
    assert BOOKKEEPING not in left


@pytest.mark.parametrize(
    "by",
    [{"commandMode": "task-notification"}, {"origin": {"kind": "peer"}}, {"isMeta": True}],
)
def test_what_the_program_queued_was_not_said_by_the_user(write, by):
    [one], left = read(write(working(queued("Task done.", **by), last="q")))
    assert words(one)[2:] == [("u", ["tool_result"]), ("a", ["I did."])]
    assert left == {"messages that the program put in": 1}


def test_what_was_queued_and_has_a_line_of_its_own_is_said_once(write):
    also = line("user", "And sail.", "v", "q")
    [one], _ = read(write(working(queued("And sail.", source_uuid="v"), also, last="v")))
    assert words(one)[2] == ("u", ["tool_result", "And sail."])


def test_what_was_queued_can_be_taken_back(write):
    dead = [*working(queued("Dead."), last="q"), line("user", "Better.", "u3", "r")]
    [one], left = read(write(dead))
    assert words(one)[2:] == [("u", ["tool_result", "Better."])]
    assert left == {TAKEN_BACK: 2}


def test_a_long_session_is_read_without_recursion(write):
    lines = [line("user", "First.", "0")]
    lines += [own("progress", str(number), str(number - 1)) for number in range(1, 5_000)]
    lines.append(line("assistant", "Last.", "last", "4999"))
    path = write("\n".join(map(json.dumps, reversed(lines))))
    [one] = read_any(path).conversations
    assert len(one.messages) == 3
