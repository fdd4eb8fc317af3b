"""An agent's long job: what comes with turnfold, what others do, trajectories of other shapes."""

import itertools
import json
from dataclasses import replace

import pytest
from support.embedders import HashedWords
from turnfold.accounting.tokens import estimate_text
from turnfold.errors import TranscriptError
from turnfold_cli.agents.provider import (
    AGENT_STRATEGIES,
    CLEAR_KEEPS,
    CLEARED,
    SIMULATED,
    clearing,
    compaction,
    compaction_on_demand,
)
from turnfold_cli.agents.summarizing import (
    SUMMARY_TOKENS,
    rolling_summary,
    stand_in_summary,
    summary_and_window,
)
from turnfold_cli.agents.trajectories import (
    asked_about,
    chained,
    from_completions,
    read_trajectories,
)
from turnfold_cli.replay import AT_WORK, Replay, SharedEmbedder
from turnfold_cli.replay_results import MODEL, SUMMARY_MODEL
from turnfold_cli.strategies import FULL, TURNFOLD
from turnfold_cli.transcripts import packaged_job


@pytest.fixture(scope="module")
def job():
    return packaged_job()


def played(job, strategy, *, ask=True, **changes):
    conditions = replace(AT_WORK, **changes)
    embedder = SharedEmbedder(HashedWords())
    with Replay(strategy, job, embedder=embedder, conditions=conditions) as one:
        for _ in one.play():
            pass
        if ask:
            for _ in one.ask():
                pass
        bodies = [call.body for call in one.fake.asked()]
        return one.result(), bodies


def blocks(messages, kind):
    return [
        block
        for message in messages
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == kind
    ]


# --- the job ----------------------------------------------------------------------------------


def test_the_job_is_a_long_one(job):
    calls = blocks(job.messages, "tool_use")
    assert len(calls) >= 150
    assert {"read_file", "edit_file", "run", "search", "todo"} <= {one["name"] for one in calls}
    read = [json.dumps(one["input"]) for one in calls if one["name"] == "read_file"]
    assert len(set(read)) < len(read), "files are read again"
    results = [one["content"] for one in blocks(job.messages, "tool_result")]
    assert any("failed" in one for one in results), "errors are met"
    assert "95 passed" in "\n".join(results[-40:]), "and mended"
    assert job.is_agent
    assert len(job.questions) == 20


def test_its_questions_are_about_early_steps(job):
    early = job.first(sum(1 for _ in job.turns()) // 3)
    assert len(early.questions) == 20
    assert len(job.first(2).questions) < 10


def test_the_api_takes_all_of_it_and_full_history_answers_every_question(job):
    short = job.first(40)
    result, _ = played(short, FULL)
    assert (result.refused, result.unanswered) == (0, 0)
    assert result.evidence == 1


def test_a_window_that_is_too_small_is_counted(job):
    result, _ = played(job.first(40), FULL, ask=False, window=20_000)
    assert 0 < result.unanswered < 40
    assert "too long" in result.refusals[0]


# --- what the provider does -------------------------------------------------------------------


def test_clearing_keeps_the_newest_results_and_what_was_cleared_stays_so(job):
    _, bodies = played(job.first(40), clearing(15_000), ask=False)
    cleared = [
        [
            one["tool_use_id"]
            for one in blocks(body["messages"], "tool_result")
            if one["content"] == CLEARED
        ]
        for body in bodies
    ]
    assert cleared[0] == []
    assert len(cleared[-1]) > 10
    for earlier, later in itertools.pairwise(cleared):
        assert set(earlier) <= set(later)
    grown = [n for n in range(1, len(cleared)) if len(cleared[n]) > len(cleared[n - 1])]
    assert len(grown) < len(cleared) / 3, "not with every call"
    for n in grown:
        results = blocks(bodies[n]["messages"], "tool_result")
        assert all(one["content"] != CLEARED for one in results[-CLEAR_KEEPS:])


def test_compaction_is_paid_for_and_leaves_a_summary_and_the_newest_step(job):
    result, bodies = played(job.first(40), compaction(15_000), ask=False)
    assert result.unanswered == 0
    asked = [
        n for n, body in enumerate(bodies) if "Write a summary" in json.dumps(body["messages"][-1])
    ]
    assert asked, "the model is asked, with all there is"
    after = bodies[asked[0] + 1]["messages"]
    assert after[0]["content"].startswith("The conversation until here")
    assert len(after) == 3
    assert result.requests == len(result.turns) + len(asked)


@pytest.mark.parametrize(
    ("strategy", "summarizer"),
    [
        (compaction_on_demand(15_000, 4_000), MODEL),
        (rolling_summary(), SUMMARY_MODEL),
        (summary_and_window(15_000, 4_000), SUMMARY_MODEL),
    ],
    ids=lambda one: getattr(one, "name", one),
)
def test_a_summary_beside_the_newest_is_paid_at_its_writers_price(job, strategy, summarizer):
    result, bodies = played(job.first(40), strategy, ask=False)
    assert not result.refused
    asked = [body for body in bodies if body["model"] == summarizer and _asks_summary(body)]
    assert asked
    full, _ = played(job.first(40), FULL, ask=False)
    assert result.turns[-1].usage.prompt_tokens < full.turns[-1].usage.prompt_tokens / 1.5
    assert (result.summary_tokens > 0) == (summarizer == SUMMARY_MODEL)


def _asks_summary(body):
    return "Write a summary of all of this" in json.dumps(body["messages"][-1])


def test_a_summary_of_the_stand_in_is_as_long_as_one_may_be(job):
    tokens = estimate_text(stand_in_summary(job.messages))
    assert 0.8 * SUMMARY_TOKENS < tokens < 1.2 * SUMMARY_TOKENS
    assert stand_in_summary([{"role": "user", "content": "One. Two."}]) == "One.\nTwo."


def test_what_is_simulated_says_so():
    stars = [one.title.endswith("*") for one in AGENT_STRATEGIES]
    assert [one.name for one in AGENT_STRATEGIES if not one.title.endswith("*")] == [
        "full",
        "turnfold",
    ]
    assert sum(stars) == len(AGENT_STRATEGIES) - 2
    assert "simulated" in SIMULATED


def test_turnfold_answers_every_call(job):
    result, _ = played(job.first(25), TURNFOLD)
    assert (result.unanswered, result.refusals) == (0, ())
    assert result.evidence is not None


# --- trajectories of other shapes -------------------------------------------------------------


def call(name, given, call_id="call_1"):
    function = {"name": name, "arguments": given}
    return {"id": call_id, "type": "function", "function": function}


FLIGHT = [
    {"role": "system", "content": "You sell flights."},
    {"role": "user", "content": "To Oslo, please."},
    {"role": "assistant", "content": None, "tool_calls": [call("find.flights", '{"to": "OSL"}')]},
    {"role": "tool", "tool_call_id": "call_1", "name": "find", "content": "SK 4711 at 07:25"},
    {"role": "assistant", "content": "SK 4711?"},
    {"role": "user", "content": "Yes."},
    {
        "role": "assistant",
        "content": "One moment.",
        "tool_calls": [call("book", "not JSON", "call_1"), call("mail", "{}", "call_2")],
    },
    {"role": "tool", "tool_call_id": "call_2", "content": ""},
]


def test_chat_completions_become_messages_that_the_api_takes():
    read = from_completions(FLIGHT, "flight")
    assert read.system == "You sell flights."
    assert [message["role"] for message in read.messages] == ["user", "assistant"] * 3 + ["user"]
    uses = blocks(read.messages, "tool_use")
    assert [(one["name"], one["input"]) for one in uses] == [
        ("find_flights", {"to": "OSL"}),
        ("book", {"arguments": "not JSON"}),
        ("mail", {}),
    ]
    assert len({one["id"] for one in uses}) == 3, "recorded twice under one id"
    given = blocks(read.messages, "tool_result")
    assert [one["tool_use_id"] for one in given] == [one["id"] for one in uses]
    assert [one["content"] for one in given][1:] == ["No result was recorded."] * 2
    assert {one["name"] for one in read.tools} == {"find_flights", "book", "mail"}
    result, _ = played(read, FULL)
    assert result.refused == 0


def test_several_become_one_job():
    read = from_completions(FLIGHT, "flight")
    job = chained([read, read, read])
    assert job.is_agent
    assert not blocks(job.messages[1:], "text")[0]["text"].startswith("To Oslo")
    asked = [one for one in blocks(job.messages, "tool_use") if one["name"] == "ask_user"]
    assert len(asked) == 6
    result, _ = played(job, FULL)
    assert result.refused == 0


def test_questions_are_made_of_early_results():
    job = asked_about(chained([from_completions(FLIGHT, "a"), from_completions(FLIGHT, "b")]))
    assert job.questions == (), "the same call twice, with the same result, can be told by nothing"
    [one] = asked_about(from_completions(FLIGHT, "flight"), part=1.0).questions
    assert 'find_flights({"to": "OSL"})' in one.text
    assert one.words == ("SK 4711 at 07:25",)


@pytest.mark.parametrize("key", ["messages", "traj", "trajectory"])
def test_a_file_of_trajectories(write, key):
    talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello!"}]
    path = write([{key: FLIGHT}, {key: talk}], "trips.json")
    assert [one.id for one in read_trajectories(path)] == ["trips-1", "trips-2"]
    assert len(read_trajectories(write(FLIGHT, "one.json"))) == 1


def test_messages_of_the_api_are_read_as_ever(write):
    job = packaged_job().first(3)
    whole = {"messages": list(job.messages), "tools": list(job.tools)}
    [read] = read_trajectories(write(whole, "job.json"))
    assert read.messages == job.messages


def test_what_is_no_trajectory_says_so(write):
    with pytest.raises(TranscriptError, match="role"):
        from_completions([{"role": "narrator", "content": "Once."}], "tale")
    with pytest.raises(TranscriptError, match="user"):
        from_completions([{"role": "assistant", "content": "Hm."}], "tale")
    with pytest.raises(TranscriptError):
        read_trajectories(write("nothing", "x.json"))


# --- the command ------------------------------------------------------------------------------


def test_the_demo_shows_an_agent(command, quick):
    done = command("demo", "--agent", "--plain", "--turns", 14)
    assert done.exit_code == 0, done.output
    assert "A night without a tide report: 14 calls" in done.stdout
    assert "call 14 of 14, tokens sent: full history" in done.stdout
    for one in AGENT_STRATEGIES:
        assert one.title in done.stdout
    assert "simulated by its documented rules" in " ".join(done.stdout.split())
