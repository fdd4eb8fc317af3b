"""The page's questions to the real API: what is paid, what is not paid again, who judges."""

import json
from argparse import ArgumentParser
from math import inf

import anthropic
import pytest
from live import command, judging
from live.asking import LiveError
from live.measuring import Interview, Models, as_json, door_to
from live.paying import Account, PayingClient
from proof.blocks import as_markdown
from proof.page import TITLE, blocks
from proof.results import Results
from support.embedders import HashedWords
from support.models import DEAREST, LARGEST
from turnfold_cli.replay_results import MODEL
from turnfold_cli.transcripts import packaged_demo
from turnfold_fake import FakeClaude, Fault

KEY = "sk-ant-api03-not-a-real-key"
MODELS = Models()


@pytest.fixture
def chats():
    return [("a chat", packaged_demo().first(14))]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return KEY


def api(judge="CORRECT", **options):
    """A stand-in whose judges say one word."""

    def reply(body):
        if "You grade one answer" not in str(body["messages"]):
            return None
        return judge(body) if callable(judge) else judge

    return FakeClaude(reply, **options)


def arguments(tmp_path, *more):
    parser = ArgumentParser()
    command.add_arguments(parser)
    told = parser.parse_args(["--live", "--questions", "2", *more])
    told.out = tmp_path
    return told


def run(fake, tmp_path, chats, *more, ask=lambda _: "y"):
    options = {"transport": fake.transport}
    return command.run(arguments(tmp_path, *more), chats, HashedWords(), ask=ask, **options)


def held(fake, account, chats, **changes):
    """One run without the estimate before it."""
    door = door_to(account, MODELS, transport=fake.transport)
    door.client.max_retries = changes.pop("retries", 0)
    return Interview(MODELS, door, HashedWords(), questions=2, **changes).hold(chats)


# --- whether anything is spent --------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", "n", "no", "maybe"])
def test_nothing_is_sent_without_a_yes(said, tmp_path, chats, capsys):
    fake, asked = api(), []
    assert run(fake, tmp_path, chats, ask=lambda text: asked.append(text) or said) is None
    assert asked
    assert fake.calls == []
    told = capsys.readouterr().out
    assert "about $" in told
    assert "stops before $5.00" in told


def test_nothing_is_sent_where_nobody_can_say_yes(tmp_path, chats, capsys):
    fake = api()
    assert run(fake, tmp_path, chats, ask=None) is None
    assert fake.calls == []
    assert "--yes" in capsys.readouterr().out


def test_nothing_is_reckoned_without_a_key(tmp_path, chats, monkeypatch, capsys):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    assert run(api(), tmp_path, chats, "--yes") is None
    assert "ANTHROPIC_API_KEY" in capsys.readouterr().out


def test_the_estimate_is_not_less_than_what_it_costs(tmp_path, chats):
    fake = api()
    told = []
    found = run(fake, tmp_path, chats, ask=lambda text: told.append(text) or "yes")
    assert found["stopped"] == ""
    assert 0 < found["dollars"] < found["most"]


def test_the_key_stands_nowhere(tmp_path, chats, capsys):
    fake = api()
    found = run(fake, tmp_path, chats, "--yes")
    assert KEY in str(fake.calls[0].headers), "it was sent"
    out = capsys.readouterr()
    written = "".join(one.read_text() for one in tmp_path.iterdir())
    assert KEY not in "".join([out.out, out.err, written, json.dumps(found)])


# --- what is paid ---------------------------------------------------------------------------------


def test_a_second_run_sends_nothing_and_finds_the_same(tmp_path, chats):
    file = tmp_path / "paid.jsonl"
    first = held(api(), account := Account(file, 5), chats)
    second = held(fake := api(), again := Account(file, 5), chats)
    assert fake.calls == []
    assert (again.spent, again.drawn) == pytest.approx((account.spent, account.drawn))
    assert second == first


def test_a_run_that_is_killed_amid_an_answer_goes_on_from_there(tmp_path, chats):
    whole = tmp_path / "whole.jsonl"
    everything = held(complete := api(), Account(whole, 5), chats)
    lines = whole.read_bytes().splitlines(keepends=True)
    file = tmp_path / "paid.jsonl"
    half = len(lines) // 4 * 2 + 1  # the request was written down, its answer was not
    file.write_bytes(b"".join(lines[:half]) + lines[half][:40])
    under_way = json.loads(lines[half - 1])["most"]

    account = Account(file, 5)
    assert account.spent >= under_way, "what is not known counts at the most it can have cost"
    found = held(fake := api(), account, chats)

    assert [one.verdicts for one in found.judged] == [one.verdicts for one in everything.judged]
    assert len(fake.calls) == len(complete.calls) - half // 2
    assert held(more := api(), Account(file, 5), chats).judged == found.judged
    assert more.calls == []


@pytest.mark.parametrize("part", [0.0, 0.3, 0.8])
def test_it_stops_before_the_maximum(part, tmp_path, chats):
    held(complete := api(), whole := Account(None, 5), chats)
    fake, account = api(), Account(tmp_path / "paid.jsonl", part * whole.spent)
    found = held(fake, account, chats)
    assert found.stopped
    assert account.spent <= account.most
    again = Account(tmp_path / "paid.jsonl", account.most)
    assert again.spent == pytest.approx(account.spent)
    rest = Account(tmp_path / "paid.jsonl", 5)
    held(more := api(), rest, chats)
    assert len(more.calls) + len(fake.calls) == len(complete.calls)


def test_a_model_without_a_price_counts_as_the_dearest(tmp_path):
    fake, account = api(), Account(None, 1e-6)
    client = fake.client(http_client=PayingClient(account, transport=fake.transport))
    with pytest.raises(anthropic.APIStatusError, match="maximum") as refused:
        client.messages.create(
            model="another-model", max_tokens=8, messages=[{"role": "user", "content": "Hi"}]
        )
    assert refused.value.status_code == 402
    assert fake.calls == []


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_request_that_the_api_is_too_busy_for_costs_nothing_and_is_asked_again(tmp_path, chats):
    def busy(body, _):
        asked = "You grade one answer" in str(body["messages"])
        return Fault("overloaded") if asked and body["model"] == MODELS.judges[1] else None

    account = Account(tmp_path / "paid.jsonl", 5)
    found = held(api(faults=busy), account, chats)
    assert found.judged == []
    assert "does not answer (529: Overloaded)" in found.stopped
    whole = held(fake := api(), Account(tmp_path / "paid.jsonl", 5), chats)
    assert whole.stopped == ""
    assert whole.missed == 0
    assert fake.calls


def test_one_request_that_fails_leaves_out_one_question(tmp_path, chats):
    hit = []

    def once(body, _):
        if hit or "You grade one answer" not in str(body["messages"]):
            return None
        hit.append(1)
        return Fault("overloaded")

    found = held(api(faults=once), Account(None, 5), chats)
    assert (found.missed, found.stopped) == (1, "")
    told = as_json(found, Account(None, 5), MODELS, {"full": "full history", "turnfold": "t"})
    assert [row["questions"] for row in told["rows"]] == [1, 1], "which is compared for none"


def test_a_prompt_that_is_refused_is_a_lost_question_not_an_error(tmp_path, chats):
    found = held(api(window=3_000), Account(None, 5), chats)
    lost = [one for one in found.judged if one.reply.refused]
    assert {one.strategy for one in lost} >= {"full"}
    assert {one.verdicts for one in lost} == {("wrong", "wrong")}
    assert found.stopped == ""


def test_a_wrong_key_ends_it_at_once(tmp_path, chats):
    fake = api(faults=lambda *_: Fault("unauthorized"))
    with pytest.raises(LiveError, match="401: invalid x-api-key"):
        held(fake, Account(None, 5), chats)


# --- thinking -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [MODEL, LARGEST, DEAREST])
def test_every_model_is_told_about_thinking_what_it_takes(answers, chats):
    """Answers, summaries and verdicts: nothing is refused, and nothing is cut off by thinking."""
    models = Models(answers=answers, summaries=answers, judges=(LARGEST, MODEL))
    fake, account = api(), Account(None, inf)
    door = door_to(account, models, transport=fake.transport)
    found = Interview(models, door, HashedWords(), questions=2).hold(chats)
    assert {call.status for call in fake.calls} == {200}
    assert "max_tokens" not in {call.response["stop_reason"] for call in fake.calls}
    assert {one.verdicts for one in found.judged} == {("correct", "correct")}
    assert not any(one.reply.refused for one in found.judged)


# --- judges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("CORRECT", "correct"),
        ("  Wrong.\n", "wrong"),
        ("**UNKNOWN**", "unknown"),
        ("It is CORRECT", "unreadable"),
        ("", "unreadable"),
    ],
)
def test_a_verdict_is_one_word(said, meant):
    assert judging.read_verdict(said) == meant


def test_agreement_is_told_with_and_without_chance():
    pairs = [*[("correct",) * 2] * 20, *[("correct", "wrong")] * 5]
    pairs += [*[("wrong", "correct")] * 10, *[("wrong",) * 2] * 15, ("correct", "unreadable")]
    told = judging.agreement(pairs)
    # The textbook's example: 35 of 50 alike, 25 by chance.
    assert (told.judged, told.same, told.kappa) == (50, 0.7, pytest.approx(0.4))
    assert judging.agreement([("correct",) * 2] * 3).kappa is None
    assert judging.agreement([]) == judging.Agreement(0, None, None)


def test_two_judges_of_one_name_are_asked_twice(tmp_path, chats):
    words = iter(["CORRECT", "WRONG"] * 100)
    fake, account = api(lambda _: next(words)), Account(tmp_path / "paid.jsonl", 5)
    client = fake.client(http_client=PayingClient(account, transport=fake.transport))
    question = chats[0][1].questions[0]
    asked = [judging.verdict(client, MODEL, question, "Yes.") for _ in range(2)]
    again = Account(tmp_path / "paid.jsonl", 5)
    client = fake.client(http_client=PayingClient(again, transport=fake.transport))
    assert [judging.verdict(client, MODEL, question, "Yes.") for _ in range(2)] == asked
    assert asked == ["correct", "wrong"]
    assert len(fake.calls) == 2


# --- the page -------------------------------------------------------------------------------------


def test_the_page_tells_how_many_were_right_how_judges_agree_and_what_the_cache_missed(
    tmp_path, chats
):
    found = run(api(), tmp_path, chats, "--yes")
    rows = {row["strategy"]: row for row in found["rows"]}
    assert set(rows) == {"full history", "last 8k tokens", "summary + window past 10k",
                         "retrieval only, 4k", "turnfold"}  # fmt: skip
    full, ours = rows["full history"], rows["turnfold"]
    assert full["questions"] == ours["questions"] == 2
    assert (full["right"], full["evidence"]) == (1.0, 1.0)
    for one in (full, ours):
        assert one["read_from_cache"] > 0.8
        assert one["cache_missed_because"] == "nothing missed", one["strategy"]
    rows["retrieval only, 4k"]["cache_missed_because"] = "messages_changed (9 tokens)"
    text = as_markdown(TITLE, list(blocks(Results.of([{"live": found}]), model=MODEL, listed=0.05)))
    assert "## Asked of the real API" in text
    assert "the same verdict on 100.0%" in text
    assert "| right |" in text
    assert "retrieval only, 4k: of the turn before, the cache missed: messages_changed (9" in text
